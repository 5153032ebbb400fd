/** The Kafka of a model test: a node that can be restarted on its log, and what is asked of it beside the service.
 *
 * Left out: the faults between it and the service (hub_stage.ts has a proxy).
 * @module */
import { type Broker, startBroker } from "../../kafka/broker/mod.ts";
import type { ApacheKafka } from "../apache_kafka.ts";
import { eventually } from "../eventually.ts";
import { ProtocolClient } from "../protocol/client.ts";
import type { Values } from "../protocol/codec.ts";

/** A running Kafka. */
export interface KafkaNode extends AsyncDisposable {
  readonly port: number;
  /** Ends it and starts it on the log it had, at the same port. */
  restart(): Promise<void>;
  /** Does what a restart would break: it waits for one that is under way, and the next one for it. */
  undisturbed<T>(work: () => Promise<T>): Promise<T>;
  /** Removes what its topics are not to keep; missing where nobody can ask for it. */
  readonly sweep?: () => Promise<void>;
}

/** The embedded broker in this thread. */
export class EmbeddedNode implements KafkaNode {
  #broker!: Broker;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(): Promise<EmbeddedNode> {
    const node = new EmbeddedNode(await Deno.makeTempDir({ prefix: "tailrace-model-" }));
    await node.#start(0);
    return node;
  }

  get port(): number {
    return this.#broker.port;
  }

  async restart(): Promise<void> {
    const { port } = this;
    await this.#broker[Symbol.asyncDispose]();
    await this.#start(port);
  }

  readonly sweep = (): Promise<void> => this.#broker.sweep();

  /** Only its own case restarts it. */
  undisturbed<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #start(port: number): Promise<void> {
    this.#broker = await startBroker({
      host: "127.0.0.1",
      port,
      dataDir: this.#folder,
      sync: "normal",
      retentionMs: -1,
      retentionBytes: -1,
      retentionCheckMs: 1e9,
    });
  }
}

/** Apache Kafka; every other time it is killed. */
export class ApacheNode implements KafkaNode {
  readonly #kafka: ApacheKafka;
  #restarts = 0;
  #restarting: Promise<void> = Promise.resolve();
  readonly #undisturbed = new Set<Promise<unknown>>();

  constructor(kafka: ApacheKafka) {
    this.#kafka = kafka;
  }

  get port(): number {
    return Number(this.#kafka.bootstrap.split(":")[1]);
  }

  restart(): Promise<void> {
    const before = [this.#restarting, ...this.#undisturbed];
    return this.#restarting = Promise.allSettled(before).then(async () => {
      await (this.#restarts++ % 2 ? this.#kafka.stop() : this.#kafka.kill());
      await this.#kafka.start();
    });
  }

  undisturbed<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#restarting.then(work);
    const settled: Promise<unknown> = done.catch(() => {}).finally(() => this.#undisturbed.delete(settled));
    this.#undisturbed.add(settled);
    return done;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#kafka[Symbol.asyncDispose]();
  }
}

/** Kafka's codes for what was done already, by a request whose answer was lost. */
const unknownTopic = 3, topicExists = 36, invalidPartitions = 37;

/** Administration over a connection of its own, opened anew after each loss. */
export class Admin implements Disposable {
  readonly #port: () => number;
  #client: ProtocolClient | undefined;

  constructor(port: () => number) {
    this.#port = port;
  }

  /** @throws {Error} when it cannot be made */
  async createTopic(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
  ): Promise<void> {
    const topic = {
      name,
      numPartitions: partitions,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    };
    let isLost = false;
    // A topic of that name may be on its way out, and after a node's start it takes a moment until it takes topics.
    await this.#until(`${name} to be made`, async () => {
      const request = { topics: [topic], timeoutMs: 10_000, validateOnly: false };
      const { topics } = await this.#ask(19, 4, request).catch((error) => {
        isLost = true;
        throw error;
      });
      return isLost && code(topics) === topicExists ? 0 : code(topics);
    });
    await this.#leaders(name, partitions);
  }

  async #leaders(name: string, partitions: number): Promise<void> {
    await this.#until(`leaders of ${name}`, async () => {
      const { topics } = await this.#ask(3, 4, { topics: [{ name }], allowAutoTopicCreation: false });
      const [found] = topics as Values[];
      const parts = (found?.partitions ?? []) as Values[];
      return code(topics) || parts.find(({ errorCode }) => errorCode !== 0)?.errorCode as number ||
        (parts.length === partitions ? 0 : -1);
    });
  }

  async deleteTopic(name: string): Promise<void> {
    await this.#until(`${name} to be removed`, async () => {
      const { responses } = await this.#ask(20, 3, { topicNames: [name], timeoutMs: 10_000 });
      return code(responses) === unknownTopic ? 0 : code(responses);
    });
  }

  async addPartitions(name: string, count: number): Promise<void> {
    await this.#until(`${name} to have ${count} partitions`, async () => {
      const topics = [{ name, count, assignments: null }];
      const { results } = await this.#ask(37, 1, { topics, timeoutMs: 10_000, validateOnly: false });
      return code(results) === invalidPartitions ? 0 : code(results);
    });
    await this.#leaders(name, count);
  }

  /** @returns where the partition begins now */
  async deleteRecords(name: string, partition: number, offset: number): Promise<number> {
    let low = -1;
    await this.#until(`records of ${name}-${partition} to go`, async () => {
      const topics = [{ name, partitions: [{ partitionIndex: partition, offset }] }];
      const { topics: answered } = await this.#ask(21, 1, { topics, timeoutMs: 10_000 });
      const part = ((answered as Values[])[0]!.partitions as Values[])[0]!;
      low = Number(part.lowWatermark);
      return part.errorCode as number;
    });
    return low;
  }

  /** Where each partition begins. */
  starts(name: string, partitions: number): Promise<number[]> {
    return this.#offsets(name, partitions, -2);
  }

  /** Where each partition ends for those who are shown only what is committed. */
  ends(name: string, partitions: number): Promise<number[]> {
    return this.#offsets(name, partitions, -1);
  }

  async #offsets(name: string, partitions: number, timestamp: number): Promise<number[]> {
    const wanted = Array.from({ length: partitions }, (_, n) => ({ partitionIndex: n, timestamp }));
    const found: number[] = [];
    await this.#until(`offsets of ${name}`, async () => {
      const request = { replicaId: -1, isolationLevel: 1, topics: [{ name, partitions: wanted }] };
      const { topics } = await this.#ask(2, 2, request);
      for (const part of (topics as Values[])[0]!.partitions as Values[]) {
        if (part.errorCode !== 0) return part.errorCode as number;
        found[part.partitionIndex as number] = Number(part.offset);
      }
      return 0;
    });
    return found;
  }

  [Symbol.dispose](): void {
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }

  async #ask(key: number, version: number, request: Values): Promise<Values> {
    try {
      this.#client ??= await ProtocolClient.connect(this.#port(), "model");
      return await this.#client.ask(key, version, request);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** @param attempt answers Kafka's error code */
  async #until(what: string, attempt: () => Promise<number>): Promise<void> {
    let seen: number | undefined;
    await eventually(what, async () => (seen = await attempt()) === 0, 60_000, () => `error ${seen}`);
  }
}

function code(answers: unknown): number {
  return (answers as Values[])[0]!.errorCode as number;
}
