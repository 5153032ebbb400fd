import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { parseCursor } from "../../kafka/cursor.ts";
import { Timeline } from "../../kafka/timeline.ts";
import type { KafkaRecord } from "../../kafka/fetch_response.ts";
import { eventually } from "../eventually.ts";
import { HubGround, numbers, TestClock } from "./hub_ground.ts";
import { HubViewer, placeOf } from "./hub_viewer.ts";

const earliest = { kind: "earliest" } as const;
const hour = 3_600_000;

/** Moves the clock from due time to due time until the viewer has so many records; when each came, ms after the first move. */
async function play(clock: TestClock, viewer: HubViewer, count: number): Promise<number[]> {
  const began = clock.now(), shownAt: number[] = [];
  while (true) {
    await eventually(
      "the replay to sleep",
      () => viewer.texts.length >= count || clock.next < Infinity && clock.next > clock.now(),
      30_000,
      () => [viewer.texts.length, clock.now(), clock.next],
    );
    while (shownAt.length < viewer.texts.length) shownAt.push(clock.now() - began);
    if (viewer.texts.length >= count) return shownAt;
    clock.moveTo(clock.next);
  }
}

function record(timestamp: number, offset = 0): KafkaRecord {
  return { partition: 0, offset, timestamp, key: null, value: null, headers: [] } as unknown as KafkaRecord;
}

/** A topic with a record for each of so many seconds from `first` on. */
async function openSeconds(clock: TestClock, first: number, count: number): Promise<HubGround> {
  const ground = await HubGround.open({ clock });
  await ground.broker.createTopic("t", 1);
  await ground.producer.sendAll(
    "t",
    numbers(count).map((value) => ({ value, timestamp: first + Number(value) * 1_000 })),
  );
  return ground;
}

Deno.test("speed: an hour of records at ×60 takes a minute, without drift, whatever the reads take", async () => {
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock });
  await ground.broker.createTopic("t", 2);
  const first = clock.now() - 2 * hour, times = numbers(121).map((_, n) => n * 30_000);
  const records = times.map((ms, n) => ({ value: String(n), partition: n % 3 % 2, timestamp: first + ms }));
  await ground.producer.sendAll("t", records);
  const viewer = new HubViewer(ground.hub, "t", { start: earliest, speed: 60 });
  const shownAt = await play(clock, viewer, times.length);
  assertEquals(viewer.texts, numbers(121), "partitions are merged by time");
  for (const [n, ms] of times.entries()) assertAlmostEquals(shownAt[n]!, ms / 60, 0.01, `record ${n}`);
  assertEquals(viewer.all("gap"), []);
});

Deno.test("speed: from the end ×1 is live; a slower pace lags from there on", async () => {
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock });
  await ground.broker.createTopic("t", 1);
  const live = new HubViewer(ground.hub, "t", { speed: 1 });
  const half = new HubViewer(ground.hub, "t", { speed: 0.5 });
  await live.event("ready");
  await half.event("ready");
  assertEquals([live.viewer.phase, half.viewer.phase], ["live", "behind"]);
  const began = clock.now();
  await ground.send("t", ["a"], { timestamp: began });
  await half.records(1);
  clock.moveTo(began + 1_000);
  await ground.send("t", ["b"], { timestamp: began + 1_000 });
  await live.records(2);
  await eventually(
    "the replay to sleep",
    () => clock.next === began + 2_000,
    30_000,
    () => clock.next - began,
  );
  assertEquals(half.texts, ["a"]);
  clock.moveTo(began + 2_000);
  await half.records(2);
});

Deno.test("speed: once the timeline has reached the wall clock the viewer is live, and stays so when it lags", async () => {
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock, ringBytes: 20_000 });
  await ground.broker.createTopic("t", 1);
  const began = clock.now();
  for (const n of [0, 1, 2]) await ground.send("t", [String(n)], { timestamp: began - 6_000 + n * 1_000 });
  const viewer = new HubViewer(ground.hub, "t", { start: earliest, speed: 4 });
  assertEquals(await play(clock, viewer, 3), [0, 250, 500]);
  assertEquals(viewer.viewer.phase, "behind");
  // A record that comes before is shown when it is due.
  await ground.send("t", ["3"], { timestamp: clock.now() });
  await eventually("its time", () => clock.next === began + 6_500 / 4, 30_000, () => clock.next - began);
  clock.moveTo(clock.next);
  await viewer.records(4);
  await eventually("its last sleep", () => clock.next === began + 2_000, 30_000, () => clock.next - began);
  clock.moveTo(began + 2_000);
  await eventually("it to be live", () => viewer.viewer.phase === "live");
  viewer.room = 0;
  await ground.producer.sendAll("t", numbers(100, 4).map((value) => ({ value, timestamp: began - 5_000 })));
  viewer.give(Infinity);
  await viewer.records(104);
  viewer.checkWhole([104]);
});

Deno.test("setSpeed() mid-way goes on from where the replay is; null: as fast as it is read", async () => {
  const clock = new TestClock(Date.now());
  const first = clock.now() - hour;
  await using ground = await openSeconds(clock, first, 60);
  const viewer = new HubViewer(ground.hub, "t", { start: earliest, speed: 1 });
  assertEquals(await play(clock, viewer, 3), [0, 1_000, 2_000]);
  await eventually("the replay to sleep", () => clock.next > clock.now() && clock.next < Infinity);
  clock.moveTo(clock.now() + 500);
  viewer.viewer.setSpeed(10);
  await eventually(
    "its new pace",
    () => clock.next === clock.now() + 50,
    30_000,
    () => clock.next - clock.now(),
  );
  assertEquals((await play(clock, viewer, 6)).slice(3), [50, 150, 250]);
  viewer.viewer.setSpeed(null);
  await viewer.records(60);
  await eventually("it to be live", () => viewer.viewer.phase === "live");
  viewer.checkWhole([60]);
  assertEquals(clock.next, Infinity);
});

Deno.test("pause() and resume(): time stands still meanwhile", async () => {
  const clock = new TestClock(Date.now());
  const first = clock.now() - hour;
  await using ground = await openSeconds(clock, first, 10);
  const viewer = new HubViewer(ground.hub, "t", { start: earliest, speed: 1 });
  await play(clock, viewer, 2);
  await eventually("the replay to sleep", () => clock.next > clock.now() && clock.next < Infinity);
  clock.moveTo(clock.now() + 400);
  viewer.room = 0;
  viewer.viewer.pause();
  clock.moveTo(clock.now() + 100_000);
  viewer.room = Infinity;
  viewer.viewer.resume();
  assertEquals((await play(clock, viewer, 5)).slice(2), [600, 1_600, 2_600]);
});

Deno.test("seek mid-way sets a new timeline; the pace stays", async () => {
  const clock = new TestClock(Date.now());
  const first = clock.now() - hour;
  await using ground = await openSeconds(clock, first, 30);
  const viewer = new HubViewer(ground.hub, "t", { start: earliest, speed: 2 });
  await play(clock, viewer, 3);
  viewer.viewer.seek({ kind: "time", ms: first + 20_000 });
  const ready = await viewer.event("ready", 2);
  assertEquals([ready.resume, ready.requested, placeOf(ready.start)], ["fresh", `t.${first + 20_000}`, [20]]);
  assertEquals((await play(clock, viewer, 6)).slice(3), [0, 500, 1_000]);
  assertEquals(viewer.texts.slice(3), ["20", "21", "22"]);
  const rest = new HubViewer(ground.hub, "t", { start: parseCursor(viewer.lastId) });
  await rest.records(7);
  assertEquals(rest.texts[0], "23");
});

Deno.test("records of the future or without a time do not stall a replay", async () => {
  // The broker's clock is ahead: it takes no record of its own future.
  const clock = new TestClock(Date.now() - 400 * 24 * hour);
  await using ground = await HubGround.open({ clock });
  await ground.broker.createTopic("t", 1);
  const now = clock.now(), first = now - 10_000;
  const times = [now + 300 * 24 * hour, first, first + 5_000, first - hour, now + 100 * hour, first + 6_000];
  for (const [n, timestamp] of times.entries()) await ground.send("t", [String(n)], { timestamp });
  const viewer = new HubViewer(ground.hub, "t", { start: earliest, speed: 10 });
  // The first says nothing of the pace; the other one ahead counts as of when it was looked at: 10.5 s of the log.
  assertEquals(await play(clock, viewer, 6), [0, 0, 500, 500, 1_050, 1_050]);

  const timeline = new Timeline(1, clock);
  assertEquals(timeline.due(record(-1)), 0);
  timeline.show(record(-1));
  assertEquals(timeline.due(record(5)), 0, "no record has set it");
  timeline.show(record(now - 500));
  assertEquals(timeline.due(record(-1)), 0);
});

Deno.test("speed and until: paced up to the bound; with nothing left to show it sleeps until the bound's time", async () => {
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock });
  await ground.broker.createTopic("t", 1);
  const began = clock.now();
  for (const n of [0, 1, 2]) await ground.send("t", [String(n)], { timestamp: began - 3_000 + n * 1_000 });
  const past = new HubViewer(ground.hub, "t", {
    start: earliest,
    speed: 10,
    until: { kind: "time", ms: began - 1_000 },
  });
  assertEquals(await play(clock, past, 2), [0, 100]);
  await past.event("end");
  const ms = clock.now() + 60_000;
  const future = new HubViewer(ground.hub, "t", { start: earliest, speed: 10, until: { kind: "time", ms } });
  assertEquals(await play(clock, future, 3), [0, 100, 200]);
  await eventually(
    "the timeline to reach the clock",
    () => {
      if (clock.next < ms) clock.moveTo(clock.next);
      return clock.next === ms;
    },
    30_000,
    () => clock.next - clock.now(),
  );
  await ground.send("t", ["3"], { timestamp: Math.floor(clock.now()) });
  await future.records(4);
  clock.moveTo(ms);
  await future.event("end");
  assertEquals([past.texts, future.texts], [numbers(2), numbers(4)]);
});

Deno.test("replays that sleep hold no turn: any number of them, and others catch up", async () => {
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock, ringBytes: 9_000 });
  await ground.broker.createTopic("t", 2);
  const first = clock.now() - hour;
  await ground.producer.sendAll(
    "t",
    numbers(40).map((value) => ({
      value,
      partition: Number(value) % 2,
      timestamp: first + Number(value) * 60_000,
    })),
  );
  const slow = Array.from(
    { length: 50 },
    () => new HubViewer(ground.hub, "t", { start: earliest, speed: 1 }),
  );
  for (const viewer of slow) await viewer.records(1);
  await eventually("all to sleep", () => clock.timers === 50);
  const fast = new HubViewer(ground.hub, "t", { start: earliest });
  await fast.records(40);
  fast.checkWhole([20, 20]);
  assert(slow.every((viewer) => viewer.texts.length === 1));
  clock.moveTo(clock.now() + 60_000);
  for (const viewer of slow) await viewer.records(2);
  for (const viewer of slow) viewer.viewer.close();
  await eventually("no timer to be left", () => clock.timers === 0);
});
