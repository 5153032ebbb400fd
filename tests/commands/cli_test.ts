import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import about from "../../deno.json" with { type: "json" };
import { readTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { TopicViews } from "../../kafka/topic_views.ts";
import { connect, TestBroker } from "../kafka/test_broker.ts";
import { makeCertificate, writeCertificate } from "../certificate.ts";
import { Program } from "../programs.ts";
import { runCli, startCli } from "./cli.ts";

/** No program of a user may listen there. */
const nobodysPort = "1";

/** Runs a command line that is refused: one line on stderr, nothing on stdout. */
async function refused(
  args: readonly string[],
  code: 1 | 2,
  env: Record<string, string> = {},
): Promise<string> {
  const run = await runCli(args, { env });
  assertEquals([run.code, run.stdout], [code, ""], `${args.join(" ")}: ${run.stderr}`);
  assertMatch(run.stderr, /^[^\n]+\n$/, "one line");
  return run.stderr.trimEnd();
}

Deno.test("tailrace --help lists the subcommands, and each has a --help of its own", async () => {
  const root = await runCli(["--help"]);
  assertEquals([root.code, root.stderr], [0, ""]);
  for (const name of ["serve", "broker", "demo", "topics", "publish", "tail", "plot", "view", "user"]) {
    assertMatch(root.stdout, new RegExp(`^  ${name}\\b`, "m"));
  }
  const commands = [
    "serve",
    "broker",
    "demo",
    "topics",
    "topics create",
    "topics list",
    "publish",
    "publish geo",
    "publish likes",
    "publish measurements",
    "publish video",
    "tail",
    "plot",
    "view",
    "user",
  ];
  for (const command of commands) {
    const { code, stdout } = await runCli([...command.split(" "), "--help"]);
    assertEquals(code, 0);
    assertMatch(stdout, new RegExp(`^Usage: tailrace ${command} `));
    assertEquals(stdout.split("\n").filter((line) => line.length > 100), []);
  }
});

Deno.test("tailrace serve --help names every setting by its flag, variable and default", async () => {
  const text = (await runCli(["serve", "--help"])).stdout.replace(/\s+/g, " ");
  assertStringIncludes(text, "--port <value> Port of HTTP; 0 takes any free one (PORT, default 8000)");
  assertStringIncludes(text, "--kafka-sasl-password-file <path>");
  assertStringIncludes(text, "(BROKER_SYNC, default full)");
  assert(!text.includes("--no-"), "the way to switch off is not listed twice");
  const alone = (await runCli(["broker", "--help"])).stdout.replace(/\s+/g, " ");
  assertStringIncludes(
    alone,
    "--broker-http Health and metrics of a broker alone over HTTP, at HOST and PORT",
  );
});

Deno.test("tailrace --version prints the version", async () => {
  assertEquals(await runCli(["--version"]), { code: 0, stdout: `${about.version}\n`, stderr: "" });
});

Deno.test("tailrace refuses what it does not know with one line and exit code 2", async () => {
  const cases: [args: string[], says: string][] = [
    [
      ["bogus"],
      'Unknown subcommand: found "bogus", allowed: serve, broker, demo, topics, publish, tail, plot, view, user',
    ],
    [["--prot", "1"], "unknown option '--prot' (Did you mean --port?)"],
    [["serve", "--port", "x"], 'Cannot use PORT: found "x" (flag --port), allowed: an integer in 0..65535'],
    [["serve", "--port"], "argument missing"],
    [["serve", "--host", "0.0.0.0"], "or --insecure to let anyone on the network in"],
    [["broker", "--tile-url", "1"], "unknown option '--tile-url'"],
    [["user"], "missing required argument 'name'"],
    [["user", "a:b"], 'found name "a:b"'],
    [["publish", "geo"], "missing required argument 'file'"],
    [["publish", "geo", "--interval", "fast", "x"], 'Cannot use --interval: found "fast"'],
    [["publish", "geo", "--speed", "0", "--own-times", "x"], 'Cannot use --speed: found "0"'],
    [["publish", "geo", "--speed", "2", "x"], "found no --own-times"],
    [["publish", "geo", "--own-times", "--interval", "1", "x"], "allowed: one of them"],
    [["publish", "geo", "--topic", "a/b", "x"], 'Cannot use --topic: found "a/b"'],
    [["topics", "create", "a/b"], 'found "a/b"'],
    [["topics", "create", "--config", "x", "a"], "allowed: name=value"],
  ];
  for (const [args, says] of cases) assertStringIncludes(await refused(args, 2), says);
  const message = await refused(["topics", "list"], 2, { LOG_LEVEL: "loud" });
  assertEquals(
    message,
    'Cannot use LOG_LEVEL: found "loud" (environment LOG_LEVEL), allowed: debug | info | warn | error',
  );
});

Deno.test("tailrace topics and publish without a subcommand print their help and exit with 2", async () => {
  for (const command of ["topics", "publish"]) {
    const { code, stderr } = await runCli([command]);
    assertEquals(code, 2);
    assertMatch(stderr, new RegExp(`^Usage: tailrace ${command} `));
  }
});

Deno.test("tailrace --print-config prints the settings of any subcommand, without secrets, and runs nothing", async () => {
  const env = { KAFKA_BROKERS: "kafka:9092", KAFKA_SASL_PASSWORD: "hush", PORT: "" };
  const options = ["--kafka-sasl-mechanism", "plain", "--kafka-sasl-username", "ada", "--print-config"];
  for (const command of [[], ["serve"], ["demo"], ["topics", "list"]]) {
    const { code, stdout, stderr } = await runCli([...command, ...options], { env });
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^KAFKA_BROKERS=kafka:9092 +# environment KAFKA_BROKERS$/m);
    assertMatch(stdout, /^KAFKA_SASL_USERNAME=ada +# flag --kafka-sasl-username$/m);
    assertMatch(stdout, /^KAFKA_SASL_PASSWORD=\*\*\* +# environment KAFKA_SASL_PASSWORD$/m);
    assertMatch(stdout, /^PORT=8000 +# default$/m);
    assert(!stdout.includes("hush"));
  }
  const off = await runCli(["serve", "--no-demo", "--print-config"], { env: { DEMO: "true" } });
  assertMatch(off.stdout, /^DEMO=false +# flag --demo$/m);
});

Deno.test("tailrace warns of a variable that looks like a setting", async () => {
  const { stderr } = await runCli(["topics", "list", "--broker-port", nobodysPort], {
    env: { KAFKA_BROKER: "kafka:9092", LOG_FORMAT: "json" },
  });
  assertStringIncludes(stderr, '"found":"KAFKA_BROKER","meant":"KAFKA_BROKERS"');
});

Deno.test("tailrace topics list says in one line when there is no Kafka, and exits with 1", async () => {
  const message = await refused(["topics", "list", "--broker-port", nobodysPort, "--log-level", "error"], 1);
  assertStringIncludes(message, `Cannot reach Kafka at 127.0.0.1:${nobodysPort}`);
  assertStringIncludes(message, "is `tailrace serve` or `tailrace broker` running?");
});

Deno.test("tailrace topics create makes what is missing, and list shows it", async () => {
  await using broker = await TestBroker.open();
  const counted = { MEASUREMENTS: "noise:0:10:1", WINDOWS: "30s", CLICKS_TOPIC: "likes" };
  const env = { KAFKA_BROKERS: broker.bootstrap, LOG_LEVEL: "warn", ...counted };
  const create = (...args: string[]) => runCli(["topics", "create", ...args], { env });
  const ofWindows = [
    "likes",
    "tailrace-likes-by-id",
    "tailrace-likes-windows",
    "30_second_aggregation_topic",
  ];
  const features = ["geostream", "video", "noise", "hist_noise", ...ofWindows];
  assertEquals(
    (await create("--partitions", "2")).stdout,
    features.map((name) => `${name} created\n`).join(""),
  );
  assertEquals((await create()).stdout, features.map((name) => `${name} exists\n`).join(""));
  const several = await create("geostream", "a.b", "--partitions", "3", "--config", "retention.ms=3600000");
  assertEquals(several, { code: 0, stdout: "geostream exists\na.b created\n", stderr: "" });
  const list = await runCli(["topics", "list"], { env });
  assertEquals(
    list.stdout,
    `TOPIC                        PARTITIONS
30_second_aggregation_topic  2
a.b                          3
geostream                    2
hist_noise                   1
likes                        2
noise                        2
tailrace-likes-by-id         2
tailrace-likes-windows       2
video                        2
`,
  );
  const json = await runCli(["topics", "list", "--json"], { env });
  const found = JSON.parse(json.stdout).map((topic: { name: string }) => topic.name);
  assertEquals(found, [...features, "a.b"].sort());
  await using kafka = connect(broker.bootstrap);
  await using views = new TopicViews(kafka);
  const { config } = await views.topic("video");
  assertEquals([config?.["retention.ms"]?.value, config?.["retention.bytes"]?.value], [
    "3600000",
    "1073741824",
  ]);

  const renamed = await create(
    "--windows",
    "1m",
    "--one-minute-topic",
    "minutes",
    "--clicks-topic",
    "clicks",
  );
  assertStringIncludes(renamed.stdout, "tailrace-clicks-windows created\nminutes created");

  const refusal = await create("c", "--config", "retention.ms=soon");
  assertEquals([refusal.code, refusal.stdout], [1, ""]);
  assertStringIncludes(refusal.stderr, "Cannot create topic c");
});

Deno.test("tailrace broker serves Kafka clients, health and metrics until SIGTERM, and exits with 0", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const main = new URL("../../main.ts", import.meta.url).pathname;
    const data = ["--broker-port", "0", "--data-dir", `${folder}/data`];
    const args = ["run", "--quiet", "-A", main, "broker", "--broker-http", "--port", "0", ...data];
    await using program = Program.start(Deno.execPath(), args, { logFile: `${folder}/log` });
    const find = (log: string) => log.match(/^Kafka at (127\.0\.0\.1:\d+) \(embedded, data in /m)?.[1];
    const address = await program.printed(find, "the broker to listen", 60_000);
    const env = { KAFKA_BROKERS: address };
    assertEquals((await runCli(["topics", "create", "x"], { env })).code, 0);
    const findHttp = (log: string) => log.match(/^Health and metrics at (\S+)\/$/m)?.[1];
    const url = await program.printed(findHttp, "health and metrics", 60_000);
    const get = async (path: string) => {
      const response = await fetch(`${url}${path}`);
      return { status: response.status, text: await response.text() };
    };
    assertEquals(await get("/livez"), { status: 200, text: '{"status":"ok"}' });
    const ready = await get("/readyz");
    assertEquals([ready.status, Object.keys(JSON.parse(ready.text).checks)], [200, ["sqlite", "draining"]]);
    assertEquals(JSON.parse((await get("/version")).text).version, about.version);
    const { text } = await get("/metrics");
    assertMatch(text, /^tailrace_broker_requests_total\{api="CreateTopics",error="NONE"\} 1$/m);
    assertMatch(text, /^tailrace_broker_log_bytes\{topic="x"\} 0$/m);
    assertEquals((await get("/geo")).status, 404);

    const second = await refused(["broker", "--port", "0", ...data], 1);
    assertStringIncludes(second, `${folder}/data`);
    const port = new URL(url).port;
    const taken = [
      "broker",
      "--broker-http",
      "--port",
      port,
      "--broker-port",
      "0",
      "--data-dir",
      `${folder}/other`,
    ];
    assertStringIncludes(
      await refused(taken, 1),
      `Cannot listen on 127.0.0.1:${port}: another program listens`,
    );
    assertEquals((await program.stop()).code, 0, program.log());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("tailrace broker listens for Kafka clients alone", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const child = startCli(["broker", "--broker-port", "0", "--data-dir", folder]);
    const reader = child.stdout.getReader();
    assertMatch(new TextDecoder().decode((await reader.read()).value), /^Kafka at 127\.0\.0\.1:\d+ /);
    child.kill("SIGTERM");
    await reader.cancel();
    await child.stderr.cancel();
    assertEquals((await child.status).code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("tailrace broker says in one line what is wrong with its port, its users and its certificate", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/users`, "# users\nalice:hunter2\n");
    await writeCertificate(folder);
    const other = await makeCertificate();
    await Deno.writeTextFile(`${folder}/other.pem`, other.key);
    const start = (
      ...args: string[]
    ) => ["broker", "--data-dir", `${folder}/data`, ...args];
    const tls = (cert: string, key: string) =>
      start("--broker-tls-cert-file", `${folder}/${cert}`, "--broker-tls-key-file", `${folder}/${key}`);
    const port = String(taken.addr.port);
    assertStringIncludes(await refused(start("--broker-port", port), 1), port);
    const users = await refused(start("--broker-port", "0", "--broker-users-file", `${folder}/users`), 1);
    assertStringIncludes(
      users,
      `Cannot read users of ${folder}/users: line 2: found keys that are not SCRAM`,
    );
    assert(!users.includes("hunter2"));
    const mismatch = await refused([...tls("cert.pem", "other.pem"), "--broker-port", "0"], 1);
    assertStringIncludes(mismatch, "Cannot use the TLS certificate and its key: ");
    const none = await refused([...tls("users", "key.pem"), "--broker-port", "0"], 1);
    assertStringIncludes(none, "Cannot use the TLS certificate and its key: No certificates found");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("tailrace demo drives against any Kafka until SIGINT, and exits with 0", async () => {
  await using broker = await TestBroker.open();
  const args = ["--topic", "vehicles", "--measurements", "noise:0:9:1,pressure", "--clicks-topic", "likes"];
  const child = startCli(["demo", ...args], {
    env: { KAFKA_BROKERS: broker.bootstrap },
  });
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assertEquals(
    new TextDecoder().decode(value),
    "Vehicles drive in topic vehicles, a clip plays in topic video, measurements are in noise pressure, " +
      "likes are in likes; end with Ctrl-C\n",
  );
  const has = (topic: string) => broker.broker.state.log.topics.byName(topic) !== undefined;
  await eventually("the first of each", () => ["vehicles", "video", "pressure", "likes"].every(has));
  child.kill("SIGINT");
  await reader.cancel();
  await child.stderr.cancel();
  assertEquals((await child.status).code, 0);
  const records = await readTopic(broker.bootstrap, "vehicles");
  assert(records.length > 0);
  for (const { key, value, timestamp } of records) {
    const position = JSON.parse(value!);
    assertEquals([key, timestamp], [position.name, Date.parse(position.timestamp)]);
  }
});
