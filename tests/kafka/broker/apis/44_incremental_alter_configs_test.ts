import { assertEquals } from "@std/assert";
import { encodingOf, hex8 } from "../encodings.ts";
import { makeTopic, withBroker } from "../harness.ts";
import { hex16, hex32, type RawClient } from "../raw_client.ts";

const TOPIC = 2;
const BROKER = 4;
const LOGGER = 8;
const [SET, DELETE, APPEND, SUBTRACT] = [0, 1, 2, 3];

type Step = readonly [name: string, operation: number, value: string | null];

interface Wanted {
  readonly type?: number;
  readonly name: string;
  readonly steps: readonly Step[];
}

function ask(client: RawClient, version: number, resources: readonly Wanted[], validateOnly = false) {
  const { text, maybe, structs, tags } = encodingOf(version, 1);
  const items = resources.map(({ type = TOPIC, name, steps }) =>
    hex8(type) + text(name) +
    structs(steps.map(([key, operation, value]) => text(key) + hex8(operation) + maybe(value)))
  );
  const body = structs(items) + (validateOnly ? "01" : "00") + tags;
  return client.ask({ key: 44, version, flexible: version >= 1, body });
}

function answerOf(
  version: number,
  { type = TOPIC, name }: Wanted,
  error = 0,
  why: string | null = null,
): string {
  const { text, maybe, structs, tags } = encodingOf(version, 1);
  return hex32(0) + structs([hex16(error) + maybe(why) + hex8(type) + text(name)]) + tags;
}

const policy = (operation: number, value: string | null): Wanted => ({
  name: "t",
  steps: [["cleanup.policy", operation, value]],
});

Deno.test("IncrementalAlterConfigs v0 and v1 changes what it names and leaves the rest", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "segment.ms": "7" } });
    const topic = broker.state.log.topics.byName("t");
    const set = () => Object.fromEntries(topic?.configs ?? []);
    for (const version of [0, 1]) {
      const wanted: Wanted = {
        name: "t",
        steps: [["retention.ms", SET, "5"], ["cleanup.policy", APPEND, "compact"]],
      };
      assertEquals(await ask(client, version, [wanted], true), answerOf(version, wanted), `v${version}`);
      assertEquals(set(), { "segment.ms": "7" });
      assertEquals(await ask(client, version, [wanted]), answerOf(version, wanted), `v${version}`);
      assertEquals(set(), { "segment.ms": "7", "retention.ms": "5", "cleanup.policy": "delete,compact" });
      assertEquals([topic?.settings.retentionMs, topic?.settings.compacts], [5, true]);
      const back: Wanted = {
        name: "t",
        steps: [["retention.ms", DELETE, null], ["cleanup.policy", DELETE, "x"]],
      };
      assertEquals(await ask(client, version, [back]), answerOf(version, back));
      assertEquals([set(), topic?.settings.compacts], [{ "segment.ms": "7" }, false]);
    }
  }));

const lists: [before: string | undefined, step: Wanted, after: string][] = [
  [undefined, policy(APPEND, "compact"), "delete,compact"],
  [undefined, policy(APPEND, "delete"), "delete"],
  [undefined, policy(SUBTRACT, "compact"), "delete"],
  ["compact", policy(APPEND, "delete,compact"), "compact,delete"],
  ["compact,delete", policy(SUBTRACT, "compact"), "delete"],
  ["compact,delete", policy(SUBTRACT, "delete,compact"), ""],
  ["compact", policy(SUBTRACT, "foo"), "compact"],
];
for (const [before, step, after] of lists) {
  const [, operation, value] = step.steps[0] ?? [];
  Deno.test(`IncrementalAlterConfigs makes "${after}" of ${before} by ${operation} ${value}`, () =>
    withBroker(async (broker, client) => {
      await makeTopic(broker, "t", { configs: before === undefined ? {} : { "cleanup.policy": before } });
      assertEquals(await ask(client, 1, [step]), answerOf(1, step));
      assertEquals(broker.state.log.topics.byName("t")?.configs.get("cleanup.policy"), after);
    }));
}

const one = (name: string, operation: number, value: string | null): Wanted => ({
  name: "t",
  steps: [[name, operation, value]],
});
const refusals: [claim: string, wanted: Wanted, error: number, text: string][] = [
  [
    "a setting twice",
    { name: "t", steps: [["retention.ms", SET, "1"], ["retention.ms", DELETE, null]] },
    42,
    "Error due to duplicate config keys",
  ],
  ["no value", one("retention.ms", SET, null), 42, "Null value not supported for : retention.ms"],
  ["an unknown setting", one("x", SET, "1"), 40, "Unknown topic config name: x"],
  [
    "an unknown policy",
    policy(APPEND, "shrink"),
    40,
    "Invalid value delete,shrink for configuration cleanup.policy: String must be one of: compact, delete",
  ],
  [
    "appending to a number",
    one("retention.ms", APPEND, "1"),
    40,
    "Can't APPEND to key retention.ms because its type is not LIST.",
  ],
  [
    "taking from what is unknown",
    one("x", SUBTRACT, "1"),
    40,
    "Can't SUBTRACT to key x because its type is not LIST.",
  ],
  ["an unknown operation", one("retention.ms", 4, "1"), 42, "Unknown operation type 4"],
  ["an unknown topic", { name: "u", steps: [] }, 3, "The topic 'u' does not exist."],
  [
    "a setting of the broker",
    { type: BROKER, name: "1", steps: [["num.partitions", SET, "3"]] },
    42,
    "Cannot update these configs dynamically: [num.partitions]",
  ],
  [
    "a logger",
    { type: LOGGER, name: "1", steps: [["root", SET, "INFO"]] },
    40,
    "Logger root does not exist!",
  ],
  ["another kind of resource", { type: 32, name: "g", steps: [] }, 42, "Unknown resource type 32"],
];
for (const [claim, wanted, error, text] of refusals) {
  Deno.test(`IncrementalAlterConfigs refuses ${claim}`, () =>
    withBroker(async (broker, client) => {
      await makeTopic(broker, "t");
      for (const validateOnly of [true, false]) {
        assertEquals(await ask(client, 1, [wanted], validateOnly), answerOf(1, wanted, error, text));
      }
      assertEquals(broker.state.log.topics.byName("t")?.configs.size, 0);
    }));
}

Deno.test("IncrementalAlterConfigs takes steps of many clients in turn, and loses none", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const { topics } = broker.state.log;
    const topic = topics.byName("t");
    if (topic === undefined) throw new Error("no topic");
    const names = ["segment.ms", "flush.ms", "retention.ms", "delete.retention.ms"];
    await Promise.all(names.map((name) => topics.alter(topic, (set) => new Map([...set, [name, "9"]]))));
    assertEquals([...topic.configs.keys()], names);
    await ask(client, 0, [one("flush.ms", DELETE, null)]);
    assertEquals(topic.configs.size, 3);
  }));
