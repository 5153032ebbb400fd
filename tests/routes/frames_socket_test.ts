import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import type { OutRecord } from "../../kafka/producer.ts";
import { plainKafka, SseClient, WsClient } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { numberedJpeg, numberOf } from "../jpegs.ts";
import { FramesClient, readFrame } from "./frames_client.ts";
import { binaryFrame, RawSocket, textFrame } from "./raw_socket.ts";
import { position, problem, TestService } from "./test_service.ts";

const startMs = 1_700_000_000_000;

/** Frames `from` … `from + count − 1` of a topic, 40 ms apart; their `captured-at` is a millisecond before their time. */
async function publish(
  service: TestService,
  { topic = "cam", from = 0, count = 1, bytes, ...more }: {
    topic?: string;
    from?: number;
    count?: number;
    bytes?: number;
  } & Partial<OutRecord> = {},
): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => {
    const timestamp = startMs + (from + i) * 40;
    const value = numberedJpeg(from + i, bytes === undefined ? {} : { bytes });
    return { key: topic, value, timestamp, headers: { "captured-at": String(timestamp - 1) }, ...more };
  });
  for (const record of records) await service.producer.send(topic, record);
}

const ids = (count: number, from = 0, partition = 0) =>
  Array.from({ length: count }, (_, n) => `${partition}:${from + n}`);

function watch(service: TestService, path: string): Promise<FramesClient> {
  return FramesClient.open(`${service.url}${path}`);
}

/** What the cluster holds for a viewer, by partition. */
function committed(service: TestService, viewer: string): number[] {
  return service.broker.broker.state.offsets.fetchAll(`viewer-${viewer}`)
    .toSorted((a, b) => a.partition - b.partition)
    .map(({ offset }) => offset);
}

/** Ends a connection and waits until the service has seen it, and Kafka has the position. */
async function leave(service: TestService, client: FramesClient): Promise<void> {
  const { connections } = service;
  await client[Symbol.asyncDispose]();
  await eventually("the connection to be gone", () => service.connections < connections);
  await service.positions.flush();
}

/** Removes what is before an offset of partition 0, as retention does. */
async function deleteBefore(service: TestService, topic: string, offset: number): Promise<void> {
  const admin = plainKafka(service.broker.bootstrap).admin();
  await admin.connect();
  await admin.fetchTopicOffsets(topic); // kafkajs looks for the leader in what it knows already
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
  await admin.disconnect();
}

Deno.test("frames socket: a message is a header of 32 bytes and the record's bytes; everything else is text", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam", 3);
  await publish(service, { count: 2, partition: 2 });
  await using viewer = await watch(service, "/video/cam/socket?cursor=earliest");
  assertEquals(viewer.socket.protocol, "tailrace.v1.frames");
  assertEquals(await viewer.has(2), ["2:0", "2:1"]);
  const jpeg = numberedJpeg(1), bytes = new Uint8Array(viewer.messages[1]!);
  const header = "5452" + "01" + "00" + "00000002" + "0000000000000001" +
    (startMs + 39).toString(16).padStart(16, "0") + "00000000" + jpeg.length.toString(16).padStart(8, "0");
  assertEquals(bytes.subarray(0, 32).toHex(), header);
  assertEquals(bytes.subarray(32), jpeg);
  const [ready] = viewer.told;
  const { resume, start, cursor, type } = ready;
  assertEquals([type, resume, start, cursor === start], ["ready", "fresh", start, true]);
  assert(/^v1\.[0-9a-f]{8}\.0:-1,1:-1,2:-1$/.test(start), start);
});

Deno.test("frames socket: who offers nothing gets frames there, text elsewhere; who offers both gets what it names first", async () => {
  await using service = await TestService.open();
  await publish(service);
  const chosen = async (path: string, ...protocols: string[]) => {
    await using viewer = await FramesClient.open(`${service.url}${path}`, protocols);
    await eventually("something", () => viewer.frames.length + viewer.all("frame").length > 0);
    return [viewer.socket.protocol, viewer.frames.length > 0 ? "bytes" : "text"];
  };
  const [json, frames] = ["tailrace.v1.json", "tailrace.v1.frames"];
  const path = "/video/cam/socket?cursor=earliest", streams = `/streams?s=${encodeURIComponent(path)}`;
  assertEquals(await chosen(path), ["", "bytes"]);
  assertEquals(await chosen(path, "x", frames), [frames, "bytes"]);
  assertEquals(await chosen(path, json), [json, "text"]);
  assertEquals(await chosen(path, json, frames), [json, "text"]);
  assertEquals(await chosen(path, frames, json), [frames, "bytes"]);
  assertEquals(await chosen(streams), ["", "text"]);
  assertEquals(await chosen(streams, frames), [frames, "bytes"]);
});

Deno.test("frames socket: what is acknowledged is committed, and the next connection goes on behind it", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 6 });
  const first = await watch(service, "/video/cam/socket?viewer=me");
  assertEquals(await first.has(6), ids(6), "a new viewer begins at the first frame");
  first.say({ type: "ack", frame: "0:2" });
  await eventually("the commit", () => `${committed(service, "me")}` === "3");
  first.say({ type: "ack", frame: "0:3" });
  await first.heard();
  await leave(service, first);
  assertEquals(committed(service, "me"), [4], "the last one at the close");

  const second = await watch(service, "/video/cam/socket?viewer=me");
  assertEquals((await second.hears("ready")).resume, "exact");
  assertEquals(await second.has(2), ["0:4", "0:5"]);
  await leave(service, second);
  assertEquals(committed(service, "me"), [4], "seen is what was acknowledged");

  await using elsewhere = await watch(service, "/video/cam/socket?viewer=me&cursor=t.0");
  assertEquals(await elsewhere.has(6), ids(6), "a cursor wins");
  elsewhere.say({ type: "ack", frame: "0:0" });
  await eventually("the commit", () => `${committed(service, "me")}` === "1");
  await using live = await watch(service, "/video/cam/socket?viewer=me&live=1");
  assertEquals(await live.has(1), ["0:5"], "the newest there is, even if no other one comes");
  await publish(service, { from: 6 });
  assertEquals(await live.has(2), ["0:5", "0:6"]);
});

Deno.test("frames socket: a position is the connection's place in all partitions", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam", 2);
  for (const partition of [0, 1]) await publish(service, { count: 3, partition });
  const viewer = await watch(service, "/video/cam/socket?viewer=two");
  await viewer.has(6);
  for (const frame of ["0:2", "1:0", "1:1"]) viewer.say({ type: "ack", frame });
  await viewer.heard();
  viewer.say({ type: "seek", cursor: "earliest" });
  await viewer.hears("ready", 2);
  await viewer.has(12);
  await leave(service, viewer);
  assertEquals(committed(service, "two"), [3, 2], "nothing was acknowledged since");
  const again = await watch(service, "/video/cam/socket?viewer=two");
  assertEquals(await again.has(1), ["1:2"]);
  again.say({ type: "seek", cursor: "earliest" });
  await again.hears("ready", 2);
  again.say({ type: "ack", frame: "1:0" });
  await again.heard();
  await leave(service, again);
  assertEquals(committed(service, "two"), [0, 1], "where it began and what it has seen since");
});

Deno.test("frames socket: while Kafka is away a viewer is told so, and goes on where it was when it is back", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 4 });
  const first = await watch(service, "/video/cam/socket?viewer=me");
  await first.has(4);
  first.say({ type: "ack", frame: "0:1" });
  await first.heard();
  await leave(service, first);
  await service.proxy.stop();
  await using waiting = await watch(service, "/video/cam/socket?viewer=me");
  await using elsewhere = await watch(service, "/video/cam/socket?viewer=me");
  for (const viewer of [waiting, elsewhere]) {
    assertEquals((await viewer.hears("status")).kafka, "down");
    viewer.say({ type: "ack", frame: "0:3" });
    assertEquals((await viewer.hears("error")).code, "unknown-frame", "nothing was shown yet");
  }
  elsewhere.say({ type: "seek", cursor: "earliest" });
  await elsewhere.heard();
  service.proxy.start();
  assertEquals(await waiting.has(2), ["0:2", "0:3"]);
  assertEquals((await elsewhere.has(4)).length, 4, "a seek wins");
  assertEquals(waiting.all("ready").map(({ resume }) => resume), ["exact"]);
  assertEquals(committed(service, "me"), [2]);
});

Deno.test("frames socket: the cookie names a viewer too, an empty viewer= none; then there is nothing to acknowledge", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 2 });
  const viewer = await watch(service, "/video/cam/socket?viewer=me");
  await viewer.has(2);
  viewer.say({ type: "ack", frame: "0:0" });
  await viewer.heard();
  await leave(service, viewer);
  const open = async (query: string) => {
    const raw = await RawSocket.open(service.port);
    await raw.request(
      `GET /video/cam/socket${query} HTTP/1.1\r\nHost: 127.0.0.1:${service.port}\r\nUpgrade: websocket\r\n` +
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
        "Cookie: a=b; viewer=me\r\n\r\n",
    );
    return raw;
  };
  using byCookie = await open("");
  assertEquals((await byCookie.next())?.opcode, textFrame);
  const { opcode, payload } = (await byCookie.next())!;
  assertEquals([opcode, readFrame(payload.slice().buffer).frame], [binaryFrame, "0:1"]);
  using nobody = await open("?viewer=");
  const ready = JSON.parse(new TextDecoder().decode((await nobody.next())!.payload));
  assertEquals([ready.type, ready.requested], ["ready", "latest"]);

  await using unnamed = await watch(service, "/video/cam/socket?cursor=earliest");
  await unnamed.has(2);
  for (const message of [{ frame: "0:1" }, { frame: "0:1", stream: "/video/x/socket" }]) {
    unnamed.say({ type: "ack", ...message });
  }
  await unnamed.heard();
  assertEquals(unnamed.all("error").map(({ code }) => code), ["no-viewer", "no-stream"]);
  const refused = await fetch(`${service.url}/video/cam/socket?viewer=${"x".repeat(65)}`);
  await problem(refused, 400, "invalid-viewer");
});

Deno.test("frames socket: an ack of what cannot be is an error, one that cannot be read ends the connection", async () => {
  await using service = await TestService.open();
  await publish(service);
  await using viewer = await watch(service, "/video/cam/socket?viewer=me");
  await viewer.has(1);
  viewer.say({ type: "ack", frame: "1:0" });
  const { code, detail } = await viewer.hears("error");
  assertEquals([code, detail.includes("below 1")], ["unknown-frame", true]);
  viewer.say({ type: "ack", frame: "first" });
  assertEquals(await viewer.end(), { code: 4501, reason: "malformed-message" });
  await service.positions.flush();
  assertEquals(committed(service, "me"), []);
});

Deno.test("frames socket: acknowledging every frame costs a commit a second at most", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 3 });
  const viewer = await watch(service, "/video/cam/socket?viewer=me");
  await viewer.has(3);
  const offsetCommitApi = 8, before = service.proxy.count(offsetCommitApi), began = performance.now();
  for (let n = 0; n < 3_000; n++) viewer.say({ type: "ack", frame: `0:${n % 3}` });
  await viewer.heard();
  const most = 2 + Math.ceil((performance.now() - began) / 1_000);
  await leave(service, viewer);
  const commits = service.proxy.count(offsetCommitApi) - before;
  assert(commits >= 1 && commits <= most, `${commits} commits, ${most} at most`);
  assertEquals(committed(service, "me"), [3]);
});

Deno.test("frames socket: a client that is always behind and acknowledges every frame is not taken for one that reads nothing", async () => {
  await using service = await TestService.open();
  const count = 120;
  await publish(service, { count, bytes: 200_000 });
  using raw = await RawSocket.upgrade(service.port, "/video/cam/socket?viewer=me");
  for (let shown = 0; shown < count;) {
    const { opcode, payload } = (await raw.next())!;
    if (opcode !== binaryFrame) assertEquals(opcode, textFrame, `after ${shown} frames`);
    else {
      const { frame } = readFrame(payload.slice().buffer);
      assertEquals(frame, `0:${shown++}`);
      await pause(4); // what comes in that time fills the system's buffers
      for (let n = 0; n < 20; n++) await raw.frame(textFrame, JSON.stringify({ type: "ack", frame }));
    }
  }
  await eventually("the commit", () => `${committed(service, "me")}` === `${count}`);
});

Deno.test("frames socket: subscriptions have numbers, each its own; other streams are text as ever", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await publish(service, { topic, count: 2 });
  await service.send("geo", [position("x", 1)]);
  const streams = ["/video/a/socket?cursor=earliest", "/geo/geo/events?cursor=earliest"];
  await using viewer = await watch(
    service,
    `/streams?${streams.map((one) => `s=${encodeURIComponent(one)}`).join("&")}`,
  );
  viewer.say({ type: "subscribe", stream: "/video/b/events", cursor: "earliest" });
  await Promise.all([viewer.has(2, 1), viewer.has(2, 3), viewer.hears("position")]);
  const numbers = viewer.all("ready").map(({ stream, number }) => [stream, number]);
  assertEquals(numbers.toSorted(), [[streams[0], 1], [streams[1], 2], ["/video/b/events", 3]].toSorted());
  const { stream, name, offset } = await viewer.hears("position");
  assertEquals([stream, name, offset], [streams[1], "x", 0]);
  assertEquals(viewer.ids(0), []);
  assertEquals(viewer.frames.map(({ jpeg }) => numberOf(jpeg)).toSorted(), [0, 0, 1, 1]);

  viewer.say({ type: "unsubscribe", stream: "/video/b/events" });
  viewer.say({ type: "subscribe", stream: "/video/b/events", cursor: "earliest" });
  assertEquals(await viewer.has(2, 4), ids(2), "had again it has another number");
  await using own = await watch(service, "/video/a/socket?cursor=earliest&viewer=");
  own.say({ type: "subscribe", stream: "/video/b/socket?viewer=other", cursor: "latest" });
  await own.hears("ready", 2);
  const { requested } = own.all("ready").find((ready) => ready.number === 1);
  assertEquals(requested, "latest", "a cursor wins here, too");
  own.say({ type: "unsubscribe", stream: "/video/b/socket?viewer=other" });
  own.say({ type: "subscribe", stream: "/video/b/socket?cursor=earliest&viewer=other" });
  assertEquals([await own.has(2, 0), await own.has(2, 2)], [ids(2), ids(2)]);
  own.say({ type: "ack", stream: "/video/b/socket?cursor=earliest&viewer=other", frame: "0:1" });
  await own.heard();
  assertEquals(own.all("error"), []);
  await eventually("the commit", () => `${committed(service, "other")}` === "2");
});

Deno.test("frames socket: frames and texts come in the order of the log; gap, end and bye say where", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 4 });
  await service.producer.send("cam", { key: "cam", value: "no picture" });
  await publish(service, { from: 4 });
  await deleteBefore(service, "cam", 2);
  await using bounded = await watch(service, "/video/cam/socket?cursor=earliest&until=latest");
  assertEquals((await bounded.end()).code, 1000);
  const { start } = await bounded.hears("ready");
  const place = (offset: number) => start.replace(/:-?\d+$/, `:${offset}`);
  assertEquals(bounded.told.map((each) => each.frame ?? each.type), ["ready", "0:2", "0:3", "0:5", "end"]);
  assertEquals((await bounded.hears("end")).cursor, `${place(5)}.end`);

  await using late = await watch(service, `/video/cam/socket?cursor=${place(0)}`);
  await late.has(3);
  assertEquals((await late.hears("ready")).resume, "gap");
  const { partition, from, to, skipped, reason } = await late.hears("gap");
  assertEquals([partition, from, to, skipped, reason], [0, 1, 2, 1, "retention"]);
  service.drain();
  assertEquals((await late.end()).code, 4000);
  assertEquals(late.told.at(-1), { type: "bye", reason: "draining" });
});

Deno.test("frames socket: key= and fps= choose frames; pause, seek and speed steer them", async () => {
  await using service = await TestService.open();
  for (let n = 0; n < 20; n++) await publish(service, { from: n, key: n % 2 ? "left" : "right" });
  await using left = await watch(service, "/video/cam/socket?cursor=earliest&key=left");
  assertEquals((await left.has(10)).slice(0, 3), ["0:1", "0:3", "0:5"]);
  await using few = await watch(service, "/video/cam/socket?cursor=earliest&until=latest&fps=5");
  await few.end();
  assertEquals(few.ids(), ["0:0", "0:5", "0:10", "0:15"]);
  await problem(await fetch(`${service.url}/video/cam/socket?fps=no`), 400, "invalid-fps");
  await problem(await fetch(`${service.url}/video/cam/socket?live=2`), 400, "invalid-live");

  await using paced = await watch(service, "/video/cam/socket?cursor=earliest&speed=0.1");
  await paced.hears("ready");
  await paced.has(1);
  paced.say({ type: "pause" });
  await paced.heard();
  const { length } = paced.ids();
  assertLess(length, 5); // all of them take eight seconds
  paced.say({ type: "seek", cursor: `t.${startMs + 400}` });
  const { start } = await paced.hears("ready", 2);
  assert(start.endsWith(".0:9"), start);
  assertEquals(paced.ids().length, length);
  paced.say({ type: "speed", speed: null });
  paced.say({ type: "resume" });
  assertEquals((await paced.has(length + 10)).slice(length), ids(10, 10));
});

/** What comes until a frame: frames by their ids, texts by their type and what they leave out. */
async function readUntil(raw: RawSocket, frame: string): Promise<string[]> {
  const told: string[] = [];
  while (told.at(-1) !== frame) {
    const { opcode, payload } = (await raw.next())!;
    if (opcode === binaryFrame) told.push(readFrame(payload.slice().buffer).frame);
    else if (opcode === textFrame) {
      const { type, skipped } = JSON.parse(new TextDecoder().decode(payload));
      told.push(`${type} ${skipped}`);
    }
  }
  return told;
}

Deno.test("frames socket: a client that takes nothing holds one frame; it gets all of them, or over live=1 the newest", async () => {
  await using service = await TestService.open({ ringBytes: 6_000_000 });
  const bytes = 400_000, count = 100, systemBytes = 16_000_000; // more than its buffers take, both ends together
  await service.broker.createTopic("cam");
  const paths = ["/video/cam/socket?cursor=latest", "/video/cam/socket?live=1"];
  const stalled = await Promise.all(paths.map((path) => RawSocket.upgrade(service.port, path)));
  for (const raw of stalled) assertEquals((await raw.next())?.opcode, textFrame);
  await publish(service, { count, bytes });
  const { deliveries } = await service.metrics.snapshot();
  assertLess(deliveries * bytes, 2 * (systemBytes + bytes));

  const [all, live] = await Promise.all(stalled.map((raw) => readUntil(raw, `0:${count - 1}`)));
  assertEquals(all, ids(count), "nothing is lost for who is late");
  const skipped = live!.filter((each) => each.startsWith("gap")).map((each) => Number(each.slice(4)));
  const shown = live!.filter((each) => !each.startsWith("gap"));
  assertEquals(shown.length + skipped.reduce((sum, each) => sum + each, 0), count, `${live}`);
  assertGreater(skipped.length, 0);
  assertLess(shown.length * bytes, systemBytes + bytes);
  for (const raw of stalled) raw[Symbol.dispose]();
});

Deno.test("/video/{topic}/events tells of frames without their bytes, as do /streams and a socket of text", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 3 });
  await service.producer.send("cam", { key: null, value: numberedJpeg(3), timestamp: startMs + 500 });
  const stream = "/video/cam/events?cursor=earliest&viewer=me";
  await using sse = await SseClient.open(service.url + stream);
  const last = await sse.first("frame", ({ offset }) => offset === 3);
  const { length } = numberedJpeg(3);
  const facts = { topic: "cam", partition: 0, bytes: length, width: 64, height: 48, source: null };
  const wanted = { ...facts, offset: 3, frame: "0:3", timestamp: startMs + 500, capturedAt: startMs + 500 };
  assertEquals(last, { ...wanted, name: null });
  assertEquals(sse.all("frame").map(({ capturedAt }) => capturedAt)[1], startMs + 39);
  const query = `s=${encodeURIComponent(stream)}`;
  await using several = await SseClient.open(`${service.url}/streams?${query}`);
  assertEquals(await several.first("frame", ({ data }) => data.offset === 3), { stream, data: last });
  await using socket = await WsClient.open(`${service.url}/streams?${query}`);
  const { type, cursor, stream: of, ...data } = await socket.first("the last", ({ offset }) => offset === 3);
  assertEquals([type, of, data], ["frame", stream, last]);
  await using resumed = await SseClient.open(service.url + stream, { lastEventId: cursor });
  assertEquals((await resumed.first("ready")).resume, "exact");
  await using live = await SseClient.open(`${service.url}/video/cam/events?live=1`);
  assertEquals((await live.first("ready")).requested, "latest");
  await service.positions.flush();
  assertEquals(committed(service, "me"), [], "metadata moves no position");
});
