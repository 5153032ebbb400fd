/** Where a stream begins: a start that was asked for, held against the log, becomes positions and a truthful `ready`.
 *
 * Left out: what a route reads from a request (routes/streams.ts).
 * @module */
import { clusterHash, formatCursor, type Positions, reaches, type StartAt } from "./cursor.ts";
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
}

/** Where a stream is asked to begin and to end, and how. */
export type Asked = Pick<
  FollowOptions<object>,
  "start" | "fallback" | "reset" | "until" | "speed" | "policy"
>;
type Outcome = Pick<Ready, "resume" | "reason"> & { positions: Positions; gaps?: readonly Gap[] };

/** Holds a start against the log.
 * @throws {KafkaError} when Kafka has to be asked and does not answer */
export async function resolveStart(asked: Asked, log: LogState, history: History): Promise<Start> {
  const cluster = clusterHash(log.clusterId);
  const { resume, reason, positions, gaps = [] } = await outcome(asked, log, history, cluster);
  const requested = asked.reset?.requested ?? textOf(asked.start);
  const skipped = gaps.reduce((sum, gap) => sum + gap.skipped, 0);
  const start = formatCursor(cluster, positions);
  return { positions, gaps, ready: { resume, reason, requested, start, skipped, serverTime: Date.now() } };
}

async function outcome(asked: Asked, log: LogState, history: History, cluster: string): Promise<Outcome> {
  const fallback = asked.fallback ?? { kind: "latest" };
  const reset = async (reason: string): Promise<Outcome> => ({
    resume: "reset",
    reason,
    positions: fallback.kind === "id" ? log.positions : await freshPositions(fallback, log, history),
  });
  if (asked.reset) return await reset(asked.reset.reason);
  const { start } = asked;
  if (start.kind !== "id") {
    return { resume: "fresh", reason: null, positions: await freshPositions(start, log, history) };
  }
  if (start.cluster !== cluster) return await reset("foreign-cluster");
  // Another instance may have delivered what this reader has not met yet, partitions that were added included: then the log itself
  // is asked.
  const isAdded = start.positions.length > Math.max(1, log.positions.length);
  if (isAdded) history.forget(log.topic);
  const isMet = !isAdded && reaches(log.positions, start.positions);
  const ends = isMet ? log.positions : await latest(log, history);
  if (start.positions.length > Math.max(1, ends.length)) return await reset("topic-recreated");
  if (!reaches(ends, start.positions)) return await reset("ahead-of-log");
  return await resumed(start.positions, log, history);
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

async function freshPositions(
  start: Exclude<StartAt, { kind: "id" }>,
  log: LogState,
  history: History,
): Promise<Positions> {
  if (log.positions.length === 0 || start.kind === "latest") return log.positions;
  const at = start.kind === "earliest" ? earliestOffset : start.ms;
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
