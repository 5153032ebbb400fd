/** Fetch answers, read partition by partition and batch by batch.
 *
 * The client library gives up on a whole answer when one partition reports an error or one batch cannot be read; here either
 * spoils only itself. A batch that cannot be read is passed over and named. Aborted transactions and control records are left
 * out, yet `next` counts them. Left out: CRC checks (TCP has its own, and the broker checked on produce).
 * @see {@link https://kafka.apache.org/protocol#The_Messages_Fetch}
 * @module */
import { Buffer } from "node:buffer";
import Decoder from "kafkajs/src/protocol/decoder.js";
import { isAbortMarker, type KafkaRecord, readBatch, readBatchHeader } from "./record_batch.ts";

export type { KafkaRecord } from "./record_batch.ts";

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

/** The records that were fetched, cut at the batches that could not be read; what is fetched comes last, though it be nothing. */
export function* inOrder(
  fetched: FetchedPartition,
): Generator<FetchedPartition | FetchedPartition["unreadable"][number]> {
  let records = fetched.records;
  for (const range of fetched.unreadable) {
    const before = records.filter(({ offset }) => offset < range.from);
    if (before.length > 0) yield { ...fetched, records: before, next: range.from };
    yield range;
    records = records.filter(({ offset }) => offset > range.to);
  }
  yield { ...fetched, records };
}

// deno-lint-ignore no-explicit-any
type Untyped = any;

/** From `first` on, records of this producer's transaction do not count, until its abort marker. */
interface AbortedTransaction {
  readonly producerId: bigint;
  readonly first: number;
}

/** Reads a Fetch answer of versions 4–11.
 * @param wants what was asked for, to leave out what a batch holds before it
 * @param onlyTransactional records that were not written in a transaction are left out, too */
export async function decodeFetch(
  bytes: Uint8Array,
  version: number,
  wants: readonly { readonly partition: number; readonly offset: number }[],
  onlyTransactional = false,
): Promise<FetchedPartition[]> {
  const decoder = new Decoder(bytes);
  decoder.readInt32(); // throttle time
  const failure = version >= 7 ? decoder.readInt16() : 0;
  if (version >= 7) decoder.readInt32(); // session id
  const fetched: FetchedPartition[] = [];
  for (let topics = decoder.readInt32(); topics > 0; topics--) {
    decoder.readString();
    for (let partitions = decoder.readInt32(); partitions > 0; partitions--) {
      fetched.push(await decodePartition(decoder, version, { wants, failure, onlyTransactional }));
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
  { wants, failure, onlyTransactional }: {
    wants: readonly { readonly partition: number; readonly offset: number }[];
    failure: number;
    onlyTransactional: boolean;
  },
): Promise<FetchedPartition> {
  const partition: number = decoder.readInt32();
  const errorCode: number = decoder.readInt16() || failure;
  const highWatermark = Number(decoder.readInt64());
  const lastStable = Number(decoder.readInt64());
  if (version >= 5) decoder.readInt64(); // log start
  const aborted: AbortedTransaction[] = decoder.readArray((d: Untyped) => ({
    producerId: BigInt(d.readInt64().toString()),
    first: Number(d.readInt64()),
  }));
  if (version >= 11) decoder.readInt32(); // preferred read replica
  const size: number = decoder.readInt32();
  const from = wants.find((want) => want.partition === partition)?.offset ?? 0;
  const end = lastStable >= 0 ? lastStable : highWatermark;
  const batches = size > 0 ? decoder.readBytes(size) : Buffer.alloc(0);
  const wanted = { partition, from, onlyTransactional };
  return { partition, errorCode, end, ...await decodeBatches(batches, wanted, aborted) };
}

/** Reads the batches that are whole; the last one may be cut off. */
async function decodeBatches(
  bytes: Buffer,
  { partition, from, onlyTransactional }: { partition: number; from: number; onlyTransactional: boolean },
  transactions: readonly AbortedTransaction[],
): Promise<Pick<FetchedPartition, "records" | "next" | "unreadable">> {
  const records: KafkaRecord[] = [];
  const unreadable: { from: number; to: number; cause: string }[] = [];
  const toCome = transactions.toSorted((a, b) => a.first - b.first);
  const aborted = new Set<bigint>();
  let next = from;
  for (let at = 0;;) {
    const header = readBatchHeader(bytes, at);
    if (!header) return { records, next, unreadable };
    const batch = bytes.subarray(at, at += header.size);
    while (toCome[0] && toCome[0].first <= header.last) aborted.add(toCome.shift()!.producerId);
    try {
      if (header.problem !== null) throw new RangeError(header.problem);
      if (isAbortMarker(batch, header)) aborted.delete(header.producerId);
      const isVisible = !header.isControl &&
        (header.isTransactional ? !aborted.has(header.producerId) : !onlyTransactional);
      if (isVisible && header.last >= from) {
        for (const record of await readBatch(batch, partition)) {
          if (record.offset >= from) records.push(record);
        }
      }
    } catch (error) {
      unreadable.push({
        from: Math.max(header.first, from),
        to: header.last,
        cause: (error as Error).message,
      });
    }
    next = Math.max(next, header.last + 1);
  }
}
