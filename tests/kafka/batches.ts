/** Record batches and Fetch answers as bytes, for tests of what reads them: written by hand from the format's description.
 *
 * Left out: checksums, which readers do not look at (0 stands in their place).
 * @see {@link https://kafka.apache.org/documentation/#recordbatch}
 * @module */
import { Buffer } from "node:buffer";

/** A record of a batch; text is UTF-8. */
export interface BatchRecord {
  /** Default: the place in the batch. */
  readonly offsetDelta?: number;
  readonly timestampDelta?: number;
  readonly key?: string | Uint8Array | null;
  readonly value?: string | Uint8Array | null;
  readonly headers?: readonly (readonly [name: string, value: string | null])[];
}

/** A batch; `attributes`: codec 0–4, 8 append time, 16 transactional, 32 control. */
export interface BatchOf {
  readonly first: number;
  readonly records: readonly BatchRecord[];
  readonly lastOffsetDelta?: number;
  readonly attributes?: number;
  readonly firstTimestamp?: number;
  readonly maxTimestamp?: number;
  readonly producerId?: number;
  readonly magic?: number;
  readonly count?: number;
  /** Bytes in the records' place. */
  readonly body?: Uint8Array;
}

/** A number as zigzag varint. */
export function varint(value: number): Buffer {
  let rest = value < 0 ? -2n * BigInt(value) - 1n : 2n * BigInt(value);
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

function field(value: string | Uint8Array | null): Buffer {
  if (value === null) return varint(-1);
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([varint(bytes.length), bytes]);
}

/** The records of a batch, uncompressed. */
export function recordBytes(records: readonly BatchRecord[]): Buffer {
  return Buffer.concat(records.flatMap((record, n) => {
    const { offsetDelta = n, timestampDelta = 0, key = null, value = null, headers = [] } = record;
    const body = Buffer.concat([
      Buffer.from([0]),
      varint(timestampDelta),
      varint(offsetDelta),
      field(key),
      field(value),
      varint(headers.length),
      ...headers.flatMap(([name, text]) => [field(name), field(text)]),
    ]);
    return [varint(body.length), body];
  }));
}

/** A whole batch. */
export function batchBytes(batch: BatchOf): Buffer {
  const body = batch.body ?? recordBytes(batch.records);
  const head = Buffer.alloc(61);
  head.writeBigInt64BE(BigInt(batch.first), 0);
  head.writeInt32BE(61 - 12 + body.length, 8);
  head.writeInt8(batch.magic ?? 2, 16);
  head.writeInt16BE(batch.attributes ?? 0, 21);
  head.writeInt32BE(batch.lastOffsetDelta ?? batch.records.length - 1, 23);
  head.writeBigInt64BE(BigInt(batch.firstTimestamp ?? 1_000), 27);
  head.writeBigInt64BE(BigInt(batch.maxTimestamp ?? 1_000), 35);
  head.writeBigInt64BE(BigInt(batch.producerId ?? -1), 43);
  head.writeInt32BE(batch.count ?? batch.records.length, 57);
  return Buffer.concat([head, body]);
}

/** A marker that ends a transaction. */
export function markerBytes(first: number, producerId: number, kind: "commit" | "abort"): Buffer {
  const key = new Uint8Array([0, 0, 0, kind === "commit" ? 1 : 0]);
  const records = [{ key, value: new Uint8Array([0, 0, 0, 0, 0, 0]) }];
  return batchBytes({ first, producerId, attributes: 16 | 32, records });
}

/** One partition of an answer. */
export interface PartitionAnswer {
  readonly partition: number;
  readonly error?: number;
  readonly highWatermark?: number;
  readonly lastStable?: number;
  readonly aborted?: readonly { readonly producerId: number; readonly first: number }[] | null;
  readonly batches?: readonly Uint8Array[];
}

/** A Fetch answer without its correlation id, as the client library hands it on. */
export function fetchAnswer(
  version: number,
  partitions: readonly PartitionAnswer[],
  { error = 0, topic = "t" } = {},
): Buffer {
  const parts: Buffer[] = [];
  const int = (bytes: 2 | 4 | 8, value: number) => {
    const part = Buffer.alloc(bytes);
    if (bytes === 2) part.writeInt16BE(value);
    else if (bytes === 4) part.writeInt32BE(value);
    else part.writeBigInt64BE(BigInt(value));
    parts.push(part);
  };
  int(4, 0);
  if (version >= 7) (int(2, error), int(4, 0));
  int(4, error === 0 ? 1 : 0);
  if (error !== 0) return Buffer.concat(parts);
  int(2, topic.length);
  parts.push(Buffer.from(topic));
  int(4, partitions.length);
  for (const { partition, aborted = [], batches = [], ...rest } of partitions) {
    int(4, partition);
    int(2, rest.error ?? 0);
    int(8, rest.highWatermark ?? 1_000);
    int(8, rest.lastStable ?? rest.highWatermark ?? 1_000);
    if (version >= 5) int(8, 0);
    int(4, aborted === null ? -1 : aborted.length);
    for (const { producerId, first } of aborted ?? []) (int(8, producerId), int(8, first));
    if (version >= 11) int(4, -1);
    const bytes = Buffer.concat(batches);
    int(4, bytes.length);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}
