import { assert, assertEquals, assertLess, assertNotEquals } from "@std/assert";
import { requestTimeoutMs } from "../../kafka/connection.ts";
import { parseCursor } from "../../kafka/cursor.ts";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { fetchApi, fetchWaitMs, type Frame, type Verdict } from "./broker_proxy.ts";
import { HubGround, numbers } from "./hub_ground.ts";
import { HubViewer, placeOf, singleWire } from "./hub_viewer.ts";
import { connect, TestBroker } from "./test_broker.ts";

Deno.test("Hub.follow() from the end: ready with its place, then each record once, under ids that resume", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 2);
  await ground.send("t", ["old"], { partition: 0 });
  const viewer = new HubViewer(ground.hub, "t"), other = new HubViewer(ground.hub, "t");
  const ready = await viewer.event("ready");
  assertEquals(
    [ready.resume, ready.reason, ready.requested, ready.skipped],
    ["fresh", null, "latest", 0],
  );
  assertEquals(placeOf(ready.start), [1, 0]);
  assertEquals(viewer.events[0]!.id, ready.start);
  assert(Math.abs(ready.serverTime - Date.now()) < 60_000);
  await other.event("ready");

  await ground.send("t", ["a", "b"], { partition: 1 });
  await ground.send("t", ["c"], { partition: 0 });
  await viewer.records(3);
  await other.records(3);
  assertEquals(viewer.texts, ["a", "b", "c"]);
  assertEquals(other.events.slice(1), viewer.events.slice(1));
  assertEquals(viewer.events.slice(1).map(({ id }) => placeOf(id!)), [[1, 1], [1, 2], [2, 2]]);

  for (const [n, { id }] of viewer.events.entries()) {
    const resumed = new HubViewer(ground.hub, "t", { start: parseCursor(id!) });
    assertEquals((await resumed.event("ready")).resume, "exact");
    await resumed.records(3 - n);
    assertEquals(resumed.texts, ["a", "b", "c"].slice(n));
    resumed.viewer.close();
  }
  assertEquals(ground.hub.size, 2);
});

Deno.test("Hub.follow() from earliest and from a time reads the past from Kafka, then goes on live", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 3);
  for (const partition of [0, 1, 2]) {
    const records = numbers(50).map((value) => ({ value, partition, timestamp: 1_000 + Number(value) }));
    await ground.producer.sendAll("t", records);
  }
  const all = new HubViewer(ground.hub, "t", { start: { kind: "earliest" } });
  const half = new HubViewer(ground.hub, "t", { start: { kind: "time", ms: 1_025 } });
  const none = new HubViewer(ground.hub, "t", { start: { kind: "time", ms: 9_999 } });
  await all.records(150);
  await half.records(75);
  assertEquals(placeOf((await none.event("ready")).start), [50, 50, 50]);
  assertEquals((await half.event("ready")).requested, "t.1025");
  const times = all.texts.map(Number);
  assertEquals(times, times.toSorted((a, b) => a - b), "pages are merged by time");
  for (const partition of [2, 1, 0]) await ground.send("t", ["50"], { partition });
  for (const [viewer, count] of [[all, 153], [half, 78], [none, 3]] as const) await viewer.records(count);
  all.checkWhole([51, 51, 51]);
  half.checkWhole([51, 51, 51], [25, 25, 25]);
  none.checkWhole([51, 51, 51], [50, 50, 50]);
  assertEquals(placeOf(all.lastId), [51, 51, 51]);
});

Deno.test("a viewer that is ahead of the hub's reader gets nothing twice", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 2);
  const first = new HubViewer(ground.hub, "t");
  await first.event("ready");
  // The reader's answers wait, as if it lagged: everything else is answered.
  const released = Promise.withResolvers<void>();
  ground.proxy.onRequest = async (frame): Promise<Verdict> => {
    if (frame.api === fetchApi && fetchWaitMs(frame) > 0) await released.promise;
    return "pass";
  };
  const waiting = ground.proxy.count(fetchApi);
  await eventually("the reader to be held", () => ground.proxy.count(fetchApi) > waiting);
  await ground.send("t", numbers(5), { partition: 0 });
  await ground.send("t", numbers(5), { partition: 1 });
  const cluster = first.lastId.split(".")[1];
  // Another instance has delivered three of the five to this viewer already.
  const ahead = new HubViewer(ground.hub, "t", { start: parseCursor(`v1.${cluster}.0:2,1:-1`) });
  assertEquals((await ahead.event("ready")).resume, "exact");
  const late = new HubViewer(ground.hub, "t", { start: { kind: "time", ms: Date.now() + 60_000 } });
  await late.event("ready");
  released.resolve();
  await first.records(10);
  await ground.send("t", ["5"], { partition: 0 });
  await ground.send("t", ["5"], { partition: 1 });
  for (const [viewer, count] of [[first, 12], [ahead, 9], [late, 2]] as const) await viewer.records(count);
  first.checkWhole([6, 6]);
  ahead.checkWhole([6, 6], [3, 0]);
  late.checkWhole([6, 6], [5, 5]);
  for (const viewer of [first, ahead, late]) assertEquals(placeOf(viewer.lastId), [6, 6]);
});

Deno.test("viewers slower than the ring fall behind, are served from Kafka and lose nothing", async () => {
  await using ground = await HubGround.open({ ringBytes: 110_000 }); // some 70 records
  await ground.broker.createTopic("t", 3);
  const fast = new HubViewer(ground.hub, "t");
  const slow = new HubViewer(ground.hub, "t", { room: 1 });
  const stalled = new HubViewer(ground.hub, "t", { room: 0 });
  const single = new HubViewer(ground.hub, "t", { room: 20, wire: singleWire });
  for (const viewer of [fast, slow, stalled, single]) await viewer.event("ready");
  for (let n = 0; n < 1_500; n += 100) {
    await ground.producer.sendAll("t", numbers(100, n).map((value) => ({ key: value, value })));
    if (n % 300 === 0) slow.give(1);
    if (n % 500 === 0) single.give(20);
  }
  await fast.records(1_500);
  assert(stalled.texts.length === 0 && slow.texts.length < 1_500 && single.texts.length < 1_500);
  const ends = placeOf(fast.lastId);
  fast.checkWhole(ends);
  for (const viewer of [slow, stalled, single]) {
    viewer.give(Infinity);
    await viewer.records(1_500);
    viewer.checkWhole(ends);
    assertEquals(placeOf(viewer.lastId), ends);
    assertEquals(viewer.all("gap"), []);
  }
});

Deno.test("above 16 partitions a viewer of single events falls behind and gets nothing twice", async () => {
  await using ground = await HubGround.open({ ringBytes: 75_000 });
  await ground.broker.createTopic("t", 20);
  const viewer = new HubViewer(ground.hub, "t", { wire: singleWire, room: 10 });
  await viewer.event("ready");
  for (let round = 0; round < 20; round++) {
    const records = numbers(40, round * 40).map((value) => ({ value, partition: Number(value) % 20 }));
    await ground.producer.sendAll("t", records);
    viewer.give(7);
  }
  viewer.give(Infinity);
  await viewer.records(800);
  viewer.checkWhole(Array.from({ length: 20 }, () => 40));
});

Deno.test("a viewer is told what retention removed: at its start, and while it was behind", async () => {
  await using ground = await HubGround.open({ ringBytes: 18_000 });
  await ground.broker.createTopic("t", 1, { "retention.bytes": "2000" });
  const stalled = new HubViewer(ground.hub, "t", { room: 1 }); // takes `ready` only
  const { start } = await stalled.event("ready");
  for (let n = 0; n < 40; n++) await ground.send("t", [String(n).padEnd(100)]);
  await ground.broker.broker.sweep();
  const resumed = new HubViewer(ground.hub, "t", { start: parseCursor(start) });
  const ready = await resumed.event("ready");
  assertEquals([ready.resume, ready.reason, ready.requested], ["gap", "retention", start]);
  const [gap] = resumed.all("gap");
  assertEquals(gap, {
    partition: 0,
    from: 0,
    to: ready.skipped,
    skipped: ready.skipped,
    reason: "retention",
  });
  assert(ready.skipped > 20 && ready.skipped < 40, `${ready.skipped}`);
  assertEquals(placeOf(ready.start), [ready.skipped]);
  await resumed.records(40 - ready.skipped);
  resumed.checkWhole([40], [ready.skipped]);

  stalled.give(Infinity);
  await stalled.records(40 - ready.skipped);
  stalled.checkWhole([40], [ready.skipped]);
  assertEquals(stalled.all("gap"), [gap]);
  assertEquals(stalled.events.map(({ event }) => event).slice(0, 2), ["ready", "gap"]);
});

Deno.test("a batch that cannot be read is a gap, for live viewers and from the past", async () => {
  await using ground = await HubGround.open({ ringBytes: 3_600 }); // two records
  await ground.broker.createTopic("t");
  ground.proxy.onAnswer = ({ api, bytes }) => api === fetchApi ? claimGzip(bytes, "poison") : "pass";
  const live = new HubViewer(ground.hub, "t");
  await live.event("ready");
  for (const text of ["a", "b", "poison", "c", "poison", "d", "e", "f"]) await ground.send("t", [text]);
  await live.records(6);
  const late = new HubViewer(ground.hub, "t", { start: { kind: "earliest" } });
  await late.records(6);
  for (const viewer of [live, late]) {
    assertEquals(viewer.texts, ["a", "b", "c", "d", "e", "f"]);
    assertEquals(viewer.all("gap"), [
      { partition: 0, from: 2, to: 3, skipped: 1, reason: "unreadable" },
      { partition: 0, from: 4, to: 5, skipped: 1, reason: "unreadable" },
    ]);
    const inOrder = viewer.events.map(({ event }) => event).slice(0, 9);
    const expected = ["ready", "record", "record", "gap", "record", "gap", "record", "record", "record"];
    assertEquals(inOrder, expected);
  }
});

/** Lets each batch whose only record has this value claim that it is compressed. */
function claimGzip(bytes: Uint8Array, value: string): Uint8Array {
  const text = new TextDecoder("latin1").decode(bytes);
  // Six bytes of the record and the 61 of the batch's header stand before it; the codec is in the attributes' second byte.
  for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) bytes[at - 67 + 22]! |= 1;
  return bytes;
}

Deno.test("the hub's reader meets a gap: live viewers are told in its place", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 1, { "retention.bytes": "2000" });
  const viewer = new HubViewer(ground.hub, "t");
  await viewer.event("ready");
  await ground.proxy.stop();
  await viewer.event("status");
  for (let n = 0; n < 40; n++) await ground.send("t", [String(n).padEnd(100)]);
  await ground.broker.broker.sweep();
  ground.proxy.start();
  const gap = await viewer.event("gap");
  assertEquals([gap.partition, gap.from, gap.reason], [0, 0, "retention"]);
  await viewer.records(40 - gap.to);
  viewer.checkWhole([40], [gap.to]);
  assertEquals(viewer.all("status"), [{ kafka: "down" }, { kafka: "up" }]);
});

Deno.test("Kafka goes and comes back: viewers get status, then the rest; a new viewer waits for it", async () => {
  await using ground = await HubGround.open({ ringBytes: 11_000 });
  await ground.broker.createTopic("t", 1);
  const viewer = new HubViewer(ground.hub, "t", { room: 1 });
  await viewer.event("ready");
  await ground.send("t", numbers(50));
  await ground.proxy.stop();
  const late = new HubViewer(ground.hub, "t", { start: { kind: "earliest" } });
  assertEquals(await late.event("status"), { kafka: "down" });
  viewer.give(Infinity);
  await ground.send("t", numbers(50, 50));
  ground.proxy.start();
  assertEquals(await late.event("status", 2), { kafka: "up" });
  for (const each of [viewer, late]) {
    await each.records(100);
    each.checkWhole([100]);
  }
  assertEquals((await late.event("ready")).resume, "fresh");
});

Deno.test("a topic that is not there: ready at once, and its first record as soon as it is made", async () => {
  await using ground = await HubGround.open();
  const viewer = new HubViewer(ground.hub, "t", { start: { kind: "earliest" } });
  const ready = await viewer.event("ready");
  assertEquals([ready.resume, placeOf(ready.start)], ["fresh", [0]]);
  await ground.send("t", ["first"]);
  await viewer.records(1);
  assertEquals(viewer.texts, ["first"]);
  const resumed = new HubViewer(ground.hub, "t", { start: parseCursor(ready.start) });
  assertEquals((await resumed.event("ready")).resume, "exact");
  await resumed.records(1);
});

Deno.test("a topic made anew: viewers are told a reset and read it from its beginning", async () => {
  await using ground = await HubGround.open({ ringBytes: 11_000 });
  await ground.broker.createTopic("t", 1);
  await ground.send("t", numbers(60));
  const live = new HubViewer(ground.hub, "t");
  const behind = new HubViewer(ground.hub, "t", { start: { kind: "earliest" }, room: 2 });
  await live.event("ready");
  await behind.event("ready");
  const before = live.lastId;
  await ground.broker.deleteTopic("t");
  await ground.broker.createTopic("t", 1);
  await ground.send("t", ["new 0", "new 1"]);
  const reset = await live.event("ready", 2);
  assertEquals([reset.resume, reset.reason, reset.requested], ["reset", "topic-recreated", before]);
  assertEquals(placeOf(reset.start), [0]);
  await live.records(2);
  assertEquals(live.texts, ["new 0", "new 1"]);
  behind.give(Infinity);
  await eventually("the new records", () => behind.texts.at(-1) === "new 1");
  assertEquals(behind.texts.slice(-2), ["new 0", "new 1"]);
  const foreign = new HubViewer(ground.hub, "t", { start: parseCursor(before) });
  assertEquals((await foreign.event("ready")).reason, "ahead-of-log");
});

Deno.test("another cluster without the topic: viewers are reset, and wait for it there", async () => {
  await using other = await TestBroker.open();
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 1);
  await ground.send("t", numbers(3));
  const viewer = new HubViewer(ground.hub, "t");
  const { start } = await viewer.event("ready");
  await ground.proxy.stop();
  ground.proxy.target = { hostname: "127.0.0.1", port: other.broker.port };
  ground.proxy.start();
  const ready = await viewer.event("ready", 2);
  assertEquals([ready.resume, placeOf(ready.start)], ["reset", [0]]);
  assertNotEquals(ready.start.split(".")[1], start.split(".")[1], "ids of another cluster");
  await using kafka = connect(other.bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  await producer.send("t", { value: "there" });
  await viewer.records(1);
  assertEquals(viewer.texts, ["there"]);
});

Deno.test("pick lets through only what it likes, live and from the past, and the place moves on", async () => {
  await using ground = await HubGround.open({ ringBytes: 11_000 });
  await ground.broker.createTopic("t", 1);
  await ground.send("t", numbers(50));
  const pick = ({ text }: { text: string }) => text.endsWith("7");
  const viewer = new HubViewer(ground.hub, "t", { start: { kind: "earliest" }, pick });
  await viewer.records(5);
  await ground.send("t", numbers(58, 50));
  await viewer.records(11);
  assertEquals(viewer.texts.slice(-2), ["97", "107"]);
  await eventually("the place to move on", () => placeOf(viewer.viewer.lastId ?? viewer.lastId)[0] === 108);
});

Deno.test("records that a feed does not show end nobody's stream and are counted", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 1);
  const viewer = new HubViewer(ground.hub, "t");
  await viewer.event("ready");
  await ground.send("t", ["a", "junk", "b", "junk"]);
  await viewer.records(2);
  assertEquals(viewer.texts, ["a", "b"]);
  assertEquals(placeOf(viewer.viewer.lastId!), [4]);
  const text = await ground.metrics.text();
  assert(/^tailrace_\w*undecodable\w*\{topic="t"\} 2$/m.test(text), text);
  assert(/^tailrace_\w*deliveries\w*\{transport="sse"\} 2$/m.test(text), text);
});

Deno.test("one reader serves all viewers of a topic, and goes on for those who come back soon", async () => {
  await using ground = await HubGround.open({ lingerMs: 60_000 });
  await ground.broker.createTopic("t", 1);
  let waiting = 0, most = 0;
  const isReaders = (frame: Frame) => frame.api === fetchApi && fetchWaitMs(frame) > 0;
  ground.proxy.onRequest = (frame) => {
    if (isReaders(frame)) most = Math.max(most, ++waiting);
    return "pass";
  };
  ground.proxy.onAnswer = ({ request }) => {
    if (isReaders(request!)) waiting--;
    return "pass";
  };
  for (let n = 0; n < 20; n++) {
    const viewer = new HubViewer(ground.hub, "t");
    await viewer.event("ready");
    viewer.viewer.close();
  }
  assertEquals(ground.hub.size, 0);
  const viewer = new HubViewer(ground.hub, "t");
  await viewer.event("ready");
  await ground.send("t", ["a"]);
  await viewer.records(1);
  assertEquals(most, 1, "fetches that wait at the broker at the same time");
  assert(ground.proxy.connections <= 3, `${ground.proxy.connections}: a reader has one of its own`);
});

Deno.test("topics that nobody views any more are left: after lingerMs, and when there are many", async () => {
  await using ground = await HubGround.open({ lingerMs: 50 });
  const viewer = new HubViewer(ground.hub, "absent");
  await viewer.event("ready");
  viewer.viewer.close();
  await eventually("the reader to stop", () => ground.hub.topics === 0);

  await using many = await HubGround.open({ lingerMs: 60_000 });
  for (let n = 0; n < 60; n++) {
    const passing = new HubViewer(many.hub, `absent-${n}`);
    passing.viewer.close();
  }
  assert(many.hub.topics <= 32, `${many.hub.topics} topics are read`);
});

Deno.test("Hub.drain() tells bye and ends every stream; disposing leaves nothing running", async () => {
  await using ground = await HubGround.open();
  const live = new HubViewer(ground.hub, "a"), opening = new HubViewer(ground.hub, "b");
  await live.event("ready");
  ground.hub.drain();
  assert(ground.hub.isDraining && live.ended && opening.ended);
  assertEquals([live.events.at(-1)!.event, live.events.at(-1)!.data], ["bye", { reason: "draining" }]);
  assertEquals(ground.hub.size, 0);
});

Deno.test("Hub can be disposed at any moment of a viewer's life", async () => {
  for (const step of ["opening", "behind", "away"]) {
    await using ground = await HubGround.open({ ringBytes: 3_600 });
    await ground.broker.createTopic("t", 1);
    await ground.send("t", numbers(500));
    if (step === "away") ground.proxy.onAnswer = () => "drop"; // Kafka takes requests and says nothing
    const viewer = new HubViewer(ground.hub, "t", { start: { kind: "earliest" }, room: 3 });
    if (step === "behind") await eventually("its first records", () => viewer.texts.length > 0);
    const began = performance.now();
    await ground.hub[Symbol.asyncDispose]();
    assertLess(performance.now() - began, requestTimeoutMs / 2, step);
    assert(viewer.ended);
  }
});
