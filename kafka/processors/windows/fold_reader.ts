/** Reads a partition of clicks into a fold: records are folded as they come, whatever is being committed meanwhile.
 *
 * When very many counts wait, it reads no more until they are taken; so memory is bounded. Left out: when they are taken and what for
 * (fold_task.ts).
 * @module */
import type { Logger } from "../../../logger.ts";
import type { Kafka } from "../../client.ts";
import type { FetchedPartition } from "../../fetch_response.ts";
import { Sleep } from "../../pause.ts";
import { TopicReader } from "../../reader.ts";
import type { ReaderEvents } from "../../reader_events.ts";
import type { Fold } from "./fold.ts";
import type { FoldBatch } from "./types.ts";

/** What is read, and into what. */
export interface FoldReaderOptions {
  readonly kafka: Kafka;
  readonly topic: string;
  readonly partition: number;
  /** It begins where this one does. */
  readonly fold: Fold;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** Above so many counts reading waits. */
export const maxPanes = 50_000;
/** Bytes that are asked for at once: four times as many take no less time and 70 MB more memory. */
const fetchBytes = 256 * 1024;
/** So many records are folded before others of this thread have a turn: a compressed batch may hold very many. */
const maxPiece = 20_000;

/** Reads until it is disposed, or the log is another one. */
export class FoldReader implements AsyncDisposable {
  readonly #options: FoldReaderOptions;
  readonly #reader: TopicReader;
  readonly #changed = new Sleep();
  /** Resolves when counts are taken, or nobody takes them any more. */
  #taken = Promise.withResolvers<void>();
  #isEnded = false;
  #end = 0;

  constructor(options: FoldReaderOptions) {
    this.#options = options;
    const { kafka, topic, partition, fold, log } = options;
    const from = { [partition]: fold.next }, only = new Set([partition]);
    const bytes = { partitionBytes: fetchBytes, requestBytes: fetchBytes };
    this.#reader = new TopicReader(kafka, topic, this.#events(), log, { from, only, ...bytes });
  }

  /** Whether there is no more to come: the log is another one now, or it is disposed. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether Kafka has more than was read. */
  get hasBacklog(): boolean {
    return this.#options.fold.next < this.#end;
  }

  /** Resolves when something came or it has ended, or after `ms`. One at a time. */
  changed(ms: number): Promise<void> {
    return this.#isEnded ? Promise.resolve() : this.#changed.for(ms);
  }

  /** What was folded since the last time. */
  take(): FoldBatch[] {
    const batches = this.#options.fold.take();
    this.#goOn();
    return batches;
  }

  /** Ends it: nothing more is folded. */
  stop(): void {
    this.#isEnded = true;
    this.#changed.close();
    this.#goOn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#reader[Symbol.asyncDispose]();
  }

  #goOn(): void {
    this.#taken.resolve();
    this.#taken = Promise.withResolvers();
  }

  #events(): ReaderEvents {
    const { fold, log } = this.#options;
    return {
      started() {},
      status() {},
      records: (fetched) => this.#add(fetched),
      skipped: (partition, from, to, reason) => {
        if (this.#isEnded) return;
        if (reason !== "retention") fold.skipUnreadable(to);
        else {
          log.warn("clicks were gone before they were read", { partition, from, to });
          fold.miss(to);
        }
        this.#changed.wake();
      },
      restarted: () => this.stop(),
    };
  }

  /** @returns when there may be more */
  async #add({ records, next, end }: FetchedPartition): Promise<void> {
    const { fold, now } = this.#options;
    this.#end = Math.max(end, next);
    for (let begin = 0; begin < records.length && !this.#isEnded; begin += maxPiece) {
      if (begin > 0) await new Promise((resolve) => setTimeout(resolve, 0));
      const nowMs = now(), last = Math.min(begin + maxPiece, records.length);
      for (let i = begin; i < last && !this.#isEnded; i++) fold.add(records[i]!, nowMs);
      this.#changed.wake();
      while (fold.panes >= maxPanes && !this.#isEnded) await this.#taken.promise;
    }
    if (this.#isEnded) return;
    fold.goOn(next);
    this.#changed.wake();
  }
}
