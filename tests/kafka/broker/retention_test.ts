import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Broker, startBroker } from "../../../kafka/broker/mod.ts";
import { moveStart } from "../../../kafka/broker/retention.ts";
import { StorageError } from "../../../kafka/broker/store.ts";
import { batchOf, valuesIn } from "./batches.ts";
import { fetch, makeTopic, optionsFor, produceRecords, withBroker, withFolder } from "./harness.ts";
import { RawClient } from "./raw_client.ts";

const NOW = 1_700_000_000_000;
const OUT_OF_RANGE = 1;

function rows(broker: Broker, table: string): number {
  return Number(broker.state.store.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
}

function bounds(broker: Broker, topic: string, partition = 0): number[] {
  const { start = -1, end = -1, bytes = -1 } = broker.state.log.partition(topic, partition) ?? {};
  return [start, end, bytes];
}

Deno.test("Retention removes what is older than retention.ms and moves the log start", () => {
  let nowMs = NOW;
  return withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "retention.ms": "1000" } });
    await makeTopic(broker, "kept", { configs: { "retention.ms": "-1" } });
    for (let i = 0; i < 10; i++) {
      await produceRecords(client, "t", [{ value: `a${i}`, timestamp: NOW + i * 100 }, { value: `b${i}` }]);
    }
    await produceRecords(client, "kept", [{ value: "old", timestamp: 0 }]);
    nowMs = NOW + 1000;
    await broker.sweep();
    assertEquals(bounds(broker, "t").slice(0, 2), [0, 20]); // exactly as old as allowed
    nowMs = NOW + 1401;
    await broker.sweep();
    assertEquals(bounds(broker, "t").slice(0, 2), [10, 20]);
    assertEquals(bounds(broker, "kept").slice(0, 2), [0, 1]);
    assertEquals((await fetch(client, "t", { offset: 9 }))[0]?.error, OUT_OF_RANGE);
    const [found] = await fetch(client, "t", { offset: 10 });
    assertEquals(valuesIn(found?.records ?? new Uint8Array())[0], { offset: 10, value: "a5" });
    nowMs = NOW + 100_000;
    await broker.sweep();
    assertEquals(bounds(broker, "t"), [20, 20, 0]);
    assertEquals((await fetch(client, "t", { offset: 20 }))[0]?.error, 0);
    assertEquals(await produceRecords(client, "t", [{ value: "next", timestamp: nowMs }]), 20);
  }, { now: () => nowMs });
});

Deno.test("Retention removes the oldest batches while the rest has at least retention.bytes", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "retention.bytes": "1000" } });
    const size = batchOf([{ value: "x".repeat(100) }]).byteLength;
    for (let i = 0; i < 20; i++) await produceRecords(client, "t", [{ value: "x".repeat(100) }]);
    await broker.sweep();
    const left = Math.ceil(1000 / size);
    assertEquals(bounds(broker, "t"), [20 - left, 20, left * size]);
    await broker.sweep();
    assertEquals(bounds(broker, "t"), [20 - left, 20, left * size]);
    assertEquals(broker.metrics().logBytes, left * size);
  }));

Deno.test("Retention works through more than one step", () =>
  withFolder(async (dataDir) => {
    let nowMs = NOW;
    await using broker = await startBroker(optionsFor(dataDir, { now: () => nowMs }));
    using client = await RawClient.connect(broker.port);
    await makeTopic(broker, "t", { configs: { "retention.ms": "1000" } });
    for (let i = 0; i < 450; i++) await produceRecords(client, "t", [{ value: "x", timestamp: NOW }]);
    nowMs += 5_000;
    const commits = broker.state.store.commitSeconds.snapshot().count;
    await broker.sweep();
    assertEquals(bounds(broker, "t"), [450, 450, 0]);
    assert(broker.state.store.commitSeconds.snapshot().count - commits > 1);
    assertEquals(rows(broker, "batches"), 0);
  }));

Deno.test("A batch in the future keeps those behind it; one without a time goes with the next", () => {
  let nowMs = NOW;
  return withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "retention.ms": "1000" } });
    await produceRecords(client, "t", [{ value: "none", timestamp: -1 }]);
    await produceRecords(client, "t", [{ value: "old", timestamp: NOW - 10_000 }]);
    await produceRecords(client, "t", [{ value: "ahead", timestamp: NOW + 60_000 }]);
    await produceRecords(client, "t", [{ value: "old too", timestamp: NOW - 10_000 }]);
    await broker.sweep();
    assertEquals(bounds(broker, "t").slice(0, 2), [2, 4]);
    nowMs = NOW + 62_000;
    await broker.sweep();
    assertEquals(bounds(broker, "t").slice(0, 2), [4, 4]);
  }, { now: () => nowMs });
});

Deno.test("An emptied log keeps its end over a restart", () =>
  withFolder(async (dataDir) => {
    let nowMs = NOW;
    const first = await startBroker(optionsFor(dataDir, { now: () => nowMs }));
    {
      using client = await RawClient.connect(first.port);
      await makeTopic(first, "t", { configs: { "retention.ms": "1000" } });
      await produceRecords(client, "t", [{ value: "a", timestamp: NOW }, { value: "b", timestamp: NOW }]);
    }
    nowMs += 5_000;
    await first.sweep();
    await first[Symbol.asyncDispose]();
    await using second = await startBroker(optionsFor(dataDir, { now: () => nowMs }));
    using client = await RawClient.connect(second.port);
    assertEquals(bounds(second, "t"), [2, 2, 0]);
    assertEquals(await produceRecords(client, "t", [{ value: "c", timestamp: nowMs }]), 2);
  }));

Deno.test("The rows of a deleted topic are freed by the next sweep, also after a restart", () =>
  withFolder(async (dataDir) => {
    const first = await startBroker(optionsFor(dataDir));
    {
      using client = await RawClient.connect(first.port);
      await makeTopic(first, "t", { partitions: 2 });
      await makeTopic(first, "kept");
      for (const partition of [0, 1]) {
        await produceRecords(
          client,
          "t",
          [{ value: "x" }],
          { producerId: 1, epoch: 0, sequence: 0 },
          partition,
        );
      }
      await produceRecords(client, "kept", [{ value: "x" }], { producerId: 1, epoch: 0, sequence: 0 });
    }
    const topic = first.state.log.topics.byName("t");
    if (topic !== undefined) await first.state.log.topics.delete(topic);
    assertEquals([rows(first, "batches"), rows(first, "dead_partitions")], [3, 2]);
    await first[Symbol.asyncDispose]();
    await using second = await startBroker(optionsFor(dataDir));
    await second.sweep();
    assertEquals([rows(second, "batches"), rows(second, "producers"), rows(second, "dead_partitions")], [
      1,
      1,
      0,
    ]);
    assertEquals([...second.state.log.topics].map(({ name }) => name), ["kept"]);
  }));

Deno.test("Age and size do not trim a topic that is only compacted", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", {
      configs: { "cleanup.policy": "compact", "retention.ms": "1", "retention.bytes": "1" },
    });
    await produceRecords(client, "t", [{ key: "k", value: "old", timestamp: 0 }]);
    await produceRecords(client, "t", [{ key: "k", value: "new", timestamp: 0 }]);
    const before = bounds(broker, "t");
    await broker.sweep();
    assertEquals(bounds(broker, "t")[0], before[0]);
  }));

Deno.test("moveStart() is durable at once, keeps the batch that holds the start, and the next sweep frees the rest", () =>
  withFolder(async (dataDir) => {
    const first = await startBroker(optionsFor(dataDir));
    let kept = 0;
    {
      using client = await RawClient.connect(first.port);
      await makeTopic(first, "t", {
        configs: { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "1" },
      });
      for (let i = 0; i < 4; i++) {
        kept = batchOf([{ key: "k", value: `a${i}` }, { key: "k", value: `b${i}` }]).byteLength;
        await produceRecords(client, "t", [{ key: "k", value: `a${i}` }, { key: "k", value: `b${i}` }]);
      }
      const { state } = first;
      const partition = state.log.partition("t", 0)!;
      await moveStart(state.log, state.store, partition, 5);
      assertEquals(bounds(first, "t"), [5, 8, 4 * kept]);
      assertEquals(rows(first, "batches"), 4);
      assertEquals((await fetch(client, "t", { offset: 4 }))[0]?.error, OUT_OF_RANGE);
      const [found] = await fetch(client, "t", { offset: 5 });
      assertEquals(valuesIn(found?.records ?? new Uint8Array()).map(({ offset }) => offset), [4, 5, 6, 7]);
      await moveStart(state.log, state.store, partition, 3); // never back
      assertEquals(bounds(first, "t")[0], 5);
    }
    await first[Symbol.asyncDispose]();
    await using second = await startBroker(optionsFor(dataDir));
    assertEquals(bounds(second, "t").slice(0, 2), [5, 8]);
    await second.sweep();
    assertEquals([...bounds(second, "t"), rows(second, "batches")], [5, 8, 2 * kept, 2]);
    const { state } = second;
    await moveStart(state.log, state.store, state.log.partition("t", 0)!, 100); // no farther than the end
    await second.sweep();
    assertEquals([...bounds(second, "t"), rows(second, "batches")], [8, 8, 0, 0]);
    using client = await RawClient.connect(second.port);
    assertEquals(await produceRecords(client, "t", [{ key: "k", value: "next" }]), 8);
  }));

Deno.test("moveStart() takes the start back when the disk did not take it", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    for (let i = 0; i < 3; i++) await produceRecords(client, "t", [{ value: `v${i}` }]);
    const { log, store } = broker.state;
    const before = bounds(broker, "t");
    let failing = true;
    store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    await assertRejects(() => moveStart(log, store, log.partition("t", 0)!, 2), StorageError);
    failing = false;
    assertEquals(bounds(broker, "t"), before);
    await moveStart(log, store, log.partition("t", 0)!, 2);
    assertEquals(bounds(broker, "t")[0], 2);
  }));

Deno.test("A sweep forgets producers that were silent for a day, and only those", () => {
  let nowMs = NOW;
  return withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    for (const producerId of [1, 2, 3]) {
      if (producerId === 3) nowMs += 3_600_000;
      await produceRecords(client, "t", [{ value: "x" }], { producerId, epoch: 0, sequence: 0 });
    }
    nowMs += 86_400_000 - 1000;
    await broker.sweep();
    assertEquals(rows(broker, "producers"), 1);
    assertEquals([...broker.state.log.partition("t", 0)!.producers.keys()], [3]);
  }, { now: () => nowMs });
});
