/** A Kafka for tests of kafka/ and routes/: the embedded broker in this thread, on a free port, in a folder that goes with it.
 *
 * Left out: brokers that are programs of their own (tests/service.ts, tests/apache_kafka.ts).
 * @module */
import { type Broker, type BrokerOptions, startBroker } from "../../kafka/broker/mod.ts";
import { Kafka } from "../../kafka/client.ts";
import { silentLogger } from "../../logger.ts";

/** A broker and its folder. */
export class TestBroker implements AsyncDisposable {
  readonly broker: Broker;
  readonly #folder: string;

  private constructor(broker: Broker, folder: string) {
    this.broker = broker;
    this.#folder = folder;
  }

  /** Starts it, empty. */
  static async open(options: Partial<BrokerOptions> = {}): Promise<TestBroker> {
    const folder = await Deno.makeTempDir({ prefix: "tailrace-broker-" });
    const broker = await startBroker({
      host: "127.0.0.1",
      port: 0,
      dataDir: folder,
      sync: "normal",
      retentionMs: -1,
      retentionBytes: -1,
      ...options,
    });
    return new TestBroker(broker, folder);
  }

  /** host:port of the broker itself. */
  get bootstrap(): string {
    return `127.0.0.1:${this.broker.port}`;
  }

  /** Makes a topic, with settings such as `retention.bytes`. */
  async createTopic(name: string, partitions = 1, configs: Record<string, string> = {}): Promise<void> {
    const { topics } = this.broker.state.log;
    await topics.create({ name, partitions, configs: new Map(Object.entries(configs)) });
  }

  /** Removes a topic and everything in it. */
  async deleteTopic(name: string): Promise<void> {
    const { topics } = this.broker.state.log;
    await topics.delete(topics.byName(name)!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The program's own client, with nothing printed. */
export function connect(bootstrap: string, ...more: readonly string[]): Kafka {
  return new Kafka({
    brokers: [bootstrap, ...more],
    clientId: "tests",
    ssl: null,
    sasl: null,
    log: silentLogger,
  });
}
