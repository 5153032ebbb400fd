/** The log: batches appended to partitions in SQLite, read back by offset, and waited for.
 *
 * A batch is one row, as it is sent out. Offsets are given inside the group commit, so their order is the order of
 * the commits; a batch can be read, and its producer is answered, only once it is on disk. The newest batches are
 * also held in memory (partition.ts). Topics live in topics.ts, deletion of old batches in retention.ts, look-ups by
 * time in timestamps.ts, transactions in transactions.ts, of which the log keeps only where they lie in a partition
 * (transaction_index.ts); compaction.ts rewrites batches. @module */

import { keepable } from "./batch_cache.ts";
import type { Partition, PartitionBounds, StoredBatch } from "./partition.ts";
import { afterAppend, afterMarker, checkSequence, type ProducerState } from "./producers.ts";
import { lazyStatement, type Store } from "./store.ts";
import type { Topics } from "./topics.ts";
import { type OpenTransaction, TransactionIndex } from "./transaction_index.ts";
import { type ErrorCode, errors } from "./wire/error_codes.ts";
import {
  assignOffset,
  type BatchHeader,
  readBatchHeader,
  stampAppendTime,
  transactionMarker,
} from "./wire/record_batch.ts";

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
  /** Of a transactional batch: whether its transaction takes it, asked inside the write that would append it. */
  readonly admit?: () => ErrorCode;
}

/** The end of a producer's transaction. */
export interface TransactionEnd {
  readonly producerId: number;
  /** A higher epoch than that of its batches fences them. */
  readonly epoch: number;
  readonly commit: boolean;
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
  readonly openBefore: readonly OpenTransaction[];
  readonly appendedBefore: number;
  readonly producerId: number;
  readonly producerBefore: ProducerState | undefined;
  readonly batch: StoredBatch;
}

/** What a read found. */
export interface ReadResult {
  readonly pieces: Uint8Array[];
  readonly bytes: number;
  /** Offset after the last batch, or the one asked for when there is none. */
  readonly next: number;
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
  append(batches: readonly NewBatch[]): Promise<AppendResult[]> {
    return this.#write((appended) => batches.map((batch) => this.#appendOne(batch, appended)));
  }

  /** A store write that may end transactions.
   * @param work as `apply` of {@link Store.write}; what it is handed appends the marker of an end to a partition
   * @param undo takes back what `work` changed in memory, its markers left out; also called when `work` throws */
  writeMarkers<T>(
    work: (mark: (partition: Partition, end: TransactionEnd) => void) => T,
    undo: () => void,
  ): Promise<T> {
    return this.#write((appended) => work((partition, end) => this.#mark(partition, end, appended)), undo);
  }

  /** Batches from the one that holds `offset` on, as long as they fit; from memory when it reaches back that far.
   * @param atLeastOne send the first batch whatever its size (KIP-74)
   * @param limit where to end: the end of the partition or its last stable offset, before which every batch ends */
  read(
    partition: Partition,
    offset: number,
    maxBytes: number,
    atLeastOne: boolean,
    limit = partition.end,
  ): ReadResult {
    if (offset >= limit || (maxBytes <= 0 && !atLeastOne)) return { pieces: [], bytes: 0, next: offset };
    const found = partition.fromMemory(offset, maxBytes, atLeastOne, limit) ??
      this.#fromDisk(partition, offset, maxBytes, atLeastOne, limit);
    let bytes = 0;
    const pieces = found.map((batch) => {
      bytes += batch.bytes.byteLength;
      return batch.bytes;
    });
    return { pieces, bytes, next: (found.at(-1)?.last ?? offset - 1) + 1 };
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

  /** Frees what deleted topics left of their transactions, one step.
   * @returns whether there may be more
   * @throws {StorageError} if the disk did not take it: ask again later */
  async freeTransactions(): Promise<boolean> {
    return this.#transactions.hasDeleted && await this.#store.write(() => this.#transactions.freeDeleted());
  }

  /** Answers every waiting fetch with what there is. */
  wakeAll(): void {
    for (const partition of this.topics.partitions()) partition.wakeAll();
  }

  /** A store write whose batches are published with its commit, in the order of the writes, and taken back without it. */
  async #write<T>(work: (appended: Appended[]) => T, undo?: () => void): Promise<T> {
    const appended: Appended[] = [];
    const takeBack = (): void => {
      this.#takeBack(appended);
      undo?.();
    };
    const result = await this.#store.write(() => {
      try {
        return work(appended);
      } catch (error) {
        takeBack();
        throw error;
      }
    }, takeBack);
    for (const { partition, batch } of appended) partition.publish(batch);
    return result;
  }

  #appendOne(batch: NewBatch, appended: Appended[]): AppendResult {
    const { partition, header } = batch;
    if (partition.deleted || this.topics.byId(partition.topic.uuid) === undefined) {
      return refused(errors.UNKNOWN_TOPIC_OR_PARTITION);
    }
    const unwanted = batch.admit?.() ?? errors.NONE;
    if (unwanted !== errors.NONE) return refused(unwanted);
    const nowMs = this.#now();
    const known = header.producerId >= 0 ? this.#producer(partition, header.producerId, nowMs) : undefined;
    const isOpen = partition.open.length > 0 &&
      partition.open.some(({ producerId }) => producerId === header.producerId);
    if (header.producerId >= 0) {
      const verdict = checkSequence(known, header);
      if (verdict.kind === "refuse") return refused(verdict.error);
      if (verdict.kind === "duplicate") {
        const { base, appendedMs } = verdict.batch;
        return { error: errors.NONE, baseOffset: base, appendTimeMs: appendedMs };
      }
      if (isOpen && !header.isTransactional) return refused(errors.INVALID_TXN_STATE);
    }
    const { appended: bytesBefore } = partition;
    const { base, appendTimeMs } = this.#place(batch, known, nowMs, appended);
    if (header.isTransactional && header.producerId >= 0 && !isOpen) {
      this.#transactions.begin(partition, header.producerId, base, bytesBefore);
    }
    if (header.producerId >= 0) {
      const next = afterAppend(known, header, base, appendTimeMs, nowMs);
      this.#setProducer(partition, header.producerId, next);
    }
    return { error: errors.NONE, baseOffset: base, appendTimeMs };
  }

  /** Ends a producer's transaction in a partition, which may have gone with its topic meanwhile. */
  #mark(partition: Partition, end: TransactionEnd, appended: Appended[]): void {
    if (partition.deleted || this.topics.byId(partition.topic.uuid) === undefined) return;
    const nowMs = this.#now();
    const bytes = transactionMarker(end, nowMs);
    const batch = { partition, bytes, header: readBatchHeader(bytes), maxTimestamp: nowMs };
    const known = this.#producer(partition, end.producerId, nowMs);
    const { base } = this.#place(batch, known, nowMs, appended);
    this.#transactions.end(partition, end.producerId, base, !end.commit);
    this.#setProducer(partition, end.producerId, afterMarker(known, end.epoch, nowMs));
  }

  /** Gives a batch its place at the end of its partition. */
  #place(
    { partition, bytes, header, maxTimestamp: newest }: NewBatch,
    producerBefore: ProducerState | undefined,
    nowMs: number,
    appended: Appended[],
  ): { base: number; appendTimeMs: number } {
    const before = partition.bounds();
    const base = before.end;
    const appendTimeMs = partition.topic.settings.appendTime ? nowMs : -1;
    assignOffset(bytes, base, LEADER_EPOCH);
    if (appendTimeMs >= 0) stampAppendTime(bytes, appendTimeMs);
    const maxTimestamp = appendTimeMs >= 0 ? appendTimeMs : newest;
    const topTimestamp = Math.max(before.topTimestamp, maxTimestamp);
    const last = base + header.lastOffsetDelta;
    // Before anything changes, so that whatever did is taken back should SQLite refuse.
    appended.push({
      partition,
      before,
      openBefore: partition.open,
      appendedBefore: partition.appended,
      producerId: header.producerId,
      producerBefore,
      batch: { base, last, bytes: keepable(bytes) },
    });
    this.#insert().run(partition.id, base, last, maxTimestamp, topTimestamp, bytes);
    partition.restore({
      start: before.start,
      end: last + 1,
      bytes: before.bytes + bytes.byteLength,
      topTimestamp,
    });
    partition.appended += bytes.byteLength;
    this.#dirty.add(partition);
    return { base, appendTimeMs };
  }

  #takeBack(appended: Appended[]): void {
    for (const undone of appended.reverse()) {
      const { partition, before, producerId, producerBefore } = undone;
      partition.restore(before);
      partition.open = undone.openBefore;
      partition.appended = undone.appendedBefore;
      if (producerId < 0) continue;
      if (producerBefore === undefined) partition.producers.delete(producerId);
      else partition.producers.set(producerId, producerBefore);
    }
    appended.length = 0;
  }

  #fromDisk(
    partition: Partition,
    offset: number,
    maxBytes: number,
    atLeastOne: boolean,
    limit: number,
  ): StoredBatch[] {
    const found: StoredBatch[] = [];
    let bytes = 0;
    const floor = this.#floor().get(partition.id, offset)?.base ?? offset;
    for (const row of this.#from().iterate(partition.id, floor)) {
      const last = Number(row.last);
      if (last < offset) continue;
      const batch = { base: Number(row.base), last, bytes: row.bytes as Uint8Array };
      if (batch.base >= limit) break;
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
