/** What a user of measurements and their histograms may rely on, whichever Kafka is behind them: one suite, run by the test files beside it.
 *
 * The service is the real one in a process of its own, counting `contractMeasurements`, each of which belongs to one test. What it has to
 * count is counted here by the rule of numpy's documentation. Left out: numpy itself (tests/interop/), crashes and several instances
 * (tests/crash/), answers to wrong requests (tests/routes/). @module */
import { assert, assertEquals } from "@std/assert";
import { concurrently, plainKafka, postJson, produce, SseClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { Random } from "../random.ts";
import { Service } from "../service.ts";
import type { Ground } from "./geo.ts";

/** What the service has to be told to count. */
export const contractMeasurements = "humidity,counts:-10:10:0.5,wrongs:0:9:1,kept:-25:24:1,shared:0:9:1";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param ground the service; asked for inside the tests only */
export function histogramsContract(on: string, ignore: boolean, ground: () => Ground): void {
  const test = (claim: string, fn: (ground: Ground) => Promise<void>) =>
    Deno.test({ name: `histograms on ${on}: ${claim}`, ignore, fn: () => fn(ground()) });

  test("what is posted is counted once, as numpy counts, now, in the stream and in the topic", counts);
  test("records that are no measurements, late ones and repeated ones are counted by kind", wrongs);
  test("counts go on after a restart, with the partitions that were added meanwhile", restart);
  test("rows, pages, CSV and series are what was posted", kept);
  test("the group's offsets are where the published histogram is", shares);
}

// deno-lint-ignore no-explicit-any
async function getJson({ service }: Ground, path: string): Promise<any> {
  const response = await fetch(`${service.url}${path}`);
  const body = await response.json();
  assertEquals(response.status, 200, JSON.stringify(body));
  return body;
}

/** Waits until so many measurements are counted. */
// deno-lint-ignore no-explicit-any
async function counted(ground: Ground, name: string, count: number): Promise<any> {
  // deno-lint-ignore no-explicit-any
  let now: any;
  return await eventually(
    `${count} of ${name} to be counted`,
    async () => {
      now = await getJson(ground, `/histograms/${name}`);
      return now.count >= count && now.status.behind === 0 && now;
    },
    60_000,
    () => now,
  );
}

/** Counts by a look at every bin: [left, right), the last one [left, right]. */
function countInto(values: readonly number[], edges: readonly number[]): number[] {
  const last = edges.length - 2;
  return edges.slice(1).map((right, i) =>
    values.filter((value) => value >= edges[i]! && (value < right || i === last && value === right)).length
  );
}

async function counts(ground: Ground): Promise<void> {
  const random = new Random("measurements to count"), name = "counts";
  await using stream = await SseClient.open(
    `${ground.service.url}/histograms/${name}/events?cursor=earliest`,
  );
  await stream.first("ready");
  const edges = Array.from({ length: 22 }, (_, i) => i === 21 ? 10 : i * (20 / 21) - 10);
  const values = Array.from({ length: 1_000 }, (_, n) => {
    return n % 5 === 0 ? edges[random.between(0, 21)]! : random.between(-110_000, 110_000) / 10_000;
  });
  const batches = Array.from({ length: 20 }, (_, n) => values.slice(50 * n, 50 * n + 50));
  await concurrently(batches, 8, async (batch) => {
    const body = batch.map((measurement) => ({ measurement }));
    const answer = await postJson(`${ground.service.url}/histograms/${name}/measurements`, body);
    assertEquals(answer.status, 201, JSON.stringify(answer.body));
  });
  const now = await counted(ground, name, values.length);
  assertEquals(now.bin_edges, edges);
  assertEquals(now.hist, countInto(values, edges));
  const below = values.filter((value) => value < -10).length;
  const above = values.filter((value) => value > 10).length;
  assertEquals([now.count, now.underflow, now.overflow], [values.length, below, above]);
  assertEquals([now.min, now.max], [Math.min(...values), Math.max(...values)]);
  const mean = values.reduce((sum, value) => sum + value) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  assert(Math.abs(now.mean - mean) <= 1e-9 && Math.abs(now.stddev - Math.sqrt(variance)) <= 1e-9);
  assertEquals([now.rows, now.wrong, now.missed], [values.length, {}, 0]);

  const published = await stream.first("histogram", ({ count }) => count === values.length, 60_000);
  assertEquals(published.hist, now.hist);
  const all: number[] = stream.all("histogram").map(({ count }) => count);
  assertEquals(all, all.toSorted((a, b) => a - b), "what is published never goes back");
  const { records } = await getJson(ground, `/topics/hist_${name}/records?cursor=earliest&limit=1000`);
  const { key, value, headers } = records.at(-1);
  assertEquals([key, value.hist, value.bin_edges], [name, now.hist, now.bin_edges]);
  assertEquals(JSON.parse(headers.covered), { log: 0, positions: { 0: values.length } });
}

async function wrongs(ground: Ground): Promise<void> {
  const at = "2026-01-02T03:04:05.000Z", name = "wrongs";
  const measured = (measurement: number, measurement_time = at) =>
    JSON.stringify({ measurement, measurement_time });
  const values: (string | Uint8Array | null)[] = [
    "{",
    new Uint8Array([0xff, 0xd8]),
    "5",
    '{"value":5}',
    `{"measurement":"5","measurement_time":"${at}"}`,
    `{"measurement":NaN,"measurement_time":"${at}"}`,
    '{"measurement":5,"measurement_time":"today"}',
    '{"measurement":5}',
    null,
    measured(1),
    measured(1),
    measured(2, "2026-01-01T00:00:00Z"),
    measured(-5, "2026-02-01"),
    measured(-5),
    measured(3.5, "2026-01-02 05:04:06+02:00"),
  ];
  await produce(ground.service.bootstrap, name, values.map((value) => ({ value, partition: 0 })));
  const now = await counted(ground, name, 5);
  const { count, late, repeated, wrong, underflow, hist, rows } = now;
  assertEquals({ count, late, repeated, underflow, rows }, {
    count: 5,
    late: 1,
    repeated: 1,
    underflow: 1,
    rows: 5,
  });
  assertEquals(hist, countInto([1, 1, 2, 3.5], now.bin_edges));
  assertEquals(wrong, { json: 2, missing: 2, "not-a-number": 1, "not-finite": 1, time: 3, empty: 1 });
  assertEquals(now.last, { measurement: 3.5, measurement_time: "2026-01-02T03:04:06.000Z" });
}

/** A service of its own on the same Kafka: it counts what the other one does not. */
async function restart(ground: Ground): Promise<void> {
  const name = "restarted", { bootstrap } = ground.service;
  await using service = await Service.open({
    kafkaBrokers: bootstrap,
    settings: { MEASUREMENTS: `${name}:0:99:1` },
  });
  const send = (from: number, to: number, partition: number) => {
    const numbers = Array.from({ length: to - from }, (_, n) => from + n);
    const time = new Date().toISOString();
    const values = numbers.map((measurement) => JSON.stringify({ measurement, measurement_time: time }));
    return produce(bootstrap, name, values.map((value) => ({ value, partition })));
  };
  await send(0, 30, 0);
  await counted({ service }, name, 30);
  const admin = plainKafka(bootstrap).admin();
  await admin.connect();
  try {
    await admin.createPartitions({ topicPartitions: [{ topic: name, count: 3 }], timeout: 25_000 });
  } finally {
    await admin.disconnect();
  }
  assertEquals((await service.terminate()).code, 0);
  await service.start();
  await Promise.all([send(30, 40, 0), send(40, 70, 1), send(70, 100, 2)]);
  const now = await counted({ service }, name, 100);
  assertEquals(now.hist, Array.from({ length: 50 }, () => 2));
  assertEquals([now.positions, now.rows], [{ 0: 40, 1: 30, 2: 30 }, 100]);
  await service.terminate(); // or the group would wait for it
}

async function kept(ground: Ground): Promise<void> {
  const name = "kept", path = `/histograms/${name}/measurements`, first = Date.UTC(2026, 0, 1);
  const date = (n: number) => new Date(first + n * 1_000).toISOString();
  const posts = Array.from(
    { length: 300 },
    (_, n) => ({ measurement: n % 50 - 25, measurement_time: date(n) }),
  );
  assertEquals((await postJson(`${ground.service.url}${path}`, posts)).status, 201);
  await counted(ground, name, 300);

  // deno-lint-ignore no-explicit-any
  const rows: any[] = [];
  for (let next = `${path}?limit=70`; next !== "";) {
    const response = await fetch(`${ground.service.url}${next}`), link = response.headers.get("link");
    const page = (await response.json()).measurements;
    assert(page.length <= 70);
    rows.push(...page);
    next = link?.slice(1, link.indexOf(">")) ?? "";
  }
  const wanted = posts.map(({ measurement, measurement_time }) => [measurement_time, measurement]);
  assertEquals(rows.map(({ date, value }) => [date, value]), wanted);
  assertEquals(new Set(rows.map(({ partition, offset }) => `${partition}:${offset}`)).size, 300);
  const { measurements: span } = await getJson(ground, `${path}?from=${date(10)}&to=${date(13)}&order=desc`);
  assertEquals(span.map(({ date }: { date: string }) => date), [date(12), date(11), date(10)]);
  const { measurements: [last] } = await getJson(ground, `${path}?order=desc&limit=1&hist=1`);
  const now = await getJson(ground, `/histograms/${name}`);
  assertEquals(last.hist, { hist: now.hist, bin_edges: now.bin_edges });

  const csv = await fetch(`${ground.service.url}${path}?from=${date(0)}&to=${date(3)}`, {
    headers: { accept: "text/csv" },
  });
  const lines = rows.slice(0, 3).map(({ date, value, partition, offset }) =>
    `${date},${value},${partition},${offset}`
  );
  assertEquals(await csv.text(), ["date,value,partition,offset", ...lines, ""].join("\r\n"));

  const series = await getJson(ground, `/histograms/${name}/series?points=10`);
  assert(series.time.length <= 10 && series.time.length >= 5, `${series.time.length} steps`);
  const sum = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);
  assertEquals(sum(series.count), 300);
  assertEquals([Math.min(...series.min), Math.max(...series.max)], [-25, 24]);
  const total = sum(series.mean.map((mean: number, i: number) => mean * series.count[i]));
  assert(Math.abs(total - sum(posts.map(({ measurement }) => measurement))) < 1e-6);
}

async function shares(ground: Ground): Promise<void> {
  const name = "shared", url = `${ground.service.url}/histograms/${name}/measurements`;
  assertEquals((await postJson(url, Array(40).fill({ measurement: 4 }))).status, 201);
  await eventually(
    "the owner",
    async () => (await getJson(ground, `/histograms/${name}`)).status.owner,
    60_000,
  );
  const admin = plainKafka(ground.service.bootstrap).admin();
  await admin.connect();
  try {
    const offset = async () => {
      const [topic] = await admin.fetchOffsets({ groupId: "tailrace-histograms", topics: [name] });
      return topic?.partitions.map(({ offset }) => offset).join();
    };
    await eventually("the group's offset", async () => await offset() === "40", 60_000);
    await eventually("a group of this service alone", async () => {
      const { groups: [group] } = await admin.describeGroups(["tailrace-histograms"]);
      return group?.state === "Stable" && group.members.length === 1;
    }, 60_000);
  } finally {
    await admin.disconnect();
  }
}
