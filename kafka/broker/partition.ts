/** One partition in memory: its bounds, the newest batches, who waits for more, and the state of its producers and
 * their open transactions. The rows behind it are written by log.ts. @module */

import { type BatchCache, NewestBatches } from "./batch_cache.ts";
import type { ProducerState } from "./producers.ts";
import type { Topic } from "./topics.ts";
import type { AbortedTransaction, OpenTransaction, TransactionIndex } from "./transaction_index.ts";

/** A stored batch as a fetch sends it. */
export interface StoredBatch {
  readonly base: number;
  /** Offset of its last record. */
  readonly last: number;
  readonly bytes: Uint8Array;
}

/** Someone who waits for records; told the number of bytes that came. */
export interface Waiter {
  wake(bytes: number): void;
}

/** The bounds of a partition, as a write that is taken back restores them. */
export interface PartitionBounds {
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
  readonly topTimestamp: number;
}

/** One partition. `start`, `end`, `bytes` and `topTimestamp` change inside a store write only. */
export class Partition {
  /** First offset that can be read. */
  start: number;
  /** Offset that the next record gets; also the high watermark, as there is one replica and nothing reads inside a
   * group commit. */
  end: number;
  /** Bytes of all stored batches. */
  bytes: number;
  /** Newest timestamp ever appended, −1 for none: the running maximum that a new batch's row carries. */
  topTimestamp: number;
  /** Its topic was deleted: what still waits here is answered, nothing is added. */
  deleted = false;
  /** By producer id. States are replaced, never changed, so that a write can be taken back. */
  readonly producers: Map<number, ProducerState> = new Map();
  /** Bytes appended since the broker started. */
  appended = 0;
  /** Transactions that have written here and not ended, by first offset; replaced, never changed. */
  open: readonly OpenTransaction[] = [];
  /** Where its aborted transactions are listed; undefined while it has none. */
  abortedIn: TransactionIndex | undefined;
  readonly #newest: NewestBatches;
  readonly #waiters = new Set<Waiter>();
  /** Those who wait for the last stable offset to move. */
  readonly #stableWaiters = new Set<Waiter>();
  /** What they were told of {@link appendedStable} last. */
  #toldStable = 0;

  /** @param id key of its rows
   * @param number its index within the topic */
  constructor(
    readonly id: number,
    readonly topic: Topic,
    readonly number: number,
    bounds: PartitionBounds,
    cache: BatchCache,
  ) {
    this.start = bounds.start;
    this.end = bounds.end;
    this.bytes = bounds.bytes;
    this.topTimestamp = bounds.topTimestamp;
    this.#newest = new NewestBatches(cache);
  }

  /** Where the records end that no open transaction may still take back: the last stable offset. */
  get lastStable(): number {
    const oldest = this.open[0];
    return oldest === undefined ? this.end : Math.max(oldest.firstOffset, this.start);
  }

  /** Bytes appended before the last stable offset, counted as {@link appended}. */
  get appendedStable(): number {
    return this.open[0]?.appendedBefore ?? this.appended;
  }

  /** The aborted transactions with records or their marker in `from`…`to` − 1, by first offset. */
  aborted(from: number, to: number): readonly AbortedTransaction[] {
    return this.abortedIn?.between(this, from, to) ?? [];
  }

  bounds(): PartitionBounds {
    return { start: this.start, end: this.end, bytes: this.bytes, topTimestamp: this.topTimestamp };
  }

  restore(bounds: PartitionBounds): void {
    this.start = bounds.start;
    this.end = bounds.end;
    this.bytes = bounds.bytes;
    this.topTimestamp = bounds.topTimestamp;
  }

  /** Makes a committed batch readable from memory and wakes who waits. Batches come in offset order. */
  publish(batch: StoredBatch): void {
    if (this.deleted) return;
    this.#newest.add(batch);
    for (const waiter of this.#waiters) waiter.wake(batch.bytes.byteLength);
    const stable = this.appendedStable;
    if (stable <= this.#toldStable) return;
    const bytes = stable - this.#toldStable;
    this.#toldStable = stable;
    for (const waiter of this.#stableWaiters) waiter.wake(bytes);
  }

  /** Drops the batches in memory that end before an offset: they were removed or rewritten on the disk. */
  forgetBefore(offset: number): void {
    this.#newest.dropBefore(offset);
  }

  /** The batches in memory from the one that holds `offset` on, within `maxBytes`; at least one when `atLeastOne`.
   * @param limit offset to end before
   * @returns undefined if memory does not reach back to `offset` */
  fromMemory(
    offset: number,
    maxBytes: number,
    atLeastOne: boolean,
    limit: number,
  ): StoredBatch[] | undefined {
    return this.#newest.from(offset, maxBytes, atLeastOne, limit);
  }

  /** @param stable whether bytes count only once no open transaction lies before them */
  addWaiter(waiter: Waiter, stable = false): void {
    (stable ? this.#stableWaiters : this.#waiters).add(waiter);
  }

  removeWaiter(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    this.#stableWaiters.delete(waiter);
  }

  /** Answers everybody who waits with what there is. */
  wakeAll(): void {
    for (const waiter of this.#waiters) waiter.wake(Infinity);
    for (const waiter of this.#stableWaiters) waiter.wake(Infinity);
  }
}
