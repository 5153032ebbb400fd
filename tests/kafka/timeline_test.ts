import { assertEquals } from "@std/assert";
import type { KafkaRecord } from "../../kafka/fetch_response.ts";
import { Timeline } from "../../kafka/timeline.ts";

const started = 1_700_000_000_000;

/** A timeline with a pause of 2 s at most, and what shows its records: each when it is due. */
function open(speed = 1) {
  let now = started, offset = 0;
  const clock = { now: () => now, after: () => () => {} };
  const timeline = new Timeline(speed, clock, 2_000);
  /** Shows a record of this time when it is due, or later.
   * @returns ms since the start */
  const show = (timestamp: number, lateMs = 0): number => {
    const record = { partition: 0, offset: offset++, timestamp } as unknown as KafkaRecord;
    now = Math.max(now, timeline.due(record)) + lateMs;
    timeline.show(record);
    return now - started;
  };
  return { timeline, show, wait: (ms: number) => void (now += ms) };
}

/** So long before the clock's start. */
const ago = (ms: number) => started - ms;

Deno.test("Timeline: a hole is waited for up to the longest pause, and the pace begins anew behind it", () => {
  const { show } = open();
  const shown = [600_000, 599_960, 599_920, 300_000, 299_960, 299_920].map((ms) => show(ago(ms)));
  assertEquals(shown, [0, 40, 80, 2_080, 2_120, 2_160]);
});

Deno.test("Timeline: a short hole is kept as it was, at any speed", () => {
  const { show } = open(2);
  assertEquals([100_000, 98_500, 98_460].map((ms) => show(ago(ms))), [0, 750, 770]);
});

Deno.test("Timeline: times that jump back begin the pace anew, at once", () => {
  const { show } = open();
  const shown = [10_000, 9_960, 500_000, 499_960, 499_920].map((ms) => show(ago(ms)));
  assertEquals(shown, [0, 40, 40, 80, 120]);
});

Deno.test("Timeline: who could not take frames for long goes on in pace, who was held up for a moment catches up", () => {
  const { show } = open();
  assertEquals([show(ago(60_000)), show(ago(59_960), 1_000), show(ago(59_920)), show(ago(58_900))], [
    0,
    1_040,
    1_040,
    1_100,
  ]);
  assertEquals([show(ago(58_860), 5_000), show(ago(58_820)), show(ago(58_780))], [6_140, 6_180, 6_220]);
});

Deno.test("Timeline: what is recorded hours after the last frame was shown is shown at once, and is live then", () => {
  const { timeline, show, wait } = open();
  show(ago(7_200_000));
  assertEquals(timeline.reachesNowAt, Infinity);
  wait(600_000);
  assertEquals(show(started + 599_900), 600_000);
  assertEquals(timeline.reachesNowAt, 0);
});

Deno.test("Timeline: a pause of the viewer is no hole", () => {
  const { timeline, show, wait } = open();
  assertEquals([show(ago(60_000)), show(ago(59_960))], [0, 40]);
  timeline.freeze();
  wait(10_000);
  timeline.thaw();
  assertEquals([show(ago(59_920)), show(ago(59_880))], [10_080, 10_120]);
});

Deno.test("Timeline: without a longest pause a hole is waited for", () => {
  const timeline = new Timeline(1, { now: () => started, after: () => () => {} });
  const record = (timestamp: number, offset: number) =>
    ({ partition: 0, offset, timestamp }) as unknown as KafkaRecord;
  timeline.show(record(ago(600_000), 0));
  assertEquals(timeline.due(record(ago(300_000), 1)), started + 300_000);
});
