/** Records: what is in one comes back as it was, from every client to every other. @module */
import { assert, assertEquals } from "@std/assert";
import type { Driver } from "../driver.ts";
import type { Header, NewRecord, ReadRecord } from "../driver_protocol.ts";
import { type Context, numbered, readPartition, type Scenario, values, waitMs } from "./scenario.ts";

/** The driver's records of a partition, and another client's when there is one that can. */
async function readByBoth(
  driver: Driver,
  context: Context,
  topic: string,
  count: number,
  ...features: readonly string[]
): Promise<ReadRecord[][]> {
  const peer = await context.peer("consume", ...features);
  const readers = peer ? [driver, peer] : [driver];
  return await Promise.all(readers.map((reader) => readPartition(reader, topic, count)));
}

const contents = (records: readonly (NewRecord | ReadRecord)[]) =>
  records.map(({ key, value }) => ({ key, value }));

export const recordScenarios: readonly Scenario[] = [
  {
    name: "keys and values come back in order",
    needs: ["produce", "consume"],
    async run(driver, context) {
      const topic = await context.topic("values");
      const records = [
        { partition: 0, key: "a", value: "one" },
        { partition: 0, key: "ключ", value: "值 🚀" },
        { partition: 0, key: "b", value: "three" },
      ];
      const { records: places } = await driver.ask("produce", { topic, records });
      if (driver.has("offsets")) assertEquals(places.map(({ offset }) => offset), [0, 1, 2]);
      for (const read of await readByBoth(driver, context, topic, 3)) {
        assertEquals(contents(read), contents(records));
        assertEquals(read.map(({ offset }) => offset), [0, 1, 2]);
      }
    },
  },
  {
    name: "records without keys, tombstones and empty values stay apart",
    needs: ["produce", "consume", "tombstones", "nullKeys"],
    async run(driver, context) {
      const topic = await context.topic("tombstones");
      const records = [
        { partition: 0, key: "a", value: null },
        { partition: 0, key: null, value: "b" },
        { partition: 0, key: "c", value: "d" },
      ];
      await driver.ask("produce", { topic, records });
      for (const read of await readByBoth(driver, context, topic, 3, "tombstones")) {
        assertEquals(contents(read), contents(records));
      }
    },
  },
  {
    name: "empty keys and values are not missing ones",
    needs: ["produce", "consume", "tombstones", "nullKeys"],
    not: { kcat: "takes an empty value for a missing one" },
    async run(driver, context) {
      const topic = await context.topic("empty");
      const records = [
        { partition: 0, key: "", value: "" },
        { partition: 0, key: null, value: "b" },
        { partition: 0, key: "c", value: null },
      ];
      await driver.ask("produce", { topic, records });
      assertEquals(contents(await readPartition(driver, topic, 3)), contents(records));
    },
  },
  {
    name: "headers come back in order, repeated names included",
    needs: ["produce", "consume", "headers"],
    async run(driver, context) {
      const topic = await context.topic("headers");
      const headers: Header[] = [["trace", "1"], ["trace", "2"], ["ünit", "m"]];
      const records = [{ partition: 0, key: "a", value: "b", headers }, {
        partition: 0,
        key: "c",
        value: "d",
      }];
      await driver.ask("produce", { topic, records });
      for (const read of await readByBoth(driver, context, topic, 2, "headers")) {
        assertEquals(read.map(({ headers }) => headers), [headers, []]);
      }
    },
  },
  {
    name: "a header without a value is not an empty one",
    needs: ["produce", "consume", "headers", "nullHeaders"],
    async run(driver, context) {
      const topic = await context.topic("null-headers");
      const headers: Header[] = [["gone", null], ["empty", ""]];
      await driver.ask("produce", { topic, records: [{ partition: 0, key: "a", value: "b", headers }] });
      for (const [read] of await readByBoth(driver, context, topic, 1, "nullHeaders")) {
        assertEquals(read!.headers, headers);
      }
    },
  },
  {
    name: "timestamps of the producer come back",
    needs: ["produce", "consume", "timestamps"],
    async run(driver, context) {
      const topic = await context.topic("timestamps");
      const timestamp = Date.now() - 3_600_000;
      const records = [0, 1, 60_000, 5].map((more) => ({
        partition: 0,
        key: "a",
        value: "b",
        timestamp: timestamp + more,
      }));
      await driver.ask("produce", { topic, records });
      for (const read of await readByBoth(driver, context, topic, 4)) {
        assertEquals(read.map((each) => each.timestamp), records.map((each) => each.timestamp));
      }
    },
  },
  {
    name: "timestamps of the broker, where the topic asks for them",
    needs: ["produce", "consume", "timestamps"],
    not: {
      kafkajs: "tells the producer's timestamps whatever the topic asks for",
      "@platformatic/kafka": "tells the producer's timestamps whatever the topic asks for",
    },
    async run(driver, context) {
      const topic = await context.topic("stamped", {
        configs: { "message.timestamp.type": "LogAppendTime" },
      });
      const before = Date.now();
      const records = [{ partition: 0, key: "a", value: "b", timestamp: before - 3_600_000 }];
      await driver.ask("produce", { topic, records });
      const [read] = await readPartition(driver, topic, 1);
      assert(read!.timestamp >= before - 5 && read!.timestamp <= Date.now() + 5, `${read!.timestamp}`);
    },
  },
  ...["gzip", "snappy", "lz4", "zstd"].map((codec): Scenario => ({
    name: `${codec}: read by itself and by another client`,
    needs: ["produce", "consume", `codec:${codec}`],
    async run(driver, context) {
      const topic = await context.topic(codec);
      const large = { partition: 0, key: "large", value: { bytes: 300_000 } };
      const records = [...numbered(200, 0), large];
      await driver.ask("produce", { topic, records, codec: codec as "gzip" });
      for (const read of await readByBoth(driver, context, topic, 201, `codec:${codec}`)) {
        assertEquals(values(read), values(records));
      }
    },
  })),
  {
    name: "reads what every other client wrote with every codec",
    needs: ["consume"],
    async run(driver, context) {
      const topic = await context.topic("matrix");
      const wanted: unknown[] = [];
      for (const writer of await context.everyone("produce")) {
        for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
          if (codec !== "none" && !(writer.has(`codec:${codec}`) && driver.has(`codec:${codec}`))) continue;
          const records = numbered(20, 0).map((each) => ({
            ...each,
            value: `${writer.name} ${codec} ${each.value}`,
          }));
          await writer.ask("produce", { topic, records, codec });
          wanted.push(...values(records));
        }
      }
      assertEquals(values(await readPartition(driver, topic, wanted.length)), wanted);
    },
  },
  {
    name: "one client writes to twenty topics at once, with every codec, and reads them",
    needs: ["produce", "consume"],
    async run(driver, context) {
      const codecs = (["none", "gzip", "snappy", "lz4", "zstd"] as const)
        .filter((codec) => codec === "none" || driver.has(`codec:${codec}`));
      await Promise.all([...Array(20).keys()].map(async (n) => {
        const topic = await context.topic(`twenty-${n}`);
        const records = numbered(10 + n, 0);
        await driver.ask("produce", { topic, records, codec: codecs[n % codecs.length]! });
        assertEquals(values(await readPartition(driver, topic, records.length)), values(records));
      }));
    },
  },
  {
    name: "an uncompressed topic of three partitions: every record once, keys stay together and in order",
    needs: ["produce", "consume"],
    async run(driver, context) {
      const topic = await context.topic("spread", { partitions: 3 });
      await driver.ask("produce", { topic, records: numbered(300) });
      const positions = { 0: "earliest", 1: "earliest", 2: "earliest" } as const;
      const { records } = await driver.ask("consume", { topic, positions, count: 300, timeoutMs: waitMs });
      assertEquals(records.map(({ value }) => Number(value)).toSorted((a, b) => a - b), [
        ...Array(300).keys(),
      ]);
      for (const key of ["key-0", "key-1", "key-2", "key-3", "key-4"]) {
        const mine = records.filter((record) => record.key === key);
        assertEquals(new Set(mine.map(({ partition }) => partition)).size, 1);
        assertEquals(mine.map(({ value }) => Number(value)), mine.map((_, n) => Number(key.at(-1)) + 5 * n));
      }
    },
  },
];
