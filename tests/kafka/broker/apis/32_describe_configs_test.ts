import { assertEquals, assertStringIncludes } from "@std/assert";
import { ProtocolClient } from "../../../protocol/client.ts";
import type { Values } from "../../../protocol/codec.ts";
import { encodingOf, hex8 } from "../encodings.ts";
import { makeTopic, withBroker } from "../harness.ts";
import { hex16, hex32 } from "../raw_client.ts";

const TOPIC = 2;
const BROKER = 4;
const LOGGER = 8;

interface Asked {
  readonly type: number;
  readonly name: string;
  readonly keys?: readonly string[];
}

interface Detail {
  readonly synonyms?: boolean;
  readonly documentation?: boolean;
}

function bodyOf(version: number, asked: readonly Asked[], detail: Detail = {}): string {
  const { text, list, structs, nullList, tags } = encodingOf(version, 4);
  const items = asked.map(({ type, name, keys }) =>
    hex8(type) + text(name) + (keys === undefined ? nullList : list(keys.map(text)))
  );
  return structs(items) + (detail.synonyms ? "01" : "00") +
    (version >= 3 ? (detail.documentation ? "01" : "00") : "") + tags;
}

interface Config {
  readonly name: string;
  readonly value: string;
  readonly source: number;
  readonly type: number;
  readonly documentation?: string;
  readonly synonyms?: readonly [name: string, value: string, source: number][];
}

function configOf(version: number, config: Config): string {
  const { text, maybe, structs } = encodingOf(version, 4);
  const { name, value, source, type, documentation = null, synonyms = [] } = config;
  return text(name) + text(value) + "00" + hex8(source) + "00" +
    structs(synonyms.map(([other, set, from]) => text(other) + text(set) + hex8(from))) +
    (version >= 3 ? hex8(type) + maybe(documentation) : "");
}

const lag: Config = { name: "min.compaction.lag.ms", value: "5", source: 1, type: 5 };
const policy: Config = { name: "cleanup.policy", value: "delete", source: 5, type: 7 };

Deno.test("DescribeConfigs v1 to v4 tells the settings of a topic that are named", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "min.compaction.lag.ms": " 5 " } });
    for (let version = 1; version <= 4; version++) {
      const { text, structs, tags } = encodingOf(version, 4);
      const answerOf = (configs: Config[]): string => {
        const found = structs(configs.map((config) => configOf(version, config)));
        return hex32(0) + structs([hex16(0) + text("") + hex8(TOPIC) + text("t") + found]) + tags;
      };
      const asked = [{ type: TOPIC, name: "t", keys: [lag.name, policy.name, "no.such.setting"] }];
      const ask = (detail: Detail) =>
        client.ask({ key: 32, version, flexible: version >= 4, body: bodyOf(version, asked, detail) });
      assertEquals(await ask({}), answerOf([policy, lag]), `v${version}`);
      const [documented] = broker.state.log.topics.configs.list(new Map());
      const known = await ask({ synonyms: true, documentation: true });
      assertEquals(
        known,
        answerOf([
          {
            ...policy,
            documentation: documented?.documentation ?? "",
            synonyms: [["log.cleanup.policy", "delete", 5]],
          },
          {
            ...lag,
            documentation: "Records younger than this are not compacted.",
            synonyms: [[lag.name, "5", 1], ["log.cleaner.min.compaction.lag.ms", "0", 5]],
          },
        ]),
        `v${version}`,
      );
    }
  }));

/** The answer for one resource, by the schema of its fields. */
async function describe(port: number, asked: Asked, detail: Detail = {}): Promise<Values> {
  using client = await ProtocolClient.connect(port);
  const { type, name, keys = null } = asked;
  const answer = await client.ask(32, 4, {
    resources: [{
      resourceType: type,
      resourceName: name,
      configurationKeys: keys === null ? null : [...keys],
    }],
    includeSynonyms: detail.synonyms === true,
    includeDocumentation: detail.documentation === true,
  });
  return (answer.results as Values[])[0] ?? {};
}

const named = (values: Values) => new Map((values.configs as Values[]).map((one) => [String(one.name), one]));

Deno.test("DescribeConfigs lists every setting of a topic, with none or no names asked for", () =>
  withBroker(async (broker) => {
    await makeTopic(broker, "t", { configs: { "cleanup.policy": " compact , delete " } });
    for (const keys of [undefined, []]) {
      const asked = { type: TOPIC, name: "t", ...(keys && { keys }) };
      const found = named(await describe(broker.port, asked, { documentation: true }));
      assertEquals(found.size, 33);
      assertEquals([...found.keys()], [...found.keys()].toSorted());
      for (const [name, { documentation }] of found) assertEquals(typeof documentation, "string", name);
      assertEquals(found.get("cleanup.policy")?.value, "compact,delete");
      const { value, configSource, configType } = found.get("max.message.bytes") ?? {};
      assertEquals([value, configSource, configType], ["1048588", 5, 3]);
    }
  }));

Deno.test("DescribeConfigs tells that a default was chosen for this broker", () =>
  withBroker(async (broker) => {
    await makeTopic(broker, "t");
    const asked = { type: TOPIC, name: "t", keys: ["retention.ms"] };
    const { value, configSource, synonyms } =
      named(await describe(broker.port, asked, { synonyms: true })).get("retention.ms") ?? {};
    assertEquals([value, configSource], ["60000", 4]);
    assertEquals(synonyms, [
      { name: "log.retention.ms", value: "60000", source: 4 },
      { name: "log.retention.hours", value: "168", source: 5 },
    ]);
    const node = named(await describe(broker.port, { type: BROKER, name: "1" }));
    assertEquals([node.get("log.retention.ms")?.value, node.get("log.retention.ms")?.configSource], [
      "60000",
      4,
    ]);
  }, { retentionMs: 60_000 }));

Deno.test("DescribeConfigs lists the settings of the broker, none of which can be changed", () =>
  withBroker(async (broker) => {
    const found = named(await describe(broker.port, { type: BROKER, name: "1" }));
    const values = ["num.partitions", "default.replication.factor", "message.max.bytes", "log.cleanup.policy"]
      .map((name) => found.get(name)?.value);
    assertEquals(values, ["3", "1", "1048588", "delete"]);
    for (const [name, { readOnly }] of found) assertEquals(readOnly, true, name);
    assertEquals(found.get("log.dirs")?.value, broker.state.store.dataDir);
    const some = await describe(broker.port, { type: BROKER, name: "1", keys: ["node.id", "nonsense"] });
    assertEquals([...named(some).keys()], ["node.id"]);
    assertEquals(
      named(await describe(broker.port, { type: BROKER, name: "" })).size,
      0,
      "none of all brokers",
    );
    assertEquals(named(await describe(broker.port, { type: LOGGER, name: "1" })).size, 0, "no loggers");
  }, { defaultPartitions: 3 }));

Deno.test("DescribeConfigs answers a resource that is named twice once, with all that is asked of it", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const keys = [["retention.ms"], ["segment.ms"]];
    const { text, structs } = encodingOf(1, 4);
    const body = bodyOf(1, keys.map((some) => ({ type: TOPIC, name: "t", keys: some })));
    const config = (name: string, value: string, source: number) =>
      configOf(1, { name, value, source, type: 5 });
    const configs = structs([config("retention.ms", "-1", 4), config("segment.ms", "604800000", 5)]);
    assertEquals(
      await client.ask({ key: 32, version: 1, body }),
      hex32(0) + structs([hex16(0) + text("") + hex8(TOPIC) + text("t") + configs]),
    );
  }));

const refusals: [asked: Asked, error: number, text: string][] = [
  [{ type: TOPIC, name: "u" }, 3, ""],
  [{ type: TOPIC, name: "a b" }, 17, "Topic name is invalid: 'a b' contains"],
  [{ type: TOPIC, name: "" }, 17, "Topic name is invalid: the empty string is not allowed"],
  [{ type: BROKER, name: "2" }, 42, "Unexpected broker id, expected 1 or empty string, but received 2"],
  [{ type: BROKER, name: "x" }, 42, "Broker id must be an integer, but it is: x"],
  [{ type: LOGGER, name: "2" }, 42, "Unexpected broker id, expected 1 but received 2"],
  [{ type: 32, name: "g" }, 42, "There are no resources of type 32"],
];
for (const [asked, error, text] of refusals) {
  Deno.test(`DescribeConfigs refuses resource type ${asked.type} named "${asked.name}"`, () =>
    withBroker(async (broker) => {
      const { errorCode, errorMessage, configs } = await describe(broker.port, asked);
      assertEquals([errorCode, configs], [error, []]);
      assertStringIncludes(String(errorMessage), text);
    }));
}
