/** Transactions as kafkajs makes and reads them: committed, aborted, with offsets of a group, and fenced. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { type Kafka, Kafka as Client, logLevel, Partitioners, type Producer } from "kafkajs";
import "../../../kafka/client.ts"; // closes the timer trap of kafkajs
import type { Broker } from "../../../kafka/broker/mod.ts";
import { eventually } from "../../eventually.ts";
import { makeTopic, withBroker } from "./harness.ts";

/** A broker with topics "in" and "out", and a client. */
function withKafka(test: (kafka: Kafka, broker: Broker) => Promise<void>): Promise<void> {
  return withBroker(async (broker) => {
    for (const topic of ["in", "out"]) await makeTopic(broker, topic, { partitions: 2 });
    const brokers = [`127.0.0.1:${broker.port}`];
    await test(
      new Client({ brokers, logLevel: logLevel.NOTHING, retry: { initialRetryTime: 20, retries: 3 } }),
      broker,
    );
  });
}

/** A connected producer of a transactional id. */
async function transactional(kafka: Kafka, transactionalId = "tx"): Promise<Producer & AsyncDisposable> {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    ...{ transactionalId, idempotent: true, maxInFlightRequests: 1 },
  });
  await producer.connect();
  return Object.assign(producer, { [Symbol.asyncDispose]: () => producer.disconnect() });
}

/** The values of a topic, until the last of them is `until`. */
async function valuesOf(
  kafka: Kafka,
  topic: string,
  until: string,
  readUncommitted = false,
): Promise<string[]> {
  const consumer = kafka.consumer({ groupId: crypto.randomUUID(), maxWaitTimeInMs: 100, readUncommitted });
  const values: string[] = [];
  await consumer.connect();
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachMessage: ({ message }) => {
        values.push(String(message.value));
        return Promise.resolve();
      },
    });
    await eventually("the last value", () => values.includes(until), 30_000, () => values);
  } finally {
    await consumer.disconnect();
  }
  return values;
}

const message = (value: string) => ({ topic: "out", messages: [{ value, partition: 0 }] });

Deno.test("kafkajs commits and aborts; its consumers see what was committed", () =>
  withKafka(async (kafka) => {
    await using producer = await transactional(kafka);
    for (const [value, commits] of [["a", true], ["lost", false], ["b", true]] as const) {
      const transaction = await producer.transaction();
      await transaction.send(message(value));
      await transaction.send(message(`${value}, too`));
      await (commits ? transaction.commit() : transaction.abort());
    }
    const committed = ["a", "a, too", "b", "b, too"];
    assertEquals(await valuesOf(kafka, "out", "b, too"), committed);
    assertEquals(await valuesOf(kafka, "out", "b, too", true), [
      "a",
      "a, too",
      "lost",
      "lost, too",
      "b",
      "b, too",
    ]);
    const admin = kafka.admin();
    await admin.connect();
    const [first] = (await admin.fetchTopicOffsets("out")).filter(({ partition }) => partition === 0);
    assertEquals(first?.high, "9", "six records and three markers");
    await admin.disconnect();
  }));

Deno.test("kafkajs sends offsets of a group with the transaction: they count when it is committed", () =>
  withKafka(async (kafka, { state }) => {
    await using producer = await transactional(kafka);
    const sendOffsets = (offset: string) => ({
      consumerGroupId: "g",
      topics: [{ topic: "in", partitions: [{ partition: 0, offset }, { partition: 1, offset }] }],
    });
    for (const [offset, commits] of [["5", true], ["9", false]] as const) {
      const transaction = await producer.transaction();
      await transaction.send(message(offset));
      await transaction.sendOffsets(sendOffsets(offset));
      assertEquals(state.offsets.isHeld("g", "in", 0), true);
      await (commits ? transaction.commit() : transaction.abort());
    }
    assertEquals(state.offsets.fetchAll("g").map(({ partition, offset }) => [partition, offset]), [[0, 5], [
      1,
      5,
    ]]);
  }));

Deno.test("kafkajs is told when another producer has taken its transactional id", () =>
  withKafka(async (kafka) => {
    await using zombie = await transactional(kafka);
    const lost = await zombie.transaction();
    await lost.send(message("lost"));
    await using producer = await transactional(kafka);
    const transaction = await producer.transaction();
    await transaction.send(message("kept"));
    await assertRejects(() => lost.send(message("lost, too")), Error);
    await assertRejects(() => lost.commit(), Error);
    await transaction.commit();
    assertEquals(await valuesOf(kafka, "out", "kept"), ["kept"]);
  }));
