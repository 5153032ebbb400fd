import { assertEquals, assertStringIncludes } from "@std/assert";
import { produceRecords, topicNames, withBroker } from "../harness.ts";
import { compact, hex16, hex32, str, uvarint } from "../raw_client.ts";

const NO_ID = "00".repeat(16);

interface Wanted {
  readonly name: string;
  readonly partitions?: number;
  readonly replicas?: number;
  /** Broker ids by partition. */
  readonly assignments?: readonly (readonly [index: number, ...brokers: number[]])[];
  readonly configs?: Readonly<Record<string, string | null>>;
}

function bodyOf(version: number, topics: readonly Wanted[], validateOnly = false): string {
  const flexible = version >= 5;
  const count = (n: number): string => flexible ? uvarint(n + 1) : hex32(n);
  const text = flexible ? compact : str;
  const tags = flexible ? "00" : "";
  const list = (items: readonly string[]): string => count(items.length) + items.join("");
  const one = ({ name, partitions = -1, replicas = -1, assignments = [], configs = {} }: Wanted): string =>
    text(name) + hex32(partitions) + hex16(replicas) +
    list(assignments.map(([index, ...brokers]) => hex32(index) + list(brokers.map(hex32)) + tags)) +
    list(
      Object.entries(configs).map(([key, value]) =>
        text(key) + (value === null ? (flexible ? "00" : "ffff") : text(value)) + tags
      ),
    ) + tags;
  return list(topics.map(one)) + hex32(1000) + (validateOnly ? "01" : "00") + tags;
}

Deno.test("CreateTopics answers v2 to v4 in the old encoding", () =>
  withBroker(async (broker, client) => {
    for (const version of [2, 3, 4]) {
      const name = `t${version}`;
      const body = bodyOf(version, [{ name, partitions: 2, replicas: 1 }, { name: "a b" }]);
      const answer = await client.ask({ key: 19, version, body });
      const refused = "Topic name is invalid: 'a b' contains one or more characters other than " +
        "ASCII alphanumerics, '.', '_' and '-'";
      assertEquals(
        answer,
        hex32(0) + hex32(2) + str(name) + hex16(0) + "ffff" + str("a b") + hex16(17) + str(refused),
        `v${version}`,
      );
      assertEquals(broker.state.log.topics.byName(name)?.partitions.length, 2);
    }
    await produceRecords(client, "t2", [{ value: "usable at once" }], {}, 1);
  }));

Deno.test("CreateTopics v5 to v7 answers counts and all settings, v7 the id", () =>
  withBroker(async (broker, client) => {
    for (const version of [5, 6, 7]) {
      const name = `t${version}`;
      const body = bodyOf(version, [{ name, configs: { "retention.ms": "5000" } }]);
      const answer = await client.ask({ key: 19, version, flexible: true, body });
      const topic = broker.state.log.topics.byName(name);
      const id = version >= 7 ? topic?.uuid ?? "not made" : "";
      const begin = hex32(0) + "02" + compact(name) + id + hex16(0) + "00" + hex32(3) + hex16(1) +
        uvarint(34);
      assertEquals(answer.slice(0, begin.length), begin, `v${version}`);
      const setting = (key: string, value: string, source: string): string =>
        compact(key) + compact(value) + "00" + source + "00" + "00";
      assertStringIncludes(answer, setting("retention.ms", "5000", "01"));
      assertStringIncludes(answer, setting("cleanup.policy", "delete", "05"));
      assertStringIncludes(answer, setting("max.message.bytes", "1048588", "05"));
      assertStringIncludes(answer, setting("retention.bytes", "-1", "05"));
      assertEquals(answer.slice(-4), "0000");
      assertEquals(topic?.settings.retentionMs, 5000);
    }
  }, { defaultPartitions: 3 }));

const refusals: [claim: string, topic: Wanted, error: number][] = [
  ["0 partitions", { name: "t", partitions: 0 }, 37],
  ["-2 partitions", { name: "t", partitions: -2 }, 37],
  ["more partitions than the broker holds", { name: "t", partitions: 10_001 }, 44],
  ["two replicas", { name: "t", partitions: 1, replicas: 2 }, 38],
  ["0 replicas", { name: "t", partitions: 1, replicas: 0 }, 38],
  ["a topic that exists", { name: "there", partitions: 1 }, 36],
  ["a name that collides", { name: "a_b", partitions: 1 }, 17],
  ["a name of two dots", { name: "..", partitions: 1 }, 17],
  ["a setting that does not exist", { name: "t", configs: { "retention.seconds": "1" } }, 40],
  ["a setting without a value", { name: "t", configs: { "retention.ms": null } }, 40],
  ["a time that is no number", { name: "t", configs: { "retention.ms": "1h" } }, 40],
  ["a time below -1", { name: "t", configs: { "retention.ms": "-2" } }, 40],
  ["batches that no request can hold", { name: "t", configs: { "max.message.bytes": "16777216" } }, 40],
  ["an unknown policy", { name: "t", configs: { "cleanup.policy": "compact,shrink" } }, 40],
  ["an unknown codec", { name: "t", configs: { "compression.type": "brotli" } }, 40],
  ["segments too small for Kafka", { name: "t", configs: { "segment.bytes": "1000" } }, 40],
  ["a number beyond int32", { name: "t", configs: { "segment.bytes": "2147483648" } }, 40],
  ["a ratio above 1", { name: "t", configs: { "min.cleanable.dirty.ratio": "1.1" } }, 40],
  ["a truth that is neither", { name: "t", configs: { "preallocate": "yes" } }, 40],
  ["replicas in no form", { name: "t", configs: { "leader.replication.throttled.replicas": "x" } }, 40],
  ["tiered storage", { name: "t", configs: { "remote.storage.enable": "true" } }, 40],
  ["lags that contradict", {
    name: "t",
    configs: { "min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5" },
  }, 40],
  ["a time type that does not exist", { name: "t", configs: { "message.timestamp.type": "Now" } }, 40],
  ["assignments beside counts", { name: "t", partitions: 1, assignments: [[0, 1]] }, 42],
  ["an assignment to another broker", { name: "t", assignments: [[0, 2]] }, 39],
  ["an assignment to two brokers", { name: "t", assignments: [[0, 1, 2]] }, 39],
  ["assignments with a hole", { name: "t", assignments: [[0, 1], [2, 1]] }, 39],
];
for (const [claim, topic, error] of refusals) {
  Deno.test(`CreateTopics refuses ${claim}`, () =>
    withBroker(async (broker, client) => {
      await client.ask({ key: 19, version: 2, body: bodyOf(2, [{ name: "there" }, { name: "a.b" }]) });
      for (const validateOnly of [true, false]) {
        const body = bodyOf(7, [topic, { name: `good-${validateOnly}` }], validateOnly);
        const answer = await client.ask({ key: 19, version: 7, flexible: true, body });
        const begin = hex32(0) + "03" + compact(topic.name) + NO_ID + hex16(error);
        assertEquals(answer.slice(0, begin.length), begin);
        assertStringIncludes(answer, hex32(-1) + hex16(-1) + "01" + "00"); // no counts, no settings
      }
      assertEquals(topicNames(broker), ["a.b", "good-false", "there"]);
    }));
}

Deno.test("CreateTopics refuses a name given twice and makes the others", () =>
  withBroker(async (broker, client) => {
    const body = bodyOf(2, [{ name: "twice" }, { name: "once" }, { name: "twice" }]);
    const answer = await client.ask({ key: 19, version: 2, body });
    const message = "Duplicate topic name.";
    assertEquals(
      answer,
      hex32(0) + hex32(2) + str("once") + hex16(0) + "ffff" + str("twice") + hex16(42) + str(message),
    );
    assertEquals(topicNames(broker), ["once"]);
  }));

Deno.test("CreateTopics takes assignments to this broker, and only checks when told so", () =>
  withBroker(async (broker, client) => {
    const body = bodyOf(2, [{ name: "t", assignments: [[1, 1], [0, 1]] }]);
    await client.ask({ key: 19, version: 2, body });
    assertEquals(broker.state.log.topics.byName("t")?.partitions.length, 2);
    const only = await client.ask({ key: 19, version: 2, body: bodyOf(2, [{ name: "u" }], true) });
    assertEquals(only, hex32(0) + hex32(1) + str("u") + hex16(0) + "ffff");
    assertEquals(topicNames(broker), ["t"]);
  }));

Deno.test("CreateTopics tells when the disk does not take it, and forgets the topic", () =>
  withBroker(async (broker, client) => {
    let failing = true;
    broker.state.store.beforeCommit(() => {
      if (failing) throw new Error("disk full");
    });
    const ask = () => client.ask({ key: 19, version: 2, body: bodyOf(2, [{ name: "t" }]) });
    assertEquals(await ask(), hex32(0) + hex32(1) + str("t") + hex16(56) + str("KAFKA_STORAGE_ERROR"));
    assertEquals(topicNames(broker), []);
    failing = false;
    assertEquals(await ask(), hex32(0) + hex32(1) + str("t") + hex16(0) + "ffff");
  }));
