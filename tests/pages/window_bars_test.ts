import { assert, assertEquals } from "@std/assert";
import type { VideoData } from "../../routes/aggregations.ts";
import { barsIn, leftOf, pathsOf, topOf } from "../../static/aggregations/bars.js";
import { Video } from "../../static/aggregations/video.js";
import { describe } from "../../static/aggregations/notice.js";
import type { Session } from "../../static/aggregations/session.js";
import type { Frame } from "../../static/shared/frame.js";
import {
  isCatchingUp,
  lastOver,
  leftText,
  lengthsText,
  lengthText,
} from "../../static/aggregations/window_times.js";
import { usualSizes } from "../routes/made_aggregations.ts";

const minuteMs = 60_000, graceMs = 10_000;
/** Ten seconds into a minute, past the grace of the one before. */
const now = Date.UTC(2026, 10, 21, 17, 30, 10);
const thisMinute = now - 10_000;

const noData: VideoData = {
  video_uid: "v",
  title: null,
  aggregations: usualSizes.map(({ name, type }) => ({ size: name, type, late: 0, windows: [], open: null })),
};

function makeVideo(): Video {
  return new Video(noData, { sizes: usualSizes, graceMs, kept: 4 });
}

function take(video: Video, minutesAgo: number, count: number, final: boolean, late = 0): void {
  video.take({ size: "1m", window_start: thisMinute - minutesAgo * minuteMs, count, late, final });
}

const counts = (video: Video, at = now, length = 4) =>
  video.row(0, at, length).bars.map(({ count }) => count);

Deno.test("Video.row() has a bar for each window up to now, zeros between, and the newest final one", () => {
  const video = makeVideo();
  take(video, 3, 7, true);
  take(video, 1, 5, true);
  take(video, 0, 2, false);
  const { bars, last, now: open } = video.row(0, now, 4);
  assertEquals(bars.map(({ count, kind }) => [count, kind]), [
    [7, "final"],
    [0, "none"],
    [5, "final"],
    [2, "open"],
  ]);
  assertEquals([last.count, last.start, open.count], [5, thisMinute - minuteMs, 2]);
});

Deno.test("Video.row() keeps the last count until the next one is final, also when that is overdue", () => {
  const video = makeVideo();
  take(video, 2, 9, true);
  take(video, 1, 5, false);
  const inGrace = now - 1;
  assertEquals(video.row(0, inGrace, 3).last.count, 9);
  assertEquals(video.row(0, inGrace, 3).bars.map(({ kind }) => kind), ["final", "ended", "open"]);
  assertEquals(video.row(0, now + 30_000, 3).last.count, 9, "overdue");
  take(video, 1, 6, true);
  assertEquals(video.row(0, now, 3).last.count, 6);
});

Deno.test("Video.row() says nought for a window that nobody liked in, once its grace is over", () => {
  const video = makeVideo();
  take(video, 2, 9, true);
  assertEquals(video.row(0, now - 1, 3).last.count, 9);
  assertEquals(video.row(0, now, 3).last.count, 0);
});

Deno.test("Video.take() lets nothing from before a window closed change it, and counts what was late", () => {
  const video = makeVideo();
  take(video, 1, 5, true);
  take(video, 1, 3, false);
  assertEquals(counts(video), [0, 0, 5, 0]);
  take(video, 1, 5, true, 2);
  take(video, 1, 5, true, 1);
  const { bars, late } = video.row(0, now, 4);
  assertEquals([bars[2]!.late, late], [2, 2]);
});

Deno.test("Video.update() drops an open window that the service has closed and no longer names", () => {
  const video = makeVideo();
  take(video, 2, 5, false);
  const { aggregations: [minute, ...others] } = noData;
  const named = { type: "1min", video_uid: "v", late: 0, final: true };
  const window = {
    ...named,
    window_start: thisMinute - minuteMs,
    window_end: thisMinute,
    count: 8,
  };
  video.update({
    ...noData,
    title: "V",
    aggregations: [{ ...minute!, late: 3, windows: [window] }, ...others],
  });
  assertEquals(counts(video), [0, 0, 8, 0]);
  assertEquals([video.name, video.row(0, now, 2).late], ["V", 3]);
});

Deno.test("Video.take() keeps no more windows than are wanted", () => {
  const video = makeVideo();
  for (let ago = 100; ago > 0; ago--) take(video, ago, ago, true);
  const kept = video.windows(0, now);
  assert(kept.length < 20, `${kept.length}`);
  assertEquals(kept[0]!.count, 1);
});

Deno.test("Video.hope() shows a like at once, in each size, and does not count it twice when it is counted", () => {
  const video = makeVideo();
  take(video, 0, 4, false);
  const at = video.hope(now);
  video.hope(now);
  assertEquals([0, 1, 2].map((i) => video.row(i, now, 2).now.count), [6, 2, 2]);
  take(video, 0, 5, false);
  assertEquals(video.row(0, now, 2).now.count, 6);
  video.settle(at, now, now);
  take(video, 0, 9, false);
  assertEquals(video.row(0, now, 2).now.count, 9);
  assertEquals([video.given, video.pending], [2, 1]);
});

Deno.test("Video.undo() takes back just the like that was not stored", () => {
  const video = makeVideo();
  take(video, 0, 4, false);
  const first = video.hope(now);
  video.hope(now);
  video.undo(first, "why", now);
  assertEquals(video.row(0, now, 2).now.count, 5);
  assertEquals([video.given, video.refusal], [1, "why"]);
  video.sober(now + 20_000);
  assertEquals(video.refusal, "");
});

Deno.test("Video.settle() moves a like into the window of the time that the service gave it", () => {
  const video = makeVideo();
  const end = thisMinute + minuteMs;
  const at = video.hope(end - 1);
  assertEquals(video.row(0, end - 1, 2).now.count, 1);
  video.settle(at, end + 5, end + 5);
  assertEquals(video.row(0, end + 5, 2).bars.map(({ count }) => count), [0, 1]);
  video.sober(end + 20_000);
  assertEquals(video.row(0, end + 20_000, 2).now.count, 0, "the service never counted it");
});

Deno.test("pathsOf() draws final, waiting and open windows apart, within their place, and marks late ones", () => {
  const bars = [
    { start: 0, count: 10, late: 0, kind: "final" },
    { start: 1, count: 0, late: 2, kind: "none" },
    { start: 2, count: 5, late: 0, kind: "ended" },
    { start: 3, count: 1, late: 0, kind: "open" },
  ] as const;
  const pitch = { pitch: 6, gap: 2 };
  const paths = pathsOf(bars, { width: 40, height: 36, top: topOf(bars), pitch });
  assertEquals(paths.final.match(/M/g)?.length, 2);
  assertEquals([paths.ended, paths.open, paths.late].map((path) => path.match(/M/g)?.length), [1, 1, 1]);
  assertEquals(leftOf(3, 4, 40, pitch) + 4, 40, "the last one ends at the right");
  assertEquals(barsIn(40, pitch), 7);
  assertEquals([1, 10, 11, 61, 999].map((count) => topOf([{ ...bars[0], count }])), [1, 10, 20, 80, 1_000]);
});

Deno.test("windows and lengths in words", () => {
  assertEquals([30_000, 60_000, 600_000, 5_400_000, 7_200_000].map(lengthText), [
    "30 s",
    "1 min",
    "10 min",
    "90 min",
    "2 h",
  ]);
  assertEquals(lengthsText([60_000, 300_000, 600_000]), "1 min, 5 min and 10 min");
  assertEquals([0, 7_001, 61_000, 3_600_000, 86_399_000].map(leftText), [
    "0:00",
    "0:08",
    "1:01",
    "1:00 h",
    "23:59 h",
  ]);
  assertEquals(lastOver(now, minuteMs, graceMs), thisMinute - minuteMs);
  assertEquals(lastOver(now - 1, minuteMs, graceMs), thisMinute - 2 * minuteMs);
});

Deno.test("isCatchingUp() when likes of long before are counted faster than they were given", () => {
  const before = { watermark: now - 3_600_000, at: now };
  assert(isCatchingUp(before, { watermark: now - 1_800_000, at: now + 3_000 }));
  assert(!isCatchingUp(before, { watermark: now - 3_597_000, at: now + 3_000 }), "as fast as the clock");
  assert(!isCatchingUp(before, { watermark: now, at: now + 3_000 }), "of now");
  assert(!isCatchingUp(null, before) && !isCatchingUp({ watermark: null, at: 0 }, before));
});

Deno.test("describe() says how the counting is doing, while the stream is up", () => {
  const session = { phase: "live", pausedAt: 0, connection: { name: "open", since: 0, retryAt: null } };
  const frame = { kafka: { health: "up", since: 0 } } as unknown as Frame;
  const of = (facts: Partial<Session>) => {
    const { kind, title } = describe({ ...session, ...facts } as Session, frame, now);
    return [kind, title];
  };
  const totals = { counted: 0, late: {}, wrong: {}, ahead: 0, missed: 0 };
  const status = { state: "ready", watermark: now - 3_600_000, ids: 0, totals } as const;
  assertEquals(of({ status }), ["live", undefined]);
  assertEquals(of({ status, isCatchingUp: true }), ["behind", "Counting likes of before"]);
  assertEquals(of({ status: { ...status, state: "away" } }), ["away", "Kafka does not answer"]);
  assertEquals(of({ status: { ...status, state: "loading" } }), [
    "behind",
    "What was counted before is being read",
  ]);
  const connecting = { name: "connecting", since: now, retryAt: null } as const;
  assertEquals(of({ status, connection: connecting }), ["loading", undefined]);
  assertEquals(of({ status, connection: connecting, isReopening: true }), ["live", undefined]);
  const slow = { ...connecting, since: now - 2_000 };
  assertEquals(of({ status, connection: slow, isReopening: true }), ["away", "The connection is lost"]);
  assertEquals(of({ status, gap: { missed: 1, at: now } }), ["gap", "1 finished window was passed over"]);
});
