/** What a user of the geo routes may rely on, whichever Kafka is behind them: one suite, run by the test files beside it.
 *
 * The service is the real one in a process of its own; everything is seen from outside, over HTTP and WebSocket, with
 * records that are no positions sent past it by a Kafka client. Left out: what a broken connection or a dying process
 * does (tests/crash/), the bodies of single problems (tests/routes/). @module */
import { assert, assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { windowNames } from "../../kafka/windows.ts";
import { newPosition, positionRecord } from "../../kafka/topics.ts";
import { concurrently, plainKafka, postJson, produce, SseClient, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { Random } from "../random.ts";
import type { Service } from "../service.ts";
import { newTopic } from "../new_topic.ts";

/** A service that is running, on one of the two kinds of Kafka. */
export interface Ground {
  readonly service: Service;
}

/** A position as every kind of viewer gets it. */
interface Seen {
  readonly name: string;
  readonly message_id: string;
  readonly lat: number;
  readonly lon: number;
}

/** What was posted, and the id it was answered with. */
interface Posted {
  readonly name: string;
  readonly lat: number;
  readonly messageId: string;
}

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param ground the service; asked for inside the tests only */
export function geoContract(on: string, ignore: boolean, ground: () => Ground): void {
  const test = (claim: string, fn: (ground: Ground) => Promise<void>) =>
    Deno.test({ name: `geo on ${on}: ${claim}`, ignore, fn: () => fn(ground()) });

  test("200 posts at concurrency 32 reach every viewer once, in order per name", deliversToAll);
  test("an SSE viewer cut at 50 moments and resumed has every record once", resumes);
  test("100 streams leave no consumer group behind", leavesNoGroup);
  test("records that are no positions end nobody's stream", survivesJunk);
  test("viewers of a topic that is not there get the post that makes it", waitsForTopic);
  test("WS /consumer speaks the wire of the seed", consumerWire);
  test(
    "a viewer from the start of 20,000 records has them all, in order, and the live ones after them",
    fromTheStart,
  );
  test("tracks hold each name's fixes, and their cursor goes on live", tracks);
  test("bbox lets only positions inside through", bbox);
  test("a silent stream has heartbeats", heartbeat);
}

/** Posts one position and fails unless it is acknowledged. `lat` numbers the fixes of a name, in steps of 0.01. */
async function post(
  { service }: Ground,
  topic: string,
  name: string,
  lat: number,
  lon = 10,
): Promise<Posted> {
  const answer = await postJson(`${service.url}/producer/${topic}`, { name, lat, lon });
  assertEquals(answer.status, 200, JSON.stringify(answer.body));
  return { name, lat, messageId: answer.body.message_id };
}

/** Posts `each` fixes for every name, those of one name one after the other. */
async function postTracks(ground: Ground, topic: string, names: number, each: number): Promise<Posted[]> {
  const all = Array.from({ length: names }, (_, n) => `mover-${n}`);
  const posted = await concurrently(all, 32, async (name) => {
    const track: Posted[] = [];
    for (let n = 1; n <= each; n++) track.push(await post(ground, topic, name, n / 100));
    return track;
  });
  return posted.flat();
}

/** Fails unless `seen` is `posted`: each once, and those of a name in the order they were posted. */
function checkSeen(seen: readonly Seen[], posted: readonly Posted[], viewer: string): void {
  assertEquals(
    seen.map((each) => each.message_id).toSorted(),
    posted.map((each) => each.messageId).toSorted(),
    `${viewer} has each record once`,
  );
  const newest = new Map<string, number>();
  for (const { name, lat } of seen) {
    assertLess(newest.get(name) ?? 0, lat, `${viewer} has the records of ${name} in order`);
    newest.set(name, lat);
  }
}

async function deliversToAll(ground: Ground): Promise<void> {
  const topic = newTopic("all");
  const streams = `${ground.service.url}/geo/${topic}`;
  await using sse1 = await SseClient.open(`${streams}/events`);
  await using sse2 = await SseClient.open(`${streams}/events?cursor=earliest`);
  await using ws1 = await WsClient.open(`${streams}/socket`, ["tailrace.v1.json"]);
  await using ws2 = await WsClient.open(`${streams}/socket?cursor=earliest`);
  await using seed = await WsClient.open(`${ground.service.url}/consumer/${topic}`);
  await Promise.all([sse1.first("ready"), sse2.first("ready")]);
  await Promise.all([ws1, ws2].map((ws) => ws.first("ready", ({ type }) => type === "ready")));
  await seed.first("connected", (message) => message["Message: "] === "connected");

  const posted = await postTracks(ground, topic, 40, 5);
  assertEquals(posted.length, 200);
  const viewers: Record<string, () => Seen[]> = {
    "the first SSE viewer": () => sse1.all("position"),
    "the second SSE viewer": () => sse2.all("position"),
    "the first WebSocket viewer": () => ws1.all("position"),
    "the second WebSocket viewer": () => ws2.all("position"),
    "the viewer of /consumer": () => seed.messages.slice(1),
  };
  for (const [viewer, seen] of Object.entries(viewers)) {
    await eventually(`200 records for ${viewer}`, () => seen().length >= 200, 60_000, () => seen().length);
  }
  for (const [viewer, seen] of Object.entries(viewers)) checkSeen(seen(), posted, viewer);
  assertEquals(
    new Set(sse1.events.filter(({ event }) => event === "position").map(({ id }) => id)).size,
    200,
  );
}

async function resumes(ground: Ground): Promise<void> {
  const topic = newTopic("cuts");
  const url = `${ground.service.url}/geo/${topic}/events`;
  const random = new Random("cuts of an SSE viewer");
  const seen: Seen[] = [];
  const posting = postTracks(ground, topic, 32, 30);
  let total = Infinity;
  posting.then((posted) => total = posted.length, () => {});

  let lastEventId: string | undefined;
  let cuts = 0;
  while (seen.length < total) {
    const fresh = lastEventId === undefined;
    await using viewer = await SseClient.open(
      fresh ? `${url}?cursor=earliest` : url,
      fresh ? {} : { lastEventId: lastEventId! },
    );
    const ready = await viewer.first("ready");
    assertEquals(ready.resume, fresh ? "fresh" : "exact", JSON.stringify(ready));
    // After the cut the client has some of the events that were on their way, and has lost the rest.
    const take = cuts < 50 ? random.between(0, 19) : Infinity;
    const positions = () => viewer.events.filter(({ event }) => event === "position");
    const enough = () => positions().length >= take || seen.length + positions().length >= total;
    await eventually(
      "enough records to cut",
      enough,
      60_000,
      () => [cuts, take, seen.length, positions().length],
    );
    const kept = positions().slice(0, take);
    seen.push(...kept.map(({ data }) => JSON.parse(data)));
    lastEventId = kept.at(-1)?.id ?? lastEventId ?? viewer.events.find(({ event }) => event === "ready")!.id;
    cuts++;
  }
  const posted = await posting;
  assert(cuts > 50, `${cuts} streams`); // 50 × 19 records at most were taken before the last one
  checkSeen(seen, posted, `the viewer that was cut ${cuts} times`);
}

async function leavesNoGroup(ground: Ground): Promise<void> {
  const topic = newTopic("groups"), { foldGroup, windowGroup } = windowNames("video_clicks_ingestion");
  // Those of the service itself may still be coming, and Kafka removes empty ones when it likes.
  const own = new Set(["tailrace-histograms", foldGroup, windowGroup, ...await groupNames(ground)]);
  const others = async () => (await groupNames(ground)).filter((name) => !own.has(name));
  const streams = `${ground.service.url}/geo/${topic}`;
  const half = Array.from({ length: 50 }, (_, n) => n);
  const opened: AsyncDisposable[] = [];
  try {
    const events = await concurrently(half, 10, () => SseClient.open(`${streams}/events`));
    opened.push(...events);
    const sockets = await concurrently(half, 10, () => WsClient.open(`${streams}/socket`));
    opened.push(...sockets);
    await Promise.all(events.map((viewer) => viewer.first("ready")));
    await Promise.all(sockets.map((viewer) => viewer.first("ready", ({ type }) => type === "ready")));
    await post(ground, topic, "mover", 1);
    const all = () =>
      events.every((viewer) => viewer.all("position").length === 1) &&
      sockets.every((viewer) => viewer.all("position").length === 1);
    await eventually("the record in 100 streams", all);
    assertEquals(await others(), [], "groups while the streams are open");
  } finally {
    await Promise.all(opened.map((viewer) => viewer[Symbol.asyncDispose]()));
  }
  assertEquals(await others(), [], "groups after the streams were closed");
}

async function survivesJunk(ground: Ground): Promise<void> {
  const topic = newTopic("junk");
  const streams = `${ground.service.url}/geo/${topic}`;
  const first = await post(ground, topic, "mover", 0.01);
  await using sse = await SseClient.open(`${streams}/events?cursor=earliest`);
  await using ws = await WsClient.open(`${streams}/socket?cursor=earliest`);
  await using seed = await WsClient.open(`${ground.service.url}/consumer/${topic}`);
  await seed.first("connected", (message) => message["Message: "] === "connected");

  const position = { name: "mover", message_id: "m", timestamp: "2024-01-01T00:00:00.000Z", lat: 1, lon: 1 };
  await produce(ground.service.bootstrap, topic, [
    { key: "a", value: "no JSON at all" },
    { key: "a", value: '{"name":"cut off in the mid' },
    { key: "a", value: "null" },
    { key: "a", value: "[]" },
    { key: "a", value: "17" },
    { key: "a", value: '"text"' },
    { key: "a", value: "{}" },
    { key: "a", value: JSON.stringify({ ...position, lat: "1" }) },
    { key: "a", value: JSON.stringify({ ...position, lon: null }) },
    { key: "a", value: JSON.stringify({ ...position, lat: 1234 }) },
    { key: "a", value: JSON.stringify(position).replace('"lat":1', '"lat":1e999') },
    { key: "a", value: `{"lat":${"9".repeat(400)}}` },
    { key: "a", value: "[".repeat(50_000) },
    { key: null, value: "" },
    { key: "a", value: null },
    { key: null, value: null },
    { key: "a", value: new Uint8Array([0xff, 0xfe, 0, 1, 0x0a, 0x0d, 0x0a]) },
    { key: "a", value: crypto.getRandomValues(new Uint8Array(1000)) },
  ]);
  const last = await post(ground, topic, "mover", 0.02);

  const wanted = [first, last];
  const inSse = () => sse.all("position") as Seen[];
  const inWs = () => ws.all("position") as Seen[];
  const inSeed = () => seed.messages.slice(1) as Seen[];
  const has = (seen: Seen[]) => seen.some((each) => each.message_id === last.messageId);
  await eventually("the record after the junk", () => has(inSse()) && has(inWs()) && has(inSeed()));
  checkSeen(inSse(), wanted, "the SSE viewer");
  checkSeen(inWs(), wanted, "the WebSocket viewer");
  checkSeen(inSeed(), [last], "the viewer of /consumer");
  assertEquals([sse.ended, ws.closed, seed.closed], [null, null, null], "every stream is open");

  await using resumed = await SseClient.open(`${streams}/events`, { lastEventId: sse.lastEventId });
  assertEquals((await resumed.first("ready")).resume, "exact");
  const features = await (await fetch(`${streams}/tracks?since=t.0`)).json();
  assertEquals(features.features.map((each: { properties: { name: string } }) => each.properties.name), [
    "mover",
  ]);
}

async function waitsForTopic(ground: Ground): Promise<void> {
  const topic = newTopic("later");
  await using sse = await SseClient.open(`${ground.service.url}/geo/${topic}/events`);
  await using ws = await WsClient.open(`${ground.service.url}/geo/${topic}/socket`);
  await using seed = await WsClient.open(`${ground.service.url}/consumer/${topic}`);
  await sse.first("ready");
  await ws.first("ready", ({ type }) => type === "ready");
  await seed.first("connected", (message) => message["Message: "] === "connected");
  const { messageId } = await post(ground, topic, "mover", 1);
  await sse.first("position", (data) => data.message_id === messageId);
  await ws.first("the position", (message) => message.message_id === messageId);
  await seed.first("the position", (message) => message.message_id === messageId);
}

async function consumerWire(ground: Ground): Promise<void> {
  const topic = newTopic("wire");
  await post(ground, topic, "before", 1); // not shown: the seed's viewers start at the end of the log
  await using viewer = await WsClient.open(`${ground.service.url}/consumer/${topic}`);
  await eventually("the greeting", () => viewer.texts.length === 1);
  assertEquals(JSON.parse(viewer.texts[0]!), { "Message: ": "connected" });

  viewer.socket.send("hello, 世界");
  await eventually("the echo", () => viewer.texts.length === 2);
  assertEquals(JSON.parse(viewer.texts[1]!), { "Message: ": "hello, 世界" });

  const posted = await concurrently(
    Array.from({ length: 50 }, (_, n) => n),
    50,
    (n) => post(ground, topic, `mover-${n}`, 1 + n / 100, -20),
  );
  await eventually("50 records", () => viewer.texts.length >= 52, 60_000, () => viewer.texts.length);
  const records = viewer.texts.slice(2).map((text) => JSON.parse(text)); // one message, one record
  checkSeen(records, posted, "the viewer");
  for (const record of records) {
    assertEquals(Object.keys(record).toSorted(), ["lat", "lon", "message_id", "name", "timestamp", "topic"]);
    assertEquals([record.topic, record.lon, typeof record.timestamp], [topic, -20, "string"]);
    assert(record.message_id.startsWith(`${record.name}_`), record.message_id);
  }
}

async function fromTheStart(ground: Ground): Promise<void> {
  const topic = newTopic("long");
  const url = `${ground.service.url}/geo/${topic}`;
  const posted: Posted[] = [await post(ground, topic, "mover-0", 0.0001)]; // makes the topic
  const messages: { key: string; value: string }[] = [];
  for (let n = 1; n < 20_000; n++) {
    const position = newPosition({ name: `mover-${n % 100}`, lat: (n + 1) / 10_000, lon: 10 }, Date.now());
    messages.push(positionRecord(position));
    posted.push({ name: position.name, lat: position.lat, messageId: position.message_id });
  }
  await produce(ground.service.bootstrap, topic, messages);

  await using sse = await SseClient.open(`${url}/events?cursor=earliest`);
  await using ws = await WsClient.open(`${url}/socket?cursor=earliest`);
  await sse.first("ready");
  posted.push(await post(ground, topic, "mover-0", 3));
  const last = posted.at(-1)!.messageId;
  const inSse = () => sse.events.at(-1)?.data.includes(last);
  await eventually("the live record over SSE", inSse, 60_000, () => sse.events.length);
  await eventually("the live record over WebSocket", () => ws.texts.at(-1)?.includes(last), 60_000);
  checkSeen(sse.all("position"), posted, "the SSE viewer");
  checkSeen(ws.all("position"), posted, "the WebSocket viewer");
  assertEquals([sse.all("gap"), ws.all("gap")], [[], []], "nothing was passed over");
}

async function tracks(ground: Ground): Promise<void> {
  const topic = newTopic("tracks");
  const url = `${ground.service.url}/geo/${topic}`;
  const since = Date.now() - 1000;
  for (const lat of [1, 2, 3]) await post(ground, topic, "long", lat, lat * 10);
  await post(ground, topic, "short", 4, 40);

  const response = await fetch(`${url}/tracks?since=t.${since}`);
  assertEquals(response.status, 200);
  const collection = await response.json();
  assertEquals(collection.type, "FeatureCollection");
  const byName = new Map(
    // deno-lint-ignore no-explicit-any
    collection.features.map((feature: any) => [feature.properties.name, feature]),
    // deno-lint-ignore no-explicit-any
  ) as Map<string, any>;
  assertEquals([...byName.keys()].toSorted(), ["long", "short"]);
  assertEquals(byName.get("long").geometry, {
    type: "LineString",
    coordinates: [[10, 1], [20, 2], [30, 3]],
  });
  assertEquals(
    byName.get("short").geometry.coordinates,
    [[40, 4], [40, 4]],
    "a line has two points at least",
  );
  for (const { properties, geometry } of byName.values()) {
    assertEquals(properties.times.length, geometry.coordinates.length);
    assertEquals(properties.times.at(-1), properties.last);
    assert(properties.times.every((at: number) => at >= since && at <= Date.now() + 1000));
  }

  const later = await post(ground, topic, "later", 5);
  await using viewer = await SseClient.open(`${url}/events?cursor=${encodeURIComponent(collection.cursor)}`);
  await viewer.first("position");
  const next = await post(ground, topic, "later", 6);
  await viewer.first("position", (data) => data.message_id === next.messageId);
  checkSeen(viewer.all("position"), [later, next], "the viewer that goes on from the tracks");

  const empty = await (await fetch(`${url}/tracks?since=t.${Date.now() + 60_000}`)).json();
  assertEquals(empty.features, []);
}

async function bbox(ground: Ground): Promise<void> {
  const topic = newTopic("bbox");
  const url = `${ground.service.url}/geo/${topic}`;
  await using sse = await SseClient.open(`${url}/events?bbox=10,50,15,55`);
  await using ws = await WsClient.open(`${url}/socket?bbox=10,50,15,55`);
  await sse.first("ready");
  await ws.first("ready", ({ type }) => type === "ready");
  await post(ground, topic, "west", 52, 9.9);
  await post(ground, topic, "south", 49.9, 12);
  const inside = await post(ground, topic, "inside", 52, 12);
  await post(ground, topic, "east", 52, 15.1);
  const edge = await post(ground, topic, "edge", 55, 15);
  await sse.first("position", (data) => data.message_id === edge.messageId);
  await ws.first("the edge", (message) => message.message_id === edge.messageId);
  checkSeen(sse.all("position"), [inside, edge], "the SSE viewer");
  checkSeen(ws.all("position"), [inside, edge], "the WebSocket viewer");

  const response = await fetch(`${url}/events?bbox=10,50`);
  assertEquals(response.status, 400);
  assertEquals(response.headers.get("content-type")?.split(";")[0], "application/problem+json");
  assertNotEquals((await response.json()).detail, "");
}

async function heartbeat(ground: Ground): Promise<void> {
  await using viewer = await SseClient.open(`${ground.service.url}/geo/${newTopic("silent")}/events`);
  await viewer.first("ready");
  const beats = () => viewer.comments.filter((comment) => comment === "hb").length;
  await eventually("three heartbeats", () => beats() >= 3, 60_000, () => viewer.comments);
  assert(
    viewer.retryMs !== null && viewer.retryMs >= 2000 && viewer.retryMs <= 5000,
    `retry ${viewer.retryMs}`,
  );
}

/** The consumer groups that Kafka knows, as something to compare. */
async function groupNames({ service }: Ground): Promise<string[]> {
  const admin = plainKafka(service.bootstrap).admin();
  await admin.connect();
  try {
    return (await admin.listGroups()).groups.map(({ groupId }) => groupId).toSorted();
  } finally {
    await admin.disconnect();
  }
}
