import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Progress } from "../../commands/progress.ts";
import { readTopic } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { TestBroker } from "../kafka/test_broker.ts";
import { Service } from "../service.ts";
import { type CliOptions, runCli, startCli } from "./cli.ts";

const fixture = (name: string) => new URL(`../fixtures/${name}`, import.meta.url).pathname;

function publish(broker: TestBroker, args: readonly string[], options: CliOptions = {}) {
  const env = { KAFKA_BROKERS: broker.bootstrap, LOG_LEVEL: "warn", ...options.env };
  return runCli(["publish", "geo", ...args], { ...options, env });
}

/** What the topic holds, as the record's names and places in the order of the log. */
async function positions(broker: TestBroker, topic = "geostream") {
  const records = await readTopic(broker.bootstrap, topic);
  return records.map(({ value }) => JSON.parse(value!) as { name: string; lat: number; lon: number });
}

Deno.test("tailrace publish geo writes records as POST /producer/{topic} does", async () => {
  await using broker = await TestBroker.open();
  const startedMs = Date.now();
  const run = await publish(broker, ["--interval", "0", "--topic", "trips", fixture("two_lines.geojson")]);
  assertEquals([run.code, run.stderr], [0, ""]);
  assertMatch(run.stdout, /^5 positions · [\d.]+\/s · 0 failures\n$/);
  const records = await readTopic(broker.bootstrap, "trips");
  assertEquals(records.length, 5);
  for (const { key, value, timestamp } of records) {
    const position = JSON.parse(value!);
    assertEquals(Object.keys(position), ["name", "message_id", "timestamp", "lat", "lon"]);
    assertEquals([key, timestamp], [position.name, Date.parse(position.timestamp)]);
    assertMatch(position.message_id, new RegExp(`^${position.name}_[0-9a-f-]{36}$`));
    assert(timestamp >= startedMs && timestamp <= Date.now(), "now, not the file's time");
  }
});

Deno.test("tailrace publish geo moves all tracks of all files at once, each in order", async () => {
  await using broker = await TestBroker.open();
  const files = [fixture("two_lines.geojson"), fixture("ride.gpx"), fixture("two_lines.geojson")];
  assertEquals((await publish(broker, ["--interval", "150", ...files])).code, 0);
  const found = await positions(broker);
  const names = ["Linie A", "two_lines", "Feierabendrunde", "Heimweg", "Linie A 2", "two_lines 2"];
  assertEquals(
    new Set(found.slice(0, 6).map(({ name }) => name)),
    new Set(names),
    "the first of each comes first",
  );
  const lons = (name: string) => found.filter((each) => each.name === name).map(({ lon }) => lon);
  assertEquals(lons("two_lines"), [13.4, 13.41, 13.42]);
  assertEquals(lons("Feierabendrunde"), [13.37, 13.372, 13.374, 13.376]);
  assertEquals(found.length, 2 + 3 + 4 + 2 + 2 + 3);
});

Deno.test("tailrace publish geo reads stdin, and names what it is told to", async () => {
  await using broker = await TestBroker.open();
  const stdin = JSON.stringify({ type: "LineString", coordinates: [[13, 52], [13.1, 52]] });
  assertEquals((await publish(broker, ["--interval", "0", "-"], { stdin })).code, 0);
  assertEquals((await publish(broker, ["--interval", "0", "--name", "Ada", "-"], { stdin })).code, 0);
  assertEquals((await positions(broker)).map(({ name }) => name), ["stdin", "stdin", "Ada", "Ada"]);
});

Deno.test("tailrace publish geo replays by the file's own times, faster by --speed", async () => {
  await using broker = await TestBroker.open();
  const route = fixture("ride.gpx");
  const timeless = await publish(broker, ["--own-times", route]);
  assertEquals(timeless.code, 1);
  assertStringIncludes(timeless.stderr, "Cannot replay Heimweg by its own times");
  // Hours, which only a faster replay comes to the end of.
  const speed = 3_600, dueMs = [1_000, 2_500, 4_000], startMs = Date.UTC(2026, 0, 1);
  const points = [0, ...dueMs].map((ms, i) =>
    `<trkpt lat="52.5" lon="13.${i}"><time>${new Date(startMs + ms * speed).toISOString()}</time></trkpt>`
  );
  const gpx = `<gpx version="1.1"><trk><trkseg>${points.join("")}</trkseg></trk></gpx>`;
  const done = await publish(broker, ["--own-times", "--speed", String(speed), "-"], { stdin: gpx });
  assertEquals(done.code, 0, done.stderr);
  const [first, ...rest] = (await readTopic(broker.bootstrap, "geostream")).map(({ timestamp }) => timestamp);
  for (const [i, timestamp] of rest.entries()) {
    // A timer is never early; how late it is depends on the machine, and the first one may have been held up.
    assert(timestamp - first! >= dueMs[i]! - 900, `${timestamp - first!} ms instead of ${dueMs[i]} ms`);
  }
  assertEquals(rest.length, 3);
});

Deno.test("tailrace publish geo --loop goes round until SIGINT, and exits with 0", async () => {
  await using broker = await TestBroker.open();
  const args = ["publish", "geo", "--loop", "--interval", "1", fixture("two_lines.geojson")];
  const child = startCli(args, { env: { KAFKA_BROKERS: broker.bootstrap } });
  await eventually("more than one round", () => {
    const topic = broker.broker.state.log.topics.byName("geostream");
    return topic !== undefined &&
      [...broker.broker.state.log.topics.partitions()].some(({ bytes }) => bytes > 5000);
  });
  child.kill("SIGINT");
  const { code, stdout } = await child.output();
  assertEquals(code, 0);
  assertMatch(new TextDecoder().decode(stdout), /positions · .* · 0 failures\n$/);
  const lons = (await positions(broker)).filter(({ name }) => name === "two_lines").map(({ lon }) => lon);
  assertEquals(lons.slice(0, 5), [13.4, 13.41, 13.42, 13.4, 13.41]);
});

Deno.test("tailrace publish geo names a file that it cannot replay, and sends nothing of the others", async () => {
  await using broker = await TestBroker.open();
  const good = fixture("two_lines.geojson");
  const cases: [file: string, says: string, stdin?: string][] = [
    ["/no/such/file.gpx", "Cannot read /no/such/file.gpx: found no such file, wanted GeoJSON or GPX"],
    [new URL("../", import.meta.url).pathname, "wanted a readable file"],
    ["-", "Cannot read stdin: found an empty file, wanted GeoJSON or GPX", ""],
    ["-", 'Cannot read stdin: found "Polygon"', '{"type":"Polygon","coordinates":[]}'],
  ];
  for (const [file, says, stdin] of cases) {
    const run = await publish(broker, [good, file], stdin === undefined ? {} : { stdin });
    assertEquals([run.code, run.stdout], [1, ""]);
    assertMatch(run.stderr, /^[^\n]+\n$/);
    assertStringIncludes(run.stderr, says);
  }
  assertEquals(broker.broker.state.log.topics.byName("geostream"), undefined);
});

Deno.test("tailrace publish geo ends at SIGINT while it waits for stdin", async () => {
  const child = startCli(["publish", "geo", "-"], { env: { BROKER_PORT: "1" }, stdin: "" });
  // Its listener is there once the program runs; a signal before that ends the process by itself.
  await eventually("the program to listen for signals", () => catches(child.pid, 2));
  child.kill("SIGINT");
  const status = await child.status;
  await Promise.all([child.stdin.abort().catch(() => {}), child.stdout.cancel(), child.stderr.cancel()]);
  assertEquals([status.code, status.signal], [0, null]);
});

/** Whether a process has a handler for a signal (Linux; elsewhere it is taken for granted). */
function catches(pid: number, signal: number): boolean {
  try {
    const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
    return caught !== undefined && (BigInt(`0x${caught}`) >> BigInt(signal - 1) & 1n) === 1n;
  } catch {
    return Deno.build.os !== "linux";
  }
}

Deno.test("tailrace publish geo waits while Kafka is away, then goes on where it was", async () => {
  await using service = await Service.open({ command: "broker" });
  const line = {
    type: "LineString",
    coordinates: Array.from({ length: 120 }, (_, i) => [13 + i / 1000, 52]),
  };
  const args = ["publish", "geo", "--interval", "10", "--name", "Ada", "-"];
  const env = { KAFKA_BROKERS: service.bootstrap, LOG_FORMAT: "json" };
  const running = runCli(args, { env, stdin: JSON.stringify(line) });
  await eventually(
    "some positions",
    async () => (await readTopic(service.bootstrap, "geostream")).length > 10,
  );
  await service.kill();
  await service.start();
  const { code, stdout, stderr } = await running;
  const failures = Number(/ (\d+) failures/.exec(stdout)![1]);
  assertEquals(code, failures === 0 ? 0 : 1, stdout + stderr);
  const found = (await readTopic(service.bootstrap, "geostream")).map(({ value }) => JSON.parse(value!).lon);
  assertEquals(found, found.toSorted((a, b) => a - b), "in order");
  assertEquals(new Set(found).size, found.length, "none twice");
  assert(found.length + failures >= 120, `${found.length} of 120, ${failures} failures`);
});

Deno.test("Progress writes over its line on a terminal and ends it", () => {
  let shown = "";
  {
    using _progress = new Progress(
      { isTerminal: true, out: (text) => void (shown += text) },
      (seconds) => `3 positions after ${seconds > 0} seconds`,
    );
  }
  assertEquals(shown, "\r\x1b[2K3 positions after true seconds\n");
});
