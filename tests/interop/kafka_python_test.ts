/** kafka-python on the embedded broker: an idempotent producer, a consumer without a group, a group of two processes.
 *
 * Its wire code is its own, in pure Python, and newer protocol versions than librdkafka's are its first choice.
 * @module */
import { assert, assertEquals } from "@std/assert";
import { createTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { Program, run } from "../programs.ts";
import { requires, testPython } from "../requirements.ts";
import { brokerForTests, checkOrderByKey, lines, newTopic, sorted } from "./broker.ts";

const { ignore } = requires("kafka-python");
const script = new URL("kafka_python.py", import.meta.url).pathname;
const broker = brokerForTests(ignore);

interface Line {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly assigned?: readonly number[];
}

async function python(...args: readonly string[]): Promise<Line[]> {
  const { stdout } = await run(testPython(), { args: [script, ...args] });
  return lines(stdout).map((line) => JSON.parse(line));
}

/** What a member has printed so far; a program may be in the middle of its last line. */
function printed(member: Program): Line[] {
  return member.log().split("\n").slice(0, -1).filter((line) => line.startsWith("{")).map((line) =>
    JSON.parse(line)
  );
}

const records = (member: Program) => printed(member).filter((line) => line.assigned === undefined);
const assigned = (member: Program) =>
  printed(member).filter((line) => line.assigned !== undefined).at(-1)?.assigned?.length ?? 0;
const place = ({ partition, offset }: Line) => `${partition}:${offset}`;

Deno.test({
  name:
    "kafka-python's idempotent producer writes 500 records that its consumer reads once each, in order per key",
  ignore,
  fn: async () => {
    const topic = newTopic("python");
    await createTopic(broker.bootstrap, topic, 3);
    const sent = await python("produce", broker.bootstrap, topic, "500");
    const read = await python("consume", broker.bootstrap, topic, "500");
    assertEquals(sorted(read.map(place)), sorted(sent.map(place)));
    assertEquals(new Set(read.map(place)).size, 500);
    checkOrderByKey(read.map(({ key, value }) => `${key}:${value}`));
    for (const { value, headers } of read) assertEquals(headers, { n: value });
  },
});

Deno.test({
  name: "a kafka-python group of two processes shares a topic, and one goes on alone where the other stopped",
  ignore,
  fn: async () => {
    const [topic, group] = [newTopic("python-group"), newTopic("group")];
    await createTopic(broker.bootstrap, topic, 4);
    const folder = await Deno.makeTempDir();
    const member = (name: string) =>
      Program.start(testPython(), [script, "member", broker.bootstrap, topic, group], {
        logFile: `${folder}/${name}.log`,
      });
    try {
      await using a = member("a");
      await eventually("a to have the topic", () => assigned(a) === 4, 20_000, () => a.log());
      await using b = member("b");
      const both = () => assigned(a) === 2 && assigned(b) === 2;
      await eventually("a and b to have two partitions each", both, 20_000, () => a.log() + b.log());
      const sent = await python("produce", broker.bootstrap, topic, "400");
      await eventually("every record", () => records(a).length + records(b).length >= 400, 20_000);
      assert(records(a).length > 0 && records(b).length > 0, "both members had a share");

      assertEquals((await a.stop()).code, 0, a.log());
      await eventually("b to have the whole topic", () => assigned(b) === 4, 20_000, () => b.log());
      sent.push(...await python("produce", broker.bootstrap, topic, "100"));
      await eventually("the rest", () => records(a).length + records(b).length >= 500, 20_000, () => b.log());
      assertEquals((await b.stop()).code, 0, b.log());
      assertEquals(sorted([...records(a), ...records(b)].map(place)), sorted(sent.map(place)));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
