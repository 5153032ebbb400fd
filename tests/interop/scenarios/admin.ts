/** Administration: topics, partitions, records, configs and the cluster, by each client's own admin calls. @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "../../eventually.ts";
import type { Driver } from "../driver.ts";
import { numbered, readPartition, type Scenario, values, waitMs } from "./scenario.ts";

async function configs(driver: Driver, topic: string, ...names: readonly string[]) {
  const { configs } = await driver.ask("describeConfigs", { topic });
  return names.map((name) => configs[name]);
}

export const adminScenarios: readonly Scenario[] = [
  {
    name: "admin: topics are made, listed, described and deleted",
    needs: ["admin:createTopics", "admin:listTopics", "admin:describeTopic", "admin:deleteTopics"],
    async run(driver, context) {
      const names = [context.name("a"), context.name("b")];
      const topics = names.map((name, n) => ({ name, partitions: n + 1 }));
      await driver.ask("createTopics", { topics });
      await eventually("the topics", async () => {
        const { names: listed } = await driver.ask("listTopics", {});
        return names.every((name) => listed.includes(name));
      }, waitMs);
      const { partitions } = await driver.ask("describeTopic", { name: names[1]! });
      assertEquals(partitions.map(({ partition }) => partition).toSorted(), [0, 1]);
      await driver.ask("deleteTopics", { names });
      await eventually("the topics to be gone", async () => {
        const { names: left } = await driver.ask("listTopics", {});
        return !names.some((name) => left.includes(name));
      }, waitMs);
    },
  },
  {
    name: "admin: topics that cannot be made are refused with Kafka's errors",
    needs: ["admin:createTopics"],
    async run(driver, context) {
      const there = await context.topic("there");
      const make = (name: string, partitions = 1, configs: Record<string, string> = {}) =>
        driver.refused("createTopics", { topics: [{ name, partitions, configs }] }).then(({ code }) => code);
      assertEquals(await make(there), 36);
      assertEquals(await make(context.name("config"), 1, { "no.such.config": "1" }), 40);
      assertEquals(await make(context.name("value"), 1, { "retention.ms": "soon" }), 40);
      assertEquals(await make(`${context.name("bad")}/name`), 17);
      const dotted = await context.topic("dot.ted");
      assertEquals(await make(dotted.replace("dot.ted", "dot_ted")), 17, "their metrics would be one");
    },
  },
  {
    name: "admin: a topic that is only validated is not made",
    needs: ["admin:createTopics", "admin:listTopics", "validateOnly"],
    async run(driver, context) {
      const name = context.name("validated");
      await driver.ask("createTopics", { topics: [{ name, partitions: 2 }], validateOnly: true });
      assert(!(await driver.ask("listTopics", {})).names.includes(name));
    },
  },
  {
    name: "admin: a topic that is not there cannot be deleted",
    needs: ["admin:deleteTopics", "unknownTopic"],
    async run(driver, context) {
      assertEquals((await driver.refused("deleteTopics", { names: [context.name("missing")] })).code, 3);
    },
  },
  {
    name: "admin: a topic made anew is another one: empty, with an id of its own",
    needs: ["admin:createTopics", "admin:describeTopic", "admin:deleteTopics", "produce", "consume"],
    async run(driver, context) {
      const name = context.name("anew");
      const topics = [{ name, partitions: 1 }];
      const made = async () => {
        await driver.ask("createTopics", { topics });
        return await eventually("the topic", () => driver.ask("describeTopic", { name }), waitMs);
      };
      const { id } = await made();
      await driver.ask("produce", { topic: name, records: numbered(5, 0) });
      await driver.ask("deleteTopics", { names: [name] });
      await eventually("the topic to be gone", async () => {
        return !(await context.admin.listTopics()).includes(name);
      }, waitMs);
      const { id: second } = await made();
      if (id !== undefined) assert(id !== second, "ids differ");
      await driver.ask("produce", { topic: name, records: [{ partition: 0, key: "a", value: "new" }] });
      const [record] = await readPartition(driver, name, 1);
      assertEquals([record!.offset, record!.value], [0, "new"]);
    },
  },
  {
    name: "admin: partitions are added, never taken away",
    needs: ["admin:createPartitions", "admin:describeTopic", "produce"],
    async run(driver, context) {
      const name = await context.topic("partitions");
      await driver.ask("createPartitions", { name, count: 3 });
      await eventually("three partitions", async () => {
        return (await driver.ask("describeTopic", { name })).partitions.length === 3;
      }, waitMs);
      await driver.ask("produce", { topic: name, records: [{ partition: 2, key: "a", value: "b" }] });
      assertEquals((await driver.refused("createPartitions", { name, count: 2 })).code, 37);
      const missing = context.name("missing");
      assertEquals((await driver.refused("createPartitions", { name: missing, count: 2 })).code, 3);
    },
  },
  {
    name: "admin: deleted records are gone, and reading from the start begins after them",
    needs: ["admin:deleteRecords", "produce", "consume", "listOffsets"],
    async run(driver, context) {
      const topic = await context.topic("delete-records");
      await driver.ask("produce", { topic, records: numbered(10, 0) });
      const { low } = await driver.ask("deleteRecords", { topic, offsets: { 0: 4 } });
      if (low !== undefined) assertEquals(low, { 0: 4 });
      const read = await readPartition(driver, topic, 6);
      assertEquals(values(read), ["4", "5", "6", "7", "8", "9"]);
      assertEquals((await driver.ask("listOffsets", { topic, partition: 0, at: "earliest" })).offset, 4);
      assertEquals((await driver.refused("deleteRecords", { topic, offsets: { 0: 11 } })).code, 1);
      await driver.ask("deleteRecords", { topic, offsets: { 0: -1 } });
      assertEquals((await driver.ask("listOffsets", { topic, partition: 0, at: "earliest" })).offset, 10);
      await driver.ask("produce", { topic, records: [{ partition: 0, key: "a", value: "next" }] });
      assertEquals(values(await readPartition(driver, topic, 1)), ["next"]);
    },
  },
  {
    name: "admin: all configs of a topic are described, defaults included",
    needs: ["admin:describeConfigs"],
    async run(driver, context) {
      const topic = await context.topic("described", { configs: { "retention.ms": "123456" } });
      const names = ["retention.ms", "cleanup.policy", "max.message.bytes", "min.insync.replicas"];
      assertEquals(await configs(driver, topic, ...names), ["123456", "delete", "1048588", "1"]);
      const rest = ["retention.bytes", "segment.bytes", "segment.ms", "message.timestamp.type"];
      const more = ["compression.type", "delete.retention.ms", "min.compaction.lag.ms"];
      for (const value of await configs(driver, topic, ...rest, ...more)) {
        assert(value !== undefined && value !== null);
      }
    },
  },
  {
    name: "admin: AlterConfigs replaces the whole set",
    needs: ["admin:alterConfigs", "admin:describeConfigs"],
    async run(driver, context) {
      const topic = await context.topic("altered", { configs: { "retention.ms": "123456" } });
      await driver.ask("alterConfigs", { topic, set: { "max.message.bytes": "20000" } });
      await eventually("the new value", async () => {
        return (await configs(driver, topic, "max.message.bytes"))[0] === "20000";
      }, waitMs);
      assert((await configs(driver, topic, "retention.ms"))[0] !== "123456", "fell back to its default");
      const error = await driver.refused("alterConfigs", { topic, set: { "retention.ms": "soon" } });
      assertEquals(error.code, 40, error.message);
    },
  },
  {
    name: "admin: IncrementalAlterConfigs sets, deletes, appends and subtracts",
    needs: ["admin:incrementalAlterConfigs", "admin:describeConfigs"],
    async run(driver, context) {
      const topic = await context.topic("incremental", { configs: { "retention.ms": "123456" } });
      const read = () => configs(driver, topic, "retention.ms", "max.message.bytes", "cleanup.policy");
      const becomes = (...wanted: string[]) =>
        eventually(
          `${wanted}`,
          async () => (await read()).join() === wanted.join() || undefined,
          waitMs,
          read,
        );
      await driver.ask("incrementalAlterConfigs", { topic, set: { "max.message.bytes": "20000" } });
      await becomes("123456", "20000", "delete");
      await driver.ask("incrementalAlterConfigs", { topic, append: { "cleanup.policy": "compact" } });
      await becomes("123456", "20000", "delete,compact");
      await driver.ask("incrementalAlterConfigs", { topic, subtract: { "cleanup.policy": "delete" } });
      await becomes("123456", "20000", "compact");
      await driver.ask("incrementalAlterConfigs", { topic, delete: ["max.message.bytes", "cleanup.policy"] });
      await becomes("123456", "1048588", "delete");
      const error = await driver.refused("incrementalAlterConfigs", {
        topic,
        set: { "cleanup.policy": "tidy" },
      });
      assertEquals(error.code, 40, error.message);
    },
  },
  {
    name: "admin: an altered limit of messages acts at once",
    needs: ["admin:incrementalAlterConfigs", "produce", "largeMessages"],
    async run(driver, context) {
      const topic = await context.topic("acts");
      const records = [{ partition: 0, key: "a", value: { bytes: 30_000 } }];
      await driver.ask("produce", { topic, records, codec: "none" });
      await driver.ask("incrementalAlterConfigs", { topic, set: { "max.message.bytes": "20000" } });
      await eventually("the refusal", async () => {
        try {
          await driver.ask("produce", { topic, records, codec: "none" });
          return false;
        } catch (error) {
          return (error as { code?: unknown }).code === 10;
        }
      }, waitMs);
    },
  },
  {
    name: "admin: the cluster is described",
    needs: ["admin:describeCluster"],
    async run(driver, context) {
      const { clusterId, brokers } = await driver.ask("describeCluster", {});
      assertEquals(brokers, 1);
      const { clusterId: wanted } = await context.admin.describeCluster();
      assertMatch(wanted, /^[\w-]{22}$/);
      if (clusterId !== undefined && clusterId !== null) assertEquals(clusterId, wanted);
    },
  },
  {
    name: "admin: the size of a topic's log is told",
    needs: ["admin:describeLogDirs", "produce"],
    async run(driver, context) {
      const topic = await context.topic("log-dirs", { partitions: 2 });
      const records = [0, 1].map((partition) => ({ partition, key: "a", value: { bytes: 10_000 } }));
      await driver.ask("produce", { topic, records, codec: "none" });
      let seen = 0;
      await eventually(
        "the size of both records",
        async () => {
          seen = (await driver.ask("describeLogDirs", { topic })).bytes;
          return seen >= 20_000 && seen < 30_000;
        },
        waitMs,
        () => seen,
      );
    },
  },
  {
    name: "admin: a topic that is not there is told as error 3",
    not: { aiokafka: "its admin client has it made" },
    needs: ["admin:describeTopic", "admin:listTopics"],
    async run(driver, context) {
      const name = context.name("missing");
      assertEquals((await driver.refused("describeTopic", { name })).code, 3);
      assert(!(await context.admin.listTopics()).includes(name), "asking does not make it");
    },
  },
];
