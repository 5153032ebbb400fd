import { assert, assertEquals } from "@std/assert";
import { firstAtOrAfter, newestRecord } from "../../../kafka/broker/timestamps.ts";
import { startBroker } from "../../../kafka/broker/mod.ts";
import { moveStart } from "../../../kafka/broker/retention.ts";
import { valuesIn } from "./batches.ts";
import { appendBatch, compact, endTransaction, partitionOf, readAll } from "./compaction_log.ts";
import { fetch, makeTopic, optionsFor, withBroker, withFolder } from "./harness.ts";

const NOW = 1_700_000_000_000;
const DAY = 86_400_000;
const compacted = { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0" };
const quiet = { now: () => NOW, retentionCheckMs: 1_000_000 };

function offsets(read: readonly { offset: number }[]): number[] {
  return read.map(({ offset }) => offset);
}

Deno.test("compaction keeps the newest record of each key and the newest batch, with their offsets and times", () =>
  withBroker(async (broker) => {
    await makeTopic(broker, "t", { configs: compacted });
    const record = (key: string, value: string, timestamp: number) => ({ key, value, timestamp });
    await appendBatch(broker, [
      record("a", "1", NOW - 50),
      record("b", "1", NOW - 40),
      record("c", "1", NOW - 30),
    ]);
    await appendBatch(broker, [record("a", "2", NOW - 20)]);
    await appendBatch(broker, [record("b", "2", NOW - 10), record("a", "3", NOW - 9)]);
    await appendBatch(broker, [record("a", "4", NOW)]);
    const partition = partitionOf(broker);
    await compact(broker, () => NOW);
    const wanted = [
      { offset: 2, key: "c", value: "1", timestamp: NOW - 30 },
      { offset: 4, key: "b", value: "2", timestamp: NOW - 10 },
      { offset: 5, key: "a", value: "3", timestamp: NOW - 9 },
      { offset: 6, key: "a", value: "4", timestamp: NOW },
    ];
    assertEquals(readAll(broker), wanted);
    const { n, bytes } = broker.state.store.db.prepare(
      "SELECT count(*) n, sum(length(bytes)) bytes FROM batches",
    )
      .get()!;
    assertEquals([Number(n), Number(bytes)], [3, partition.bytes]);
    assertEquals([partition.start, partition.end], [0, 7]);
  }, quiet));

Deno.test("compaction waits for the dirty ratio, or for max.compaction.lag.ms", () => {
  let nowMs = NOW;
  return withBroker(async (broker) => {
    await makeTopic(broker, "t", {
      configs: {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.5",
        "max.compaction.lag.ms": "1000",
      },
    });
    const put = () => appendBatch(broker, [{ key: "k", value: "x".repeat(100), timestamp: nowMs }]);
    const unlike = (i: number) =>
      appendBatch(broker, [{ key: `u${i}`, value: "x".repeat(100), timestamp: nowMs }]);
    for (let i = 0; i < 10; i++) await unlike(i);
    await compact(broker, () => nowMs);
    await put();
    await put();
    await put();
    await compact(broker, () => nowMs);
    assertEquals(readAll(broker).length, 13, "a quarter is new");
    nowMs += 1001;
    await compact(broker, () => nowMs);
    assertEquals(readAll(broker).length, 12, "too old to wait: all but the newest batch");
  }, { ...quiet, now: () => nowMs });
});

Deno.test("compaction leaves what is younger than min.compaction.lag.ms", () => {
  let nowMs = NOW;
  return withBroker(async (broker) => {
    await makeTopic(broker, "t", { configs: { ...compacted, "min.compaction.lag.ms": "1000" } });
    for (let i = 0; i < 10; i++) {
      await appendBatch(broker, [{ key: "k", value: `${i}`, timestamp: NOW + i * 100 }]);
    }
    nowMs = NOW + 1400;
    await compact(broker, () => nowMs);
    assertEquals(offsets(readAll(broker)), [4, 5, 6, 7, 8, 9]);
  }, { ...quiet, now: () => nowMs });
});

Deno.test("a tombstone stays for delete.retention.ms after its first compaction, also over a restart", () =>
  withFolder(async (dataDir) => {
    let nowMs = NOW;
    const options = optionsFor(dataDir, { ...quiet, now: () => nowMs });
    {
      await using broker = await startBroker(options);
      await makeTopic(broker, "t", { configs: { ...compacted, "delete.retention.ms": "5000" } });
      await appendBatch(broker, [{ key: "gone", value: "1", timestamp: NOW }, { key: "gone", value: null }]);
      await appendBatch(broker, [{ key: "other", value: "1", timestamp: NOW }]);
      await appendBatch(broker, [{ key: "other", value: "2", timestamp: NOW }]);
      nowMs += 100_000; // its own age does not count
      await compact(broker, () => nowMs);
      assertEquals(offsets(readAll(broker)), [1, 2, 3]); // other: 1 stays, as the newest batch was not looked at
    }
    nowMs += 4_999;
    await using broker = await startBroker(options);
    await compact(broker, () => nowMs);
    assertEquals(offsets(readAll(broker)), [1, 2, 3]);
    nowMs += 1;
    await compact(broker, () => nowMs);
    assertEquals(offsets(readAll(broker)), [2, 3]);
  }));

Deno.test("compaction drops aborted records at once and markers after delete.retention.ms; readers stay right", () => {
  let nowMs = NOW;
  return withBroker(async (broker) => {
    await makeTopic(broker, "t", { configs: { ...compacted, "delete.retention.ms": "5000" } });
    let sequence = 0;
    const send = (key: string, value: string) =>
      appendBatch(broker, [{ key, value, timestamp: NOW }], {
        producerId: 9,
        epoch: 0,
        sequence: sequence++,
        attributes: 0x10,
      });
    await appendBatch(broker, [{ key: "a", value: "old", timestamp: NOW }]); // 0
    await send("a", "aborted"); // 1
    await endTransaction(broker, 9, false); // 2
    await send("b", "committed"); // 3
    await endTransaction(broker, 9, true); // 4
    await appendBatch(broker, [{ key: "c", value: "1", timestamp: NOW }]); // 5
    await send("b", "open"); // 6
    await appendBatch(broker, [{ key: "b", value: "behind", timestamp: NOW }]); // 7
    const rows = () =>
      broker.state.store.db.prepare("SELECT base FROM batches ORDER BY base").all().map(({ base }) => base);
    await compact(broker, () => nowMs);
    assertEquals(rows(), [0, 2, 3, 4, 5, 6, 7]);
    assertEquals(readAll(broker, 0, true).map(({ value }) => value), ["old", "committed", "1"]);
    nowMs += 5000;
    await compact(broker, () => nowMs);
    assertEquals(rows(), [0, 3, 5, 6, 7]);
    assertEquals(readAll(broker, 0, true).map(({ value }) => value), ["old", "committed", "1"]);
    assertEquals(partitionOf(broker).aborted(0, 100), []);
    await endTransaction(broker, 9, true); // 8
    await compact(broker, () => nowMs);
    assertEquals(readAll(broker, 0, true).map(({ value }) => value), ["old", "1", "behind"]);
  }, { ...quiet, now: () => nowMs });
});

Deno.test("the newest batch stays whatever it is, so that no offset is given twice", () =>
  withFolder(async (dataDir) => {
    let nowMs = NOW;
    const options = optionsFor(dataDir, { ...quiet, now: () => nowMs });
    {
      await using broker = await startBroker(options);
      await makeTopic(broker, "t", { configs: { ...compacted, "delete.retention.ms": "5" } });
      await appendBatch(broker, [{ key: "a", value: "1", timestamp: NOW }]);
      const fields = { producerId: 9, epoch: 0, sequence: 0, attributes: 0x10 };
      await appendBatch(broker, [{ key: "a", value: "2", timestamp: NOW }], fields);
      await endTransaction(broker, 9, false);
      for (let i = 0; i < 3; i++) {
        await compact(broker, () => nowMs);
        nowMs += 10;
      }
      assertEquals(broker.state.store.db.prepare("SELECT base FROM batches").all().map(({ base }) => base), [
        0,
        2,
      ]);
    }
    await using broker = await startBroker(options);
    assertEquals(partitionOf(broker).end, 3);
  }));

Deno.test("Fetch and look-ups by time cope with the holes that compaction leaves", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: compacted });
    for (let i = 0; i < 20; i++) {
      await appendBatch(broker, [{ key: i < 15 ? "same" : `k${i}`, value: `${i}`, timestamp: NOW + i }]);
    }
    await compact(broker, () => NOW);
    const partition = partitionOf(broker);
    for (const [from, first] of [[0, 14], [7, 14], [14, 14], [15, 15], [19, 19]] as const) {
      const [found] = await fetch(client, "t", { offset: from });
      assertEquals(found?.error, 0);
      assertEquals(valuesIn(found?.records ?? new Uint8Array())[0]?.offset, first, `from ${from}`);
    }
    assertEquals(await firstAtOrAfter(broker.state.store, partition, NOW + 3), {
      offset: 14,
      timestamp: NOW + 14,
    });
    assertEquals(await newestRecord(broker.state.store, partition), { offset: 19, timestamp: NOW + 19 });
    await moveStart(broker.state.log, broker.state.store, partition, 16);
    await compact(broker, () => NOW);
    assertEquals(offsets(readAll(broker, 16)), [16, 17, 18, 19]);
  }, quiet));

Deno.test("compaction forgets records without a key, from before a topic was compacted", () =>
  withBroker(async (broker) => {
    await makeTopic(broker, "t", { configs: compacted });
    await appendBatch(broker, [{ value: "none", timestamp: NOW }, { key: "k", value: "1", timestamp: NOW }]);
    await appendBatch(broker, [{ key: "z", value: "1", timestamp: NOW }]);
    await compact(broker, () => NOW);
    assertEquals(offsets(readAll(broker)), [1, 2]);
  }, quiet));

Deno.test("compaction goes on where the memory for keys was full", () =>
  withBroker(async (broker) => {
    await makeTopic(broker, "t", { configs: compacted });
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 50; i++) {
        await appendBatch(broker, [{ key: `key-${i}`, value: `${round}`, timestamp: NOW }]);
      }
    }
    const left: number[] = [];
    for (let pass = 0; pass < 8; pass++) {
      await compact(broker, () => NOW, 20 * 80); // 19 keys
      left.push(readAll(broker).length);
    }
    assert(left[0] === 150 && left[3]! > 50, `records after each pass: ${left}`);
    const values = readAll(broker).filter(({ key }) => key !== "key-49").map(({ value }) => value);
    assertEquals(values, new Array(49).fill("2")); // of key-49 the newest is in the newest batch
  }, quiet));

Deno.test("a topic that is deleted, or no longer compacted, ends a pass", () =>
  withBroker(async (broker) => {
    await makeTopic(broker, "t", { configs: compacted });
    for (let i = 0; i < 2000; i++) await appendBatch(broker, [{ key: "k", value: "x", timestamp: NOW }]);
    const { topics } = broker.state.log;
    const running = compact(broker, () => NOW);
    await topics.delete(topics.byName("t")!);
    await running;
    await broker.sweep();
    const rows = (table: string) =>
      Number(broker.state.store.db.prepare(`SELECT count(*) n FROM ${table}`).get()?.n);
    assertEquals([rows("batches"), rows("compactions")], [0, 0]);
    await makeTopic(broker, "t", { configs: compacted });
    assertEquals(await appendBatch(broker, [{ key: "k", value: "new", timestamp: NOW }]), 0);
  }, quiet));

Deno.test("compact,delete: retention trims what compaction has left", () => {
  let nowMs = NOW;
  return withBroker(async (broker) => {
    await makeTopic(broker, "t", {
      configs: { ...compacted, "cleanup.policy": "compact,delete", "retention.ms": `${DAY}` },
    });
    for (let i = 0; i < 6; i++) {
      await appendBatch(broker, [{ key: `k${i % 4}`, value: `${i}`, timestamp: NOW + i * 1000 }]);
    }
    await broker.sweep();
    assertEquals(offsets(readAll(broker)), [1, 2, 3, 4, 5]);
    nowMs = NOW + DAY + 2500;
    await broker.sweep();
    assertEquals([partitionOf(broker).start, ...offsets(readAll(broker, 3))], [3, 3, 4, 5]);
  }, { ...quiet, now: () => nowMs });
});
