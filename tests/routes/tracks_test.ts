import { assert, assertEquals, assertThrows } from "@std/assert";
import { StreamError } from "../../errors.ts";
import { readSince } from "../../routes/tracks.ts";
import { SseClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { placeOf } from "../kafka/hub_viewer.ts";
import { position, problem, TestService } from "./test_service.ts";

// deno-lint-ignore no-explicit-any
async function tracks(service: TestService, query = "", topic = "t"): Promise<any> {
  const response = await fetch(`${service.url}/geo/${topic}/tracks${query}`);
  assertEquals([response.status, response.headers.get("content-type")], [200, "application/geo+json"]);
  return await response.json();
}

Deno.test("readSince() takes a time or earliest, and a quarter of an hour ago by default", () => {
  assertEquals(readSince("t.1700000000000"), 1_700_000_000_000);
  assertEquals(readSince("earliest"), -2);
  const before = Date.now(), since = readSince(undefined) + 15 * 60 * 1000;
  assert(since >= before && since <= Date.now(), `${since - before}`);
  for (const text of ["", "latest", "1700000000000", "t.x", "v1.0a1b2c3d.0:1"]) {
    const { code, status } = assertThrows(() => readSince(text), StreamError);
    assertEquals([code, status], ["invalid-since", 400]);
  }
});

Deno.test("tracks are GeoJSON: a line per name, with its times", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 3);
  for (const [n, name] of ["tram", "bus", "tram", "tram"].entries()) {
    await service.send("t", [{ ...position(name, n, n * 10), message_id: `m${n}` }], {
      timestamp: 1_000 + n,
    });
  }
  const { type, features, cursor, truncated } = await tracks(service, "?since=t.0");
  assertEquals([type, truncated], ["FeatureCollection", false]);
  // deno-lint-ignore no-explicit-any
  const byName = new Map(features.map((feature: any) => [feature.properties.name, feature]));
  assertEquals(byName.get("tram"), {
    type: "Feature",
    geometry: { type: "LineString", coordinates: [[0, 0], [20, 2], [30, 3]] },
    properties: { name: "tram", times: [1_000, 1_002, 1_003], last: 1_003, message_id: "m3" },
  });
  assertEquals(byName.get("bus"), {
    type: "Feature",
    geometry: { type: "LineString", coordinates: [[10, 1], [10, 1]] },
    properties: { name: "bus", times: [1_001, 1_001], last: 1_001, message_id: "m1" },
  });
  assertEquals(placeOf(cursor).reduce((sum, next) => sum + next, 0), 4);
});

Deno.test("tracks begin at since", async () => {
  await using service = await TestService.open();
  for (let n = 0; n < 10; n++) await service.send("t", [position("a", n)], { timestamp: 1_000 + n });
  const times = async (query: string) =>
    (await tracks(service, query)).features.flatMap(({ properties }: { properties: { times: number[] } }) =>
      properties.times
    );
  assertEquals(await times("?since=t.1007"), [1_007, 1_008, 1_009]);
  assertEquals((await times("?since=earliest")).length, 10);
  assertEquals(await times("?since=t.5000"), []);
  assertEquals(await times(""), [], "a quarter of an hour by default");
  await problem(await fetch(`${service.url}/geo/t/tracks?since=yesterday`), 400, "invalid-since");
});

Deno.test("a stream from the cursor of tracks goes on with nothing missing and nothing twice", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 3);
  let posted = 0;
  const posting = (async () => {
    for (; posted < 2_000; posted += 20) {
      await service.send(
        "t",
        Array.from({ length: 20 }, (_, i) => ({ ...position(`p${i}`, 1), message_id: `${posted + i}` })),
      );
    }
  })();
  await eventually("some", () => posted > 400);
  const { features, cursor } = await tracks(service, "?since=earliest");
  const counted = new Map<string, number>();
  for (const { properties: { name, times } } of features) counted.set(name, times.length);
  await using viewer = await SseClient.open(`${service.url}/geo/t/events?cursor=${cursor}`);
  assertEquals((await viewer.first("ready")).resume, "exact");
  await posting;
  const last = viewer.all("position");
  const before = placeOf(cursor).reduce((sum, next) => sum + next, 0);
  await eventually(
    "the rest",
    () => viewer.all("position").length >= 2_000 - before,
    30_000,
    () => last.length,
  );
  for (const { name } of viewer.all("position")) counted.set(name, (counted.get(name) ?? 0) + 1);
  assertEquals([...counted.values()], Array.from({ length: 20 }, () => 100));
});

Deno.test("tracks of a topic that is not there are empty, with a cursor that goes on when it is made", async () => {
  await using service = await TestService.open();
  const { features, cursor } = await tracks(service);
  assertEquals(features, []);
  await using viewer = await SseClient.open(`${service.url}/geo/t/events?cursor=${cursor}`);
  assertEquals((await viewer.first("ready")).resume, "exact");
  await service.send("t", [position("a", 1)]);
  await viewer.first("position");
  await problem(await fetch(`${service.url}/geo/a%20b/tracks`), 400, "invalid-topic");
});

Deno.test("tracks pass over what is no position and what retention removed", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 1, { "retention.bytes": "2000" });
  for (let n = 0; n < 30; n++) {
    await service.send("t", [n % 2 === 0 ? position("a", n) : { junk: "x".repeat(50) }]);
  }
  await service.broker.broker.sweep();
  const { features: [track] } = await tracks(service, "?since=earliest");
  assertEquals(track.geometry.coordinates.at(-1), [0, 28]);
  assert(track.geometry.coordinates.length < 15);
});

Deno.test("tracks keep the newest 2,000 fixes of a name and say that there were more", async () => {
  await using service = await TestService.open();
  const sendMany = (count: number) =>
    service.send("t", Array.from({ length: count }, (_, n) => position("a", n % 90)));
  await sendMany(2_000);
  const whole = await tracks(service, "?since=earliest");
  assertEquals([whole.features[0].properties.times.length, whole.truncated], [2_000, false]);
  await sendMany(500);
  const cut = await tracks(service, "?since=earliest");
  assertEquals([cut.features[0].properties.times.length, cut.truncated], [2_000, true]);
  await sendMany(3_000);
  const more = await tracks(service, "?since=earliest");
  assertEquals([more.features[0].properties.times.length, more.truncated], [2_000, true]);
  assertEquals(more.features[0].geometry.coordinates.at(-1), [0, 2_999 % 90]);
});

Deno.test("tracks of a topic that was made anew hold nothing of the old one", async () => {
  await using service = await TestService.open();
  await service.send("t", [position("old", 1), position("old", 2)]);
  assertEquals((await tracks(service, "?since=earliest")).features.length, 1);
  await using viewer = await SseClient.open(`${service.url}/geo/t/events`);
  await viewer.first("ready");
  await service.broker.deleteTopic("t");
  await service.send("t", [position("new", 1)]);
  await viewer.first("ready", ({ resume }) => resume === "reset");
  const { features } = await tracks(service, "?since=earliest");
  assertEquals(features.map(({ properties }: { properties: { name: string } }) => properties.name), ["new"]);
});

Deno.test("tracks while Kafka is away are a 503 problem", async () => {
  await using service = await TestService.open();
  await service.proxy.stop();
  const response = await fetch(`${service.url}/geo/t/tracks`);
  assertEquals(response.headers.get("retry-after"), "1");
  await problem(response, 503, "kafka-unavailable");
});
