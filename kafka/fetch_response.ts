/** Fetch answers, read partition by partition and batch by batch.
 *
 * The client library gives up on a whole answer when one partition reports an error or one batch cannot be read; here either
 * spoils only itself. A batch that cannot be read is passed over and named. Aborted transactions and control records are left
 * out, yet `next` counts them. Left out: CRC checks (TCP has its own, and the broker checked on produce).
 * @see {@link https://kafka.apache.org/protocol#The_Messages_Fetch}
 * @module */
import { Buffer } from "node:buffer";
import Decoder from "kafkajs/src/protocol/decoder.js";
import decodeBatch from "kafkajs/src/protocol/recordBatch/v0/decoder.js";
import filterAborted from "kafkajs/src/consumer/filterAbortedMessages.js";

/** A record as it was read; `timestamp` in ms since the epoch. */
export interface KafkaRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Values by name; a name that repeats has a list. */
  readonly headers: Readonly<Record<string, Uint8Array | Uint8Array[]>>;
}

/** One partition of a fetch answer. */
export interface FetchedPartition {
  readonly partition: number;
  /** Kafka's error code, 0 for none. */
  readonly errorCode: number;
  /** The offset that the next record will get, as far as readers may see (last stable offset). */
  readonly end: number;
  readonly records: KafkaRecord[];
  /** Where to read on: after the last batch, whatever was left out of it. */
  readonly next: number;
  /** Batches that could not be read. */
  readonly unreadable: readonly { readonly from: number; readonly to: number; readonly cause: string }[];
}

// deno-lint-ignore no-explicit-any
type Untyped = any;

/** Bytes of a batch up to its length field, and where the magic byte and the last offset delta are. */
const lengthEnd = 12, magicAt = 16, lastOffsetDeltaAt = 23, headerBytes = 61;

/** Reads a Fetch answer of versions 4–11.
 * @param wants what was asked for, to leave out what a batch holds before it */
export async function decodeFetch(
  bytes: Uint8Array,
  version: number,
  wants: readonly { readonly partition: number; readonly offset: number }[],
): Promise<FetchedPartition[]> {
  const decoder = new Decoder(bytes);
  decoder.readInt32(); // throttle time
  const failure = version >= 7 ? decoder.readInt16() : 0;
  if (version >= 7) decoder.readInt32(); // session id
  const fetched: FetchedPartition[] = [];
  for (let topics = decoder.readInt32(); topics > 0; topics--) {
    decoder.readString();
    for (let partitions = decoder.readInt32(); partitions > 0; partitions--) {
      fetched.push(await decodePartition(decoder, version, wants, failure));
    }
  }
  if (failure === 0) return fetched;
  return wants.map(({ partition, offset }) => ({
    partition,
    errorCode: failure,
    end: -1,
    records: [],
    next: offset,
    unreadable: [],
  }));
}

async function decodePartition(
  decoder: Untyped,
  version: number,
  wants: readonly { readonly partition: number; readonly offset: number }[],
  failure: number,
): Promise<FetchedPartition> {
  const partition: number = decoder.readInt32();
  const errorCode: number = decoder.readInt16() || failure;
  const highWatermark = Number(decoder.readInt64());
  const lastStable = Number(decoder.readInt64());
  if (version >= 5) decoder.readInt64(); // log start
  const abortedTransactions = decoder.readArray((d: Untyped) => ({
    producerId: d.readInt64().toString(),
    firstOffset: d.readInt64().toString(),
  }));
  if (version >= 11) decoder.readInt32(); // preferred read replica
  const size: number = decoder.readInt32();
  const from = wants.find((want) => want.partition === partition)?.offset ?? 0;
  const end = lastStable >= 0 ? lastStable : highWatermark;
  const batches = size > 0 ? decoder.readBytes(size) : Buffer.alloc(0);
  return { partition, errorCode, end, ...await decodeBatches(batches, partition, from, abortedTransactions) };
}

/** Reads the batches that are whole; the last one may be cut off. */
async function decodeBatches(bytes: Buffer, partition: number, from: number, abortedTransactions: unknown) {
  const messages: Untyped[] = [];
  const unreadable: { from: number; to: number; cause: string }[] = [];
  let next = from;
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const size = lengthEnd + bytes.readInt32BE(at + 8);
    if (at + size > bytes.length || size < headerBytes) break;
    const first = Number(bytes.readBigInt64BE(at));
    const last = first + bytes.readInt32BE(at + lastOffsetDeltaAt);
    try {
      if (bytes[at + magicAt] !== 2) throw new RangeError(`its format is ${bytes[at + magicAt]}, 2 is read`);
      const batch = await decodeBatch(new Decoder(bytes.subarray(at, at + size)));
      messages.push(batch.records);
    } catch (error) {
      unreadable.push({ from: Math.max(first, from), to: last, cause: (error as Error).message });
    }
    next = Math.max(next, last + 1);
    at += size;
  }
  const visible = filterAborted({ messages: messages.flat(), abortedTransactions });
  const records = visible.filter((m: Untyped) => !m.isControlRecord && Number(m.offset) >= from)
    .map((m: Untyped): KafkaRecord => ({
      partition,
      offset: Number(m.offset),
      timestamp: Number(m.timestamp),
      key: m.key,
      value: m.value,
      headers: m.headers,
    }));
  return { records, next, unreadable };
}
