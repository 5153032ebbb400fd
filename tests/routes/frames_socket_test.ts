import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { plainKafka, SseClient, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { numberedJpeg, numberOf } from "../jpegs.ts";
import { FramesClient, readFrame } from "./frames_client.ts";
import { committed, ids, publish, startMs, watch } from "./frames_ground.ts";
import { binaryFrame, RawSocket, textFrame } from "./raw_socket.ts";
import { position, problem, TestService } from "./test_service.ts";

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

  await using paced = await watch(service, "/video/cam/socket?cursor=earliest&speed=0.01");
  await paced.hears("ready");
  await paced.has(1);
  paced.say({ type: "pause" });
  await paced.heard();
  const { length } = paced.ids();
  assertLess(length, 5); // each but the first one waits for two seconds, the longest pause
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

/** What the system may keep of one connection, both ends together, in bytes: it tunes both while they are used. */
function systemBuffers(): Promise<number> {
  const files = ["tcp_wmem", "tcp_rmem"].map((name) => Deno.readTextFile(`/proc/sys/net/ipv4/${name}`));
  const most = (text: string) => Number(text.trim().split(/\s+/).at(-1));
  return Promise.all(files).then(
    (texts) => texts.map(most).reduce((sum, bytes) => sum + bytes),
    () => 40_000_000,
  );
}

Deno.test("frames socket: a client that takes nothing holds one frame; it gets all of them, or over live=1 the newest", async () => {
  await using service = await TestService.open({ ringBytes: 6_000_000 });
  const bytes = 400_000, systemBytes = await systemBuffers();
  const count = 2 * Math.ceil(systemBytes / bytes); // more than the buffers take
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
