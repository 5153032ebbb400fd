/** A stage with everything: the service as a process of its own that is killed with SIGKILL, clients over real SSE and WebSockets.
 *
 * Left out: memory of another size for the newest records, which the program does not offer (hub_stage.ts).
 * @module */
import type { Kafka } from "../../kafka/client.ts";
import { createProducer, type Producer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { BrokerProxy, fetchApi, type Verdict } from "../kafka/broker_proxy.ts";
import { connect } from "../kafka/test_broker.ts";
import { Service } from "../service.ts";
import type { Asked, Told } from "./account.ts";
import type { Line, Listener } from "./client.ts";
import { Admin, type KafkaNode } from "./kafka_node.ts";
import type { Stage } from "./stage.ts";
import type { Opening } from "./steps.ts";
import { WireLine } from "./wire_line.ts";

/** A service, on its embedded broker or, through a proxy, on a Kafka that others may use too. */
export class ServiceStage implements Stage {
  readonly node: KafkaNode;
  readonly admin: Admin;
  readonly producer: Producer;
  readonly #service: Service;
  readonly #proxy: BrokerProxy | undefined;
  readonly #direct: Kafka;
  #held: PromiseWithResolvers<void> | undefined;
  #away = false;
  #followed = 0;

  private constructor(service: Service, proxy: BrokerProxy | undefined, node: KafkaNode | undefined) {
    this.#service = service;
    this.#proxy = proxy;
    this.node = node ?? {
      port: Number(service.bootstrap.split(":")[1]),
      restart: () => this.restartService(),
      undisturbed: (work) => work(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    this.admin = new Admin(() => this.node.port);
    this.#direct = connect(`127.0.0.1:${this.node.port}`);
    this.producer = createProducer(this.#direct, { log: silentLogger, timeoutMs: 120_000 });
    if (proxy) {
      proxy.onRequest = async ({ api }): Promise<Verdict> => {
        proxy.requests.length = 0;
        if (api === fetchApi) await this.#held?.promise;
        return "pass";
      };
    }
  }

  /** @param node a Kafka, which stays the caller's; without it the service runs its own */
  static async open(node?: KafkaNode): Promise<ServiceStage> {
    const settings = { BROKER_SYNC: "normal", LOG_LEVEL: "warn" };
    const proxy = node && new BrokerProxy({ hostname: "127.0.0.1", port: node.port });
    const service = await Service.open({ settings, ...(proxy && { kafkaBrokers: proxy.bootstrap }) });
    return new ServiceStage(service, proxy, node);
  }

  begin(): Promise<void> {
    return Promise.resolve();
  }

  async restartService(): Promise<void> {
    await this.#service.kill();
    await this.#service.start();
  }

  async endCase(): Promise<void> {
    this.release();
    await this.back();
  }

  /** Fit for both routes below: a position, and JSON for the other. */
  valueOf(text: string): string {
    return JSON.stringify({ name: text, lat: 1, lon: 2 });
  }

  created(): void {}

  follow(topic: string, opening: Opening, asked: Asked, from: string | null, listener: Listener): Line {
    const { wire, keys, room, policy, speed } = opening;
    const query = new URLSearchParams(keys.map((key) => ["key", key]));
    query.set("cursor", wire === "websocket" && from !== null ? from : textOf(asked.cursor));
    if (asked.until !== null) query.set("until", textOf(asked.until));
    if (policy !== "lossless") query.set("policy", policy);
    if (speed !== null) query.set("speed", String(speed));
    // Both kinds of routes, in turn.
    const path = `/${this.#followed++ % 2 ? "geo" : "topics"}/${topic}/${
      wire === "sse" ? "events" : "socket"
    }?${query}`;
    return new WireLine({
      port: () => Number(new URL(this.#service.url).port),
      path,
      wire,
      lastEventId: from,
      reads: typeof room === "number" ? room : 1e9,
      readBytes: room === "turns" ? 997 : 16 * 1024,
    }, { told: (events) => listener.told(events.map(asRecord)), ended: (reason) => listener.ended(reason) });
  }

  cutKafka(): void {
    this.#proxy?.cutAll();
  }

  async away(): Promise<void> {
    if (this.#away || !this.#proxy) return;
    this.#away = true;
    this.release();
    await this.#proxy.stop();
  }

  back(): Promise<void> {
    if (this.#away) this.#proxy?.start();
    this.#away = false;
    return Promise.resolve();
  }

  hold(): void {
    if (this.#proxy && !this.#away) this.#held ??= Promise.withResolvers();
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
    await this.#service[Symbol.asyncDispose]();
    await this.#proxy?.[Symbol.asyncDispose]();
  }
}

/** A record of either route, as the model knows it. */
function asRecord(told: Told): Told {
  const { partition, offset, name, value } = told.data ?? {};
  if (told.event === "position") return { ...told, event: "record", data: { partition, offset, text: name } };
  if (told.event === "record") return { ...told, data: { partition, offset, text: value?.name } };
  return told;
}

function textOf(place: Asked["cursor"]): string {
  return typeof place === "string" ? place : `t.${place.ms}`;
}
