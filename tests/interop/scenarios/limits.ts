/** Sizes: messages at and over the limits of topics and of fetches. @module */
import { assert, assertEquals } from "@std/assert";
import { numbered, readPartition, type Scenario, values, waitMs } from "./scenario.ts";

/** What a batch of one record with a key of one byte has around a value of some tens of kilobytes: the batch's 61 bytes, and at most
 * 16 of the record. */
const mostAround = 61 + 16;

export const limitScenarios: readonly Scenario[] = [
  {
    name: "a message just under the topic's limit is taken, one just over it refused with 10",
    needs: ["produce", "consume", "largeMessages"],
    async run(driver, context) {
      const limit = 20_000;
      const topic = await context.topic("limit", { configs: { "max.message.bytes": `${limit}` } });
      const sized = (bytes: number) => ({
        topic,
        records: [{ partition: 0, key: "a", value: { bytes } }],
        codec: "none" as const,
        maxRequestBytes: 4_000_000,
      });
      await driver.ask("produce", sized(limit - mostAround));
      const refused = await driver.refused("produce", sized(limit - 60));
      assertEquals(refused.code, 10, refused.message);
      await driver.ask("produce", sized(100));
      const read = await readPartition(driver, topic, 2);
      assertEquals(values(read), [{ bytes: limit - mostAround }, "x".repeat(100)]);
    },
  },
  {
    name: "a message over the default limit of 1 MiB is refused with 10, compressed it is small enough",
    needs: ["produce", "consume", "largeMessages", "codec:gzip"],
    async run(driver, context) {
      const topic = await context.topic("default-limit");
      const sized = (codec: "none" | "gzip", bytes: number) => ({
        topic,
        records: [{ partition: 0, key: "a", value: { bytes } }],
        codec,
        maxRequestBytes: 4_000_000,
      });
      const refused = await driver.refused("produce", sized("none", 1_048_588));
      assertEquals(refused.code, 10, refused.message);
      await driver.ask("produce", sized("gzip", 1_500_000));
      assertEquals(values(await readPartition(driver, topic, 1)), [{ bytes: 1_500_000 }]);
    },
  },
  {
    name: "a topic with a raised limit takes 3 MB, and consumers with their defaults get on past it",
    needs: ["produce", "consume", "largeMessages"],
    async run(driver, context) {
      const topic = await context.topic("raised", { configs: { "max.message.bytes": "4000000" } });
      const records = [
        { partition: 0, key: "a", value: "before" },
        { partition: 0, key: "a", value: { bytes: 3_000_000 } },
      ];
      for (const record of records) {
        await driver.ask("produce", { topic, records: [record], codec: "none", maxRequestBytes: 4_000_000 });
      }
      await driver.ask("produce", { topic, records: [{ partition: 0, key: "a", value: "after" }] });
      assertEquals(values(await readPartition(driver, topic, 3)), ["before", { bytes: 3_000_000 }, "after"]);
    },
  },
  {
    name: "a batch bigger than what a fetch asks for is still consumed",
    needs: ["produce", "consume", "fetchLimit"],
    async run(driver, context) {
      const topic = await context.topic("fetch-limit");
      const records = [0, 1, 2, 3].map((n) => ({ partition: 0, key: `${n}`, value: { bytes: 50_000 + n } }));
      for (const record of records) await driver.ask("produce", { topic, records: [record], codec: "none" });
      const positions = { 0: "earliest" } as const;
      const asked = { topic, positions, count: 4, timeoutMs: waitMs, maxFetchBytes: 1_000 };
      const read = (await driver.ask("consume", asked)).records;
      assertEquals(values(read), values(records));
    },
  },
  {
    name: "10,000 records arrive once and in order",
    needs: ["produce", "consume"],
    async run(driver, context) {
      const topic = await context.topic("many");
      const records = numbered(10_000, 0);
      const { records: places } = await driver.ask("produce", { topic, records });
      if (driver.has("offsets")) assertEquals(places.at(-1)!.offset, 9_999);
      const read = await readPartition(driver, topic, 10_000);
      assertEquals(read.length, 10_000);
      assert(read.every(({ offset, value }, n) => offset === n && value === `${n}`));
    },
  },
  {
    name: "acks 0 and 1 get there",
    needs: ["produce", "consume", "acks0"],
    async run(driver, context) {
      const topic = await context.topic("acks");
      for (const acks of [1, 0] as const) {
        const records = numbered(20, 0).map((each) => ({ ...each, value: `${acks}: ${each.value}` }));
        await driver.ask("produce", { topic, records, acks, idempotent: false });
        await readPartition(driver, topic, acks === 1 ? 20 : 40); // acks 0 says nothing about when
      }
      const read = await readPartition(driver, topic, 40);
      assertEquals(
        values(read),
        [1, 0].flatMap((acks) => numbered(20).map(({ value }) => `${acks}: ${value}`)),
      );
    },
  },
];
