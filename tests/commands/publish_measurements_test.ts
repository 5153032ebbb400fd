import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { readTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { TestBroker } from "../kafka/test_broker.ts";
import { Service } from "../service.ts";
import { type CliOptions, runCli, startCli } from "./cli.ts";

function publish(bootstrap: string, args: readonly string[], options: CliOptions = {}) {
  const env = { KAFKA_BROKERS: bootstrap, LOG_LEVEL: "warn", LOG_FORMAT: "json", ...options.env };
  return runCli(["publish", "measurements", ...args], { ...options, env });
}

async function values(bootstrap: string, topic: string) {
  const records = await readTopic(bootstrap, topic);
  return records.map(({ value }) => JSON.parse(value!) as { measurement: number; measurement_time: string });
}

Deno.test("tailrace publish measurements --csv publishes each line in its order, and tells those that are none", async () => {
  await using broker = await TestBroker.open();
  const lines = Array.from(
    { length: 30_000 },
    (_, i) => `${new Date(i * 1000).toISOString()},${i % 50 - 25}`,
  );
  lines[9] = "yesterday,1";
  lines[20_000] = "1970-01-01,much";
  const stdin = `date,value\r\n${lines.join("\r\n")}\r\n`;
  const startedMs = Date.now();
  const run = await publish(broker.bootstrap, ["--csv", "-", "--measurement", "temperature"], { stdin });
  assertEquals(run.code, 0, run.stderr);
  assertMatch(
    run.stdout,
    /\nPublished 29998 measurements to temperature in [\d.]+ s; left out: 2 lines \(the first: line 11: found "yesterday" as time\)\n$/,
  );
  const told = run.stderr.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(told.map(({ line, reason }) => [line, reason]), [
    [11, 'found "yesterday" as time'],
    [20_002, 'found "much" as value'],
  ]);
  const records = await readTopic(broker.bootstrap, "temperature");
  const wanted = lines.flatMap((line, i) => {
    const [measurement_time, measurement] = line.split(",");
    return i === 9 || i === 20_000
      ? []
      : [JSON.stringify({ measurement: Number(measurement), measurement_time })];
  });
  assertEquals(records.map(({ value }) => value), wanted);
  assert(
    records.every(({ key, timestamp }) => key === null && timestamp >= startedMs),
    "now, not the line's time",
  );
});

Deno.test("tailrace publish measurements --csv replays by the file's own times with --speed, up to --count", async () => {
  await using broker = await TestBroker.open();
  const stdin =
    "t;v\n2026-01-31T12:00:00Z;1,5\n2026-01-31T13:00:00Z;2\n2026-01-31T14:30:00Z;3\n2027-01-01;4\n";
  const args = ["--csv", "-", "--measurement", "noise", "--time", "t", "--value", "v", "--speed", "3600"];
  const run = await publish(broker.bootstrap, [...args, "--count", "3"], { stdin });
  assertEquals(run.code, 0, run.stderr);
  assertStringIncludes(run.stderr, "measurement is counted only where MEASUREMENTS has it");
  const records = await readTopic(broker.bootstrap, "noise");
  assertEquals(records.map(({ value }) => JSON.parse(value!).measurement), [1.5, 2, 3]);
  const [first, ...rest] = records.map(({ timestamp }) => timestamp);
  // A timer is never early; how late it is depends on the machine, and the first one may have been held up.
  assert(rest[0]! - first! >= 100 && rest[1]! - first! >= 1_600, String(rest.map((at) => at - first!)));
});

Deno.test("tailrace publish measurements makes up one in turn of each, from the values that are expected of it", async () => {
  await using broker = await TestBroker.open();
  const env = { MEASUREMENTS: "pressure,noise:0.1:0.7:0.1,humidity" };
  const run = await publish(broker.bootstrap, ["--interval", "0", "--count", "3000"], { env });
  assertMatch(run.stdout, /Published 3000 measurements to pressure, noise, humidity in [\d.]+ s\n$/);
  const found = async (topic: string) => {
    const all = (await values(broker.bootstrap, topic)).map(({ measurement }) => measurement);
    assertEquals(all.length, 1000);
    return [...new Set(all)].sort((a, b) => a - b);
  };
  assertEquals(await found("pressure"), [800, 900, 1000, 1100]);
  assertEquals(await found("noise"), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
  assertEquals(await found("humidity"), Array.from({ length: 40 }, (_, i) => 40 + i));
});

Deno.test("tailrace publish measurements goes on until SIGINT, one after the other, and exits with 0", async () => {
  await using broker = await TestBroker.open();
  const env = { KAFKA_BROKERS: broker.bootstrap };
  const child = startCli(["publish", "measurements", "--interval", "20", "--measurement", "humidity"], {
    env,
  });
  await eventually("some measurements", () => {
    return [...broker.broker.state.log.topics.partitions()].some(({ end }) => Number(end) > 10);
  });
  child.kill("SIGINT");
  const { code, stdout } = await child.output();
  assertEquals(code, 0);
  const stored = Number(
    /Published (\d+) measurements to humidity/.exec(new TextDecoder().decode(stdout))![1],
  );
  const found = await values(broker.bootstrap, "humidity");
  assertEquals(found.length, stored);
  const times = found.map(({ measurement_time }) => Date.parse(measurement_time));
  for (const [i, ms] of times.entries()) assertGreater(ms, (times[i - 1] ?? 0) + 15);
});

Deno.test("tailrace publish measurements ends at SIGINT while it waits for stdin", async () => {
  await using broker = await TestBroker.open();
  const env = { KAFKA_BROKERS: broker.bootstrap };
  const args = ["publish", "measurements", "--csv", "-", "--measurement", "humidity"];
  const child = startCli(args, { env, stdin: "" });
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("date,value\n2026-01-31,50\n2026-01-31,51"));
  await eventually("the first line", () => broker.broker.state.log.topics.byName("humidity") !== undefined);
  child.kill("SIGINT");
  const { code, stdout } = await child.output();
  await writer.abort().catch(() => {});
  assertEquals(code, 0);
  // What may be cut in the middle is not taken for a measurement.
  assertStringIncludes(new TextDecoder().decode(stdout), "Published 1 measurement to humidity");
});

Deno.test("tailrace publish measurements waits while Kafka is away, then goes on where it was", async () => {
  await using service = await Service.open({ command: "broker" });
  const args = ["--interval", "5", "--count", "400", "--measurement", "humidity"];
  const running = publish(service.bootstrap, args);
  await eventually("some", async () => (await readTopic(service.bootstrap, "humidity")).length > 20);
  await service.kill();
  await service.start();
  const { code, stdout, stderr } = await running;
  const stored = Number(/Published (\d+) measurements/.exec(stdout)![1]);
  const found = await values(service.bootstrap, "humidity");
  assertEquals(code, stored === 400 ? 0 : 1, stdout + stderr);
  assert(found.length >= stored && found.length <= 400, `${found.length} there, ${stored} stored`);
  const times = found.map(({ measurement_time }) => measurement_time);
  assertEquals(times, times.toSorted(), "in order");
});

Deno.test("tailrace publish measurements refuses in one line what it cannot publish", async () => {
  await using broker = await TestBroker.open();
  const csv = ["--csv", "-", "--measurement", "humidity"];
  const cases: [args: string[], code: number, says: string, stdin?: string][] = [
    [
      ["--csv", "/no/such.csv", "--measurement", "humidity"],
      1,
      "Cannot read /no/such.csv: found no such file",
    ],
    [csv, 1, 'Cannot read stdin: found columns "a", "b", wanted measurement_time', "a,b\n"],
    [csv, 1, "Nothing was published to humidity: found no measurements", ""],
    [csv, 1, 'left out: 1 line (line 2: found "x" as value)', "date,value\n2026-01-31,x\n"],
    [["--csv", "-"], 2, "Cannot use --measurement: found none"],
    [["--csv", "-", "--measurement", "a/b"], 2, 'found "a/b"'],
    [["--csv", "-", "--measurement", "hist_humidity"], 2, 'found "hist_humidity"'],
    [["--csv", "-", "--measurement", "geostream"], 2, 'found "geostream"'],
    [["--measurement", "noise"], 2, "allowed: one of MEASUREMENTS (humidity, temperature, pressure)"],
    [["--speed", "2"], 2, "Cannot use --speed: found no --csv, allowed: with --csv"],
    [[...csv, "--interval", "2"], 2, "Cannot use --interval: found --csv beside it, allowed: without --csv"],
    [[...csv, "--delimiter", "ab"], 2, 'Cannot use --delimiter: found "ab"'],
  ];
  for (const [args, code, says, stdin] of cases) {
    const run = await publish(broker.bootstrap, args, {
      env: { LOG_LEVEL: "error" },
      ...(stdin === undefined ? {} : { stdin }),
    });
    assertEquals(run.code, code, run.stderr);
    assertMatch(run.stderr, /^[^\n]+\n$/);
    assertStringIncludes(run.stderr, says);
  }
  assertEquals(broker.broker.state.log.topics.byName("humidity"), undefined);
});
