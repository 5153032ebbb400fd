/** Where a stream begins: a start that was asked for, held against the log, becomes positions and a truthful `ready`.
 *
 * Left out: what a route reads from a request (routes/streams.ts).
 * @module */
import { clusterHash, formatCursor, type Positions, reaches, type StartAt, unknownOffset } from "./cursor.ts";
import { earliestOffset, latestOffset } from "./connection.ts";
import type { History } from "./history.ts";
import type { Gap } from "./ring.ts";
import type { FollowOptions, Ready } from "./viewer.ts";

/** The log as its reader sees it; `positions` is empty while the topic does not exist. */
export interface LogState {
  readonly topic: string;
  readonly clusterId: string;
  /** The end, and from where on records are in memory. */
  readonly positions: Positions;
  readonly basePositions: Positions;
}

/** A resolved start. */
export interface Start {
  readonly positions: Positions;
  readonly ready: Ready;
  readonly gaps: readonly Gap[];
  /** What Kafka is to be asked for where a position is not known yet: an offset of `connection.ts` or ms since the epoch. */
  readonly startsAt: number;
}

/** Where a stream is asked to begin and to end, and how. */
export type Asked = Pick<
  FollowOptions<object>,
  "start" | "laterStart" | "fallback" | "reset" | "until" | "speed" | "policy"
>;
type Outcome = Pick<Ready, "resume" | "reason"> & {
  positions: Positions;
  gaps?: readonly Gap[];
  startsAt?: number;
};
type FreshStart = Exclude<StartAt, { kind: "id" }>;

/** Holds a start against the log.
 * @throws {KafkaError} when Kafka has to be asked and does not answer */
export async function resolveStart(asked: Asked, log: LogState, history: History): Promise<Start> {
  const cluster = clusterHash(log.clusterId);
  const found = await outcome(asked, log, history, cluster);
  const { resume, reason, positions, gaps = [], startsAt = latestOffset } = found;
  const requested = asked.reset?.requested ?? textOf(asked.start);
  const skipped = gaps.reduce((sum, gap) => sum + gap.skipped, 0);
  const start = formatCursor(cluster, positions);
  const ready = { resume, reason, requested, start, skipped, serverTime: Date.now() };
  return { positions, gaps, startsAt, ready };
}

async function outcome(asked: Asked, log: LogState, history: History, cluster: string): Promise<Outcome> {
  const fresh = async (start: FreshStart) => {
    const startsAt = offsetOf(start, asked.policy);
    return { positions: await freshPositions(startsAt, log, history), startsAt };
  };
  const { start, fallback = { kind: "latest" } } = asked;
  const reset = async (reason: string): Promise<Outcome> => ({
    resume: "reset",
    reason,
    ...await fresh(fallback.kind === "id" ? { kind: "latest" } : fallback),
  });
  if (asked.reset) return await reset(asked.reset.reason);
  if (start.kind !== "id") return { resume: "fresh", reason: null, ...await fresh(start) };
  if (start.cluster !== cluster) return await reset("foreign-cluster");
  // Another instance may have delivered what this reader has not met yet, partitions that were added included: then the log itself
  // is asked. Of a partition that does not answer nothing can be said: its part of the id is believed.
  const isAdded = start.positions.length > Math.max(1, log.positions.length);
  if (isAdded) history.forget(log.topic);
  const isMet = !isAdded && fits(start.positions, log.positions);
  const ends = isMet ? log.positions : await latest(log, history);
  if (start.positions.length > Math.max(1, ends.length)) return await reset("topic-recreated");
  if (!fits(start.positions, ends)) return await reset("ahead-of-log");
  return await resumed(start.positions, log, history);
}

/** Whether an id lies before the ends of the log, as far as they are known. */
function fits(asked: Positions, ends: Positions): boolean {
  return asked.every((next, partition) =>
    ends[partition] === unknownOffset || next <= (ends[partition] ?? 0)
  );
}

async function resumed(asked: Positions, log: LogState, history: History): Promise<Outcome> {
  const count = log.positions.length === 0 ? 0 : Math.max(log.positions.length, asked.length);
  const positions = Array.from({ length: count }, (_, partition) => asked[partition] ?? 0);
  if (reaches(positions, log.basePositions)) return { resume: "exact", reason: null, positions };
  const firsts = await history.positions(log.topic, earliestOffset);
  const gaps: Gap[] = [];
  positions.forEach((from, partition) => {
    const to = firsts[partition] ?? 0;
    if (to <= from) return;
    gaps.push({ partition, from, to, skipped: to - from, reason: "retention" });
    positions[partition] = to;
  });
  return gaps.length > 0
    ? { resume: "gap", reason: "retention", positions, gaps }
    : { resume: "exact", reason: null, positions };
}

/** What `latest`, `earliest` or a time is asked of Kafka as. The newest record of each key may lie anywhere in the log. */
function offsetOf(start: FreshStart, policy: Asked["policy"]): number {
  if (start.kind === "time") return start.ms;
  return start.kind === "earliest" || policy === "latest-per-key" ? earliestOffset : latestOffset;
}

async function freshPositions(at: number, log: LogState, history: History): Promise<Positions> {
  if (log.positions.length === 0 || at === latestOffset) return log.positions;
  const found = await history.positions(log.topic, at);
  // The end moves on: a place beyond what this reader has met is met in time.
  return log.positions.map((_, partition) => found[partition] ?? 0);
}

async function latest(log: LogState, history: History): Promise<Positions> {
  return log.positions.length === 0 ? [] : await history.positions(log.topic, latestOffset);
}

function textOf(start: StartAt): string {
  if (start.kind === "id") return start.text;
  return start.kind === "time" ? `t.${start.ms}` : start.kind;
}
