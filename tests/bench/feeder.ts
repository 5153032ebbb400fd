/** Positions written straight to Kafka, past the service: topics filled at once, and a steady rate. One node. @module */
import { batchOf } from "../kafka/broker/batches.ts";
import { ProtocolClient } from "../protocol/client.ts";

const createTopics = 19, produce = 0;
const recordsPerBatch = 100;
const acknowledgeMs = 10_000;

/** Writes positions of about 200 bytes. */
export class Feeder implements Disposable {
  readonly #client: ProtocolClient;
  written = 0;

  private constructor(client: ProtocolClient) {
    this.#client = client;
  }

  static async connect(bootstrap: string): Promise<Feeder> {
    return new Feeder(await ProtocolClient.connect(Number(bootstrap.split(":")[1]), "bench"));
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  /** Makes topics of one partition with some records each. */
  async makeTopics(names: readonly string[], records: number): Promise<void> {
    for (let at = 0; at < names.length; at += 50) {
      const topics = names.slice(at, at + 50).map((name) => ({
        name,
        numPartitions: 1,
        replicationFactor: 1,
      }));
      await this.#client.ask(createTopics, 4, { topics, timeoutMs: acknowledgeMs });
    }
    for (const name of names) await this.fill(name, records);
  }

  /** As fast as the broker takes them; the same bytes again and again. */
  async fill(topic: string, records: number): Promise<void> {
    const batch = batchOf(positions(recordsPerBatch, Date.now()));
    for (let left = records; left > 0; left -= recordsPerBatch) {
      await this.#send(topic, left >= recordsPerBatch ? batch : batchOf(positions(left, Date.now())));
    }
    this.written += records;
  }

  /** Writes at a rate until `until` resolves or `signal` aborts; each batch has the time of its sending. */
  async steadily(topic: string, perSecond: number, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    const sending = new Set<Promise<void>>();
    let sent = 0;
    while (!signal.aborted) {
      const due = Math.floor((performance.now() - began) / 1000 * perSecond) - sent;
      if (due > 0 && sending.size < 64) {
        const one = this.#send(topic, batchOf(positions(due, Date.now()))).finally(() => sending.delete(one));
        sending.add(one);
        sent += due;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(10, Math.max(1, 1000 / perSecond))));
    }
    await Promise.all(sending);
    this.written += sent;
  }

  /** Tries again while the topic has no leader yet. */
  async #send(topic: string, records: Uint8Array): Promise<void> {
    const topicData = [{ name: topic, partitionData: [{ index: 0, records }] }];
    for (let attempt = 0; attempt < 100; attempt++) {
      // deno-lint-ignore no-explicit-any
      const answer: any = await this.#client.ask(produce, 7, {
        acks: -1,
        timeoutMs: acknowledgeMs,
        topicData,
      });
      const code = answer.responses[0].partitionResponses[0].errorCode;
      if (code === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`Cannot write to ${topic}: the broker refuses`);
  }
}

let serial = 0;
function positions(count: number, timestamp: number) {
  return Array.from({ length: count }, () => {
    const n = serial++, name = `mover ${n % 50}`;
    const position = {
      name,
      message_id: `${name}_${crypto.randomUUID()}`,
      lat: 52.5 + n % 1000 / 1e5,
      lon: 13.4,
    };
    const time = new Date(timestamp).toISOString();
    return { key: name, value: JSON.stringify({ ...position, timestamp: time }), timestamp };
  });
}
