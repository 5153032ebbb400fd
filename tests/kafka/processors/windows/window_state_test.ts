import { assertEquals } from "@std/assert";
import type { PaneCount } from "../../../../kafka/processors/windows/types.ts";
import { batchOf, finishedOf, graceMs, minute, newState, Topic } from "./state_ground.ts";

Deno.test("WindowState closes windows whose end and grace the watermark has reached, and adds late events to them", () => {
  const state = newState();
  state.apply(batchOf({ a: [[0, 3], [1, 2]], b: [[1, 1]] }, { high: 69_999 }), null, 0);
  assertEquals(finishedOf(state.take()), []);
  assertEquals(state.nextDueMs(), 70_000);
  state.apply(batchOf({}, { from: 1, high: 70_000 }), null, 1);
  assertEquals(finishedOf(state.take()), ["1m a 0 3 0"]);
  state.apply(batchOf({ a: [[0, 2]], b: [[0, 4]], c: [[0, 1, 1]] }, { from: 2, high: 70_000 }), null, 2);
  // Late for the minute, in time for the others.
  assertEquals(finishedOf(state.take()), ["1m a 0 3 2", "1m b 0 0 4", "1m c 0 0 1"]);
  state.apply(batchOf({}, { from: 3, high: 610_000 }), null, 3);
  assertEquals(finishedOf(state.take()), [
    ...["1m a 1 2 0", "1m b 1 1 0"],
    ...["5m a 0 7 0", "5m b 0 5 0", "5m c 0 1 0"],
    ...["10m a 0 7 0", "10m b 0 5 0", "10m c 0 1 0"],
  ]);
  assertEquals(state.totals, { counted: 13, late: { 60000: 7 }, wrong: {}, ahead: 0, missed: 0 });
  assertEquals(state.nextDueMs(), null);
});

Deno.test("WindowState takes marked events for late only where the other sources have passed, too", () => {
  const marked = batchOf({ a: [[0, 1, 1], [0, 5]] }, { high: 130_000 });
  for (
    const [othersLowest, wanted] of [[null, ["1m a 0 5 1"]], [70_000, ["1m a 0 5 1"]], [69_999, []]] as const
  ) {
    const state = newState();
    state.apply(marked, othersLowest, 0);
    assertEquals(finishedOf(state.take()), [...wanted], String(othersLowest));
    state.advance(130_000);
    assertEquals(finishedOf(state.take()), othersLowest === 69_999 ? ["1m a 0 6 0"] : []);
  }
  const state = newState();
  state.apply(marked, -Infinity, 0);
  assertEquals(state.frontier, null);
  assertEquals([state.highOf(0), state.highOf(1)], [130_000, null]);
});

Deno.test("WindowState knows how far a source was before it was idle, though its fold has begun again", () => {
  const state = newState({ sizes: ["1m"] }), sizes = ["1m"];
  state.apply(batchOf({}, { sizes, source: 1, high: 65_000 }), -Infinity, 0);
  state.apply(batchOf({}, { sizes, high: 200_000 }), 65_000, 1);
  assertEquals(state.frontier, 65_000); // and then both are idle
  state.apply(batchOf({ a: [[1, 1], [3, 1]] }, { sizes, from: 1, high: 180_001 }), null, 2);
  assertEquals(finishedOf(state.take()), ["1m a 1 0 1"]);
  assertEquals(state.frontier, 200_000);
});

Deno.test("WindowState counts an event once, whatever the clock has closed", () => {
  const state = newState({ sizes: ["1m", "10m"] }), sizes = ["1m", "10m"];
  state.apply(batchOf({ a: [[5, 3]] }, { sizes, high: 5 * minute }), null, 0);
  state.closeByClock(6 * minute + graceMs - 1);
  assertEquals(finishedOf(state.take()), []);
  state.closeByClock(6 * minute + graceMs);
  assertEquals(finishedOf(state.take()), ["1m a 5 3 0"]);
  // Nobody's watermark has moved: others, and what is older, are in time.
  state.apply(
    batchOf({ a: [[5, 1], [4, 1]], b: [[5, 2]] }, { sizes, from: 1, high: 5 * minute }),
    null,
    1,
  );
  assertEquals(finishedOf(state.take()), ["1m a 5 3 1"]);
  state.advance(6 * minute + graceMs);
  assertEquals(finishedOf(state.take()), ["1m a 4 1 0", "1m b 5 2 0"]);
  state.closeByClock(Date.UTC(2100));
  assertEquals(finishedOf(state.take()), ["10m a 0 5 0", "10m b 0 2 0"]);
  assertEquals(state.nextDueMs(), null);
});

Deno.test("WindowState sums sizes that do not nest", () => {
  const state = newState({ sizes: ["2m", "3m"] }), sizes = ["2m", "3m"];
  const panes = [0, 1, 2, 3, 4, 5].map((pane) => [pane, 10 ** pane] as const);
  state.apply(batchOf({ a: panes }, { sizes, high: 5 * minute + graceMs - 1 }), null, 0);
  assertEquals(finishedOf(state.take()), ["2m a 0 11 0", "2m a 2 1100 0", "3m a 0 111 0"].slice(0, 3));
  state.advance(6 * minute + graceMs);
  assertEquals(finishedOf(state.take()), ["2m a 4 110000 0", "3m a 3 111000 0"]);
});

Deno.test("WindowState counts the parts of a batch together, and reads them again when it was interrupted", () => {
  const topic = new Topic(), first = newState();
  const part = (number: number, counts: Record<string, PaneCount[]>) =>
    batchOf(counts, { next: 10, part: number, parts: 2, high: 130_000 });
  const other = batchOf({ c: [[0, 1]] }, { source: 1, high: 200_000 });
  assertEquals(first.apply(part(0, { a: [[0, 1]] }), null, 7), "waiting");
  assertEquals(first.apply(other, -Infinity, 8), "counted");
  assertEquals(first.position, 9);
  topic.write(first.take());
  assertEquals(topic.valueOf("m").position, 7);
  assertEquals(topic.valueOf("oa"), null);
  for (const state of [first, topic.restored()]) {
    if (state !== first) {
      assertEquals(state.apply(part(0, { a: [[0, 1]] }), null, 7), "waiting");
      assertEquals(state.apply(other, -Infinity, 8), "repeated");
    }
    // In time, although the first part had told a time that is far ahead.
    assertEquals(state.apply(part(1, { b: [[0, 2]] }), 200_000, 9), "counted");
    assertEquals(finishedOf(state.take()), ["1m c 0 1 0", "1m a 0 1 0", "1m b 0 2 0"]);
    assertEquals(state.apply(part(1, { b: [[0, 2]] }), 200_000, 10), "repeated");
  }
});

Deno.test("WindowState lets go of parts that wait when its place is set back, and of those that wait for too long", () => {
  const state = newState(), waiting = batchOf({ a: [[0, 1]] }, { parts: 2 });
  state.apply(waiting, null, 20);
  state.position = 0;
  assertEquals(state.position, 0);
  assertEquals(JSON.parse(state.take().records.at(-1)!.value!).position, 0);
  state.position = 30;
  assertEquals(JSON.parse(state.take().records.at(-1)!.value!).position, 30);
  state.apply(waiting, null, 40);
  state.apply({ ...waiting, source: 1 }, null, 20_000);
  assertEquals(JSON.parse(state.take().records.at(-1)!.value!).position, 20_000);
  // A part of another batch of the source does not complete it.
  assertEquals(state.apply({ ...waiting, source: 1, next: 2, part: 1 }, null, 20_001), "counted");
  assertEquals(state.take().records.map(({ key }) => key), ["oa", "m"]);
  assertEquals(state.totals.counted, 1);
});

Deno.test("WindowState begins with a source again when its log is another one, and counts what was lost on the way", () => {
  const state = newState();
  assertEquals(state.apply(batchOf({ a: [[0, 1]] }, { next: 5, high: 1_000 }), null, 0), "counted");
  assertEquals(state.apply(batchOf({ a: [[0, 9]] }, { next: 5, high: 1_000 }), null, 1), "repeated");
  const next = batchOf({ a: [[0, 1]] }, { from: 8, next: 9, high: 500, at: 77, ahead: 2, missed: 1 });
  assertEquals(state.apply(next, null, 2), "counted");
  assertEquals(state.totals, { counted: 2, late: {}, wrong: {}, ahead: 2, missed: 4 });
  assertEquals(state.sourceOf(0), { log: "log", next: 9, high: 1_000, at: 77 });
  const anew = batchOf({ a: [[0, 1]] }, { log: "another", next: 3, high: null, at: 80, wrong: { empty: 3 } });
  assertEquals(state.apply(anew, null, 3), "counted");
  assertEquals(state.sourceOf(0), { log: "another", next: 3, high: null, at: null });
  assertEquals(state.totals, { counted: 3, late: {}, wrong: { empty: 3 }, ahead: 2, missed: 4 });
});

Deno.test("WindowState takes no marks for true that its source's times do not bear out, as where a batch was lost", () => {
  const state = newState({ sizes: ["1m"] }), sizes = ["1m"];
  state.apply(batchOf({ a: [[0, 4]] }, { sizes, high: 59_000 }), null, 0);
  state.apply(batchOf({ a: [[0, 1, 1]] }, { sizes, from: 7, high: 59_500 }), null, 1);
  assertEquals(finishedOf(state.take()), []);
  state.advance(70_000);
  assertEquals(finishedOf(state.take()), ["1m a 0 5 0"]);
});

Deno.test("WindowState is bothered neither by an event of 1970 nor by one of next year", () => {
  const now = Date.UTC(2026, 4, 17, 9, 30), pane = now / minute, nextYear = Date.UTC(2027, 4, 17) / minute;
  const state = newState({ sizes: ["1m"] }), sizes = ["1m"];
  state.apply(batchOf({ a: [[0, 1]] }, { sizes, high: 0 }), null, 0);
  state.apply(batchOf({ a: [[nextYear, 1]] }, { sizes, from: 1, high: null, ahead: 1 }), null, 1);
  state.apply(batchOf({ a: [[pane, 1]] }, { sizes, from: 2, high: now }), null, 2);
  state.apply(batchOf({ a: [[pane + 1, 1]] }, { sizes, from: 3, high: now + 70_000 }), null, 3);
  assertEquals(finishedOf(state.take()), ["1m a 0 1 0", `1m a ${pane} 1 0`]);
  state.closeByClock(now + 130_000);
  assertEquals(finishedOf(state.take()), [`1m a ${pane + 1} 1 0`]);
  assertEquals(state.nextDueMs(), (nextYear + 1) * minute + graceMs);
  state.apply(batchOf({ a: [[1, 1]] }, { sizes, from: 4, high: 60_000 }), null, 4);
  assertEquals(finishedOf(state.take()), ["1m a 1 0 1"]);
});
