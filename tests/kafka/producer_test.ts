import { assert, assertEquals, assertGreater, assertLess, assertRejects } from "@std/assert";
import { StreamError } from "../../errors.ts";
import type { Kafka } from "../../kafka/client.ts";
import { latestOffset } from "../../kafka/connection.ts";
import type { KafkaRecord } from "../../kafka/fetch_response.ts";
import { History } from "../../kafka/history.ts";
import { createProducer, type Producer, type ProducerOptions } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { Random } from "../random.ts";
import {
  BrokerProxy,
  initProducerIdApi,
  metadataApi,
  produceAnswer,
  produceApi,
  type Verdict,
} from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** A producer, with a proxy between it and its broker. */
class Ground implements AsyncDisposable {
  broker!: TestBroker;
  proxy!: BrokerProxy;
  producer!: Producer;
  #direct!: Kafka;
  readonly #parts = new AsyncDisposableStack();

  static async open(options: Partial<ProducerOptions> = {}): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    ground.#direct = parts.use(connect(ground.broker.bootstrap));
    const kafka = parts.use(connect(ground.proxy.bootstrap));
    ground.producer = parts.use(createProducer(kafka, { log: silentLogger, ...options }));
    return ground;
  }

  /** Everything that a topic holds. */
  async log(topic = "t"): Promise<KafkaRecord[]> {
    await using history = new History(this.#direct);
    const records: KafkaRecord[] = [];
    for (const [partition, end] of (await history.positions(topic, latestOffset)).entries()) {
      for (let at = 0; at < end;) {
        const page = await history.read(topic, partition, at);
        records.push(...page.records.filter(({ offset }) => offset >= at));
        at = page.next;
      }
    }
    return records;
  }

  /** The values of a topic, as text. */
  async values(topic = "t"): Promise<string[]> {
    return (await this.log(topic)).map(({ value }) => new TextDecoder().decode(value!));
  }

  /** Answers the next `times` Produce requests for partition 0 with an error, without the broker seeing them. */
  refuse(error: number, times = 1): void {
    let left = times;
    this.proxy.onRequest = (frame) =>
      frame.api === produceApi && left-- > 0 ? produceAnswer(frame, "t", 0, error) : "pass";
  }

  /** Does something to the answers of the first `times` Produce requests: the broker has appended by then. */
  spoil(verdict: Verdict, times = 1): void {
    let left = times;
    this.proxy.onAnswer = ({ api }) => api === produceApi && left-- > 0 ? verdict : "pass";
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, n) => String(from + n));
}

async function refused(sending: Promise<unknown>): Promise<[code: string, status: number]> {
  const { code, status } = await assertRejects(() => sending, StreamError);
  return [code, status];
}

Deno.test("Producer.send() gathers what comes together, and what comes while a request is under way", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  const places = await Promise.all(numbers(500).map((value) => ground.producer.send("t", { value })));
  assertEquals(places.map(({ offset }) => offset), Array.from({ length: 500 }, (_, n) => n));
  assertEquals(ground.proxy.count(produceApi), 1);

  const asked = Promise.withResolvers<void>(), go = Promise.withResolvers<void>();
  ground.proxy.onAnswer = async ({ api }): Promise<Verdict> => {
    if (api === produceApi) {
      asked.resolve();
      await go.promise;
    }
    return "pass";
  };
  const first = ground.producer.send("t", { value: "500" });
  await asked.promise;
  const rest: Promise<unknown>[] = [];
  for (const value of numbers(100, 501)) {
    rest.push(ground.producer.send("t", { value }));
    await Promise.resolve();
  }
  go.resolve();
  await Promise.all([first, ...rest]);
  assertEquals(ground.proxy.count(produceApi), 3);
  assertEquals(await ground.values(), numbers(601));
});

Deno.test("Producer.send() keeps the order of the calls in every partition, whatever the sizes", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 3);
  const random = new Random("sizes of records");
  const sent = numbers(300).map((n) => ({
    key: `key ${random.between(0, 20)}`,
    value: n.padEnd(random.between(0, 3) === 0 ? random.between(1_000, 200_000) : 20),
  }));
  const places = await ground.producer.sendAll("t", sent);
  const newest = [-1, -1, -1];
  for (const { partition, offset, value } of await ground.log()) {
    const n = parseInt(new TextDecoder().decode(value!));
    assertEquals(places[n], { partition, offset });
    assertGreater(n, newest[partition]!);
    newest[partition] = n;
  }
  assertGreater(ground.proxy.count(produceApi), 2, "more than one request's worth");
});

Deno.test("Producer.send() without a key spreads over the partitions, and takes one that is named", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 4);
  const seen = new Set<number>();
  for (let n = 0; n < 200 && seen.size < 4; n++) {
    seen.add((await ground.producer.send("t", { value: "x" })).partition);
  }
  assertEquals(seen.size, 4);
  assertEquals((await ground.producer.send("t", { value: "x", key: "k", partition: 2 })).partition, 2);
});

Deno.test("Producer.send() refuses partitions that are none, and sends the rest", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 2);
  const sends = [-1, 2, 1.5, NaN].map((partition) => ground.producer.send("t", { value: "x", partition }));
  const good = ground.producer.send("t", { value: "good", partition: 1 });
  for (const sending of sends) assertEquals(await refused(sending), ["unknown-partition", 400]);
  assertEquals(await good, { partition: 1, offset: 0 });
});

Deno.test("Producer.send() keeps requests below what a broker takes, however many partitions are busy", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 40);
  const values = Array.from({ length: 400 }, (_, n) => `${n}`.padEnd(60_000, "x")); // 24 MB
  await ground.producer.sendAll("t", values.map((value, n) => ({ value, partition: n % 40 })));
  const requests = ground.proxy.requests.filter(({ api }) => api === produceApi);
  assertLess(Math.max(...requests.map(({ bytes }) => bytes.length)), 9 * 1024 * 1024);
  const log = await ground.values();
  assertEquals(log.length, 400);
  for (let partition = 0; partition < 40; partition++) {
    const own = log.splice(0, 10);
    assertEquals(own, values.filter((_, n) => n % 40 === partition), `partition ${partition}`);
  }
});

Deno.test("one record that is too large does not keep those beside it back", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1, { "max.message.bytes": "10000" });
  const sends = numbers(9).map((value) =>
    ground.producer.send("t", { value: value === "4" ? value.padEnd(20_000) : value })
  );
  const outcomes = await Promise.allSettled(sends);
  assertEquals(await refused(sends[4]!), ["record-too-large", 413]);
  assertEquals(outcomes.filter(({ status }) => status === "rejected").length, 1);
  assertEquals(await ground.values(), numbers(9).toSpliced(4, 1));
  const headers = { large: "x".repeat(20_000) };
  assertEquals(await refused(ground.producer.send("t", { value: "x", headers })), ["record-too-large", 413]);
});

Deno.test("a connection that is cut after the broker has appended: each record once, with its true place", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  ground.spoil("cut", 3);
  const places = await Promise.all(numbers(50).map((value) => ground.producer.send("t", { value })));
  assertEquals(places.map(({ offset }) => offset), Array.from({ length: 50 }, (_, n) => n));
  assertEquals(ground.proxy.count(produceApi), 4);
  assertEquals(await ground.values(), numbers(50));
});

Deno.test("a connection that is cut before the broker has the request: each record once", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  let left = 2;
  ground.proxy.onRequest = ({ api }) => api === produceApi && left-- > 0 ? "cut" : "pass";
  await ground.producer.sendAll("t", numbers(50).map((value) => ({ value })));
  assertEquals(await ground.values(), numbers(50));
});

Deno.test("connections cut at random moments under load: each record once, in order", async () => {
  await using ground = await Ground.open({ timeoutMs: 30_000 });
  await ground.broker.createTopic("t", 2);
  const random = new Random("cuts of a producer");
  const chance = (): Verdict => random.between(0, 11) === 0 ? "cut" : "pass";
  ground.proxy.onRequest = chance;
  ground.proxy.onAnswer = chance;
  const sends: Promise<unknown>[] = [];
  for (let n = 0; n < 300; n++) {
    sends.push(ground.producer.send("t", { value: String(n), partition: n % 2 }));
    if (n % 10 === 9) await sends[n];
  }
  await Promise.all(sends);
  const even = numbers(300).filter((n) => Number(n) % 2 === 0),
    odd = numbers(300).filter((n) => Number(n) % 2 === 1);
  assertEquals(await ground.values(), [...even, ...odd]);
});

Deno.test("an answer that never comes: outcome-unknown at the deadline, and the next send is clean", async () => {
  await using ground = await Ground.open({ timeoutMs: 2_000 });
  await ground.broker.createTopic("t");
  await ground.producer.send("t", { value: "0" });
  ground.spoil("drop");
  const began = performance.now();
  assertEquals(await refused(ground.producer.send("t", { value: "1" })), ["outcome-unknown", 503]);
  assertLess(performance.now() - began, 4_500, "before the lane gives up its request, after 5 s");
  ground.proxy.cutAll(); // or the lane would wait for the answer for its 5 seconds
  ground.proxy.onAnswer = () => "pass";
  await eventually("a send that is taken", () => ground.producer.send("t", { value: "2" }).then(() => true));
  const values = await ground.values();
  assertEquals(values.filter((value) => value === "1").length, 1, "it was appended, once");
  assertEquals(values.filter((value) => value === "2").length, 1);
});

Deno.test("Kafka away: kafka-unavailable at the deadline, and nothing of it is written later", async () => {
  await using ground = await Ground.open({ timeoutMs: 2_000 });
  await ground.broker.createTopic("t");
  await ground.producer.send("t", { value: "before" });
  await ground.proxy.stop();
  await eventually(
    "the connection to be gone",
    async () => (await refused(ground.producer.send("t", { value: "first" })))[0],
  );
  const began = performance.now();
  const sends = numbers(20).map((value) => ground.producer.send("t", { value }));
  for (const sending of sends) assertEquals(await refused(sending), ["kafka-unavailable", 503]);
  assertLess(performance.now() - began, 10_000, "all at the same time, not each after the one before it");
  ground.proxy.start();
  await eventually(
    "a send that is taken",
    () => ground.producer.send("t", { value: "after" }).then(() => true),
  );
  assertEquals((await ground.values()).filter((value) => /^\d+$/.test(value)), []);
});

Deno.test("Kafka that is back before the deadline: the sender never notices", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  await ground.producer.send("t", { value: "0" });
  await ground.proxy.stop();
  const sends = ground.producer.sendAll("t", numbers(20, 1).map((value) => ({ value })));
  await eventually("a try", () => ground.proxy.count(metadataApi) > 0);
  ground.proxy.start();
  await sends;
  assertEquals(await ground.values(), numbers(21));
});

Deno.test("errors that go by themselves are retried: moved leaders, missing replicas, a broker that is busy", async () => {
  for (const error of [3, 5, 6, 7, 9, 13, 14, 15, 19, 20, 41, 56, 74, 75]) {
    await using ground = await Ground.open();
    await ground.broker.createTopic("t");
    ground.refuse(error, 2);
    assertEquals(
      await ground.producer.send("t", { value: "x" }),
      { partition: 0, offset: 0 },
      `error ${error}`,
    );
    assertEquals(await ground.values(), ["x"], `error ${error}`);
  }
});

Deno.test("errors that stay are told by what they mean, and the lane goes on", async () => {
  const wanted: [number, string, number][] = [
    [10, "record-too-large", 413],
    [17, "invalid-topic", 400],
    [18, "record-too-large", 413],
    [29, "kafka-forbidden", 403],
    [32, "invalid-record", 400],
    [43, "invalid-record", 400],
    [87, "invalid-record", 400],
    [-1, "kafka-failure", 502],
    [9_999, "kafka-failure", 502],
  ];
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  for (const [error, code, status] of wanted) {
    ground.refuse(error);
    assertEquals(await refused(ground.producer.send("t", { value: "x" })), [code, status], `error ${error}`);
    await ground.producer.send("t", { value: String(error) });
  }
  assertEquals(await ground.values(), wanted.map(([error]) => String(error)));
});

Deno.test("a producer id that the broker lost: a new one is taken, and nothing is lost or doubled", async () => {
  for (const error of [45, 47, 59]) {
    await using ground = await Ground.open();
    await ground.broker.createTopic("t");
    await ground.producer.sendAll("t", numbers(3).map((value) => ({ value })));
    ground.refuse(error);
    await ground.producer.sendAll("t", numbers(3, 3).map((value) => ({ value })));
    assertEquals(ground.proxy.count(initProducerIdApi), 2, `error ${error}`);
    assertEquals(await ground.values(), numbers(6));
  }
});

Deno.test("a producer id that is lost while a batch is in doubt: outcome-unknown, never a second copy", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  ground.spoil("cut");
  ground.proxy.onRequest = (frame) =>
    frame.api === produceApi && ground.proxy.count(produceApi) === 2
      ? produceAnswer(frame, "t", 0, 45)
      : "pass";
  assertEquals(await refused(ground.producer.send("t", { value: "in doubt" })), ["outcome-unknown", 503]);
  await ground.producer.send("t", { value: "after" });
  assertEquals(await ground.values(), ["in doubt", "after"]);
});

Deno.test("records of an old time whose answer is lost: outcome-unknown, never a second copy", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  ground.spoil("cut", 2);
  const timestamp = Date.now() - 24 * 3_600_000;
  assertEquals(await refused(ground.producer.send("t", { value: "old", timestamp })), [
    "outcome-unknown",
    503,
  ]);
  assertEquals(ground.proxy.count(produceApi), 1);
  // One record that is young is enough for Kafka to know the producer by.
  await ground.producer.sendAll("t", [{ value: "old too", timestamp }, { value: "young" }]);
  assertEquals(ground.proxy.count(produceApi), 3);
  await ground.producer.send("t", { value: "old, and answered", timestamp });
  assertEquals(await ground.values(), ["old", "old too", "young", "old, and answered"]);
});

Deno.test("a leader that steps down after the append: in doubt, though what it says is that it leads no more", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  ground.proxy.onAnswer = ({ api, request }) => {
    if (api !== produceApi) return "pass";
    const answer = produceAnswer(request!, "t", 0, 6);
    new DataView(answer.buffer).setBigInt64(answer.length - 28, 0n); // where it is
    return answer;
  };
  const old = refused(ground.producer.send("t", { value: "old", timestamp: 1 }));
  assertEquals(await old, ["outcome-unknown", 503]);
  const young = refused(ground.producer.send("t", { value: "young" }));
  await eventually("a second attempt", () => ground.proxy.count(produceApi) > 2);
  await ground.producer.abandon();
  assertEquals(await young, ["outcome-unknown", 503]);
  assertEquals(await ground.values(), ["old", "young"]);
});

Deno.test("an answer that cannot be understood leaves its records in doubt", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  let left = 1;
  ground.proxy.onAnswer = ({ api, bytes }) => {
    if (api !== produceApi || left-- === 0) return "pass";
    const cut = bytes.slice(0, 20);
    new DataView(cut.buffer).setInt32(0, 16);
    return cut;
  };
  const [code] = await refused(ground.producer.send("t", { value: "0" }));
  assertEquals(code, "outcome-unknown");
  await ground.producer.send("t", { value: "1" });
  assertEquals(await ground.values(), ["0", "1"]);
});

Deno.test("Producer.send() refuses what is more than may wait, and takes more when that is gone", async () => {
  await using ground = await Ground.open({ timeoutMs: 600 });
  await ground.broker.createTopic("t");
  await ground.proxy.stop();
  const value = new Uint8Array(1_000_000);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 80 }, () => ground.producer.send("t", { value })),
  );
  const codes = outcomes.map((outcome) => outcome.status === "rejected" ? outcome.reason.code : "taken");
  const overloaded = codes.filter((code) => code === "overloaded").length;
  assertEquals(overloaded, 80 - 67, "64 MiB may wait");
  assertEquals(codes.slice(0, 67).filter((code) => code !== "kafka-unavailable"), []);
  ground.proxy.start();
  await eventually("a send that is taken", () => ground.producer.send("t", { value: "x" }).then(() => true));
});

Deno.test("Producer makes a topic that is missing, tells it once, and makes it again after it was deleted", async () => {
  const made: string[] = [];
  await using ground = await Ground.open({ onTopicCreated: (topic) => made.push(topic) });
  await Promise.all(numbers(10).map((value) => ground.producer.send("t", { value })));
  assertEquals(made, ["t"]);
  await ground.broker.deleteTopic("t");
  assertEquals(await ground.producer.send("t", { value: "anew" }), { partition: 0, offset: 0 });
  assertEquals([made, await ground.values()], [["t", "t"], ["anew"]]);
});

Deno.test("Producer.send() refuses names that are none before Kafka is asked", async () => {
  await using ground = await Ground.open();
  for (const topic of ["", ".", "a/b", "a b", "x".repeat(250)]) {
    assertEquals(await refused(ground.producer.send(topic, { value: "x" })), ["invalid-topic", 400]);
  }
  assertEquals(ground.proxy.requests.length, 0);
});

Deno.test("disposing a producer waits for what it took, and refuses what comes then", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  const sends = numbers(2_000).map((value) => ground.producer.send("t", { value: value.padEnd(1_000) }));
  await ground.producer[Symbol.asyncDispose]();
  await Promise.all(sends);
  assertEquals((await ground.log()).length, 2_000);
  assertEquals(await refused(ground.producer.send("t", { value: "late" })), ["draining", 503]);
});

Deno.test("Producer.abandon() tells who waits at once, by whether the record may be in the log", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  await ground.producer.send("t", { value: "before" });
  ground.spoil("drop", 10);
  const sent = refused(ground.producer.send("t", { value: "sent" }));
  await eventually("the record at the broker", async () => (await ground.values()).length === 2);
  const queued = refused(ground.producer.send("t", { value: "queued" }));
  await ground.producer.abandon();
  assertEquals(await sent, ["outcome-unknown", 503]);
  assertEquals(await queued, ["kafka-unavailable", 503]);
  assertEquals(await refused(ground.producer.send("t", { value: "late" })), ["draining", 503]);
  assertEquals(await ground.values(), ["before", "sent"]);
});

Deno.test("records to many topics are sent side by side", async () => {
  await using ground = await Ground.open();
  const topics = numbers(30).map((n) => `topic-${n}`);
  await Promise.all(topics.map((topic) => ground.producer.sendAll(topic, [{ value: "a" }, { value: "b" }])));
  for (const topic of topics) assertEquals((await ground.values(topic)).toSorted(), ["a", "b"]);
  await ground.producer.flush();
  assert(ground.proxy.connections <= 3, `${ground.proxy.connections} connections`);
});
