/** Transactions over restarts and changes of the log start. @module */

import { assertEquals } from "@std/assert";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import { quickly } from "../../eventually.ts";
import { makeTopic, optionsFor, withFolder } from "./harness.ts";
import { TransactionClient } from "./transaction_client.ts";
import { readAll } from "./transaction_reader.ts";

const START_MS = 1_700_000_000_000;
const A = [{ value: "a" }];

/** Runs steps one after the other, each on a broker of its own over the same folder. */
function withRestarts(
  ...steps: ((client: TransactionClient, broker: Broker, clock: { ms: number }) => Promise<void>)[]
): Promise<void> {
  return withFolder(async (dataDir) => {
    const clock = { ms: START_MS };
    for (const step of steps) {
      await using broker = await startBroker(optionsFor(dataDir, { now: () => clock.ms }));
      if (broker.state.log.topics.size === 0) await makeTopic(broker, "t", { partitions: 2 });
      using client = await TransactionClient.connect(broker.port);
      await step(client, broker, clock);
    }
  });
}

const values = async (client: TransactionClient, committed = true) =>
  (await readAll(client, { committed })).map(({ value }) => value);

Deno.test("An open transaction is open after a restart, with all that is in it, and can be committed", () => {
  const producer = { id: 0, epoch: 0 };
  return withRestarts(async (client) => {
    assertEquals(await client.init(), { error: 0, ...producer });
    await client.add(producer, [0, 1]);
    await client.addGroup(producer, "g");
    await client.produce(producer, 0, A);
    await client.commitOffsets(producer, "g", [[0, 9]]);
  }, async (client) => {
    assertEquals(await client.fetch().then(({ end, stable }) => [end, stable]), [1, 0]);
    assertEquals(await client.committed("g", { stable: true }), [88, -1]);
    assertEquals(await client.produce(producer, 0, A), [0, 0], "sent again");
    assertEquals(await client.produce(producer, 1, A), [0, 1]);
    assertEquals(await client.produce(producer, 0, A, { partition: 1 }), [0, 0]);
    assertEquals(await client.commitOffsets(producer, "g", [[1, 4]]), [0]);
    assertEquals(await client.end(producer, true), 0);
    assertEquals(await values(client), ["a", "a"]);
    assertEquals(await client.committed("g", { stable: true }), [0, 9]);
  }, async (client) => {
    assertEquals(await values(client), ["a", "a"]);
    assertEquals(await client.end(producer, true), 0, "sent again");
    assertEquals(await client.end(producer, false), 48);
    assertEquals(await client.produce(producer, 2, A), [48, -1]);
    assertEquals(await client.commitOffsets(producer, "g", [[1, 4]]), [48]);
    assertEquals((await client.fetch()).stable, 3);
  });
});

Deno.test("A transaction whose time passed while the broker was away is aborted after the start", () =>
  withRestarts(async (client) => {
    const producer = await client.init({ timeoutMs: 10_000 });
    await client.add(producer);
    await client.produce(producer, 0, A);
  }, async (client, broker, clock) => {
    assertEquals((await client.fetch()).stable, 0);
    clock.ms += 10_001;
    await broker.state.transactions.sweep();
    assertEquals((await client.fetch()).stable, 2);
    assertEquals(await values(client), []);
    assertEquals((await client.init()).epoch, 2);
  }));

Deno.test("Fences, epochs asked for before and aborted transactions survive a restart", () =>
  withRestarts(async (client) => {
    const producer = await client.init();
    await client.add(producer);
    await client.produce(producer, 0, A);
    await client.end(producer, false);
    assertEquals((await client.init({ producer })).epoch, 1);
  }, async (client) => {
    assertEquals((await client.fetch()).aborted, ["0@0"]);
    assertEquals((await client.init({ producer: { id: 0, epoch: 0 } })).epoch, 1, "sent again");
    assertEquals(await client.end({ id: 0, epoch: 0 }, false), 90);
    assertEquals(await values(client), []);
    assertEquals(await values(client, false), ["a"]);
  }));

Deno.test("The last stable offset never lies before the log start, and an abort beyond it is told as ever", () =>
  withRestarts(async (client, broker) => {
    const producer = await client.init();
    await client.add(producer);
    for (let i = 0; i < 4; i++) await client.produce(producer, i, A);
    await moveStart(broker, 3);
    assertEquals(await stableAndStart(client), [3, 3]);
    assertEquals((await client.fetch({ offset: 3 })).records.byteLength, 0);
  }, async (client) => {
    assertEquals(await stableAndStart(client), [3, 3]);
    assertEquals(await client.end({ id: 0, epoch: 0 }, false), 0);
    const { stable, aborted } = await client.fetch({ offset: 3 });
    assertEquals([stable, aborted], [5, ["0@0"]]);
    assertEquals(await readAll(client, { from: 3 }), []);
  }));

Deno.test("Log.forgetAborted() forgets what ended before the log start and nothing else", () =>
  withRestarts(async (client, broker) => {
    const producer = await client.init();
    for (let i = 0; i < 600; i++) {
      await client.add(producer);
      await client.produce(producer, i, A);
      await client.end(producer, false);
    }
    const partition = broker.state.log.partition("t", 0);
    if (partition === undefined) throw new Error("There is no partition 0");
    const left = () => partition.aborted(0, partition.end).length;
    assertEquals(left(), 600);
    const forget = (before: number) =>
      broker.state.store.write(() => broker.state.log.forgetAborted(partition, before));
    await forget(11);
    assertEquals(left(), 595, "the sixth has its marker at 11");
    await forget(partition.end);
    assertEquals(left(), 95, "a number of them at a time");
    await forget(partition.end);
    assertEquals(left(), 0);
  }, (_client, broker) => {
    assertEquals(broker.state.log.partition("t", 0)?.aborted(0, 2_000), []);
    return Promise.resolve();
  }));

Deno.test("What deleted topics leave of their aborted transactions is freed step by step, also after a restart", () =>
  withRestarts(async (client, broker) => {
    await client.init();
    const partition = broker.state.log.partition("t", 0);
    if (partition === undefined) throw new Error("There is no partition 0");
    await broker.state.store.write(() => fillAborted(broker, partition.id, 1_200));
  }, async (client, broker) => {
    await makeTopic(broker, "kept");
    await broker.state.store.write(() =>
      fillAborted(broker, broker.state.log.partition("kept", 0)?.id ?? -1, 3)
    );
    const topic = broker.state.log.topics.byName("t");
    if (topic !== undefined) await broker.state.log.topics.delete(topic);
    assertEquals(abortedRows(broker), 1_203);
    assertEquals([await broker.state.log.freeTransactions(), abortedRows(broker)], [true, 703]);
    assertEquals((await client.fetch()).error, 3);
  }, async (_client, broker) => {
    await broker.state.transactions.sweep();
    assertEquals(abortedRows(broker), 3);
    assertEquals(broker.state.log.partition("kept", 0)?.aborted(0, 10).length, 3);
  }));

Deno.test("An id whose epochs are used up goes on with another producer id", () =>
  withRestarts(async (client, broker) => {
    await client.init();
    const { db } = broker.state.store;
    await broker.state.store.write(() => db.exec("UPDATE transactions SET epoch = 32765"));
  }, async (client) => {
    const last = await client.init();
    assertEquals([last.id, last.epoch], [0, 32_766]);
    await client.add(last);
    await client.produce(last, 0, A);
    const next = await client.init();
    assertEquals([next.error, next.id > 0, next.epoch], [0, true, 0]);
    assertEquals(await client.produce(last, 1, A), [49, -1]);
    await client.add(next);
    assertEquals(await client.produce(next, 0, A), [0, 2], "what was open has its marker");
    assertEquals(await client.end(next, true), 0);
    assertEquals((await readAll(client)).map(({ offset }) => offset), [2]);
  }));

Deno.test("A start with as many transactional ids as there may be, and aborted transactions, takes no time", () =>
  withFolder(async (dataDir) => {
    const options = optionsFor(dataDir);
    {
      await using broker = await startBroker(options);
      await makeTopic(broker, "t");
      const { db } = broker.state.store;
      await broker.state.store.write(() => {
        const transaction = db.prepare(
          "INSERT INTO transactions VALUES (?, ?, 0, NULL, NULL, 60000, 'Empty', 0, 0)",
        );
        for (let i = 0; i < 50_000; i++) transaction.run(`id-${i}`, i);
        fillAborted(broker, 1, 200_000);
      });
    }
    await quickly("a start", 1_000, async () => {
      await using _broker = await startBroker(options);
    });
    await using broker = await startBroker(options);
    assertEquals(broker.state.transactions.size, 50_000);
    for (const [id, error] of [["one more", 44], ["id-7", 0]] as const) {
      using client = await TransactionClient.connect(broker.port, { id });
      assertEquals((await client.init()).error, error);
    }
    const partition = broker.state.log.partition("t", 0);
    const aborted = await quickly("two of them", 100, () => partition?.aborted(100_000, 100_004));
    assertEquals(aborted?.map(({ firstOffset }) => firstOffset), [100_000, 100_002]);
  }));

/** Writes aborted transactions of one record each, without the records; inside a store write. */
function fillAborted(broker: Broker, partition: number, count: number): void {
  const insert = broker.state.store.db.prepare("INSERT INTO aborted_transactions VALUES (?, ?, 7, ?, ?)");
  for (let i = 0; i < count; i++) insert.run(partition, 2 * i + 1, 2 * i, 2 * i + 2);
}

function abortedRows(broker: Broker): number {
  return Number(broker.state.store.db.prepare("SELECT count(*) AS n FROM aborted_transactions").get()?.n);
}

/** Moves the log start as retention does, without freeing anything. */
async function moveStart(broker: Broker, start: number): Promise<void> {
  const { log, store } = broker.state;
  const partition = log.partition("t", 0);
  if (partition === undefined) throw new Error("There is no partition 0");
  await store.write(() => {
    partition.restore({ ...partition.bounds(), start });
    log.touched(partition);
    log.forgetAborted(partition, start);
  });
}

async function stableAndStart(client: TransactionClient): Promise<number[]> {
  const { stable, start } = await client.fetch({ offset: 3 });
  return [stable, start];
}
