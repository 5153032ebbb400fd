/** What a topic's reader knows of each node that it reads from, and when it takes Kafka for away. @module */

/** For how long failures, with an answer from Kafka, pass for a moment's. */
const toleratedMs = 2_000;

/** What reads the partitions of one node. */
export interface Lane {
  readonly leader: number;
  /** Since when it has not been answered, and Kafka's error name of the last failure. */
  failingSince: number | undefined;
  code: string | null;
  /** Its request takes longer than it should. */
  isLate: boolean;
  /** After a failure it waits for the cluster to be looked at: what answers there may be another log. */
  resume: (() => void) | null;
  /** Counts its requests: each begins with another partition. */
  turn: number;
}

/** Whether a node is not read from, for longer than a moment. */
export function hasFailed({ failingSince, code }: Lane): boolean {
  return failingSince !== undefined && isAway(code, failingSince);
}

/** A new topic or a moved leader takes a moment; only what lasts, or no answer at all, is Kafka being away. */
export function isAway(code: string | null, failingSince: number): boolean {
  return code === "UNREACHABLE" || performance.now() - failingSince > toleratedMs;
}

/** Calls `late` when a node takes longer than `ms` for an answer; the lane is late until it came. */
export async function timed<T>(lane: Lane, ms: number, answer: Promise<T>, late: () => void): Promise<T> {
  const timer = setTimeout(() => {
    lane.isLate = true;
    late();
  }, ms);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
    lane.isLate = false;
  }
}
