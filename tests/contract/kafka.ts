/** What the client side of kafka/ promises, whichever Kafka it talks to: one suite, run by the test files beside it.
 *
 * Everything goes over real connections to a real broker; what lies in a topic is read back by a client that is not ours.
 * Left out: answers that a healthy broker never gives (tests/kafka/ scripts those), brokers that die (tests/crash/).
 * @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { StreamError } from "../../errors.ts";
import { Kafka } from "../../kafka/client.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { createTopic, readTopic } from "../clients.ts";

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
}

/** A topic name that no other test uses. */
function newTopic(what: string): string {
  return `${what}-${crypto.randomUUID().slice(0, 8)}`;
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
  const topics = await kafka.listTopics();
  assertEquals(topics.find(({ name }) => name === topic)?.partitions.length, 5);
  assertEquals(topics.filter(({ name }) => name.startsWith("__")), []);
}
