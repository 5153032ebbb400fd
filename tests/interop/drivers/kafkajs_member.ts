/** Consumers of the kafkajs driver: a member of a group, and one that reads alone.
 *
 * kafkajs consumes only in groups; who reads alone has one of its own. @module */
import type { Consumer, EachMessagePayload, Kafka } from "kafkajs";
import type { Ops, ReadRecord, TopicPartition } from "../driver_protocol.ts";
import { toText, toValue } from "./serve.ts";

/** A fetch that waits delays leaving. */
const maxWaitTimeInMs = 200;

/** A member of a consumer group that keeps what it read. */
export class KafkajsMember {
  readonly #consumer: Consumer;
  readonly #args: Ops["group.join"][0];
  readonly #records: ReadRecord[] = [];
  readonly #next = new Map<string, TopicPartition & { offset: string }>();
  #assigned: TopicPartition[] = [];

  constructor(kafka: Kafka, args: Ops["group.join"][0]) {
    this.#args = args;
    this.#consumer = kafka.consumer({
      groupId: args.group,
      sessionTimeout: args.sessionTimeoutMs ?? 30_000,
      heartbeatInterval: 200,
      maxWaitTimeInMs,
      allowAutoTopicCreation: false,
    });
    this.#consumer.on("consumer.group_join", ({ payload }) => {
      this.#assigned = Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
        partitions.map((partition) => ({ topic, partition }))
      );
      this.#next.clear(); // what it does not have any more is another member's to commit
    });
  }

  async start(): Promise<void> {
    await this.#consumer.connect();
    const { topics, from, autoCommit = false } = this.#args;
    await this.#consumer.subscribe({ topics: [...topics], fromBeginning: from === "earliest" });
    await this.#consumer.run({
      autoCommit,
      ...(autoCommit ? { autoCommitInterval: 100 } : {}),
      eachMessage: (payload) => {
        const record = readRecord(payload);
        this.#records.push(record);
        const { partition, offset } = record;
        const { topic } = payload;
        this.#next.set(`${topic}:${partition}`, { topic, partition, offset: String(offset + 1) });
        return Promise.resolve();
      },
    });
  }

  state(): Ops["group.state"][1] {
    return { assigned: this.#assigned, records: this.#records };
  }

  commit(): Promise<void> {
    return this.#consumer.commitOffsets([...this.#next.values()]);
  }

  seek({ topic, partition, offset }: TopicPartition & { offset: number }): void {
    this.#consumer.seek({ topic, partition, offset: String(offset) });
  }

  leave(): Promise<void> {
    return this.#consumer.disconnect();
  }
}

/** Reads partitions from given places on. */
export async function readAlone(kafka: Kafka, args: Ops["consume"][0]): Promise<Ops["consume"][1]> {
  const { topic, positions, count, timeoutMs, isolation, autoReset, maxFetchBytes } = args;
  const consumer = kafka.consumer({
    groupId: `alone-${crypto.randomUUID()}`,
    readUncommitted: isolation !== "read_committed",
    allowAutoTopicCreation: false,
    maxWaitTimeInMs,
    ...(maxFetchBytes ? { maxBytes: maxFetchBytes, maxBytesPerPartition: maxFetchBytes } : {}),
  });
  const records: ReadRecord[] = [];
  const done = Promise.withResolvers<void>();
  const timer = setTimeout(done.resolve, timeoutMs);
  consumer.on("consumer.crash", ({ payload: { error, restart } }) => {
    if (!restart) done.reject(error);
  });
  // Where to go on in each partition: asked for at each join, as the library begins anew when a coordinator is not there yet.
  const next = new Map(Object.entries(positions).map(([partition, at]) => [Number(partition), at]));
  consumer.on("consumer.group_join", () => {
    for (const [partition, offset] of next) {
      if (offset !== "earliest") consumer.seek({ topic, partition, offset: String(offset) });
    }
  });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: autoReset !== "latest" });
    await consumer.run({
      autoCommit: false,
      eachMessage: (payload) => {
        // Before the seeks are obeyed it may read others, and partitions that were not asked for.
        const from = next.get(payload.partition);
        const record = readRecord(payload);
        const wanted = from === "earliest" || (from !== undefined && record.offset >= from);
        if (wanted && records.length < count) {
          records.push(record);
          next.set(payload.partition, record.offset + 1);
        }
        if (records.length >= count) done.resolve();
        return Promise.resolve();
      },
    });
    await done.promise;
  } finally {
    clearTimeout(timer);
    await consumer.disconnect();
  }
  return { records };
}

/** kafkajs gathers the values of a header's name, so the order among different names is that of their first. */
function readRecord({ partition, message }: EachMessagePayload): ReadRecord {
  return {
    partition,
    offset: Number(message.offset),
    key: toText(message.key),
    value: toValue(message.value),
    headers: Object.entries(message.headers ?? {}).flatMap(([name, value]) =>
      [value].flat().map((each): [string, string | null] => [name, toText(each)])
    ),
    timestamp: Number(message.timestamp),
  };
}
