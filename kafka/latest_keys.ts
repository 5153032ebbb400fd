/** Which record is the newest of its key, for viewers that are shown only those: one index per topic, shared by all of them.
 *
 * It grows backwards, block by block, from where the topic's reader is to where a viewer begins, and stays current by what the
 * reader appends. Offsets order records of one partition only, so «newest» is meant within a partition, where producers keep a
 * key. A block that is read takes nothing from the pages viewers share. The number of keys is bounded: those whose newest record
 * is the oldest are forgotten, and nothing before such a record is looked at. Left out: which viewers want it (viewer.ts).
 * @module */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { KafkaError } from "./connection.ts";
import type { Positions } from "./cursor.ts";
import type { KafkaRecord } from "./fetch_response.ts";
import { type History, OutsideLog, type Page, Unreadable } from "./history.ts";
import { pause } from "./pause.ts";

/** A record, as far as it counts here. */
type Keyed = Pick<KafkaRecord, "partition" | "offset" | "key">;

/** Keys of a topic that are remembered. */
const defaultMaxKeys = 100_000;
/** A key above so many bytes is kept as a hash, which is longer than any key that is kept itself. */
const maxKeyBytes = 64;
/** Bytes of one read; what of them lies behind the block is left out, so a block is to fill most of it. */
const readBytes = 256 * 1024;
const firstBlock = 4_000, minBlock = 100, maxBlock = 1_000_000;
/** Tries of a block, with pauses between them, before those who wait are told. */
const tries = 3, retryMs = 200;

/** The newest offset of each key of one topic. */
export class LatestKeys implements Disposable {
  readonly #topic: string;
  readonly #history: Pick<History, "readOnce">;
  readonly #maxKeys: number;
  readonly #partitions: (PartitionKeys | undefined)[] = [];
  readonly #stop = new AbortController();
  #size = 0;

  constructor(topic: string, history: Pick<History, "readOnce">, { maxKeys = defaultMaxKeys } = {}) {
    this.#topic = topic;
    this.#history = history;
    this.#maxKeys = maxKeys;
  }

  /** Keys that are remembered now, of all partitions. */
  get size(): number {
    return this.#size;
  }

  /** Resolves when every record from `from` on is looked at. Who asks for what is looked at already waits for nobody.
   * @param to where the topic's reader is now; from there on `append` tells. Partitions that are unknown in either are left out
   * @throws {KafkaError} when a partition cannot be read, or its leader says nothing for a second; the others are looked at all
   * the same, and the next call goes on
   * @throws the signal's reason */
  async ready(from: Positions, to: Positions, signal?: AbortSignal): Promise<void> {
    const waits = to.map((end, partition) => {
      const start = from[partition] ?? 0;
      if (start < 0 || end < 0) return;
      return this.#partition(partition, end).reach(start, signal);
    });
    const failed = (await Promise.allSettled(waits)).find((each) => each.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** Whether every record of a partition from an offset on was looked at. */
  covers(partition: number, from: number): boolean {
    const known = this.#partitions[partition];
    return known !== undefined && known.low <= from;
  }

  /** Takes in a record that was read at the end of the log; in order. */
  append(record: Keyed): void {
    const known = this.#partition(record.partition, record.offset);
    this.#size += known.put(keyOf(record.key), record.offset);
    known.high = Math.max(known.high, record.offset + 1);
    this.#forget();
  }

  /** Whether no newer record of the key is known; false as well when the key was forgotten for others seen since.
   * @param before an end: when the newest record lies there or behind, nothing is known of the newest one before it: true */
  isNewest(record: Keyed, before = Infinity): boolean {
    const known = this.#partitions[record.partition];
    if (!known || record.offset >= known.high) return true;
    const newest = known.newest.get(keyOf(record.key));
    return newest !== undefined && (newest <= record.offset || newest >= before);
  }

  /** Ends what is being read; who waits for it is told. */
  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  #partition(partition: number, end: number): PartitionKeys {
    return this.#partitions[partition] ??= new PartitionKeys(end, {
      signal: this.#stop.signal,
      read: (offset, onSilent) =>
        this.#history.readOnce(this.#topic, partition, offset, { maxBytes: readBytes, onSilent }),
      added: (count) => {
        this.#size += count;
        this.#forget();
      },
    });
  }

  /** Above the bound by a tenth, the partition with the most keys gives up its oldest ones. */
  #forget(): void {
    while (this.#size > this.#maxKeys * 1.1) {
      const most = this.#partitions.reduce((a, b) => (b?.newest.size ?? 0) > (a?.newest.size ?? 0) ? b : a);
      this.#size -= most!.forget(this.#size - this.#maxKeys);
    }
  }
}

/** What a partition's index works with. */
interface Source {
  /** @throws {OutsideLog} @throws {Unreadable} @throws {KafkaError} */
  read(offset: number, onSilent: (error: KafkaError) => void): Promise<Page>;
  added(keys: number): void;
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly from: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** The newest offset of each key of one partition; offsets `low` … `high` − 1 were looked at. */
class PartitionKeys {
  readonly newest = new Map<string | null, number>();
  low: number;
  high: number;
  /** Keys whose newest record is before it are forgotten. */
  #forgotten = 0;
  #block = firstBlock;
  #isReading = false;
  /** The node says nothing to the read that is on its way: nobody is to wait for it. */
  #silent: KafkaError | undefined;
  readonly #source: Source;
  readonly #waiters = new Set<Waiter>();

  constructor(end: number, source: Source) {
    this.low = this.high = end;
    this.#source = source;
  }

  /** @returns 1 when the key is new here, else 0 */
  put(key: string | null, offset: number): number {
    const known = this.newest.get(key);
    if (known === undefined || known < offset) this.newest.set(key, offset);
    return known === undefined ? 1 : 0;
  }

  /** Forgets `count` keys, or all.
   * @returns how many */
  forget(count: number): number {
    const offsets = Float64Array.from(this.newest.values()).sort();
    const last = offsets[Math.min(count, offsets.length) - 1]!;
    for (const [key, offset] of this.newest) if (offset <= last) this.newest.delete(key);
    this.#forgotten = last + 1;
    return offsets.length - this.newest.size;
  }

  /** Resolves when everything from `from` on was looked at. */
  async reach(from: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.low <= from) return;
    if (this.#silent) throw this.#silent;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { from, resolve, reject };
    const abort = () => reject(signal!.reason);
    this.#waiters.add(waiter);
    signal?.addEventListener("abort", abort, { once: true });
    if (!this.#isReading) this.#read();
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Goes back as long as somebody waits; never rejects. */
  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      for (let failures = 0; this.#waiters.size > 0;) {
        let goal = Infinity;
        for (const { from } of this.#waiters) goal = Math.min(goal, from);
        try {
          this.#source.signal.throwIfAborted();
          await this.#readBlock(goal);
          failures = 0;
        } catch (error) {
          if (!(error instanceof KafkaError) || ++failures >= tries) throw error;
          await pause(retryMs, this.#source.signal);
        }
        for (const waiter of this.#waiters) {
          if (this.low > waiter.from) continue;
          this.#waiters.delete(waiter);
          waiter.resolve();
        }
      }
    } catch (error) {
      this.#rejectAll(error);
    } finally {
      this.#isReading = false;
    }
  }

  #rejectAll(error: unknown): void {
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
  }

  /** Looks at the records before `low`, a block of them, down to `goal` at most. */
  async #readBlock(goal: number): Promise<void> {
    const end = this.low, from = Math.max(goal, end - this.#block);
    // What is older than a forgotten key's newest record may be of that key: nothing can be said of it.
    if (end <= this.#forgotten || end <= goal) return void (this.low = Math.min(goal, end));
    const found = new Map<string | null, number>();
    let reads = 0, at = from;
    for (; at < end; reads++) {
      const page = await this.#look(at);
      if (typeof page === "number") at = page;
      else if (page.next > at) {
        for (const { offset, key } of page.records) if (offset < end) found.set(keyOf(key), offset);
        at = page.next;
      } else break; // the log ends here: it is another one now
    }
    let added = 0;
    for (const [key, offset] of found) if (offset >= this.#forgotten) added += this.put(key, offset);
    this.low = from;
    // A read that goes far beyond the block brought much for nothing; several reads fill their bytes.
    if (reads > 2) this.#block = Math.max(minBlock, this.#block >> 1);
    else if (reads < 2) this.#block = Math.min(maxBlock, this.#block * 2);
    this.#source.added(added);
  }

  /** The page at an offset, or where the log goes on after a hole. */
  async #look(offset: number): Promise<Page | number> {
    try {
      return await this.#source.read(offset, (error) => this.#rejectAll(this.#silent = error));
    } catch (error) {
      if (error instanceof Unreadable) return error.next;
      if (error instanceof OutsideLog) return error.first > offset ? error.first : Infinity;
      throw error;
    } finally {
      this.#silent = undefined;
    }
  }
}

/** A key as it is kept: a character for each byte, or the hash of a long one. */
function keyOf(key: Uint8Array | null): string | null {
  if (key === null) return null;
  if (key.length > maxKeyBytes) return `#${createHash("sha256").update(key).digest("hex")}`;
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}
