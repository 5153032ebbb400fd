import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { readTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { TestBroker } from "../kafka/test_broker.ts";
import { Service } from "../service.ts";
import { type CliOptions, runCli, startCli } from "./cli.ts";

const topic = "video_clicks_ingestion";

function publish(bootstrap: string, args: readonly string[], options: CliOptions = {}) {
  const env = { KAFKA_BROKERS: bootstrap, LOG_LEVEL: "warn", LOG_FORMAT: "json", ...options.env };
  return runCli(["publish", "likes", ...args], { ...options, env });
}

Deno.test("tailrace publish likes --file publishes each line in its order, at its time, and tells those that are none", async () => {
  await using broker = await TestBroker.open();
  const hourAgo = Math.floor(Date.now() / 1000) - 3600;
  const lines = Array.from({ length: 30_000 }, (_, i) => `video-${i % 7},${hourAgo + (i % 600)}`);
  lines[9] = "video-2,yesterday";
  lines[10] = "without a time";
  lines[20_000] = ",5";
  const startedMs = Date.now();
  const run = await publish(broker.bootstrap, ["--file", "-"], { stdin: lines.join("\n") });
  assertEquals(run.code, 0, run.stderr);
  assertMatch(
    run.stdout,
    /\nPublished 29998 likes to video_clicks_ingestion in [\d.]+ s; left out: 2 lines \(the first: line 10: found "yesterday" as time\)\n$/,
  );
  const records = await readTopic(broker.bootstrap, topic);
  const wanted = lines.filter((_, i) => i !== 9 && i !== 20_000).map((line) => line.split(","));
  assertEquals(records.map(({ key, value }) => [key, value]), wanted.map(([id]) => [null, id]));
  for (const [i, [, seconds]] of wanted.entries()) {
    const { timestamp } = records[i]!;
    if (seconds === undefined) assert(timestamp >= startedMs && timestamp <= Date.now());
    else assertEquals(timestamp, Number(seconds) * 1000);
  }
  const { configs } = broker.broker.state.log.topics.byName(topic)!;
  assertEquals(configs.get("retention.ms"), "-1", "likes of long ago are kept");
});

Deno.test("tailrace publish likes makes up likes of the videos in VIDEOS, or of those it is told", async () => {
  await using broker = await TestBroker.open();
  const run = await publish(broker.bootstrap, [
    "--rate",
    "600000",
    "--count",
    "300",
    "--videos",
    "a=A,b=B,c=C",
  ]);
  assertMatch(run.stdout, /Published 300 likes to video_clicks_ingestion in [\d.]+ s\n$/);
  const of = async (name: string) => {
    const records = await readTopic(broker.bootstrap, name);
    return Map.groupBy(records, ({ value }) => value!);
  };
  const usual = await of(topic);
  assertEquals([...usual.keys()].sort(), ["a", "b", "c"]);
  for (const records of usual.values()) assertGreater(records.length, 50);
  const told = ["--video", "x", "--video", "y z", "--topic", "other", "--rate", "600000", "--count", "100"];
  assertEquals((await publish(broker.bootstrap, told)).code, 0);
  assertEquals([...(await of("other")).keys()].sort(), ["x", "y z"]);
});

Deno.test("tailrace publish likes goes on at its rate until SIGINT, and exits with 0", async () => {
  await using broker = await TestBroker.open();
  const env = { KAFKA_BROKERS: broker.bootstrap };
  const child = startCli(["publish", "likes", "--rate", "3000"], { env });
  await eventually("some likes", () => {
    return [...broker.broker.state.log.topics.partitions()].some(({ end }) => Number(end) > 10);
  });
  child.kill("SIGINT");
  const { code, stdout } = await child.output();
  assertEquals(code, 0);
  const stored = Number(/Published (\d+) likes? to/.exec(new TextDecoder().decode(stdout))![1]);
  const records = await readTopic(broker.bootstrap, topic);
  assertEquals(records.length, stored);
  const times = records.map(({ timestamp }) => timestamp);
  for (const [i, ms] of times.entries()) assertGreater(ms, (times[i - 1] ?? 0) + 15, "20 ms apart");
});

Deno.test("tailrace publish likes waits while Kafka is away, then goes on where it was", async () => {
  await using service = await Service.open({ command: "broker" });
  const running = publish(service.bootstrap, ["--rate", "12000", "--count", "400"]);
  await eventually("some", async () => (await readTopic(service.bootstrap, topic)).length > 20);
  await service.kill();
  await service.start();
  const { code, stdout, stderr } = await running;
  const stored = Number(/Published (\d+) likes/.exec(stdout)![1]);
  const found = await readTopic(service.bootstrap, topic);
  assertEquals(code, stored === 400 ? 0 : 1, stdout + stderr);
  assert(found.length >= stored && found.length <= 400, `${found.length} there, ${stored} stored`);
});

Deno.test("tailrace publish likes refuses in one line what it cannot publish", async () => {
  await using broker = await TestBroker.open();
  const cases: [args: string[], code: number, says: string, stdin?: string][] = [
    [["--file", "/no/such.txt"], 1, "Cannot read /no/such.txt: found no such file, wanted lines of ids"],
    [["--file", "-"], 1, "Nothing was published to video_clicks_ingestion: found no likes", ""],
    [["--file", "-"], 1, 'left out: 1 line (line 2: found "x" as time)', "id\na,x\n"],
    [["--file", "-", "--video", "a"], 2, "Cannot use --video: found --file beside it"],
    [["--video", ""], 2, 'Cannot use --video: found "", allowed: 1 to 256 bytes'],
    [["--rate", "0"], 2, 'Cannot use --rate: found "0", allowed: a number above 0'],
    [["--topic", "a/b"], 2, 'Cannot use --topic: found "a/b"'],
  ];
  for (const [args, code, says, stdin] of cases) {
    const env = { LOG_LEVEL: "error" };
    const run = await publish(broker.bootstrap, args, { env, ...(stdin === undefined ? {} : { stdin }) });
    assertEquals(run.code, code, run.stderr);
    assertMatch(run.stderr, /^[^\n]+\n$/);
    assertStringIncludes(run.stderr, says);
  }
  assertEquals(broker.broker.state.log.topics.byName(topic), undefined);
});
