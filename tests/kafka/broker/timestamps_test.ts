import { gzipSync, zstdCompressSync } from "node:zlib";
import { assertEquals } from "@std/assert";
import type { Broker } from "../../../kafka/broker/mod.ts";
import { firstAtOrAfter, newestRecord } from "../../../kafka/broker/timestamps.ts";
import type { BatchFields } from "./batches.ts";
import { makeTopic, produceRecords, withBroker } from "./harness.ts";
import type { RawClient } from "./raw_client.ts";

const NOW = 1_700_000_000_000;

/** One record per time, batches as given. */
async function fill(client: RawClient, batches: number[][], fields: BatchFields = {}): Promise<void> {
  for (const times of batches) {
    await produceRecords(client, "t", times.map((timestamp) => ({ value: "v", timestamp })), fields);
  }
}

async function find(broker: Broker, timestamp: number): Promise<number[] | undefined> {
  const partition = broker.state.log.partition("t", 0);
  if (partition === undefined) throw new Error("there is no topic t");
  const found = await firstAtOrAfter(broker.state.store, partition, timestamp);
  return found && [found.offset, found.timestamp];
}

async function newest(broker: Broker): Promise<number[] | undefined> {
  const partition = broker.state.log.partition("t", 0);
  if (partition === undefined) throw new Error("there is no topic t");
  const found = await newestRecord(broker.state.store, partition);
  return found && [found.offset, found.timestamp];
}

Deno.test("firstAtOrAfter() finds the exact record, inside batches too", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    assertEquals(await find(broker, 0), undefined);
    await fill(client, [[100, 110, 120], [130], [140, 150]]);
    const expected: [number, number[] | undefined][] = [
      [0, [0, 100]],
      [100, [0, 100]],
      [101, [1, 110]],
      [120, [2, 120]],
      [121, [3, 130]],
      [131, [4, 140]],
      [150, [5, 150]],
      [151, undefined],
    ];
    for (const [timestamp, found] of expected) {
      assertEquals(await find(broker, timestamp), found, `${timestamp}`);
    }
    assertEquals(await newest(broker), [5, 150]);
  }));

Deno.test("firstAtOrAfter() agrees with a walk over the log when times go up and down", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
    const times: number[] = [];
    for (let i = 0; i < 60; i++) {
      const batch = Array.from({ length: 1 + random(4) }, () => i * 10 + random(120));
      times.push(...batch);
      await fill(client, [batch]);
    }
    for (let timestamp = 0; timestamp < 730; timestamp += 7) {
      const offset = times.findIndex((time) => time >= timestamp);
      assertEquals(await find(broker, timestamp), offset < 0 ? undefined : [offset, times[offset] ?? -1]);
    }
    const max = Math.max(...times);
    assertEquals(await newest(broker), [times.indexOf(max), max]);
  }));

Deno.test("firstAtOrAfter() and newestRecord() stay right when retention removed the newest time", () => {
  let nowMs = NOW;
  return withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "retention.ms": "1000000" } });
    await fill(client, [[NOW + 3_000_000], [NOW + 2_000_000], [NOW + 2_500_000, NOW + 2_400_000], [
      NOW + 2_450_000,
    ]]);
    assertEquals(await newest(broker), [0, NOW + 3_000_000]);
    nowMs = NOW + 3_000_000; // nothing is old enough yet
    await broker.sweep();
    broker.state.store.db.exec("DELETE FROM batches WHERE base = 0"); // as a sweep by size does
    const partition = broker.state.log.partition("t", 0);
    if (partition !== undefined) partition.start = 1;
    assertEquals(await newest(broker), [2, NOW + 2_500_000]);
    assertEquals(await find(broker, NOW + 2_100_000), [2, NOW + 2_500_000]);
    assertEquals(await find(broker, NOW + 2_500_001), undefined);
    assertEquals(await find(broker, 0), [1, NOW + 2_000_000]);
  }, { now: () => nowMs });
});

const lz4Stored = (records: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(7 + 4 + records.byteLength + 4);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 0x184d2204, true);
  frame.set([0x60, 0x40, 0x82], 4);
  view.setUint32(7, (records.byteLength | 0x80000000) >>> 0, true);
  frame.set(records, 11);
  return frame;
};

const compressors: [name: string, codec: number, compress: (records: Uint8Array) => Uint8Array][] = [
  ["gzip", 1, gzipSync],
  ["lz4", 3, lz4Stored],
  ["zstd", 4, zstdCompressSync],
];
for (const [name, attributes, compress] of compressors) {
  Deno.test(`firstAtOrAfter() looks into ${name}`, () =>
    withBroker(async (broker, client) => {
      await makeTopic(broker, "t");
      await fill(client, [[100, 110], [120, 130, 140]], { attributes, compress });
      assertEquals(await find(broker, 125), [3, 130]);
      assertEquals(await newest(broker), [4, 140]);
    }));
}

Deno.test("firstAtOrAfter() answers the batch as a whole when it cannot be opened", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await fill(client, [[100], [110, 120]], { attributes: 1, compress: (records) => gzipSync(records) });
    const { db } = broker.state.store; // as from a broker that did not look inside
    const bytes = db.prepare("SELECT bytes FROM batches WHERE base = 1").get()?.bytes as Uint8Array;
    db.prepare("UPDATE batches SET bytes = ? WHERE base = 1").run(bytes.fill(0, 61));
    assertEquals(await find(broker, 115), [1, 120]);
  }));

Deno.test("firstAtOrAfter() gives the append time of LogAppendTime batches", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "message.timestamp.type": "LogAppendTime" } });
    await fill(client, [[1, 2, 3]]);
    assertEquals(await find(broker, 5), [0, NOW]);
    assertEquals(await find(broker, NOW + 1), undefined);
  }, { now: () => NOW }));
