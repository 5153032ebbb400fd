import { assert, assertEquals, assertRejects } from "@std/assert";
import { KafkaError } from "../../kafka/connection.ts";
import { createProducer } from "../../kafka/producer.ts";
import { TopicViews } from "../../kafka/topic_views.ts";
import { silentLogger } from "../../logger.ts";
import { BrokerProxy, listOffsetsApi, metadataApi } from "./broker_proxy.ts";
import { placeOf } from "./hub_viewer.ts";
import { connect, TestBroker } from "./test_broker.ts";

const describeConfigsApi = 32, describeLogDirsApi = 35;

/** Views of a broker through a proxy, and what puts records into it. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  broker!: TestBroker;
  proxy!: BrokerProxy;
  views!: TopicViews;

  static async open(): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    ground.views = parts.use(new TopicViews(parts.use(connect(ground.proxy.bootstrap))));
    return ground;
  }

  /** Puts `count` records of 100 bytes into a partition. */
  async fill(topic: string, partition: number, count: number): Promise<void> {
    await using kafka = connect(this.broker.bootstrap);
    await using producer = createProducer(kafka, { log: silentLogger });
    const records = Array.from({ length: count }, () => ({ value: "x".repeat(100), partition }));
    await producer.sendAll(topic, records);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

Deno.test("TopicViews.list() has every topic with its number of partitions, records and bytes", async () => {
  await using ground = await Ground.open();
  const before = Date.now();
  assertEquals((await ground.views.list()).topics, []);
  await ground.broker.createTopic("b", 3);
  await ground.broker.createTopic("a", 1);
  await ground.broker.createTopic("__consumer_offsets", 2);
  await ground.fill("b", 0, 10);
  await ground.fill("b", 2, 5);
  await using kafka = connect(ground.broker.bootstrap);
  await using views = new TopicViews(kafka);
  const { topics, serverTime } = await views.list();
  assert(serverTime >= before && serverTime <= Date.now());
  const bytes = topics.find(({ name }) => name === "b")!.bytes!;
  assert(bytes > 1_500 && bytes < 15_000, `${bytes}`);
  assertEquals(topics, [
    { name: "__consumer_offsets", partitions: 2, records: 0, bytes: 0, internal: true },
    { name: "a", partitions: 1, records: 0, bytes: 0 },
    { name: "b", partitions: 3, records: 15, bytes },
  ]);
});

Deno.test("TopicViews.topic() has offsets, sizes, settings and ids to begin at", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 3, { "retention.ms": "3600000" });
  await ground.fill("t", 1, 20);
  const admin = ground.broker.broker.state.log.topics.byName("t")!.partitions[1]!;
  const view = await ground.views.topic("t");
  assertEquals(view.name, "t");
  assertEquals(view.partitions.map(({ bytes: _, ...rest }) => rest), [
    { partition: 0, leader: 1, earliest: 0, latest: 0, records: 0 },
    { partition: 1, leader: 1, earliest: 0, latest: 20, records: 20 },
    { partition: 2, leader: 1, earliest: 0, latest: 0, records: 0 },
  ]);
  assertEquals(view.partitions.map(({ bytes }) => bytes), [0, admin.bytes, 0]);
  assertEquals([view.records, view.bytes], [20, admin.bytes]);
  assertEquals([placeOf(view.earliest), placeOf(view.latest)], [[0, 0, 0], [0, 20, 0]]);
  assertEquals(view.config!["retention.ms"], { value: "3600000", isDefault: false });
  assertEquals(view.config!["cleanup.policy"], { value: "delete", isDefault: true });
  assertEquals(Object.keys(view.config!), Object.keys(view.config!).toSorted());
});

Deno.test("TopicViews.topic() says that a topic does not exist, and finds it when it does", async () => {
  await using ground = await Ground.open();
  const error = await assertRejects(() => ground.views.topic("t"), KafkaError);
  assertEquals(error.code, "UNKNOWN_TOPIC_OR_PARTITION");
  await ground.broker.createTopic("t");
  assertEquals((await ground.views.topic("t")).partitions.length, 1);
});

Deno.test("TopicViews asks once for all who ask within a second", async () => {
  await using ground = await Ground.open();
  for (let n = 0; n < 20; n++) await ground.broker.createTopic(`t${n}`, 2);
  const asked = () =>
    [metadataApi, listOffsetsApi, describeLogDirsApi, describeConfigsApi].map((api) =>
      ground.proxy.count(api)
    );
  const lists = await Promise.all(Array.from({ length: 50 }, () => ground.views.list()));
  lists.push(await ground.views.list());
  assertEquals(new Set(lists).size, 1, "one answer");
  assertEquals(asked(), [1, 2, 1, 0], "one request each for all topics, two for their offsets");
  const views = await Promise.all(Array.from({ length: 50 }, () => ground.views.topic("t7")));
  assertEquals(new Set(views).size, 1);
  assertEquals(asked(), [2, 4, 2, 1]);
});

Deno.test("TopicViews has nulls for what is not told within a second", async () => {
  for (const silent of [listOffsetsApi, describeLogDirsApi, describeConfigsApi]) {
    await using ground = await Ground.open();
    await ground.broker.createTopic("t", 1);
    await ground.fill("t", 0, 3);
    ground.proxy.onRequest = ({ api }) => api === silent ? "drop" : "pass";
    const began = performance.now();
    const { records, bytes, config, latest, partitions } = await ground.views.topic("t");
    const seconds = (performance.now() - began) / 1000;
    assert(seconds < 8, `${seconds} s, a request is given up after 10`);
    const isKnown = [records !== null, bytes !== null, config !== null, partitions[0]!.latest !== null];
    const knowsOffsets = silent !== listOffsetsApi;
    assertEquals(isKnown, [
      knowsOffsets,
      silent !== describeLogDirsApi,
      silent !== describeConfigsApi,
      knowsOffsets,
    ]);
    assertEquals(placeOf(latest), [knowsOffsets ? 3 : 0]);
  }
});

Deno.test("TopicViews fails within a second when Kafka says nothing, and answers again when it does", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1);
  ground.proxy.onRequest = () => "drop";
  const began = performance.now();
  await assertRejects(() => ground.views.list(), KafkaError);
  await assertRejects(() => ground.views.topic("t"), KafkaError);
  const seconds = (performance.now() - began) / 1000;
  assert(seconds < 8, `${seconds} s, a request is given up after 10`);
  ground.proxy.onRequest = () => "pass";
  assertEquals((await ground.views.list()).topics.length, 1);
});
