/** The pace of video: an hour of frames that comes as it was recorded, without drift, whatever holds a viewer up; holes; the way from a
 * recording to what is live.
 *
 * Time is the tests' own and only moves when every viewer waits for it. Left out: other paces, pauses and seeks (hub_speed_test.ts).
 * @module */
import { setImmediate } from "node:timers";
import { assert, assertEquals } from "@std/assert";
import { parseCursor, type StartAt } from "../../kafka/cursor.ts";
import type { Wire } from "../../kafka/feed.ts";
import type { OutRecord } from "../../kafka/producer.ts";
import type { Chunk } from "../../kafka/ring.ts";
import type { Sink, Viewer } from "../../kafka/viewer.ts";
import {
  frameFeed,
  framesWire,
  longestPauseMs,
  mjpegWire,
  readFrameMessage,
} from "../../routes/video_feed.ts";
import { numberedJpeg, numberOf } from "../jpegs.ts";
import { Random } from "../random.ts";
import { HubGround, TestClock } from "./hub_ground.ts";

const second = 1_000, minute = 60 * second, hour = 60 * minute;
const frameMs = 40;
/** What becomes due within so long leaves together. */
const shortestSleepMs = 4;
const partitions = 3;
const turnsMs = 60_000, promisesPerTurn = 200, batchRecords = 5_000;

/** Frames of a camera, spread over partitions. */
class Recording {
  readonly #ground: HubGround;
  readonly #random: Random;
  /** ms since the epoch, of each frame. */
  readonly times: number[] = [];

  private constructor(ground: HubGround, random: Random) {
    this.#ground = ground;
    this.#random = random;
  }

  static async open(ground: HubGround, random: Random): Promise<Recording> {
    await ground.broker.createTopic("t", partitions);
    return new Recording(ground, random);
  }

  /** Adds frames of these times, each with its number, to partitions that chance picks. */
  async add(times: readonly number[]): Promise<void> {
    const records: OutRecord[] = times.map((timestamp, i) => ({
      value: numberedJpeg(this.times.length + i, { width: 8, height: 8 }),
      partition: this.#random.between(0, partitions - 1),
      timestamp,
    }));
    this.times.push(...times);
    for (let at = 0; at < records.length; at += batchRecords) {
      await this.#ground.producer.sendAll("t", records.slice(at, at + batchRecords));
    }
  }
}

/** Times of frames that come 25 times a second on average, and never quite so. */
function unevenTimes(from: number, count: number, random: Random): number[] {
  return Array.from({ length: count }, (_, n) => from + n * frameMs + random.between(-19, 20));
}

interface ViewerOptions {
  readonly clock: TestClock;
  /** Default: the earliest frame. */
  readonly start?: StartAt;
  /** Default: messages of frames. */
  readonly wire?: Wire;
  /** How long nothing more is taken after a frame, ms. */
  readonly heldFor?: (number: number) => number;
}

/** A connection that takes frames, and notes when each came. */
class FrameViewer implements Sink {
  readonly transport = "websocket";
  readonly wire: Wire;
  readonly viewer: Viewer;
  /** Numbers of the frames so far, and when each came. */
  readonly numbers: number[] = [];
  readonly shownAt: number[] = [];
  readonly #clock: TestClock;
  readonly #heldFor: (number: number) => number;
  #isHeld = false;

  /** @param ground its topic `t` */
  constructor(
    { hub }: HubGround,
    { clock, start = { kind: "earliest" }, wire = framesWire, heldFor = () => 0 }: ViewerOptions,
  ) {
    this.wire = wire;
    this.#clock = clock;
    this.#heldFor = heldFor;
    this.viewer = hub.follow("t", { start, speed: 1, longestPauseMs, feed: frameFeed, sink: this });
  }

  ready(): boolean {
    return !this.#isHeld;
  }

  write({ binary }: Chunk): void {
    if (!binary) return; // `ready` and the like
    const jpeg = this.wire === framesWire ? readFrameMessage(binary)!.jpeg : pictureOf(binary);
    const number = numberOf(jpeg)!;
    this.numbers.push(number);
    this.shownAt.push(this.#clock.now());
    const heldMs = this.#heldFor(number);
    if (heldMs === 0) return;
    this.#isHeld = true;
    this.#clock.after(heldMs, () => {
      this.#isHeld = false;
      this.viewer.wake();
    });
  }

  end(): void {}

  /** How much later than its place on a line of time each frame came, ms. */
  lateness(times: readonly number[]): number[] {
    const began = this.shownAt[0]! - times[this.numbers[0]!]!;
    return this.numbers.map((number, i) => this.shownAt[i]! - times[number]! - began);
  }

  /** Fails unless it has had every frame once, in the order of their times. */
  checkWhole(count: number, first = 0): void {
    const wrong = this.numbers.findIndex((number, i) => number !== first + i);
    assertEquals(wrong, -1, `frame ${this.numbers[wrong]} came in the place of ${first + wrong}`);
    assertEquals(this.numbers.length, count);
  }
}

/** The picture in a part of an MJPEG answer. */
function pictureOf(part: Uint8Array): Uint8Array {
  const begin = part.findIndex((byte, i) => byte === 0xff && part[i + 1] === 0xd8);
  const length = /Content-Length: (\d+)/.exec(new TextDecoder().decode(part.subarray(0, begin)))?.[1];
  return part.subarray(begin, begin + Number(length));
}

/** Lets what is ready to run run until something holds: mostly promises alone, now and then a read from the broker. */
async function settle(what: string, isSettled: () => boolean): Promise<void> {
  const deadline = performance.now() + turnsMs;
  for (let n = 1; !isSettled(); n++) {
    await null;
    if (n % promisesPerTurn > 0) continue;
    if (performance.now() > deadline) throw new Error(`Timed out waiting for ${what} after ${turnsMs} ms`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Moves the clock from one due time to the next until all have so many frames; it stands while any of them is being fed. */
async function play(clock: TestClock, viewers: readonly FrameViewer[], count: number): Promise<void> {
  const isThrough = () => viewers.every(({ numbers }) => numbers.length >= count);
  const allWait = () => clock.timers === viewers.length;
  while (true) {
    await settle(`all ${viewers.length} viewers to wait`, () => isThrough() || allWait());
    if (isThrough()) return;
    clock.moveTo(clock.next);
  }
}

function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
}

Deno.test("pace: an hour at 25 fps takes an hour, every frame once and when it is due, whoever is held up meanwhile", async () => {
  const random = new Random("pace");
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock });
  const recording = await Recording.open(ground, random);
  const framesPerHold = 10 * 25, count = 360 * framesPerHold;
  await recording.add(unevenTimes(clock.now() - 2 * hour, count, random));
  const free = new FrameViewer(ground, { clock, wire: mjpegWire });
  // Every ten seconds something is in its way, and never for so long that the pace begins anew.
  const holdMs = Array.from({ length: 360 }, () => random.between(0, longestPauseMs - 2 * frameMs));
  const heldUp = new FrameViewer(ground, {
    clock,
    heldFor: (number) => number % framesPerHold === 100 ? holdMs[Math.floor(number / framesPerHold)]! : 0,
  });
  await play(clock, [free, heldUp], count);
  for (const viewer of [free, heldUp]) {
    viewer.checkWhole(count);
    assert(viewer.lateness(recording.times).every((ms) => ms >= 0), "no frame comes early");
  }
  const worst = largest(free.lateness(recording.times));
  assert(worst <= shortestSleepMs, `a frame came ${worst} ms late`);
  const late = heldUp.lateness(recording.times);
  assert(largest(late) > second, "it was held up");
  assert(largest(late.slice(-25)) < frameMs, `at the end it was ${largest(late.slice(-25))} ms late`);
});

Deno.test("pace: a hole of a recording is not waited for longer than the longest pause, and no frame is lost around it", async () => {
  const random = new Random("pace over holes");
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock });
  const recording = await Recording.open(ground, random);
  const first = clock.now() - 3 * hour, holes = [second, 10 * second, 3 * minute, hour];
  let from = first;
  for (const hole of [...holes, 0]) {
    await recording.add(unevenTimes(from, 100, random));
    from = recording.times.at(-1)! + hole;
  }
  const { times } = recording;
  const viewer = new FrameViewer(ground, { clock });
  await play(clock, [viewer], times.length);
  viewer.checkWhole(times.length);
  const between = (all: readonly number[]) => all.slice(1).map((ms, n) => ms - all[n]!);
  const wanted = between(times).map((ms) => Math.min(ms, longestPauseMs));
  const off = between(viewer.shownAt).map((ms, n) => ms - wanted[n]!);
  assert(largest(off) <= shortestSleepMs, `a frame came ${largest(off)} ms off`);
  const length = wanted.reduce((sum, ms) => sum + ms, 0);
  const drift = viewer.shownAt.at(-1)! - viewer.shownAt[0]! - length;
  assert(Math.abs(drift) < frameMs, `after ${holes.length} holes it was ${drift} ms off`);
});

Deno.test("pace: who comes to the end of a recording waits there, and is live with the first new frame", async () => {
  const random = new Random("pace to the end");
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock });
  const recording = await Recording.open(ground, random);
  await recording.add(unevenTimes(clock.now() - hour, 100, random));
  const viewers = [framesWire, mjpegWire].map((wire) => new FrameViewer(ground, { clock, wire }));
  await play(clock, viewers, 100);
  await settle("both to wait", () => clock.timers === viewers.length);
  clock.moveTo(clock.now() + 10 * minute);
  await recording.add([clock.now() - 30]);
  await settle("both to be live", () => viewers.every(({ viewer }) => viewer.phase === "live"));
  await followLive(clock, recording, viewers);
  for (const viewer of viewers) viewer.checkWhole(recording.times.length);
});

Deno.test("pace: who starts at the end is fed live, whatever the times of the frames", async () => {
  const random = new Random("pace from the end");
  const clock = new TestClock(Date.now());
  await using ground = await HubGround.open({ clock });
  const recording = await Recording.open(ground, random);
  const first = new FrameViewer(ground, { clock });
  await settle("it to be live", () => first.viewer.phase === "live");
  await followLive(clock, recording, [first]);
  const before = recording.times.length;
  const last = parseCursor(first.viewer.passedId!);
  const others = [{ start: { kind: "latest" } }, { start: last }, { start: last, wire: mjpegWire }] as const;
  const viewers = others.map((options) => new FrameViewer(ground, { clock, ...options }));
  await settle("all to be live", () => viewers.every(({ viewer }) => viewer.phase === "live"));
  await followLive(clock, recording, [first, ...viewers]);
  first.checkWhole(recording.times.length);
  for (const viewer of viewers) viewer.checkWhole(recording.times.length - before, before);
});

/** Adds frames that are late, or whose clock is wrong, and fails unless each is shown while time stands still. */
async function followLive(
  clock: TestClock,
  recording: Recording,
  viewers: readonly FrameViewer[],
): Promise<void> {
  const seen = viewers.map(({ numbers }) => numbers.length);
  const lateMs = [0, 35, -20, 3 * second, 500, -minute, 0, hour];
  for (const [n, late] of lateMs.entries()) {
    clock.moveTo(clock.now() + frameMs);
    await recording.add([clock.now() - late]);
    await settle(
      `frame ${n} of ${late} ms`,
      () => viewers.every(({ numbers }, i) => numbers.length === seen[i]! + n + 1),
    );
  }
  assertEquals(clock.timers, 0);
}
