/** What the client side of kafka/ promises, whichever Kafka it talks to: one suite, run by the test files beside it.
 *
 * Everything goes over real connections to a real broker; what lies in a topic is read back by a client that is not ours.
 * Left out: answers that a healthy broker never gives (tests/kafka/ scripts those), brokers that die (tests/crash/).
 * @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CompressionTypes } from "kafkajs";
import { Buffer } from "node:buffer";
import { StreamError } from "../../errors.ts";
import { Kafka } from "../../kafka/client.ts";
import { defineFeed, defineWire } from "../../kafka/feed.ts";
import { Hub } from "../../kafka/hub.ts";
import { createProducer } from "../../kafka/producer.ts";
import type { Chunk } from "../../kafka/ring.ts";
import type { Sink, Viewer } from "../../kafka/viewer.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { TopicReader } from "../../kafka/reader.ts";
import { createTopic, deleteTopic, plainKafka, produce, readTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { newTopic } from "../new_topic.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap its host:port; asked for inside the tests only */
export function kafkaContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (bootstrap: string) => Promise<void>) =>
    Deno.test({ name: `kafka/ on ${on}: ${claim}`, ignore, fn: () => fn(bootstrap()) });

  test(
    "Producer.send() gives each of 1,000 concurrent records its own place, in the order of the calls",
    places,
  );
  test("Producer.send() makes a missing topic, however many ask at once", makesTopic);
  test("Producer.send() keeps keys, headers, empty and null values as they are", keepsBytes);
  test("Producer.send() refuses what Kafka refuses and goes on with the rest", refuses);
  test("Kafka.listTopics() names topics with their partitions, Kafka's own left out", listsTopics);
  test("TopicReader follows from the end on, whatever codec a record was written with", followsCodecs);
  test("TopicReader waits for a topic and reads it from its first record on", followsNewTopic);
  test("TopicReader begins anew when a topic was deleted and made again", followsAnotherLog);
  test("Hub.follow() gives viewers that are slower than its ring, or later, each record once", servesTheSlow);
}

function connect(bootstrap: string): Kafka {
  return new Kafka({ brokers: [bootstrap], clientId: "contract", ssl: null, sasl: null, log: silentLogger });
}

async function places(bootstrap: string): Promise<void> {
  const topic = newTopic("places");
  await createTopic(bootstrap, topic, 3);
  await using kafka = connect(bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  const records = Array.from({ length: 1000 }, (_, n) => ({ key: `key-${n % 17}`, value: String(n) }));
  const places = await Promise.all(records.map((record) => producer.send(topic, record)));
  const placed = new Map(places.map((place, n) => [`${place.partition}:${place.offset}`, records[n]!]));
  assertEquals(placed.size, 1000);

  const log = await readTopic(bootstrap, topic);
  assertEquals(log.length, 1000);
  const newest = [-1, -1, -1];
  for (const { partition, offset, key, value } of log) {
    assertEquals({ key, value }, placed.get(`${partition}:${offset}`)!, "the place it was told");
    assert(Number(value) > newest[partition]!, "the order of the calls");
    newest[partition] = Number(value);
  }
  assert(newest.every((value) => value >= 0), "every partition has a share");
}

async function makesTopic(bootstrap: string): Promise<void> {
  const topic = newTopic("made");
  await using kafka = connect(bootstrap);
  await using one = createProducer(kafka, { log: silentLogger });
  await using other = createProducer(kafka, { log: silentLogger });
  const numbers = Array.from({ length: 50 }, (_, n) => n);
  await Promise.all(numbers.flatMap((n) => [
    one.send(topic, { key: "one", value: String(n) }),
    other.send(topic, { key: "other", value: String(n) }),
  ]));
  const log = await readTopic(bootstrap, topic);
  for (const key of ["one", "other"]) {
    const values = log.filter((record) => record.key === key).map(({ value }) => Number(value));
    assertEquals(values, numbers, `the records of ${key}`);
  }
}

async function keepsBytes(bootstrap: string): Promise<void> {
  const topic = newTopic("bytes");
  await createTopic(bootstrap, topic, 1);
  await using kafka = connect(bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  const timestamp = Date.now() - 60_000;
  await producer.sendAll(topic, [
    { key: "käse", value: "größe 世界", headers: { unit: "m", note: "" }, timestamp },
    { key: null, value: "no key", timestamp },
    { key: "tombstone", value: null, timestamp },
    { key: "", value: "", timestamp },
  ]);
  const log = await readTopic(bootstrap, topic);
  assertEquals(log.map(({ key, value }) => ({ key, value })), [
    { key: "käse", value: "größe 世界" },
    { key: null, value: "no key" },
    { key: "tombstone", value: null },
    { key: "", value: "" },
  ]);
  assertEquals(log.map((record) => record.timestamp), [timestamp, timestamp, timestamp, timestamp]);
  assertEquals(log[0]!.headers, { unit: Buffer.from("m"), note: Buffer.from("") });
}

async function refuses(bootstrap: string): Promise<void> {
  const topic = newTopic("refused");
  await createTopic(bootstrap, topic, 1);
  await using kafka = connect(bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  const large = producer.send(topic, { value: new Uint8Array(3 * 1024 * 1024) });
  const beside = Array.from({ length: 20 }, (_, n) => producer.send(topic, { key: "k", value: String(n) }));
  assertEquals((await assertRejects(() => large, StreamError)).status, 413);
  assertEquals(
    (await assertRejects(() => producer.send("not/a/topic", { value: "" }), StreamError)).status,
    400,
  );
  await Promise.all(beside);
  assertEquals(
    (await readTopic(bootstrap, topic)).map(({ value }) => value),
    beside.map((_, n) => String(n)),
  );
}

async function listsTopics(bootstrap: string): Promise<void> {
  const topic = newTopic("listed");
  await using kafka = connect(bootstrap);
  assertEquals(await kafka.createTopic(topic, { partitions: 5 }), "created");
  assertEquals(await kafka.createTopic(topic, { partitions: 5 }), "exists");
  const topics = await eventually("the topic in the list", async () => {
    const found = await kafka.listTopics();
    return found.some(({ name, partitions }) => name === topic && partitions.length === 5) && found;
  });
  assertEquals(topics.filter(({ name }) => name.startsWith("__")), []);
}

/** A reader, and what it told so far: records as `partition:value`, everything else by the event's name. */
class Told implements AsyncDisposable {
  readonly records: string[] = [];
  readonly events: string[] = [];
  readonly #kafka: Kafka;
  readonly #reader: TopicReader;

  constructor(bootstrap: string, topic: string) {
    const { records, events } = this;
    this.#kafka = connect(bootstrap);
    this.#reader = new TopicReader(this.#kafka, topic, {
      started: (positions) => events.push(`started ${positions.join(" ")}`.trimEnd()),
      records: (fetched) => {
        const decoder = new TextDecoder();
        for (const { partition, value } of fetched.records) {
          records.push(`${partition}:${value && decoder.decode(value)}`);
        }
      },
      skipped: (partition, from, to) => events.push(`skipped ${partition} ${from} ${to}`),
      restarted: () => events.push("restarted"),
      status: (up) => events.push(up ? "up" : "down"),
    }, silentLogger);
  }

  async event(name: string): Promise<void> {
    await eventually(`${name} of the reader`, () => this.events.includes(name), 60_000, () => this.events);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
    await this.#kafka[Symbol.asyncDispose]();
  }
}

async function followsCodecs(bootstrap: string): Promise<void> {
  const topic = newTopic("codecs");
  await createTopic(bootstrap, topic, 2);
  await produce(bootstrap, topic, [{ value: "before", partition: 0 }]);
  await using told = new Told(bootstrap, topic);
  await told.event("started 1 0");

  const producer = plainKafka(bootstrap).producer();
  await producer.connect();
  const wanted: string[] = [];
  try {
    for (const [name, compression] of Object.entries(CompressionTypes)) {
      const messages = Array.from({ length: 50 }, (_, n) => ({ partition: 1, value: `${name} ${n}` }));
      await producer.send({ topic, compression: Number(compression), messages });
      wanted.push(...messages.map(({ value }) => `1:${value}`));
    }
  } finally {
    await producer.disconnect();
  }
  assertEquals(wanted.length, 250);
  await eventually("every record", () => told.records.length >= 250, 60_000, () => told.records.length);
  assertEquals(told.records, wanted);
  assertEquals(told.events, ["up", "started 1 0"]);
}

async function followsNewTopic(bootstrap: string): Promise<void> {
  const topic = newTopic("awaited");
  await using told = new Told(bootstrap, topic);
  await told.event("started"); // no partition yet
  await createTopic(bootstrap, topic, 1);
  await produce(bootstrap, topic, [{ value: "first" }, { value: "second" }]);
  await eventually("both records", () => told.records.length >= 2, 60_000, () => told.events);
  assertEquals(told.records, ["0:first", "0:second"]);
  assertEquals(told.events.toSorted(), ["started", "started 0", "up"]);
}

async function followsAnotherLog(bootstrap: string): Promise<void> {
  const topic = newTopic("remade");
  await createTopic(bootstrap, topic, 1);
  await produce(bootstrap, topic, [{ value: "1" }, { value: "2" }, { value: "3" }]);
  await using told = new Told(bootstrap, topic);
  await told.event("started 3");
  await deleteTopic(bootstrap, topic);
  await told.event("restarted");
  await createTopic(bootstrap, topic, 1);
  await produce(bootstrap, topic, [{ value: "anew" }]);
  await eventually("the record of the new log", () => told.records.length > 0, 60_000, () => told.events);
  assertEquals(told.records, ["0:anew"]);
}

const recordFeed = defineFeed("record", ({ partition, offset }) => ({ partition, offset }));
const lineWire = defineWire("\n", (name, json, id) => name === "record" ? `${id} ${json}` : null);

/** A way out that takes `room` writes at a time and then waits to be given more; it has all the room by default. */
class TestSink implements Sink {
  readonly wire = lineWire;
  readonly transport = "sse";
  readonly lines: string[] = [];
  room = Infinity;

  ready(): boolean {
    return this.room > 0;
  }

  write(chunk: Chunk): void {
    this.room--;
    this.lines.push(...chunk.text.split("\n"));
  }

  end(): void {}

  /** Fails unless each record of the log is there once, in the order of its partition, under ids that never go back. */
  check(viewer: string, count: number): void {
    const records = this.lines.map((line) => JSON.parse(line.slice(line.indexOf(" "))));
    const next = new Map<number, number>();
    for (const { partition, offset } of records) {
      assertEquals(offset, next.get(partition) ?? 0, `${viewer}: partition ${partition}`);
      next.set(partition, offset + 1);
    }
    assertEquals(records.length, count, viewer);
    const last = this.lines.at(-1)!.split(" ")[0]!;
    const ends = [...next].toSorted(([a], [b]) => a - b).map(([partition, end]) => `${partition}:${end - 1}`);
    assertEquals(
      last.slice("v1.00000000.".length),
      ends.join(","),
      `${viewer}: the id after the last record`,
    );
  }
}

async function servesTheSlow(bootstrap: string): Promise<void> {
  const topic = newTopic("slow");
  await createTopic(bootstrap, topic, 3);
  await using kafka = connect(bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  const metrics = createMetrics("test");
  await using hub = new Hub({ kafka, metrics, log: silentLogger, ringBytes: 300_000 }); // some 150 records
  const viewers: Viewer[] = [];
  const follow = async (sink: Sink) => {
    const opened = Promise.withResolvers<unknown>();
    viewers.push(hub.follow(topic, {
      feed: recordFeed,
      sink,
      start: { kind: "earliest" },
      onReady: opened.resolve,
    }));
    await opened.promise;
  };
  const [fast, slow, stalled, late] = [new TestSink(), new TestSink(), new TestSink(), new TestSink()];
  slow.room = 1;
  stalled.room = 0;
  for (const sink of [fast, slow, stalled]) await follow(sink);

  for (let sent = 0; sent < 4000; sent += 100) {
    const records = Array.from({ length: 100 }, (_, n) => ({ key: `${n % 20}`, value: "x".repeat(200) }));
    await producer.sendAll(topic, records);
    if (sent % 1500 === 0) { // seldom enough that it cannot keep up
      slow.room = 1;
      viewers[1]!.wake();
    }
    if (sent === 2000) await follow(late);
  }
  await eventually("every record at the fast viewer", () => fast.lines.length >= 4000, 60_000);
  assert(slow.lines.length < 4000 && stalled.lines.length === 0, "the others are behind");
  for (const [n, sink] of [slow, stalled].entries()) {
    sink.room = Infinity;
    viewers[n + 1]!.wake();
  }
  for (const [name, sink] of Object.entries({ fast, slow, stalled, late })) {
    await eventually(`every record at the ${name} viewer`, () => sink.lines.length >= 4000, 60_000);
    sink.check(name, 4000);
  }
  for (const viewer of viewers) viewer.close();
  assertEquals(hub.size, 0);
}
