/** Counts measurements and answers for them: the file, a processor and a publisher for each measurement, and the membership that says which
 * of them this instance publishes.
 *
 *     topic → HistogramProcessor → measurements.db → Publisher → hist_<topic>
 *                                                       ▲
 *                                 GroupMembership ──────┘ each measurement, with all its partitions, to one instance
 *
 * An instance whose file takes nothing for long leaves the group, so that others publish what it cannot count; it joins again with its file.
 * Every instance keeps books of every measurement, so a new owner has only to be let in, not to count. Several instances may share a file;
 * the books are right then, too (measurement_store.ts), at the cost of conflicts. Nothing here is waited for by whoever starts the service:
 * without Kafka, or with a locked file, it is there and says so. Left out: a thread of its own (histograms.ts, worker.ts).
 * @module */
import { basename } from "node:path";
import { withDeadline } from "../../deadline.ts";
import { StreamError } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import type { Kafka } from "../client.ts";
import type { KafkaConnection } from "../connection.ts";
import type { MeasurementSpec } from "../measurements.ts";
import { GroupMembership } from "../membership.ts";
import { pause } from "../pause.ts";
import { HistogramProcessor } from "./histogram_processor.ts";
import type { HistogramNow, Histograms, RowPage, RowQuery, Series, SeriesQuery } from "./histogram_types.ts";
import { type MeasurementBooks, MeasurementStore, StoreBusy } from "./measurement_store.ts";
import { Publisher } from "./publisher.ts";

/** Of all instances that share the measurements of a cluster. */
const histogramGroup = "tailrace-histograms";

/** Settings of the service. */
export interface HistogramServiceOptions {
  readonly kafka: Kafka;
  readonly specs: readonly MeasurementSpec[];
  /** Path of the SQLite file; it and its folder are made when missing. */
  readonly file: string;
  readonly log: Logger;
  /** Of the file's rows, ms and bytes; −1: no limit. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** Default {@linkcode histogramGroup}. */
  readonly group?: string;
  /** Least time between two records of a histogram, ms; default 50. */
  readonly publishPauseMs?: number;
  /** After which others take over from an instance that says nothing, ms; default 6,000, the least that Kafka takes. */
  readonly sessionTimeoutMs?: number;
  /** After which an instance that waits for its file leaves its measurements to others, ms; default 10,000. */
  readonly fileWaitMs?: number;
}

/** The two parts of a measurement. */
interface Counted {
  readonly processor: HistogramProcessor;
  readonly publisher: Publisher;
}

/** How long a question waits for a file that is being opened or is locked, and between two tries, ms. */
const patienceMs = 2_000, retryMs = 50;
/** Between two looks for rows that are too old, and between two pieces of removing them, ms. */
const sweepMs = 10_000, sweepPieceMs = 20;
/** Between two looks whether the file is waited for, ms. */
const watchMs = 250;
const notOpen = "the file is not open yet";
/** How long the last publishing may take at the end, ms. */
const flushMs = 1_500;

/** The processors of all measurements, in this thread. */
export class HistogramService implements Histograms {
  readonly specs: readonly MeasurementSpec[];
  readonly #options: HistogramServiceOptions;
  readonly #log: Logger;
  readonly #connection: KafkaConnection;
  readonly #counted = new Map<string, Counted>();
  /** Null while the file is not to be had. */
  #membership: GroupMembership | null;
  readonly #stop = new AbortController();
  readonly #tasks: readonly Promise<void>[];
  #store: MeasurementStore | null = null;
  /** Why the file can never be used. */
  #failure: string | null = null;
  #clusterId: string | undefined;
  #clusters = 0;
  #disposed: Promise<void> | undefined;

  constructor(options: HistogramServiceOptions) {
    const { kafka, specs, log } = options;
    this.#options = options;
    this.specs = specs;
    this.#log = log;
    this.#connection = kafka.connect();
    this.#membership = this.#join();
    for (const spec of specs) this.#counted.set(spec.name, this.#count(spec));
    this.#tasks = [this.#sweep(), this.#watchFile()];
  }

  async now(name: string): Promise<HistogramNow> {
    const { processor, publisher } = this.#counted.get(name)!;
    await withDeadline(processor.loaded, patienceMs, () => new Error(notOpen)).catch(() => {});
    const now = processor.now(publisher.isOwner);
    if (!now) throw unavailable(processor.reason ?? this.#failure ?? notOpen);
    return now;
  }

  rows(name: string, query: RowQuery): Promise<RowPage> {
    return this.#read((store) => store.books(name).rows(query));
  }

  series(name: string, query: SeriesQuery): Promise<Series> {
    return this.#read((store) => store.books(name).series(query));
  }

  checkWritable(): Promise<void> {
    return this.#read((store) => store.checkWritable());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  /** In the order of the data: no more counting, the last counts go out, others may take over, the file is closed. */
  async #dispose(): Promise<void> {
    this.#stop.abort();
    const all = [...this.#counted.values()];
    const counting = Promise.all(all.map(({ processor }) => processor[Symbol.asyncDispose]()));
    await this.#connection[Symbol.asyncDispose]();
    await counting;
    await Promise.all(all.map(({ publisher }) => publisher.flush(flushMs)));
    await Promise.all(all.map(({ publisher }) => publisher[Symbol.asyncDispose]()));
    await Promise.all(this.#tasks);
    await this.#membership?.[Symbol.asyncDispose]();
    this.#store?.close();
  }

  #count(spec: MeasurementSpec): Counted {
    const { kafka, group = histogramGroup, publishPauseMs: pauseMs = 50 } = this.#options;
    const common = { kafka, connection: this.#connection, log: this.#log.child({ measurement: spec.name }) };
    const publisher = new Publisher({
      ...common,
      name: spec.name,
      group,
      pauseMs,
      isOwner: () => this.#membership?.assigned?.has(spec.name) ?? false,
      onBehind: () => processor.beginAgain(),
      onFenced: () => this.#membership?.rejoin(),
    });
    const processor = new HistogramProcessor({
      ...common,
      spec,
      books: (clusterId) => Promise.resolve().then(() => this.#books(spec.name, clusterId)),
      clusters: () => this.#clusters,
      offer: (state, clusterId) => publisher.offer(state, clusterId),
    });
    return { processor, publisher };
  }

  #join(): GroupMembership {
    const { kafka, specs, log, group = histogramGroup, sessionTimeoutMs = 6_000 } = this.#options;
    return new GroupMembership(kafka, {
      group,
      topics: specs.map(({ name }) => name),
      log,
      sessionTimeoutMs,
      onAssigned: (topics) => this.#assigned(topics),
      onLost: () => this.#assigned(new Set()),
    });
  }

  /** Leaves the group while the file is not to be had: others publish what is not counted here. */
  async #watchFile(): Promise<void> {
    const { fileWaitMs = 10_000 } = this.#options, { signal } = this.#stop;
    for (; !signal.aborted; await pause(watchMs, signal)) {
      const waitMs = Math.max(0, ...[...this.#counted.values()].map(({ processor }) => processor.fileWaitMs));
      const membership = this.#membership;
      if (membership && (waitMs > fileWaitMs || this.#failure !== null)) {
        this.#membership = null;
        this.#log.warn("measurements are left to other instances until the file can be written");
        await membership[Symbol.asyncDispose]();
      } else if (!membership && waitMs === 0 && this.#failure === null) this.#membership = this.#join();
    }
  }

  #assigned(topics: ReadonlySet<string>): void {
    for (const [name, { publisher }] of this.#counted) {
      if (topics.has(name) && !this.#stop.signal.aborted) publisher.begin();
      else publisher.end();
    }
  }

  /** The books of a measurement in the file, which is opened if it is not.
   * @throws {StoreBusy} when it cannot be used now */
  #books(name: string, clusterId: string | null): MeasurementBooks {
    const store = this.#open();
    if (clusterId !== null && clusterId !== this.#clusterId) {
      store.useCluster(clusterId);
      this.#clusterId = clusterId;
      this.#clusters++;
    }
    return store.books(name);
  }

  #open(): MeasurementStore {
    if (this.#store) return this.#store;
    if (this.#failure !== null) throw new Error(this.#failure);
    try {
      return this.#store = MeasurementStore.open(this.#options.file, { log: this.#log });
    } catch (error) {
      if (error instanceof StoreBusy) throw error;
      const { file } = this.#options, { message } = error as Error;
      this.#log.error("measurements are not counted", { reason: message });
      this.#failure = message.replace(file, basename(file)); // people on the network are not told of folders
      for (const { processor } of this.#counted.values()) processor.fail(this.#failure);
      throw error;
    }
  }

  /** Asks the file, again and again for a while when it is locked.
   * @throws {StreamError} */
  async #read<T>(ask: (store: MeasurementStore) => T | Promise<T>): Promise<T> {
    for (const deadline = performance.now() + patienceMs;; await pause(retryMs, this.#stop.signal)) {
      if (this.#failure !== null) throw unavailable(this.#failure);
      try {
        if (this.#store) return await ask(this.#store);
      } catch (error) {
        if (!(error instanceof StoreBusy)) throw error;
        if (performance.now() > deadline || this.#stop.signal.aborted) throw unavailable(error.message);
        continue;
      }
      if (performance.now() > deadline || this.#stop.signal.aborted) {
        throw unavailable(this.#whyClosed());
      }
    }
  }

  /** Why there is no file yet, as far as anybody has been told. */
  #whyClosed(): string {
    const reasons = [...this.#counted.values()].map(({ processor }) => processor.reason);
    return reasons.find((reason) => reason !== null) ?? notOpen;
  }

  /** Removes rows that are too old or too many, a little at a time. */
  async #sweep(): Promise<void> {
    const { retentionMs, retentionBytes } = this.#options, { signal } = this.#stop;
    const limit = (value: number) => value < 0 ? Infinity : value;
    const limits = { ms: limit(retentionMs), bytes: limit(retentionBytes) };
    while (!signal.aborted) {
      let hasMore = false;
      try {
        hasMore = this.#store?.sweep(limits) ?? false;
      } catch (error) {
        if (!(error instanceof StoreBusy)) this.#log.error("old measurements are not removed", { error });
      }
      await pause(hasMore ? sweepPieceMs : sweepMs, signal);
    }
  }
}

/** @param reason in words that go on behind "as", or a whole message */
function unavailable(reason: string): StreamError {
  const message = reason.startsWith("Cannot ") ? reason : `Cannot read the measurements as ${reason}`;
  return new StreamError("measurements-unavailable", 503, message, { headers: { "retry-after": "1" } });
}
