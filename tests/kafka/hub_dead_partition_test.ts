/** A partition whose node is dead, silent or has lost the lead stops only itself: what viewers of a hub have of the others, and of
 * it when it is back. @module */
import { assert, assertEquals, assertLess } from "@std/assert";
import { requestTimeoutMs } from "../../kafka/connection.ts";
import { parseCursor } from "../../kafka/cursor.ts";
import { Hub, type HubOptions } from "../../kafka/hub.ts";
import { createProducer, type Producer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { eventually, quickly } from "../eventually.ts";
import { fetchApi, listOffsetsApi } from "./broker_proxy.ts";
import { numbers } from "./hub_ground.ts";
import { HubViewer, type Line, placeOf } from "./hub_viewer.ts";
import { SplitCluster } from "./split_cluster.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** A hub on two nodes; partition 0 of `t` is led by node 1, partition 1 by node 2. */
class Ground implements AsyncDisposable {
  broker!: TestBroker;
  cluster!: SplitCluster;
  hub!: Hub;
  #producer!: Producer;
  readonly #parts = new AsyncDisposableStack();

  static async open(options: Partial<HubOptions> = {}): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    await ground.broker.createTopic("t", 2);
    ground.cluster = parts.use(new SplitCluster(ground.broker.broker.port, 2));
    const kafka = parts.use(connect(ground.cluster.node(1).bootstrap));
    const metrics = createMetrics("test");
    ground.hub = parts.use(new Hub({ kafka, metrics, log: silentLogger, ...options }));
    const direct = parts.use(connect(ground.broker.bootstrap));
    ground.#producer = parts.use(createProducer(direct, { log: silentLogger }));
    return ground;
  }

  async send(partition: number, ...values: string[]): Promise<void> {
    await this.#producer.sendAll("t", values.map((value) => ({ value, partition })));
  }

  /** Node 2 takes connections and requests, and says nothing to them. */
  silence(...apis: number[]): void {
    this.cluster.node(2).onRequest = ({ api }) => apis.length === 0 || apis.includes(api) ? "drop" : "pass";
  }

  wake(): void {
    this.cluster.leaderOf = (partition) => partition + 1;
    this.cluster.node(2).onRequest = () => "pass";
    this.cluster.node(2).cutAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

/** Texts of one partition, in order. */
function textsOf(viewer: HubViewer, wanted: number): string[] {
  return (viewer.all("record") as Line[]).filter(({ partition }) => partition === wanted).map(({ text }) =>
    text
  );
}

const kinds = ["without a leader", "silent"] as const;
for (const kind of kinds) {
  Deno.test(`viewers of a topic with a partition ${kind}: the other at once, it from where they asked when it is back`, async () => {
    await using ground = await Ground.open({ ringBytes: 20_000 });
    await ground.send(0, "0a", "0b");
    await ground.send(1, "1a", "1b", "1c");
    if (kind === "silent") ground.silence();
    else ground.cluster.leaderOf = (partition) => partition === 0 ? 1 : null;
    const began = performance.now();
    const latest = new HubViewer(ground.hub, "t");
    const { start } = await latest.event("ready");
    assertLess(performance.now() - began, requestTimeoutMs - 2_000);
    assertEquals(placeOf(start), [2, 0]);
    const cluster = start.split(".")[1];
    const earliest = new HubViewer(ground.hub, "t", { start: { kind: "earliest" } });
    const time = new HubViewer(ground.hub, "t", { start: { kind: "time", ms: 1 } });
    const resumed = new HubViewer(ground.hub, "t", { start: parseCursor(`v1.${cluster}.0:0,1:1`) });
    const bounded = new HubViewer(ground.hub, "t", {
      start: { kind: "earliest" },
      until: { kind: "latest" },
    });
    for (
      const [viewer, texts] of [[earliest, ["0a", "0b"]], [time, ["0a", "0b"]], [resumed, ["0b"]], [bounded, [
        "0a",
        "0b",
      ]]] as const
    ) {
      await viewer.records(texts.length);
      assertEquals(viewer.texts, [...texts]);
    }
    assertEquals((await resumed.event("ready")).resume, "exact");
    await ground.send(0, "0c");
    const open = [latest, earliest, time, resumed];
    for (const viewer of open) await eventually("0c", () => viewer.texts.at(-1) === "0c");
    for (const viewer of open) viewer.checkIds();
    assertEquals([bounded.texts, bounded.ended], [["0a", "0b"], false]);

    await ground.send(1, "1d");
    ground.wake();
    await eventually("the partition to be back", () => textsOf(resumed, 1).length === 2);
    await bounded.event("end");
    await ground.send(1, "1e");
    for (const viewer of open) {
      await eventually("1e", () => viewer.texts.at(-1) === "1e", 30_000, () => viewer.texts);
    }
    assertEquals(textsOf(latest, 1), ["1d", "1e"], "what came after it had begun");
    assertEquals(textsOf(resumed, 1), ["1c", "1d", "1e"]);
    for (const viewer of [earliest, time]) assertEquals(textsOf(viewer, 1), ["1a", "1b", "1c", "1d", "1e"]);
    assertEquals(textsOf(bounded, 1).slice(0, 3), ["1a", "1b", "1c"]);
    for (const viewer of open) {
      assertEquals(placeOf(viewer.lastId), [3, 5]);
      assertEquals(viewer.all("gap"), []);
      viewer.checkIds();
      await eventually("it to be live", () => viewer.viewer.phase === "live");
    }
  });
}

Deno.test("a partition that goes silent under viewers that catch up: the others are read on without waiting for it", async () => {
  await using ground = await Ground.open({ ringBytes: 9_000 });
  const big = (n: number, count: number) => numbers(count).map((text) => `${n} ${text}`.padEnd(2_000));
  await ground.send(0, ...big(0, 1_000));
  await ground.send(1, ...big(1, 200));
  const first = new HubViewer(ground.hub, "t");
  await first.event("ready");
  ground.silence(fetchApi);
  const viewers: HubViewer[] = [];
  // Some 30 pages, each of which would have waited for the other partition.
  await quickly("what the partition that lives has", 8_000, async () => {
    for (const viewer of viewers.splice(0)) viewer.viewer.close();
    const start = { kind: "earliest" } as const;
    viewers.push(...[1, 2, 3].map(() => new HubViewer(ground.hub, "t", { start })));
    for (const viewer of viewers) {
      const seen = () => viewer.texts.length;
      await eventually("all of it", () => textsOf(viewer, 0).length === 1_000, 60_000, seen);
    }
  });
  assert(viewers.every((viewer) => textsOf(viewer, 1).length === 0));
  const perKey = new HubViewer(ground.hub, "t", { policy: "latest-per-key" });
  await perKey.event("ready");
  const newest = new HubViewer(ground.hub, "t", { policy: "latest", start: { kind: "earliest" } });
  await eventually("the newest of the partition that lives", () => textsOf(newest, 0).length === 1);
  await ground.send(0, "while it is silent");
  for (const viewer of [...viewers, perKey, newest]) {
    await eventually("what comes meanwhile", () => textsOf(viewer, 0).at(-1) === "while it is silent");
  }
  ground.wake();
  for (const viewer of viewers) {
    await viewer.records(1_201);
    viewer.checkWhole([1_001, 200]);
  }
  await newest.records(3);
  assertEquals(newest.texts.map((text) => text.trim()), ["0 999", "while it is silent", "1 199"]);
  assertEquals(newest.all("gap").map(({ partition, to }) => [partition, to]), [[0, 999], [1, 199]]);
  await eventually("the newest without a key", () => textsOf(perKey, 1).length === 1);
  assertEquals(textsOf(perKey, 1)[0]!.trim(), "1 199");
});

Deno.test("a viewer of the newest whose start in a partition is not known yet is not brought past it", async () => {
  await using ground = await Ground.open({ ringBytes: 9_000 });
  await ground.send(0, ...numbers(100).map((n) => `0 ${n}`));
  await ground.send(1, ...numbers(100).map((n) => `1 ${n}`));
  const first = new HubViewer(ground.hub, "t");
  await first.event("ready");
  ground.silence(listOffsetsApi);
  const newest = new HubViewer(ground.hub, "t", { policy: "latest", start: { kind: "earliest" } });
  await eventually("the newest of the partition that answers", () => newest.texts.length === 1);
  await ground.send(0, "while it is silent");
  await eventually("what comes meanwhile", () => newest.texts.at(-1) === "while it is silent");
  ground.wake();
  await newest.records(3);
  assertEquals(newest.texts, ["0 99", "while it is silent", "1 99"]);
  assertEquals(newest.all("gap").map(({ partition, to }) => [partition, to]), [[0, 99], [1, 99]]);
  newest.checkIds();
});
