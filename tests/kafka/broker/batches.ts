/** Builds record batches for tests, apart from the broker's own code: straight from the description of the format,
 * with a bitwise checksum. @module */

const text = new TextEncoder();

/** One record; times in milliseconds since the epoch. */
export interface TestRecord {
  readonly key?: string | null;
  readonly value?: string | Uint8Array | null;
  readonly timestamp?: number;
  readonly headers?: readonly (readonly [string, string | null])[];
}

/** What else a batch can say. */
export interface BatchFields {
  readonly producerId?: number;
  readonly epoch?: number;
  readonly sequence?: number;
  readonly attributes?: number;
  readonly baseOffset?: number;
  readonly magic?: number;
  readonly count?: number;
  readonly lastOffsetDelta?: number;
  /** Compressed records instead of those built. */
  readonly compress?: (records: Uint8Array) => Uint8Array;
}

/** A whole batch of these records. */
export function batchOf(records: readonly TestRecord[], fields: BatchFields = {}): Uint8Array<ArrayBuffer> {
  const base = records[0]?.timestamp ?? 0;
  const plain = concat(records.map((record, i) => recordOf(record, i, base)));
  const body = fields.compress?.(plain) ?? plain;
  const bytes = new Uint8Array(61 + body.byteLength);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(fields.baseOffset ?? 0));
  view.setInt32(8, bytes.byteLength - 12);
  view.setInt32(12, -1);
  view.setInt8(16, fields.magic ?? 2);
  view.setInt16(21, fields.attributes ?? 0);
  view.setInt32(23, fields.lastOffsetDelta ?? records.length - 1);
  view.setBigInt64(27, BigInt(base));
  view.setBigInt64(35, BigInt(Math.max(-1, ...records.map((record) => record.timestamp ?? 0))));
  view.setBigInt64(43, BigInt(fields.producerId ?? -1));
  view.setInt16(51, fields.epoch ?? -1);
  view.setInt32(53, fields.sequence ?? -1);
  view.setInt32(57, fields.count ?? records.length);
  bytes.set(body, 61);
  view.setUint32(17, slowCrc32c(bytes.subarray(21)));
  return bytes;
}

/** The values of all records in uncompressed batches that follow each other, as text, with their offsets. */
export function valuesIn(bytes: Uint8Array): { offset: number; value: string | null }[] {
  const found: { offset: number; value: string | null }[] = [];
  for (let at = 0; at < bytes.byteLength;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const base = Number(view.getBigInt64(0));
    const size = view.getInt32(8) + 12;
    const reader = { bytes: bytes.subarray(at + 61, at + size), at: 0 };
    for (let left = view.getInt32(57); left > 0; left--) {
      const end = zigzag(reader) + reader.at;
      reader.at += 1;
      zigzag(reader);
      const offset = base + zigzag(reader);
      const keyLength = zigzag(reader);
      reader.at += Math.max(keyLength, 0);
      const length = zigzag(reader);
      const value = length < 0
        ? null
        : new TextDecoder().decode(reader.bytes.subarray(reader.at, reader.at + length));
      found.push({ offset, value });
      reader.at = end;
    }
    at += size;
  }
  return found;
}

function zigzag(reader: { bytes: Uint8Array; at: number }): number {
  let value = 0n;
  for (let shift = 0n;; shift += 7n) {
    const byte = reader.bytes[reader.at++] ?? 0;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return Number((value >> 1n) ^ -(value & 1n));
  }
}

function recordOf(record: TestRecord, index: number, baseTimestamp: number): Uint8Array {
  const { key = null, value = "", timestamp = baseTimestamp, headers = [] } = record;
  const body = concat([
    Uint8Array.of(0),
    varint(timestamp - baseTimestamp),
    varint(index),
    sized(key),
    sized(value),
    varint(headers.length),
    ...headers.flatMap(([name, content]) => [sized(name), sized(content)]),
  ]);
  return concat([varint(body.byteLength), body]);
}

function sized(value: string | Uint8Array | null): Uint8Array {
  if (value === null) return varint(-1);
  const bytes = typeof value === "string" ? text.encode(value) : value;
  return concat([varint(bytes.byteLength), bytes]);
}

function varint(value: number): Uint8Array {
  let left = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  for (; left >= 128n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return Uint8Array.from([...bytes, Number(left)]);
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.byteLength;
  }
  return joined;
}

/** CRC-32C bit by bit. */
export function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}
