/** A batch without some of its records: offsets and times stay as they are, so gaps are left between the rest. gzip and
 * zstd batches are compressed anew; those of snappy and lz4, for which there is no encoder here, stay uncompressed.
 * Big ones are opened and compressed in another thread. @module */

import { gzip, zstdCompress } from "node:zlib";
import { MAX_RECORDS_BYTES, openRecords, openRecordsLater, TooManyBytes } from "./compression.ts";
import type { Breath } from "./pace.ts";
import { BATCH_HEADER_BYTES, type BatchHeader, codecs, withRecords } from "./wire/record_batch.ts";
import { RecordWalk } from "./wire/records.ts";

/** Compressed records that are opened at once, and what may come of it; more of either takes a thread. */
const AT_ONCE_BYTES = 64 * 1024;
const OPENED_AT_ONCE_BYTES = 1024 * 1024;
/** Records between two looks at the time. */
const WALK_STEP = 500;

/** Opens the records of a stored batch; undefined if they cannot be opened. */
export async function openBatch(bytes: Uint8Array, { codec }: BatchHeader): Promise<Uint8Array | undefined> {
  const body = bytes.subarray(BATCH_HEADER_BYTES);
  try {
    if (codec === codecs.none) return body;
    if (body.byteLength <= AT_ONCE_BYTES) return openRecords(codec, body, OPENED_AT_ONCE_BYTES);
  } catch (error) {
    if (!(error instanceof TooManyBytes)) return undefined;
  }
  return await openRecordsLater(codec, body, MAX_RECORDS_BYTES).catch(() => undefined);
}

/** Walks the records of a batch, giving the loop back now and then.
 * @returns false if they are broken */
export async function walkSlowly(
  records: Uint8Array,
  { recordCount }: BatchHeader,
  breath: Breath,
  visit: (record: RecordWalk) => void,
): Promise<boolean> {
  const walk = new RecordWalk(records);
  for (let i = 0; i < recordCount; i++) {
    if (!walk.next()) return false;
    visit(walk);
    if (i % WALK_STEP === WALK_STEP - 1) await breath.pause();
  }
  return walk.atEnd;
}

/** What is left of a batch. */
export interface Rest {
  /** The whole batch: the same bytes when nothing went, undefined when nothing is left. */
  readonly bytes: Uint8Array | undefined;
  /** Newest time of its records. */
  readonly maxTimestamp: number;
}

/** Leaves records out of a batch.
 * @param keep asked for each record once, in order
 * @returns undefined if the records are broken */
export async function keepOf(
  bytes: Uint8Array,
  header: BatchHeader,
  records: Uint8Array,
  breath: Breath,
  keep: (record: RecordWalk) => boolean,
): Promise<Rest | undefined> {
  const kept: Uint8Array[] = [];
  let count = 0;
  let newest = -1;
  let [from, to] = [0, 0]; // neighbours are taken together
  const whole = await walkSlowly(records, header, breath, (record) => {
    if (!keep(record)) return;
    count += 1;
    newest = Math.max(newest, header.baseTimestamp + record.timestampDelta);
    if (record.start !== to) {
      if (to > from) kept.push(records.subarray(from, to));
      from = record.start;
    }
    to = record.end;
  });
  if (!whole) return undefined;
  if (to > from) kept.push(records.subarray(from, to));
  const maxTimestamp = header.isLogAppendTime ? header.maxTimestamp : newest;
  if (count === header.recordCount) return { bytes, maxTimestamp: header.maxTimestamp };
  if (count === 0) return { bytes: undefined, maxTimestamp };
  const plain = joined(kept);
  const compressed = await compress(header.codec, plain);
  return {
    bytes: compressed === undefined
      ? withRecords(bytes, plain, { codec: codecs.none, count, maxTimestamp })
      : withRecords(bytes, compressed, { codec: header.codec, count, maxTimestamp }),
    maxTimestamp,
  };
}

/** Undefined where it cannot be done. */
function compress(codec: number, records: Uint8Array): Promise<Uint8Array | undefined> {
  if (codec !== codecs.gzip && codec !== codecs.zstd) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const done = (error: Error | null, made: Uint8Array): void => resolve(error === null ? made : undefined);
    if (codec === codecs.gzip) gzip(records, done);
    else zstdCompress(records, done);
  });
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.byteLength;
  }
  return all;
}
