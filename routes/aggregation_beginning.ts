/** Where somebody begins who comes without a place: at a moment between two finished windows, of which it is known what there was.
 *
 * What is counted is read from one topic and finished windows from others, so that either may be ahead. A picture of the former belongs
 * to a place in the latter when that has not moved while it was taken: then it has all windows that finished before the place, and none
 * of those that will be told after it. Left out: what is told (aggregation_stream.ts).
 * @module */
import { appendedOffset, KafkaError, latestOffset } from "../kafka/connection.ts";
import {
  clusterHash,
  formatCursor,
  parseCursor,
  type Positions,
  type StartAt,
  unknownOffset,
} from "../kafka/cursor.ts";
import type { History } from "../kafka/history.ts";
import { pause } from "../kafka/pause.ts";
import type { Aggregations } from "../kafka/processors/windows/types.ts";

/** A picture and the places that it belongs to, in the order of the topics. */
export interface Beginning<T> {
  readonly picture: T;
  readonly starts: readonly StartAt[];
}

/** How often it is tried while windows finish; and the pause after which Kafka is asked again while it is away, ms. */
const tries = 5, retryMs = 200;

/** Takes a picture between two finished windows; waits for Kafka while it is away.
 * @param take makes the picture of what `aggregations` know now; the newest one counts
 * @returns null when windows finish all the time, not all partitions can be asked, or `signal` aborts */
export async function beginBetween<T>(
  history: Pick<History, "positions" | "clusterId">,
  aggregations: Aggregations,
  topics: readonly string[],
  { take, signal }: { readonly take: () => T; readonly signal: AbortSignal },
): Promise<Beginning<T> | null> {
  const ends = (at: number) => Promise.all(topics.map((topic) => endOf(history, topic, at)));
  for (let tried = 0; tried < tries && !signal.aborted;) {
    try {
      const cluster = clusterHash(await history.clusterId());
      const before = await ends(latestOffset);
      // A partition without a leader says nothing for a while: nobody waits for it.
      if (before.flat().includes(unknownOffset)) return null;
      const isCurrent = await (aggregations.current?.() ?? true);
      const picture = take();
      const after = await ends(appendedOffset);
      if (isCurrent && isSame(before, after)) {
        return { picture, starts: before.map((positions) => parseCursor(formatCursor(cluster, positions))) };
      }
      tried += isCurrent ? 1 : 3; // that has taken a second
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      await pause(retryMs, signal);
    }
  }
  return null;
}

/** Where a topic ends; one that is not there yet has no partitions. */
async function endOf(history: Pick<History, "positions">, topic: string, at: number): Promise<Positions> {
  try {
    return await history.positions(topic, at);
  } catch (error) {
    if (error instanceof KafkaError && error.code === "UNKNOWN_TOPIC_OR_PARTITION") return [];
    throw error;
  }
}

/** Whether nothing came in between. */
function isSame(before: readonly Positions[], after: readonly Positions[]): boolean {
  return before.every((positions, i) =>
    positions.length === after[i]!.length &&
    positions.every((next, partition) => next === after[i]![partition])
  );
}
