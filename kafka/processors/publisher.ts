/** Publishes the counts of one measurement to `hist_<name>`, for as long as this instance is the measurement's owner.
 *
 * What has to hold, whoever crashes, pauses or believes itself the owner:
 *
 * - What is published never goes back. A term begins with InitProducerId on the measurement's transactional id, which ends the open
 *   transaction of the owner before and shuts it out (fencing). Only then the last committed record is read, and only counts that cover its
 *   positions are published from then on; so they hold everything that it holds. Counts that do not, or miss more than it does, begin again
 *   first, as they may be taken over from it.
 * - A state is published once it is in the file, never before. The newest one goes out and those between are left out, so nothing piles up.
 * - Counts of one cluster are never published to another one that is found in its place.
 * - The record and the group's offsets are one transaction: `kafka-consumer-groups` shows what the newest record covers.
 * - An owner that another one has shut out joins the group anew; what it believed is worth nothing.
 * - A failure whose outcome is unknown does no harm: what is published next covers both.
 *
 * Left out: who is the owner (../membership.ts), how a transaction is made (../transactions.ts), how the counts come about
 * (histogram_processor.ts).
 * @module */
import type { Logger } from "../../logger.ts";
import type { Kafka } from "../client.ts";
import { type KafkaConnection, KafkaError } from "../connection.ts";
import { histTopicConfigs, histTopicOf } from "../measurements.ts";
import { pause } from "../pause.ts";
import { isPassing } from "../positions.ts";
import { Fenced, outcomeUnknown, TransactionalProducer } from "../transactions.ts";
import { covers } from "./beginning.ts";
import { hasSameEdges } from "./histogram.ts";
import type { Covered } from "./histogram_types.ts";
import { type CountedState, publishedRecord, readPublished } from "./published.ts";

/** What a publisher is for. */
export interface PublisherOptions {
  readonly kafka: Kafka;
  /** For questions that wait for nothing. */
  readonly connection: KafkaConnection;
  /** Of the measurement. */
  readonly name: string;
  readonly group: string;
  readonly log: Logger;
  /** Least time between two records, ms. */
  readonly pauseMs: number;
  /** Whether this instance is the owner at this very moment. */
  readonly isOwner: () => boolean;
  /** The counts of this instance lack what is published. Resolves when they have begun again, and were offered. */
  readonly onBehind: () => Promise<void>;
  /** Another instance has taken the transactional id. */
  readonly onFenced: () => void;
}

/** Pauses after failures: the first, and the longest, ms. */
const firstPauseMs = 50, maxPauseMs = 1_000;
/** How long a transaction may go on after the end of its term, ms. */
const graceMs = 1_000;
const missingTopic = "UNKNOWN_TOPIC_OR_PARTITION";
/** Failures that need not be told, besides those that pass. */
const usual: ReadonlySet<string> = new Set([missingTopic, "LEADER_NOT_AVAILABLE", outcomeUnknown]);

/** A time of being the owner. */
interface Term {
  readonly stop: AbortController;
  done: Promise<void>;
}

/** Publishes what it is offered, while this instance owns the measurement. */
export class Publisher implements AsyncDisposable {
  readonly #options: PublisherOptions;
  readonly #log: Logger;
  /** The newest state in the file, and the cluster that it is of. */
  #offered: CountedState | null = null;
  #offeredOf = "";
  /** The cluster that the term is of. */
  #clusterId: string | null = null;
  /** The state that was published last, or read when the term began. */
  #published: CountedState | null = null;
  #term: Term | null = null;
  /** The failure that was told last. */
  #told = "";
  /** Whether the counts here were held against it. */
  #isChecked = false;
  /** Ended terms whose last request is under way. */
  readonly #ending = new Set<Promise<void>>();
  #changed = Promise.withResolvers<void>();
  #settled = Promise.withResolvers<void>();

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** Whether this instance publishes. */
  get isOwner(): boolean {
    return this.#term !== null;
  }

  /** This instance is the owner from now on. */
  begin(): void {
    this.end();
    const stop = new AbortController();
    const term: Term = { stop, done: Promise.resolve() };
    term.done = this.#serve(stop.signal).finally(() => this.#ending.delete(term.done));
    this.#ending.add(term.done);
    this.#term = term;
  }

  /** It is not any more. What is on its way may still be committed, unless another owner has begun. */
  end(): void {
    this.#term?.stop.abort();
    this.#term = null;
    this.#wake();
  }

  /** Takes a state that is in the file by now. */
  offer(state: CountedState, clusterId: string): void {
    this.#offered = state;
    this.#offeredOf = clusterId;
    this.#wake();
  }

  /** Resolves when the newest state is published, or `ms` have passed, or there is nothing to be done about it. */
  async flush(ms: number): Promise<void> {
    const late = new AbortController();
    const timer = pause(ms, late.signal);
    let isLate = false;
    timer.then(() => isLate = true);
    while (this.#term && this.#isDue() && !isLate) await Promise.race([this.#settled.promise, timer]);
    late.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    await Promise.all(this.#ending);
  }

  /** One term: with one producer, so that a failure of its own is told from being shut out. */
  async #serve(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#ending); // of an earlier term: a producer of ours must not be shut out by another one of ours
    const { kafka, group, name } = this.#options;
    const transactionalId = `${group}-${name}`;
    await using producer = new TransactionalProducer(kafka, { transactionalId, log: this.#log });
    // A transaction that is under way may end; longer than that nobody waits for it, as others have the measurement now.
    const done = new AbortController();
    const cut = async () => {
      await pause(graceMs, done.signal);
      if (!done.signal.aborted) await producer[Symbol.asyncDispose]();
    };
    signal.addEventListener("abort", () => void cut(), { once: true });
    try {
      await this.#publish(producer, signal);
    } finally {
      done.abort();
    }
  }

  async #publish(producer: TransactionalProducer, signal: AbortSignal): Promise<void> {
    this.#isChecked = false;
    this.#published = null;
    this.#clusterId = null;
    for (let pauseMs = firstPauseMs, isBegun = false; !signal.aborted;) {
      try {
        if (!this.#options.isOwner()) await pause(maxPauseMs, signal); // the end of the term is about to be told
        else if (!isBegun) isBegun = await this.#open(producer);
        else await this.#next(producer, signal);
        pauseMs = firstPauseMs;
        continue;
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof Fenced) {
          this.#log.info("measurement is another instance's now", { error });
          if (this.#term?.stop.signal === signal) this.#term = null;
          return this.#options.onFenced();
        }
        this.#failed(error);
        if (error instanceof KafkaError && error.code === missingTopic) isBegun = false; // it is to be made again
      }
      await pause(pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, maxPauseMs);
    }
  }

  /** Shuts out the owner before, then learns what it published. In this order, or it might publish in between. */
  async #open(producer: TransactionalProducer): Promise<true> {
    const { connection, name } = this.#options, topic = histTopicOf(name);
    const { clusterId, topics: [found] } = await connection.metadata([topic]);
    this.#clusterId = clusterId;
    // Who may write to a topic need not be allowed to make it.
    if (found?.error === missingTopic) {
      const refused = await connection.createTopic(topic, { partitions: 1, configs: histTopicConfigs });
      if (refused && refused !== "TOPIC_ALREADY_EXISTS") {
        throw new KafkaError(refused, `Cannot create topic ${topic}: Kafka answered ${refused}`);
      }
    }
    await producer.init();
    this.#published = await readPublished(connection, name);
    this.#log.info("measurement is published here");
    return true;
  }

  /** Publishes the newest state as soon as there is one that may be. */
  async #next(producer: TransactionalProducer, signal: AbortSignal): Promise<void> {
    if (this.#usable && !this.#isChecked) {
      this.#isChecked = true;
      if (lacks(this.#usable, this.#published)) await unless(signal, this.#options.onBehind());
    }
    const state = this.#usable;
    if (!state || !this.#isDue()) {
      this.#settle();
      return await unless(signal, this.#changed.promise);
    }
    const began = performance.now();
    const { name, group } = this.#options;
    const record = { topic: histTopicOf(name), partition: 0, ...publishedRecord(name, state) };
    const offsets = offsetsOf(name, state.covered);
    await producer.send([record], offsets && { group, topics: [offsets] });
    this.#published = state;
    this.#told = "";
    if (!this.#isDue()) this.#settle();
    await pause(Math.max(0, began + this.#options.pauseMs - performance.now()), signal);
  }

  /** Whether there is something to publish, and it may be. */
  #isDue(): boolean {
    const state = this.#usable, published = this.#published;
    if (!state || !this.#mayPublish(state)) return false;
    if (!published) return Object.values(state.covered.positions).some((place) => place > 0);
    return !covers(published.covered, state.covered) || !hasSameCounts(published, state);
  }

  get #usable(): CountedState | null {
    return this.#offeredOf === this.#clusterId ? this.#offered : null;
  }

  #mayPublish(state: CountedState): boolean {
    return this.#published === null || covers(state.covered, this.#published.covered);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    this.#settle();
  }

  #settle(): void {
    this.#settled.resolve();
    this.#settled = Promise.withResolvers();
  }

  /** What does not pass by itself is told, once. */
  #failed(error: unknown): void {
    const code = error instanceof KafkaError ? error.code : String(error);
    if (error instanceof KafkaError && (isPassing(error) || usual.has(code))) {
      return this.#log.debug("publishing again", { error });
    }
    if (code !== this.#told) this.#log.warn("histogram cannot be published, trying on", { error });
    this.#told = code;
  }
}

/** Whether a state lacks something that is published: it does not cover it, or of the same log it misses more. */
function lacks(state: CountedState, published: CountedState | null): boolean {
  if (!published) return false;
  if (!covers(state.covered, published.covered)) return true;
  const isSameKind = state.covered.log === published.covered.log &&
    hasSameEdges(state.snapshot.bin_edges, published.snapshot.bin_edges);
  return isSameKind && state.snapshot.missed > published.snapshot.missed;
}

/** Settles as `work` does, or when the signal aborts. */
async function unless(signal: AbortSignal, work: Promise<void>): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => resolve();
  signal.addEventListener("abort", end, { once: true });
  await Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", end));
}

/** The group's offsets that a state stands for; undefined when it has none. */
function offsetsOf(topic: string, { positions }: Covered) {
  const partitions = Object.entries(positions).map(([partition, offset]) => ({
    partition: Number(partition),
    offset,
  }));
  return partitions.length > 0 ? { topic, partitions } : undefined;
}

/** Counts of the same positions differ when the bins are others, or more was found to be missing. */
function hasSameCounts(a: CountedState, b: CountedState): boolean {
  return JSON.stringify(a.snapshot) === JSON.stringify(b.snapshot);
}
