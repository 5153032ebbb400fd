/** Consumers of the @platformatic/kafka driver: a member of a group, and one that reads alone.
 *
 * The library consumes only in groups; who reads alone has one of its own. @module */
import type { Buffer } from "node:buffer";
import { Consumer, cooperativeStickyAssigner, type Message, type MessagesStream } from "@platformatic/kafka";
import type { Ops, ReadRecord, TopicPartition } from "../driver_protocol.ts";
import { toText, toValue } from "./serve.ts";

/** What every client of the driver is made with. */
export const base = {
  clientId: "platformatic",
  bootstrapBrokers: [Deno.args[0]!],
  retries: 5,
  retryDelay: 200,
};

/** A member of a consumer group that keeps what it read. */
export class Member {
  readonly records: ReadRecord[] = [];
  readonly #consumer: Consumer;
  readonly #next = new Map<string, TopicPartition & { offset: bigint; leaderEpoch: number }>();
  #stream: MessagesStream<Buffer, Buffer, Buffer, Buffer> | undefined;
  /** Whether it knows where to go on in what it was assigned: before that, it may go on where it was. */
  #ready = true;

  constructor(args: Ops["group.join"][0]) {
    this.#consumer = new Consumer({
      ...base,
      groupId: args.group,
      ...(args.instanceId === undefined ? {} : { groupInstanceId: args.instanceId }),
      sessionTimeout: args.sessionTimeoutMs ?? 30_000,
      heartbeatInterval: 200,
      rebalanceTimeout: 60_000, // no less than any session's
      maxWaitTime: 100,
      ...(args.assignor === "cooperative-sticky"
        ? {
          protocols: [{ name: args.assignor, version: 1 }],
          partitionAssigner: cooperativeStickyAssigner,
        }
        : {}),
    });
    this.#consumer.on("consumer:group:join", () => {
      this.#next.clear();
      this.#ready = false;
    });
  }

  async start({ topics, from, autoCommit = false }: Ops["group.join"][0]): Promise<void> {
    const stream = await this.#consumer.consume({
      topics: [...topics],
      mode: "committed",
      fallbackMode: from ?? "latest",
      autocommit: autoCommit ? 100 : false,
    });
    this.#stream = stream;
    stream.on("offsets", () => this.#ready = true);
    stream.on("error", (error) => console.error(error));
    stream.on("data", (message) => {
      this.records.push(readRecord(message));
      const { topic, partition, offset } = message;
      this.#next.set(`${topic}:${partition}`, { topic, partition, offset: offset + 1n, leaderEpoch: -1 });
    });
  }

  get assigned(): TopicPartition[] {
    return (this.#ready && this.#consumer.assignments || []).flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition }))
    );
  }

  commit(): Promise<void> {
    return this.#consumer.commit({ offsets: [...this.#next.values()] });
  }

  async leave(): Promise<void> {
    await this.#stream?.close();
    await this.#consumer.close(true);
  }
}

/** Reads partitions from given places on. */
export async function readAlone(args: Ops["consume"][0]): Promise<Ops["consume"][1]> {
  const { topic, positions, count, timeoutMs, isolation, maxFetchBytes, maxWaitMs = 100 } = args;
  const consumer = new Consumer({
    ...base,
    groupId: `alone-${crypto.randomUUID()}`,
    maxWaitTime: maxWaitMs,
    ...(isolation === undefined ? {} : { isolationLevel: isolation === "read_committed" ? 1 : 0 }),
    ...(maxFetchBytes === undefined ? {} : { maxBytes: maxFetchBytes, maxBytesPerPartition: maxFetchBytes }),
  });
  const records: ReadRecord[] = [];
  const done = Promise.withResolvers<void>();
  const timer = setTimeout(done.resolve, timeoutMs);
  try {
    const offsets = Object.entries(positions).flatMap(([partition, at]) =>
      at === "earliest" ? [] : [{ topic, partition: Number(partition), offset: BigInt(at) }]
    );
    const stream = await consumer.consume({
      topics: [topic],
      ...(offsets.length > 0
        ? { mode: "manual" as const, offsets: await all(consumer, topic, offsets) }
        : { mode: "earliest" as const }),
      autocommit: false,
    });
    stream.on("error", done.reject);
    stream.on("data", (message) => {
      if (records.length < count && positions[message.partition] !== undefined) {
        records.push(readRecord(message));
      }
      if (records.length >= count) done.resolve();
    });
    await done.promise;
    await stream.close();
  } finally {
    clearTimeout(timer);
    await consumer.close(true);
  }
  return { records };
}

/** Manual mode wants an offset of each partition: the ones that were not asked for start at the end. */
async function all(consumer: Consumer, topic: string, offsets: (TopicPartition & { offset: bigint })[]) {
  const ends = (await consumer.listOffsets({ topics: [topic], timestamp: -1n })).get(topic)!;
  const asked = new Map(offsets.map(({ partition, offset }) => [partition, offset]));
  return ends.map((end, partition) => ({ topic, partition, offset: asked.get(partition) ?? end }));
}

function readRecord(message: Message): ReadRecord {
  return {
    partition: message.partition,
    offset: Number(message.offset),
    key: toText(message.key),
    value: toValue(message.value),
    headers: [...message.headers].map(([name, value]) => [toText(name)!, toText(value)] as const),
    timestamp: Number(message.timestamp),
  };
}
