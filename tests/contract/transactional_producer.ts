/** What the transactional producer of kafka/ promises, whichever Kafka it talks to: one suite, run by the test files beside it.
 *
 * What lies in a topic, and what a group has, is read with a client that is not ours. A proxy loses requests and answers at chosen
 * moments. Left out: answers that a healthy broker never gives (tests/kafka/transactional_producer_test.ts).
 * @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Kafka } from "../../kafka/client.ts";
import { KafkaError } from "../../kafka/connection.ts";
import { Fenced, outcomeUnknown, TransactionalProducer } from "../../kafka/transactions.ts";
import { silentLogger } from "../../logger.ts";
import { createTopic, deleteTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import {
  BrokerProxy,
  type Frame,
  initProducerIdApi,
  produceApi,
  type Verdict,
} from "../kafka/broker_proxy.ts";
import { TransactionClient } from "../kafka/broker/transaction_client.ts";
import { readAll } from "../kafka/broker/transaction_reader.ts";
import { connect } from "../kafka/test_broker.ts";
import { newTopic } from "../new_topic.ts";
import { Random } from "../random.ts";

const addPartitionsApi = 24, addOffsetsApi = 25, endTxnApi = 26, txnOffsetCommitApi = 28;

/** How often the two that are cut off at random send. */
const faultSteps = Number(Deno.env.get("TAILRACE_TRANSACTION_STEPS") ?? 60);

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param bootstrap its host:port; asked for inside the tests only */
export function transactionalProducerContract(on: string, ignore: boolean, bootstrap: () => string): void {
  const test = (claim: string, fn: (ground: Ground) => Promise<void>) =>
    Deno.test({
      name: `TransactionalProducer on ${on}: ${claim}`,
      ignore,
      fn: async () => {
        await using ground = await Ground.open(bootstrap());
        await fn(ground);
      },
    });

  test("send() writes records of several topics with a group's offsets, all at once", together);
  test("send() commits 1,000 transactions one after the other, each once", many);
  test("send() leaves nothing to be read of what is refused, and goes on", refused);
  test("send() takes no offsets of a member that its group has gone on without", members);
  test("send() is once in the log though the answer to any one request is lost", lostAnswers);
  test(
    "send() says that it cannot know when the answers to a commit stay away, and goes on after it",
    unknown,
  );
  test("init() fences the producer before, which then says so and fences nobody", fences);
  test("init() ends what a producer left open that died", dies);
  test(
    "send() after a failure asks for its next epoch only, also when another takes the id just then",
    keepsLineage,
  );
  test("send() is not cut short by a commit of the one before that comes late", lateCommit);
  test("send() goes on in a topic that was made anew, and waits for one that is being made", madeAnew);
  test("two producers, cut off at random, write what they say they wrote once, with its offset", faults);
  test("send() that failed as Kafka went away does not take the id from who has it since", keepsFenced);
}

/** A topic with two partitions, and producers of one transactional id that go through a proxy each. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  readonly topic = newTopic("transactional");
  readonly group = newTopic("group");
  /** Reads, and asks for positions. */
  client!: TransactionClient;

  private constructor(readonly bootstrap: string) {}

  static async open(bootstrap: string): Promise<Ground> {
    const ground = new Ground(bootstrap);
    await createTopic(bootstrap, ground.topic, 2);
    ground.client = ground.#parts.use(
      await TransactionClient.connect(ground.port, { id: ground.topic, topic: ground.topic }),
    );
    return ground;
  }

  get port(): number {
    return Number(this.bootstrap.split(":").at(-1));
  }

  /** A producer that has the id, with its own proxy. */
  async producer(
    options: { timeoutMs?: number } = {},
  ): Promise<{ producer: TransactionalProducer; proxy: BrokerProxy }> {
    const proxy = this.#parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: this.port }));
    return { producer: await this.direct(proxy.bootstrap, options), proxy };
  }

  /** A producer that has the id, without a proxy. */
  async direct(at = this.bootstrap, options: { timeoutMs?: number } = {}): Promise<TransactionalProducer> {
    const kafka: Kafka = this.#parts.use(connect(at));
    const producer = this.#parts.use(
      new TransactionalProducer(kafka, { transactionalId: this.topic, log: silentLogger, ...options }),
    );
    await producer.init();
    return producer;
  }

  /** A record for a partition of the topic. */
  record(value: string, partition = 0) {
    return { topic: this.topic, partition, key: "k", value, headers: { n: value } };
  }

  /** The group's offset of partition 0. */
  offsets(offset: number, member?: { id: string; generation: number }) {
    const topics = [{ topic: this.topic, partitions: [{ partition: 0, offset }] }];
    return member ? { group: this.group, member, topics } : { group: this.group, topics };
  }

  /** Values of a partition for readers of committed records, once no transaction is open. */
  async values(partition = 0): Promise<(string | null)[]> {
    await eventually("the end of what is open", async () => {
      const { stable, end } = await this.client.fetch({ partition });
      return stable === end;
    });
    return (await readAll(this.client, { partition })).map(({ value }) => value);
  }

  /** The group's position in partition 0, once no transaction holds one back. */
  async position(): Promise<number> {
    const found = await eventually("a stable position", async () => {
      const [error, offset] = await this.client.committed(this.group, { stable: true });
      return error === 0 ? { offset } : undefined;
    });
    return found.offset;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

/** Whether a request ends a transaction by a commit. An abort may come before the next one begins, when the last had a hitch. */
function isCommit({ api, version, bytes }: Frame): boolean {
  return api === endTxnApi && bytes.at(version < 3 ? -1 : -2) === 1;
}

async function together(ground: Ground): Promise<void> {
  const other = newTopic("other");
  await createTopic(ground.bootstrap, other, 1);
  const { producer, proxy } = await ground.producer();
  const places = await producer.send([
    ground.record("a", 1),
    { topic: other, partition: 0, key: null, value: "b", timestamp: Date.now() - 5_000 },
    ground.record("c", 0),
    ground.record("d", 1),
    { topic: ground.topic, key: "where Java puts it", value: "e" },
  ], ground.offsets(7));
  assertEquals(places.slice(0, 4), [
    { partition: 1, offset: 0 },
    { partition: 0, offset: 0 },
    { partition: 0, offset: 0 },
    { partition: 1, offset: 1 },
  ]);
  assertEquals([proxy.count(addPartitionsApi), proxy.count(endTxnApi)], [1, 1]);
  const values = [await ground.values(0), await ground.values(1)];
  values[places[4]!.partition]!.splice(places[4]!.offset, 1);
  assertEquals(values, [["c"], ["a", "d"]]);
  using client = await TransactionClient.connect(ground.port, {
    topic: other,
  });
  assertEquals((await readAll(client)).map(({ value }) => value), ["b"]);
  assertEquals(await ground.position(), 7);

  assertEquals(await producer.send([], ground.offsets(8)), []);
  assertEquals(await ground.position(), 8);
  assertEquals(await producer.send([]), []);
  const large = Array.from({ length: 3_000 }, (_, n) => ground.record(`${n} ${"x".repeat(1_000)}`));
  const first = (await producer.send([ground.record("first")]))[0]!.offset;
  const offsets = (await producer.send(large)).map(({ offset }) => offset);
  assertEquals(offsets, large.map((_, n) => first + 2 + n), "in order, behind the marker");
  assertEquals((await ground.values()).length, 3_000 + 2 + (places[4]!.partition === 0 ? 1 : 0));
}

async function many(ground: Ground): Promise<void> {
  const producer = await ground.direct();
  await producer.send([ground.record("warm")], ground.offsets(0));
  const count = 1_000, began = performance.now();
  for (let n = 1; n <= count; n++) await producer.send([ground.record(String(n))], ground.offsets(n));
  const perSecond = Math.round(count / (performance.now() - began) * 1_000);
  console.log(`${perSecond} transactions a second, each a record with an offset`);
  assertEquals(await ground.values(), ["warm", ...Array.from({ length: count }, (_, n) => String(n + 1))]);
  assertEquals(await ground.position(), count);
}

async function refused(ground: Ground): Promise<void> {
  const { producer } = await ground.producer();
  const code = async (sent: Promise<unknown>) => (await assertRejects(() => sent, KafkaError)).code;
  await producer.send([ground.record("first")], ground.offsets(1));
  const huge = { topic: ground.topic, partition: 1, key: null, value: new Uint8Array(1_100_000) };
  assertEquals(
    await code(producer.send([ground.record("lost"), huge], ground.offsets(2))),
    "MESSAGE_TOO_LARGE",
  );
  const missing = { topic: newTopic("missing"), partition: 0, key: null, value: "lost" };
  for (const record of [missing, ground.record("lost", 2)]) {
    assertEquals(await code(producer.send([ground.record("lost"), record])), "UNKNOWN_TOPIC_OR_PARTITION");
  }
  await producer.send([ground.record("second")], ground.offsets(3));
  assertEquals(await ground.values(), ["first", "second"]);
  assertEquals([await ground.values(1), await ground.position()], [[], 3]);
}

async function members(ground: Ground): Promise<void> {
  const { producer } = await ground.producer();
  await producer.send([ground.record("first")], ground.offsets(1));
  const gone = ground.offsets(2, { id: "gone", generation: 3 });
  const error = await assertRejects(() => producer.send([ground.record("lost")], gone), KafkaError);
  assertEquals(error.code, "UNKNOWN_MEMBER_ID");
  await producer.send([ground.record("second")]);
  assertEquals([await ground.values(), await ground.position()], [["first", "second"], 1]);
}

async function lostAnswers(ground: Ground): Promise<void> {
  const { producer, proxy } = await ground.producer();
  const wanted: string[] = [];
  for (const api of [addPartitionsApi, produceApi, addOffsetsApi, txnOffsetCommitApi, endTxnApi]) {
    for (const side of ["onRequest", "onAnswer"] as const) {
      let left = 1;
      proxy[side] = (frame) => frame.api === api && left-- > 0 ? "cut" : "pass";
      const value = `${api} ${side}`, sent = wanted.push(value);
      await producer.send([ground.record(value)], ground.offsets(sent));
      assert(left < 1, `${value} was lost`);
      proxy[side] = () => "pass";
      assertEquals([await ground.values(), await ground.position()], [wanted, sent]);
    }
  }
}

async function unknown(ground: Ground): Promise<void> {
  const { producer, proxy } = await ground.producer({ timeoutMs: 4_000 });
  for (const [side, committed] of [["onRequest", []], ["onAnswer", ["onAnswer"]]] as const) {
    proxy[side] = (frame) => isCommit(frame.request ?? frame) ? "cut" : "pass";
    const error = await assertRejects(() => producer.send([ground.record(side)]), KafkaError);
    assertEquals(error.code, outcomeUnknown);
    proxy[side] = () => "pass";
    await producer.send([ground.record("after it", 1)]);
    assertEquals(await ground.values(), [...committed]);
  }
  assertEquals((await ground.values(1)).length, 2);
}

async function fences(ground: Ground): Promise<void> {
  const { producer: zombie } = await ground.producer();
  await zombie.send([ground.record("zombie")]);
  const { producer } = await ground.producer();
  for (let n = 0; n < 3; n++) {
    const sent = zombie.send([ground.record("lost")], ground.offsets(99));
    assertEquals((await assertRejects(() => sent, Fenced)).code, "PRODUCER_FENCED");
    await producer.send([ground.record(`next ${n}`)], ground.offsets(n));
  }
  await zombie.init();
  await zombie.send([ground.record("back")]);
  await assertRejects(() => producer.send([ground.record("lost")]), Fenced);
  assertEquals(await ground.values(), ["zombie", "next 0", "next 1", "next 2", "back"]);
  assertEquals(await ground.position(), 2);
}

async function dies(ground: Ground): Promise<void> {
  const { producer, proxy } = await ground.producer();
  await producer.send([ground.record("first")], ground.offsets(1));
  proxy.onRequest = async (frame) => {
    if (!isCommit(frame)) return "pass";
    await proxy.stop();
    return "cut";
  };
  const dying = producer.send([ground.record("lost"), ground.record("lost", 1)], ground.offsets(2));
  const failed = assertRejects(() => dying, KafkaError);
  await eventually("what is open", async () => (await ground.client.fetch()).end === 3);
  const { producer: next } = await ground.producer();
  assertEquals([await ground.values(), await ground.values(1), await ground.position()], [["first"], [], 1]);
  await next.send([ground.record("second")], ground.offsets(3));
  await producer[Symbol.asyncDispose]();
  await failed;
  assertEquals([await ground.values(), await ground.position()], [["first", "second"], 3]);
}

async function keepsFenced(ground: Ground): Promise<void> {
  for (const lost of [produceApi, endTxnApi]) {
    const { producer: zombie, proxy } = await ground.producer({ timeoutMs: 4_000 });
    const inits = proxy.count(initProducerIdApi);
    proxy.onAnswer = async ({ api }) => {
      if (api !== lost) return "pass";
      await new Promise<void>((done) => queueMicrotask(done));
      void proxy.stop();
      return "cut";
    };
    const code = (await assertRejects(() => zombie.send([ground.record("zombie")]), KafkaError)).code;
    assertEquals(code, lost === endTxnApi ? outcomeUnknown : "UNREACHABLE");
    const { producer } = await ground.producer();
    proxy.onAnswer = () => "pass";
    proxy.start();
    await assertRejects(() => zombie.send([ground.record("zombie")]), Fenced);
    await producer.send([ground.record("next")]);
    assert(proxy.count(initProducerIdApi) <= inits + 1);
  }
}

async function madeAnew(ground: Ground): Promise<void> {
  const producer = await ground.direct(), { topic } = ground;
  for (const value of ["a", "b", "c"]) await producer.send([ground.record(value)]);
  await deleteTopic(ground.bootstrap, topic);
  const waiting = producer.send([ground.record("d")]);
  await createTopic(ground.bootstrap, topic, 2);
  assertEquals(await waiting, [{ partition: 0, offset: 0 }]);
  await producer.send([ground.record("e"), ground.record("f")]);
  assertEquals(await ground.values(), ["d", "e", "f"]);
}

async function faults(ground: Ground): Promise<void> {
  const random = new Random("transactional producers under faults");
  const both = [await ground.producer({ timeoutMs: 5_000 }), await ground.producer({ timeoutMs: 5_000 })];
  const outcomes: ("committed" | "unknown" | "failed")[] = [];
  const send = async ({ producer }: typeof both[number]) => {
    const n = outcomes.push("unknown") - 1;
    try {
      await producer.send([ground.record(String(n))], ground.offsets(n));
      outcomes[n] = "committed";
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      outcomes[n] = error instanceof Fenced || error.code === outcomeUnknown ? "unknown" : "failed";
      if (error instanceof Fenced && random.between(1, 3) === 1) await producer.init().catch(() => {});
    }
  };
  const rule = () => random.between(1, 15) === 1 ? "cut" : "pass";
  for (const { proxy } of both) proxy.onRequest = proxy.onAnswer = rule;
  for (let step = 0; step < faultSteps; step++) {
    const [one, other] = random.between(0, 1) === 0 ? both : both.toReversed();
    await Promise.all([send(one!), ...random.between(1, 4) === 1 ? [send(other!)] : []]);
  }
  await ground.direct(); // ends what is open
  const values = (await ground.values()).map(Number);
  const said = outcomes.map((outcome, n) =>
    [n, outcome, values.filter((value) => value === n).length] as const
  );
  const wrong = said.filter(([, outcome, times]) =>
    times > 1 || times !== { committed: 1, failed: 0, unknown: times }[outcome]
  );
  assertEquals(wrong, []);
  assertEquals(await ground.position(), values.at(-1));
  assert(said.filter(([, outcome]) => outcome === "committed").length > 10, JSON.stringify(said));
}

async function keepsLineage(ground: Ground): Promise<void> {
  const { producer: zombie, proxy } = await ground.producer();
  const other = await ground.direct();
  await zombie.init();
  const huge = { topic: ground.topic, partition: 0, key: null, value: new Uint8Array(1_100_000) };
  proxy.onRequest = async ({ api }): Promise<Verdict> => {
    // The abort is done.
    if (api === initProducerIdApi) await other.init();
    return "pass";
  };
  await assertRejects(() => zombie.send([huge]), Fenced);
  proxy.onRequest = () => "pass";
  await other.send([ground.record("other")]);
  assertEquals(await ground.values(), ["other"]);
}

async function lateCommit(ground: Ground): Promise<void> {
  const { producer, proxy } = await ground.producer();
  let late: Uint8Array | undefined;
  proxy.onRequest = ({ api, bytes }) => {
    if (api !== endTxnApi || late) return "pass";
    late = bytes;
    return "cut";
  };
  await producer.send([ground.record("first")]);
  let isOpen: boolean | undefined;
  proxy.onAnswer = async ({ api }): Promise<Verdict> => {
    if (api !== produceApi) return "pass";
    using broker = await Deno.connect({ hostname: "127.0.0.1", port: ground.port });
    await broker.write(late!);
    await broker.read(new Uint8Array(64));
    const { stable, end } = await ground.client.fetch();
    isOpen = stable < end;
    return "pass";
  };
  await producer.send([ground.record("second")]);
  assertEquals([isOpen, await ground.values()], [true, ["first", "second"]]);
}
