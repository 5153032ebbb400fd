/** A stage without HTTP: hub and Kafka client in this process, a proxy between them and the Kafka, and clients that are sinks.
 *
 * Left out: what sockets add (service_stage.ts).
 * @module */
import { setImmediate } from "node:timers";
import { defineFeed, defineWire } from "../../kafka/feed.ts";
import { Hub } from "../../kafka/hub.ts";
import type { Kafka } from "../../kafka/client.ts";
import { parseCursor, type StartAt } from "../../kafka/cursor.ts";
import { createProducer, type Producer } from "../../kafka/producer.ts";
import type { Chunk } from "../../kafka/ring.ts";
import type { EndReason, Sink, Viewer } from "../../kafka/viewer.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { BrokerProxy, fetchApi, type Verdict } from "../kafka/broker_proxy.ts";
import { connect } from "../kafka/test_broker.ts";
import type { Asked, Told } from "./account.ts";
import type { Line, Listener } from "./client.ts";
import { Admin, type KafkaNode } from "./kafka_node.ts";
import type { Stage } from "./stage.ts";
import type { Opening } from "./steps.ts";
import { SseParser } from "./wires.ts";

/** What a record is shown as. */
const modelFeed = defineFeed("record", ({ partition, offset, value }) => ({
  partition,
  offset,
  text: value === null ? "" : decoder.decode(value),
}));

/** Events as SSE has them, and as WebSocket messages. */
const wires = {
  sse: defineWire(
    "",
    (name, json, id) => `event: ${name}\n${id === null ? "" : `id: ${id}\n`}data: ${json}\n\n`,
  ),
  websocket: defineWire(
    "\n",
    (name, json, id) => `{"type":"${name}","data":${json}${id === null ? "" : `,"cursor":"${id}"`}}`,
  ),
};
const decoder = new TextDecoder();

/** One Kafka, one producer beside it, and a hub that is replaced at every restart. */
export class HubStage implements Stage {
  readonly admin: Admin;
  readonly node: KafkaNode;
  readonly producer: Producer;
  readonly #proxy: BrokerProxy;
  readonly #direct: Kafka;
  #kafka: Kafka | undefined;
  #hub: Hub | undefined;
  #held: PromiseWithResolvers<void> | undefined;
  #away = false;

  private constructor(node: KafkaNode) {
    this.node = node;
    this.admin = new Admin(() => node.port);
    this.#proxy = new BrokerProxy({ hostname: "127.0.0.1", port: node.port });
    this.#proxy.onRequest = async ({ api }): Promise<Verdict> => {
      if (api === fetchApi) await this.#held?.promise;
      return "pass";
    };
    this.#direct = connect(`127.0.0.1:${node.port}`);
    this.producer = createProducer(this.#direct, {
      log: silentLogger,
      timeoutMs: 120_000,
      onTopicCreated: (topic) => this.#hub?.topicCreated(topic),
    });
  }

  static open(node: KafkaNode): HubStage {
    return new HubStage(node);
  }

  begin(ringBytes: number): Promise<void> {
    return this.restartService(ringBytes);
  }

  async restartService(ringBytes: number): Promise<void> {
    await this.#close();
    this.#proxy.requests.length = 0;
    this.#kafka = connect(this.#proxy.bootstrap);
    this.#hub = new Hub({
      kafka: this.#kafka,
      metrics: createMetrics("model"),
      log: silentLogger,
      ringBytes,
    });
  }

  async endCase(): Promise<void> {
    this.release();
    await this.back();
    await this.#close();
  }

  valueOf(text: string): string {
    return text;
  }

  created(topic: string): void {
    this.#hub?.topicCreated(topic);
  }

  follow(topic: string, opening: Opening, asked: Asked, from: string | null, listener: Listener): Line {
    return new HubLine(this.#hub!, topic, opening, asked, from, listener);
  }

  cutKafka(): void {
    this.#proxy.cutAll();
  }

  async away(): Promise<void> {
    if (this.#away) return;
    this.#away = true;
    this.release(); // a proxy that is stopped waits for what it holds
    await this.#proxy.stop();
  }

  back(): Promise<void> {
    if (this.#away) this.#proxy.start();
    this.#away = false;
    return Promise.resolve();
  }

  hold(): void {
    if (!this.#away) this.#held ??= Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endCase();
    await this.producer[Symbol.asyncDispose]();
    await this.#direct[Symbol.asyncDispose]();
    this.admin[Symbol.dispose]();
    await this.#proxy[Symbol.asyncDispose]();
    await this.node[Symbol.asyncDispose]();
  }

  async #close(): Promise<void> {
    await this.#hub?.[Symbol.asyncDispose]();
    await this.#kafka?.[Symbol.asyncDispose]();
    this.#hub = this.#kafka = undefined;
  }
}

/** A sink that takes what it has room for. */
class HubLine implements Sink, Line {
  readonly wire;
  readonly transport;
  readonly #listener: Listener;
  readonly #parse: (text: string) => readonly Told[];
  #room: number;
  #turns: boolean;
  #busy = false;
  #closed = false;
  readonly #viewer: Viewer;

  constructor(
    hub: Hub,
    topic: string,
    { wire, room, keys, policy, speed }: Opening,
    asked: Asked,
    from: string | null,
    listener: Listener,
  ) {
    this.#listener = listener;
    this.transport = wire;
    this.wire = wires[wire];
    const sse = new SseParser();
    this.#parse = wire === "sse" ? (text) => sse.take(text) : readMessages;
    this.#turns = room === "turns";
    this.#room = room === "turns" ? Infinity : room;
    const fallback = startOf(asked);
    const { until } = asked;
    this.#viewer = hub.follow(topic, {
      feed: modelFeed,
      sink: this,
      start: from === null ? fallback : parseCursor(from),
      fallback,
      ...(until !== null && { until: until === "latest" ? { kind: until } : { kind: "time", ms: until.ms } }),
      ...(policy !== "lossless" && { policy }),
      ...(speed !== null && { speed }),
      ...(keys.length > 0 && { pick: (_, { key }) => key !== null && keys.includes(decoder.decode(key)) }),
    });
  }

  ready(): boolean {
    return this.#room > 0 && !this.#busy && !this.#closed;
  }

  write(chunk: Chunk): void {
    if (this.#closed) throw new Error("A closed sink was written to");
    this.#room--;
    this.#listener.told(this.#parse(chunk.text));
    if (!this.#turns || this.#busy) return;
    this.#busy = true;
    setImmediate(() => {
      this.#busy = false;
      if (!this.#closed) this.#viewer.wake();
    });
  }

  end(reason: EndReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.ended(reason);
  }

  give(writes: number): void {
    this.#room = writes;
    if (writes > 1_000) this.#turns = false;
    this.#viewer.wake();
  }

  seek(asked: Asked): boolean {
    this.#viewer.seek(asked.id === null ? startOf(asked) : parseCursor(asked.id));
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#viewer.close();
  }
}

function readMessages(text: string): Told[] {
  return text.split("\n").map((line) => {
    const { type, cursor, data } = JSON.parse(line);
    return { event: type, id: cursor ?? null, data };
  });
}

function startOf({ cursor }: Asked): Exclude<StartAt, { kind: "id" }> {
  return typeof cursor === "string" ? { kind: cursor } : { kind: "time", ms: cursor.ms };
}
