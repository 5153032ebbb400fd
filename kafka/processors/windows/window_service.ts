/** Counts clicks in windows, as one instance of perhaps several: who folds which partition of clicks, and who counts which partition of ids.
 *
 *     clicks/p → FoldTask ─► …-by-id/q → WindowTask ─► …-windows/q, finished windows
 *               fold group             windows group      (one task for each partition, on one instance at a time)
 *
 * Everything that is known is in Kafka: an instance has no file, and one that is gone leaves nothing behind. Nothing here is waited for
 * by whoever starts the service. Left out: a thread of its own (../thread.ts); what is shown (view.ts, in the main thread).
 * @module */
import type { Logger } from "../../../logger.ts";
import { eachPartition } from "../../assignors.ts";
import type { Kafka } from "../../client.ts";
import { KafkaError } from "../../connection.ts";
import { pause } from "../../pause.ts";
import { retriable } from "../../producer_errors.ts";
import { windowNames, type WindowSettings } from "../../windows.ts";
import { PartitionTasks } from "../partition_tasks.ts";
import { FoldTask } from "./fold_task.ts";
import { lastCovered } from "./restore.ts";
import { partitionsOfWindows, type WindowPartitions } from "./window_topics.ts";
import { WindowTask } from "./window_task.ts";

/** Settings of the service. */
export interface WindowServiceOptions {
  readonly kafka: Kafka;
  /** With at least one size. */
  readonly settings: WindowSettings;
  readonly log: Logger;
  /** After which others take over from an instance that says nothing, ms; default 6,000, the least that Kafka takes. */
  readonly sessionTimeoutMs?: number;
  /** Between two looks for new partitions, ms; default 10,000. */
  readonly watchMs?: number;
}

/** What an instance does. */
export interface CountingStatus {
  /** Why it does not begin, one line for people, when somebody has to do something about it. */
  readonly refusal: string | null;
  /** Partitions of clicks that it folds, and of ids that it counts. */
  readonly folded: readonly number[];
  readonly counted: readonly number[];
}

/** Counting in windows as it may be asked from outside. */
export interface WindowCounting extends AsyncDisposable {
  status(): Promise<CountingStatus>;
}

/** Between two looks whether there are topics to begin with, ms: at first, and the longest. */
const firstPauseMs = 100, maxPauseMs = 1_000;

/** The folds and counts of this instance, in this thread. */
export class WindowService implements WindowCounting {
  readonly #options: WindowServiceOptions;
  readonly #names: ReturnType<typeof windowNames>;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #partitions: WindowPartitions | null = null;
  #folds: PartitionTasks | null = null;
  #counts: PartitionTasks | null = null;
  #refusal: string | null = null;
  #disposed: Promise<void> | undefined;

  constructor(options: WindowServiceOptions) {
    this.#options = options;
    this.#names = windowNames(options.settings.clicksTopic);
    const { clicksTopic, sizes } = options.settings;
    // Instances with other lengths do not count together: whoever is refused sees its own.
    this.#log = options.log.child({ clicks: clicksTopic, windows: sizes.map(({ name }) => name).join() });
    this.#running = this.#run();
  }

  status(): Promise<CountingStatus> {
    const folded = this.#folds?.partitions ?? [], counted = this.#counts?.partitions ?? [];
    return Promise.resolve({ refusal: this.#refusal, folded, counted });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#close();
  }

  /** Looks at the topics for as long as the service is there: begins with them, and sees that partitions are added. */
  async #run(): Promise<void> {
    const { watchMs = 10_000 } = this.#options, { signal } = this.#stop;
    for (let pauseMs = firstPauseMs; !signal.aborted;) {
      const found = await this.#look();
      if (signal.aborted) return;
      if (found) await this.#use(found);
      if (found) pauseMs = firstPauseMs;
      await pause(found ? watchMs : pauseMs, signal);
      if (!found) pauseMs = Math.min(2 * pauseMs, maxPauseMs);
    }
  }

  /** @returns null when nothing is known now */
  async #look(): Promise<WindowPartitions | null> {
    const { kafka, settings } = this.#options;
    try {
      return await partitionsOfWindows(kafka, settings);
    } catch (error) {
      if (!(error instanceof KafkaError) && !(error instanceof RangeError)) throw error;
      if (!(error instanceof KafkaError && retriable.has(error.code))) this.#refuse(error);
      return null;
    }
  }

  /** Tells once what hinders counting. Tasks that run go on: they know by themselves what they cannot do. */
  #refuse({ message }: Error): void {
    if (this.#refusal === message) return;
    this.#refusal = message;
    this.#log.error("likes are not counted", { reason: message });
  }

  async #use(found: WindowPartitions): Promise<void> {
    const before = this.#partitions;
    this.#partitions = found;
    this.#refusal = null;
    if (before?.ids !== found.ids) {
      if (before) this.#log.warn("partitions of ids are others than before", { before, found });
      await this.#close();
      if (!this.#stop.signal.aborted) this.#open(found);
    } else if (before.clicks !== found.clicks) this.#folds?.rejoin();
  }

  #open({ ids }: WindowPartitions): void {
    const { kafka, settings, sessionTimeoutMs = 6_000 } = this.#options, names = this.#names;
    const log = this.#log, common = { kafka, settings, names };
    // Sums of one size say nothing of another: who has others does not get in.
    const assign = eachPartition(["tailrace-windows", ...settings.sizes.map(({ ms }) => ms)].join("-"));
    this.#counts = new PartitionTasks(kafka, {
      group: names.windowGroup,
      topic: names.byIdTopic,
      assign,
      log,
      sessionTimeoutMs,
      open: (partition, ownership) =>
        new WindowTask({ ...common, partition, log: log.child({ counts: partition }), ...ownership }),
    });
    this.#folds = new PartitionTasks(kafka, {
      group: names.foldGroup,
      topic: settings.clicksTopic,
      assign,
      log,
      sessionTimeoutMs,
      open: (source, ownership) =>
        new FoldTask({
          ...common,
          source,
          partitions: ids,
          log: log.child({ folds: source }),
          lastCovered: (partition, signal) => lastCovered(kafka, settings, partition, signal),
          ...ownership,
        }),
    });
  }

  /** In the order of the data: what was folded last can still be counted, here or by others. */
  async #close(): Promise<void> {
    await this.#folds?.[Symbol.asyncDispose]();
    await this.#counts?.[Symbol.asyncDispose]();
    this.#folds = this.#counts = null;
  }
}
