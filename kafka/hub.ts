/** The hub: every viewer of every topic. A viewer is a cursor; each topic has one reader, whatever the number of viewers.
 *
 * Opening a stream leaves nothing behind in the cluster: no consumer group is joined. A topic that nobody views any more is
 * read for a while longer, so that a viewer who comes back finds it warm. Left out: how a topic's viewers are fed
 * (topic_hub.ts), how events reach a client (routes/sse.ts, routes/websocket.ts).
 * @module */
import type { Logger } from "../logger.ts";
import type { Metrics } from "../metrics.ts";
import { withDeadline } from "../deadline.ts";
import type { Kafka } from "./client.ts";
import { KafkaError } from "./connection.ts";
import { History } from "./history.ts";
import { type Clock, systemClock } from "./timeline.ts";
import { TopicHub } from "./topic_hub.ts";
import { Turns } from "./turns.ts";
import type { FollowOptions, Viewer } from "./viewer.ts";

/** What a hub works with; sizes in bytes, times in ms. */
export interface HubOptions {
  readonly kafka: Kafka;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Of the newest records of each topic, kept in memory. */
  readonly ringBytes?: number;
  /** How long a topic without viewers is read on. */
  readonly lingerMs?: number;
  /** What replays and bounds in time go by; default: the system's. */
  readonly clock?: Clock;
}

/** Viewers that are fed from Kafka's past at once. */
const maxCatchingUp = 8;
/** Topics without viewers that are read on; beyond, the one that was left first goes. */
const maxLingering = 32;
const existsMs = 1_000;

/** All viewers. */
export class Hub implements AsyncDisposable {
  readonly #options: HubOptions;
  /** The past of every topic. */
  readonly history: History;
  readonly #topics = new Map<string, TopicHub>();
  /** Topics without viewers, the one that was left first in front. */
  readonly #lingering = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #turns = new Turns(maxCatchingUp);
  #viewers = 0;
  #draining = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.history = new History(options.kafka);
  }

  /** Viewers over all topics. */
  get size(): number {
    return this.#viewers;
  }

  /** Topics that are read now. */
  get topics(): number {
    return this.#topics.size;
  }

  /** Whether streams are being ended. */
  get isDraining(): boolean {
    return this.#draining;
  }

  /** Feeds a sink from a topic, which need not exist yet, until the viewer is closed. */
  follow<T extends object>(topic: string, options: FollowOptions<T>): Viewer {
    const hub = this.#topic(topic);
    const { metrics } = this.#options;
    const { transport } = options.sink;
    this.#stay(topic);
    this.#viewers++;
    metrics.viewers(transport, 1);
    return hub.add(options, () => {
      this.#viewers--;
      metrics.viewers(transport, -1);
      if (hub.viewers.size === 0) this.#linger(topic);
    });
  }

  /** Whether a topic exists; null when Kafka does not say within a second. Of one that is followed it is known. */
  async exists(topic: string): Promise<boolean | null> {
    const { kafka } = this.#options, followed = this.#topics.get(topic);
    if (followed?.exists) return true;
    if (followed && !followed.isUp) return null;
    try {
      const { topics: [found] } = await withDeadline(
        kafka.metadata([topic]),
        existsMs,
        () => new KafkaError("UNREACHABLE", "Kafka did not answer in time"),
      );
      return found?.error !== "UNKNOWN_TOPIC_OR_PARTITION";
    } catch (error) {
      if (error instanceof KafkaError) return null;
      throw error;
    }
  }

  /** A topic was made: who waits for it is served at once. */
  topicCreated(topic: string): void {
    this.#topics.get(topic)?.wake();
  }

  /** Tells every viewer `bye` and ends its stream. */
  drain(): void {
    this.#draining = true;
    for (const hub of this.#topics.values()) {
      for (const viewer of [...hub.viewers]) {
        viewer.tell("bye", { reason: "draining" });
        viewer.options.sink.end("draining");
        viewer.close();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drain();
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    this.#lingering.clear();
    const hubs = [...this.#topics.values()];
    this.#topics.clear();
    await Promise.all([...hubs.map((hub) => hub[Symbol.asyncDispose]()), ...this.#leaving]);
    await this.history[Symbol.asyncDispose]();
  }

  #topic(topic: string): TopicHub {
    const known = this.#topics.get(topic);
    if (known) return known;
    const { kafka, metrics, log, ringBytes = 16 * 1024 * 1024, clock = systemClock } = this.#options;
    const hub = new TopicHub(topic, {
      kafka,
      history: this.history,
      turns: this.#turns,
      metrics,
      log,
      ringBytes,
      clock,
    });
    this.#topics.set(topic, hub);
    return hub;
  }

  #linger(topic: string): void {
    if (this.#draining) return;
    this.#lingering.set(topic, setTimeout(() => this.#leave(topic), this.#options.lingerMs ?? 30_000));
    const [first] = this.#lingering.keys();
    if (this.#lingering.size > maxLingering) this.#leave(first!);
  }

  #stay(topic: string): void {
    clearTimeout(this.#lingering.get(topic));
    this.#lingering.delete(topic);
  }

  #leave(topic: string): void {
    this.#stay(topic);
    const hub = this.#topics.get(topic)!;
    this.#topics.delete(topic);
    const leaving = hub[Symbol.asyncDispose]()
      .catch((error) => this.#options.log.warn("topic not left cleanly", { topic, error }))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }
}
