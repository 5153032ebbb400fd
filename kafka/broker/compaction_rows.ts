/** The stored batches of a partition as compaction reads and rewrites them: a few at a time, the loop given back in
 * between, every write small. @module */

import type { Log } from "./log.ts";
import { type Breath, PieceSize, writePiece } from "./pace.ts";
import type { Partition, PartitionBounds } from "./partition.ts";
import type { Store } from "./store.ts";

/** Rows and bytes read at once. */
const READ_ROWS = 256;
const READ_BYTES = 512 * 1024;
/** Bytes written in one step, at least and at most. */
const LEAST_BYTES = 64 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
/** What a row costs at least, in bytes. */
const ROW_BYTES = 8 * 1024;
/** Rows of which only the measures are read at once. */
const MEASURED_ROWS = 1000;

/** A stored batch. */
export interface BatchRow {
  readonly base: number;
  readonly last: number;
  readonly bytes: Uint8Array;
}

/** A stored batch without its bytes. */
export interface BatchMeasure {
  readonly base: number;
  readonly last: number;
  readonly size: number;
  readonly maxTimestamp: number;
}

/** What becomes of a row. */
export interface RowChange {
  readonly row: BatchRow;
  /** Undefined: it goes. */
  readonly bytes: Uint8Array | undefined;
  readonly maxTimestamp: number;
  /** The row was an abort marker: its transaction is forgotten with it. */
  readonly isAbortMarker: boolean;
}

/** Batches that begin before `to` and end at or after `from`. */
export async function* batchRows(
  store: Store,
  partition: Partition,
  from: number,
  to: number,
  breath: Breath,
): AsyncGenerator<BatchRow> {
  const statement = store.db.prepare(
    "SELECT base, last, bytes FROM batches WHERE partition = ? AND base >= ? AND base < ? ORDER BY base",
  );
  for (let next = floorOf(store, partition, from);;) {
    const rows: BatchRow[] = [];
    let bytes = 0;
    for (const row of statement.iterate(partition.id, next, to)) {
      const read = { base: Number(row.base), last: Number(row.last), bytes: row.bytes as Uint8Array };
      next = read.last + 1;
      bytes += read.bytes.byteLength;
      if (read.last >= from) rows.push(read);
      if (bytes >= READ_BYTES || rows.length >= READ_ROWS) break;
    }
    if (rows.length === 0) return;
    await breath.pause();
    yield* rows;
  }
}

/** Sizes and times of the batches that end at or after `from`. */
export async function* batchMeasures(
  store: Store,
  partition: Partition,
  from: number,
  breath: Breath,
): AsyncGenerator<BatchMeasure> {
  const statement = store.db.prepare(
    `SELECT base, last, max_ts, length(bytes) AS size FROM batches WHERE partition = ? AND base >= ?
       ORDER BY base LIMIT ${MEASURED_ROWS}`,
  );
  for (let next = floorOf(store, partition, from);;) {
    const rows = statement.all(partition.id, next);
    for (const row of rows) {
      const last = Number(row.last);
      next = last + 1;
      if (last < from) continue;
      yield { base: Number(row.base), last, size: Number(row.size), maxTimestamp: Number(row.max_ts) };
    }
    if (rows.length < MEASURED_ROWS) return;
    await breath.pause();
  }
}

/** Base of the newest batch, which must stay: the log end is read from it after a restart. −1 without any. */
export function newestBase({ db }: Store, partition: Partition): number {
  const row = db.prepare("SELECT max(base) AS base FROM batches WHERE partition = ?").get(partition.id);
  return Number(row?.base ?? -1);
}

function floorOf({ db }: Store, partition: Partition, offset: number): number {
  const row = db.prepare("SELECT max(base) AS base FROM batches WHERE partition = ? AND base <= ?")
    .get(partition.id, offset);
  return Number(row?.base ?? offset);
}

/** Collects changes to rows of one partition and writes them step by step. */
export class RowWriter {
  readonly #store: Store;
  readonly #log: Log;
  readonly #partition: Partition;
  readonly #step = new PieceSize(LEAST_BYTES, MOST_BYTES);
  readonly #update;
  readonly #remove;
  readonly #forget;
  #changes: RowChange[] = [];
  #cost = 0;

  constructor(store: Store, log: Log, partition: Partition) {
    this.#store = store;
    this.#log = log;
    this.#partition = partition;
    const { db } = store;
    this.#update = db.prepare("UPDATE batches SET bytes = ?, max_ts = ? WHERE partition = ? AND base = ?");
    this.#remove = db.prepare("DELETE FROM batches WHERE partition = ? AND base = ?");
    this.#forget = db.prepare("DELETE FROM aborted_transactions WHERE partition = ? AND last = ?");
  }

  /** Adds a change; resolves when there is room for more.
   * @throws {StorageError} if the disk did not take a step: nothing of that step happened */
  async add(change: RowChange): Promise<void> {
    this.#changes.push(change);
    this.#cost += Math.max(ROW_BYTES, (change.bytes?.byteLength ?? 0) + change.row.bytes.byteLength / 4);
    if (this.#cost >= this.#step.now) await this.flush();
  }

  /** Writes what is left. @throws {StorageError} as {@link add} */
  async flush(): Promise<void> {
    const changes = this.#changes;
    this.#changes = [];
    this.#cost = 0;
    if (changes.length === 0) return;
    const partition = this.#partition;
    let before: PartitionBounds | undefined;
    const tookMs = await writePiece(this.#store, () => {
      if (this.#log.topics.byId(partition.topic.uuid) === undefined) return;
      before = partition.bounds();
      let bytes = before.bytes;
      for (const change of changes) bytes += this.#write(change);
      partition.restore({ ...before, bytes });
      partition.forgetBefore((changes.at(-1)?.row.last ?? -1) + 1);
      this.#log.touched(partition);
    }, () => before !== undefined && partition.restore(before));
    this.#step.took(tookMs);
  }

  /** How many bytes the partition has more; retention may have removed the row meanwhile. */
  #write({ row, bytes, maxTimestamp, isAbortMarker }: RowChange): number {
    const { id } = this.#partition;
    const { changes } = bytes === undefined
      ? this.#remove.run(id, row.base)
      : this.#update.run(bytes, maxTimestamp, id, row.base);
    if (isAbortMarker) this.#forget.run(id, row.base);
    return Number(changes) === 0 ? 0 : (bytes?.byteLength ?? 0) - row.bytes.byteLength;
  }
}
