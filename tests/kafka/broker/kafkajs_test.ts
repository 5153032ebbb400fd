/** The broker under a real client: what kafkajs says and expects, from produce to deletion. Groups have their own
 * tests. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { type Admin, CompressionTypes, Kafka, logLevel, Partitioners, type Producer } from "kafkajs";
import "../../../kafka/client.ts"; // closes the timer trap of kafkajs, brings all codecs
import type { Broker } from "../../../kafka/broker/mod.ts";
import { eventually } from "../../eventually.ts";
import { withBroker } from "./harness.ts";

interface Clients {
  readonly broker: Broker;
  readonly kafka: Kafka;
  readonly admin: Admin;
  readonly producer: Producer;
}

function withClients(
  test: (clients: Clients) => Promise<void>,
  { idempotent = false, retries = 2 } = {},
): Promise<void> {
  return withBroker(async (broker) => {
    const kafka = new Kafka({
      brokers: [`127.0.0.1:${broker.port}`],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 20, retries },
    });
    const admin = kafka.admin();
    const producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      idempotent,
      ...(idempotent && { maxInFlightRequests: 1 }),
    });
    await admin.connect();
    await producer.connect();
    try {
      await test({ broker, kafka, admin, producer });
    } finally {
      await producer.disconnect();
      await admin.disconnect();
    }
  });
}

interface Seen {
  readonly partition: number;
  readonly offset: string;
  readonly key: string | undefined;
  readonly value: string | null;
  readonly headers: string;
}

/** Consumes until that many records came. */
async function consume({ kafka }: Clients, topic: string, count: number): Promise<Seen[]> {
  const consumer = kafka.consumer({ groupId: crypto.randomUUID(), maxWaitTimeInMs: 100 });
  const seen: Seen[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ partition, message }) => {
        const { offset, key, value, headers } = message;
        const shown = Object.entries(headers ?? {}).map(([name, content]) => `${name}=${content}`).join();
        seen.push({
          partition,
          offset,
          key: key?.toString(),
          value: value?.toString() ?? null,
          headers: shown,
        });
        return Promise.resolve();
      },
    });
    await eventually("the records", () => seen.length >= count);
  } finally {
    await consumer.disconnect();
  }
  return seen;
}

Deno.test("kafkajs produces to a topic it made and consumes keys, values, headers and tombstones", () =>
  withClients(async (clients) => {
    const { admin, producer } = clients;
    assertEquals(await admin.createTopics({ topics: [{ topic: "t", numPartitions: 2 }] }), true);
    const [sent] = await producer.send({
      topic: "t",
      messages: [
        { key: "a", value: "1", partition: 1, headers: { h: "x" } },
        { key: "a", value: null, partition: 1 },
      ],
    });
    assertEquals([sent?.errorCode, sent?.partition, sent?.baseOffset], [0, 1, "0"]);
    assertEquals(await consume(clients, "t", 2), [
      { partition: 1, offset: "0", key: "a", value: "1", headers: "h=x" },
      { partition: 1, offset: "1", key: "a", value: null, headers: "" },
    ]);
  }));

for (
  const [name, compression] of [
    ["gzip", CompressionTypes.GZIP],
    ["snappy", CompressionTypes.Snappy],
    ["lz4", CompressionTypes.LZ4],
    ["zstd", CompressionTypes.ZSTD],
  ] as const
) {
  Deno.test(`kafkajs produces and consumes ${name}, and finds records in it by time`, () =>
    withClients(async (clients) => {
      const { admin, producer } = clients;
      await admin.createTopics({ topics: [{ topic: "t" }] });
      const now = Date.now();
      const messages = Array.from({ length: 100 }, (_, i) => ({
        value: `value ${i} `.repeat(10),
        timestamp: `${now + i}`,
      }));
      await producer.send({ topic: "t", compression, messages });
      const seen = await consume(clients, "t", 100);
      assertEquals(seen.map(({ value }) => value), messages.map(({ value }) => value));
      const [found] = await admin.fetchTopicOffsetsByTimestamp("t", now + 42);
      assertEquals(found?.offset, "42");
    }));
}

Deno.test("kafkajs's idempotent producer sends many batches in order", () =>
  withClients(async (clients) => {
    const { admin, producer } = clients;
    await admin.createTopics({ topics: [{ topic: "t" }] });
    const sends: Promise<unknown>[] = [];
    for (let i = 0; i < 50; i++) sends.push(producer.send({ topic: "t", messages: [{ value: `${i}` }] }));
    await Promise.all(sends);
    const values = (await consume(clients, "t", 50)).map(({ value }) => value);
    assertEquals(values.length, 50);
    assertEquals(new Set(values).size, 50);
  }, { idempotent: true, retries: 5 }));

Deno.test("kafkajs reads offsets, by time too", () =>
  withClients(async ({ admin, producer }) => {
    await admin.createTopics({ topics: [{ topic: "t" }] });
    const now = Date.now();
    for (const ahead of [0, 1000, 2000]) {
      await producer.send({ topic: "t", messages: [{ value: "x", timestamp: `${now + ahead}` }] });
    }
    assertEquals(await admin.fetchTopicOffsets("t"), [{ partition: 0, offset: "3", high: "3", low: "0" }]);
    const offset = async (timestamp: number) =>
      (await admin.fetchTopicOffsetsByTimestamp("t", timestamp))[0]?.offset;
    assertEquals(await offset(now + 1), "1");
    assertEquals(await offset(now - 5000), "0");
    assertEquals(await offset(now + 2001), "3");
  }));

Deno.test("kafkajs lists, describes and deletes topics", () =>
  withClients(async ({ admin, broker }) => {
    const topics = [{ topic: "a", numPartitions: 3 }, { topic: "b" }];
    await admin.createTopics({ topics });
    assertEquals(await admin.createTopics({ topics }), false); // they exist
    assertEquals((await admin.listTopics()).sort(), ["a", "b"]);
    const { topics: described } = await admin.fetchTopicMetadata({ topics: ["a"] });
    assertEquals(described[0]?.partitions.map(({ partitionId }) => partitionId), [0, 1, 2]);
    const cluster = await admin.describeCluster();
    assertEquals(cluster.clusterId, broker.clusterId);
    assertEquals(cluster.brokers, [{ nodeId: 1, host: "127.0.0.1", port: broker.port }]);
    await admin.deleteTopics({ topics: ["a"] });
    assertEquals(await admin.listTopics(), ["b"]);
  }));

Deno.test("kafkajs gets the broker's words for what is refused", () =>
  withClients(async ({ admin, producer }) => {
    const config = { topic: "t", configEntries: [{ name: "cleanup.policy", value: "shred" }] };
    await assertRejects(() => admin.createTopics({ topics: [config] }), Error);
    await admin.createTopics({
      topics: [{ topic: "t", configEntries: [{ name: "max.message.bytes", value: "1000" }] }],
    });
    await assertRejects(
      () => producer.send({ topic: "t", messages: [{ value: "x".repeat(2000) }] }),
      Error,
      "larger than the max",
    );
  }));
