/** Administration as kafkajs does it: what its admin client asks for, on the real broker. @module */
import { assertEquals, assertRejects } from "@std/assert";
import kafkajs, { type Admin } from "kafkajs";
import "../../../kafka/client.ts"; // quiets a timer that kafkajs would re-arm for ever
import { eventually } from "../../eventually.ts";
import { GroupsBroker, topic } from "./kafkajs_groups.ts";

const { ConfigResourceTypes } = kafkajs;

/** Runs a test with a broker, its topic "t" of 6 partitions, and an admin client. */
async function withAdmin(test: (admin: Admin, broker: GroupsBroker) => Promise<void>): Promise<void> {
  await using broker = await GroupsBroker.start();
  const admin = broker.kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: 6 }] });
    await test(admin, broker);
  } finally {
    await admin.disconnect();
  }
}

Deno.test("kafkajs adds partitions, which take records at once", () =>
  withAdmin(async (admin, broker) => {
    await admin.createTopics({ topics: [{ topic: "grows", numPartitions: 1 }] });
    await admin.createPartitions({ topicPartitions: [{ topic: "grows", count: 3 }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: ["grows"] });
    assertEquals(topics[0]?.partitions.length, 3);
    const fewer = { topicPartitions: [{ topic: "grows", count: 2 }] };
    await assertRejects(() => admin.createPartitions(fewer), Error, "invalid");
    const producer = broker.kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.send({ topic: "grows", messages: [{ value: "v", partition: 2 }] });
    await producer.disconnect();
    assertEquals((await admin.fetchTopicOffsets("grows")).map(({ high }) => high), ["0", "0", "1"]);
  }));

Deno.test("kafkajs deletes records before an offset", () =>
  withAdmin(async (admin, broker) => {
    await broker.write(...Array.from({ length: 12 }, (_, n) => String(n)));
    await admin.fetchTopicMetadata({ topics: [topic] });
    await admin.deleteTopicRecords({
      topic,
      partitions: [{ partition: 0, offset: "1" }, { partition: 1, offset: "-1" }],
    });
    const lows = (await admin.fetchTopicOffsets(topic)).toSorted((a, b) => a.partition - b.partition);
    assertEquals(lows.map(({ low }) => low), ["1", "2", "0", "0", "0", "0"]);
    const beyond = { topic, partitions: [{ partition: 2, offset: "99" }] };
    await assertRejects(() => admin.deleteTopicRecords(beyond), Error);
  }));

Deno.test("kafkajs describes and alters the settings of a topic, and describes those of the broker", () =>
  withAdmin(async (admin, broker) => {
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    const configEntries = [{ name: "retention.ms", value: "5000" }];
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] });
    assertEquals(broker.state.log.topics.byName(topic)?.settings.retentionMs, 5000);
    const asked = { ...resource, configNames: ["retention.ms", "segment.bytes"] };
    const { resources } = await admin.describeConfigs({ includeSynonyms: true, resources: [asked] });
    const found = resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]);
    assertEquals(found, [["retention.ms", "5000"], ["segment.bytes", "1073741824"]]);
    const node = { type: ConfigResourceTypes.BROKER, name: "1", configNames: ["num.partitions"] };
    const described = await admin.describeConfigs({ includeSynonyms: false, resources: [node] });
    assertEquals(described.resources[0]?.configEntries[0]?.configValue, "6");
    const wrong = [{ ...resource, configEntries: [{ name: "retention.ms", value: "soon" }] }];
    await assertRejects(() => admin.alterConfigs({ validateOnly: false, resources: wrong }), Error);
  }));

Deno.test("kafkajs lists, describes and deletes groups, and sees and resets their offsets", () =>
  withAdmin(async (admin, broker) => {
    await broker.write("a", "b", "c", "d", "e", "f");
    const member = await broker.member("g");
    await member.has(6);
    assertEquals((await admin.listGroups()).groups, [{ groupId: "g", protocolType: "consumer" }]);
    const { groups } = await admin.describeGroups(["g", "nobody"]);
    assertEquals(groups.map(({ state, protocol }) => [state, protocol]), [
      ["Stable", "RoundRobinAssigner"],
      ["Dead", ""],
    ]);
    const [described] = groups[0]?.members ?? [];
    assertEquals([described?.clientId, described?.clientHost], ["test", "/127.0.0.1"]);
    const assigned = kafkajs.AssignerProtocol.MemberAssignment.decode(
      described?.memberAssignment ?? Buffer.alloc(0),
    );
    assertEquals(assigned?.assignment[topic]?.toSorted(), [0, 1, 2, 3, 4, 5]);
    await assertRejects(() => admin.deleteGroups(["g"]), Error);
    await eventually("the commits", () => broker.state.offsets.fetchAll("g").length === 6);
    await member.stop();
    assertEquals((await admin.describeGroups(["g"])).groups[0]?.state, "Empty");
    const offsets = async () => {
      const [found] = await admin.fetchOffsets({ groupId: "g", topics: [topic] });
      return found?.partitions.toSorted((a, b) => a.partition - b.partition).map(({ offset }) => offset);
    };
    assertEquals(await offsets(), ["1", "1", "1", "1", "1", "1"]);
    await admin.setOffsets({ groupId: "g", topic, partitions: [{ partition: 0, offset: "0" }] });
    assertEquals(await offsets(), ["0", "1", "1", "1", "1", "1"]);
    assertEquals(await admin.deleteGroups(["g"]), [{ groupId: "g", errorCode: 0 }]);
    assertEquals((await admin.listGroups()).groups, []);
    assertEquals(await offsets(), ["-1", "-1", "-1", "-1", "-1", "-1"]);
  }));
