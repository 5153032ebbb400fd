/** Looking for one record while a node is dead, silent, or a partition has no leader. Left out: all that HTTP shows (tests/routes/video_test.ts). @module */
import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { KafkaError, requestTimeoutMs } from "../../kafka/connection.ts";
import { defineFeed } from "../../kafka/feed.ts";
import { History } from "../../kafka/history.ts";
import { createProducer } from "../../kafka/producer.ts";
import { findRecord, type Wanted, type Whence } from "../../kafka/record_finder.ts";
import { silentLogger } from "../../logger.ts";
import { SplitCluster } from "./split_cluster.ts";
import { connect, TestBroker } from "./test_broker.ts";

const decoder = new TextDecoder();
/** Shows numbers, no words. */
const numberFeed = defineFeed<{ n: number }>("number", ({ value }) => {
  const n = value ? Number(decoder.decode(value)) : NaN;
  return Number.isNaN(n) ? null : { n };
});

/** Two nodes; partition 0 of `t` is led by node 1 and has the even numbers, partition 1 by node 2 with the odd ones. The time of `n` is
 * 1,000 + n. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  cluster!: SplitCluster;
  history!: History;

  static async open(): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    const broker = parts.use(await TestBroker.open());
    await broker.createTopic("t", 2);
    ground.cluster = parts.use(new SplitCluster(broker.broker.port, 2));
    const kafka = parts.use(connect(ground.cluster.node(1).bootstrap));
    ground.history = parts.use(new History(kafka));
    await using direct = connect(broker.bootstrap);
    await using producer = createProducer(direct, { log: silentLogger });
    const numbers = Array.from(
      { length: 20 },
      (_, n) => ({ value: `${n}`, partition: n % 2, timestamp: 1_000 + n }),
    );
    await producer.sendAll("t", [...numbers, { value: "word", partition: 0, timestamp: 2_000 }]);
    return ground;
  }

  async find(whence: Whence, more: Partial<Wanted<{ n: number }>> = {}): Promise<number | null> {
    const { found } = await findRecord(this.history, "t", { whence, feed: numberFeed, ...more });
    return found && found.data.n;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

Deno.test("findRecord() finds the newest, the first, the first from a time on, and neighbours", async () => {
  await using ground = await Ground.open();
  assertEquals(await ground.find({ kind: "newest" }), 19);
  assertEquals(await ground.find({ kind: "earliest" }), 0);
  assertEquals(await ground.find({ kind: "time", ms: 1_007 }), 7);
  assertEquals(await ground.find({ kind: "time", ms: 1_500 }), null);
  assertEquals(await ground.find({ kind: "before", partition: 0, offset: 11 }), 18);
  assertEquals(await ground.find({ kind: "after", partition: 1, offset: 0 }), 3);
  assertEquals(await ground.find({ kind: "after", partition: 7, offset: 0 }), null);
});

Deno.test("findRecord() goes through as many offsets as it is told, and leaves out what is not picked", async () => {
  await using ground = await Ground.open();
  const isSmall = ({ n }: { n: number }) => n < 4;
  assertEquals(await ground.find({ kind: "newest" }, { pick: isSmall }), 3);
  assertEquals(await ground.find({ kind: "newest" }, { pick: isSmall, depth: 9 }), 3);
  assertEquals(await ground.find({ kind: "newest" }, { pick: isSmall, depth: 8 }), null);
  assertEquals(await ground.find({ kind: "earliest" }, { pick: ({ n }) => n > 5, depth: 3 }), null);
  assertEquals(await ground.find({ kind: "earliest" }, { pick: ({ n }) => n > 5, depth: 4 }), 6);
});

/** What may happen to partition 1. */
const faults: Record<string, (cluster: SplitCluster) => unknown> = {
  "its node is down": (cluster) => cluster.node(2).stop(),
  "its node is silent": (cluster) => cluster.node(2).onRequest = () => "drop",
  "it has no leader": (cluster) => cluster.leaderOf = (partition) => partition === 0 ? 1 : null,
};

for (const [what, begin] of Object.entries(faults)) {
  Deno.test(`findRecord() answers from the other partitions when of one ${what}`, async () => {
    await using ground = await Ground.open();
    await begin(ground.cluster);
    const began = performance.now();
    assertEquals(await ground.find({ kind: "newest" }), 18);
    assertEquals(await ground.find({ kind: "time", ms: 1_007 }), 8);
    assertEquals(await ground.find({ kind: "before", partition: 0, offset: 2 }), 2);
    assertEquals(await ground.find({ kind: "before", partition: 0, offset: 0 }), null);
    const isOdd = ({ n }: { n: number }) => n % 2 === 1;
    await assertRejects(() => ground.find({ kind: "newest" }, { pick: isOdd }), KafkaError);
    await assertRejects(() => ground.find({ kind: "after", partition: 1, offset: 0 }), KafkaError);
    assertLess(performance.now() - began, 2 * requestTimeoutMs, "not each of them waits for a silent node");
  });
}

Deno.test("findRecord() serves many at once, and refuses what is more than may wait", async () => {
  await using ground = await Ground.open();
  const finds = await Promise.allSettled(Array.from({ length: 300 }, () => ground.find({ kind: "newest" })));
  const refused = finds.flatMap((find) => find.status === "rejected" ? [find.reason] : []);
  assertEquals(refused.length, 300 - 256);
  for (const error of refused) assertEquals([error.code, error.status], ["overloaded", 503]);
  assertEquals(await ground.find({ kind: "newest" }), 19);
});

Deno.test("findRecord() counts by the number of the record, not by its time, within a partition", async () => {
  await using broker = await TestBroker.open();
  await using kafka = connect(broker.bootstrap);
  await using history = new History(kafka);
  await using producer = createProducer(kafka, { log: silentLogger });
  for (const [n, timestamp] of [[0, 5_000], [1, 9_000], [2, 1_000], [3, 7_000]] as const) {
    await producer.send("t", { key: null, value: `${n}`, timestamp });
  }
  const find = async (whence: Whence, pick = (_: { n: number }) => true) =>
    (await findRecord(history, "t", { whence, feed: numberFeed, pick })).found?.data.n;
  assertEquals(await find({ kind: "newest" }), 3);
  assertEquals(await find({ kind: "time", ms: 6_000 }), 1);
  assertEquals(await find({ kind: "time", ms: 6_000 }, ({ n }) => n > 1), 3);
});
