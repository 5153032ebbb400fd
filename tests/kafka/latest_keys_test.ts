import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Kafka } from "../../kafka/client.ts";
import { KafkaError } from "../../kafka/connection.ts";
import { unknownOffset } from "../../kafka/cursor.ts";
import { History, type Page } from "../../kafka/history.ts";
import { LatestKeys } from "../../kafka/latest_keys.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { Random } from "../random.ts";
import { BrokerProxy, fetchApi, type Verdict } from "./broker_proxy.ts";
import { connect, TestBroker } from "./test_broker.ts";

const encoder = new TextEncoder();

/** A broker with a topic, its past, and a proxy between them. */
class Ground implements AsyncDisposable {
  broker!: TestBroker;
  proxy!: BrokerProxy;
  history!: History;
  #direct!: Kafka;
  readonly #parts = new AsyncDisposableStack();

  static async open(partitions = 1, configs: Record<string, string> = {}): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    await ground.broker.createTopic("t", partitions, configs);
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: ground.broker.broker.port }));
    ground.history = parts.use(new History(parts.use(connect(ground.proxy.bootstrap))));
    ground.#direct = parts.use(connect(ground.broker.bootstrap));
    return ground;
  }

  async send(keys: readonly (string | null)[], { partition = 0, value = "v" } = {}): Promise<void> {
    await using producer = createProducer(this.#direct, { log: silentLogger });
    for (let at = 0; at < keys.length; at += 500) {
      const some = keys.slice(at, at + 500);
      await producer.sendAll("t", some.map((key) => ({ partition, value, ...(key !== null && { key }) })));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

function record(partition: number, offset: number, key: string | null) {
  return { partition, offset, key: key === null ? null : encoder.encode(key) };
}

/** Offsets of the keys of one partition that are the newest of their key. */
function newest(index: LatestKeys, keys: readonly (string | null)[], partition = 0): number[] {
  return keys.flatMap((key, offset) => index.isNewest(record(partition, offset, key)) ? [offset] : []);
}

Deno.test("LatestKeys.ready() looks at the log: of each key and partition the newest, null and long keys too", async () => {
  await using ground = await Ground.open(3);
  const long = "k".repeat(5_000), longer = `${long}k`;
  const keys = ["a", "b", null, "a", long, longer, null, long, "", "c", "ü", "c"];
  await ground.send(keys);
  await ground.send(["a", "z", "z"], { partition: 2 });
  using index = new LatestKeys("t", ground.history);
  await index.ready([0, 0, 0], [12, 0, 3]);
  assertEquals(newest(index, keys), [1, 3, 5, 6, 7, 8, 10, 11]);
  assertEquals(newest(index, ["a", "z", "z"], 2), [0, 2], "a key is meant within its partition");
  assertEquals(index.size, 10);
});

Deno.test("LatestKeys.ready() extends back: older records never take the place of newer ones", async () => {
  await using ground = await Ground.open();
  const keys = Array.from({ length: 300 }, (_, n) => `k${n % 7}`);
  await ground.send(keys);
  using index = new LatestKeys("t", ground.history);
  await index.ready([290], [300]);
  assert(index.covers(0, 290) && !index.covers(0, 289));
  for (const from of [280, 100, 0]) {
    await index.ready([from], [300]);
    assertEquals(newest(index, keys).filter((offset) => offset >= from), [293, 294, 295, 296, 297, 298, 299]);
  }
  const asked = ground.proxy.count(fetchApi);
  await index.ready([50], [300]);
  assertEquals(ground.proxy.count(fetchApi), asked, "what was looked at is not read again");
});

Deno.test("LatestKeys.append() keeps it current, also while it is made", async () => {
  await using ground = await Ground.open();
  await ground.send(["a", "b", "c"]);
  using index = new LatestKeys("t", ground.history);
  const go = Promise.withResolvers<void>();
  ground.proxy.onAnswer = async ({ api }): Promise<Verdict> => {
    if (api === fetchApi) await go.promise;
    return "pass";
  };
  const ready = index.ready([0], [3]);
  await eventually("its fetch", () => ground.proxy.count(fetchApi) > 0);
  index.append(record(0, 3, "a"));
  assert(index.isNewest(record(0, 4, "b")), "nothing newer is known of what the reader has not met");
  go.resolve();
  await ready;
  assertEquals(newest(index, ["a", "b", "c", "a"]), [1, 2, 3]);
  index.append(record(0, 4, "b"));
  assertEquals(newest(index, ["a", "b", "c", "a", "b"]), [2, 3, 4]);
  assert(index.isNewest(record(0, 0, "a"), 3), "nobody knows which is the newest before an end in the past");
  assert(!index.isNewest(record(0, 0, "a"), 4));
});

Deno.test("LatestKeys takes in a partition that was added, and leaves out one that is unknown", async () => {
  await using ground = await Ground.open();
  await ground.send(["a", "a"]);
  using index = new LatestKeys("t", ground.history);
  await index.ready([0, unknownOffset, 0], [2, unknownOffset]);
  index.append(record(1, 7, "x"));
  index.append(record(1, 8, "x"));
  await index.ready([0, 7], [2, 9]);
  assertEquals(newest(index, ["a", "a"]), [1]);
  assertEquals([7, 8].map((offset) => index.isNewest(record(1, offset, "x"))), [false, true]);
});

Deno.test("LatestKeys holds a bounded number of keys: those seen longest ago are forgotten, not mistaken", async () => {
  await using ground = await Ground.open(2);
  const keys = Array.from({ length: 6_000 }, (_, n) => `k${n}`);
  keys.splice(0, 1, "k5999"); // an old record of the newest key
  keys.splice(1, 1, "k2"); // a key whose newest record, at 2, is forgotten as well
  await ground.send(keys);
  await ground.send(["p", "q"], { partition: 1 });
  using index = new LatestKeys("t", ground.history, { maxKeys: 1_000 });
  for (const from of [5_000, 10, 0]) {
    await index.ready([from, 0], [6_000, 2]);
    assert(index.size <= 1_100, `${index.size} keys`);
    const found = newest(index, keys);
    assert(found.length >= 900 && found[0]! >= 4_900, `${found.length} from ${found[0]}`);
    assertEquals(found, Array.from({ length: found.length }, (_, n) => 6_000 - found.length + n));
  }
  for (let n = 0; n < 3_000; n++) index.append(record(1, 2 + n, `q${n}`));
  assert(index.size <= 1_100);
  assert(!index.isNewest(record(1, 0, "p")), "forgotten");
  assert(index.isNewest(record(1, 3_001, "q2999")));
});

Deno.test("LatestKeys passes over what retention removed and what cannot be read", async () => {
  await using ground = await Ground.open(1, { "retention.bytes": "1000" });
  const keys = Array.from({ length: 40 }, (_, n) => `k${n % 5}`);
  for (const key of keys) await ground.send([key], { value: "v".repeat(100) });
  await ground.broker.broker.sweep();
  ground.proxy.onAnswer = ({ api, bytes }) => {
    if (api !== fetchApi) return "pass";
    const broken = bytes.slice();
    const at = new TextDecoder("latin1").decode(broken).indexOf("k4");
    if (at >= 0) broken[at - 61 - 6 + 22] = 5; // the codec of the first batch with this key becomes one that nobody knows
    return broken;
  };
  using index = new LatestKeys("t", ground.history);
  await index.ready([0], [40]);
  assertEquals(newest(index, keys).slice(-4), [35, 36, 37, 38]);
});

Deno.test("LatestKeys.ready() can be given up, and fails when Kafka is away; the next one goes on", async () => {
  await using ground = await Ground.open();
  const keys = ["a", "b", "a"];
  await ground.send(keys);
  using index = new LatestKeys("t", ground.history);
  ground.proxy.onAnswer = ({ api }) => api === fetchApi ? "drop" : "pass";
  const given = new AbortController();
  const aborted = index.ready([0], [3], given.signal), other = index.ready([0], [3]);
  await eventually("its fetch", () => ground.proxy.count(fetchApi) > 0);
  given.abort(new Error("enough"));
  await assertRejects(() => aborted, Error, "enough");
  await ground.proxy.stop();
  await assertRejects(() => other, KafkaError);
  ground.proxy.onAnswer = () => "pass";
  ground.proxy.start();
  await index.ready([0], [3]);
  assertEquals(newest(index, keys), [1, 2]);
  index[Symbol.dispose]();
  await assertRejects(() => new LatestKeys("t", ground.history).ready([0], [3], AbortSignal.abort()));
});

Deno.test("LatestKeys: a thousand viewers who need it at once cost one pass over the log", async () => {
  await using ground = await Ground.open();
  await ground.send(Array.from({ length: 5_000 }, (_, n) => `k${n % 100}`), { value: "v".repeat(50) });
  using index = new LatestKeys("t", ground.history);
  await Promise.all(Array.from({ length: 1_000 }, (_, n) => index.ready([n], [5_000])));
  const fetches = ground.proxy.count(fetchApi);
  assert(fetches <= 12, `${fetches} fetches`);
});

Deno.test("LatestKeys has the newest of each key whatever the log, the asks and the appends (random)", async () => {
  const chance = new Random("LatestKeys");
  const random = (below: number) => chance.between(0, below - 1);
  for (let round = 0; round < 30; round++) {
    const log = Array.from(
      { length: 1 + random(3_000) },
      () => random(3) ? `k${random(200)}` : `r${random(9)}`,
    );
    const size = 1 + random(400), removed = random(3) ? 0 : random(log.length);
    const history = {
      readOnce(_: string, partition: number, from: number): Promise<Page> {
        const at = Math.max(from, removed), next = Math.min(log.length, at + size);
        const records = log.slice(at, next).map((key, i) => ({
          ...record(partition, at + i, key),
          timestamp: 0,
          value: null,
          headers: {},
        }));
        return Promise.resolve({ from, next, records, shared: [], end: log.length });
      },
    };
    using index = new LatestKeys("t", history);
    let end = random(log.length + 1);
    for (let low = end; low > 0 || end < log.length;) {
      const ready = index.ready([low = random(3) ? random(low + 1) : 0], [end]);
      for (let n = random(50); n > 0 && end < log.length; n--, end++) index.append(record(0, end, log[end]!));
      await ready;
      const known = log.slice(0, end);
      const wanted = known.flatMap((key, at) =>
        at >= Math.max(low, removed) && known.lastIndexOf(key) === at ? [at] : []
      );
      const got = newest(index, known).filter((at) => at >= Math.max(low, removed));
      assertEquals(got, wanted, `round ${round}`);
    }
  }
});
