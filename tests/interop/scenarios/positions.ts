/** Places in a partition: by offset, by time, its start and its end; waiting for what comes. @module */
import { assertEquals } from "@std/assert";
import { eventually } from "../../eventually.ts";
import { fetchApi } from "../../kafka/broker_proxy.ts";
import { numbered, proxyFor, type Scenario, values, waitMs } from "./scenario.ts";

export const positionScenarios: readonly Scenario[] = [
  {
    name: "seek by offset",
    needs: ["produce", "consume"],
    async run(driver, context) {
      const topic = await context.topic("seek");
      // In batches, and from the middle of one.
      for (const part of [0, 1, 2]) {
        const records = numbered(30, 0).slice(part * 10, part * 10 + 10);
        await driver.ask("produce", { topic, records });
      }
      for (const from of [0, 10, 17, 29]) {
        const positions = { 0: from };
        const count = 30 - from;
        const { records } = await driver.ask("consume", { topic, positions, count, timeoutMs: waitMs });
        assertEquals(records.map(({ offset }) => offset), Array.from({ length: count }, (_, n) => from + n));
        assertEquals(values(records)[0], `${from}`);
      }
    },
  },
  {
    name: "offsets of the start, of the end, and by time",
    needs: ["produce", "listOffsets"],
    async run(driver, context) {
      const topic = await context.topic("offsets");
      const at = (at: "earliest" | "latest" | number) =>
        driver.ask("listOffsets", { topic, partition: 0, at }).then(({ offset }) => offset);
      assertEquals([await at("earliest"), await at("latest")], [0, 0]);
      const start = Date.now() - 1_000_000;
      const records = numbered(20, 0).map((each, n) => ({ ...each, timestamp: start + n * 1_000 }));
      const writer = driver.has("timestamps") ? driver : (await context.peer("produce", "timestamps"))!;
      await writer.ask("produce", { topic, records: records.slice(0, 10), codec: "none" });
      await writer.ask("produce", { topic, records: records.slice(10), codec: "gzip" });
      assertEquals([await at("earliest"), await at("latest")], [0, 20]);
      const found = [
        await at(start - 5),
        await at(start + 3_000),
        await at(start + 3_001),
        await at(start + 14_500),
      ];
      assertEquals(found, [0, 3, 4, 15]);
      // Nothing is that new: -1, or what the library makes of it, the end.
      const none = await at(start + 100_000);
      assertEquals(none === -1 || none === 20, true, `${none}`);
    },
  },
  {
    name: "a fetch that waits is woken by the record it waits for",
    needs: ["produce", "consume", "fetchWait"],
    async run(driver, context) {
      const topic = await context.topic("wake");
      const proxy = proxyFor(context);
      const behind = await context.start(proxy.bootstrap);
      // It waits longer than it may take: a record that comes has been the reason for the answer.
      const asked = { topic, positions: { 0: 0 }, count: 1, timeoutMs: 23_000, maxWaitMs: 25_000 };
      const reading = behind.ask("consume", asked);
      await eventually("a fetch", () => proxy.count(fetchApi) > 0, waitMs);
      await driver.ask("produce", { topic, records: numbered(1, 0) });
      assertEquals((await reading).records.length, 1);
    },
  },
  {
    name: "an offset that is gone: the reset policy says where to go on",
    needs: ["produce", "consume"],
    not: { "@platformatic/kafka": "fails where it was told to begin" },
    async run(driver, context) {
      const topic = await context.topic("reset");
      await driver.ask("produce", { topic, records: numbered(10, 0) });
      // kafkajs looks for the leader in what it knows already.
      await eventually("the deletion", async () => {
        await context.admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "4" }] });
        return true;
      });
      const asked = {
        topic,
        positions: { 0: 1 },
        count: 6,
        timeoutMs: waitMs,
        autoReset: "earliest" as const,
      };
      const { records } = await driver.ask("consume", asked);
      assertEquals(records.map(({ offset }) => offset), [4, 5, 6, 7, 8, 9]);
    },
  },
  {
    name: "a reader of a topic sees the topic grow while it reads",
    needs: ["produce", "consume"],
    async run(driver, context) {
      const topic = await context.topic("grow");
      const reading = driver.ask("consume", { topic, positions: { 0: 0 }, count: 60, timeoutMs: waitMs });
      for (let part = 0; part < 6; part++) {
        await driver.ask("produce", { topic, records: numbered(60, 0).slice(part * 10, part * 10 + 10) });
      }
      assertEquals(values((await reading).records), values(numbered(60)));
    },
  },
  {
    name: "a topic that is not there is told as error 3, and is not made",
    needs: ["produce", "unknownTopic"],
    not: { java: "its producer cannot be told to let topics be" },
    async run(driver, context) {
      const topic = context.name("missing");
      const error = await driver.refused("produce", { topic, records: numbered(1, 0) });
      assertEquals(error.code, 3, error.message);
      await eventually("the list of topics", async () => {
        assertEquals((await context.admin.listTopics()).includes(topic), false);
        return true;
      });
    },
  },
];
