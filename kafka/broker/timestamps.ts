/** Offsets by time. A row carries the running maximum of the times up to it, which never goes down, so the batch that
 * first reaches a time is found by bisection over the primary key, without an index and without reading the log.
 *
 * Where retention has removed the batch that set the maximum, the search goes on batch by batch, in steps that let
 * other work in between. @module */

import { decompress } from "./compression.ts";
import type { Partition } from "./partition.ts";
import type { Store } from "./store.ts";
import { BATCH_HEADER_BYTES, type BatchHeader, readBatchHeader } from "./wire/record_batch.ts";
import { walkRecords } from "./wire/records.ts";

/** Rows looked at before other work is let in. */
const STEP_ROWS = 500;

/** A record by its place and time. */
export interface RecordTime {
  readonly offset: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

interface Row {
  readonly base: number;
  readonly last: number;
  readonly maxTimestamp: number;
}

/** The first record whose time is `timestamp` or later; undefined if there is none. */
export async function firstAtOrAfter(
  store: Store,
  partition: Partition,
  timestamp: number,
): Promise<RecordTime | undefined> {
  if (partition.topTimestamp < timestamp) return undefined;
  for await (const row of rowsFrom(store, partition, bisect(store, partition, timestamp))) {
    if (row.maxTimestamp < timestamp) continue;
    const found = findInBatch(store, partition, row, (time) => time >= timestamp);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first record that has the newest time of all; undefined if no record has a time. */
export async function newestRecord(store: Store, partition: Partition): Promise<RecordTime | undefined> {
  const top = partition.topTimestamp;
  if (top < 0) return undefined;
  const expected = await firstAtOrAfter(store, partition, top);
  if (expected !== undefined) return expected;
  let newest: Row | undefined; // the batch that set the maximum is gone
  for await (const row of rowsFrom(store, partition, partition.start)) {
    if (row.maxTimestamp > (newest?.maxTimestamp ?? -1)) newest = row;
  }
  if (newest === undefined) return undefined;
  const { maxTimestamp } = newest;
  return findInBatch(store, partition, newest, (time) => time >= maxTimestamp);
}

/** An offset in the first batch whose running maximum reaches the time, which the last batch's does. */
function bisect(store: Store, partition: Partition, timestamp: number): number {
  const floor = store.db.prepare(
    "SELECT base, last, top_ts FROM batches WHERE partition = ? AND base <= ? ORDER BY base DESC LIMIT 1",
  );
  let low = partition.start;
  let high = partition.end - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = floor.get(partition.id, middle);
    if (row !== undefined && Number(row.top_ts) >= timestamp) high = Math.max(Number(row.base), low);
    else low = Math.max(Number(row?.last ?? middle), middle) + 1;
  }
  return low;
}

/** Batches from the one that holds `offset` on, without their bytes, a step of rows at a time. */
async function* rowsFrom(store: Store, partition: Partition, offset: number): AsyncGenerator<Row> {
  const statement = store.db.prepare(
    `SELECT base, last, max_ts FROM batches WHERE partition = ? AND base >= ? ORDER BY base LIMIT ${STEP_ROWS}`,
  );
  const floor = store.db.prepare("SELECT max(base) AS base FROM batches WHERE partition = ? AND base <= ?");
  let from = Number(floor.get(partition.id, offset)?.base ?? offset);
  for (;;) {
    const rows = statement.all(partition.id, from);
    for (const row of rows) {
      const last = Number(row.last);
      from = last + 1;
      if (last < partition.start) continue;
      yield { base: Number(row.base), last, maxTimestamp: Number(row.max_ts) };
    }
    if (rows.length < STEP_ROWS) return;
    await new Promise((resolve) => setTimeout(resolve));
  }
}

/** The first record of a batch, not before the log start, whose time fits. */
function findInBatch(
  store: Store,
  partition: Partition,
  { base }: Row,
  fits: (timestamp: number) => boolean,
): RecordTime | undefined {
  const row = store.db.prepare("SELECT bytes FROM batches WHERE partition = ? AND base = ?").get(
    partition.id,
    base,
  );
  if (row === undefined) return undefined; // removed meanwhile
  const bytes = row.bytes as Uint8Array;
  const header = readBatchHeader(bytes);
  const first = Math.max(base, partition.start);
  if (header.isLogAppendTime) {
    return fits(header.maxTimestamp) ? { offset: first, timestamp: header.maxTimestamp } : undefined;
  }
  const records = decompress(header.codec, bytes.subarray(BATCH_HEADER_BYTES));
  // Records that cannot be opened: the batch as a whole is the best answer there is.
  if (records === undefined) return { offset: first, timestamp: header.maxTimestamp };
  return findRecord(records, header, base, first, fits);
}

function findRecord(
  records: Uint8Array,
  header: BatchHeader,
  base: number,
  first: number,
  fits: (timestamp: number) => boolean,
): RecordTime | undefined {
  let found: RecordTime | undefined;
  walkRecords(records, header.recordCount, ({ offsetDelta, timestampDelta }) => {
    const offset = base + offsetDelta;
    const timestamp = header.baseTimestamp + timestampDelta;
    if (offset < first || !fits(timestamp)) return false;
    found = { offset, timestamp };
    return true;
  });
  return found;
}
