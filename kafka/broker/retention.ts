/** Retention: the oldest batches of a partition go when they are too old or the partition is too big, and the rows of
 * deleted topics go altogether. Works in small steps, each one write of its own, so that nothing waits long for it.
 *
 * As in Kafka only the front of a log is removed: a batch stays while one before it does. There are no segments, so
 * single batches go. Batches without a time (−1) go with the next batch that has one. @module */

import type { Log } from "./log.ts";
import type { Partition, PartitionBounds } from "./partition.ts";
import { PRODUCER_EXPIRY_MS } from "./log.ts";
import type { Store } from "./store.ts";

/** Rows removed in one step: some tenths of a millisecond for small batches. */
const STEP_ROWS = 200;
/** Bytes removed in one step: freeing a big batch touches each of its pages. */
const STEP_BYTES = 4 * 1024 * 1024;

/** How far one step goes: everything before `start`. */
interface Cut {
  readonly start: number;
  readonly bytes: number;
}

/** Removes what is no longer to be kept. */
export class Retention {
  readonly #store: Store;
  readonly #log: Log;
  readonly #now: () => number;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(store: Store, log: Log, now: () => number) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
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
    for (const partition of [...this.#log.topics.partitions()]) {
      while (!this.#stopped && await this.#trim(partition));
      this.#forgetProducers(partition);
    }
    await this.#freeDeleted();
    if (!this.#stopped) await this.#expireProducers();
  }

  /** One step in one partition; true if there may be more to do. */
  async #trim(partition: Partition): Promise<boolean> {
    if (partition.deleted || partition.bytes === 0 || this.#cut(partition) === undefined) return false;
    let before: PartitionBounds | undefined;
    await this.#store.write(() => {
      const cut = partition.deleted ? undefined : this.#cut(partition);
      if (cut === undefined) return;
      before = partition.bounds();
      this.#store.db.prepare("DELETE FROM batches WHERE partition = ? AND base < ?").run(
        partition.id,
        cut.start,
      );
      partition.restore({ ...before, start: cut.start, bytes: before.bytes - cut.bytes });
      this.#log.touched(partition);
    }, () => before !== undefined && partition.restore(before));
    return before !== undefined;
  }

  /** What one step may remove now, or undefined for nothing. */
  #cut(partition: Partition): Cut | undefined {
    const { retentionMs, retentionBytes } = partition.topic.settings;
    const oldest = retentionMs < 0 ? -Infinity : this.#now() - retentionMs;
    const rows = this.#store.db.prepare(
      `SELECT last, max_ts, length(bytes) AS size FROM batches WHERE partition = ? ORDER BY base LIMIT ${STEP_ROWS}`,
    );
    let cut: Cut | undefined;
    let bytes = 0;
    for (const row of rows.iterate(partition.id)) {
      const timestamp = Number(row.max_ts);
      bytes += Number(row.size);
      const tooOld = timestamp >= 0 && timestamp < oldest;
      const tooBig = retentionBytes >= 0 && partition.bytes - bytes >= retentionBytes;
      if (tooOld || tooBig) cut = { start: Number(row.last) + 1, bytes };
      else if (timestamp >= 0) break;
      if (bytes >= STEP_BYTES) break;
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
      await this.#store.write(() => {
        const last = this.#endOfStep(id);
        if (last !== undefined) {
          db.prepare("DELETE FROM batches WHERE partition = ? AND base <= ?").run(id, last);
          return;
        }
        db.prepare("DELETE FROM producers WHERE partition = ?").run(id);
        db.prepare("DELETE FROM dead_partitions WHERE partition = ?").run(id);
      });
    }
  }

  /** Base of the last batch that a step may remove; undefined if none is left. */
  #endOfStep(partition: number): number | undefined {
    const rows = this.#store.db.prepare(
      `SELECT base, length(bytes) AS size FROM batches WHERE partition = ? ORDER BY base LIMIT ${STEP_ROWS}`,
    );
    let last: number | undefined;
    let bytes = 0;
    for (const row of rows.iterate(partition)) {
      last = Number(row.base);
      bytes += Number(row.size);
      if (bytes >= STEP_BYTES) break;
    }
    return last;
  }

  #forgetProducers(partition: Partition): void {
    const oldest = this.#now() - PRODUCER_EXPIRY_MS;
    for (const [id, state] of partition.producers) {
      if (state.seenMs <= oldest) partition.producers.delete(id);
    }
  }

  async #expireProducers(): Promise<void> {
    const oldest = this.#now() - PRODUCER_EXPIRY_MS;
    const { db } = this.#store;
    if (db.prepare("SELECT 1 FROM producers WHERE seen_ms <= ? LIMIT 1").get(oldest) === undefined) return;
    await this.#store.write(() => db.prepare("DELETE FROM producers WHERE seen_ms <= ?").run(oldest));
  }
}
