import { assertEquals } from "@std/assert";
import { startBroker } from "../../../../kafka/broker/mod.ts";
import { batchOf } from "../batches.ts";
import { encodingOf, hex8 } from "../encodings.ts";
import { makeTopic, optionsFor, produce, withBroker, withFolder } from "../harness.ts";
import { hex16, hex32, RawClient } from "../raw_client.ts";

const TOPIC = 2;
const BROKER = 4;

interface Wanted {
  readonly type?: number;
  readonly name: string;
  readonly configs: readonly [name: string, value: string | null][];
}

function bodyOf(version: number, resources: readonly Wanted[], validateOnly: boolean): string {
  const { text, maybe, structs, tags } = encodingOf(version, 2);
  const items = resources.map(({ type = TOPIC, name, configs }) =>
    hex8(type) + text(name) + structs(configs.map(([key, value]) => text(key) + maybe(value)))
  );
  return structs(items) + (validateOnly ? "01" : "00") + tags;
}

type Outcome = readonly [type: number, name: string, error: number, text: string | null];

function answerOf(version: number, outcomes: readonly Outcome[]): string {
  const { text, maybe, structs, tags } = encodingOf(version, 2);
  const items = outcomes.map(([type, name, error, why]) =>
    hex16(error) + maybe(why) + hex8(type) + text(name)
  );
  return hex32(0) + structs(items) + tags;
}

function ask(client: RawClient, version: number, resources: readonly Wanted[], validateOnly = false) {
  const body = bodyOf(version, resources, validateOnly);
  return client.ask({ key: 33, version, flexible: version >= 2, body });
}

const fine: Outcome = [TOPIC, "t", 0, null];

Deno.test("AlterConfigs v0 to v2 replaces all that is set for a topic, unless it only checks", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "segment.ms": "7" } });
    const topic = broker.state.log.topics.byName("t");
    const set = () => Object.fromEntries(topic?.configs ?? []);
    for (let version = 0; version <= 2; version++) {
      const before = set();
      const wanted: Wanted = {
        name: "t",
        configs: [["retention.ms", String(version)], ["retention.bytes", "9"]],
      };
      assertEquals(await ask(client, version, [wanted], true), answerOf(version, [fine]), `v${version}`);
      assertEquals(set(), before);
      assertEquals(await ask(client, version, [wanted]), answerOf(version, [fine]), `v${version}`);
      assertEquals(set(), { "retention.ms": String(version), "retention.bytes": "9" });
      assertEquals([topic?.settings.retentionMs, topic?.settings.retentionBytes], [version, 9]);
    }
    await ask(client, 0, [{ name: "t", configs: [] }]);
    assertEquals([set(), topic?.settings.retentionMs], [{}, -1]);
    assertEquals(broker.state.log.topics.byName("t"), topic, "one topic throughout");
  }));

Deno.test("AlterConfigs acts at once on what is produced", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const send = () => produce(client, "t", batchOf([{ value: "x".repeat(100) }]));
    const alter = (name: string, value: string) => ask(client, 0, [{ name: "t", configs: [[name, value]] }]);
    assertEquals((await send()).error, 0);
    await alter("max.message.bytes", "100");
    assertEquals((await send()).error, 10);
    await alter("message.timestamp.type", "LogAppendTime");
    const { error, appendTimeMs } = await send();
    assertEquals([error, appendTimeMs > 0], [0, true]);
    await alter("retention.bytes", "0");
    await broker.sweep();
    assertEquals(broker.state.log.partition("t", 0)?.start, 2);
  }));

Deno.test("AlterConfigs lasts over a restart", () =>
  withFolder(async (dataDir) => {
    {
      await using broker = await startBroker(optionsFor(dataDir));
      using client = await RawClient.connect(broker.port);
      await makeTopic(broker, "t", { configs: { "segment.ms": "7" } });
      await ask(client, 0, [{ name: "t", configs: [["retention.ms", "5"]] }]);
    }
    await using broker = await startBroker(optionsFor(dataDir));
    const topic = broker.state.log.topics.byName("t");
    assertEquals([...topic?.configs ?? []], [["retention.ms", "5"]]);
    assertEquals(topic?.settings.retentionMs, 5);
  }));

Deno.test("AlterConfigs tells when the disk does not take it, and the settings stay", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "retention.ms": "5" } });
    broker.state.store.beforeCommit(() => {
      throw new Error("disk full");
    });
    const answer = await ask(client, 0, [{ name: "t", configs: [] }]);
    assertEquals(answer, answerOf(0, [[TOPIC, "t", 56, "KAFKA_STORAGE_ERROR"]]));
    const topic = broker.state.log.topics.byName("t");
    assertEquals([topic?.configs.get("retention.ms"), topic?.settings.retentionMs], ["5", 5]);
  }));

const set = (key: string, value: string | null): [string, string | null][] => [[key, value]];
const refusals: [claim: string, wanted: Wanted, error: number, text: string][] = [
  [
    "a bad value",
    { name: "t", configs: set("retention.ms", "1h") },
    40,
    "Invalid value 1h for configuration retention.ms: Not a number of type LONG",
  ],
  ["an unknown setting", { name: "t", configs: set("x", "1") }, 40, "Unknown topic config name: x"],
  [
    "no value",
    { name: "t", configs: set("retention.ms", null) },
    42,
    "Null value not supported for : retention.ms",
  ],
  [
    "a setting twice",
    { name: "t", configs: [["retention.ms", "1"], ["retention.ms", "2"]] },
    42,
    "Error due to duplicate config keys",
  ],
  ["an unknown topic", { name: "u", configs: [] }, 3, "The topic 'u' does not exist."],
  ["no topic", { name: "", configs: [] }, 42, "Default topic resources are not allowed."],
  ["another topic name", { name: "..", configs: [] }, 17, "Topic name is invalid: '..' is not allowed"],
  [
    "a setting of the broker",
    { type: BROKER, name: "1", configs: set("num.partitions", "3") },
    42,
    "Cannot update these configs dynamically: [num.partitions]",
  ],
  [
    "a setting of all brokers",
    { type: BROKER, name: "", configs: set("log.retention.ms", "3") },
    42,
    "Cannot update these configs dynamically: [log.retention.ms]",
  ],
  [
    "another broker",
    { type: BROKER, name: "2", configs: [] },
    42,
    "Unexpected broker id, expected 1, but received 2",
  ],
  [
    "a broker by name",
    { type: BROKER, name: "x", configs: [] },
    42,
    "Node id must be an integer, but it is: x",
  ],
  ["a logger", { type: 8, name: "1", configs: [] }, 42, "Unknown resource type 8"],
];
for (const [claim, wanted, error, text] of refusals) {
  Deno.test(`AlterConfigs refuses ${claim} and goes on with the others`, () =>
    withBroker(async (broker, client) => {
      for (const name of ["t", "other"]) {
        await makeTopic(broker, name, { configs: { "retention.bytes": "7" } });
      }
      const good: Wanted = { name: "other", configs: set("retention.ms", "5") };
      assertEquals(
        await ask(client, 2, [wanted, good]),
        answerOf(2, [[wanted.type ?? TOPIC, wanted.name, error, text], [TOPIC, "other", 0, null]]),
      );
      const configs = (name: string) => [...broker.state.log.topics.byName(name)?.configs ?? []];
      assertEquals([configs("t"), configs("other")], [[["retention.bytes", "7"]], [["retention.ms", "5"]]]);
    }));
}

Deno.test("AlterConfigs refuses a resource named twice", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const twice = [{ name: "t", configs: set("retention.ms", "1") }, { name: "t", configs: [] }];
    const text = "Each resource must appear at most once.";
    assertEquals(await ask(client, 0, twice), answerOf(0, [[TOPIC, "t", 42, text]]));
    assertEquals(broker.state.log.topics.byName("t")?.configs.size, 0);
  }));
