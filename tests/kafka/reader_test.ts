import { assert, assertEquals, assertLess } from "@std/assert";
import type { Kafka } from "../../kafka/client.ts";
import { requestTimeoutMs } from "../../kafka/connection.ts";
import { createProducer, type Producer } from "../../kafka/producer.ts";
import { TopicReader } from "../../kafka/reader.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { BrokerProxy, fetchApi, listOffsetsApi, metadataApi } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** A reader behind a proxy, and everything that it told, in order. */
class Ground implements AsyncDisposable {
  readonly told: string[] = [];
  broker!: TestBroker;
  proxy!: BrokerProxy;
  producer!: Producer;
  reader!: TopicReader;
  #kafka!: Kafka;
  readonly #parts = new AsyncDisposableStack();

  static async open(): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    ground.#kafka = parts.use(connect(ground.proxy.bootstrap));
    const direct = parts.use(connect(ground.broker.bootstrap));
    ground.producer = parts.use(createProducer(direct, { log: silentLogger }));
    return ground;
  }

  read(topic: string): void {
    const { told } = this;
    const decoder = new TextDecoder();
    this.reader = this.#parts.use(
      new TopicReader(this.#kafka, topic, {
        started: (positions) => told.push(`started ${positions.join(" ")}`.trimEnd()),
        records: ({ partition, records }) =>
          told.push(
            ...records.map(({ offset, value }) => `${partition}/${offset} ${value && decoder.decode(value)}`),
          ),
        skipped: (partition, from, to, reason) => told.push(`skipped ${partition} ${from} ${to} ${reason}`),
        restarted: () => told.push("restarted"),
        status: (up) => told.push(up ? "up" : "down"),
      }, silentLogger),
    );
  }

  async send(topic: string, values: readonly string[], partition = 0): Promise<void> {
    await this.producer.sendAll(topic, values.map((value) => ({ value, partition })));
  }

  /** Waits until it was told for the `nth` time. */
  async hears(line: string, nth = 1): Promise<void> {
    const count = () => this.told.filter((each) => each === line).length;
    await eventually(line, () => count() >= nth, 30_000, () => this.told.slice(-8));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

Deno.test("TopicReader begins at the end of every partition and tells what comes", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 2);
  await ground.send("t", ["old", "old"]);
  ground.read("t");
  await ground.hears("started 2 0");
  await ground.send("t", ["a"]);
  await ground.hears("0/2 a");
  await ground.send("t", ["b"], 1);
  await ground.hears("1/0 b");
  assertEquals(ground.told, ["up", "started 2 0", "0/2 a", "1/0 b"]);
});

Deno.test("TopicReader reads a topic that is made later from its beginning, at once when it is woken", async () => {
  await using ground = await Ground.open();
  ground.read("t");
  await ground.hears("started");
  await ground.broker.createTopic("t", 1);
  await ground.send("t", ["a"]);
  ground.reader.wake();
  await ground.hears("0/0 a");
  assertEquals(ground.told.slice(0, 2).toSorted(), ["started", "up"]);
  assertEquals(ground.told.slice(2), ["started 0", "0/0 a"]);
});

Deno.test("TopicReader goes on where it was after its connections were cut, again and again", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 3);
  ground.read("t");
  await ground.hears("started 0 0 0");
  let answers = 0;
  ground.proxy.onAnswer = ({ api }) => api === fetchApi && ++answers % 3 === 0 ? "cut" : "pass";
  for (let n = 0; n < 60; n++) await ground.send("t", [String(n)], n % 3);
  const records = () => ground.told.filter((line) => line.includes("/"));
  await eventually("60 records", () => records().length >= 60, 30_000, () => ground.told.slice(-5));
  for (const partition of [0, 1, 2]) {
    const wanted = Array.from({ length: 20 }, (_, n) => `${partition}/${n} ${n * 3 + partition}`);
    assertEquals(records().filter((line) => line.startsWith(`${partition}/`)), wanted);
  }
});

Deno.test("TopicReader tells when Kafka goes and when it is back, once each", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1);
  ground.read("t");
  await ground.hears("started 0");
  for (const [n, value] of ["a", "b"].entries()) {
    await ground.proxy.stop();
    await ground.hears("down", n + 1);
    await ground.send("t", [value]);
    ground.proxy.start();
    await eventually(value, () => ground.told.at(-1)?.endsWith(` ${value}`), 30_000, () => ground.told);
  }
  assertEquals(ground.told, ["up", "started 0", "down", "up", "0/0 a", "down", "up", "0/1 b"]);
});

Deno.test("TopicReader tells down when Kafka is not there at the start", async () => {
  await using ground = await Ground.open();
  await ground.proxy.stop();
  ground.read("t");
  await ground.hears("down");
  ground.proxy.start();
  await ground.hears("up");
  assertEquals(ground.told, ["down", "started", "up"]);
});

Deno.test("TopicReader tells what retention took before it was read", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1, { "retention.bytes": "1000" });
  ground.read("t");
  await ground.hears("started 0");
  await ground.proxy.stop();
  for (let n = 0; n < 20; n++) await ground.send("t", [String(n).padEnd(100)]);
  await ground.broker.broker.sweep();
  ground.proxy.start();
  await eventually("the newest", () => ground.told.at(-1)?.startsWith("0/19 "), 30_000, () => ground.told);
  const skipped = ground.told.find((line) => line.startsWith("skipped"))!;
  const first = Number(skipped.split(" ").at(-2));
  assertEquals(skipped, `skipped 0 0 ${first} retention`);
  assertEquals(ground.told.filter((line) => line.includes("/")).length, 20 - first);
});

Deno.test("TopicReader begins anew when the topic was deleted and made again, and when it is gone for long", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1);
  await ground.send("t", ["1", "2", "3"]);
  ground.read("t");
  await ground.hears("started 3");
  await ground.broker.deleteTopic("t");
  await ground.hears("started");
  await ground.broker.createTopic("t", 2);
  await ground.send("t", ["anew"], 1);
  await ground.hears("1/0 anew");
  assertEquals(ground.told, ["up", "started 3", "restarted", "started", "started 0 0", "1/0 anew"]);

  await ground.proxy.stop(); // does not see it go
  await ground.hears("down");
  await ground.broker.deleteTopic("t");
  await ground.broker.createTopic("t", 2);
  await ground.send("t", ["third"]);
  ground.proxy.start();
  // Partition 0 looks as if it had gone on; partition 1 ends before the reader's place, so all is read anew.
  await ground.hears("started 0 0", 2);
  await eventually("the record", () => ground.told.at(-1) === "0/0 third");
  assertEquals(ground.told.slice(-3), ["restarted", "started 0 0", "0/0 third"]);
});

Deno.test("TopicReader begins anew on another cluster, also when that has no such topic", async () => {
  await using other = await TestBroker.open();
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1);
  await ground.send("t", ["1"]);
  ground.read("t");
  await ground.hears("started 1");
  await ground.proxy.stop();
  await ground.hears("down");
  ground.proxy.target = { hostname: "127.0.0.1", port: other.broker.port };
  ground.proxy.start();
  await ground.hears("started");
  assertEquals(
    ground.told,
    ["up", "started 1", "down", "restarted", "started", "up"].toSpliced(3, 3, ...ground.told.slice(3)),
  );
  assertEquals(ground.told.slice(3).toSorted(), ["restarted", "started", "up"]);
});

Deno.test("TopicReader tells of a batch that cannot be read and goes on behind it", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1);
  ground.read("t");
  await ground.hears("started 0");
  // On its way out of the broker the first batch takes damage: its codec becomes one that nobody knows.
  ground.proxy.onAnswer = ({ api, bytes }) => {
    if (api !== fetchApi) return "pass";
    const broken = bytes.slice();
    const at = new TextDecoder("latin1").decode(broken).indexOf("damaged");
    if (at < 0) return "pass";
    const batch = at - 61 - 6; // length, attributes, two deltas, key, and the value's length are before the value
    broken[batch + 22] = 5;
    return broken;
  };
  await ground.send("t", ["damaged"]);
  await ground.send("t", ["whole"]);
  await ground.hears("0/1 whole");
  assertEquals(ground.told, ["up", "started 0", "skipped 0 0 1 unreadable", "0/1 whole"]);
});

Deno.test("TopicReader waits at the broker when there is nothing: few requests in a quiet second", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 4);
  ground.read("t");
  await ground.hears("started 0 0 0 0");
  const fetches = ground.proxy.count(fetchApi), began = performance.now();
  await eventually("three more fetches", () => ground.proxy.count(fetchApi) >= fetches + 3);
  assert(performance.now() - began > 800, "each waits half a second");
  assertEquals([ground.proxy.count(metadataApi), ground.proxy.count(listOffsetsApi)], [1, 1]);
});

Deno.test("TopicReader can be disposed whatever it does", async () => {
  for (const silent of [null, metadataApi, listOffsetsApi, fetchApi]) {
    await using ground = await Ground.open();
    await ground.broker.createTopic("t", 1);
    if (silent !== null) ground.proxy.onAnswer = ({ api }) => api === silent ? "drop" : "pass";
    ground.read("t");
    if (silent !== null) await eventually("its request", () => ground.proxy.count(silent) > 0);
    const began = performance.now();
    await ground.reader[Symbol.asyncDispose]();
    assertLess(performance.now() - began, requestTimeoutMs / 2, `silent: ${silent}`);
    const told = ground.told.length;
    await ground.send("t", ["late"]);
    assertEquals(ground.told.length, told, "nothing is told any more");
  }
});
