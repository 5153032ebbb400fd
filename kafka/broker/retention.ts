/** Retention: the oldest batches of a partition go when they are too old, the partition is too big, or they lie before
 * the log start that a client has moved (DeleteRecords); the rows of deleted topics go altogether. Works in small
 * steps, each one write of its own and as big as the time it takes allows, so that nothing waits long for it.
 *
 * As in Kafka only the front of a log is removed: a batch stays while one before it does. There are no segments, so
 * single batches go. Batches without a time (−1) go with the next batch that has one. Age and size count only where
 * cleanup.policy has delete; compaction.ts does the rest. @module */

import type { Log } from "./log.ts";
import { PRODUCER_EXPIRY_MS } from "./log.ts";
import { Breath, PieceSize, writePiece } from "./pace.ts";
import type { Partition, PartitionBounds } from "./partition.ts";
import type { Store } from "./store.ts";

/** Bytes removed in one step, at least and at most: freeing a big batch touches each of its pages. */
const LEAST_BYTES = 256 * 1024;
const MOST_BYTES = 16 * 1024 * 1024;
/** Small batches cost by their number: each counts for at least this many bytes. */
const ROW_BYTES = 8 * 1024;
/** Producers looked at in one step. */
const PRODUCER_ROWS = 1000;

/** How far one step goes: everything before `start`. */
interface Cut {
  readonly start: number;
  readonly bytes: number;
}

/** Moves the log start of a partition forward, as DeleteRecords asks: on disk and for readers when it resolves. The
 * batches wholly before it are freed by the next sweeps; the one that holds it stays as it is. A start that is no
 * progress, or a deleted topic, changes nothing; one beyond the end means the end.
 * @throws {StorageError} if the disk did not take it: the log start is where it was */
export async function moveStart(log: Log, store: Store, partition: Partition, start: number): Promise<void> {
  let before: PartitionBounds | undefined;
  await store.write(() => {
    const wanted = Math.min(start, partition.end);
    if (partition.deleted || wanted <= partition.start) return;
    before = partition.bounds();
    partition.restore({ ...before, start: wanted });
    partition.forgetBefore(wanted);
    log.forgetAborted(partition, wanted);
    log.touched(partition);
  }, () => before !== undefined && partition.restore(before));
}

/** Removes what is no longer to be kept. */
export class Retention {
  readonly #store: Store;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #trimmed: (partition: Partition, bytes: number) => void;
  readonly #step = new PieceSize(LEAST_BYTES, MOST_BYTES);
  #running: Promise<void> | undefined;
  #stopped = false;

  /** @param trimmed told what was removed from the front of a partition */
  constructor(
    store: Store,
    log: Log,
    now: () => number,
    trimmed: (partition: Partition, bytes: number) => void = () => {},
  ) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
    this.#trimmed = trimmed;
  }

  /** One sweep over everything; a sweep that is under way is joined.
   * @throws {StorageError} if the disk did not take it: the next sweep tries again */
  run(): Promise<void> {
    return this.#running ??= this.#sweep().finally(() => this.#running = undefined);
  }

  /** Ends a sweep after its current step. */
  stop(): void {
    this.#stopped = true;
  }

  async #sweep(): Promise<void> {
    const breath = new Breath();
    for (const partition of [...this.#log.topics.partitions()]) {
      while (!this.#stopped && await this.#trim(partition));
      this.#forgetProducers(partition);
      await breath.pause();
    }
    await this.#freeDeleted();
    if (!this.#stopped) await this.#expireProducers(breath);
  }

  /** One step in one partition; true if there may be more to do. */
  async #trim(partition: Partition): Promise<boolean> {
    if (partition.deleted || partition.bytes === 0 || this.#cut(partition, 1) === undefined) return false;
    let before: PartitionBounds | undefined;
    let removed = 0;
    await this.#timed(() => {
      const cut = partition.deleted ? undefined : this.#cut(partition, this.#step.now);
      if (cut === undefined) return;
      before = partition.bounds();
      removed = cut.bytes;
      this.#store.db.prepare("DELETE FROM batches WHERE partition = ? AND base < ?").run(
        partition.id,
        cut.start,
      );
      const start = Math.max(before.start, cut.start);
      partition.restore({ ...before, start, bytes: before.bytes - cut.bytes });
      partition.forgetBefore(start);
      this.#log.forgetAborted(partition, start);
      this.#log.touched(partition);
    }, () => before !== undefined && partition.restore(before));
    if (removed > 0) this.#trimmed(partition, removed);
    return before !== undefined;
  }

  /** A write whose time sets the size of the next one. */
  async #timed(apply: () => void, undo?: () => unknown): Promise<void> {
    this.#step.took(await writePiece(this.#store, apply, undo));
  }

  /** What one step may remove now, or undefined for nothing.
   * @param stepBytes how many bytes it should look at */
  #cut(partition: Partition, stepBytes: number): Cut | undefined {
    const { deletes, retentionMs, retentionBytes } = partition.topic.settings;
    const oldest = deletes && retentionMs >= 0 ? this.#now() - retentionMs : -Infinity;
    const most = deletes && retentionBytes >= 0 ? retentionBytes : Infinity;
    const rows = this.#store.db.prepare(
      "SELECT last, max_ts, length(bytes) AS size FROM batches WHERE partition = ? ORDER BY base",
    );
    let cut: Cut | undefined;
    let bytes = 0;
    let cost = 0;
    for (const row of rows.iterate(partition.id)) {
      const last = Number(row.last);
      const timestamp = Number(row.max_ts);
      bytes += Number(row.size);
      cost += Math.max(Number(row.size), ROW_BYTES);
      const dead = last < partition.start;
      const tooOld = timestamp >= 0 && timestamp < oldest;
      const tooBig = partition.bytes - bytes >= most;
      if (dead || tooOld || tooBig) cut = { start: last + 1, bytes };
      else if (timestamp >= 0 || oldest === -Infinity) break;
      // A step that found nothing yet goes on: batches without a time may be followed by one that is too old.
      if (cost >= stepBytes && (cut !== undefined || cost >= MOST_BYTES)) break;
    }
    return cut;
  }

  /** Frees the rows of deleted topics, step by step; what a crash left over is found here again. */
  async #freeDeleted(): Promise<void> {
    const { db } = this.#store;
    while (!this.#stopped) {
      const dead = db.prepare("SELECT partition FROM dead_partitions LIMIT 1").get();
      if (dead === undefined) return;
      const id = Number(dead.partition);
      await this.#timed(() => {
        const last = this.#endOfStep(id);
        if (last !== undefined) {
          db.prepare("DELETE FROM batches WHERE partition = ? AND base <= ?").run(id, last);
          return;
        }
        if (this.#deleteProducers(id)) return;
        db.prepare("DELETE FROM dead_partitions WHERE partition = ?").run(id);
      });
    }
  }

  /** Base of the last batch that a step may remove; undefined if none is left. */
  #endOfStep(partition: number): number | undefined {
    const rows = this.#store.db.prepare(
      "SELECT base, length(bytes) AS size FROM batches WHERE partition = ? ORDER BY base",
    );
    let last: number | undefined;
    let cost = 0;
    for (const row of rows.iterate(partition)) {
      last = Number(row.base);
      cost += Math.max(Number(row.size), ROW_BYTES);
      if (cost >= this.#step.now) break;
    }
    return last;
  }

  /** Removes some producers of a partition; false if there were none. */
  #deleteProducers(partition: number): boolean {
    const { changes } = this.#store.db.prepare(
      `DELETE FROM producers WHERE partition = ?1 AND producer IN
         (SELECT producer FROM producers WHERE partition = ?1 LIMIT ${PRODUCER_ROWS})`,
    ).run(partition);
    return Number(changes) > 0;
  }

  #forgetProducers(partition: Partition): void {
    const oldest = this.#now() - PRODUCER_EXPIRY_MS;
    for (const [id, state] of partition.producers) {
      if (state.seenMs <= oldest) partition.producers.delete(id);
    }
  }

  /** Walks all stored producers, a page at a time, and removes the silent ones. */
  async #expireProducers(breath: Breath): Promise<void> {
    const oldest = this.#now() - PRODUCER_EXPIRY_MS;
    const { db } = this.#store;
    const page = db.prepare(
      `SELECT partition, producer, seen_ms FROM producers WHERE (partition, producer) > (?, ?)
         ORDER BY partition, producer LIMIT ${PRODUCER_ROWS}`,
    );
    const expire = db.prepare(
      `DELETE FROM producers WHERE (partition, producer) > (?, ?) AND (partition, producer) <= (?, ?)
         AND seen_ms <= ?`,
    );
    let from = [-1, -1] as [number, number];
    for (;;) {
      const rows = page.all(...from);
      const last = rows.at(-1);
      if (last === undefined || this.#stopped) return;
      const to = [Number(last.partition), Number(last.producer)] as [number, number];
      const start = from;
      if (rows.some((row) => Number(row.seen_ms) <= oldest)) {
        await this.#store.write(() => expire.run(...start, ...to, oldest));
      }
      from = to;
      await breath.pause();
    }
  }
}
