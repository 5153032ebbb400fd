/** The log: batches appended to partitions in SQLite, read back by offset, and waited for.
 *
 * A batch is one row, as it is sent out. Offsets are given inside the group commit, so their order is the order of
 * the commits; a batch can be read, and its producer is answered, only once it is on disk. The newest batches are
 * also held in memory (partition.ts). Topics live in topics.ts, deletion of old batches in retention.ts, look-ups by
 * time in timestamps.ts.
 * Left out: compaction and transactions. @module */

import { keepable } from "./batch_cache.ts";
import type { Partition, PartitionBounds, StoredBatch } from "./partition.ts";
import { afterAppend, checkSequence, type ProducerState } from "./producers.ts";
import { lazyStatement, type Store } from "./store.ts";
import type { Topics } from "./topics.ts";
import { TransactionIndex } from "./transaction_index.ts";
import { type ErrorCode, errors } from "./wire/error_codes.ts";
import { assignOffset, type BatchHeader, stampAppendTime } from "./wire/record_batch.ts";

/** The one leader epoch: it must never go down over a restart. */
export const LEADER_EPOCH = 0;

/** Silence after which a producer is forgotten: producer.id.expiration.ms, a day as in Kafka. */
export const PRODUCER_EXPIRY_MS = 86_400_000;

/** A checked batch on its way into a partition. */
export interface NewBatch {
  readonly partition: Partition;
  /** The whole batch; its base offset, and its time if the topic wants append time, are set in place. */
  readonly bytes: Uint8Array;
  readonly header: BatchHeader;
  /** Newest timestamp of its records, milliseconds since the epoch; −1 for none. */
  readonly maxTimestamp: number;
}

/** What became of a batch. */
export interface AppendResult {
  readonly error: ErrorCode;
  /** Offset of its first record, also when it was a duplicate; −1 with an error. */
  readonly baseOffset: number;
  /** −1 unless the topic uses append time. */
  readonly appendTimeMs: number;
}

interface Appended {
  readonly partition: Partition;
  readonly before: PartitionBounds;
  readonly producerId: number;
  readonly producerBefore: ProducerState | undefined;
  readonly batch: StoredBatch;
}

/** What a read found. */
export interface ReadResult {
  readonly pieces: Uint8Array[];
  readonly bytes: number;
}

/** The log of one broker. */
export class Log {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #transactions: TransactionIndex;
  readonly #dirty = new Set<Partition>();
  readonly #dirtyProducers = new Map<Partition, Set<number>>();
  readonly #insert;
  readonly #floor;
  readonly #from;
  readonly #savePartition;
  readonly #saveProducer;

  /** Restores what is known of producers, which belongs to the batches of `topics`. */
  constructor(store: Store, readonly topics: Topics, now: () => number) {
    this.#store = store;
    this.#now = now;
    const { db } = store;
    this.#insert = lazyStatement(db, "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)");
    this.#floor = lazyStatement(
      db,
      "SELECT base FROM batches WHERE partition = ? AND base <= ? ORDER BY base DESC LIMIT 1",
    );
    this.#from = lazyStatement(
      db,
      "SELECT base, last, bytes FROM batches WHERE partition = ? AND base >= ? ORDER BY base",
    );
    this.#savePartition = lazyStatement(db, "UPDATE partitions SET log_start = ?, bytes = ? WHERE id = ?");
    this.#saveProducer = lazyStatement(
      db,
      `INSERT INTO producers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         epoch = excluded.epoch, seen_ms = excluded.seen_ms, batches = excluded.batches`,
    );
    this.#transactions = new TransactionIndex(store);
    this.#load();
    topics.onDelete(({ partitions }) => {
      for (const partition of partitions) this.#transactions.forgetPartition(partition);
    });
    store.beforeCommit(() => this.#saveDirty());
  }

  partition(topic: string, number: number): Partition | undefined {
    return this.topics.partition(topic, number);
  }

  /** Appends batches in one write; each is taken or refused for itself.
   * @returns what became of each, once it is on disk
   * @throws {StorageError} if the disk did not take them: nothing was appended */
  async append(batches: readonly NewBatch[]): Promise<AppendResult[]> {
    const appended: Appended[] = [];
    const results = await this.#store.write(
      () => this.#appendAll(batches, appended),
      () => this.#takeBack(appended),
    );
    for (const { partition, batch } of appended) partition.publish(batch);
    return results;
  }

  /** Batches from the one that holds `offset` on, as long as they fit; from memory when it reaches back that far.
   * @param atLeastOne send the first batch whatever its size (KIP-74) */
  read(partition: Partition, offset: number, maxBytes: number, atLeastOne: boolean): ReadResult {
    if (offset >= partition.end || (maxBytes <= 0 && !atLeastOne)) return { pieces: [], bytes: 0 };
    const found = partition.fromMemory(offset, maxBytes, atLeastOne) ??
      this.#fromDisk(partition, offset, maxBytes, atLeastOne);
    let bytes = 0;
    const pieces = found.map((batch) => {
      bytes += batch.bytes.byteLength;
      return batch.bytes;
    });
    return { pieces, bytes };
  }

  /** Marks a partition whose bounds changed: its row is written with the commit. */
  touched(partition: Partition): void {
    this.#dirty.add(partition);
  }

  /** Forgets aborted transactions whose records are gone, as `beforeOffset` is the log start or about to be: a number of
   * them, the rest when it is asked again. Inside a store write only. */
  forgetAborted(partition: Partition, beforeOffset: number): void {
    if (partition.abortedIn !== undefined) this.#transactions.forgetAborted(partition, beforeOffset);
  }

  /** Answers every waiting fetch with what there is. */
  wakeAll(): void {
    for (const partition of this.topics.partitions()) partition.wakeAll();
  }

  #appendAll(batches: readonly NewBatch[], appended: Appended[]): AppendResult[] {
    try {
      return batches.map((batch) => this.#appendOne(batch, appended));
    } catch (error) {
      this.#takeBack(appended);
      throw error;
    }
  }

  #appendOne(batch: NewBatch, appended: Appended[]): AppendResult {
    const { partition, header, bytes } = batch;
    if (partition.deleted || this.topics.byId(partition.topic.uuid) === undefined) {
      return refused(errors.UNKNOWN_TOPIC_OR_PARTITION);
    }
    const nowMs = this.#now();
    const known = header.producerId >= 0 ? this.#producer(partition, header.producerId, nowMs) : undefined;
    if (header.producerId >= 0) {
      const verdict = checkSequence(known, header);
      if (verdict.kind === "refuse") return refused(verdict.error);
      if (verdict.kind === "duplicate") {
        const { base, appendedMs } = verdict.batch;
        return { error: errors.NONE, baseOffset: base, appendTimeMs: appendedMs };
      }
    }
    const before = partition.bounds();
    const base = partition.end;
    const appendTimeMs = partition.topic.settings.appendTime ? nowMs : -1;
    assignOffset(bytes, base, LEADER_EPOCH);
    if (appendTimeMs >= 0) stampAppendTime(bytes, appendTimeMs);
    const maxTimestamp = appendTimeMs >= 0 ? appendTimeMs : batch.maxTimestamp;
    const top = Math.max(partition.topTimestamp, maxTimestamp);
    const last = base + header.lastOffsetDelta;
    this.#insert().run(partition.id, base, last, maxTimestamp, top, bytes);
    partition.restore({
      start: before.start,
      end: last + 1,
      bytes: before.bytes + bytes.byteLength,
      topTimestamp: top,
    });
    this.#dirty.add(partition);
    if (header.producerId >= 0) {
      const next = afterAppend(known, header, base, appendTimeMs, nowMs);
      this.#setProducer(partition, header.producerId, next);
    }
    appended.push({
      partition,
      before,
      producerId: header.producerId,
      producerBefore: known,
      batch: { base, last, bytes: keepable(bytes) },
    });
    return { error: errors.NONE, baseOffset: base, appendTimeMs };
  }

  #takeBack(appended: Appended[]): void {
    for (const { partition, before, producerId, producerBefore } of appended.reverse()) {
      partition.restore(before);
      if (producerId < 0) continue;
      if (producerBefore === undefined) partition.producers.delete(producerId);
      else partition.producers.set(producerId, producerBefore);
    }
    appended.length = 0;
  }

  #fromDisk(partition: Partition, offset: number, maxBytes: number, atLeastOne: boolean): StoredBatch[] {
    const found: StoredBatch[] = [];
    let bytes = 0;
    const floor = this.#floor().get(partition.id, offset)?.base ?? offset;
    for (const row of this.#from().iterate(partition.id, floor)) {
      const last = Number(row.last);
      if (last < offset) continue;
      const batch = { base: Number(row.base), last, bytes: row.bytes as Uint8Array };
      bytes += batch.bytes.byteLength;
      if (bytes > maxBytes && !(atLeastOne && found.length === 0)) break;
      found.push(batch);
      if (bytes >= maxBytes) break;
    }
    return found;
  }

  #producer(partition: Partition, producerId: number, nowMs: number): ProducerState | undefined {
    const state = partition.producers.get(producerId);
    return state !== undefined && nowMs - state.seenMs < PRODUCER_EXPIRY_MS ? state : undefined;
  }

  #setProducer(partition: Partition, producerId: number, state: ProducerState): void {
    partition.producers.set(producerId, state);
    const ids = this.#dirtyProducers.get(partition);
    if (ids === undefined) this.#dirtyProducers.set(partition, new Set([producerId]));
    else ids.add(producerId);
  }

  #saveDirty(): void {
    for (const partition of this.#dirty) {
      this.#savePartition().run(partition.start, partition.bytes, partition.id);
    }
    for (const [partition, ids] of this.#dirtyProducers) {
      for (const id of ids) {
        const state = partition.producers.get(id);
        if (state === undefined) continue; // its append was taken back
        const batches = JSON.stringify(state.batches.map((b) => [b.first, b.last, b.base, b.appendedMs]));
        this.#saveProducer().run(partition.id, id, state.epoch, state.seenMs, batches);
      }
    }
    // Should the commit fail, memory goes back to what the rows still say: nothing is left to write.
    this.#dirty.clear();
    this.#dirtyProducers.clear();
  }

  #load(): void {
    const partitions = new Map([...this.topics.partitions()].map((partition) => [partition.id, partition]));
    this.#transactions.load(partitions);
    const rows = this.#store.db.prepare("SELECT * FROM producers WHERE seen_ms > ?");
    for (const row of rows.iterate(this.#now() - PRODUCER_EXPIRY_MS)) {
      const batches = (JSON.parse(String(row.batches)) as [number, number, number, number][])
        .map(([first, last, base, appendedMs]) => ({ first, last, base, appendedMs }));
      partitions.get(Number(row.partition))?.producers
        .set(Number(row.producer), { epoch: Number(row.epoch), batches, seenMs: Number(row.seen_ms) });
    }
  }
}

function refused(error: ErrorCode): AppendResult {
  return { error, baseOffset: -1, appendTimeMs: -1 };
}
