import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { usualMeasurements } from "../../kafka/measurements.ts";
import { postJson, SseClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { problem, TestService } from "./test_service.ts";

const [, temperature] = usualMeasurements;
const path = "/histograms/temperature";

/** A service that counts temperatures. */
function openCounting(): Promise<TestService> {
  return TestService.open({ measurements: [temperature!] });
}

async function post(service: TestService, body: object): Promise<void> {
  const { status } = await postJson(`${service.url}${path}/measurements`, body);
  assertEquals(status, 201);
}

// deno-lint-ignore no-explicit-any
async function get(service: TestService, more = ""): Promise<any> {
  return await (await fetch(`${service.url}${path}${more}`)).json();
}

/** Waits until so many are counted. */
// deno-lint-ignore no-explicit-any
function counted(service: TestService, count: number): Promise<any> {
  return eventually(`${count} counted`, async () => {
    const now = await get(service);
    return now.count === count && now;
  });
}

/** A measurement of each second from 2026 on. */
function course(from: number, to: number) {
  return Array.from({ length: to - from }, (_, i) => ({
    measurement: (from + i) % 50 - 25,
    measurement_time: new Date(Date.UTC(2026, 0, 1) + (from + i) * 1_000).toISOString(),
  }));
}

Deno.test("a posted measurement is in the histogram, the stream, the rows and the series", async () => {
  await using service = await openCounting();
  await using stream = await SseClient.open(`${service.url}${path}/events`);
  await stream.first("ready");
  const [one] = course(7, 8);
  await post(service, one!);
  const now = await counted(service, 1);
  assertEquals([now.last, now.min, now.max, now.mean, now.stddev], [one, -18, -18, -18, 0]);
  assertEquals([now.rows, now.positions, now.status.behind], [1, { 0: 1 }, 0]);
  const event = await stream.first("histogram", ({ count }) => count === 1);
  const { measurement, topic, partition } = event;
  assertEquals([measurement, topic, partition], ["temperature", "hist_temperature", 0]);
  for (const name of Object.keys(event)) {
    if (name in now && name !== "topic") assertEquals(event[name], now[name]);
  }
  const { date, value, hist } = (await get(service, "/measurements?hist=1")).measurements[0];
  assertEquals([date, value, hist], [
    one!.measurement_time,
    -18,
    { hist: now.hist, bin_edges: now.bin_edges },
  ]);
  const series = await get(service, "/series");
  assertEquals([series.count, series.mean, series.min, series.max], [[1], [-18], [-18], [-18]]);
});

Deno.test("pages go on with nothing missing and nothing twice while rows are stored, both ways", async () => {
  await using service = await openCounting();
  await post(service, course(0, 1_000));
  await counted(service, 1_000);
  const dates = (rows: readonly { date: string }[]) => rows.map(({ date }) => date);
  for (const order of ["asc", "desc"]) {
    const first = await get(service, `/measurements?limit=400&order=${order}`);
    const more = course(order === "asc" ? 1_000 : 1_100, order === "asc" ? 1_100 : 1_200);
    await post(service, more);
    await counted(service, order === "asc" ? 1_100 : 1_200);
    const found = dates(first.measurements);
    for (let next = first.next; next !== null;) {
      const page = await get(service, `/measurements?limit=400&order=${order}&after=${next}`);
      found.push(...dates(page.measurements));
      next = page.next;
    }
    const wanted = course(0, 1_100).map(({ measurement_time }) => measurement_time);
    assertEquals(found, order === "asc" ? wanted : wanted.toReversed());
  }
});

Deno.test("while the file is locked the histogram says so, rows and posts go on, and nothing is lost", async () => {
  await using service = await openCounting();
  await post(service, course(0, 10));
  await counted(service, 10);
  using other = new DatabaseSync(service.measurementsFile);
  other.exec("BEGIN IMMEDIATE");
  await using stream = await SseClient.open(`${service.url}/topics/temperature/events`);
  await stream.first("ready");
  await post(service, course(10, 20));
  await stream.first("record", ({ offset }) => offset === 19);
  const { status, count } = await eventually("it to wait", async () => {
    const now = await get(service);
    return now.status.state === "waiting" && now.status.behind > 0 && now;
  });
  assertMatch(status.reason, /lock/);
  assertEquals(count, 10);
  assertEquals((await get(service, "/measurements")).measurements.length, 10);
  other.exec("COMMIT");
  const now = await counted(service, 20);
  assertEquals([now.rows, now.status.state, now.status.reason], [20, "live", null]);
});

Deno.test("after= that is no page's end is a 400 problem", async () => {
  await using service = await openCounting();
  await post(service, course(0, 1));
  await counted(service, 1);
  for (const after of ["", "x", "1.", "t.5", "1.2.3", "9".repeat(40)]) {
    for (const format of ["json", "csv"]) {
      const response = await fetch(`${service.url}${path}/measurements?format=${format}&after=${after}`);
      const { detail } = await problem(response, 400, "invalid-after");
      assert(detail.length < 200);
    }
  }
});

Deno.test("a span has the rows from its beginning on and before its end", async () => {
  await using service = await openCounting();
  await post(service, course(0, 20));
  await counted(service, 20);
  const at = (n: number) => course(n, n + 1)[0]!.measurement_time;
  const values = async (query: string) =>
    (await get(service, `/measurements?${query}`)).measurements.map(({ value }: { value: number }) =>
      value + 25
    );
  assertEquals(await values(`from=${at(3)}&to=${at(5)}`), [3, 4]);
  assertEquals(await values(`from=${at(18)}`), [18, 19]);
  assertEquals(await values(`to=t.${Date.parse(at(2))}`), [0, 1]);
  assertEquals(await values(`from=${at(3)}&to=${at(3)}`), []);
  assertEquals(await values("from=9999-12-31"), []);
  assertEquals(await values("from=t.-99999999999999&to=t.999999999999999&order=desc&limit=1"), [19]);
  const csv = await fetch(`${service.url}${path}/measurements?format=csv&from=${at(3)}&to=${at(5)}`);
  assertEquals((await csv.text()).split("\r\n").slice(1, 3), [`${at(3)},-22,0,3`, `${at(4)},-21,0,4`]);
  const series = await get(service, `/series?from=${at(3)}&to=${at(5)}&points=1`);
  assertEquals([series.count, series.min, series.max], [[2], [-22], [-21]]);
});
