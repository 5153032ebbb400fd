/** A thousand viewers who come back together, as after a restart: what Kafka is asked follows the pages there are, not the viewers. @module */
import { assert, assertEquals } from "@std/assert";
import type { Kafka } from "../../kafka/client.ts";
import { earliestOffset, KafkaError, latestOffset } from "../../kafka/connection.ts";
import { clusterHash, formatCursor, parseCursor } from "../../kafka/cursor.ts";
import { History } from "../../kafka/history.ts";
import { Hub } from "../../kafka/hub.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { eventually } from "../eventually.ts";
import { Random } from "../random.ts";
import {
  BrokerProxy,
  fetchApi,
  fetchWaitMs,
  type Frame,
  listOffsetsApi,
  metadataApi,
} from "./broker_proxy.ts";
import { HubViewer } from "./hub_viewer.ts";
import { connect, TestBroker } from "./test_broker.ts";

const records = 4_000, bytes = 100;

/** A broker with a topic of 4,000 records, about seven pages, and a proxy that counts. */
class Ground implements AsyncDisposable {
  broker!: TestBroker;
  proxy!: BrokerProxy;
  kafka!: Kafka;
  /** Most requests of each API that were on their way at once; of fetches only those that do not wait at the broker. */
  readonly #most = new Map<number, number>();
  readonly #now = new Map<number, number>();
  readonly #parts = new AsyncDisposableStack();

  static async open(): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    await ground.broker.createTopic("t");
    await using direct = connect(ground.broker.bootstrap);
    await using producer = createProducer(direct, { log: silentLogger });
    for (let n = 0; n < records; n += 50) {
      const batch = Array.from({ length: 50 }, (_, i) => ({
        value: String(n + i).padEnd(bytes),
        timestamp: 1_000 + n + i,
      }));
      await producer.sendAll("t", batch);
    }
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    const step = (api: number, by: number) => {
      const now = (ground.#now.get(api) ?? 0) + by;
      ground.#now.set(api, now);
      ground.#most.set(api, Math.max(now, ground.#most.get(api) ?? 0));
    };
    const isCounted = (request: Frame) => request.api !== fetchApi || fetchWaitMs(request) === 0;
    ground.proxy.onRequest = (frame) => {
      if (isCounted(frame)) step(frame.api, 1);
      return "pass";
    };
    ground.proxy.onAnswer = ({ request }) => {
      if (isCounted(request!)) step(request!.api, -1);
      return "pass";
    };
    ground.kafka = parts.use(connect(ground.proxy.bootstrap));
    return ground;
  }

  /** Most of them at once; without those that were given up, which a busy machine answers too late. */
  atOnce(api: number): number {
    return this.#most.get(api)! - this.#now.get(api)!;
  }

  get counts() {
    const { proxy } = this;
    return {
      fetches: proxy.count(fetchApi),
      offsets: proxy.count(listOffsetsApi),
      metadata: proxy.count(metadataApi),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

Deno.test("History: a thousand readers at twenty near places and a thousand at one cost a few fetches", async () => {
  await using ground = await Ground.open();
  await using history = new History(ground.kafka);
  const read = async (from: number) => {
    let count = 0;
    for (let at = from; at < records;) {
      const page = await history.read("t", 0, at);
      count += page.records.filter(({ offset }) => offset >= at).length;
      at = page.next;
    }
    assertEquals(count, records - from);
  };
  await Promise.all(Array.from({ length: 2_000 }, (_, n) => read(n % 2 === 0 ? 700 : 100 + n % 40 * 7)));
  const { fetches, metadata } = ground.counts;
  assert(fetches <= 40 && metadata <= 2, JSON.stringify(ground.counts));
  assert(ground.atOnce(fetchApi) <= 4, `${ground.atOnce(fetchApi)} fetches at once`);
});

Deno.test("History: two thousand readers, each with a place of its own, cost little more than one", async () => {
  await using ground = await Ground.open();
  await using history = new History(ground.kafka);
  const chance = new Random("places of readers");
  const read = async (from: number) => {
    for (let at = from; at < records;) {
      const page = await history.read("t", 0, at, { impatient: true }).catch((error) => {
        if (!(error instanceof KafkaError)) throw error; // it has waited for a second on a busy machine, and asks again
      });
      if (!page) continue;
      const found = page.records.filter(({ offset }) => offset >= at).map(({ offset }) => offset);
      assertEquals(found, Array.from({ length: page.next - at }, (_, n) => at + n));
      at = page.next;
    }
  };
  await read(0);
  const alone = ground.counts.fetches;
  history.forget("t");
  await Promise.all(Array.from({ length: 2_000 }, () => read(chance.between(0, records - 1))));
  const together = ground.counts.fetches - alone;
  console.log(`fetches for one: ${alone}, for 2,000: ${together}`);
  assert(together <= 5 * alone, `${together} fetches, one alone makes ${alone}`);
});

Deno.test("History.positions(): a thousand who ask the same cost a few requests, and nobody is told an old end", async () => {
  await using ground = await Ground.open();
  await using history = new History(ground.kafka);
  await using direct = connect(ground.broker.bootstrap);
  await using producer = createProducer(direct, { log: silentLogger });
  const ask = (at: number) => Promise.all(Array.from({ length: 1_000 }, () => history.positions("t", at)));
  await ask(earliestOffset);
  await ask(latestOffset);
  await ask(2_000);
  assert(ground.counts.offsets <= 1 + 2 + 4 && ground.counts.metadata <= 2, JSON.stringify(ground.counts));
  const found = await Promise.all(Array.from({ length: 1_000 }, (_, n) => history.positions("t", 1_000 + n)));
  assertEquals(found.flat(), Array.from({ length: 1_000 }, (_, n) => n), "other times are other questions");
  assert(ground.atOnce(listOffsetsApi) <= 4, `${ground.atOnce(listOffsetsApi)} at once`);
  const asks: Promise<void>[] = [];
  for (let n = 0; n < 50; n++) {
    await producer.send("t", { value: "x" });
    for (let i = 0; i < 10; i++) {
      asks.push(
        history.positions("t", latestOffset).then(([end]) => assert(end! > records + n, `${end} at ${n}`)),
      );
    }
  }
  await Promise.all(asks);
});

Deno.test("Hub: two thousand viewers who resume at once after a restart cost tens of requests, a few at a time", async () => {
  await using ground = await Ground.open();
  await using hub = new Hub({ kafka: ground.kafka, metrics: createMetrics("test"), log: silentLogger });
  const cluster = clusterHash(await ground.kafka.clusterId());
  const places = Array.from({ length: 2_000 }, (_, n) => n % 2 === 0 ? 3_500 : 3_000 + n % 40 * 7);
  const began = performance.now();
  const viewers = places.map((at) =>
    new HubViewer(hub, "t", { start: parseCursor(formatCursor(cluster, [at])) })
  );
  for (const [n, viewer] of viewers.entries()) await viewer.records(records - places[n]!);
  for (const [n, viewer] of viewers.entries()) {
    assertEquals(viewer.all("ready")[0].resume, "exact");
    viewer.checkWhole([records], [places[n]!]);
    viewer.viewer.close();
  }
  const { fetches, offsets, metadata } = ground.counts;
  // Besides, the reader asks every half second, and who leads every tenth once an answer has taken more than one.
  const tookMs = performance.now() - began, most = [60 + tookMs / 500, 20, 6 + tookMs / 100] as const;
  const isFew = fetches <= most[0] && offsets <= most[1] && metadata <= most[2];
  assert(isFew, `${JSON.stringify(ground.counts)}, ${most} at most`);
  assert(ground.atOnce(fetchApi) <= 4, `${ground.atOnce(fetchApi)} fetches of the past at once`);
  console.log(`requests for 2,000 viewers: ${JSON.stringify(ground.counts)}`);
});

Deno.test("Hub: viewers who take no more ask for nothing, and go on where they were", async () => {
  await using ground = await Ground.open();
  await using hub = new Hub({ kafka: ground.kafka, metrics: createMetrics("test"), log: silentLogger });
  const cluster = clusterHash(await ground.kafka.clusterId());
  const viewers = Array.from({ length: 300 }, (_, n) => {
    const start = parseCursor(formatCursor(cluster, [n * 10]));
    return new HubViewer(hub, "t", { start, room: 2 }); // `ready` and one write of records
  });
  for (const viewer of viewers) await viewer.records(1);
  const past = () =>
    ground.proxy.requests.filter((each) => each.api === fetchApi && fetchWaitMs(each) === 0).length;
  const waits = () => ground.proxy.count(fetchApi) - past();
  const before = past(), rounds = waits();
  await eventually("two rounds of the reader", () => waits() >= rounds + 2);
  assertEquals(past(), before);
  for (const viewer of viewers) viewer.give(Infinity);
  for (const [n, viewer] of viewers.entries()) {
    await viewer.records(records - n * 10);
    viewer.checkWhole([records], [n * 10]);
    viewer.viewer.close();
  }
  assert(past() <= before + 40, `${past() - before} more pages`);
});

Deno.test("Kafka.metadata(): a thousand who ask for a topic at once cost two requests", async () => {
  await using ground = await Ground.open();
  await Promise.all(Array.from({ length: 1_000 }, () => ground.kafka.metadata(["t"])));
  assertEquals(ground.counts.metadata, 2);
  assertEquals((await ground.kafka.metadata(["u"])).topics[0]?.error, "UNKNOWN_TOPIC_OR_PARTITION");
  await ground.broker.createTopic("u");
  assertEquals((await ground.kafka.metadata(["u"])).topics[0]?.error, null);
});
