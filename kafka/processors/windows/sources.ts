/** Who holds the watermark back: the sources, partitions of clicks, that are not idle.
 *
 * A source is idle when nothing of it has come for the grace and it has no backlog: whatever its partition holds at this moment is counted
 * here. So after a restart or a rebalance nobody's progress passes what another partition still has to tell, however long ago it was
 * written, and a partition that nobody writes to holds up nobody. Where a partition ends cannot be told for a while: then it is not idle,
 * as its clicks may only be late to be read. Batches without a time, of records that are no clicks, are no sign of life: who sends nothing
 * else would hold up everybody for ever.
 * Left out: what is late, and what is closed (window_state.ts); when to ask (window_task.ts).
 * @module */
import {
  appendedOffset,
  byLeader,
  earliestOffset,
  type KafkaConnection,
  KafkaError,
  type PartitionLeader,
  patienceMs,
  settlesWithin,
} from "../../connection.ts";
import { topicIdOf } from "../../topic_id.ts";
import { findTopic } from "../topic_places.ts";
import { isOfTopic } from "./log_name.ts";
import type { FoldBatch, SourceRecord } from "./types.ts";

/** A moment by two clocks, both ms: the one that people set, and the one that only goes forward. */
export interface Moment {
  /** Since the epoch. */
  readonly clockMs: number;
  readonly steadyMs: number;
}

/** What partitions of clicks held at one moment. */
export interface SourceEnds {
  /** The topic's id, "" where brokers have none. */
  readonly log: string;
  /** First and next offset by partition, null where that cannot be told; none: there is no topic. */
  readonly partitions: readonly (readonly [start: number, end: number] | null)[];
}

/** What is known of sources, by the number of their partition. */
export type KnownSources = ReadonlyMap<number, SourceRecord>;

/** When which source was heard of last. */
export class Arrivals {
  readonly #graceMs: number;
  /** Until when sources are not idle, on the steady clock. */
  readonly #until = new Map<number, number>();

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** Goes on from what another one has heard: a restart makes nobody idle. */
  restore(known: KnownSources, now: Moment): void {
    for (const [source, { at }] of known) this.#hear(source, at, now);
  }

  /** A batch has come. How old its newest record is, is judged now and never again: a clock that is set later changes nothing.
   * @param isLive it was written just now, so nothing depends on how the clock of whoever wrote it is set */
  hear({ source, at, high }: Pick<FoldBatch, "source" | "at" | "high">, now: Moment, isLive: boolean): void {
    if (high !== null) this.#hear(source, isLive ? now.clockMs : at, now);
  }

  /** Whether nothing has come from a source for the grace. */
  isQuiet(source: number, steadyMs: number): boolean {
    return steadyMs >= (this.#until.get(source) ?? -Infinity);
  }

  /** When the next source becomes quiet, on the steady clock; Infinity when all are. */
  nextQuiet(steadyMs: number): number {
    return Math.min(Infinity, ...[...this.#until.values()].filter((until) => until > steadyMs));
  }

  #hear(source: number, at: number | null, { clockMs, steadyMs }: Moment): void {
    if (at === null) return;
    const ageMs = Math.max(0, Math.min(clockMs - at, this.#graceMs));
    const until = steadyMs + this.#graceMs - ageMs;
    this.#until.set(source, Math.max(until, this.#until.get(source) ?? -Infinity));
  }
}

/** What the watermark is drawn from. */
export interface WatermarkFacts {
  readonly known: KnownSources;
  readonly isQuiet: (source: number) => boolean;
  /** Null: not asked; all that are known hold then, and of others nothing can be said. */
  readonly ends: SourceEnds | null;
  /** Whether all that was folded has been counted here: only then what a partition has lost is nobody's backlog. */
  readonly isAllRead: boolean;
}

/** The lowest of the highest event times of those who are not idle.
 * @param except a source that is left out
 * @returns ms since the epoch; Infinity when nobody holds; −Infinity when one does that has not told any time yet */
export function lowestHigh({ known, isQuiet, ends, isAllRead }: WatermarkFacts, except?: number): number {
  let lowest = Infinity;
  for (const [partition, source] of known) {
    if (partition === except) continue;
    if (isQuiet(partition) && ends && !hasBacklog(partition, source, ends, isAllRead)) continue;
    const isSame = !isQuiet(partition) || !ends || isOfTopic(source.log, ends.log);
    lowest = Math.min(lowest, (isSame ? source.high : null) ?? -Infinity);
  }
  const isUnheard = (partition: number) => partition !== except && !known.has(partition);
  if (ends?.partitions.some((_, p) => isUnheard(p) && hasBacklog(p, undefined, ends, isAllRead))) {
    return -Infinity;
  }
  return lowest;
}

/** Whether a partition holds, or may hold, what is not counted here. What is gone from it may have been folded before, and wait here.
 * @param source what is known of it */
export function hasBacklog(
  partition: number,
  source: SourceRecord | undefined,
  ends: SourceEnds,
  isAllRead: boolean,
): boolean {
  const place = ends.partitions[partition];
  if (place === undefined) return false; // the topic has no such partition
  if (place === null) return true;
  const [start, end] = place;
  return end > Math.max(isAllRead ? start : 0, source && isOfTopic(source.log, ends.log) ? source.next : 0);
}

/** Asks where the partitions of clicks begin and end. What is appended and not committed counts: clicks behind an open transaction, whose
 * ever it is, are in the log for good, and would be late if others passed them before anybody can read them.
 * @throws {KafkaError} when Kafka does not answer; of a partition that cannot be told the others still are */
export async function askEnds(connection: KafkaConnection, topic: string): Promise<SourceEnds> {
  const [{ partitions }, log] = await Promise.all([
    findTopic(connection, topic),
    topicIdOf(connection, topic),
  ]);
  if (!partitions) return { log: "", partitions: [] };
  const [starts, ends] = await Promise.all([
    offsetsAt(connection, topic, partitions, earliestOffset),
    offsetsAt(connection, topic, partitions, appendedOffset),
  ]);
  return {
    log: log ?? "",
    partitions: partitions.map(({ partition }) => {
      const start = starts.get(partition), end = ends.get(partition);
      return start === undefined || end === undefined ? null : [start, end] as const;
    }),
  };
}

/** By partition, as far as their leaders tell. */
async function offsetsAt(
  connection: KafkaConnection,
  topic: string,
  partitions: readonly PartitionLeader[],
  at: number,
): Promise<Map<number, number>> {
  const found = new Map<number, number>();
  await Promise.all([...byLeader(partitions)].map(async ([leader, numbers]) => {
    const asked = connection.offsets(leader, topic, numbers, at);
    if (!await settlesWithin(asked, patienceMs)) return; // a node that says nothing holds up nobody else
    const answer = await asked.catch((error) => {
      if (error instanceof KafkaError) return [];
      throw error;
    });
    for (const [partition, offset] of answer) {
      if (typeof offset === "number") found.set(partition, offset);
    }
  }));
  return found;
}
