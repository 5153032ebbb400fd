import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { StreamError } from "../../errors.ts";
import { usualMeasurements } from "../../kafka/measurements.ts";
import { eventually } from "../eventually.ts";
import { MadeHistograms } from "./made_histograms.ts";
import { problem, TestService } from "./test_service.ts";

/** A service over `count` rows. */
async function openRows(count: number) {
  const histograms = new MadeHistograms(usualMeasurements);
  histograms.count = count;
  const service = await TestService.open({ histograms });
  const url = `${service.url}/histograms/temperature/measurements`;
  return { histograms, url, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}

const csv = { headers: { accept: "text/csv" } };

Deno.test("GET …/measurements pages through all rows, with Link to the next page", async () => {
  await using rows = await openRows(2_500);
  const dates: string[] = [], counts: number[] = [];
  let next: string | null = `${rows.url}?from=t.5&order=asc`;
  while (next !== null) {
    const response: Response = await fetch(next), link = response.headers.get("link");
    const body = await response.json();
    dates.push(...body.measurements.map(({ date }: { date: string }) => date));
    counts.push(body.measurements.length);
    assertEquals([body.measurement, response.headers.get("content-type")], [
      "temperature",
      "application/json",
    ]);
    assertEquals(link === null, body.next === null);
    next = link && new URL(/^<([^>]+)>; rel="next"$/.exec(link)![1]!, rows.url).href;
  }
  assertEquals(counts, [1_000, 1_000, 500]);
  assertEquals(new Set(dates).size, 2_500);
  const asked = { from: 5, order: "asc", hist: false, limit: 1_000 } as const;
  assertEquals(rows.histograms.asked, [asked, { ...asked, after: "1000" }, { ...asked, after: "2000" }]);
});

Deno.test("a row has its date, value and place, and its histogram when it is asked for", async () => {
  await using rows = await openRows(3);
  const get = async (query: string) => (await (await fetch(`${rows.url}${query}`)).json()).measurements;
  const row = (n: number, more: object = {}) => ({
    date: `2023-11-14T22:13:20.00${n}Z`,
    value: n / 2,
    partition: n === 2 ? null : 0,
    offset: n === 2 ? null : n,
    ...more,
  });
  assertEquals(await get(""), [row(0), row(1), row(2)]);
  assertEquals(await get("?hist=0"), [row(0), row(1), row(2)]);
  const hist = (n: number) => ({ hist: { hist: [n], bin_edges: [0, 1] } });
  assertEquals(await get("?hist=1"), [row(0, hist(0)), row(1, { hist: null }), row(2, hist(2))]);
  assertEquals(rows.histograms.asked.map((asked) => "limit" in asked && asked.limit), [1_000, 1_000, 100]);
});

Deno.test("what of a query cannot be used is a 400 problem", async () => {
  await using rows = await openRows(3);
  const refused: [query: string, code: string][] = [
    ["limit=0", "invalid-limit"],
    ["limit=10001", "invalid-limit"],
    ["limit=1001&hist=1", "invalid-limit"],
    ["limit=-1", "invalid-limit"],
    ["limit=1.5", "invalid-limit"],
    ["limit=", "invalid-limit"],
    ["format=csv&limit=0", "invalid-limit"],
    ["from=yesterday", "invalid-from"],
    ["from=", "invalid-from"],
    ["to=2026-13-01", "invalid-to"],
    ["from=t.6&to=t.5", "invalid-span"],
    ["order=up", "invalid-order"],
    ["hist=yes", "invalid-hist"],
    ["format=xml", "invalid-format"],
  ];
  for (const [query, code] of refused) await problem(await fetch(`${rows.url}?${query}`), 400, code);
  assertEquals(rows.histograms.asked, []);
});

Deno.test("CSV is all rows, to who prefers it or asks for it", async () => {
  await using rows = await openRows(25_000);
  const response = await fetch(rows.url, csv);
  assertEquals(response.headers.get("content-type"), "text/csv; charset=utf-8; header=present");
  assertEquals(response.headers.get("content-disposition"), 'attachment; filename="temperature.csv"');
  assertEquals(response.headers.get("vary")?.includes("Accept"), true);
  const text = await response.text(), lines = text.split("\r\n");
  assertEquals(lines.slice(0, 4), [
    "date,value,partition,offset",
    "2023-11-14T22:13:20.000Z,0,0,0",
    "2023-11-14T22:13:20.001Z,0.5,0,1",
    "2023-11-14T22:13:20.002Z,1,,",
  ]);
  assertEquals([lines.length, lines.at(-1)], [25_002, ""]);
  assertEquals(rows.histograms.asked.length, 3, "pages of 10,000");
  assertEquals(await (await fetch(`${rows.url}?format=csv`)).text(), text);
  assertEquals(
    (await (await fetch(`${rows.url}?format=csv&limit=12000`)).text()).split("\r\n").length,
    12_002,
  );
  assertEquals(
    (await (await fetch(`${rows.url}?format=csv&limit=2&order=desc`)).text()).split("\r\n").length,
    4,
  );
  const json = await fetch(`${rows.url}?format=json&limit=1`, csv);
  assertEquals((await json.json()).measurements.length, 1);
  for (const accept of ["*/*", "text/csv;q=0.5, application/json", "text/html,*/*;q=0.8"]) {
    const other = await fetch(`${rows.url}?limit=1`, { headers: { accept } });
    assertMatch(other.headers.get("content-type") ?? "", /^application\/json/);
    await other.body?.cancel();
  }
});

Deno.test("CSV has histograms in quotes, and nothing but a head where there are no rows", async () => {
  await using rows = await openRows(2);
  assertEquals(
    await (await fetch(`${rows.url}?hist=1`, csv)).text(),
    "date,value,partition,offset,hist\r\n" +
      '2023-11-14T22:13:20.000Z,0,0,0,"{""hist"":[0],""bin_edges"":[0,1]}"\r\n' +
      "2023-11-14T22:13:20.001Z,0.5,0,1,\r\n",
  );
  rows.histograms.count = 0;
  assertEquals(await (await fetch(rows.url, csv)).text(), "date,value,partition,offset\r\n");
});

Deno.test("CSV is read as fast as its client takes it, and no further when it goes away", async () => {
  await using rows = await openRows(20_000_000);
  const abort = new AbortController();
  const response = await fetch(rows.url, { ...csv, signal: abort.signal });
  const reader = response.body!.getReader();
  assert((await reader.read()).value!.length > 0);
  let before = -1, times = 0;
  await eventually("no more pages to be read", () => { // asked again every tenth of a second, in the end
    const { length } = rows.histograms.asked;
    times = length === before ? times + 1 : 0;
    before = length;
    return times === 20;
  });
  assertLess(before, 100, "of 2,000 pages, what fits into the buffers of a connection");
  abort.abort();
  await reader.read().catch(() => {});
  await (await fetch(`${rows.url}?limit=1`)).body?.cancel();
  assertLess(rows.histograms.asked.length - before, 5);
});

Deno.test("CSV that breaks off is no whole table to its client", async () => {
  await using rows = await openRows(3_000_000);
  const response = await fetch(rows.url, csv);
  const reader = response.body!.getReader();
  await reader.read();
  rows.histograms.failure = new StreamError("measurements-unavailable", 503, "Cannot read the measurements");
  let failure: unknown;
  try {
    while (!(await reader.read()).done);
  } catch (error) {
    failure = error;
  }
  assert(failure instanceof TypeError, `${failure}`);
});

Deno.test("HEAD of a download has its headers and reads one page", async () => {
  await using rows = await openRows(1_000_000);
  const response = await fetch(rows.url, { method: "HEAD", ...csv });
  assertEquals([response.status, await response.text()], [200, ""]);
  assertMatch(response.headers.get("content-type") ?? "", /^text\/csv/);
  assertEquals(rows.histograms.asked.length, 1);
});
