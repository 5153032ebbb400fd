/** Folds one partition of clicks, for as long as this instance has it: clicks/p → Fold → …-by-id, one transaction after the other.
 *
 *     init (fences) → committed offset → TopicReader → Fold ─► transaction: a batch for every partition of ids, the offset
 *       ▲                                                          │
 *       └── anything failed or is in doubt · another log ──────────┘
 *
 * What has to hold at every moment, kill -9 included:
 *
 * - A record is in exactly one committed batch: its batch and the offset behind it are one transaction, and the next transaction begins at
 *   that offset. What was folded and is not committed is worth nothing.
 * - Whoever begins takes the transactional id first, which ends what the one before had open and shuts it out; only then the offset is
 *   read, as no transaction is about to change it (stable_position.ts).
 * - After a failure it is not asked what became of the transaction: the offset says it.
 * - A batch holds records of one log: the topic's id is asked after they were read, and has to be the one of the beginning.
 *
 * The first record after a pause is committed at once, then so many as come while a transaction is under way or too soon: folding goes on
 * meanwhile. Left out: who has the partition (window_service.ts), counting (fold.ts), where it begins (fold_beginning.ts).
 * @module */
import type { Logger } from "../../../logger.ts";
import type { Kafka } from "../../client.ts";
import { type KafkaConnection, KafkaError, latestOffset } from "../../connection.ts";
import { isPassing } from "../../positions.ts";
import { retriable } from "../../producer_errors.ts";
import { stablePosition } from "../../stable_position.ts";
import { topicIdOf } from "../../topic_id.ts";
import { type GroupOffsets, outcomeUnknown, type TransactionalProducer } from "../../transactions.ts";
import type { windowNames, WindowSettings } from "../../windows.ts";
import { findTopic } from "../topic_places.ts";
import { batchRecords } from "./batch_records.ts";
import { ClickIds } from "./click.ts";
import { Fold } from "./fold.ts";
import { beginFold, type CoveredSource, type FoldBeginning } from "./fold_beginning.ts";
import { FoldReader, maxPanes } from "./fold_reader.ts";
import { isLogName } from "./log_name.ts";
import type { FoldBatch } from "./types.ts";
import { untilFenced } from "./until_fenced.ts";

/** What a task is for. */
export interface FoldTaskOptions {
  readonly kafka: Kafka;
  /** Number of the partition of clicks. */
  readonly source: number;
  /** With at least one size. */
  readonly settings: WindowSettings;
  readonly names: ReturnType<typeof windowNames>;
  /** How many partitions of ids there are. */
  readonly partitions: number;
  readonly log: Logger;
  /** What of a source is counted; asked when the group's offset does not say where to begin. May fail as Kafka does. */
  readonly lastCovered: (source: number, signal: AbortSignal) => Promise<CoveredSource | null>;
  /** Another instance folds this partition now; this task does nothing any more. */
  readonly onFenced: () => void;
  /** Whether this instance has the partition at this very moment: only then the transactional id is taken. Default: yes. */
  readonly isOwner?: () => boolean;
  /** ms since the epoch; default: the clock. */
  readonly now?: () => number;
  /** How long a log has to look as if it had lost its end before that is believed, ms: a new leader may know it late. Default 5,000. */
  readonly cutSureMs?: number;
}

/** Least time between two transactions, ms: usually, and while there is a backlog. */
const commitMs = 100, backlogCommitMs = 500;
/** Nothing to do wakes up by itself so often, ms. */
const idleMs = 60_000;
/** Failures that are told only when they have lasted so long, ms, besides those that pass. */
const toldAfterMs = 10_000;
const usual: ReadonlySet<string> = new Set([...retriable, outcomeUnknown, "UNSTABLE_OFFSET_COMMIT"]);

/** Where a fold goes on, and of which topic. */
interface Begun extends FoldBeginning {
  readonly topicId: string | null;
}

/** Folds until it is disposed or another instance does. */
export class FoldTask implements AsyncDisposable {
  readonly #options: FoldTaskOptions;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #connection: KafkaConnection;
  readonly #ids = new ClickIds();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** Since when it looks as if the log had lost its end, by `performance.now()`. */
  #cutSince: number | null = null;
  /** The failure that was told last, and since when there is nothing but failures, by `performance.now()`. */
  #told = "";
  #failingSince: number | null = null;

  /** Begins by itself; nothing is waited for. */
  constructor(options: FoldTaskOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#now = options.now ?? Date.now;
    this.#connection = options.kafka.connect();
    this.#running = this.#run();
  }

  /** Stops. A transaction that is under way may end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#connection[Symbol.asyncDispose]();
    await this.#running;
  }

  #run(): Promise<void> {
    const { kafka, names, source, onFenced } = this.#options, { signal } = this.#stop, log = this.#log;
    return untilFenced(kafka, { transactionalId: names.foldId(source), log }, {
      signal,
      lost: "clicks are folded by another instance now",
      onFenced,
      work: async (producer, onDone) => {
        const begun = await this.#begin(producer);
        if (begun) await this.#follow(begun, producer, onDone);
        return begun !== null;
      },
      failed: (error) => this.#failed(error),
    });
  }

  /** Shuts out whoever folded before, then learns how far that one came.
   * @returns null when it has to be tried again later */
  async #begin(producer: TransactionalProducer): Promise<Begun | null> {
    const { source, settings: { clicksTopic }, names, isOwner, lastCovered, cutSureMs = 5_000 } =
      this.#options;
    const connection = this.#connection, { signal } = this.#stop;
    const { partitions } = await findTopic(connection, clicksTopic);
    const leader = partitions?.find(({ partition }) => partition === source)?.leader;
    if (leader === undefined || isOwner?.() === false) return null;
    if (leader === null) {
      throw new KafkaError("LEADER_NOT_AVAILABLE", `Cannot read ${clicksTopic}/${source} as nobody leads it`);
    }
    await producer.init();
    const place = { group: names.foldGroup, topic: clicksTopic, partition: source };
    const committed = await stablePosition(connection, place, signal);
    const isKnown = committed !== null && isLogName(committed.metadata);
    const covered = isKnown ? null : await lastCovered(source, signal);
    const topicId = await topicIdOf(connection, clicksTopic);
    const end = (await connection.offsets(leader, clicksTopic, [source], latestOffset)).get(source);
    if (end instanceof KafkaError) throw end;
    if (end === undefined) return null;
    const begun = { topicId, ...beginFold({ topicId, end, committed, covered }) };
    if (!begun.isCut) this.#cutSince = null;
    else if (performance.now() - (this.#cutSince ??= performance.now()) < cutSureMs) return null;
    else {
      this.#log.warn("clicks have lost their end, going on from there", { committed, end });
      // Or, were there more again before the first batch, somebody else might go on at the offset that was committed.
      await producer.send([], this.#position(begun.from, begun.log));
    }
    this.#log.debug("clicks are folded here", { from: begun.from, log: begun.log });
    return begun;
  }

  /** Reads, folds and commits until the log is another one, or the end. */
  async #follow({ topicId, log, from }: Begun, producer: TransactionalProducer, onCommitted: () => void) {
    const { kafka, source, settings, partitions } = this.#options, { signal } = this.#stop;
    const fold = new Fold({ source, log, from, settings, partitions, ids: this.#ids });
    const topic = settings.clicksTopic, now = this.#now;
    await using reader = new FoldReader({ kafka, topic, partition: source, fold, log: this.#log, now });
    const stop = () => reader.stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      for (let committedAt = -Infinity; !reader.isEnded && !signal.aborted;) {
        const pauseMs = reader.hasBacklog ? backlogCommitMs : commitMs;
        const waitMs = fold.isEmpty ? idleMs : committedAt + pauseMs - performance.now();
        if (waitMs > 0 && fold.panes < maxPanes) {
          await reader.changed(waitMs);
          continue;
        }
        const batches = reader.take();
        // Asked after they were read: they are of this log, then.
        if (await topicIdOf(this.#connection, topic) !== topicId) return;
        await this.#commit(batches, log, producer);
        committedAt = performance.now();
        onCommitted();
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #commit(batches: readonly FoldBatch[], log: string, producer: TransactionalProducer): Promise<void> {
    const records = batchRecords(this.#options.names.byIdTopic, batches);
    await producer.send(records, this.#position(batches[0]!.next, log));
    this.#told = "";
    this.#failingSince = null;
  }

  #position(offset: number, metadata: string): GroupOffsets {
    const { source, settings: { clicksTopic }, names } = this.#options;
    const partitions = [{ partition: source, offset, metadata }];
    return { group: names.foldGroup, topics: [{ topic: clicksTopic, partitions }] };
  }

  /** What does not pass is told, once. */
  #failed(error: unknown): void {
    const code = error instanceof KafkaError ? error.code : String(error);
    this.#failingSince ??= performance.now();
    const passes = error instanceof KafkaError && (isPassing(error) || usual.has(code)) &&
      performance.now() - this.#failingSince < toldAfterMs;
    if (passes || code === this.#told) return this.#log.debug("folding again", { error });
    this.#log.warn("clicks cannot be folded, trying on", { error });
    this.#told = code;
  }
}
