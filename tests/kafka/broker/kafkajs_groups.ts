/** A broker of its own and kafkajs consumers on it, for tests of real groups.
 * @module */
import kafkajs, { type Consumer, type Kafka } from "kafkajs";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import "../../../kafka/client.ts"; // quiets a timer that kafkajs would re-arm for ever
import { eventually } from "../../eventually.ts";
import { freePort } from "../../programs.ts";

/** A consumer in a group: what it was assigned last and every value it was given. */
export class Member {
  readonly values: string[] = [];
  /** Partitions of the last assignment, null before the first. */
  assigned: number[] | null = null;
  readonly #consumer: Consumer;

  constructor(kafka: Kafka, readonly groupId: string) {
    this.#consumer = kafka.consumer({
      ...{ groupId, sessionTimeout: 6_000, rebalanceTimeout: 10_000, heartbeatInterval: 200 },
      ...{ maxWaitTimeInMs: 100, retry: { initialRetryTime: 50, retries: 10 } },
    });
    this.#consumer.on("consumer.group_join", ({ payload }) => {
      this.assigned = payload.memberAssignment[topic] ?? [];
    });
  }

  /** Joins the group and waits for the first assignment. */
  async start(): Promise<this> {
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic, fromBeginning: true });
    await this.#consumer.run({
      autoCommitThreshold: 1,
      eachMessage: ({ message }) => {
        this.values.push(String(message.value));
        return Promise.resolve();
      },
    });
    await eventually("an assignment", () => this.assigned);
    return this;
  }

  /** Waits until it was given this many values in all. */
  has(count: number): Promise<unknown> {
    return eventually(`${count} values`, () => this.values.length >= count, 30_000, () => this.values);
  }

  /** Leaves the group. */
  stop(): Promise<void> {
    return this.#consumer.disconnect();
  }
}

/** The topic all members read; 6 partitions. */
export const topic = "t";

/** A data folder and the broker on it. */
export class GroupsBroker implements AsyncDisposable {
  readonly kafka: Kafka;
  #broker: Broker;

  private constructor(broker: Broker, readonly dataDir: string) {
    this.#broker = broker;
    this.kafka = new kafkajs.Kafka({
      brokers: [`127.0.0.1:${broker.port}`],
      clientId: "test",
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { initialRetryTime: 50 },
    });
  }

  static async start(): Promise<GroupsBroker> {
    const dataDir = await Deno.makeTempDir({ prefix: "kafkajs-groups-" });
    return new GroupsBroker(await open(dataDir, freePort()), dataDir);
  }

  get port(): number {
    return this.#broker.port;
  }

  get state(): Broker["state"] {
    return this.#broker.state;
  }

  /** A member that has joined. */
  member(groupId: string): Promise<Member> {
    return new Member(this.kafka, groupId).start();
  }

  /** Writes values round the partitions. */
  async write(...values: string[]): Promise<void> {
    const producer = this.kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.send({ topic, messages: values.map((value, at) => ({ value, partition: at % 6 })) });
    await producer.disconnect();
  }

  /** Ends the broker and starts one on the same data and port. */
  async restart(): Promise<void> {
    const { port } = this.#broker;
    await this.#broker[Symbol.asyncDispose]();
    this.#broker = await open(this.dataDir, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker[Symbol.asyncDispose]();
    await Deno.remove(this.dataDir, { recursive: true });
  }
}

function open(dataDir: string, port: number): Promise<Broker> {
  return startBroker({
    ...{ host: "127.0.0.1", port, dataDir, sync: "normal", retentionMs: -1, retentionBytes: -1 },
    defaultPartitions: 6,
  });
}
