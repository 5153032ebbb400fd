import { assert, assertEquals } from "@std/assert";
import { endCursor, parseCursor } from "../../kafka/cursor.ts";
import { eventually } from "../eventually.ts";
import { HubGround, numbers, TestClock } from "./hub_ground.ts";
import { HubViewer, placeOf, singleWire } from "./hub_viewer.ts";

const earliest = { kind: "earliest" } as const, latest = { kind: "latest" } as const;

/** Fails unless the stream is over, told so under the id of its place. */
function checkEnd(viewer: HubViewer, positions: readonly number[]): void {
  const { event, id, data } = viewer.events.at(-1)!;
  assertEquals([event, id], ["end", endCursor(data.cursor)]);
  assertEquals(placeOf(data.cursor), positions);
  assertEquals([viewer.endReason, viewer.viewer.isClosed], ["done", true]);
}

Deno.test("until=latest: everything there is when the stream begins, nothing that comes later, then end", async () => {
  await using ground = await HubGround.open({ ringBytes: 20_000 });
  await ground.broker.createTopic("t", 3);
  for (const partition of [0, 1, 2]) await ground.send("t", numbers(40 + partition), { partition });
  const viewers = [
    new HubViewer(ground.hub, "t", { start: earliest, until: latest, room: 1 }),
    new HubViewer(ground.hub, "t", { start: earliest, until: latest, room: 1, wire: singleWire }),
  ];
  for (const viewer of viewers) await viewer.event("ready");
  for (const partition of [0, 1, 2]) await ground.send("t", numbers(20, 100), { partition });
  for (const viewer of viewers) {
    viewer.give(Infinity);
    await viewer.event("end");
    viewer.checkWhole([40, 41, 42]);
    checkEnd(viewer, [40, 41, 42]);
  }
  assertEquals(ground.hub.size, 0);
});

Deno.test("until=latest ends at once where there is nothing to read", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 2);
  await ground.broker.createTopic("full", 2);
  await ground.send("full", numbers(5), { partition: 1 });
  for (
    const [topic, start, positions] of [
      ["absent", earliest, [0]],
      ["t", earliest, [0, 0]],
      ["t", latest, [0, 0]],
      ["full", latest, [0, 5]],
    ] as const
  ) {
    const viewer = new HubViewer(ground.hub, topic, { start, until: latest });
    await viewer.event("end");
    assertEquals(viewer.events.map(({ event }) => event), ["ready", "end"], topic);
    checkEnd(viewer, positions);
  }
  const { data: { cursor } } = await endOf(new HubViewer(ground.hub, "full", { until: latest }));
  const again = new HubViewer(ground.hub, "full", {
    start: parseCursor(endCursor(cursor)),
    until: latest,
  });
  await again.event("end");
  assertEquals((await again.event("ready")).resume, "exact");
  assertEquals(again.texts, []);
});

async function endOf(viewer: HubViewer) {
  await viewer.event("end");
  return viewer.events.at(-1)!;
}

Deno.test("until=t.<ms> in the past: up to the first record at or after it, partition by partition", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 3);
  for (const partition of [0, 1]) {
    const records = numbers(50).map((value) => ({
      value,
      partition,
      timestamp: 1_000 + 2 * Number(value) + partition,
    }));
    await ground.producer.sendAll("t", records);
  }
  await ground.send("t", ["a"], { partition: 2, timestamp: 10 });
  const until = { kind: "time", ms: 1_041 } as const;
  const viewer = new HubViewer(ground.hub, "t", { start: { kind: "time", ms: 1_010 }, until });
  await viewer.event("end");
  viewer.checkWhole([21, 20, 1], [5, 5, 1]);
  checkEnd(viewer, [21, 20, 1]);
});

Deno.test("until=t.<ms> in the future: live until the wall clock passes it, and records of a later time are not shown", async () => {
  const clock = new TestClock(Date.now());
  const began = clock.now(), ms = began + 60_000;
  await using ground = await HubGround.open({ clock });
  await ground.broker.createTopic("t", 2);
  await ground.send("t", ["old"], { partition: 0, timestamp: began - 1_000 });
  const viewer = new HubViewer(ground.hub, "t", { start: earliest, until: { kind: "time", ms } });
  await viewer.records(1);
  await ground.send("t", ["new"], { partition: 1, timestamp: began });
  await viewer.records(2);
  await ground.send("t", ["too late", "behind it"], { partition: 0, timestamp: ms });
  await ground.send("t", ["in time"], { partition: 1, timestamp: ms - 1 });
  await viewer.records(3);
  clock.moveTo(ms - 1);
  assert(!viewer.ended);
  clock.moveTo(ms);
  await viewer.event("end");
  assertEquals(viewer.texts, ["old", "new", "in time"]);
  checkEnd(viewer, [1, 2]);
});

Deno.test("any id of a bounded read resumes it: nothing twice, nothing missed, same end", async () => {
  await using ground = await HubGround.open({ ringBytes: 9_000 });
  await ground.broker.createTopic("t", 2);
  await ground.producer.sendAll("t", numbers(30).map((value) => ({ value, partition: Number(value) % 2 })));
  const whole = new HubViewer(ground.hub, "t", { start: earliest, until: latest });
  await whole.event("end");
  assertEquals(whole.texts.length, 30);
  for (const [n, { id }] of whole.events.entries()) {
    const rest = new HubViewer(ground.hub, "t", { start: parseCursor(id!), until: latest });
    await rest.event("end");
    assertEquals((await rest.event("ready")).resume, "exact");
    assertEquals(rest.texts, whole.texts.slice(n));
    checkEnd(rest, [15, 15]);
  }
});

Deno.test("seek in a bounded read keeps its end; behind the end there is nothing left", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 1);
  await ground.send("t", numbers(10));
  const viewer = new HubViewer(ground.hub, "t", { start: earliest, until: latest, room: 1 });
  await viewer.event("ready");
  await ground.send("t", numbers(10, 10));
  viewer.viewer.seek({ kind: "earliest" });
  await viewer.event("ready", 2);
  viewer.give(Infinity);
  await viewer.event("end");
  assertEquals(viewer.texts, numbers(10));
  const late = new HubViewer(ground.hub, "t", { start: earliest, until: latest, room: 1 });
  await late.event("ready");
  await ground.send("t", ["later"]);
  late.viewer.seek({ kind: "latest" });
  await late.event("ready", 2);
  late.give(Infinity);
  await late.event("end");
  assertEquals(late.texts, []);
});

Deno.test("topicMustExist: a topic that is missing, or goes, ends the stream", async () => {
  await using ground = await HubGround.open();
  const missing = new HubViewer(ground.hub, "absent", { topicMustExist: true });
  await eventually("the end", () => missing.endReason === "unknown-topic");
  assertEquals([missing.events, missing.viewer.isClosed], [[], true]);
  const waitsAlready = new HubViewer(ground.hub, "made");
  await waitsAlready.event("ready");
  await ground.broker.createTopic("made", 1);
  const justMade = new HubViewer(ground.hub, "made", { topicMustExist: true });
  await justMade.event("ready");
  for (const each of [waitsAlready, justMade]) each.viewer.close();
  await ground.broker.createTopic("t", 1);
  await ground.send("t", ["a"]);
  const viewer = new HubViewer(ground.hub, "t", { topicMustExist: true, start: earliest });
  const waiting = new HubViewer(ground.hub, "t");
  await viewer.records(1);
  await waiting.event("ready");
  await ground.broker.deleteTopic("t");
  await eventually("the end", () => viewer.endReason === "unknown-topic");
  assertEquals((await waiting.event("ready", 2)).reason, "topic-recreated");
  assertEquals([waiting.ended, ground.hub.size], [false, 1]);
});
