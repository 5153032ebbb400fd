/** A log with keys, tombstones, codecs and transactions for the tests of compaction, and a reader of it that leaves out
 * aborted records as clients do. Works on the log itself: no sockets. @module */

import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Broker } from "../../../kafka/broker/mod.ts";
import { decompress } from "../../../kafka/broker/compression.ts";
import { Compaction } from "../../../kafka/broker/compaction.ts";
import type { Partition } from "../../../kafka/broker/partition.ts";
import { hasValidCrc, readBatchHeader } from "../../../kafka/broker/wire/record_batch.ts";
import { RecordWalk } from "../../../kafka/broker/wire/records.ts";
import { type BatchFields, batchOf, type TestRecord } from "./batches.ts";
import { lz4Stored, snappyStored, xerial } from "./encoders.ts";

/** A record as it was read. */
export interface Read {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

/** By number in a batch's attributes. */
export const compressors: readonly ((records: Uint8Array) => Uint8Array)[] = [
  (records) => records,
  (records) => gzipSync(records),
  (records) => xerial(snappyStored(records)),
  (records) => lz4Stored(records),
  (records) => zstdCompressSync(records),
];

export function partitionOf(broker: Broker, topic = "t"): Partition {
  const partition = broker.state.log.partition(topic, 0);
  if (partition === undefined) throw new Error(`There is no ${topic}`);
  return partition;
}

/** Appends one batch; returns its base offset. */
export async function appendBatch(
  broker: Broker,
  records: readonly TestRecord[],
  { codec = 0, attributes = 0, ...fields }: BatchFields & { codec?: number } = {},
  topic = "t",
): Promise<number> {
  const bytes = batchOf(records, {
    ...fields,
    attributes: attributes | codec,
    compress: compressors[codec] as (records: Uint8Array) => Uint8Array,
  });
  const header = readBatchHeader(bytes);
  const batch = { partition: partitionOf(broker, topic), bytes, header, maxTimestamp: header.maxTimestamp };
  const [result] = await broker.state.log.append([batch]);
  if (result?.error !== 0) throw new Error(`Cannot append: ${result?.error}`);
  return result.baseOffset;
}

/** Ends the transaction of a producer. */
export function endTransaction(broker: Broker, producerId: number, commit: boolean): Promise<void> {
  return broker.state.log.writeMarkers(
    (mark) => mark(partitionOf(broker), { producerId, epoch: 0, commit }),
    () => {},
  );
}

/** One look of compaction at everything. @param keyBytes memory for keys */
export async function compact(broker: Broker, now: () => number, keyBytes?: number): Promise<void> {
  await new Compaction(broker.state.store, broker.state.log, now, keyBytes).run();
}

/** All records from an offset on, in fetches of some bytes, each from where the one before ended.
 * @param committed leaves out aborted records, by the list that comes with each fetch, and stops at the last stable
 * offset */
export function readAll(broker: Broker, from = 0, committed = false, maxBytes = 2000): Read[] {
  const partition = partitionOf(broker);
  const found: Read[] = [];
  const limit = committed ? partition.lastStable : partition.end;
  for (let offset = from;;) {
    const { pieces, next } = broker.state.log.read(partition, offset, maxBytes, true, limit);
    if (pieces.length === 0) return found;
    const aborted = committed ? [...partition.aborted(offset, next)] : [];
    const out = new Set<number>();
    for (const bytes of pieces) {
      const header = readBatchHeader(bytes);
      if (!hasValidCrc(bytes)) throw new Error(`Wrong checksum at ${header.baseOffset}`);
      while (
        aborted[0] !== undefined && aborted[0].firstOffset <= header.baseOffset + header.lastOffsetDelta
      ) {
        out.add(aborted.shift()!.producerId);
      }
      if (header.isControl) out.delete(header.producerId);
      else if (!(header.isTransactional && out.has(header.producerId))) {
        found.push(...recordsOf(bytes, offset));
      }
    }
    offset = next;
  }
}

function recordsOf(bytes: Uint8Array, from: number): Read[] {
  const header = readBatchHeader(bytes);
  const records = decompress(header.codec, bytes.subarray(61));
  if (records === undefined) throw new Error(`Cannot open the batch at ${header.baseOffset}`);
  const walk = new RecordWalk(records);
  const found: Read[] = [];
  const text = new TextDecoder();
  for (let i = 0; i < header.recordCount; i++) {
    if (!walk.next()) throw new Error(`Broken records at ${header.baseOffset}`);
    const offset = header.baseOffset + walk.offsetDelta;
    if (offset < from) continue;
    const valueAt = walk.keyAt + Math.max(walk.keyLength, 0) + varintBytes(walk.valueLength);
    found.push({
      offset,
      key: walk.keyLength < 0 ? null : text.decode(records.subarray(walk.keyAt, walk.keyAt + walk.keyLength)),
      value: walk.valueLength < 0 ? null : text.decode(records.subarray(valueAt, valueAt + walk.valueLength)),
      timestamp: header.baseTimestamp + walk.timestampDelta,
    });
  }
  if (!walk.atEnd) throw new Error(`Bytes behind the records at ${header.baseOffset}`);
  return found;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let left = value >= 0 ? value * 2 : -value * 2 - 1; left >= 128; left = Math.floor(left / 128)) {
    bytes++;
  }
  return bytes;
}
