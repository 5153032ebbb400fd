/** Transactions through the protocol: what producers may do, what readers see of it, and what time, restarts, deletions
 * and full disks do to it. @module */

import { assertEquals } from "@std/assert";
import type { Broker, BrokerOptions } from "../../../kafka/broker/mod.ts";
import { startBroker } from "../../../kafka/broker/mod.ts";
import { within } from "../../eventually.ts";
import { batchOf } from "./batches.ts";
import { makeTopic, optionsFor, withFolder } from "./harness.ts";
import { type FetchWish, TransactionClient } from "./transaction_client.ts";
import { readAll } from "./transaction_reader.ts";

const START_MS = 1_700_000_000_000;
const A = [{ value: "a" }];
const FENCED = 90;
const OLD_EPOCH = 47;
const WRONG_STATE = 48;

/** A broker whose clock the test turns, and a client of topic "t" with two partitions. */
function withTransactions(
  test: (given: { broker: Broker; client: TransactionClient; clock: { ms: number } }) => Promise<void>,
  options: Partial<BrokerOptions> = {},
): Promise<void> {
  return withFolder(async (dataDir) => {
    const clock = { ms: START_MS };
    await using broker = await startBroker(optionsFor(dataDir, { now: () => clock.ms, ...options }));
    await makeTopic(broker, "t", { partitions: 2 });
    using client = await TransactionClient.connect(broker.port);
    await test({ broker, client, clock });
  });
}

const values = async (client: TransactionClient, committed: boolean, partition = 0) =>
  (await readAll(client, { committed, partition })).map(({ value }) => value);

Deno.test("A committed transaction is seen as a whole, an aborted one never; both leave a marker", () =>
  withTransactions(async ({ client }) => {
    const producer = await client.init();
    assertEquals(await client.add(producer, [0, 1]), [0, 0]);
    assertEquals(await client.produce(producer, 0, [{ value: "a" }, { value: "b" }]), [0, 0]);
    assertEquals(await client.produce(producer, 0, [{ value: "c" }], { partition: 1 }), [0, 0]);
    assertEquals(await values(client, true), []);
    assertEquals(await values(client, false), ["a", "b"]);
    assertEquals(await client.end(producer, true), 0);
    assertEquals([await values(client, true), await values(client, true, 1)], [["a", "b"], ["c"]]);
    await client.add(producer, [0]);
    assertEquals(await client.produce(producer, 2, [{ value: "d" }]), [0, 3], "offset 2 is the marker's");
    assertEquals(await client.end(producer, false), 0);
    assertEquals(await values(client, true), ["a", "b"]);
    assertEquals(await values(client, false), ["a", "b", "d"]);
    const { end, stable, aborted } = await client.fetch();
    assertEquals([end, stable, aborted], [5, 5, [`${producer.id}@3`]]);
  }));

Deno.test("The last stable offset stands before the oldest open transaction, whatever ends after it", () =>
  withTransactions(async ({ broker, client }) => {
    using other = await TransactionClient.connect(broker.port, { id: "other" });
    const [first, second] = [await client.init(), await other.init()];
    await client.produce({ id: -1, epoch: -1 }, -1, A, { transactional: false, transactionalId: null });
    await client.add(first);
    await other.add(second);
    await client.produce(first, 0, A);
    await other.produce(second, 0, A);
    const stable = async () => [(await client.fetch()).stable, await client.offsetAt(-1)];
    assertEquals(await stable(), [1, 1]);
    assertEquals(await other.end(second, true), 0);
    assertEquals(await stable(), [1, 1], "the second is done, the first is not");
    assertEquals(await client.offsetAt(-1, { committed: false }), 4);
    assertEquals(await client.end(first, false), 0);
    assertEquals(await stable(), [5, 5]);
  }));

Deno.test("Fetch between the last stable offset and the end is empty, without an error; beyond the end it is out of range", () =>
  withTransactions(async ({ client }) => {
    const producer = await client.init();
    await client.add(producer);
    await client.produce(producer, 0, [{ value: "a" }, { value: "b" }]);
    for (const offset of [0, 1, 2]) {
      const { error, records, aborted } = await client.fetch({ offset });
      assertEquals([error, records.byteLength, aborted], [0, 0, []]);
    }
    assertEquals((await client.fetch({ offset: 3 })).error, 1);
    assertEquals((await client.fetch({ committed: false })).aborted, null);
  }));

Deno.test("ListOffsets finds no time at or beyond the last stable offset for a reader of committed records", () =>
  withTransactions(async ({ client }) => {
    const producer = await client.init();
    await client.add(producer);
    await client.produce(producer, 0, [{ value: "a", timestamp: START_MS }]);
    for (const timestamp of [START_MS, 0, -3]) {
      assertEquals(await client.offsetAt(timestamp), -1);
      assertEquals(await client.offsetAt(timestamp, { committed: false }), 0);
    }
    await client.end(producer, true);
    assertEquals(await client.offsetAt(START_MS), 0);
  }));

Deno.test("Fetch tells of the aborted transactions that overlap what it sends, by first offset, and of no other", () =>
  withTransactions(async ({ broker, client }) => {
    using other = await TransactionClient.connect(broker.port, { id: "other" });
    const [p, q] = [await client.init(), await other.init()];
    await client.add(p); // 0 p, 1 q, 2 p's abort, 3 q's abort, 4 q, 5 q's commit, 6 p, 7 p's abort
    await other.add(q);
    await client.produce(p, 0, A);
    await other.produce(q, 0, A);
    await client.end(p, false);
    await other.end(q, false);
    await other.add(q);
    await other.produce(q, 1, A);
    await other.end(q, true);
    await client.add(p);
    await client.produce(p, 1, A);
    await client.end(p, false);
    const at = async (offset: number, maxBytes: number) => (await client.fetch({ offset, maxBytes })).aborted;
    const [first, second, third] = [`${p.id}@0`, `${q.id}@1`, `${p.id}@6`];
    assertEquals(await at(0, 10_000), [first, second, third]);
    assertEquals(await at(0, 1), [first], "one batch, in which only the first has begun");
    assertEquals(await at(1, 1), [first, second]);
    assertEquals(await at(2, 1), [first, second]);
    assertEquals(await at(3, 1), [second]);
    assertEquals(await at(4, 1), []);
    assertEquals(await at(4, 10_000), [third]);
    assertEquals(await at(7, 10_000), [third]);
    assertEquals(await at(8, 10_000), []);
  }));

Deno.test("A waiting reader of committed records is woken by the end of a transaction, not by its records", () =>
  withTransactions(async ({ broker, client }) => {
    using reader = await TransactionClient.connect(broker.port);
    const producer = await client.init();
    await client.add(producer);
    for (const commit of [true, false]) {
      const { stable: offset } = await client.fetch();
      let isAnswered = false;
      const fetching = reader.fetch({ offset, maxWaitMs: 300_000 }).finally(() => isAnswered = true);
      await client.add(producer);
      for (let i = 0; i < 3; i++) await client.produce(producer, commit ? i : 3 + i, A);
      assertEquals(isAnswered, false);
      await client.end(producer, commit);
      const { stable, records } = await within("the fetch to be answered", 30_000, fetching);
      assertEquals([stable, records.byteLength > 200], [offset + 4, true]);
    }
  }));

Deno.test("A reader of committed records that wants more bytes waits for as many to become stable", () =>
  withTransactions(async ({ broker, client }) => {
    using reader = await TransactionClient.connect(broker.port);
    const size = batchOf(A).byteLength;
    const producer = await client.init();
    let isAnswered = false;
    const wish: FetchWish = { maxWaitMs: 300_000, minBytes: 3 * size + 2 * 78 };
    const fetching = reader.fetch(wish).finally(() => isAnswered = true);
    for (let i = 0; i < 3; i++) {
      await client.add(producer);
      assertEquals(isAnswered, false, `after ${i} transactions`);
      await client.produce(producer, i, A);
      await client.end(producer, true);
    }
    const { records } = await within("the fetch to be answered", 30_000, fetching);
    assertEquals(records.byteLength, 3 * (size + 78));
  }));

Deno.test("The next producer of an id fences the last one and takes back what it left open", () =>
  withTransactions(async ({ client }) => {
    const zombie = await client.init();
    await client.add(zombie);
    await client.produce(zombie, 0, A);
    const next = await client.init();
    assertEquals([next.id, next.epoch], [zombie.id, 2], "epoch 1 was the fence");
    assertEquals(await values(client, true), []);
    assertEquals((await client.fetch()).stable, 2);
    assertEquals(await client.produce(zombie, 1, A), [OLD_EPOCH, -1]);
    assertEquals([await client.end(zombie, true), await client.end(zombie, true, 1)], [FENCED, OLD_EPOCH]);
    assertEquals([await client.add(zombie), await client.add(zombie, [0], 1)], [[FENCED], [OLD_EPOCH]]);
    assertEquals(await client.addGroup(zombie, "g"), FENCED);
    assertEquals((await client.init({ producer: zombie })).error, FENCED);
    await client.add(next);
    assertEquals(await client.produce(next, 1, A), [45, -1], "a new epoch begins at sequence 0");
    assertEquals(await client.produce(next, 0, A), [0, 2]);
    assertEquals((await client.init({ producer: zombie })).error, FENCED);
    assertEquals((await client.fetch()).stable, 2, "the transaction is open as before");
    assertEquals(await client.end(next, true), 0);
  }));

Deno.test("A producer that names its own epoch may give up what it left open itself", () =>
  withTransactions(async ({ client }) => {
    const producer = await client.init();
    await client.add(producer);
    await client.produce(producer, 0, A);
    const next = await client.init({ producer });
    assertEquals([next.error, next.epoch], [0, 2]);
    assertEquals(await client.init({ producer }), next, "sent again");
    assertEquals((await client.fetch()).stable, 2);
  }));

Deno.test("Produce takes transactional batches only of an open transaction with that partition in it", () =>
  withTransactions(async ({ client }) => {
    const producer = await client.init();
    assertEquals(await client.produce(producer, 0, A), [WRONG_STATE, -1]);
    assertEquals(await client.produce(producer, 0, A, { version: 11 }), [120, -1], "TRANSACTION_ABORTABLE");
    await client.add(producer, [1]);
    assertEquals(await client.produce(producer, 0, A), [WRONG_STATE, -1]);
    const in1 = { partition: 1 };
    assertEquals(await client.produce(producer, 0, A, { ...in1, transactionalId: null }), [53, -1]);
    assertEquals(await client.produce(producer, 0, A, { ...in1, transactionalId: "" }), [42, -1]);
    assertEquals(await client.produce(producer, 0, A, { ...in1, transactionalId: "nobody" }), [49, -1]);
    assertEquals(await client.produce({ ...producer, id: 99 }, 0, A, in1), [49, -1]);
    assertEquals(await client.produce({ ...producer, epoch: 1 }, 0, A, in1), [OLD_EPOCH, -1]);
    assertEquals(await client.produce(producer, 0, A, in1), [0, 0]);
    assertEquals(await client.produce(producer, 0, A, in1), [0, 0], "sent again");
    const plain = { ...in1, transactional: false };
    assertEquals(await client.produce(producer, 1, A, plain), [WRONG_STATE, -1]);
    assertEquals(await client.end(producer, true), 0);
    assertEquals(await client.produce(producer, 1, A, in1), [WRONG_STATE, -1]);
    assertEquals(await client.produce(producer, 1, A, plain), [0, 2]);
  }));

Deno.test("Sequences go on over transactions, and begin at 0 where nothing was written but a marker", () =>
  withTransactions(async ({ client }) => {
    const producer = await client.init();
    await client.add(producer, [0, 1]);
    await client.produce(producer, 0, A);
    await client.end(producer, true);
    await client.add(producer, [0, 1]);
    assertEquals(await client.produce(producer, 0, A), [0, 0], "the first batch, sent again");
    assertEquals(await client.produce(producer, 2, A), [45, -1]);
    assertEquals(await client.produce(producer, 1, A), [0, 2]);
    assertEquals(await client.produce(producer, 1, A, { partition: 1 }), [45, -1]);
    assertEquals(await client.produce(producer, 0, A, { partition: 1 }), [0, 1]);
  }));

Deno.test("A transaction that takes too long is aborted and its producer fenced", () =>
  withTransactions(async ({ broker, client, clock }) => {
    const producer = await client.init({ timeoutMs: 5_000 });
    await client.add(producer);
    await client.produce(producer, 0, A);
    clock.ms += 5_000;
    await broker.state.transactions.sweep();
    assertEquals((await client.fetch()).stable, 0);
    clock.ms += 1;
    await broker.state.transactions.sweep();
    assertEquals((await client.fetch()).stable, 2);
    assertEquals(await values(client, true), []);
    assertEquals(await client.produce(producer, 1, A), [OLD_EPOCH, -1]);
    assertEquals(await client.end(producer, true), FENCED);
    assertEquals((await client.init({ producer })).error, FENCED);
    assertEquals((await client.init()).epoch, 2);
  }));

Deno.test("A transaction that its producer ends in the moment it is overdue stays ended", () =>
  withTransactions(async ({ broker, client, clock }) => {
    const producer = await client.init({ timeoutMs: 5_000 });
    await client.add(producer);
    await client.produce(producer, 0, A);
    clock.ms += 5_001;
    const { transactions } = broker.state;
    const [error] = await Promise.all([transactions.end({ id: "tx", producer }, true), transactions.sweep()]);
    assertEquals(error, 0);
    assertEquals((await client.fetch()).end, 2);
    assertEquals(await values(client, true), ["a"]);
    assertEquals((await client.init({ producer })).epoch, 1);
  }));

Deno.test("A transaction that only was announced is timed out too, and its partitions get markers", () =>
  withTransactions(async ({ broker, client, clock }) => {
    const producer = await client.init({ timeoutMs: 5_000 });
    await client.add(producer, [0, 1]);
    clock.ms += 5_001;
    await broker.state.transactions.sweep();
    for (const partition of [0, 1]) {
      const { end, stable, aborted, records } = await client.fetch({ partition });
      assertEquals([end, stable, aborted, records.byteLength], [1, 1, [], 78]);
    }
  }));

Deno.test("An id nobody used for seven days is forgotten, one with an open transaction is not", () =>
  withTransactions(async ({ broker, client, clock }) => {
    using other = await TransactionClient.connect(broker.port, { id: "other" });
    const [unused, used] = [await client.init(), await other.init({ timeoutMs: 900_000 })];
    clock.ms += 7 * 86_400_000 - 1_000;
    await other.add(used);
    clock.ms += 2_000;
    await broker.state.transactions.sweep();
    assertEquals(await client.add(unused), [49]);
    assertEquals(await other.end(used, true), 0);
    assertEquals((await client.init()).id > used.id, true, "a new producer id");
    assertEquals(broker.state.transactions.size, 2);
  }));

Deno.test("A topic may be deleted with a transaction open in it; the rest of the transaction ends as ever", () =>
  withTransactions(async ({ broker, client }) => {
    await makeTopic(broker, "gone");
    using other = await TransactionClient.connect(broker.port, { topic: "gone" });
    const producer = await client.init();
    await client.add(producer);
    await other.add(producer);
    await client.produce(producer, 0, A);
    await other.produce(producer, 0, A);
    const topic = broker.state.log.topics.byName("gone");
    if (topic !== undefined) await broker.state.log.topics.delete(topic);
    await makeTopic(broker, "gone");
    assertEquals(await other.produce(producer, 1, A), [WRONG_STATE, -1], "the new topic is not in it");
    assertEquals(await client.end(producer, true), 0);
    assertEquals(await values(client, true), ["a"]);
    assertEquals(await other.fetch().then(({ end, stable }) => [end, stable]), [0, 0]);
  }));

Deno.test("On a full disk a transaction stays open as it was, and ends when there is room again", () =>
  withTransactions(async ({ broker, client }) => {
    let failing = false;
    broker.state.store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    const producer = await client.init();
    await client.add(producer);
    await client.produce(producer, 0, A);
    const before = await client.fetch({ committed: false });
    failing = true;
    assertEquals(await client.end(producer, true), 16, "NOT_COORDINATOR: ask again");
    assertEquals(await client.add(producer, [1]), [16]);
    assertEquals(await client.addGroup(producer, "g"), 16);
    assertEquals((await client.init()).error, 16);
    assertEquals((await client.produce(producer, 1, A))[0], 56);
    assertEquals(await client.fetch({ committed: false }), before);
    failing = false;
    assertEquals(await client.produce(producer, 0, A, { partition: 1 }), [WRONG_STATE, -1]);
    assertEquals(await client.commitOffsets(producer, "g", [[0, 1]]), [WRONG_STATE]);
    assertEquals(await client.produce(producer, 1, A), [0, 1]);
    assertEquals(await client.end(producer, true), 0);
    assertEquals(await values(client, true), ["a", "a"]);
    assertEquals((await client.fetch()).stable, 3);
  }));

Deno.test("A transaction that begins in a commit that fails leaves the last stable offset alone", () =>
  withTransactions(async ({ broker, client }) => {
    let failing = false;
    broker.state.store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    const producer = await client.init();
    await client.add(producer);
    failing = true;
    assertEquals((await client.produce(producer, 0, A))[0], 56);
    failing = false;
    await client.produce({ id: -1, epoch: -1 }, -1, A, { transactional: false, transactionalId: null });
    assertEquals((await client.fetch()).stable, 1);
    assertEquals(await client.produce(producer, 0, A), [0, 1]);
    assertEquals((await client.fetch()).stable, 1);
  }));

Deno.test("Records that did not reach the disk do not count for who waits for more bytes", () =>
  withTransactions(async ({ broker, client }) => {
    using reader = await TransactionClient.connect(broker.port);
    let failing = false;
    broker.state.store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    const plainly = () =>
      client.produce({ id: -1, epoch: -1 }, -1, A, { transactional: false, transactionalId: null });
    const minBytes = 2 * batchOf(A).byteLength;
    let isAnswered = false;
    const fetching = reader.fetch({ maxWaitMs: 300_000, minBytes }).finally(() => isAnswered = true);
    await client.fetch(); // the reader's request came first
    failing = true;
    assertEquals((await plainly())[0], 56);
    failing = false;
    assertEquals((await plainly())[0], 0);
    await client.fetch();
    assertEquals(isAnswered, false);
    await plainly();
    const { records } = await within("the fetch to be answered", 30_000, fetching);
    assertEquals(records.byteLength, minBytes);
  }));
