/** Records: what is in one comes back as it was, from every client to every other. @module */
import { assertEquals } from "@std/assert";
import { numbered, readPartition, type Scenario, values } from "./scenario.ts";

const first = [
  { partition: 0, key: "a", value: "one" },
  { partition: 0, key: "ключ", value: "值 🚀" },
  { partition: 0, key: "", value: "" },
];

export const recordScenarios: readonly Scenario[] = [
  {
    name: "keys and values come back in order",
    needs: ["produce", "consume"],
    async run(driver, context) {
      const topic = await context.topic("values");
      const { records: places } = await driver.ask("produce", { topic, records: first });
      if (driver.has("offsets")) assertEquals(places.map(({ offset }) => offset), [0, 1, 2]);
      const read = await readPartition(driver, topic, first.length);
      assertEquals(read.map(({ key, value }) => ({ partition: 0, key, value })), first);
      assertEquals(read.map(({ offset }) => offset), [0, 1, 2]);
    },
  },
  {
    name: "a record without a key, and a tombstone",
    needs: ["produce", "consume", "tombstones", "nullKeys"],
    async run(driver, context) {
      const topic = await context.topic("tombstones");
      const records = [
        { partition: 0, key: "a", value: null },
        { partition: 0, key: null, value: "b" },
      ];
      await driver.ask("produce", { topic, records });
      const read = await readPartition(driver, topic, 2);
      assertEquals(read.map(({ key, value }) => ({ partition: 0, key, value })), records);
    },
  },
  ...["gzip", "snappy", "lz4", "zstd"].map((codec): Scenario => ({
    name: `${codec}: read by itself and by another client`,
    needs: ["produce", "consume", `codec:${codec}`],
    async run(driver, context) {
      const topic = await context.topic(codec);
      const records = numbered(200, 0);
      await driver.ask("produce", { topic, records, codec: codec as "gzip" });
      assertEquals(values(await readPartition(driver, topic, 200)), values(records));
      const peer = await context.peer("consume", `codec:${codec}`);
      if (peer) assertEquals(values(await readPartition(peer, topic, 200)), values(records));
    },
  })),
];
