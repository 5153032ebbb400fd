/** Pages of the past while a node is dead, silent, or a partition has no leader. Left out: all that HTTP shows (tests/routes/records_test.ts). @module */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { KafkaError, requestTimeoutMs } from "../../kafka/connection.ts";
import { parseCursor, type StartAt } from "../../kafka/cursor.ts";
import { History } from "../../kafka/history.ts";
import { createProducer } from "../../kafka/producer.ts";
import { readRecords, type RecordPage } from "../../kafka/record_pages.ts";
import { TopicViews } from "../../kafka/topic_views.ts";
import { silentLogger } from "../../logger.ts";
import { placeOf } from "./hub_viewer.ts";
import { SplitCluster } from "./split_cluster.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** Two nodes; partition 0 of `t` is led by node 1, partition 1 by node 2. Each holds ten records. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  cluster!: SplitCluster;
  history!: History;
  views!: TopicViews;

  static async open(): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    const broker = parts.use(await TestBroker.open());
    await broker.createTopic("t", 2);
    await broker.createTopic("one", 1);
    ground.cluster = parts.use(new SplitCluster(broker.broker.port, 2));
    const kafka = parts.use(connect(ground.cluster.node(1).bootstrap));
    ground.history = parts.use(new History(kafka));
    ground.views = parts.use(new TopicViews(kafka));
    await using direct = connect(broker.bootstrap);
    await using producer = createProducer(direct, { log: silentLogger });
    const records = Array.from(
      { length: 20 },
      (_, n) => ({ value: `${n}`, partition: n % 2, timestamp: 1_000 + n }),
    );
    await producer.sendAll("t", records);
    return ground;
  }

  async page(cursor: string, limit = 100): Promise<RecordPage & { values: number[]; ms: number }> {
    const began = performance.now();
    const page = await readRecords(this.history, "t", { start: parseCursor(cursor) as StartAt, limit });
    const values = page.records.map((json) => JSON.parse(json).value);
    return { ...page, values, ms: performance.now() - began };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

/** What may happen to partition 1, and how it ends. */
const faults: Record<string, { begin(cluster: SplitCluster): unknown; end(cluster: SplitCluster): unknown }> =
  {
    "its node is down": {
      begin: (cluster) => cluster.node(2).stop(),
      end: (cluster) => cluster.node(2).start(),
    },
    "its node is silent": {
      begin: (cluster) => cluster.node(2).onRequest = () => "drop",
      end: (cluster) => {
        cluster.node(2).onRequest = () => "pass";
        cluster.node(2).cutAll();
      },
    },
    "it has no leader": {
      begin: (cluster) => cluster.leaderOf = (partition) => partition === 0 ? 1 : null,
      end: (cluster) => cluster.leaderOf = (partition) => partition + 1,
    },
  };
const even = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18], odd = even.map((n) => n + 1);

for (const [what, { begin, end }] of Object.entries(faults)) {
  Deno.test(`readRecords() gives what can be read, and an error instead of an end, when of a partition ${what}`, async () => {
    await using ground = await Ground.open();
    await begin(ground.cluster);
    const page = await ground.page("earliest");
    assertEquals([page.values, page.more], [even, true]);
    assertLess(page.ms, requestTimeoutMs - 2_000);
    const began = performance.now();
    await assertRejects(() => ground.page(page.cursor), KafkaError);
    assertLess(performance.now() - began, requestTimeoutMs - 2_000);
    await end(ground.cluster);
    ground.history.forget("t");
    const rest = await ground.page(page.cursor);
    assertEquals([rest.values, rest.more], [odd, false]);
  });

  Deno.test(`TopicViews has nulls for the partition of which ${what}, and only for it`, async () => {
    await using ground = await Ground.open();
    const { partitions: [, whole] } = await ground.views.topic("t");
    assertEquals([whole!.latest, whole!.records], [10, 10]);
    await begin(ground.cluster);
    await using kafka = connect(ground.cluster.node(1).bootstrap);
    await using views = new TopicViews(kafka);
    const began = performance.now();
    const view = await views.topic("t"), { topics } = await views.list();
    assertLess(performance.now() - began, requestTimeoutMs - 2_000);
    const [known, unknown] = view.partitions;
    assertEquals([known!.leader, known!.earliest, known!.latest, known!.records], [1, 0, 10, 10]);
    assert(known!.bytes! > 0);
    const leader = what === "it has no leader" ? null : 2;
    assertEquals(unknown, { partition: 1, leader, earliest: null, latest: null, records: null, bytes: null });
    assertEquals([view.records, view.bytes], [null, null]);
    assert(view.config !== null);
    assertEquals(placeOf(view.latest), [10, 0]);
    assertEquals(topics, [
      { name: "one", partitions: 1, records: 0, bytes: 0 },
      { name: "t", partitions: 2, records: null, bytes: null },
    ]);
    await end(ground.cluster);
  });
}

Deno.test("readRecords() serves many at once, and refuses what is more than may wait", async () => {
  await using ground = await Ground.open();
  const pages = await Promise.allSettled(Array.from({ length: 300 }, () => ground.page("earliest")));
  const refused = pages.flatMap((page) => page.status === "rejected" ? [page.reason] : []);
  assertEquals(refused.length, 300 - 256);
  for (const error of refused) assertEquals([error.code, error.status], ["overloaded", 503]);
  for (const page of pages) if (page.status === "fulfilled") assertEquals(page.value.values.length, 20);
  assertEquals((await ground.page("earliest")).values, [...even, ...odd].toSorted((a, b) => a - b));
});
