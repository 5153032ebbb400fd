/** Record batches of format v2: header, checks, the two things a broker changes in them (base offset, append time), and
 * the markers of transactions, which are the only batches a broker makes.
 *
 * Batches are stored and sent as they came; what is inside them is read by records.ts.
 * Left out: formats v0 and v1, which Kafka 4 refuses as well.
 * @see {@link https://kafka.apache.org/documentation/#recordbatch} @module */

import { crc32c } from "./crc32c.ts";

/** Size of a batch header: where its records begin. */
export const BATCH_HEADER_BYTES = 61;
/** Base offset and length: what lies before the bytes that the length counts. */
const PREFIX_BYTES = 12;
const CRC_AT = 17;
const CRC_FROM = 21;
const TWO_32 = 2 ** 32;

const CODEC = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/** Compression of a batch, as its attributes number it. */
export const codecs = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** What the header of a batch says. 64-bit fields beyond 2^53 lose precision; none of ours gets there. */
export interface BatchHeader {
  readonly baseOffset: number;
  /** Whole size in bytes, the prefix included. */
  readonly size: number;
  readonly magic: number;
  /** One of {@link codecs}. */
  readonly codec: number;
  readonly isLogAppendTime: boolean;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** −1 for a producer that is not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/** Reads the header; `bytes` must hold at least {@link BATCH_HEADER_BYTES}. */
export function readBatchHeader(bytes: Uint8Array): BatchHeader {
  const view = viewOf(bytes);
  const attributes = view.getInt16(21);
  return {
    baseOffset: int64(view, 0),
    size: view.getInt32(8) + PREFIX_BYTES,
    magic: view.getInt8(16),
    codec: attributes & CODEC,
    isLogAppendTime: (attributes & LOG_APPEND_TIME) !== 0,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    lastOffsetDelta: view.getInt32(23),
    baseTimestamp: int64(view, 27),
    maxTimestamp: int64(view, 35),
    producerId: int64(view, 43),
    producerEpoch: view.getInt16(51),
    baseSequence: view.getInt32(53),
    recordCount: view.getInt32(57),
  };
}

/** Whether the checksum in the header is that of the bytes. */
export function hasValidCrc(bytes: Uint8Array): boolean {
  return viewOf(bytes).getUint32(CRC_AT) === crc32c(bytes.subarray(CRC_FROM));
}

/** Gives a batch its place in the log. Both fields lie outside the checksum. */
export function assignOffset(bytes: Uint8Array, baseOffset: number, leaderEpoch: number): void {
  const view = viewOf(bytes);
  setInt64(view, 0, baseOffset);
  view.setInt32(12, leaderEpoch);
}

/** Sets the time of all records of a batch (message.timestamp.type=LogAppendTime) and its checksum anew. */
export function stampAppendTime(bytes: Uint8Array, atMs: number): void {
  const view = viewOf(bytes);
  view.setInt16(21, view.getInt16(21) | LOG_APPEND_TIME);
  setInt64(view, 35, atMs);
  view.setUint32(CRC_AT, crc32c(bytes.subarray(CRC_FROM)));
}

/** Says that the records have times of their own, the newest of them `maxTimestamp`, and sets the checksum anew. */
export function correctTimes(bytes: Uint8Array, maxTimestamp: number): void {
  const view = viewOf(bytes);
  view.setInt16(21, view.getInt16(21) & ~LOG_APPEND_TIME);
  setInt64(view, 35, maxTimestamp);
  view.setUint32(CRC_AT, crc32c(bytes.subarray(CRC_FROM)));
}

/** A copy of a batch with some of its records; base offset, last offset, base timestamp and producer stay. */
export function withRecords(
  bytes: Uint8Array,
  records: Uint8Array,
  { codec, count, maxTimestamp }: { codec: number; count: number; maxTimestamp: number },
): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(BATCH_HEADER_BYTES + records.byteLength);
  made.set(bytes.subarray(0, BATCH_HEADER_BYTES));
  made.set(records, BATCH_HEADER_BYTES);
  const view = viewOf(made);
  view.setInt32(8, made.byteLength - PREFIX_BYTES);
  view.setInt16(21, (view.getInt16(21) & ~CODEC) | codec);
  setInt64(view, 35, maxTimestamp);
  view.setInt32(57, count);
  view.setUint32(CRC_AT, crc32c(made.subarray(CRC_FROM)));
  return made;
}

/** Epoch of the transaction coordinator in its markers: there is one coordinator, for ever. */
const COORDINATOR_EPOCH = 0;

/** The control batch that ends a producer's transaction in a partition. Its one record has
 * key `version:INT16 0, type:INT16 0 abort or 1 commit` and value `version:INT16 0, coordinator_epoch:INT32`.
 * @param atMs milliseconds since the epoch */
export function transactionMarker(
  { producerId, epoch, commit }: { producerId: number; epoch: number; commit: boolean },
  atMs: number,
): Uint8Array<ArrayBuffer> {
  const record = [
    16 << 1,
    0,
    0,
    0,
    4 << 1,
    0,
    0,
    0,
    commit ? 1 : 0,
    6 << 1,
    0,
    0,
    0,
    0,
    0,
    COORDINATOR_EPOCH,
    0,
  ];
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + record.length);
  bytes.set(record, BATCH_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setInt32(8, bytes.byteLength - PREFIX_BYTES);
  view.setInt8(16, 2); // magic
  view.setInt16(21, TRANSACTIONAL | CONTROL);
  for (const at of [27, 35]) setInt64(view, at, atMs); // base and newest timestamp
  setInt64(view, 43, producerId);
  view.setInt16(51, epoch);
  view.setInt32(53, -1); // it takes no sequence
  view.setInt32(57, 1);
  view.setUint32(CRC_AT, crc32c(bytes.subarray(CRC_FROM)));
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function setInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value >>> 0);
}

function int64(view: DataView, at: number): number {
  return view.getInt32(at) * TWO_32 + view.getUint32(at + 4);
}
