import { assertEquals } from "@std/assert";
import { unknownOffset } from "../../kafka/cursor.ts";
import { createProducer } from "../../kafka/producer.ts";
import { TopicReader } from "../../kafka/reader.ts";
import type { ReaderOptions } from "../../kafka/reader_events.ts";
import { silentLogger } from "../../logger.ts";
import { eventually, pause } from "../eventually.ts";
import { BrokerProxy, fetchApi } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** A reader that begins at given places, what it told, and a gate that its owner may hold shut. */
class Ground implements AsyncDisposable {
  readonly told: string[] = [];
  gate: PromiseWithResolvers<void> | null = null;
  readonly #parts = new AsyncDisposableStack();
  readonly #kafka;
  readonly #producer;

  private constructor(readonly broker: TestBroker) {
    this.#parts.use(broker);
    this.#kafka = this.#parts.use(connect(broker.bootstrap));
    this.#producer = this.#parts.use(createProducer(this.#kafka, { log: silentLogger }));
  }

  static async open(): Promise<Ground> {
    return new Ground(await TestBroker.open());
  }

  read(options: ReaderOptions): TopicReader {
    const { told } = this;
    const events = {
      started: (positions: readonly number[]) => void told.push(`started ${positions.join(" ")}`.trimEnd()),
      records: ({ partition, records }: { partition: number; records: readonly { offset: number }[] }) => {
        for (const { offset } of records) told.push(`${partition}/${offset}`);
        return this.gate?.promise;
      },
      skipped: (partition: number, from: number, to: number) =>
        void told.push(`skipped ${partition} ${from} ${to}`),
      restarted: () => void told.push("restarted"),
      status() {},
    };
    return this.#parts.use(new TopicReader(this.#kafka, "t", events, silentLogger, options));
  }

  async send(count: number, partition = 0): Promise<void> {
    const records = Array.from({ length: count }, (_, n) => ({ value: String(n).padEnd(100), partition }));
    for (const record of records) await this.#producer.sendAll("t", [record]);
  }

  async hears(line: string): Promise<void> {
    await eventually(line, () => this.told.includes(line), 30_000, () => this.told);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

Deno.test("TopicReader begins at the places that are given, at the beginning of partitions that are not named", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 3);
  for (const partition of [0, 1, 2]) await ground.send(3, partition);
  ground.read({ from: { 0: 2, 1: 3 } });
  for (const line of ["0/2", "2/0", "2/1", "2/2"]) await ground.hears(line);
  await ground.send(1, 1);
  await ground.hears("1/3");
  assertEquals(ground.told[0], "started 2 3 0");
  assertEquals(ground.told.length, 6, ground.told.join(", "));
});

Deno.test("TopicReader with a given place that retention removed tells the hole; behind the end the log is another one", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1, { "retention.bytes": "1000" });
  await ground.send(20);
  await ground.broker.broker.sweep();
  ground.read({ from: { 0: 1 } });
  await ground.hears("0/19");
  const first = Number(ground.told[1]!.split(" ").at(-1));
  assertEquals(ground.told.slice(0, 3), ["started 1", `skipped 0 1 ${first}`, `0/${first}`]);
  ground.told.length = 0;
  ground.read({ from: { 0: 100 } });
  await ground.hears("0/19");
  assertEquals(ground.told.slice(0, 3), ["started 100", "restarted", "started 0"]);
});

Deno.test("TopicReader with a given place takes a topic that is missing for another log", async () => {
  await using ground = await Ground.open();
  ground.read({ from: { 0: 5 } });
  await ground.hears("started");
  await ground.broker.createTopic("t", 1);
  await ground.hears("started 0");
  assertEquals(ground.told, ["restarted", "started", "started 0"]);
});

Deno.test("TopicReader asks for no more while its owner has not taken what it has, and is disposed when that is let go", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1);
  await ground.send(50);
  ground.gate = Promise.withResolvers();
  const reader = ground.read({ from: {}, partitionBytes: 1_000 });
  await ground.hears("0/0");
  const held = ground.told.length;
  await pause(50); // in which it would have read all of it
  assertEquals(ground.told.length, held);
  const { gate } = ground;
  ground.gate = null;
  gate.resolve();
  await ground.hears("0/49");
  ground.gate = Promise.withResolvers();
  await ground.send(1);
  await ground.hears("0/50");
  const disposed = reader[Symbol.asyncDispose]();
  ground.gate.resolve();
  await disposed;
});

Deno.test("TopicReader begins each request with another partition, so that none starves where answers are full", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("many", 5);
  await using proxy = new BrokerProxy({ hostname: "127.0.0.1", port: broker.broker.port });
  await using kafka = connect(proxy.bootstrap);
  const events = { started() {}, records() {}, skipped() {}, restarted() {}, status() {} };
  await using _reader = new TopicReader(kafka, "many", events, silentLogger, { from: {} });
  await eventually("six requests", () => proxy.count(fetchApi) >= 6);
  const topic = new TextEncoder().encode("\x00\x04many");
  const firsts = proxy.requests.filter(({ api }) => api === fetchApi).slice(0, 6).map(({ bytes }) => {
    const at = bytes.findIndex((_, i) => topic.every((byte, n) => bytes[i + n] === byte));
    return new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + topic.length + 4); // [topic [partition:INT32 …
  });
  assertEquals(firsts, [0, 1, 2, 3, 4, 0]);
});

Deno.test("TopicReader reads only the partitions that are named", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 3);
  for (const partition of [0, 1, 2]) await ground.send(2, partition);
  ground.read({ from: { 1: 1 }, only: new Set([1]) });
  await ground.hears("1/1");
  assertEquals(ground.told, [`started ${unknownOffset} 1 ${unknownOffset}`, "1/1"]);
});

Deno.test("TopicReader asks only the partitions that are named where they end", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 3);
  for (const partition of [0, 1, 2]) await ground.send(2, partition);
  ground.read({ only: new Set([2]) });
  await ground.hears(`started ${unknownOffset} ${unknownOffset} 2`);
  for (const partition of [0, 1, 2]) await ground.send(1, partition);
  await ground.hears("2/2");
  assertEquals(ground.told.slice(1), ["2/2"]);
});
