/** Keeps the books of one measurement: its topic → histogram and rows → one transaction of the file → what may be published.
 *
 *     begin (books_beginning.ts) → TopicReader → ReaderQueue → Counting → MeasurementBooks.commit → offer
 *       ▲                                                                        │
 *       └── another log · a hole that retention made · another writer · behind what is published ┘
 *
 * What has to hold at every moment, kill -9 included:
 *
 * - The file holds the counts, the rows and the positions of one moment, as they are written in one transaction. What is in memory beyond
 *   that is worth nothing: after a crash, a conflict or a doubt the books begin again from the file.
 * - Every record from the positions on is counted once: the reader begins there, tells every offset in order, and `Counting` passes over
 *   what lies before its places. Nobody but the file says what was counted; the group's offsets are for people.
 * - A commit builds on the state that was loaded. When another process has written to the file, nothing is committed and the books begin
 *   again from its state, so the file is right whoever writes to it.
 * - While the file takes nothing, the same batch is tried again and again; the reader is held up behind a full queue.
 *
 * Every instance does this, owner or not, so that whoever becomes the owner has the counts already. Left out: publishing (publisher.ts), who
 * is the owner, and the opening of the file (histogram_service.ts).
 * @module */
import type { Logger } from "../../logger.ts";
import type { Kafka } from "../client.ts";
import { type KafkaConnection, KafkaError } from "../connection.ts";
import { edgesOf, type MeasurementSpec } from "../measurements.ts";
import { Sleep } from "../pause.ts";
import { isPassing } from "../positions.ts";
import { retriable } from "../producer_errors.ts";
import { TopicReader } from "../reader.ts";
import { topicIdOf } from "../topic_id.ts";
import { Turns } from "../turns.ts";
import type { OwnBooks } from "./beginning.ts";
import { beginBooks, type BegunBooks, LogCut } from "./books_beginning.ts";
import type { Counting, CountingMore } from "./counting.ts";
import { RunningHistogram } from "./histogram.ts";
import type { HistogramNow } from "./histogram_types.ts";
import { type MeasurementBooks, StoreBusy } from "./measurement_store.ts";
import { StatusKeeper } from "./processor_status.ts";
import type { CountedState } from "./published.ts";
import { ReaderQueue } from "./reader_queue.ts";
import { findTopic } from "./topic_places.ts";

/** What a processor needs. */
export interface ProcessorOptions {
  readonly kafka: Kafka;
  /** For questions that wait for nothing. */
  readonly connection: KafkaConnection;
  readonly spec: MeasurementSpec;
  readonly log: Logger;
  /** The books in the file, once it is open.
   * @param clusterId once it is known; null: those of the cluster that was there last
   * @throws {StoreBusy} when the file cannot be used now */
  readonly books: (clusterId: string | null) => Promise<MeasurementBooks>;
  /** Counts the clusters that there were: books of an earlier one are not written to. */
  readonly clusters: () => number;
  /** Takes a state that is in the file. */
  readonly offer: (state: CountedState, clusterId: string) => void;
}

/** Records that go into one commit, about, and how much of a partition, and of a node, is asked for at once: many topics may be behind. */
const maxBatch = 8_000, partitionBytes = 512 * 1024, requestBytes = 1024 * 1024;
/** Above so many, others of this thread have a turn before they are counted: heartbeats and questions between any two large batches. */
const largeBatch = 500;
const breaths = new Turns(1);
/** Pauses after something failed, ms: the first, the longest; after another process has written; while the topic is missing. */
const firstPauseMs = 50, maxPauseMs = 1_000, conflictPauseMs = 200, missingPauseMs = 500;

/** Who has followed the log for longer did not fail just now, ms. */
const steadyMs = 1_000;
/** How long the file may be busy until that is told in the log, ms. */
const fileToldMs = 500;
/** How long a log has to look as if it had lost its end before that is believed, ms. */
const cutSureMs = 5_000;

/** Counts one measurement until it is disposed. */
export class HistogramProcessor implements AsyncDisposable {
  readonly #options: ProcessorOptions;
  readonly #log: Logger;
  readonly #status = new StatusKeeper();
  readonly #sleep = new Sleep();
  readonly #running: Promise<void>;
  /** As the file has it; null until it was read. */
  #committed: (CountedState & { rows: number }) | null = null;
  #books: MeasurementBooks | null = null;
  readonly #loaded = Promise.withResolvers<void>();
  readonly #ends = new Map<number, number>();
  #queue: ReaderQueue | null = null;
  #isClosed = false;
  /** The cluster that the books are of, and the newest of its logs that was seen to be no more: by reading, or by the topic's absence.
   * Another process may have brought the file to the next one since. */
  #clusterId = "";
  #goneLog = -1;
  #hasBegun = false;
  /** Since when it looks as if the log had lost its end, by `performance.now()`. */
  #cutSince: number | null = null;
  /** Of those who want the books to begin again. */
  readonly #wishes: PromiseWithResolvers<void>[] = [];
  /** Whether the log tells that it waits for the file. */
  #isFileTold = false;
  /** The last failure that was told in the log. */
  #told = "";

  constructor(options: ProcessorOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#running = this.#run();
  }

  /** Resolves when it is known what is in the file, or that it never will be. */
  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  /** Why it waits or has failed, null when it does neither. */
  get reason(): string | null {
    return this.#status.get(false).reason;
  }

  /** For how long it has waited for the file, ms; 0 if it does not. */
  get fileWaitMs(): number {
    return this.#status.waitsMs("file");
  }

  /** What is in the file; null until that is known.
   * @param owner whether this instance publishes */
  now(owner: boolean): HistogramNow | null {
    if (!this.#committed) return null;
    const { spec } = this.#options, { snapshot, covered } = this.#committed;
    const status = this.#status.get(owner);
    // What was read and is not in the file yet is not counted.
    const behind = this.#ends.size > 0
      ? this.#behind((partition) => covered.positions[partition] ?? 0)
      : status.behind;
    return { spec, snapshot, covered, rows: this.#rows(), status: { ...status, behind } };
  }

  /** In the file now: retention removes some between two commits. The last number that is known while the file is locked. */
  #rows(): number {
    try {
      if (this.#committed && this.#books) this.#committed.rows = this.#books.rowCount();
    } catch (error) {
      if (!(error instanceof StoreBusy)) throw error;
    }
    return this.#committed?.rows ?? 0;
  }

  /** It does nothing any more, for a reason in one line. */
  fail(reason: string): void {
    this.#status.fails(reason);
    this.#loaded.resolve();
    this.#close();
  }

  /** Begins again, as something was published that the books lack. Resolves when they have, and were offered, or it is closed. */
  beginAgain(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    const wish = Promise.withResolvers<void>();
    this.#wishes.push(wish);
    this.#queue?.again();
    return wish.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    await this.#running;
    this.#loaded.resolve();
  }

  #close(): void {
    this.#isClosed = true;
    this.#sleep.close();
    this.#queue?.[Symbol.dispose]();
    for (const wish of this.#wishes.splice(0)) wish.resolve();
  }

  async #run(): Promise<void> {
    for (let pauseMs = firstPauseMs; !this.#isClosed;) {
      let since = Infinity;
      const hasLasted = () => performance.now() - since > steadyMs;
      try {
        const wishes = this.#wishes.length; // those that come from now on want it once more
        const begun = await this.#begin();
        if (!begun) continue;
        for (const wish of this.#wishes.splice(0, wishes)) wish.resolve();
        since = performance.now();
        await this.#follow(begun);
        if (!hasLasted()) await this.#sleep.for(firstPauseMs);
        pauseMs = firstPauseMs;
        this.#told = "";
      } catch (error) {
        if (this.#isClosed) return;
        // What fails again and again as soon as they have begun is told once.
        if (hasLasted()) [pauseMs, this.#told] = [firstPauseMs, ""];
        this.#failed(error);
        await this.#sleep.for(pauseMs);
        pauseMs = Math.min(2 * pauseMs, maxPauseMs);
      }
    }
  }

  /** Finds out where to begin and brings the file there; null when it has to be tried again. */
  async #begin(): Promise<Begun | null> {
    const { connection, spec } = this.#options;
    if (!this.#committed) this.#show(load(await this.#options.books(null)));
    const { clusterId, partitions } = await findTopic(connection, spec.name);
    const books = await this.#options.books(clusterId), own = load(books);
    this.#books = books;
    this.#status.goesOn("file", "kafka");
    this.#show(own);
    if (clusterId !== this.#clusterId) this.#goneLog = -1;
    this.#clusterId = clusterId;
    if (!partitions) {
      this.#goneLog = own?.covered.log ?? -1;
      this.#status.waits("topic", `topic ${spec.name} does not exist`);
      await this.#sleep.for(missingPauseMs);
      return null;
    }
    const clusters = this.#options.clusters();
    const values = () => books.values();
    const isSuspected = own !== null && own.covered.log <= this.#goneLog;
    const isCutSure = this.#cutSince !== null && performance.now() - this.#cutSince > cutSureMs;
    const seen = { isSuspected, isCutSure, isAgain: this.#hasBegun };
    const begun = {
      ...await beginBooks({ connection, spec, partitions, own, values, ...seen, log: this.#log }),
      books,
      clusters,
    };
    this.#hasBegun = true;
    this.#cutSince = null;
    this.#status.begins();
    this.#ends.clear();
    begun.ends.forEach((end, partition) => this.#ends.set(partition, end));
    if (own && !begun.isNews) this.#offer();
    else if (!await this.#commit(begun)) return null;
    this.#status.goesOn("topic");
    return begun;
  }

  /** Reads on and on, until the books have to begin again. */
  async #follow(begun: Begun): Promise<void> {
    const { kafka, spec } = this.#options;
    const queue = new ReaderQueue();
    await using _reader = new TopicReader(
      kafka,
      spec.name,
      queue.events((up) => this.#kafkaIs(up)),
      this.#log,
      { from: begun.from, partitionBytes, requestBytes },
    );
    using _ = queue; // closed before the reader, which may wait for it
    this.#queue = queue;
    if (this.#isClosed || this.#wishes.length > 0) return;
    this.#status.reads(this.#behind((partition) => begun.counting.placeOf(partition)));
    for (let reads; (reads = await queue.take(maxBatch)) !== null;) {
      // Asked after they were read: they are of this log, then. One that was made anew and has grown past the places of the one before
      // tells nothing of it to who reads on.
      if (reads.some(({ kind }) => kind === "records") && await this.#isMadeAnew(begun.counting)) return;
      const isLarge = reads.some((read) =>
        read.kind === "records" && read.fetched.records.length > largeBatch
      );
      if (isLarge) await breaths.take(() => new Promise((resolve) => setTimeout(resolve, 0)));
      let goesOn = true;
      for (const read of reads) {
        goesOn = read.kind === "doubted"
          ? await this.#isSameLog(begun.counting)
          : this.#take(read, begun.counting);
        if (!goesOn) break;
      }
      if (!await this.#commit(begun) || !goesOn) return;
    }
  }

  /** Whether the topic still is the one that is counted, as far as Kafka can tell. */
  async #isSameLog({ topicId }: Counting): Promise<boolean> {
    if (topicId === null) return true;
    return await topicIdOf(this.#options.connection, this.#options.spec.name) === topicId;
  }

  /** Whether another topic has the name now; one that is gone is told by the reader. */
  async #isMadeAnew({ topicId }: Counting): Promise<boolean> {
    if (topicId === null) return false;
    const id = await topicIdOf(this.#options.connection, this.#options.spec.name);
    return id !== null && id !== topicId;
  }

  /** @returns false when the books have to begin again */
  #take(read: Exclude<Read, { kind: "doubted" }>, counting: Counting): boolean {
    switch (read.kind) {
      case "records":
        counting.take(read.fetched);
        this.#ends.set(read.fetched.partition, Math.max(read.fetched.end, read.fetched.next));
        return true;
      case "skipped":
        if (!read.isRetention) counting.skipUnreadable(read.partition, read.from, read.to);
        // Perhaps another instance has counted what is gone.
        else if (counting.placeOf(read.partition) < read.to) return false;
        else counting.passOver(read.partition, read.to);
        return true;
      case "restarted":
        this.#goneLog = counting.covered.log;
        return false;
      case "again":
        return false;
    }
  }

  /** Brings counts, rows and places into the file, however long it takes.
   * @returns false when the books have to begin again */
  async #commit(
    { books, counting, clusters }: Pick<Begun, "books" | "counting" | "clusters">,
  ): Promise<boolean> {
    const { covered, stored, snapshot, more } = counting;
    const batch = { covered, stored, snapshot, more, rows: counting.takeRows() };
    for (let pauseMs = firstPauseMs; !this.#isClosed; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      if (clusters !== this.#options.clusters()) return false;
      try {
        if (books.commit(batch) === "conflict") {
          this.#log.debug("another process has written to the file, going on from there");
          await this.#sleep.for(conflictPauseMs * (0.5 + Math.random()));
          return false;
        }
        this.#committed = { covered, snapshot, more, rows: books.rowCount() };
        this.#fileGoesOn();
        this.#status.reads(this.#behind((partition) => counting.placeOf(partition)));
        this.#offer();
        return true;
      } catch (error) {
        if (!(error instanceof StoreBusy)) throw error;
        this.#fileIsBusy(error);
        await this.#sleep.for(pauseMs);
      }
    }
    return false;
  }

  #show(own: LoadedBooks | null): void {
    if (own) {
      const { covered, snapshot, more, rows } = own;
      this.#committed = { covered, snapshot, more, rows };
    } else {
      const snapshot = RunningHistogram.empty(edgesOf(this.#options.spec)).snapshot();
      this.#committed = { covered: { log: 0, positions: {} }, snapshot, more: null, rows: 0 };
    }
    this.#loaded.resolve();
  }

  #offer(): void {
    if (this.#committed) this.#options.offer(this.#committed, this.#clusterId);
  }

  /** Records between a place in each partition and its end, as far as that is known. */
  #behind(placeOf: (partition: number) => number): number {
    let behind = 0;
    for (const [partition, end] of this.#ends) behind += Math.max(0, end - placeOf(partition));
    return behind;
  }

  #kafkaIs(up: boolean): void {
    if (up) this.#status.goesOn("kafka");
    else this.#status.waits("kafka", "Kafka does not answer");
  }

  /** A moment of another writer is no news. */
  #fileIsBusy(error: StoreBusy): void {
    this.#status.waits("file", error.message);
    if (this.#isFileTold || this.#status.waitsMs("file") < fileToldMs) return;
    this.#isFileTold = true;
    this.#log.warn("counting waits for the file of measurements", { reason: error.message });
  }

  #fileGoesOn(): void {
    this.#status.goesOn("file");
    if (this.#isFileTold) this.#log.info("the file of measurements is written again");
    this.#isFileTold = false;
  }

  #failed(error: unknown): void {
    if (error instanceof StoreBusy) return this.#fileIsBusy(error);
    if (error instanceof LogCut) this.#cutSince ??= performance.now();
    const reason = error instanceof Error ? error.message : String(error);
    this.#status.waits("kafka", reason);
    const isNews = this.#told !== reason;
    this.#told = reason;
    if (error instanceof KafkaError) {
      const isUsual = isPassing(error) || retriable.has(error.code) || error instanceof LogCut;
      this.#log[isNews && !isUsual ? "warn" : "debug"]("counting waits for Kafka", { error });
    } else if (isNews) this.#log.error("counting failed, beginning again", { error });
  }
}

type LoadedBooks = OwnBooks & { readonly more: CountingMore | null; readonly rows: number };

/** What the file has; `more` is what was committed here. */
function load(books: MeasurementBooks): LoadedBooks | null {
  const own = books.load();
  return own && { ...own, more: own.more as CountingMore | null };
}

type Begun = BegunBooks & { readonly books: MeasurementBooks; readonly clusters: number };
type Read = NonNullable<Awaited<ReturnType<ReaderQueue["take"]>>>[number];
