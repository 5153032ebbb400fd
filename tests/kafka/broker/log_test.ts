import { assertEquals } from "@std/assert";
import { startBroker } from "../../../kafka/broker/mod.ts";
import { readBatchHeader } from "../../../kafka/broker/wire/record_batch.ts";
import { batchOf, valuesIn } from "./batches.ts";
import { fetch, makeTopic, optionsFor, produce, produceRecords, withBroker, withFolder } from "./harness.ts";
import { RawClient } from "./raw_client.ts";

Deno.test("Log.append() gives offsets without gaps over batches and topics' partitions", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { partitions: 2 });
    assertEquals(await produceRecords(client, "t", [{ value: "a" }, { value: "b" }]), 0);
    assertEquals(await produceRecords(client, "t", [{ value: "c" }]), 2);
    assertEquals(await produceRecords(client, "t", [{ value: "d" }], {}, 1), 0);
    assertEquals(await produceRecords(client, "t", [{ value: "e" }]), 3);
    const [first] = await fetch(client, "t", { offset: 0 });
    assertEquals(valuesIn(first?.records ?? new Uint8Array()), [
      { offset: 0, value: "a" },
      { offset: 1, value: "b" },
      { offset: 2, value: "c" },
      { offset: 3, value: "e" },
    ]);
    assertEquals(first?.highWatermark, 4);
  }));

Deno.test("Log.append() stores a batch as it came but for its place", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const batch = batchOf([{ key: "k", value: null, headers: [["h", "1"], ["h", null]] }], { attributes: 0 });
    await produceRecords(client, "t", [{ value: "before" }]);
    await produce(client, "t", batch);
    const [found] = await fetch(client, "t", { offset: 1 });
    const expected = batch.slice();
    new DataView(expected.buffer).setBigInt64(0, 1n);
    new DataView(expected.buffer).setInt32(12, 0);
    assertEquals(found?.records.toHex(), expected.toHex());
  }));

Deno.test("Log.read() gives the same from memory and from disk", () =>
  withFolder(async (dataDir) => {
    const read = async (cacheBytes: number): Promise<string[]> => {
      await using broker = await startBroker(optionsFor(dataDir, { cacheBytes }));
      using client = await RawClient.connect(broker.port);
      if (broker.state.log.partition("t", 0) === undefined) await makeTopic(broker, "t");
      const { end = 0 } = broker.state.log.partition("t", 0) ?? {};
      for (let i = end; i < 40; i += 2) {
        await produceRecords(client, "t", [{ value: `${i}`.repeat(50) }, { value: "x" }]);
      }
      const seen: string[] = [];
      for (const offset of [0, 1, 17, 38, 39, 40]) {
        for (const partitionMaxBytes of [1, 400, 1_000_000]) {
          const [found] = await fetch(client, "t", { offset, partitionMaxBytes });
          seen.push(`${offset} ${partitionMaxBytes} ${found?.error} ${found?.records.toHex()}`);
        }
      }
      return seen;
    };
    const memory = await read(1_000_000);
    assertEquals(await read(0), memory); // nothing is held: every read goes to the disk
    assertEquals(await read(1_000_000), memory); // after a restart memory is empty
  }));

Deno.test("Log reads across the border between disk and memory without losing a batch", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    for (let i = 0; i < 100; i++) await produceRecords(client, "t", [{ value: `v${i}` }]);
    const values: (string | null)[] = [];
    for (let offset = 0; offset < 100;) {
      const [found] = await fetch(client, "t", { offset, partitionMaxBytes: 500 });
      const batch = valuesIn(found?.records ?? new Uint8Array());
      values.push(...batch.map(({ value }) => value));
      offset += batch.length;
    }
    assertEquals(values, Array.from({ length: 100 }, (_, i) => `v${i}`));
  }, { cacheBytes: 5_000 }));

Deno.test("A restart keeps topics, records, log ends and the cluster id", () =>
  withFolder(async (dataDir) => {
    const before = await startBroker(optionsFor(dataDir, { sync: "full" }));
    const uuid = await makeTopic(before, "t", { partitions: 3, configs: { "retention.ms": "-1" } });
    {
      using client = await RawClient.connect(before.port);
      await produceRecords(client, "t", [{ value: "a" }, { value: "b" }], {}, 2);
    }
    const { clusterId } = before;
    await before[Symbol.asyncDispose]();
    await using after = await startBroker(optionsFor(dataDir, { sync: "full" }));
    using client = await RawClient.connect(after.port);
    assertEquals(after.clusterId, clusterId);
    assertEquals(clusterId.length, 22);
    const topic = after.state.log.topics.byId(uuid);
    assertEquals([topic?.name, topic?.partitions.length], ["t", 3]);
    assertEquals(topic?.configs.get("retention.ms"), "-1");
    assertEquals(await produceRecords(client, "t", [{ value: "c" }], {}, 2), 2);
    const [found] = await fetch(client, "t", { partition: 2, offset: 0 });
    assertEquals(valuesIn(found?.records ?? new Uint8Array()).map(({ value }) => value), ["a", "b", "c"]);
  }));

Deno.test("Log.append() on a full disk appends nothing, keeps reading, and goes on where it was", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    await produceRecords(client, "t", [{ value: "a" }], { producerId: 5, epoch: 0, sequence: 0 });
    const { db } = broker.state.store;
    const pages = Number(db.prepare("PRAGMA page_count").get()?.page_count);
    db.exec(`PRAGMA max_page_count = ${pages}`);
    const big = batchOf([{ value: "x".repeat(500_000) }], { producerId: 5, epoch: 0, sequence: 1 });
    assertEquals((await produce(client, "t", big)).error, 56);
    const [meanwhile] = await fetch(client, "t", { offset: 0 });
    assertEquals(meanwhile?.highWatermark, 1);
    assertEquals(valuesIn(meanwhile?.records ?? new Uint8Array()), [{ offset: 0, value: "a" }]);
    db.exec("PRAGMA max_page_count = 100000");
    assertEquals(await produce(client, "t", big), { error: 0, baseOffset: 1, appendTimeMs: -1, logStart: 0 });
  }));

Deno.test("LogAppendTime topics stamp the broker's time and answer it", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "message.timestamp.type": "LogAppendTime" } });
    const produced = await produce(client, "t", batchOf([{ value: "a", timestamp: 99_999_999_999_999 }]));
    assertEquals(produced, { error: 0, baseOffset: 0, appendTimeMs: 1_700_000_000_000, logStart: 0 });
    const [found] = await fetch(client, "t", { offset: 0 });
    const header = readBatchHeader(found?.records ?? new Uint8Array(61));
    assertEquals([header.isLogAppendTime, header.maxTimestamp], [true, 1_700_000_000_000]);
  }, { now: () => 1_700_000_000_000 }));
