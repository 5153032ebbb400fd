/** A hub on a broker, for tests: with a proxy between them, a clock that only the test moves, and a producer that goes straight to
 * the broker.
 *
 * Left out: the viewers (hub_viewer.ts).
 * @module */
import { Hub, type HubOptions } from "../../kafka/hub.ts";
import { createProducer, type OutRecord, type Producer } from "../../kafka/producer.ts";
import type { Clock } from "../../kafka/timeline.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { BrokerProxy } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** What a hub and what it works with are made of. */
export class HubGround implements AsyncDisposable {
  readonly metrics = createMetrics("test");
  broker!: TestBroker;
  proxy!: BrokerProxy;
  hub!: Hub;
  producer!: Producer;
  readonly #parts = new AsyncDisposableStack();

  static async open(options: Partial<HubOptions> = {}): Promise<HubGround> {
    const ground = new HubGround(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    const kafka = parts.use(connect(ground.proxy.bootstrap));
    ground.hub = parts.use(new Hub({ kafka, metrics: ground.metrics, log: silentLogger, ...options }));
    const sending = parts.use(connect(ground.broker.bootstrap));
    const onTopicCreated = (topic: string) => ground.hub.topicCreated(topic);
    ground.producer = parts.use(createProducer(sending, { log: silentLogger, onTopicCreated }));
    return ground;
  }

  /** Sends texts, acknowledged in this order within a partition. */
  async send(topic: string, texts: readonly string[], more: Partial<OutRecord> = {}): Promise<void> {
    await this.producer.sendAll(topic, texts.map((value) => ({ value, ...more })));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

/** A clock that stands still until the test moves it. */
export class TestClock implements Clock {
  #now: number;
  readonly #timers = new Set<{ readonly at: number; readonly go: () => void }>();

  constructor(nowMs: number) {
    this.#now = nowMs;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, go: () => void): () => void {
    const timer = { at: this.#now + ms, go };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** When the next timer is due; Infinity for none. */
  get next(): number {
    return Math.min(Infinity, ...[...this.#timers].map(({ at }) => at));
  }

  /** Moves on, and calls what becomes due. */
  moveTo(ms: number): void {
    this.#now = Math.max(this.#now, ms);
    for (const timer of [...this.#timers]) {
      if (timer.at > this.#now) continue;
      this.#timers.delete(timer);
      timer.go();
    }
  }
}

/** `count` numbers as texts. */
export function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, n) => String(from + n));
}
