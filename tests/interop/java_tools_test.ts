/** The Java console tools of Apache Kafka on the embedded broker and on Apache Kafka itself, with the same expectations.
 *
 * The Java client is the reference for every other one, and asks for the newest versions of each API. With
 * TAILRACE_TEST_BOOTSTRAP=host:port they run on that broker only. Left out: kafka-transactions, kafka-leader-election,
 * kafka-reassign-partitions and kafka-acls, whose APIs the embedded broker has not got. @module */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ApacheKafka, javaTool, startJavaTool } from "../apache_kafka.ts";
import { eventually } from "../eventually.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { checkOrderByKey, keyedLines, lines, newTopic, sorted } from "./broker.ts";
import { javaDriver } from "./built_drivers.ts";
import { Driver } from "./driver.ts";

const { ignore } = requires("jdk");

interface OpenBroker extends AsyncDisposable {
  readonly bootstrap: string;
}

/** A broker that is open while tests run. */
class Broker {
  readonly name: string;
  readonly #open: () => Promise<OpenBroker>;
  #broker: OpenBroker | null = null;

  constructor(name: string, open: () => Promise<OpenBroker>) {
    this.name = name;
    this.#open = open;
  }

  async start(): Promise<void> {
    this.#broker = await this.#open();
  }

  async stop(): Promise<void> {
    await this.#broker?.[Symbol.asyncDispose]();
  }

  get bootstrap(): string {
    return this.#broker!.bootstrap;
  }

  /** The arguments that every tool takes to find it. */
  get server(): string[] {
    return ["--bootstrap-server", this.bootstrap];
  }

  /** What a tool prints. */
  async tool(tool: Parameters<typeof javaTool>[0], ...args: readonly string[]): Promise<string> {
    // Groups are asked for no longer than 5 s otherwise.
    const patience = tool === "consumer-groups" ? ["--timeout", "60000"] : [];
    return (await javaTool(tool, [...this.server, ...args, ...patience])).stdout;
  }

  /** Fails unless a tool refuses, saying `text`. */
  async refuses(
    text: string,
    tool: Parameters<typeof javaTool>[0],
    ...args: readonly string[]
  ): Promise<void> {
    await assertRejects(() => this.tool(tool, ...args), Error, text);
  }
}

const given = Deno.env.get("TAILRACE_TEST_BOOTSTRAP");
const brokers = given !== undefined
  ? [
    new Broker(`the broker at ${given}`, () => {
      return Promise.resolve({ bootstrap: given, [Symbol.asyncDispose]: () => Promise.resolve() });
    }),
  ]
  : [
    new Broker("the embedded broker", () => Service.open({ command: "broker" })),
    new Broker("Apache Kafka", () => ApacheKafka.open()),
  ];

if (!ignore) {
  Deno.test.beforeAll(async () => {
    await Promise.all(brokers.map((broker) => broker.start()));
  });
  Deno.test.afterAll(async () => {
    await Promise.all(brokers.map((broker) => broker.stop()));
  });
}

/** Registers a test for each broker. */
function testTools(name: string, fn: (broker: Broker) => Promise<void>): void {
  for (const broker of brokers) {
    Deno.test({ name: `Java tools on ${broker.name}: ${name}`, ignore, fn: () => fn(broker) });
  }
}

/** Rows of a table that a tool prints, as records by the names in its head. */
function table(output: string): Record<string, string>[] {
  const rows = lines(output).map((line) => line.replace(/\s+\((\w+)\)/, "($1)").trim().split(/\s+/));
  const head = rows.findIndex(([name]) => name === "GROUP" || name === "TOPIC");
  const names = rows[head] ?? [];
  return rows.slice(head + 1).filter((row) => row.length === names.length).map((row) =>
    Object.fromEntries(names.map((name, n) => [name, row[n]!]))
  );
}

/** Offsets by partition, from the rows of a topic. */
function byPartition(rows: readonly Record<string, string>[], column: string): string[] {
  return rows.toSorted((a, b) => Number(a.PARTITION) - Number(b.PARTITION)).map((row) => row[column]!);
}

async function createTopic(broker: Broker, what: string, partitions: number): Promise<string> {
  const topic = newTopic(what);
  await broker.tool("topics", "--create", "--topic", topic, "--partitions", String(partitions));
  return topic;
}

/** Writes records of 100 bytes as fast as it can. */
function perf(broker: Broker, topic: string, count: number, ...more: readonly string[]): Promise<string> {
  const amount = ["--num-records", String(count), "--record-size", "100", "--throughput", "-1"];
  return broker.tool("producer-perf", "--topic", topic, ...amount, ...more);
}

const keyed = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];

/** Reads `count` records as `key:value`. */
async function consume(
  broker: Broker,
  topic: string,
  count: number,
  more: readonly string[] = [],
): Promise<string[]> {
  const output = await broker.tool(
    "console-consumer",
    ...["--topic", topic, "--from-beginning", "--max-messages", String(count), ...more],
    ...["--timeout-ms", "60000"],
    ...["--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"],
  );
  return lines(output);
}

testTools("kafka-topics makes, describes, widens, lists and deletes a topic", async (broker) => {
  const topic = newTopic("java-topics");
  const create = ["--create", "--topic", topic, "--partitions", "2"];
  await broker.tool("topics", ...create, "--config", "retention.ms=100000");
  await broker.refuses("already exists", "topics", ...create);
  await broker.tool("topics", ...create, "--if-not-exists");
  const before = await broker.tool("topics", "--describe", "--topic", topic);
  assertMatch(
    before,
    /TopicId: [\w-]{22}\s+PartitionCount: 2\s+ReplicationFactor: 1\s.*retention\.ms=100000/,
  );
  const widen = ["--alter", "--topic", topic, "--partitions"];
  await broker.tool("topics", ...widen, "3");
  await broker.refuses("would not be an increase", "topics", ...widen, "2");
  const after = lines(await broker.tool("topics", "--describe", "--topic", topic));
  assertEquals(
    after.filter((line) => /Partition: \d\s+Leader: 1\s+Replicas: 1\s+Isr: 1/.test(line)).length,
    3,
  );
  assert(lines(await broker.tool("topics", "--list")).includes(topic));
  await broker.tool("topics", "--delete", "--topic", topic);
  await broker.refuses("does not exist", "topics", "--describe", "--topic", topic);
});

testTools("kafka-configs describes, sets and deletes the configs of a topic", async (broker) => {
  const topic = await createTopic(broker, "java-configs", 1);
  const dynamic = async () => {
    const printed = await broker.tool("configs", "--describe", "--topic", topic);
    return lines(printed).slice(1).map((line) => line.trim().split(" ")[0]).sort();
  };
  const alter = (...changes: readonly string[]) =>
    broker.tool("configs", "--alter", "--topic", topic, ...changes);
  assertEquals(await dynamic(), []);
  await alter("--add-config", "cleanup.policy=[compact,delete],segment.ms=100000");
  assertEquals(await dynamic(), ["cleanup.policy=compact,delete", "segment.ms=100000"]);
  await alter("--delete-config", "cleanup.policy", "--add-config", "max.message.bytes=20000");
  assertEquals(await dynamic(), ["max.message.bytes=20000", "segment.ms=100000"]);
  await broker.refuses(
    "Invalid value",
    "configs",
    ...["--alter", "--topic", topic, "--add-config", "segment.ms=-7"],
  );
  const all = await broker.tool("configs", "--describe", "--all", "--topic", topic);
  for (
    const config of [
      "max.message.bytes=20000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=20000, " +
      "DEFAULT_CONFIG:message.max.bytes=1048588}",
      "cleanup.policy=delete ",
      "compression.type=producer ",
      "delete.retention.ms=86400000 ",
      "min.insync.replicas=1 ",
    ]
  ) assert(all.includes(`\n  ${config}`), `${config} is in ${all}`);
});

testTools("kafka-configs describes the broker", async (broker) => {
  const all = await broker.tool("configs", "--describe", "--all", "--broker", "1");
  for (
    const config of [
      `advertised.listeners=PLAINTEXT://${broker.bootstrap} sensitive=false synonyms={STATIC_BROKER_CONFIG:`,
      "message.max.bytes=1048588 ",
      "num.partitions=1 ",
    ]
  ) assert(all.includes(`\n  ${config}`), `${config} is in ${all}`);
});

testTools("the perf tools write with every codec and read it all", async (broker) => {
  const topic = await createTopic(broker, "java-perf", 1);
  for (const codec of ["none", "gzip", "snappy", "lz4", "zstd"]) {
    const written = await perf(broker, topic, 2_000, "--command-property", `compression.type=${codec}`);
    assertMatch(written, /^2000 records sent/m);
  }
  const [offsets, read] = await Promise.all([
    broker.tool("get-offsets", "--topic", topic),
    broker.tool("consumer-perf", "--topic", topic, "--num-records", "10000", "--timeout", "60000"),
  ]);
  assertEquals(lines(offsets), [`${topic}:0:10000`]);
  assertEquals(lines(read).at(-1)!.split(", ")[4], "10000");
});

testTools(
  "kafka-producer-perf-test writes in transactions, and nothing of them is held back",
  async (broker) => {
    const topic = await createTopic(broker, "java-transactions", 2);
    const transactions = ["--transactional-id", newTopic("id"), "--transaction-duration-ms", "50"];
    assertMatch(await perf(broker, topic, 500, ...transactions), /^500 records sent/m);
    const committed = ["--isolation-level", "read_committed"];
    assertEquals((await consume(broker, topic, 500, committed)).length, 500);
  },
);

testTools("the console consumer reads committed records only, where it is told to", async (broker) => {
  const topic = await createTopic(broker, "java-isolation", 1);
  const driver = await Driver.start("java", await javaDriver(), broker.bootstrap);
  try {
    const handle = "producer";
    await driver.ask("txn.open", { handle, transactionalId: newTopic("id") });
    for (const [n, end] of (["txn.abort", "txn.commit", "txn.abort", "txn.commit"] as const).entries()) {
      await driver.ask("txn.begin", { handle });
      const value = `${n} ${end}`;
      await driver.ask("txn.send", { handle, topic, records: [{ partition: 0, key: "end", value }] });
      await driver.ask(end, { handle });
    }
    const read = (level: string, count: number) =>
      consume(broker, topic, count, ["--isolation-level", level]);
    const [committed, all] = await Promise.all([read("read_committed", 2), read("read_uncommitted", 4)]);
    assertEquals(committed, ["end:1 txn.commit", "end:3 txn.commit"]);
    assertEquals(all, ["end:0 txn.abort", "end:1 txn.commit", "end:2 txn.abort", "end:3 txn.commit"]);
  } finally {
    await driver.close();
  }
});

testTools("the console tools write keys and values, and a group goes on where it stopped", async (broker) => {
  const [topic, group] = [await createTopic(broker, "java-console", 3), newTopic("group")];
  const sent = keyedLines(200);
  await javaTool(
    "console-producer",
    [...broker.server, "--topic", topic, ...keyed, "--compression-codec", "lz4"],
    { stdin: sent.join("\n") + "\n" },
  );
  const first = await consume(broker, topic, 120, ["--group", group]);
  const rest = await consume(broker, topic, 80, ["--group", group]);
  assertEquals(sorted([...first, ...rest]), sorted(sent));
  checkOrderByKey([...first, ...rest]);
});

testTools("kafka-consumer-groups shows a group with its member", async (broker) => {
  const [topic, group] = [await createTopic(broker, "java-member", 2), newTopic("group")];
  await perf(broker, topic, 50);
  const logFile = await Deno.makeTempFile();
  const member = startJavaTool("console-consumer", [
    ...[...broker.server, "--topic", topic, "--group", group, "--from-beginning"],
    ...["--command-property", "auto.commit.interval.ms=200", "--command-property", "client.id=console"],
  ], logFile);
  try {
    await eventually("the records", () => lines(member.log()).length >= 50, 60_000, () => member.log());
    const describe = (...more: readonly string[]) =>
      broker.tool("consumer-groups", "--describe", "--group", group, ...more);
    const [members] = table(await describe("--members"));
    assertEquals([members?.["CLIENT-ID"], members?.["#PARTITIONS"]], ["console", "2"]);
    const [state] = table(await describe("--state"));
    assertEquals([state?.["ASSIGNMENT-STRATEGY"], state?.STATE, state?.["#MEMBERS"]], [
      "range",
      "Stable",
      "1",
    ]);
    const offsets = await eventually("the commit", async () => {
      const rows = table(await describe("--offsets"));
      return rows.length === 2 && rows.every(({ LAG }) => LAG === "0") ? rows : undefined;
    }, 120_000);
    assertEquals(offsets.length, 2);
    assert(offsets.every((row) => row.HOST === "/127.0.0.1" && row["CLIENT-ID"] === "console"));
    assertEquals(offsets.reduce((sum, row) => sum + Number(row["CURRENT-OFFSET"]), 0), 50);
    const listed = table(await broker.tool("consumer-groups", "--list", "--state"));
    assertEquals(listed.find(({ GROUP }) => GROUP === group)?.STATE, "Stable");
    const reset = ["--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute"];
    assertMatch(await broker.tool("consumer-groups", ...reset), /inactive, but the current state is Stable/);
    await member.stop();
    const left = table(await describe("--state"));
    assertEquals([left[0]?.STATE, left[0]?.["#MEMBERS"]], ["Empty", "0"]);
  } finally {
    await member.kill();
    await Deno.remove(logFile);
  }
});

testTools("kafka-consumer-groups resets and deletes offsets, and deletes the group", async (broker) => {
  const [topic, group] = [await createTopic(broker, "java-offsets", 1), newTopic("group")];
  await perf(broker, topic, 100);
  const groups = (...args: readonly string[]) => broker.tool("consumer-groups", "--group", group, ...args);
  const reset = async (...to: readonly string[]) => {
    const rows = table(await groups("--reset-offsets", "--topic", topic, ...to));
    return byPartition(rows, "NEW-OFFSET");
  };
  assertEquals(await reset("--to-latest", "--execute"), ["100"]);
  assertEquals(await reset("--shift-by", "-30", "--execute"), ["70"]);
  assertEquals(await reset("--to-offset", "10", "--dry-run"), ["10"]);
  assertEquals(byPartition(table(await groups("--describe")), "CURRENT-OFFSET"), ["70"]);
  assertEquals(await reset("--to-datetime", "2020-01-01T00:00:00.000", "--execute"), ["0"]);
  assertEquals(await reset("--to-datetime", "2120-01-01T00:00:00.000", "--execute"), ["100"]);
  assertEquals(await reset("--to-earliest", "--execute"), ["0"]);
  assertEquals((await consume(broker, topic, 5, ["--group", group])).length, 5);
  assertMatch(await groups("--delete-offsets", "--topic", topic), /\b0 +Successful/);
  assertEquals(table(await groups("--describe")).length, 0);
  await reset("--to-latest", "--execute"); // a group without offsets is none any more
  assertMatch(await groups("--delete"), /was successful/);
  assert(!lines(await broker.tool("consumer-groups", "--list")).includes(group));
});

testTools(
  "kafka-delete-records moves the start, kafka-get-offsets and kafka-log-dirs show it",
  async (broker) => {
    const topic = await createTopic(broker, "java-delete", 2);
    await perf(broker, topic, 300, "--command-property", "batch.size=1000");
    const at = async (time: string) =>
      Object.fromEntries(
        lines(await broker.tool("get-offsets", "--topic", topic, "--time", time)).map((line) => {
          const [, partition, offset] = line.split(":");
          return [partition!, Number(offset)];
        }),
      );
    const ends = await at("latest");
    assertEquals(ends["0"]! + ends["1"]!, 300);
    assertEquals(await at("earliest"), { 0: 0, 1: 0 });
    const filled = ends["0"]! > 0 ? 0 : 1;
    const last = ends[filled]! - 1;
    const file = await Deno.makeTempFile();
    try {
      const partitions = [{ topic, partition: filled, offset: last }];
      await Deno.writeTextFile(file, JSON.stringify({ partitions, version: 1 }));
      const deleted = await broker.tool("delete-records", "--offset-json-file", file);
      assertMatch(deleted, new RegExp(`${topic}-${filled}\\s+low_watermark: ${last}`));
    } finally {
      await Deno.remove(file);
    }
    assertEquals((await at("earliest"))[filled], last);
    assertEquals((await at("latest"))[filled], last + 1);
    const folders = await broker.tool("log-dirs", "--describe", "--topic-list", topic);
    const { brokers } = JSON.parse(lines(folders).at(-1)!);
    const [{ partitions, error }] = brokers[0].logDirs;
    assertEquals([brokers.length, error, partitions.length], [1, null, 2]);
    assert(partitions.some(({ size }: { size: number }) => size > 100), folders);
  },
);

testTools("kafka-cluster and kafka-broker-api-versions tell the one broker", async (broker) => {
  const [id, endpoints, versions] = await Promise.all([
    javaTool("cluster", ["cluster-id", ...broker.server]),
    javaTool("cluster", ["list-endpoints", ...broker.server]),
    broker.tool("broker-api-versions"),
  ]);
  assertMatch(id.stdout, /Cluster ID: [\w-]{22}/);
  const [host, port] = broker.bootstrap.split(":");
  assertMatch(endpoints.stdout, new RegExp(`1\\s+${host}\\s+${port}\\s+null\\s+unfenced\\s+broker`));
  assertMatch(versions, /Produce\(0\): 0 to \d+ \[usable: \d+\]/);
});
