/** Reading what is kept of counting: what counts of a partition, and how far a source is covered. @module */
import { assertEquals, assertRejects } from "@std/assert";
import type { Kafka } from "../../../../kafka/client.ts";
import { KafkaError } from "../../../../kafka/connection.ts";
import { batchRecords } from "../../../../kafka/processors/windows/batch_records.ts";
import { endOf, lastCovered, readNewest } from "../../../../kafka/processors/windows/restore.ts";
import type { SourceRecord } from "../../../../kafka/processors/windows/types.ts";
import { WindowState } from "../../../../kafka/processors/windows/window_state.ts";
import { createProducer } from "../../../../kafka/producer.ts";
import { topicIdOf } from "../../../../kafka/topic_id.ts";
import { TransactionalProducer, type TransactionRecord } from "../../../../kafka/transactions.ts";
import { readWindowSize, windowNames } from "../../../../kafka/windows.ts";
import { silentLogger } from "../../../../logger.ts";
import { TransactionClient } from "../../broker/transaction_client.ts";
import { connect, TestBroker } from "../../test_broker.ts";

const settings = { clicksTopic: "clicks" };
const { stateTopic, byIdTopic } = windowNames("clicks");
const minute = readWindowSize("1m")!;
const never = new AbortController().signal;
const quietly = { log: silentLogger, signal: never };

/** A broker with the topics of counting, two partitions of ids. */
async function open() {
  const parts = new AsyncDisposableStack();
  const broker = parts.use(await TestBroker.open());
  for (const topic of ["clicks", stateTopic, byIdTopic]) await broker.createTopic(topic, 2);
  const kafka = parts.use(connect(broker.bootstrap));
  const writer = parts.use(new TransactionalProducer(kafka, { transactionalId: "w", log: silentLogger }));
  await writer.init();
  return { broker, parts, kafka, writer, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** A meta as a task writes it. */
function meta(
  partition: number,
  sources: Record<number, Omit<SourceRecord, "at" | "high">>,
  position = 1,
): TransactionRecord {
  const state = new WindowState([minute], { graceMs: 0, kept: 1 });
  let offset = position - Object.keys(sources).length;
  for (const [source, { log, next }] of Object.entries(sources)) {
    state.apply(batch(Number(source), log, next), null, offset++);
  }
  return { topic: stateTopic, partition, ...state.take().records.find(({ key }) => key === "m")! };
}

function batch(source: number, log: string, next: number) {
  const told = {
    from: 0,
    part: 0,
    parts: 1,
    high: null,
    at: null,
    paneMs: minute.ms,
    sizes: [minute.ms],
    counts: [],
  };
  return { v: 1 as const, source, log, next, ...told };
}

function state(key: string, value: string | null): TransactionRecord {
  return { topic: stateTopic, partition: 1, key, value };
}

Deno.test("readNewest() gives what transactions left of each key, the one that was written longest ago first", async () => {
  await using ground = await open();
  const { kafka, writer, parts, broker } = ground;
  await using connection = kafka.connect();
  assertEquals(await readNewest(connection, stateTopic, 1, quietly), new Map());
  await writer.send([state("oa", "1"), state("ob", "1"), state("oc", "1")]);
  await writer.send([state("oa", "2"), state("oc", null)]);
  await using producer = createProducer(kafka, { log: silentLogger });
  await producer.send(stateTopic, { partition: 1, key: "ob", value: "others" });
  const port = broker.broker.port;
  const other = parts.use(await TransactionClient.connect(port, { id: "other", topic: stateTopic }));
  const identity = await other.init();
  await other.add(identity, [1]);
  await other.produce(identity, 0, [{ key: "ob", value: "aborted" }], { partition: 1 });
  await other.end(identity, false);
  const newest = await readNewest(connection, stateTopic, 1, quietly);
  assertEquals([...newest], [["ob", "1"], ["oa", "2"]]);
  // More than one answer holds.
  const large = "x".repeat(700_000);
  for (let i = 0; i < 4; i++) await writer.send([state(`o${i}`, large), state("ob", String(i))]);
  assertEquals([...(await readNewest(connection, stateTopic, 1, quietly)).keys()], [
    "oa",
    "o0",
    "o1",
    "o2",
    "o3",
    "ob",
  ]);
  assertEquals(await endOf(connection, stateTopic, 0), 0);
  await assertRejects(() => endOf(connection, "nowhere", 0), KafkaError, "has 0 partitions");
});

Deno.test("readNewest() and lastCovered() give nothing while a transaction hides what is written behind it", async () => {
  await using ground = await open();
  const { kafka, writer, parts, broker } = ground, id = await idOf(kafka);
  await using connection = kafka.connect();
  await writer.send([meta(1, { 0: { log: id, next: 7 } })]);
  const port = broker.broker.port;
  const other = parts.use(await TransactionClient.connect(port, { id: "other", topic: stateTopic }));
  const identity = await other.init();
  await other.add(identity, [1]);
  await other.produce(identity, 0, [{ key: "oz", value: "open" }], { partition: 1 });
  await writer.send([meta(1, { 0: { log: id, next: 9 } })]);
  await assertRejects(
    () => readNewest(connection, stateTopic, 1, quietly),
    KafkaError,
    "a transaction is open",
  );
  await assertRejects(() => lastCovered(kafka, settings, 0, never), KafkaError, "a transaction is open");
  await other.end(identity, false);
  assertEquals([...await readNewest(connection, stateTopic, 1, quietly)].length, 1);
  assertEquals((await lastCovered(kafka, settings, 0, never))?.next, 9);
});

Deno.test("lastCovered() is the farthest place in clicks as they are now, in any meta or in a batch that waits", async () => {
  await using ground = await open();
  const { kafka, writer } = ground, id = await idOf(kafka);
  const covered = async (source: number) => {
    const place = await lastCovered(kafka, settings, source, never);
    return place && `${place.log === id ? "" : place.log.replace(id, "")} ${place.next}`.trim();
  };
  assertEquals(await covered(0), null);
  await writer.send(batchRecords(byIdTopic, [batch(2, "e", 1), batch(2, "e", 1)])); // counted: metas are behind it
  await writer.send([
    meta(0, { 0: { log: id, next: 7 } }),
    meta(1, { 0: { log: id, next: 9 }, 1: { log: id, next: 3 } }),
  ]);
  for (let i = 0; i < 100; i++) {
    await writer.send([{ topic: stateTopic, partition: 1, key: `o${i}`, value: "{}" }]);
  }
  assertEquals([await covered(0), await covered(1), await covered(2)], ["9", "3", null]);
  // Of another topic that had the name; of the one that is there, before it lost its end and after.
  await writer.send([meta(1, { 0: { log: "f".repeat(32), next: 99 } })]);
  assertEquals(await covered(0), "7");
  await writer.send([meta(0, { 0: { log: `${id}~1`, next: 2 } })]);
  assertEquals(await covered(0), "~1 2");
  await writer.send([meta(1, { 0: { log: id, next: 99 } })]);
  assertEquals(await covered(0), "~1 2", "the end is gone of which 99 was");
  // What is folded and not counted: the first partition of ids knows of everything.
  await writer.send(batchRecords(byIdTopic, [batch(1, id, 12), batch(1, id, 12)]));
  await writer.send(batchRecords(byIdTopic, [batch(0, `${id}~1`, 5), batch(0, `${id}~1`, 5)]));
  assertEquals([await covered(0), await covered(1)], ["~1 5", "12"]);
  const ended = AbortSignal.abort();
  await assertRejects(() => lastCovered(kafka, settings, 0, ended), KafkaError, "it was ended");
});

async function idOf(kafka: Kafka): Promise<string> {
  await using connection = kafka.connect();
  return await topicIdOf(connection, "clicks") ?? "";
}
