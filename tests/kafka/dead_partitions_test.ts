/** Nodes that are dead, silent or without partitions, seen by the reader of a topic and by its past. @module */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Kafka } from "../../kafka/client.ts";
import { KafkaError, latestOffset, requestTimeoutMs } from "../../kafka/connection.ts";
import { unknownOffset } from "../../kafka/cursor.ts";
import { History } from "../../kafka/history.ts";
import { LatestKeys } from "../../kafka/latest_keys.ts";
import { createProducer, type Producer } from "../../kafka/producer.ts";
import { TopicReader } from "../../kafka/reader.ts";
import { silentLogger } from "../../logger.ts";
import { eventually, pause, quickly } from "../eventually.ts";
import { fetchApi, listOffsetsApi, metadataApi, type Verdict } from "./broker_proxy.ts";
import { SplitCluster } from "./split_cluster.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** Two nodes; partition 0 of `t` is led by node 1, partition 1 by node 2. */
class Ground implements AsyncDisposable {
  readonly told: string[] = [];
  broker!: TestBroker;
  cluster!: SplitCluster;
  history!: History;
  kafka!: Kafka;
  #producer!: Producer;
  readonly #parts = new AsyncDisposableStack();

  static async open(): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    await ground.broker.createTopic("t", 2);
    ground.cluster = parts.use(new SplitCluster(ground.broker.broker.port, 2));
    ground.kafka = parts.use(connect(ground.cluster.node(1).bootstrap));
    ground.history = parts.use(new History(ground.kafka));
    const direct = parts.use(connect(ground.broker.bootstrap));
    ground.#producer = parts.use(createProducer(direct, { log: silentLogger }));
    return ground;
  }

  read(): TopicReader {
    const { told } = this, decoder = new TextDecoder();
    return this.#parts.use(
      new TopicReader(this.kafka, "t", {
        started: (positions) => told.push(`started ${positions.join(" ")}`),
        records: ({ partition, records }) =>
          told.push(...records.map(({ value }) => `${partition} ${decoder.decode(value!)}`)),
        skipped: (partition, from, to, reason) => told.push(`skipped ${partition} ${from} ${to} ${reason}`),
        restarted: () => told.push("restarted"),
        status: (up) => told.push(up ? "up" : "down"),
      }, silentLogger),
    );
  }

  async send(partition: number, ...values: string[]): Promise<void> {
    await this.#producer.sendAll("t", values.map((value) => ({ value, partition })));
  }

  async hears(line: string): Promise<void> {
    await eventually(line, () => this.told.includes(line), 30_000, () => this.told.slice(-8));
  }

  /** Node 2 takes connections and requests, and says nothing. */
  silence(...apis: number[]): void {
    const isMeant = (api: number) => apis.length === 0 || apis.includes(api);
    this.cluster.node(2).onRequest = ({ api }) => isMeant(api) ? "drop" : "pass";
  }

  /** It answers again; requests that it swallowed stay without an answer, so their connections go. */
  wake(): void {
    this.cluster.node(2).onRequest = () => "pass";
    this.cluster.node(2).cutAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

const kinds = ["without a leader", "refusing", "silent", "silent when asked for offsets"] as const;
for (const kind of kinds) {
  Deno.test(`TopicReader begins without a partition that is ${kind}, and has it from its end as it is then`, async () => {
    await using ground = await Ground.open();
    const { cluster } = ground;
    await ground.send(0, "old");
    await ground.send(1, "old");
    if (kind === "without a leader") cluster.leaderOf = (partition) => partition === 0 ? 1 : null;
    else if (kind === "refusing") await cluster.node(2).stop();
    else if (kind === "silent") ground.silence();
    else ground.silence(listOffsetsApi);
    const began = performance.now();
    ground.read();
    await ground.hears(`started 1 ${unknownOffset}`);
    assertLess(performance.now() - began, requestTimeoutMs - 2_000);
    await ground.send(0, "a");
    await ground.hears("0 a");
    await ground.send(1, "unseen");
    cluster.leaderOf = (partition) => partition + 1;
    if (kind === "refusing") cluster.node(2).start();
    else ground.wake();
    await eventually("its end", () => ground.told.some((line) => /^started \d+ 2$/.test(line)));
    await ground.send(1, "b");
    await ground.hears("1 b");
    await ground.send(0, "c");
    await ground.hears("0 c");
    assertEquals(ground.told.filter((line) => !line.startsWith("started")), ["up", "0 a", "1 b", "0 c"]);
  });
}

Deno.test("a leader that is chosen within the second: nobody notices that there was none", async () => {
  await using ground = await Ground.open();
  const { cluster, history } = ground;
  await ground.send(0, "a");
  await ground.send(1, "b", "c");
  const choose = (ms: number) => {
    cluster.leaderOf = (partition) => partition === 0 ? 1 : null;
    const timer = setTimeout(() => cluster.leaderOf = (partition) => partition + 1, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  };
  using _first = choose(300);
  ground.read();
  assertEquals(await history.positions("t", latestOffset), [1, 2]);
  await ground.hears("started 1 2");
  assertEquals(ground.told, ["up", "started 1 2"]);
});

for (const kind of ["refusing", "silent"] as const) {
  Deno.test(`TopicReader: a node that becomes ${kind} holds up its own partitions only, and goes on where it was`, async () => {
    await using ground = await Ground.open();
    const { cluster } = ground;
    ground.read();
    await ground.hears("started 0 0");
    await ground.send(1, "a");
    await ground.hears("1 a");
    let times = 0, slowestMs = Infinity;
    for (; slowestMs >= 500 && times < 5; times++) { // on a busy machine something is late now and then
      if (kind === "silent") ground.silence();
      else await cluster.node(2).stop();
      slowestMs = 0;
      for (let n = 0; n < 40; n++) {
        const sent = performance.now();
        await ground.send(0, `${times}n${n}`);
        await ground.hears(`0 ${times}n${n}`);
        slowestMs = Math.max(slowestMs, performance.now() - sent);
        await pause(50); // two seconds of it
      }
      await ground.send(1, `b${times}`);
      if (kind === "silent") ground.wake();
      else cluster.node(2).start();
      await ground.hears(`1 b${times}`);
    }
    assertLess(slowestMs, 500, "never held up");
    assert(!ground.told.includes("down"), "a part of Kafka is no reason to say that it is away");
    assertLess(cluster.count(metadataApi), 20 * times);
  });
}

Deno.test("TopicReader reads at the new leader when the old one fell silent", async () => {
  await using ground = await Ground.open();
  ground.read();
  await ground.hears("started 0 0");
  await ground.send(1, "a");
  await ground.hears("1 a");
  ground.silence();
  ground.cluster.leaderOf = () => 1;
  const began = performance.now();
  await ground.send(1, "b");
  await ground.hears("1 b");
  assertLess(
    performance.now() - began,
    requestTimeoutMs - 2_000,
    "not only after the silent request has failed",
  );
  await ground.send(1, "c");
  await ground.hears("1 c");
  assertEquals(ground.told.filter((line) => line.startsWith("1 ")), ["1 a", "1 b", "1 c"]);
});

Deno.test("TopicReader passes over the late answer of a node whose partition was read elsewhere since", async () => {
  await using ground = await Ground.open();
  ground.read();
  await ground.hears("started 0 0");
  const go = Promise.withResolvers<Verdict>();
  let held = 0;
  ground.cluster.node(2).onAnswer = ({ api, bytes }) => {
    if (api !== fetchApi || !new TextDecoder("latin1").decode(bytes).includes("late")) return "pass";
    held++;
    return go.promise;
  };
  await ground.send(1, "late");
  await eventually("its answer", () => held > 0);
  ground.cluster.leaderOf = () => 1;
  await ground.hears("1 late");
  await ground.send(1, "b");
  await ground.hears("1 b");
  const asked = ground.cluster.node(1).count(fetchApi);
  go.resolve("pass");
  await ground.send(1, "c");
  await ground.hears("1 c");
  await eventually("more rounds", () => ground.cluster.node(1).count(fetchApi) > asked + 3);
  assertEquals(ground.told.filter((line) => line.startsWith("1 ")), ["1 late", "1 b", "1 c"]);
});

Deno.test("TopicReader says down when every node is gone, and can be disposed while one is silent", async () => {
  await using ground = await Ground.open();
  const reader = ground.read();
  await ground.hears("started 0 0");
  ground.silence();
  await ground.cluster.node(1).stop();
  await ground.cluster.node(2).stop();
  await ground.hears("down");
  const began = performance.now();
  await reader[Symbol.asyncDispose]();
  assertLess(performance.now() - began, requestTimeoutMs / 2);
});

Deno.test("History.positions() leaves a dead partition unknown, and has the others within a second or so", async () => {
  await using ground = await Ground.open();
  const { cluster, history } = ground;
  await ground.send(0, "a", "b");
  await ground.send(1, "c");
  assertEquals(await history.positions("t", latestOffset), [2, 1]);
  ground.silence();
  for (const maxMs of [requestTimeoutMs - 2_000, 500]) { // the second one knows
    await quickly(
      "the positions",
      maxMs,
      async () => assertEquals(await history.positions("t", latestOffset), [2, unknownOffset]),
    );
  }
  ground.wake();
  await eventually("both", async () => (await history.positions("t", 1))[1] === 0);
  cluster.leaderOf = (partition) => partition === 0 ? 1 : null;
  cluster.nodes.forEach((node) => node.cutAll());
  await eventually(
    "no leader",
    async () => (await history.positions("t", latestOffset))[1] === unknownOffset,
  );
  assertEquals(await history.positions("t", latestOffset), [2, unknownOffset]);
  cluster.leaderOf = () => null;
  await eventually("none", async () => {
    await assertRejects(() => history.positions("t", latestOffset), KafkaError);
    return true;
  });
});

Deno.test("History.read(): a silent node takes nobody else's turns, and who is impatient learns of it at once", async () => {
  await using ground = await Ground.open();
  const { history } = ground;
  for (let n = 0; n < 20; n++) await ground.send(0, "x".repeat(70_000));
  await ground.send(1, "c");
  await history.read("t", 0, 0);
  ground.silence(fetchApi);
  const silent = Array.from({ length: 12 }, (_, n) => history.read("t", 1, n, { impatient: n % 2 === 0 }));
  const outcomes = Promise.allSettled(silent);
  const began = performance.now();
  for (let n = 0; n < 20; n++) await history.read("t", 0, n, { impatient: true });
  assertLess(performance.now() - began, requestTimeoutMs / 2, "others go on");
  await assertRejects(() => silent[0]!, KafkaError, "Node 2 has not answered");
  await quickly("another refusal", 200, async () => {
    await assertRejects(() => history.read("t", 1, 30, { impatient: true }), KafkaError, "Node 2");
  });
  ground.wake();
  await eventually("its page", () => history.read("t", 1, 0, { impatient: true }));
  await outcomes;
});

Deno.test("LatestKeys.ready() says after a second that a node is silent, and covers the partitions of others", async () => {
  await using ground = await Ground.open();
  const { history } = ground;
  await ground.send(0, "a", "b");
  await ground.send(1, "c");
  await history.positions("t", latestOffset);
  ground.silence(fetchApi);
  using index = new LatestKeys("t", history);
  for (const maxMs of [requestTimeoutMs - 2_000, 200]) {
    await quickly("the refusal", maxMs, async () => {
      await assertRejects(() => index.ready([0, 0], [2, 1]), KafkaError, "Node 2");
    });
    assertEquals([index.covers(0, 0), index.covers(1, 0)], [true, false]);
  }
  ground.wake();
  await eventually("all of it", async () => {
    await index.ready([0, 0], [2, 1]);
    return true;
  });
});

Deno.test("Kafka: a silent node at the head of the bootstrap list costs a second, one that falls silent later too", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 2);
  await using cluster = new SplitCluster(broker.broker.port, 4);
  await using kafka = connect(cluster.node(2).bootstrap, cluster.node(1).bootstrap);
  const answers = async () => {
    const began = performance.now();
    assertEquals((await kafka.metadata(["t"])).topics[0]?.partitions.length, 2);
    assertLess(performance.now() - began, requestTimeoutMs - 2_000);
  };
  cluster.node(2).onRequest = () => "drop";
  await answers();
  cluster.node(1).onRequest = () => "drop";
  await cluster.node(3).stop();
  await answers(); // of the other three one is silent, one refuses
});
