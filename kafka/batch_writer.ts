/** Record batches as they go to Kafka (format 2): from records to bytes, in one piece.
 *
 * Not the client library's, which makes some twenty objects of each record, all of which live until the last one is written. Left out:
 * compression; reading (record_batch.ts).
 * @see {@link https://kafka.apache.org/documentation/#recordbatch}
 * @module */
import { Buffer } from "node:buffer";
import { crc32c } from "./broker/wire/crc32c.ts";
import type { WireMessage } from "./connection.ts";

/** Who writes a batch. */
export interface BatchProducer {
  readonly id: number;
  readonly epoch: number;
  /** Of the first record. */
  readonly firstSequence: number;
  readonly isTransactional: boolean;
}

type Header = readonly [name: string, value: Buffer];

/** Where the fields of a batch are. */
const lengthAt = 8,
  magicAt = 16,
  crcAt = 17,
  attributesAt = 21,
  lastOffsetDeltaAt = 23,
  firstTimestampAt = 27;
const maxTimestampAt = 35, producerIdAt = 43, producerEpochAt = 51, firstSequenceAt = 53, countAt = 57;
const recordsAt = 61, transactionalFlag = 0x10;
const noHeaders: readonly Header[] = [];

/** @param messages one at least
 * @returns the bytes of the batch */
export function writeBatch(messages: readonly WireMessage[], producer: BatchProducer): Buffer {
  let first = Infinity, last = -Infinity;
  for (const { timestamp } of messages) {
    first = Math.min(first, timestamp);
    last = Math.max(last, timestamp);
  }
  const headers = messages.map(headersOf), bodies = new Int32Array(messages.length);
  let size = recordsAt;
  for (const [i, message] of messages.entries()) {
    bodies[i] = bodySize(message, headers[i]!, message.timestamp - first, i);
    size += varIntSize(bodies[i]!) + bodies[i]!;
  }
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeBigInt64BE(0n, 0); // the leader says it
  bytes.writeInt32BE(size - lengthAt - 4, lengthAt);
  bytes.writeInt32BE(0, lengthAt + 4); // the leader's epoch
  bytes[magicAt] = 2;
  bytes.writeInt16BE(producer.isTransactional ? transactionalFlag : 0, attributesAt);
  bytes.writeInt32BE(messages.length - 1, lastOffsetDeltaAt);
  bytes.writeBigInt64BE(BigInt(first), firstTimestampAt);
  bytes.writeBigInt64BE(BigInt(last), maxTimestampAt);
  bytes.writeBigInt64BE(BigInt(producer.id), producerIdAt);
  bytes.writeInt16BE(producer.epoch, producerEpochAt);
  bytes.writeInt32BE(producer.firstSequence, firstSequenceAt);
  bytes.writeInt32BE(messages.length, countAt);
  let at = recordsAt;
  for (const [i, { key, value, timestamp }] of messages.entries()) {
    at = writeVarInt(bytes, at, bodies[i]!);
    bytes[at++] = 0; // attributes: none are defined
    at = writeVarInt(bytes, at, timestamp - first);
    at = writeVarInt(bytes, at, i);
    at = writeBytes(bytes, at, key);
    at = writeBytes(bytes, at, value);
    at = writeVarInt(bytes, at, headers[i]!.length);
    for (const [name, held] of headers[i]!) {
      at = writeBytes(bytes, at, Buffer.from(name));
      at = writeBytes(bytes, at, held);
    }
  }
  bytes.writeUInt32BE(crc32c(bytes.subarray(attributesAt)), crcAt);
  return bytes;
}

/** One entry for each value: a name may have several. */
function headersOf({ headers }: WireMessage): readonly Header[] {
  const names = Object.keys(headers);
  if (names.length === 0) return noHeaders;
  return names.flatMap((name) => {
    const found = headers[name]!;
    const values = typeof found === "string" || Buffer.isBuffer(found) ? [found] : found;
    return values.map((value): Header => [name, typeof value === "string" ? Buffer.from(value) : value]);
  });
}

/** Bytes of a record behind its length. */
function bodySize(
  { key, value }: WireMessage,
  headers: readonly Header[],
  timestampDelta: number,
  offsetDelta: number,
): number {
  let size = 1 + varIntSize(timestampDelta) + varIntSize(offsetDelta) + bytesSize(key) + bytesSize(value) +
    varIntSize(headers.length);
  for (const [name, held] of headers) {
    const length = Buffer.byteLength(name);
    size += varIntSize(length) + length + bytesSize(held);
  }
  return size;
}

function bytesSize(bytes: Buffer | null): number {
  return bytes === null ? 1 : varIntSize(bytes.length) + bytes.length;
}

function writeBytes(target: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarInt(target, at, -1);
  const begin = writeVarInt(target, at, bytes.length);
  target.set(bytes, begin);
  return begin + bytes.length;
}

/** Zigzag: the sign goes to the lowest bit. Beyond 32 bits, too, as times may be far apart. */
function zigzag(number: number): number {
  return number >= 0 ? 2 * number : -2 * number - 1;
}

function varIntSize(number: number): number {
  let size = 1;
  for (let left = zigzag(number); left >= 128; left = Math.floor(left / 128)) size++;
  return size;
}

function writeVarInt(target: Buffer, at: number, number: number): number {
  let left = zigzag(number);
  while (left >= 128) {
    target[at++] = left % 128 + 128;
    left = Math.floor(left / 128);
  }
  target[at++] = left;
  return at;
}
