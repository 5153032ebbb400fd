import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import type { Kafka } from "../../kafka/client.ts";
import { earliestOffset, KafkaError, latestOffset, requestTimeoutMs } from "../../kafka/connection.ts";
import { History, OutsideLog, type Page } from "../../kafka/history.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { BrokerProxy, fetchApi, metadataApi, type Verdict } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

/** A broker, the past of its topics, and a proxy between them. */
class Ground implements AsyncDisposable {
  broker!: TestBroker;
  proxy!: BrokerProxy;
  history!: History;
  #direct!: Kafka;
  readonly #parts = new AsyncDisposableStack();

  static async open(): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    ground.history = parts.use(new History(parts.use(connect(ground.proxy.bootstrap))));
    ground.#direct = parts.use(connect(ground.broker.bootstrap));
    return ground;
  }

  /** Sends values of `bytes` bytes, one batch each. */
  async send(topic: string, count: number, { partition = 0, bytes = 10, from = 0 } = {}): Promise<void> {
    await using producer = createProducer(this.#direct, { log: silentLogger });
    for (let n = from; n < from + count; n++) {
      await producer.send(topic, { partition, value: String(n).padEnd(bytes), timestamp: 1_000 * (n + 1) });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

function offsets(page: Page): number[] {
  return page.records.map(({ offset }) => offset);
}

Deno.test("History.read() gives the page of an offset, and an empty one at the end", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  await ground.send("t", 5);
  const page = await ground.history.read("t", 0, 0);
  assertEquals([page.from, page.next, page.end, offsets(page)], [0, 5, 5, [0, 1, 2, 3, 4]]);
  const empty = await ground.history.read("t", 0, 5);
  assertEquals([empty.from, empty.next, empty.end, offsets(empty)], [5, 5, 5, []]);
});

Deno.test("History.read() shares pages: near places, at once or later, cost one fetch", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  await ground.send("t", 20);
  const together = await Promise.all(Array.from({ length: 50 }, () => ground.history.read("t", 0, 0)));
  assertEquals(ground.proxy.count(fetchApi), 1);
  for (const page of together) assertEquals(page, together[0]!);
  for (let offset = 0; offset < 20; offset++) await ground.history.read("t", 0, offset);
  assertEquals(ground.proxy.count(fetchApi), 1);
  await ground.history.read("t", 0, 20); // the end: may have grown, so it is asked each time
  await ground.history.read("t", 0, 20);
  assertEquals(ground.proxy.count(fetchApi), 3);
});

Deno.test("History.read() opens one connection and runs four fetches at most", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 12);
  let now = 0, most = 0;
  ground.proxy.onRequest = ({ api }) => {
    if (api === fetchApi) most = Math.max(most, ++now);
    return "pass";
  };
  ground.proxy.onAnswer = ({ api }) => {
    if (api === fetchApi) now--;
    return "pass";
  };
  const pages = await Promise.all(
    Array.from({ length: 12 }, (_, partition) => ground.history.read("t", partition, 0)),
  );
  assertEquals(pages.map(offsets), pages.map(() => []));
  assert(most <= 4, `${most} at once`);
  assertEquals(ground.proxy.connections, 2, "one for metadata, one for fetches");
});

Deno.test("History.read() holds little more than one page's bytes, and a larger batch whole", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  await ground.send("t", 12, { bytes: 20_000 });
  const seen: number[] = [];
  for (let at = 0; at < 12;) {
    const page = await ground.history.read("t", 0, at);
    assertLess(page.records.length, 6);
    seen.push(...offsets(page));
    at = page.next;
  }
  assertEquals(seen, Array.from({ length: 12 }, (_, n) => n));
  await ground.send("t", 1, { bytes: 500_000, from: 12 });
  assertEquals(offsets(await ground.history.read("t", 0, 12)), [12]);
});

Deno.test("History keeps a bounded number of bytes", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  await ground.send("t", 30, { bytes: 800_000 });
  const read = async () => {
    for (let offset = 0; offset < 30; offset++) await ground.history.read("t", 0, offset);
  };
  await read();
  const cold = ground.proxy.count(fetchApi);
  assertEquals(cold, 30);
  await read(); // 24 MB do not fit into 16: the oldest are gone when their turn comes
  assert(ground.proxy.count(fetchApi) > cold + 10);
  const warm = ground.proxy.count(fetchApi);
  await ground.history.read("t", 0, 29);
  assertEquals(ground.proxy.count(fetchApi), warm);
});

Deno.test("History.read() says OutsideLog for what retention removed and for what is not there yet", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 1, { "retention.bytes": "1000" });
  await ground.send("t", 20, { bytes: 100 });
  await ground.broker.broker.sweep();
  const removed = await assertRejects(() => ground.history.read("t", 0, 0), OutsideLog);
  assertEquals(removed.end, 20);
  assert(removed.first > 5 && removed.first < 20, `${removed.first}`);
  assertEquals(offsets(await ground.history.read("t", 0, removed.first))[0], removed.first);
  const beyond = await assertRejects(() => ground.history.read("t", 0, 21), OutsideLog);
  assertEquals([beyond.first, beyond.end], [removed.first, 20]);
});

Deno.test("History.positions() finds ends, beginnings and times in every partition", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t", 3);
  await ground.send("t", 10);
  await ground.send("t", 3, { partition: 2 });
  assertEquals(await ground.history.positions("t", latestOffset), [10, 0, 3]);
  assertEquals(await ground.history.positions("t", earliestOffset), [0, 0, 0]);
  assertEquals(await ground.history.positions("t", 2_001), [2, 0, 2]);
  assertEquals(
    await ground.history.positions("t", 3_001),
    [3, 0, 3],
    "the end where no record is that young",
  );
});

Deno.test("History names what is missing by Kafka's error, and finds it once it is there", async () => {
  await using ground = await Ground.open();
  for (
    const ask of [() => ground.history.positions("t", latestOffset), () => ground.history.read("t", 0, 0)]
  ) {
    assertEquals((await assertRejects(ask, KafkaError)).code, "UNKNOWN_TOPIC_OR_PARTITION");
  }
  await ground.broker.createTopic("t", 1);
  assertEquals(await ground.history.positions("t", latestOffset), [0]);
  assertEquals(
    (await assertRejects(() => ground.history.read("t", 7, 0), KafkaError)).code,
    "LEADER_NOT_AVAILABLE",
  );
});

Deno.test("History goes on after a cut connection and an answer that never came", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  await ground.send("t", 3);
  ground.proxy.onAnswer = ({ api }) => api === fetchApi ? "cut" : "pass";
  const { code } = await assertRejects(() => ground.history.read("t", 0, 0), KafkaError);
  assertEquals(code, "UNREACHABLE");
  ground.proxy.onAnswer = () => "pass";
  assertEquals(offsets(await ground.history.read("t", 0, 0)), [0, 1, 2]);
});

Deno.test("History.forget() keeps nothing of a topic that was made anew, not even what is being read", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("t");
  await ground.send("t", 3);
  await ground.history.read("t", 0, 0);
  const asked = Promise.withResolvers<void>(), go = Promise.withResolvers<void>();
  ground.proxy.onAnswer = async ({ api }): Promise<Verdict> => {
    if (api !== fetchApi) return "pass";
    asked.resolve();
    await go.promise;
    return "pass";
  };
  await ground.broker.createTopic("other");
  await ground.send("other", 2);
  const reading = ground.history.read("other", 0, 0);
  await asked.promise;
  ground.history.forget("t");
  ground.history.forget("other");
  go.resolve();
  assertEquals(offsets(await reading), [0, 1], "who asked before has what was there");
  const before = ground.proxy.count(fetchApi);
  await ground.history.read("t", 0, 0);
  await ground.history.read("other", 0, 0);
  assertEquals(ground.proxy.count(fetchApi), before + 2);
});

Deno.test("History can be disposed while it reads", async () => {
  const ground = await Ground.open();
  await ground.broker.createTopic("t", 8);
  ground.proxy.onAnswer = ({ api }) => api === metadataApi ? "pass" : api === fetchApi ? "drop" : "pass";
  const reads = Array.from({ length: 8 }, (_, partition) => ground.history.read("t", partition, 0));
  const outcomes = Promise.allSettled(reads);
  await ground.history.positions("t", latestOffset);
  const began = performance.now();
  await ground[Symbol.asyncDispose]();
  assertEquals((await outcomes).map(({ status }) => status), reads.map(() => "rejected"));
  assertLess(performance.now() - began, requestTimeoutMs / 2);
});
