/** A transactional producer and answers that a healthy broker seldom gives, or never: refusals that pass, nodes that go, an older Kafka.
 * What holds on any Kafka is in tests/contract/transactional_producer.ts.
 * @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { KafkaError } from "../../kafka/connection.ts";
import { Fenced, TransactionalProducer } from "../../kafka/transactions.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { TransactionClient } from "./broker/transaction_client.ts";
import { readAll } from "./broker/transaction_reader.ts";
import {
  BrokerProxy,
  type Frame,
  initProducerIdApi,
  produceAnswer,
  produceApi,
  type Verdict,
} from "./broker_proxy.ts";
import { SplitCluster } from "./split_cluster.ts";
import { connect, TestBroker } from "./test_broker.ts";

const findCoordinatorApi = 10, apiVersionsApi = 18;
const addPartitionsApi = 24, addOffsetsApi = 25, endTxnApi = 26, txnOffsetCommitApi = 28;
const loading = 14, notAvailable = 15, notCoordinator = 16, outOfOrder = 45, oldEpoch = 47, noMapping = 49;
const concurrent = 51, forbidden = 53;

/** A broker behind a proxy, topic "t" with three partitions, and a producer of "tx" that has the id. */
class Ground implements AsyncDisposable {
  readonly #parts = new AsyncDisposableStack();
  broker!: TestBroker;
  proxy!: BrokerProxy;
  producer!: TransactionalProducer;
  client!: TransactionClient;

  static async open(
    options: { timeoutMs?: number; transactionTimeoutMs?: number } = {},
    prepare: (proxy: BrokerProxy) => void = () => {},
  ): Promise<Ground> {
    const ground = new Ground(), parts = ground.#parts;
    ground.broker = parts.use(await TestBroker.open());
    const { port } = ground.broker.broker;
    ground.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port }));
    prepare(ground.proxy);
    await ground.broker.createTopic("t", 3);
    ground.client = parts.use(await TransactionClient.connect(port));
    ground.producer = ground.another(ground.proxy.bootstrap, options);
    await ground.producer.init();
    return ground;
  }

  another(
    bootstrap = this.broker.bootstrap,
    options: { timeoutMs?: number; transactionTimeoutMs?: number } = {},
  ): TransactionalProducer {
    const kafka = this.#parts.use(connect(bootstrap));
    const producer = new TransactionalProducer(kafka, {
      transactionalId: "tx",
      log: silentLogger,
      ...options,
    });
    return this.#parts.use(producer);
  }

  /** A record and an offset, `n` both. */
  send(n: number): ReturnType<TransactionalProducer["send"]> {
    return this.producer.send([{ topic: "t", partition: 0, key: null, value: String(n) }], {
      group: "g",
      topics: [{ topic: "t", partitions: [{ partition: 0, offset: n }] }],
    });
  }

  /** The committed values, and the position. */
  async written(): Promise<[values: number[], position: number]> {
    const values = (await readAll(this.client)).map(({ value }) => Number(value));
    return [values, (await this.client.committed("g", { stable: true }))[1]];
  }

  /** The next answers of an API hold an error, `times` of them; the broker does not see those requests. */
  refuse(api: number, error: number, times: number): void {
    this.proxy.onRequest = (request) => request.api === api && times-- > 0 ? refusal(request, error) : "pass";
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }
}

/** An answer for partition 0 of "t" that holds an error, in the versions that are used here. */
function refusal(request: Frame, error: number): Uint8Array {
  if (request.api === produceApi) return produceAnswer(request, "t", 0, error);
  const { correlation } = request, code = [error >> 8 & 255, error & 255], none = [0, 0, 0, 0];
  const one = [0, 0, 0, 1], topic = [0, 1, 0x74], throttle = none;
  const bodies: Record<number, number[]> = {
    [findCoordinatorApi]: [...throttle, ...code, 255, 255, ...none, 0, 0, ...none],
    [initProducerIdApi]: [0, ...throttle, ...code, ...Array(10).fill(255), 0],
    [addPartitionsApi]: [...throttle, ...one, ...topic, ...one, ...none, ...code],
    [addOffsetsApi]: [...throttle, ...code],
    [endTxnApi]: [...throttle, ...code],
    [txnOffsetCommitApi]: [0, ...throttle, 2, 2, 0x74, 2, ...none, ...code, 0, 0, 0],
  };
  const body = bodies[request.api]!,
    bytes = new Uint8Array(8 + body.length),
    view = new DataView(bytes.buffer);
  view.setInt32(0, 4 + body.length);
  view.setInt32(4, correlation);
  bytes.set(body, 8);
  return bytes;
}

Deno.test("TransactionalProducer gives a transaction the longer the more records it has", async () => {
  await using ground = await Ground.open({ timeoutMs: 2_000 });
  const { producer, proxy } = ground;
  proxy.onAnswer = async (answer): Promise<Verdict> => {
    if (answer.request?.api === produceApi) await new Promise((resolve) => setTimeout(resolve, 700));
    return "pass";
  };
  const records = Array.from({ length: 20_000 }, () => ({ topic: "t", partition: 0, key: null, value: "a" }));
  assertEquals((await producer.send(records)).length, records.length); // four requests, one after the other
});

Deno.test("TransactionalProducer asks again while what hinders it passes, whatever the request", async () => {
  await using ground = await Ground.open();
  const passing: [api: number, error: number][] = [
    [addPartitionsApi, concurrent],
    [addPartitionsApi, notCoordinator],
    [addOffsetsApi, concurrent],
    [addOffsetsApi, loading],
    [txnOffsetCommitApi, notCoordinator],
    [txnOffsetCommitApi, notAvailable],
    [produceApi, 6], // it does not lead the partition
    [produceApi, 19], // too few replicas
    [endTxnApi, concurrent],
    [endTxnApi, loading],
  ];
  let sent = 0;
  for (const [api, error] of passing) {
    ground.refuse(api, error, 3);
    await ground.send(++sent);
    assertEquals(await ground.written(), [numbersTo(sent), sent], `${api} ${error}`);
  }
  for (const [api, error] of [[findCoordinatorApi, notAvailable], [initProducerIdApi, concurrent]] as const) {
    ground.refuse(api, error, 3);
    const other = ground.another(ground.proxy.bootstrap);
    await other.init();
    await other.send([]);
  }
});

Deno.test("TransactionalProducer begins a transaction anew, once, when Kafka does not know it any more", async () => {
  await using ground = await Ground.open();
  const lost: [api: number, error: number][] = [
    [produceApi, outOfOrder],
    [produceApi, oldEpoch],
    [addPartitionsApi, noMapping],
    [txnOffsetCommitApi, oldEpoch],
    [endTxnApi, 48],
  ];
  let sent = 0;
  for (const [api, error] of lost) {
    ground.refuse(api, error, 1);
    await ground.send(++sent);
    assertEquals(await ground.written(), [numbersTo(sent), sent], `${api} ${error}`);
  }
  ground.refuse(produceApi, outOfOrder, 2);
  const twice = await assertRejects(() => ground.send(99), KafkaError);
  assertEquals(twice.code, "OUT_OF_ORDER_SEQUENCE_NUMBER");
  await ground.send(++sent);
  assertEquals(await ground.written(), [numbersTo(sent), sent]);
});

Deno.test("TransactionalProducer says what Kafka refuses, and tries it once", async () => {
  await using ground = await Ground.open();
  for (const api of [addPartitionsApi, addOffsetsApi, produceApi, txnOffsetCommitApi]) {
    const before = ground.proxy.count(api);
    ground.refuse(api, forbidden, 1);
    const refused = await assertRejects(() => ground.send(99), KafkaError);
    assertEquals(refused.code, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
    assertEquals(ground.proxy.count(api), before + 1);
    assertEquals((await ground.client.fetch()).stable, (await ground.client.fetch()).end, "it is aborted");
  }
  await ground.send(1);
  assertEquals(await ground.written(), [[1], 1]);
});

Deno.test("TransactionalProducer.send() works calls off in their order, and none before init()", async () => {
  await using ground = await Ground.open();
  const sent = numbersTo(20).map((n) => ground.send(n));
  assertEquals(
    (await Promise.all(sent)).map(([place]) => place!.offset),
    numbersTo(20).map((n) => 2 * n - 2),
  );
  assertEquals(await ground.written(), [numbersTo(20), 20]);
  const another = ground.another();
  await assertRejects(() => another.send([{ topic: "t", partition: 0, value: "x" }]), Fenced);
});

Deno.test("TransactionalProducer that Kafka took the transaction from as it took too long is fenced until init()", async () => {
  await using ground = await Ground.open({ transactionTimeoutMs: 1_500, timeoutMs: 60_000 });
  ground.proxy.onRequest = async ({ api }): Promise<Verdict> => {
    if (api === endTxnApi) {
      await eventually("the abort", async () => (await ground.client.fetch()).stable === 2);
    }
    return "pass";
  };
  await assertRejects(() => ground.send(1), Fenced);
  await assertRejects(() => ground.send(2), Fenced);
  ground.proxy.onRequest = () => "pass";
  await ground.producer.init();
  await ground.send(3);
  assertEquals(await ground.written(), [[3], 3]);
});

Deno.test("TransactionalProducer fails in time when Kafka is away or silent, and goes on when it is back", async () => {
  await using ground = await Ground.open({ timeoutMs: 2_000 });
  const { proxy, producer } = ground;
  await ground.send(1);
  const failsInTime = async () => {
    for (const work of [() => ground.send(99), () => producer.init()]) {
      const began = performance.now();
      const { code } = await assertRejects(work, KafkaError);
      assert(code === "UNREACHABLE" || code === "PRODUCER_FENCED", code);
      const ms = performance.now() - began;
      assert(ms < 10_000, `${ms} ms`);
    }
  };
  proxy.onAnswer = () => "drop";
  await failsInTime();
  proxy.onAnswer = () => "pass";
  // A connection that was being opened in the silence is given up after seconds.
  await eventually("an answer", async () => {
    await producer.init();
    return true;
  });
  await ground.send(2);
  await proxy.stop();
  await failsInTime();
  proxy.start();
  await producer.init();
  await ground.send(3);
  await proxy.stop();
  await assertRejects(() => ground.send(99), KafkaError);
  proxy.start();
  await ground.send(4);
  assertEquals(await ground.written(), [numbersTo(4), 4]);
});

Deno.test("TransactionalProducer[asyncDispose]() ends a call that waits, wherever it is", async () => {
  for (const api of [addPartitionsApi, addOffsetsApi, produceApi, txnOffsetCommitApi, endTxnApi]) {
    await using ground = await Ground.open();
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    ground.proxy.onRequest = (frame) => frame.api === api ? (resolve(), "drop") : "pass";
    const failed = assertRejects(() => ground.send(99), KafkaError);
    await asked;
    const began = performance.now();
    await ground.producer[Symbol.asyncDispose]();
    await failed;
    assert(performance.now() - began < 2_500, "before a request is given up, after 3 s");
    ground.producer = ground.another();
    await ground.producer.init();
    await ground.send(1);
    assertEquals(await ground.written(), [[1], 1]);
  }
});

Deno.test("TransactionalProducer on a Kafka before 2.5 works, and counts as fenced after a failure", async () => {
  await using ground = await Ground.open({}, (proxy) => {
    proxy.onAnswer = (answer) => {
      if (answer.api === apiVersionsApi) limitVersions(answer, new Map([[initProducerIdApi, 1], [28, 2]]));
      return "pass";
    };
  });
  await ground.send(1);
  await ground.send(2);
  const versions = ground.proxy.requests.filter(({ api }) => api === initProducerIdApi || api === 28);
  assertEquals(versions.map(({ version }) => version), [1, 1, 1]);
  ground.refuse(addOffsetsApi, forbidden, 1);
  await assertRejects(() => ground.send(99), Fenced);
  await ground.producer.init();
  await ground.send(3);
  assertEquals(await ground.written(), [[1, 2, 3], 3]);
});

/** Lowers the newest version that a broker says it has of some APIs; of v0–v2. */
function limitVersions({ bytes }: Frame, newest: ReadonlyMap<number, number>): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let i = 0, at = 14; i < view.getInt32(10); i++, at += 6) {
    const limit = newest.get(view.getInt16(at));
    if (limit !== undefined) view.setInt16(at + 4, limit);
  }
}

Deno.test("TransactionalProducer writes to the leaders of its partitions, one request each, and follows the coordinator", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("t", 6);
  await using cluster = new SplitCluster(broker.broker.port, 3);
  await using kafka = connect(cluster.node(1).bootstrap, cluster.node(2).bootstrap);
  await using producer = new TransactionalProducer(kafka, { transactionalId: "tx", log: silentLogger });
  let coordinator = 2;
  cluster.nodes.forEach((node, i) => {
    node.onAnswer = (answer) => {
      if (answer.api === findCoordinatorApi) withCoordinator(answer, coordinator);
      return "pass";
    };
    node.onRequest = (request) =>
      [addPartitionsApi, endTxnApi].includes(request.api) && coordinator !== i + 1
        ? refusal(request, notCoordinator)
        : "pass";
  });
  const counts = (api: number) => cluster.nodes.map((node) => node.count(api));
  await producer.init();
  assertEquals(counts(initProducerIdApi), [0, 1, 0]);
  const records = Array.from({ length: 12 }, (_, n) => ({ topic: "t", partition: n % 6, value: String(n) }));
  const places = await producer.send(records);
  assertEquals(places.map(({ offset }) => offset), [...Array(6).fill(0), ...Array(6).fill(1)]);
  assertEquals([counts(produceApi), counts(addPartitionsApi), counts(endTxnApi)], [[1, 1, 1], [0, 1, 0], [
    0,
    1,
    0,
  ]]);
  coordinator = 3;
  await producer.send([records[0]!]);
  assertEquals([counts(addPartitionsApi), counts(endTxnApi)], [[0, 2, 1], [0, 1, 1]]);
});

/** Puts another node into an answer to FindCoordinator: behind the throttle time, the error and its message. */
function withCoordinator({ bytes }: Frame, node: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setInt32(16 + Math.max(0, view.getInt16(14)), node);
}

function numbersTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n + 1);
}
