/** The log of a broker as consumers see it: read once from end to end, or followed over its crashes. @module */
import { pause } from "../eventually.ts";
import { ProtocolClient } from "../protocol/client.ts";
import type { Values } from "../protocol/codec.ts";
import { type AbortedTransaction, committedRecords, readBatches } from "../protocol/record_batches.ts";

/** Records of one partition by offset; what is no record (the end of a transaction) is null. */
export type PartitionRecords = Map<number, string | null>;

/** What one partition holds. */
export interface PartitionLog {
  /** Also what was given up, and the markers. */
  readonly all: PartitionRecords;
  /** What a read_committed consumer is shown. */
  readonly committed: PartitionRecords;
  readonly highWatermark: number;
}

interface Fetched {
  readonly next: number;
  readonly records: PartitionRecords;
  readonly highWatermark: number;
}

const READ_COMMITTED = 1;

/** Reads a partition from its beginning to its end, as both kinds of consumers.
 * @throws {Error} if offsets are missing, come twice or go back */
export async function readPartition(
  client: ProtocolClient,
  topic: string,
  partition: number,
): Promise<PartitionLog> {
  const logs = [];
  for (const isolation of [0, READ_COMMITTED]) {
    const records: PartitionRecords = new Map();
    let next = 0;
    while (true) {
      const fetched = await fetchFrom(client, topic, partition, next, isolation, 0);
      for (const [offset, value] of fetched.records) records.set(offset, value);
      if (fetched.next === next) {
        logs.push({ records, highWatermark: fetched.highWatermark });
        break;
      }
      next = fetched.next;
    }
  }
  const [all, committed] = logs;
  for (let offset = 0; offset < all!.highWatermark; offset++) {
    if (!all!.records.has(offset)) throw new Error(`Offset ${offset} of ${topic}-${partition} is missing`);
  }
  return { all: all!.records, committed: committed!.records, highWatermark: all!.highWatermark };
}

/** A consumer without a group that comes back after each crash and goes on where it was. */
export class Follower implements AsyncDisposable {
  /** What it was shown, by partition. */
  readonly seen: PartitionRecords[];
  readonly #working: Promise<unknown>;
  readonly #highest: number[];
  #stopped = false;
  #failed: unknown;

  /** @param isolation 0 read_uncommitted, 1 read_committed */
  constructor(readonly port: number, readonly topic: string, partitions: number, readonly isolation: 0 | 1) {
    this.seen = Array.from({ length: partitions }, () => new Map());
    this.#highest = this.seen.map(() => 0);
    this.#working = Promise.all(
      this.seen.map((_, partition) =>
        this.#follow(partition).catch((error) => void (this.#failed ??= error))
      ),
    );
  }

  /** @throws {Error} if a high watermark went back or an answer was an error */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
    if (this.#failed !== undefined) {
      throw new Error(`A follower of ${this.topic} failed`, { cause: this.#failed });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  async #follow(partition: number): Promise<void> {
    let next = 0;
    while (!this.#stopped) {
      try {
        using client = await ProtocolClient.connect(this.port, "follower");
        while (!this.#stopped) {
          const fetched = await fetchFrom(client, this.topic, partition, next, this.isolation, 100);
          this.#checkWatermark(partition, fetched.highWatermark);
          for (const [offset, value] of fetched.records) this.seen[partition]!.set(offset, value);
          next = fetched.next;
        }
      } catch (error) {
        if ((error as Error).name !== "ConnectionLost") throw error;
        await pause(5);
      }
    }
  }

  #checkWatermark(partition: number, found: number): void {
    const highest = this.#highest[partition]!;
    if (found < highest) {
      throw new Error(
        `The high watermark of ${this.topic}-${partition} went back from ${highest} to ${found}`,
      );
    }
    this.#highest[partition] = found;
  }
}

async function fetchFrom(
  client: ProtocolClient,
  topic: string,
  partition: number,
  from: number,
  isolationLevel: number,
  maxWaitMs: number,
): Promise<Fetched> {
  const partitions = [{ partition, fetchOffset: from, partitionMaxBytes: 1_000_000 }];
  const request = { maxWaitMs, minBytes: 1, isolationLevel, topics: [{ topic, partitions }] };
  const { responses } = await client.ask(1, 4, request);
  const told = ((responses as Values[])[0]!.partitions as Values[])[0]!;
  if (told.errorCode !== 0) {
    throw new Error(`Error ${told.errorCode} at fetch of ${topic}-${partition} from ${from}`);
  }
  const batches = readBatches((told.records ?? new Uint8Array(0)) as Uint8Array);
  const aborted = ((told.abortedTransactions ?? []) as Values[]) as unknown as AbortedTransaction[];
  const shown = isolationLevel === READ_COMMITTED
    ? committedRecords(batches, aborted)
    : batches.flatMap((batch) => batch.records);
  const records: PartitionRecords = new Map();
  if (isolationLevel !== READ_COMMITTED) {
    for (const { base, isControl } of batches) if (isControl && base >= from) records.set(base, null);
  }
  for (const { offset, value } of shown) if (offset >= from) records.set(offset, value);
  const last = batches.at(-1)?.last;
  return { next: last === undefined ? from : last + 1, records, highWatermark: Number(told.highWatermark) };
}
