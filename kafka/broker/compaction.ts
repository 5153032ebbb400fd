/** Compaction (cleanup.policy=compact): of each key the newest record stays, where it is.
 *
 * A pass reads the keys of what is new since the last one (as many as memory is allowed for), then goes over the log
 * from its start and rewrites the batches that have lost records: older ones of a key, tombstones and transaction
 * markers after delete.retention.ms, records of aborted transactions, records without a key. Offsets stay, so the log
 * has holes then. There are no segments: everything before the last stable offset and older than
 * min.compaction.lag.ms is looked at, but the newest batch, from which the log end is known after a restart.
 * A pass that a crash cuts off leaves a right log behind; the next one begins anew. It works beside everything else, in
 * pieces of some milliseconds.
 * Left out: an empty batch for each producer, as their state is stored apart (producers.ts).
 * @see {@link https://kafka.apache.org/documentation/#compaction} @module */

import { NewestOffsets } from "./compaction_keys.ts";
import { keepOf, openBatch, walkSlowly } from "./compaction_rewrite.ts";
import { batchMeasures, type BatchRow, batchRows, newestBase, RowWriter } from "./compaction_rows.ts";
import { type Cleaned, CompactionState, firstPassOver, type Pass } from "./compaction_state.ts";
import type { Log } from "./log.ts";
import { Breath } from "./pace.ts";
import type { Partition } from "./partition.ts";
import type { Store } from "./store.ts";
import { BATCH_HEADER_BYTES, type BatchHeader, readBatchHeader } from "./wire/record_batch.ts";

/** Memory for the keys of one pass, in bytes. */
const KEY_BYTES = 48 * 1024 * 1024;
/** Longest time a partition is left alone because its records are too young, in milliseconds: settings change. */
const MAX_REST_MS = 60_000;

/** What a pass is to do. */
interface Plan {
  /** The new part: from where the last pass ended to where this one may go. */
  readonly from: number;
  readonly to: number;
  readonly startedMs: number;
}

/** Compacts partitions. */
export class Compaction {
  readonly #store: Store;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #keyBytes: number;
  readonly #state: CompactionState;
  /** When partitions whose records were too young are looked at again. */
  readonly #restUntil = new WeakMap<Partition, number>();
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(store: Store, log: Log, now: () => number, keyBytes = KEY_BYTES) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
    this.#keyBytes = keyBytes;
    this.#state = new CompactionState(store, log.topics);
  }

  /** One look at every partition, and a pass over those that need it; one that is under way is joined.
   * @throws {StorageError} if the disk did not take it: the next run tries again */
  run(): Promise<void> {
    return this.#running ??= this.#compactAll().finally(() => this.#running = undefined);
  }

  /** Ends a pass after its current step. */
  stop(): void {
    this.#stopped = true;
  }

  /** Retention has removed bytes from the front of a partition. */
  trimmed(partition: Partition, bytes: number): void {
    this.#state.trimmed(partition, bytes);
  }

  async #compactAll(): Promise<void> {
    this.#state.forgetDeleted();
    const breath = new Breath();
    for (const partition of [...this.#log.topics.partitions()]) {
      await breath.pause();
      const plan = await this.#plan(partition, breath);
      if (plan !== undefined) await new PartitionPass(this.#tools(partition, breath), plan).run();
    }
  }

  #tools(partition: Partition, breath: Breath): PassTools {
    return {
      partition,
      breath,
      store: this.#store,
      log: this.#log,
      state: this.#state,
      keyBytes: this.#keyBytes,
      isOver: () => this.#isOver(partition),
    };
  }

  #isOver(partition: Partition): boolean {
    return this.#stopped || partition.deleted || !partition.topic.settings.compacts;
  }

  /** Whether a partition needs a pass, and which part of it is new and may be compacted. */
  async #plan(partition: Partition, breath: Breath): Promise<Plan | undefined> {
    if (this.#isOver(partition) || partition.bytes === 0) return undefined;
    const { settings } = partition.topic;
    const { passes, bytes: cleanBytes } = this.#state.of(partition);
    const startedMs = this.#now();
    const from = Math.max(passes.at(-1)?.cleanedTo ?? 0, partition.start);
    const isExpired = passes.some((pass) => hasExpired(pass, startedMs, settings.deleteRetentionMs));
    const newBytes = partition.bytes - Math.min(cleanBytes, partition.bytes);
    // What is cheap to know first: most partitions need nothing.
    const mayBe = newBytes / partition.bytes > settings.minDirtyRatio ||
      settings.maxCompactionLagMs < Number.MAX_SAFE_INTEGER && newBytes > 0;
    if (!isExpired && (!mayBe || startedMs < (this.#restUntil.get(partition) ?? 0))) return undefined;
    const found = await this.#compactable(partition, from, startedMs, breath);
    const ratio = found.bytes / (found.bytes + Math.min(cleanBytes, partition.bytes));
    const isOverdue = found.oldestMs >= 0 && found.oldestMs < startedMs - settings.maxCompactionLagMs;
    const isNeeded = found.bytes > 0 && (ratio > settings.minDirtyRatio || isOverdue);
    return isNeeded || isExpired ? { from, to: found.to, startedMs } : undefined;
  }

  /** How much of the new part may be compacted, and the time of its first batch. */
  async #compactable(
    partition: Partition,
    from: number,
    nowMs: number,
    breath: Breath,
  ): Promise<{ to: number; bytes: number; oldestMs: number }> {
    const newest = newestBase(this.#store, partition);
    const { minCompactionLagMs } = partition.topic.settings;
    let [to, bytes, oldestMs] = [from, 0, -1];
    for await (const batch of batchMeasures(this.#store, partition, from, breath)) {
      if (batch.base >= newest || batch.last >= partition.lastStable) break;
      const youngUntil = batch.maxTimestamp + minCompactionLagMs;
      if (minCompactionLagMs > 0 && batch.maxTimestamp >= 0 && youngUntil > nowMs) {
        this.#restUntil.set(partition, Math.min(youngUntil, nowMs + MAX_REST_MS));
        break;
      }
      if (bytes === 0) oldestMs = batch.maxTimestamp;
      bytes += batch.size;
      to = batch.last + 1;
    }
    return { to, bytes, oldestMs };
  }
}

/** What a pass works with. */
interface PassTools {
  readonly partition: Partition;
  readonly breath: Breath;
  readonly store: Store;
  readonly log: Log;
  readonly state: CompactionState;
  readonly keyBytes: number;
  /** Whether the pass should end where it is. */
  readonly isOver: () => boolean;
}

/** One pass over one partition. */
class PartitionPass {
  readonly #tools: PassTools;
  readonly #plan: Plan;
  readonly #keys: NewestOffsets;
  readonly #writer: RowWriter;
  readonly #before: Cleaned;
  /** By pass: tombstones and markers it met first that stay; the last one is this pass. */
  readonly #deferred: number[];
  #bytes = 0;

  constructor(tools: PassTools, plan: Plan) {
    this.#tools = tools;
    this.#plan = plan;
    this.#keys = new NewestOffsets(tools.keyBytes);
    this.#writer = new RowWriter(tools.store, tools.log, tools.partition);
    this.#before = tools.state.of(tools.partition);
    this.#deferred = new Array<number>(this.#before.passes.length + 1).fill(0);
  }

  async run(): Promise<void> {
    const { partition, store, breath, isOver, state } = this.#tools;
    const to = await this.#readKeys();
    if (to === undefined) return;
    for await (const row of batchRows(store, partition, partition.start, to, breath)) {
      if (isOver()) return;
      await this.#compact(row);
      await breath.pause();
    }
    await this.#writer.flush();
    if (isOver()) return;
    await state.save(partition, { passes: this.#passes(to), bytes: this.#bytes });
  }

  /** Reads the newest offset of each key in the new part.
   * @returns where it ended, as memory may be full before its end; undefined if the pass is over */
  async #readKeys(): Promise<number | undefined> {
    const { partition, store, breath, isOver } = this.#tools;
    const { from, to } = this.#plan;
    for await (const { base, last, bytes } of batchRows(store, partition, from, to, breath)) {
      if (isOver()) return undefined;
      await breath.pause();
      const header = readBatchHeader(bytes);
      if (header.isControl || this.#isAborted(header, base, last)) continue;
      const records = await openBatch(bytes, header);
      if (records === undefined) continue;
      await walkSlowly(records, header, breath, ({ keyAt, keyLength, offsetDelta }) => {
        if (keyLength >= 0) this.#keys.add(records, keyAt, keyLength, base + offsetDelta);
      });
      if (this.#keys.isFull) return last + 1;
    }
    return Math.max(from, to);
  }

  async #compact(row: BatchRow): Promise<void> {
    const { partition, breath } = this.#tools;
    const { base, last, bytes } = row;
    if (last < partition.start) return; // retention frees it
    const header = readBatchHeader(bytes);
    if (header.isControl) return await this.#compactMarker(row);
    if (this.#isAborted(header, base, last)) return await this.#change(row, undefined, -1);
    const records = await openBatch(bytes, header);
    const rest = records === undefined
      ? undefined
      : await keepOf(bytes, header, records, breath, ({ offsetDelta, keyAt, keyLength, valueLength }) => {
        if (keyLength < 0) return false;
        const newest = this.#keys.of(records, keyAt, keyLength);
        if (newest !== undefined && newest > base + offsetDelta) return false;
        return valueLength >= 0 || this.#defers(base + offsetDelta);
      });
    // What cannot be read stays as it is.
    if (rest === undefined || rest.bytes === bytes) this.#bytes += bytes.byteLength;
    else await this.#change(row, rest.bytes, rest.maxTimestamp);
  }

  async #compactMarker(row: BatchRow): Promise<void> {
    if (this.#defers(row.base)) this.#bytes += row.bytes.byteLength;
    else await this.#change(row, undefined, -1, isAbort(row.bytes));
  }

  async #change(
    row: BatchRow,
    bytes: Uint8Array | undefined,
    maxTimestamp: number,
    isAbortMarker = false,
  ): Promise<void> {
    this.#bytes += bytes?.byteLength ?? 0;
    await this.#writer.add({ row, bytes, maxTimestamp, isAbortMarker });
  }

  /** Whether a tombstone or marker has to stay readable for now. */
  #defers(offset: number): boolean {
    const { deleteRetentionMs } = this.#tools.partition.topic.settings;
    const first = firstPassOver(this.#before.passes, offset);
    const pass = this.#before.passes[first];
    if (pass !== undefined && pass.atMs + deleteRetentionMs <= this.#plan.startedMs) return false;
    this.#deferred[first] = (this.#deferred[first] ?? 0) + 1;
    return true;
  }

  #isAborted({ isTransactional, producerId }: BatchHeader, base: number, last: number): boolean {
    return isTransactional &&
      this.#tools.partition.aborted(base, last + 1).some((transaction) =>
        transaction.producerId === producerId && transaction.firstOffset <= base &&
        base <= transaction.lastOffset
      );
  }

  #passes(to: number): Pass[] {
    const known = this.#before.passes.map((pass, i) => ({ ...pass, deferred: this.#deferred[i] ?? 0 }));
    if (to <= (known.at(-1)?.cleanedTo ?? 0)) return known;
    return [...known, { cleanedTo: to, atMs: this.#plan.startedMs, deferred: this.#deferred.at(-1) ?? 0 }];
  }
}

function hasExpired({ atMs, deferred }: Pass, nowMs: number, deleteRetentionMs: number): boolean {
  return deferred > 0 && atMs + deleteRetentionMs <= nowMs;
}

/** The type of a marker is in its key: `version:INT16 type:INT16`, behind five one-byte fields. */
function isAbort(bytes: Uint8Array): boolean {
  const at = BATCH_HEADER_BYTES + 5;
  return bytes[at + 2] === 0 && bytes[at + 3] === 0;
}
