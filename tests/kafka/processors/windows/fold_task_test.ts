/** Folding where something goes wrong: answers that are lost at every step, holes, other owners. What holds on any Kafka is in
 * tests/contract/fold_task.ts.
 * @module */
import { assert, assertEquals } from "@std/assert";
import type { FoldBatch } from "../../../../kafka/processors/windows/types.ts";
import { TransactionalProducer } from "../../../../kafka/transactions.ts";
import { silentLogger } from "../../../../logger.ts";
import { eventually, pause } from "../../../eventually.ts";
import {
  type BrokerProxy,
  fetchApi,
  initProducerIdApi,
  produceApi,
  type Verdict,
} from "../../broker_proxy.ts";
import { connect, TestBroker } from "../../test_broker.ts";
import { FoldGround, idPartitions } from "./fold_ground.ts";

const deleteRecordsApi = 21;
const listOffsetsApi = 2, metadataApi = 3, offsetFetchApi = 9, findCoordinatorApi = 10;
const addPartitionsApi = 24, addOffsetsApi = 25, endTxnApi = 26, txnOffsetCommitApi = 28;

/** A broker of its own, with the ground on it. */
async function open(): Promise<{ broker: TestBroker; ground: FoldGround } & AsyncDisposable> {
  const parts = new AsyncDisposableStack();
  const broker = parts.use(await TestBroker.open());
  const ground = parts.use(await FoldGround.open(broker.bootstrap));
  return { broker, ground, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** Lets the next answers of an API be lost, or requests. */
function lose(proxy: BrokerProxy, api: number, what: "request" | "answer", times = 1): void {
  let left = times;
  const rule = (frame: { api: number }) => frame.api === api && left-- > 0 ? "cut" as const : "pass" as const;
  if (what === "request") proxy.onRequest = rule;
  else proxy.onAnswer = rule;
}

Deno.test("FoldTask folds each click once though any one request or answer is lost", async () => {
  await using parts = await open();
  const { ground } = parts, proxy = ground.proxy();
  const begin = [
    metadataApi,
    initProducerIdApi,
    offsetFetchApi,
    findCoordinatorApi,
    listOffsetsApi,
    fetchApi,
  ];
  const commit = [metadataApi, addPartitionsApi, produceApi, addOffsetsApi, txnOffsetCommitApi, endTxnApi];
  let clicks = 0;
  for (const api of begin) {
    lose(proxy, api, "answer");
    await ground.click(["a", "b", "c"]);
    await using _task = ground.fold(proxy.bootstrap);
    await ground.settled(clicks += 3);
  }
  await using _task = ground.fold(proxy.bootstrap);
  for (const api of commit) {
    for (const what of ["request", "answer"] as const) {
      lose(proxy, api, what);
      await ground.click(["a", "b", "c"]);
      await ground.settled(clicks += 3);
    }
  }
  assertEquals(ground.fenced, 0);
});

Deno.test("FoldTask asks the offset what became of a commit whose answers stay away", async () => {
  await using parts = await open();
  const { ground } = parts, proxy = ground.proxy();
  const task = ground.fold(proxy.bootstrap);
  await ground.click(["a"]);
  await ground.settled(1);
  let commits = 0;
  proxy.onAnswer = ({ api }) => api === endTxnApi ? (commits++, "drop") : "pass"; // each try is committed, none is told so
  await ground.click(["a", "b"]);
  await eventually("a commit", () => commits > 0);
  await task[Symbol.asyncDispose]();
  proxy.onAnswer = () => "pass";
  await using _next = ground.fold(proxy.bootstrap);
  await ground.click(["c"]);
  const batches = await ground.settled(4);
  assertEquals(batches.map(({ from, next }) => [from, next]), [[0, 1], [1, 3], [3, 4]]);
});

Deno.test("FoldTask that another one shuts out says so once, and folds no more", async () => {
  await using parts = await open();
  const { ground } = parts;
  const fenced = Promise.withResolvers<void>();
  await using _first = ground.fold(undefined, {
    onFenced: () => {
      ground.fenced++;
      fenced.resolve();
    },
  });
  await ground.click(["a"]);
  await ground.settled(1);
  await using _second = ground.fold();
  await ground.click(["a", "b"]);
  await ground.settled(3);
  await fenced.promise;
  await ground.click(["b"]);
  await ground.settled(4);
  assertEquals(ground.fenced, 1);
});

Deno.test("FoldTask ends what the one before left open, and folds it itself", async () => {
  await using parts = await open();
  const { ground } = parts, { byIdTopic, foldId, foldGroup } = ground.names;
  await ground.click(["a", "b"]);
  const dead = ground.proxy();
  dead.onRequest = ({ api }) => api === endTxnApi ? "drop" : "pass"; // it is stopped within its transaction
  await using kafka = connect(dead.bootstrap);
  const producer = new TransactionalProducer(kafka, {
    transactionalId: foldId(0),
    log: silentLogger,
    timeoutMs: 2_000,
  });
  await producer.init();
  const topics = [{ topic: ground.settings.clicksTopic, partitions: [{ partition: 0, offset: 2 }] }];
  const sending = producer.send([{ topic: byIdTopic, partition: 0, value: "{}" }], {
    group: foldGroup,
    topics,
  });
  await sending.catch(() => {});
  await producer[Symbol.asyncDispose]();
  await using _task = ground.fold();
  await ground.settled(2);
});

Deno.test("FoldTask takes the id only while its instance has the partition", async () => {
  await using parts = await open();
  const { ground } = parts, proxy = ground.proxy();
  let isOwner = false;
  await using _task = ground.fold(proxy.bootstrap, { isOwner: () => isOwner });
  await ground.click(["a"]);
  await eventually("it to have looked", () => proxy.count(metadataApi) > 1);
  assertEquals(proxy.count(initProducerIdApi), 0);
  isOwner = true;
  await ground.settled(1);
});

Deno.test("FoldTask without a committed offset goes on where clicks are counted", async () => {
  await using parts = await open();
  const { ground } = parts;
  await ground.click(["a", "a"]);
  const task = ground.fold();
  const [batch] = await ground.settled(2);
  await task[Symbol.asyncDispose]();
  const admin = await ground.client();
  await admin.commitPlainly(ground.names.foldGroup, [[0, 0]]); // by people: no name of a log with it
  const asked: number[] = [];
  await using _task = ground.fold(undefined, {
    lastCovered: (source) => {
      asked.push(source);
      return Promise.resolve({ log: batch!.log, next: 2 });
    },
  });
  await ground.click(["b"]);
  await ground.settled(3);
  assertEquals(asked, [0]);
});

Deno.test("FoldTask counts what was gone before it was read, and what is no click", async () => {
  await using parts = await open();
  const { ground } = parts;
  await ground.click(["x".repeat(300), "\n", "a"]);
  const task = ground.fold();
  const isAt = (next: number) =>
    eventually(`${next} to be folded`, async () => (await ground.batches(1)).at(-1)?.next === next);
  await isAt(3);
  await task[Symbol.asyncDispose]();
  await ground.click(Array.from({ length: 20 }, () => "b"));
  await deleteBefore(ground, 13);
  await using _task = ground.fold();
  await isAt(23);
  await deleteBefore(ground, 23);
  const told = (await ground.batches(0)).flatMap(({ wrong, missed }) =>
    wrong || missed ? [{ wrong, missed }] : []
  );
  assertEquals(told, [{ wrong: { "too-long": 1, control: 1 }, missed: undefined }, {
    wrong: undefined,
    missed: 10,
  }]);
  assertEquals((await ground.batches(1)).filter(({ wrong, missed }) => wrong || missed), []);
  assertEquals(await sumOf(ground), 11);
});

Deno.test("FoldTask that begins with an empty topic whose records are gone comes to its end at once", async () => {
  await using parts = await open();
  const { ground } = parts;
  await ground.click(["a", "a"]);
  await deleteBefore(ground, 2);
  await using _task = ground.fold();
  await eventually("2 to be folded", async () => (await ground.batches(1)).at(-1)?.next === 2);
  const [batch, ...more] = await ground.batches(0);
  assertEquals([batch!.from, batch!.next, batch!.missed, batch!.at, batch!.high, more], [
    0,
    2,
    2,
    null,
    null,
    [],
  ]);
});

Deno.test("FoldTask goes on at the end of a log that has lost its end, under another name, and when it is sure only", async () => {
  await using parts = await open();
  const { ground } = parts, { foldGroup, foldId } = ground.names;
  await ground.click(["a", "a", "a"]);
  const task = ground.fold();
  const [{ log }] = await ground.settled(3) as [FoldBatch];
  await task[Symbol.asyncDispose]();
  await using kafka = connect(ground.bootstrap);
  await using producer = new TransactionalProducer(kafka, { transactionalId: foldId(0), log: silentLogger });
  await producer.init();
  const position = { partition: 0, offset: 100, metadata: log }; // as if there had been so many
  await producer.send([], {
    group: foldGroup,
    topics: [{ topic: ground.settings.clicksTopic, partitions: [position] }],
  });
  const proxy = ground.proxy(), unsure = ground.fold(proxy.bootstrap, { cutSureMs: 1e9 });
  await eventually("it to have looked twice", () => proxy.count(initProducerIdApi) > 1);
  await unsure[Symbol.asyncDispose]();
  assertEquals((await ground.batches(0)).length, 1);
  const client = await ground.client(), sure = ground.fold(undefined, { cutSureMs: 100 });
  await eventually("it to be sure", async () => (await client.committed(foldGroup))[1] === 3);
  await sure[Symbol.asyncDispose]();
  await ground.click(Array.from({ length: 200 }, () => "b")); // past what was committed before
  await using _task = ground.fold();
  const [, ...more] = await ground.settled(203);
  assertEquals(new Set(more.map((batch) => batch.log)), new Set([`${log}~1`]));
  assertEquals(more[0]!.from, 3);
});

Deno.test("FoldTask begins at 0 when its topic was made anew while it reads, whether there are more clicks than before or fewer", async () => {
  await using parts = await open();
  const { broker, ground } = parts, proxy = ground.proxy(), { clicksTopic } = ground.settings;
  await ground.click(["a", "b", "c"]);
  await using _task = ground.fold(proxy.bootstrap);
  const [before] = await ground.settled(3), gate = Promise.withResolvers<void>();
  let held = 0;
  proxy.onRequest = async ({ api }): Promise<Verdict> => {
    if (api === fetchApi) await (held++, gate.promise);
    return "pass";
  };
  await eventually("the reader to ask on", () => Promise.resolve(held > 0));
  await broker.deleteTopic(clicksTopic);
  await broker.createTopic(clicksTopic);
  await ground.click(["d", "e", "f", "g", "h"]);
  gate.resolve();
  const anew = (await ground.settled(5)).filter(({ log }) => log !== before!.log);
  assertEquals([anew[0]?.from, anew.at(-1)?.next], [0, 5]);
  const noted = await ground.committed();
  assertEquals([noted?.offset, noted?.metadata], [5, anew[0]?.log], "the offset says of which log it is");
  await broker.deleteTopic(clicksTopic);
  await broker.createTopic(clicksTopic);
  await ground.click(["i"]);
  assertEquals((await ground.settled(1)).at(-1)?.from, 0);
});

Deno.test("FoldTask waits for its partition, and for the topic of ids, and goes on when Kafka comes back", async () => {
  await using parts = await open();
  const { broker, ground } = parts, { clicksTopic } = ground.settings, proxy = ground.proxy();
  await broker.deleteTopic(clicksTopic);
  await broker.deleteTopic(ground.names.byIdTopic);
  await using _task = ground.fold(proxy.bootstrap);
  await eventually("it to have looked", () => proxy.count(metadataApi) > 1);
  await broker.createTopic(clicksTopic);
  await ground.click(["a"]);
  await eventually("it to have begun", () => proxy.count(fetchApi) > 0);
  await broker.createTopic(ground.names.byIdTopic, idPartitions);
  await ground.settled(1);
  await proxy.stop();
  await ground.click(["b"]);
  proxy.start();
  await ground.settled(2);
});

Deno.test("FoldTask commits the first click after a pause at once, and those that come meanwhile together", async () => {
  await using parts = await open();
  const { ground } = parts, proxy = ground.proxy();
  await using _task = ground.fold(proxy.bootstrap);
  await ground.click(["a"]);
  await ground.settled(1);
  const gate = Promise.withResolvers<"pass">();
  proxy.onRequest = ({ api }) => api === endTxnApi ? gate.promise : "pass";
  const before = proxy.count(endTxnApi);
  await ground.click(["a"]);
  await eventually("its commit", () => proxy.count(endTxnApi) > before);
  for (let n = 0; n < 10; n++) await ground.click(["b"]);
  gate.resolve("pass");
  const batches = await ground.settled(12);
  assertEquals(batches[1]!.next, 2);
  assert(batches.length <= 5, `${batches.length} batches`);
});

Deno.test("FoldTask reads no more than it can hold while commits are held up, and loses nothing of it", async () => {
  await using parts = await open();
  const { ground } = parts, proxy = ground.proxy();
  const gate = Promise.withResolvers<"pass">();
  proxy.onRequest = ({ api }) => api === endTxnApi ? gate.promise : "pass";
  const start = Date.now(), each = 25_000;
  for (let n = 0; n < 3; n++) {
    await ground.click(Array.from({ length: each }, (_, id) => `${id}`.padEnd(30, "-")), start - n * 60_000);
  }
  await using _task = ground.fold(proxy.bootstrap);
  await eventually("a commit", () => proxy.count(endTxnApi) > 0);
  let fetches = -1;
  await eventually("it to read no more", async () => {
    const before = fetches;
    await pause(700); // longer than one that waits for records
    return (fetches = proxy.count(fetchApi)) === before;
  });
  gate.resolve("pass");
  const batches = await ground.settled(3 * each);
  assert(batches.length > 2, `${batches.length} batches`);
});

Deno.test("FoldTask is disposed at once in the middle of anything", async () => {
  await using parts = await open();
  const { ground } = parts, proxy = ground.proxy();
  await ground.click(["a"]);
  for (const api of [metadataApi, initProducerIdApi, fetchApi, produceApi]) {
    proxy.onRequest = (frame) => frame.api === api ? "drop" : "pass";
    const before = proxy.count(api), task = ground.fold(proxy.bootstrap);
    await eventually(`request ${api}`, () => proxy.count(api) > before);
    await task[Symbol.asyncDispose]();
  }
  await using _task = ground.fold();
  await ground.settled(1);
});

/** Removes the clicks before an offset, as retention does. */
async function deleteBefore(ground: FoldGround, offset: number): Promise<void> {
  const partitions = [{ partitionIndex: 0, offset }], { clicksTopic } = ground.settings;
  const topics = [{ name: clicksTopic, partitions }];
  await (await ground.client()).ask(deleteRecordsApi, 2, { topics, timeoutMs: 10_000 });
}

/** All clicks in the topic of ids. */
async function sumOf(ground: FoldGround): Promise<number> {
  let sum = 0;
  for (let partition = 0; partition < idPartitions; partition++) {
    for (const { counts } of await ground.batches(partition)) {
      for (const [, panes] of counts) for (const [, count] of panes) sum += count;
    }
  }
  return sum;
}
