/** Counts one partition of ids, for as long as this instance has it: …-by-id/q → WindowState → …-windows/q and finished windows.
 *
 *     init (fences) → state, position ← …-windows/q → TopicReader → Rounds ─► transaction: state, finished windows, position
 *       ▲                                                             │
 *       └── anything failed or is in doubt ───────────────────────────┘
 *
 * What has to hold at every moment, kill -9 included:
 *
 * - What is published of a window, the state that says so and the position behind it are one transaction. What is in memory beyond that is
 *   worth nothing.
 * - Whoever begins takes the transactional id first, which ends what the one before had open and shuts it out; only then the state is
 *   read, as nobody else is about to change it.
 * - After a failure it is not asked what became of the transaction: it begins again with what the topic holds. So no window gets two
 *   counts, whoever crashes, pauses or believes itself the owner.
 *
 * The position is in the state; the group's offset is for people and their tools. Left out: who has the partition (window_service.ts), who is
 * idle and when to ask (sources.ts, rounds.ts), what is counted (window_state.ts); a by-id topic that was made anew and has grown past the
 * position while nobody counted, which does not happen to a topic of our own.
 * @module */
import type { Logger } from "../../../logger.ts";
import type { Kafka } from "../../client.ts";
import { type KafkaConnection, KafkaError } from "../../connection.ts";
import type { FetchedPartition } from "../../fetch_response.ts";
import { pause } from "../../pause.ts";
import { isPassing } from "../../positions.ts";
import { retriable } from "../../producer_errors.ts";
import { TopicReader } from "../../reader.ts";
import { outcomeUnknown, type TransactionalProducer } from "../../transactions.ts";
import { paneMsOf, type windowNames, type WindowSettings } from "../../windows.ts";
import { type Read, ReaderQueue } from "../reader_queue.ts";
import { readFoldBatch } from "./batch_records.ts";
import { endOf, readNewest } from "./restore.ts";
import { type ReadBatch, Rounds } from "./rounds.ts";
import { askEnds, type Moment, type SourceEnds } from "./sources.ts";
import { untilFenced } from "./until_fenced.ts";
import { WindowState } from "./window_state.ts";
import { writesOf } from "./window_writes.ts";

/** What a task is for. */
export interface WindowTaskOptions {
  readonly kafka: Kafka;
  /** Number of the partition of ids. */
  readonly partition: number;
  /** With at least one size. */
  readonly settings: WindowSettings;
  readonly names: ReturnType<typeof windowNames>;
  readonly log: Logger;
  /** Another instance counts this partition now; this task does nothing any more. */
  readonly onFenced: () => void;
  /** Whether this instance has the partition at this very moment: only then the transactional id is taken. Default: yes. */
  readonly isOwner?: () => boolean;
  /** How long a transaction is tried before it counts as failed, ms; default 10,000. */
  readonly timeoutMs?: number;
  /** Default: the clocks. */
  readonly now?: () => Moment;
}

/** Least time between two transactions, ms: usually; when windows were closed; and while there is a backlog. */
const commitMs = 250, closedMs = 50, backlogCommitMs = 500;
/** How long a transaction may be open, ms: very many ids may have windows that close together. One of an instance that died is ended by
 * whoever takes over. */
const transactionTimeoutMs = 600_000;
/** Nothing to do wakes up by itself so often, ms. */
const idleMs = 60_000;
/** Records that are applied in one round, about, and bytes that are asked for at once. */
const maxBatch = 500, fetchBytes = 1024 * 1024;
/** Records of the state that are taken in before others of this thread have a turn: heartbeats may not wait for very many ids. */
const maxLoaded = 5_000;
/** Failures that need not be told, besides those that pass. */
const usual: ReadonlySet<string> = new Set([...retriable, outcomeUnknown]);

/** What is counted since the last beginning. */
interface Counting {
  readonly rounds: Rounds;
  readonly producer: TransactionalProducer;
  /** Where the by-id topic ended when it was last heard of. */
  end: number;
  /** What there is to commit, and when that was done last, by `performance.now()`. */
  change: "closed" | "counted" | null;
  committedAt: number;
}

/** Counts until it is disposed or another instance does. */
export class WindowTask implements AsyncDisposable {
  readonly #options: WindowTaskOptions;
  readonly #log: Logger;
  readonly #now: () => Moment;
  readonly #connection: KafkaConnection;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** The failure that was told last. */
  #told = "";
  #isRubbishTold = false;

  /** Begins by itself; nothing is waited for. */
  constructor(options: WindowTaskOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#now = options.now ?? (() => ({ clockMs: Date.now(), steadyMs: performance.now() }));
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
    const { kafka, names, partition, onFenced, timeoutMs = 10_000 } = this.#options, log = this.#log;
    const producer = { transactionalId: names.windowId(partition), timeoutMs, transactionTimeoutMs, log };
    return untilFenced(kafka, producer, {
      signal: this.#stop.signal,
      lost: "windows are counted by another instance now",
      onFenced,
      work: async (producer, onDone) => {
        const counting = await this.#begin(producer);
        if (counting) await this.#follow(counting, onDone);
        return counting !== null;
      },
      failed: (error) => this.#failed(error),
    });
  }

  /** Shuts out whoever counted before, then learns how far that one came.
   * @returns null while others have the partition */
  async #begin(producer: TransactionalProducer): Promise<Counting | null> {
    const { partition, settings: { sizes, graceMs, kept }, names, isOwner } = this.#options;
    const { signal } = this.#stop, log = this.#log;
    if (isOwner?.() === false) return null;
    await producer.init();
    const state = new WindowState(sizes, { graceMs, kept });
    const newest = await readNewest(this.#connection, names.stateTopic, partition, { log, signal });
    let loaded = 0;
    for (const [key, text] of newest) {
      if (!state.load(key, text)) log.debug("a record of the state is none of ours", { key });
      if (++loaded % maxLoaded === 0) await pause(0, signal);
    }
    const end = await endOf(this.#connection, names.byIdTopic, partition);
    const rounds = new Rounds(state, { graceMs, paneMs: paneMsOf(sizes) }, this.#now());
    log.debug("windows are counted here", { position: state.position, end });
    // Committed at once: with less grace than before some windows are closed now.
    return { rounds, producer, end, change: "closed", committedAt: -Infinity };
  }

  /** Reads, counts and commits until it is stopped. */
  async #follow(counting: Counting, onCommitted: () => void): Promise<void> {
    const { kafka, partition, names } = this.#options, { signal } = this.#stop;
    const queue = new ReaderQueue(), { state } = counting.rounds;
    // Folds write in transactions: what others have put there, a copy from another cluster perhaps, would count beside them.
    const where = {
      from: { [partition]: state.position },
      only: new Set([partition]),
      onlyTransactional: true,
    };
    const bytes = { partitionBytes: fetchBytes, requestBytes: fetchBytes };
    await using _reader = new TopicReader(
      kafka,
      names.byIdTopic,
      queue.events(() => {}),
      this.#log,
      { ...where, ...bytes },
    );
    using _ = queue; // closed before the reader, which may wait for it
    const stop = () => queue[Symbol.dispose]();
    signal.addEventListener("abort", stop, { once: true });
    try {
      while (!signal.aborted) {
        const reads = await queue.take(maxBatch, this.#waitMs(counting));
        if (reads === null) return;
        await this.#round(counting, reads);
        if (!signal.aborted && this.#commitWaitMs(counting) <= 0) {
          await this.#commit(counting);
          onCommitted();
        }
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #round(counting: Counting, reads: readonly Read[]): Promise<void> {
    const { rounds, rounds: { state } } = counting, now = this.#now();
    const batches = reads.flatMap((read) => read.kind === "records" ? this.#batches(read.fetched) : []);
    const wish = rounds.hear(batches, now, state.position >= counting.end);
    const ends = wish && await this.#ask(wish === "needed");
    if (this.#stop.signal.aborted) return;
    let next = state.position;
    for (const read of reads) next = this.#nextAfter(read, counting) ?? next;
    const change = rounds.apply(batches, { ends, now, isAtEnd: next >= counting.end });
    state.position = next;
    if (change === "closed" || !counting.change) counting.change = change;
  }

  #batches({ records }: FetchedPartition): ReadBatch[] {
    return records.flatMap(({ offset, value }) => {
      const batch = readFoldBatch(value);
      if (batch) return [{ offset, batch }];
      if (!this.#isRubbishTold) this.#log.warn("a record of the by-id topic is none of ours", { offset });
      this.#isRubbishTold = true;
      return [];
    });
  }

  /** @returns the offset behind what was read, null when it says nothing of that */
  #nextAfter(read: Read, counting: Counting): number | null {
    switch (read.kind) {
      case "records":
        counting.end = Math.max(read.fetched.end, read.fetched.next);
        return read.fetched.next;
      case "skipped":
        this.#log.warn("folded clicks cannot be read and are passed over", { from: read.from, to: read.to });
        return read.to;
      case "restarted": // whatever is there again was counted, and is dropped as such
        this.#log.warn("folded clicks are another log now, counting on from its beginning");
        return counting.end = 0;
      default:
        return null;
    }
  }

  /** Where sources end now; null when that cannot be told.
   * @throws {KafkaError} when it has to be told */
  async #ask(isNeeded: boolean): Promise<SourceEnds | null> {
    try {
      return await askEnds(this.#connection, this.#options.settings.clicksTopic);
    } catch (error) {
      if (isNeeded || !(error instanceof KafkaError)) throw error;
      this.#log.debug("it cannot be told where clicks end", { error });
      return null;
    }
  }

  /** How long there is nothing to do unless something comes, ms. */
  #waitMs(counting: Counting): number {
    return Math.max(0, Math.min(idleMs, counting.rounds.waitMs(this.#now()), this.#commitWaitMs(counting)));
  }

  /** Until what changed is to be committed, ms; Infinity when nothing did. */
  #commitWaitMs({ rounds: { state }, change, end, committedAt }: Counting): number {
    if (!change) return Infinity;
    const hasBacklog = state.position < end;
    const pauseMs = hasBacklog ? backlogCommitMs : change === "closed" ? closedMs : commitMs;
    return committedAt + pauseMs - performance.now();
  }

  async #commit(counting: Counting): Promise<void> {
    const { partition, names: { stateTopic, byIdTopic, windowGroup } } = this.#options;
    const { rounds: { state }, producer } = counting;
    counting.change = null;
    counting.committedAt = performance.now();
    const written = writesOf(state.take(), stateTopic, partition);
    const offset = { partition, offset: state.position };
    await producer.send(written, {
      group: windowGroup,
      topics: [{ topic: byIdTopic, partitions: [offset] }],
    });
    this.#told = "";
  }

  /** What does not pass by itself is told, once. */
  #failed(error: unknown): void {
    const code = error instanceof KafkaError ? error.code : String(error);
    if (error instanceof KafkaError && (isPassing(error) || usual.has(code))) {
      return this.#log.debug("counting again", { error });
    }
    if (code !== this.#told) this.#log.warn("windows cannot be counted, trying on", { error });
    this.#told = code;
  }
}
