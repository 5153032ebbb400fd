import { assertEquals, assertMatch } from "@std/assert";
import { edgesOf, usualMeasurements } from "../../kafka/measurements.ts";
import { StreamError } from "../../errors.ts";
import { SseClient, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { emptySnapshot, MadeHistograms } from "./made_histograms.ts";
import { problem, TestService } from "./test_service.ts";

const [humidity, temperature] = usualMeasurements;

/** A histogram as it is sent to its topic. */
function counted(...hist: number[]) {
  return { ...emptySnapshot(temperature!), hist, bin_edges: hist.concat(0).map((_, i) => i) };
}

Deno.test("GET /histograms has every measurement, as this instance has counted it", async () => {
  await using service = await TestService.open();
  const response = await fetch(`${service.url}/histograms`);
  assertEquals(response.headers.get("vary")?.includes("Accept"), true);
  assertEquals(response.headers.get("cache-control"), "no-store");
  const { histograms } = await response.json();
  const names = histograms.map(({ measurement }: { measurement: string }) => measurement);
  assertEquals(names, ["humidity", "temperature", "pressure"]);
  assertEquals(histograms[0], {
    measurement: "humidity",
    topic: "humidity",
    hist_topic: "hist_humidity",
    range: { first: 40, last: 79, step: 1 },
    ...emptySnapshot(humidity!),
    log: 0,
    positions: { 0: 0 },
    status: { state: "live", reason: null, since: 1_000, behind: 0, owner: true },
    rows: 0,
    links: {
      topic: "humidity",
      feature: "histograms",
      hist_topic: "hist_humidity",
      page: "/histograms/humidity",
      events: "/histograms/humidity/events",
      socket: "/histograms/humidity/socket",
      measurements: "/histograms/humidity/measurements",
      csv: "/histograms/humidity/measurements?format=csv",
      series: "/histograms/humidity/series",
    },
  });
  const one = await fetch(`${service.url}/histograms/humidity`);
  assertEquals(await one.json(), histograms[0]);
});

Deno.test("GET /histograms is empty where nothing is counted", async () => {
  await using service = await TestService.open({ histograms: new MadeHistograms([]) });
  assertEquals(await (await fetch(`${service.url}/histograms`)).json(), { histograms: [] });
  const told = await problem(await fetch(`${service.url}/histograms/humidity`), 404, "unknown-measurement");
  assertEquals(told.detail, 'Cannot find the measurement "humidity": none is counted here');
});

Deno.test("a name that is no measurement is a 404 that names those there are, on every route", async () => {
  await using service = await TestService.open();
  for (const path of ["", "/series", "/measurements", "/events", "/socket"]) {
    for (const name of ["wind", "hist_humidity", "Humidity", "%00", "..%2f"]) {
      const response = await fetch(`${service.url}/histograms/${name}${path}`);
      const { detail } = await problem(response, 404, "unknown-measurement");
      assertMatch(detail, /: humidity, temperature, pressure are counted here$/);
    }
  }
  const post = await fetch(`${service.url}/histograms/wind/measurements`, { method: "POST", body: "{}" });
  await problem(post, 404, "unknown-measurement");
  const streams = await fetch(`${service.url}/streams?s=/histograms/wind/events`);
  await problem(streams, 404, "unknown-measurement");
  assertEquals(service.proxy.requests.length, 0, "Kafka has not been asked");
});

Deno.test("a socket of no measurement opens, says so, and is closed by 4503, so that nobody tries again", async () => {
  await using service = await TestService.open();
  await using socket = await WsClient.open(`${service.url}/histograms/wind/socket`, ["tailrace.v1.json"]);
  assertEquals((await socket.end()).code, 4503);
  assertEquals(socket.all("error").map(({ code }) => code), ["unknown-measurement"]);
  assertEquals(socket.socket.protocol, "tailrace.v1.json");
});

Deno.test("a socket of several streams goes on when one that is subscribed to is of no measurement", async () => {
  await using service = await TestService.open();
  await using socket = await WsClient.open(`${service.url}/streams`);
  for (const name of ["wind", "humidity"]) {
    socket.socket.send(JSON.stringify({ type: "subscribe", stream: `/histograms/${name}/events` }));
  }
  await socket.first("ready", ({ type }) => type === "ready");
  assertEquals(socket.all("error").map(({ stream, code }) => [stream, code]), [
    ["/histograms/wind/events", "unknown-measurement"],
  ]);
  assertEquals(socket.all("ready")[0].stream, "/histograms/humidity/events");
});

Deno.test("a file that cannot be read is a 503 problem", async () => {
  const histograms = new MadeHistograms(usualMeasurements);
  await using service = await TestService.open({ histograms });
  histograms.failure = new StreamError("measurements-unavailable", 503, "Cannot read the measurements");
  for (const path of ["", "/humidity", "/humidity/series", "/humidity/measurements"]) {
    await problem(await fetch(`${service.url}/histograms${path}`), 503, "measurements-unavailable");
  }
  const csv = await fetch(`${service.url}/histograms/humidity/measurements?format=csv`);
  await problem(csv, 503, "measurements-unavailable");
});

Deno.test("a stream of histograms waits for its topic, and has what is published, with its place", async () => {
  await using service = await TestService.open();
  const url = `${service.url}/histograms/temperature`;
  await using sse = await SseClient.open(`${url}/events`);
  await using ws = await WsClient.open(`${url}/socket`);
  await using several = await SseClient.open(
    `${service.url}/streams?s=/histograms/temperature/events&s=/histograms/humidity/events`,
  );
  await Promise.all([sse.first("ready"), ws.first("ready", ({ type }) => type === "ready")]);
  await several.first("ready");
  const value = { ...counted(3, 0, 4), count: 7, last: { measurement: 1, measurement_time: "2026-01-01" } };
  await service.producer.sendAll("hist_temperature", [
    { key: "temperature", value: JSON.stringify(value), timestamp: 1_700_000_000_000 },
  ]);
  const place = { topic: "hist_temperature", partition: 0, offset: 0, timestamp: 1_700_000_000_000 };
  const wanted = { measurement: "temperature", ...place, ...value };
  assertEquals(await sse.first("histogram"), wanted);
  const { type, cursor, ...data } = await ws.first("it", ({ type }) => type === "histogram");
  assertEquals([type, data], ["histogram", wanted]);
  assertEquals(cursor, sse.lastEventId);
  assertEquals(await several.first("histogram"), { stream: "/histograms/temperature/events", data: wanted });

  await service.producer.sendAll("hist_temperature", [{ value: JSON.stringify(counted(4, 0, 4)) }]);
  await using again = await SseClient.open(`${url}/events`, { lastEventId: cursor });
  assertEquals((await again.first("histogram")).offset, 1, "what came after");
});

Deno.test("what foreign programs write is a histogram where it has bins and edges", async () => {
  await using service = await TestService.open();
  const values: [value: string | null, shown: object | null][] = [
    ['{"hist":[1,2.5],"bin_edges":[-1,0,1e3]}', { hist: [1, 2.5], bin_edges: [-1, 0, 1000] }],
    [
      '{\n"hist": [1],\n"bin_edges": [0, 1],\n"unit": "K", "mean": "high", "min": null, "count": 1}',
      { hist: [1], bin_edges: [0, 1], count: 1, min: null },
    ],
    ['{"hist":[1,2],"bin_edges":[0,1]}', null],
    ['{"hist":[],"bin_edges":[0]}', null],
    ['{"hist":["1"],"bin_edges":[0,1]}', null],
    ['{"hist":[NaN],"bin_edges":[0,1]}', null],
    ['{"hist":[1e999],"bin_edges":[0,1]}', null],
    ["{", null],
    ["null", null],
    ["", null],
    [null, null],
    ['{"hist":[9],"bin_edges":[0,9]}', { hist: [9], bin_edges: [0, 9] }],
  ];
  await service.producer.sendAll("hist_humidity", values.map(([value]) => ({ value })));
  await using viewer = await SseClient.open(`${service.url}/histograms/humidity/events?cursor=earliest`);
  await viewer.first("histogram", ({ offset }) => offset === values.length - 1);
  const shown = viewer.all("histogram").map((
    { measurement: _, topic: _topic, partition: _p, timestamp: _t, ...rest },
  ) => rest);
  assertEquals(shown, values.flatMap(([, shown], offset) => shown ? [{ offset, ...shown }] : []));
});

Deno.test("policy=latest has the newest histogram of many", async () => {
  await using service = await TestService.open();
  const values = Array.from({ length: 500 }, (_, n) => ({ value: JSON.stringify(counted(n)) }));
  await service.producer.sendAll("hist_humidity", values);
  const query = "?cursor=earliest&policy=latest&until=latest";
  await using viewer = await SseClient.open(`${service.url}/histograms/humidity/events${query}`);
  await viewer.end();
  assertEquals(viewer.all("histogram").at(-1).hist, [499]);
});

Deno.test("GET /histograms/{measurement}/series hands the span and the number of points on", async () => {
  const histograms = new MadeHistograms(usualMeasurements);
  await using service = await TestService.open({ histograms });
  const url = `${service.url}/histograms/temperature/series`;
  assertEquals(await (await fetch(`${url}?from=t.1000&to=2026-01-01T00:00:00Z&points=7`)).json(), {
    measurement: "temperature",
    step_ms: 1,
    time: [],
    count: [],
    mean: [],
    min: [],
    max: [],
  });
  await (await fetch(url)).body?.cancel();
  assertEquals(histograms.asked, [
    { from: 1_000, to: Date.UTC(2026, 0, 1), points: 7 },
    { points: 500 },
  ]);
  for (const [query, code] of [["points=0", "invalid-points"], ["points=5001", "invalid-points"]] as const) {
    await problem(await fetch(`${url}?${query}`), 400, code);
  }
  await problem(await fetch(`${url}?from=yesterday`), 400, "invalid-from");
});

Deno.test("edges of a published histogram are those of its measurement", async () => {
  await using service = await TestService.open();
  const { bin_edges } = await (await fetch(`${service.url}/histograms/pressure`)).json();
  assertEquals(bin_edges, edgesOf({ name: "pressure", first: 800, last: 1100, step: 100 }));
  await eventually("no connection left", () => service.connections === 0);
});
