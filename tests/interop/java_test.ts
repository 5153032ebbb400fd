/** The Java console tools of Apache Kafka on the embedded broker.
 *
 * The Java client is the reference for every other one, and asks for the newest versions of each API. Left out: tools
 * whose APIs come with later stages (consumer-groups, configs, log-dirs). @module */
import { assertEquals, assertMatch } from "@std/assert";
import { javaTool } from "../apache_kafka.ts";
import { requires } from "../requirements.ts";
import { brokerForTests, checkOrderByKey, keyedLines, lines, newTopic, sorted } from "./broker.ts";

const { ignore } = requires("apache-kafka");
const broker = brokerForTests(ignore);

const keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];

/** Reads `count` records as `key:value` in a group; what it read is committed when it ends. */
async function consume(topic: string, group: string, count: number): Promise<string[]> {
  const { stdout } = await javaTool("console-consumer", [
    ...["--bootstrap-server", broker.bootstrap, "--topic", topic, "--group", group, "--from-beginning"],
    ...["--max-messages", String(count), "--timeout-ms", "30000"],
    ...["--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"],
  ]);
  return lines(stdout);
}

Deno.test({
  name:
    "the Java console tools make a topic, write to it, and read it in a group that goes on where it stopped",
  ignore,
  fn: async () => {
    const [topic, group] = [newTopic("java"), newTopic("group")];
    const server = ["--bootstrap-server", broker.bootstrap];
    await javaTool("topics", [...server, "--create", "--topic", topic, "--partitions", "3"]);
    assertEquals(lines((await javaTool("topics", [...server, "--list"])).stdout).includes(topic), true);

    const sent = keyedLines(200);
    await javaTool(
      "console-producer",
      [...server, "--topic", topic, ...keyed, "--compression-codec", "lz4"],
      {
        stdin: sent.join("\n") + "\n",
      },
    );
    const first = await consume(topic, group, 120);
    const rest = await consume(topic, group, 80);
    assertEquals(sorted([...first, ...rest]), sorted(sent));
    checkOrderByKey([...first, ...rest]);
  },
});

Deno.test({
  name: "the Java producer writes 20,000 records as fast as it can, and a group reads each of them",
  ignore,
  fn: async () => {
    const [topic, group] = [newTopic("java-perf"), newTopic("group")];
    const { stdout } = await javaTool("producer-perf", [
      ...["--topic", topic, "--num-records", "20000", "--record-size", "200", "--throughput", "-1"],
      ...["--producer-props", `bootstrap.servers=${broker.bootstrap}`, "acks=all", "enable.idempotence=true"],
    ]);
    assertMatch(stdout, /20000 records sent/);
    assertEquals((await consume(topic, group, 20_000)).length, 20_000);
  },
});
