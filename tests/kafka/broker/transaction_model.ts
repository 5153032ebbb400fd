/** What a log with transactions should hold, in its simplest form: every record ever appended with what became of it. The
 * randomised test plays the same moves on a broker and here. @module */

import type { Producer } from "./transaction_client.ts";

/** What became of a record; a marker is nobody's record. */
export type Fate = "plain" | "open" | "committed" | "aborted" | "marker";

interface Entry {
  readonly value: string;
  readonly producer: Producer | null;
  fate: Fate;
}

/** One transactional id. */
export interface ModelProducer {
  readonly id: string;
  producer: Producer;
  /** Partitions of the open transaction; null when none is open. */
  partitions: Set<number> | null;
  /** Next sequence by partition. */
  readonly sequences: Map<number, number>;
  /** Offset that the open transaction committed for the group; null for none. */
  held: number | null;
  /** Count of offset commits when it was held. */
  heldAt: number;
  /** When the transaction began, in the broker's milliseconds. */
  startedMs: number;
}

/** Partitions, producers and the one offset of one group. */
export class TransactionModel {
  readonly logs: Entry[][];
  readonly producers: ModelProducer[];
  /** First offset that is left, by partition. */
  readonly starts: number[];
  committedOffset = -1;
  #committedAt = 0;
  #commits = 0;

  constructor(partitions: number, ids: readonly string[]) {
    this.logs = Array.from({ length: partitions }, () => []);
    this.starts = this.logs.map(() => 0);
    this.producers = ids.map((id) => ({
      id,
      producer: { id: -1, epoch: -1 },
      partitions: null,
      sequences: new Map(),
      held: null,
      heldAt: 0,
      startedMs: 0,
    }));
  }

  /** The id has a new epoch; what was open is aborted. */
  initialised(who: ModelProducer, producer: Producer): void {
    if (who.partitions !== null) this.ended(who, false);
    who.producer = producer;
    who.sequences.clear();
  }

  begun(who: ModelProducer, partition: number, nowMs: number): void {
    if (who.partitions === null) who.startedMs = nowMs;
    who.partitions ??= new Set();
    who.partitions.add(partition);
  }

  /** @returns the base offset */
  appended(who: ModelProducer | null, partition: number, values: readonly string[]): number {
    const log = this.logs[partition] ?? [];
    const base = log.length;
    for (const value of values) {
      log.push({ value, producer: who?.producer ?? null, fate: who === null ? "plain" : "open" });
    }
    if (who !== null) who.sequences.set(partition, (who.sequences.get(partition) ?? 0) + values.length);
    return base;
  }

  ended(who: ModelProducer, commit: boolean): void {
    for (const partition of who.partitions ?? []) {
      const log = this.logs[partition] ?? [];
      for (const entry of log) {
        const isOurs = entry.fate === "open" && entry.producer?.id === who.producer.id;
        if (isOurs) entry.fate = commit ? "committed" : "aborted";
      }
      log.push({ value: "", producer: null, fate: "marker" });
    }
    if (commit && who.held !== null && who.heldAt > this.#committedAt) {
      this.committedOffset = who.held;
      this.#committedAt = who.heldAt;
    }
    who.partitions = null;
    who.held = null;
  }

  holds(who: ModelProducer, offset: number): void {
    who.held = offset;
    who.heldAt = ++this.#commits;
  }

  commitsPlainly(offset: number): void {
    this.committedOffset = offset;
    this.#committedAt = ++this.#commits;
  }

  get isHeld(): boolean {
    return this.producers.some(({ held }) => held !== null);
  }

  end(partition: number): number {
    return this.logs[partition]?.length ?? 0;
  }

  start(partition: number): number {
    return this.starts[partition] ?? 0;
  }

  stable(partition: number): number {
    const first = this.logs[partition]?.findIndex(({ fate }) => fate === "open") ?? -1;
    return first < 0 ? this.end(partition) : Math.max(first, this.start(partition));
  }

  /** What a reader from `from` on is handed. */
  visible(partition: number, committed: boolean, from: number): { offset: number; value: string }[] {
    const until = committed ? this.stable(partition) : this.end(partition);
    return (this.logs[partition] ?? [])
      .map(({ value, fate }, offset) => ({ offset, value, fate }))
      .filter(({ offset, fate }) =>
        offset >= from && offset < until && fate !== "marker" && !(committed && fate === "aborted")
      )
      .map(({ offset, value }) => ({ offset, value }));
  }
}
