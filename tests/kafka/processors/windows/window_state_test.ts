import { assert, assertEquals, assertThrows } from "@std/assert";
import type { FoldBatch, PaneCount } from "../../../../kafka/processors/windows/types.ts";
import { type TakenState, WindowState } from "../../../../kafka/processors/windows/window_state.ts";
import { paneMsOf, readWindowSize } from "../../../../kafka/windows.ts";

const graceMs = 10_000;
const minute = 60_000;

type Options = Partial<ConstructorParameters<typeof WindowState>[1]> & { readonly sizes?: readonly string[] };

function sizesOf(names: readonly string[]) {
  return names.map((name) => readWindowSize(name)!);
}

function newState({ sizes = ["1m", "5m", "10m"], ...options }: Options = {}): WindowState {
  return new WindowState(sizesOf(sizes), { graceMs, kept: 60, ...options });
}

/** A batch behind `from`, one record long. */
function batchOf(
  counts: Readonly<Record<string, readonly PaneCount[]>>,
  { sizes = ["1m", "5m", "10m"], ...rest }:
    & Partial<Omit<FoldBatch, "sizes">>
    & { readonly sizes?: readonly string[] } = {},
): FoldBatch {
  const from = rest.from ?? 0;
  return {
    v: 1,
    source: 0,
    log: "log",
    from,
    next: from + 1,
    part: 0,
    parts: 1,
    high: 0,
    at: 1,
    paneMs: paneMsOf(sizesOf(sizes)),
    sizes: sizesOf(sizes).map(({ ms }) => ms),
    counts: Object.entries(counts),
    ...rest,
  };
}

/** Finished windows as `size id start/60000 count late`. */
function finishedOf({ finished }: TakenState): string[] {
  return finished.map(({ size, window: { video_uid: id, count, window_start: start, late } }) =>
    `${size.name} ${id} ${start / minute} ${count} ${late}`
  );
}

/** What a state has written, by key. */
class Topic {
  readonly newest = new Map<string, string | null>();

  write({ records }: TakenState): void {
    for (const { key, value } of records) this.newest.set(key, value);
  }

  valueOf(key: string) {
    return JSON.parse(this.newest.get(key) ?? "null");
  }

  restored(options?: Options): WindowState {
    const state = newState(options);
    for (const [key, value] of this.newest) assert(state.load(key, value), key);
    return state;
  }
}

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

Deno.test("WindowState goes on with other sizes: those that stay keep their counts, new ones begin when they are whole", () => {
  const topic = new Topic(), before = newState({ sizes: ["1m", "5m"] });
  before.apply(
    batchOf({ a: [[0, 2], [3, 1], [4, 5]] }, { sizes: ["1m", "5m"], high: 4 * minute + 30_000 }),
    null,
    0,
  );
  assertEquals(finishedOf(before.take()).length, 2);
  topic.write(before.take());
  const again = newState({ sizes: ["1m", "5m"] });
  again.apply(
    batchOf({ a: [[0, 2], [3, 1], [4, 5]] }, { sizes: ["1m", "5m"], high: 4 * minute + 30_000 }),
    null,
    0,
  );
  topic.write(again.take());
  const sizes = ["30s", "2m", "5m"], after = topic.restored({ sizes });
  const moved = after.take(); // what is open is written anew, in half minutes
  topic.write(moved);
  assertEquals(topic.valueOf("oa"), { panes: [[0, 2], [6, 1], [8, 5]] });
  assertEquals(topic.valueOf("m").born, { 30000: 300_000, 120000: 360_000 });
  // A batch of the time before, on its way until now: its minutes are whole in windows of five.
  after.apply(
    batchOf({ a: [[4, 10]] }, { sizes: ["1m", "5m"], from: 1, high: 5 * minute + 59_000 }),
    null,
    1,
  );
  after.apply(batchOf({ a: [[11, 1], [12, 1], [13, 1]] }, { sizes, from: 2, high: 390_000 }), null, 2);
  after.advance(20 * minute);
  assertEquals(finishedOf(after.take()), [
    "5m a 0 18 0",
    "30s a 6 1 0",
    "30s a 6.5 1 0",
    "2m a 6 2 0",
    "5m a 5 3 0",
  ]);
});

Deno.test("WindowState writes that sizes are others, also when nothing is open", () => {
  const topic = new Topic(), before = newState({ sizes: ["1m"] });
  before.apply(batchOf({}, { sizes: ["1m"], high: 1_000 }), null, 0);
  topic.write(before.take());
  topic.write(topic.restored({ sizes: ["1m", "2m"] }).take());
  assertEquals(topic.valueOf("m").born, { 120000: 120_000 });
  assertEquals(topic.restored({ sizes: ["1m", "2m"] }).take().records, []);
});

Deno.test("WindowState publishes no window of a new size that turns out not to be whole", () => {
  const topic = new Topic(), before = newState({ sizes: ["1m"] });
  before.apply(batchOf({ a: [[0, 1]] }, { sizes: ["1m"], high: 1_000 }), null, 0);
  topic.write(before.take());
  const sizes = ["1m", "2m"], after = topic.restored({ sizes });
  after.apply(batchOf({ a: [[2, 1], [4, 1]] }, { sizes, source: 1, high: 250_000 }), -Infinity, 1);
  // Folded before there were windows of two minutes, by who has read no further.
  after.apply(batchOf({ a: [[2, 1]] }, { sizes: ["1m"], from: 1, high: 150_000 }), 250_000, 2);
  after.advance(10 * minute);
  assertEquals(finishedOf(after.take()), ["1m a 0 1 0", "1m a 2 2 0", "1m a 4 1 0", "2m a 4 1 0"]);
});

Deno.test("WindowState keeps what lies ahead of all sources for a size that is new", () => {
  const topic = new Topic(), before = newState({ sizes: ["1m"] });
  before.apply(batchOf({ a: [[0, 1], [200, 7]] }, { sizes: ["1m"], high: 1_000, ahead: 7 }), null, 0);
  topic.write(before.take());
  const after = topic.restored({ sizes: ["1m", "10m"] });
  assertEquals(after.take().records.map(({ key }) => key), ["oa", "m"]);
  after.closeByClock(Date.UTC(2000));
  assertEquals(finishedOf(after.take()), ["1m a 0 1 0", "1m a 200 7 0", "10m a 200 7 0"]);
});

Deno.test("WindowState publishes no window twice that was let go of as fewer were kept", () => {
  const topic = new Topic(), before = newState({ sizes: ["1m"], kept: 2 }), sizes = ["1m"];
  const panes = [0, 1, 2, 3].map((pane) => [pane, 1] as const);
  before.apply(batchOf({ a: panes, b: [[3, 1]] }, { sizes, high: 20 * minute }), null, 0);
  topic.write(before.take());
  assertEquals(topic.valueOf("ca").windows, { 60000: [[120_000, 1, 0], [180_000, 1, 0]] });
  const after = topic.restored({ sizes, kept: 9 });
  after.apply(
    batchOf({ a: [[1, 1], [2, 1], [5, 1]], b: [[2, 1]] }, { sizes, from: 1, high: 0 }),
    null,
    1,
  );
  // Of a's minute 1 nothing is known any more; its minute 5, and b's 2, were never told.
  assertEquals(finishedOf(after.take()), ["1m a 2 1 1", "1m a 5 0 1", "1m b 2 0 1"]);
  assertEquals(after.totals.late, { 60000: 4 });
});

Deno.test("WindowState keeps so many finished windows, and those that the watermark has not passed", () => {
  const topic = new Topic(), state = newState({ sizes: ["1m"], kept: 2 }), sizes = ["1m"];
  const panes = [0, 1, 2, 3].map((pane) => [pane, 1] as const);
  state.apply(batchOf({ a: panes }, { sizes, high: 0 }), null, 0);
  state.closeByClock(20 * minute);
  topic.write(state.take());
  assertEquals(topic.valueOf("ca").windows[60000].length, 4);
  assertEquals(topic.valueOf("ca").windows[60000][0], [0, 1, 0, 1]);
  state.apply(batchOf({ a: [[0, 1]] }, { sizes, from: 1, high: 0 }), null, 1);
  assertEquals(finishedOf(state.take()), ["1m a 0 1 1"]); // not counted again
  state.advance(20 * minute);
  topic.write(state.take());
  assertEquals(topic.valueOf("ca").windows[60000].map(([start]: number[]) => start), [120_000, 180_000]);
  state.apply(batchOf({ a: [[1, 1], [5, 1]] }, { sizes, from: 2, high: 0 }), null, 2);
  topic.write(state.take());
  assertEquals(topic.valueOf("ca").windows[60000].map(([start]: number[]) => start), [180_000, 300_000]);
  assertEquals(topic.valueOf("ca").late, { 60000: 3 });
});

Deno.test("WindowState opens no window again when the grace has grown, and closes at once what is due with less", () => {
  const topic = new Topic(), before = newState({ sizes: ["1m"] }), sizes = ["1m"];
  before.apply(batchOf({ a: [[0, 1], [1, 1], [2, 1]] }, { sizes, high: 130_000 }), null, 0);
  assertEquals(finishedOf(before.take()).length, 2);
  const again = newState({ sizes: ["1m"] });
  again.apply(batchOf({ a: [[0, 1], [1, 1], [2, 1]] }, { sizes, high: 130_000 }), null, 0);
  topic.write(again.take());
  const patient = topic.restored({ sizes, graceMs: 3_600_000 });
  patient.apply(batchOf({ a: [[0, 1]], b: [[0, 1]] }, { sizes, from: 1, high: 140_000 }), null, 1);
  assertEquals(finishedOf(patient.take()), ["1m a 0 1 1", "1m b 0 0 1"]);
  topic.write(patient.take());
  patient.apply(batchOf({ a: [[2, 1]] }, { sizes, from: 2, high: 200_000 }), null, 2);
  topic.write(patient.take());
  assertEquals(finishedOf(topic.restored({ sizes, graceMs: 0 }).take()), ["1m a 2 2 0"]);
});

Deno.test("WindowState forgets the ids that changed least recently, and nothing of them is published twice", () => {
  const topic = new Topic(), sizes = ["1m"], state = newState({ sizes, maxIds: 2 });
  state.apply(batchOf({ a: [[0, 1]], b: [[0, 1]], c: [[0, 1]] }, { sizes, high: 0 }), null, 0);
  state.closeByClock(10 * minute);
  topic.write(state.take());
  assertEquals([...topic.newest.keys()].sort(), ["ca", "cb", "cc", "m"]);
  // They may not be forgotten while the watermark has not passed them: this is late, not the first of its window.
  state.apply(batchOf({ a: [[0, 1]] }, { sizes, from: 1, high: 0 }), null, 1);
  assertEquals(finishedOf(state.take()), ["1m a 0 1 1"]);
  state.advance(10 * minute);
  topic.write(state.take());
  assertEquals(["ca", "cb", "cc"].filter((key) => topic.newest.get(key)).length, 2);
  assertEquals(topic.valueOf("m").forgotten, 60_000);
  const late = batchOf({ a: [[0, 1]], b: [[0, 1]], c: [[0, 1]], d: [[0, 1], [1, 1]] }, {
    sizes,
    from: 2,
    high: 0,
  });
  for (const each of [state, topic.restored({ sizes, maxIds: 2 })]) {
    assertEquals(each.apply(late, null, 2), "counted");
    const told = finishedOf(each.take());
    // Of the one that is forgotten and of d's minute 0 nobody can tell whether there was something.
    assertEquals(told.filter((line) => line.endsWith("1 1") || line.endsWith("1 2")).length, 2, told.join());
    assertEquals(told.length, 3);
    assertEquals(told.at(-1), "1m d 1 0 1");
    assertEquals(each.totals.late, { 60000: 6 });
  }
});

Deno.test("WindowState forgets ids when their finished windows are too many together", () => {
  const topic = new Topic(), sizes = ["1m"], state = newState({ sizes, maxWindows: 4 });
  for (let i = 0; i < 3; i++) {
    const panes = [0, 1].map((pane) => [10 * i + pane, 1] as const);
    state.apply(batchOf({ [`v${i}`]: panes }, { sizes, from: i, high: (10 * i + 5) * minute }), null, i);
    topic.write(state.take());
  }
  assertEquals([topic.newest.get("cv0"), topic.newest.get("ov0") ?? null], [null, null]);
  assertEquals(topic.valueOf("cv1").windows[60000].length, 2);
  assertEquals(topic.valueOf("m").forgotten, 120_000);
});

Deno.test("WindowState closes the oldest windows of an id that has more panes open than a record holds", () => {
  const sizes = ["1m", "2m"], topic = new Topic(), state = newState({ sizes, maxPanes: 3 });
  const panes = [0, 2, 4, 6, 8].map((pane) => [pane, 1] as const);
  state.apply(batchOf({ a: panes.slice(0, 3), b: [[1, 1]] }, { sizes, high: 300_000 }), -Infinity, 0);
  assertEquals(finishedOf(state.take()), []);
  state.apply(batchOf({ a: panes.slice(3) }, { sizes, from: 1, high: 600_000 }), -Infinity, 1);
  const taken = state.take();
  topic.write(taken);
  assertEquals(finishedOf(taken), [
    ...["1m a 0 1 0", "1m b 1 1 0", "1m a 2 1 0"],
    ...["2m a 0 1 0", "2m b 0 1 0", "2m a 2 1 0"],
  ]);
  assertEquals(topic.valueOf("oa").panes.length, 3);
  assertEquals([topic.valueOf("m").frontier, topic.valueOf("m").closedEnd], [null, 240_000]);
  const again = topic.restored({ sizes, maxPanes: 3 });
  again.apply(batchOf({ a: [[0, 1]], c: [[3, 1]] }, { sizes, source: 1, high: 0 }), null, 2);
  assertEquals(finishedOf(again.take()), ["1m a 0 1 1", "2m a 0 1 1", "1m c 3 0 1", "2m c 2 0 1"]);
});

Deno.test("WindowState closes windows for all when too many ids have some that only the clock has closed", () => {
  const topic = new Topic(), sizes = ["1m"], state = newState({ sizes, maxIds: 1 });
  const finished = [0, 1, 2, 3, 4, 5, 6, 0].map((number, from) => {
    state.apply(batchOf({ [`v${number}`]: [[0, 1]] }, { sizes, from, high: 0 }), null, from);
    state.closeByClock(10 * minute);
    const taken = state.take();
    topic.write(taken);
    return finishedOf(taken).join();
  });
  // Times that never move on would keep all of them for ever: with the sixth id the minute is over for everybody.
  assertEquals(finished, [
    "1m v0 0 1 0",
    "1m v1 0 1 0",
    "1m v2 0 1 0",
    "1m v3 0 1 0",
    "1m v4 0 1 0",
    "1m v5 0 1 0",
    "",
    "",
  ]);
  assertEquals(state.totals.late, { 60000: 2 });
  assertEquals([...topic.newest.values()].filter((value) => value !== null).length, 2); // one id, and the meta
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

Deno.test("WindowState.load() passes over what is none of ours, and is over once counting has begun", () => {
  const topic = new Topic(), first = newState();
  first.apply(batchOf({ a: [[0, 1], [7, 2]] }, { high: 7 * minute }), null, 4);
  topic.write(first.take());
  const rubbish: [string, unknown][] = [
    ["", "{}"],
    ["x", null],
    ["o", '{"panes":[]}'],
    ["m", null],
    ["m", "{"],
    ["m", { ...topic.valueOf("m"), paneMs: 0 }],
    ["m", { ...topic.valueOf("m"), position: -1 }],
    ["m", { ...topic.valueOf("m"), sources: { 0: { log: "log", next: 1 } } }],
    ["oa", '{"panes":[[7,2],[7,3]]}'],
    ["oa", '{"panes":[[7,-2]]}'],
    ["oa", '{"panes":[[7,1e300]]}'],
    ["oa", '{"panes":{"length":1e9}}'],
    ["ca", '{"windows":{"60000":[[1,2,3]]},"late":{}}'],
    ["ca", '{"windows":{"1e9":[]},"late":{}}'],
    ["ca", '{"windows":{},"late":{"60000":"1"}}'],
    ["o\u0000", null],
  ];
  const state = newState();
  const records = [...topic.newest].reverse();
  for (const [key, value] of records) assert(state.load(key, value));
  for (const [key, value] of rubbish) {
    assertEquals(state.load(key, value), false, `${key} ${JSON.stringify(value)}`);
  }
  assertEquals(state.position, 5);
  assertEquals(state.take(), { records: [], finished: [] });
  state.advance(20 * minute);
  assertEquals(finishedOf(state.take()), ["1m a 7 2 0", "5m a 5 2 0", "10m a 0 3 0"]);
  assertThrows(() => state.load("oa", null), Error, 'Cannot load "oa" as counting has begun');
  // Without a meta nobody knows what the others mean.
  const bare = newState();
  for (const [key, value] of records) if (key !== "m") assert(bare.load(key, value));
  bare.advance(20 * minute);
  assertEquals(bare.take().finished, []);
});

Deno.test("WindowState.load() takes tombstones, and the last of several records of a key", () => {
  const topic = new Topic(), first = newState();
  first.apply(batchOf({ a: [[0, 1]], b: [[0, 1]] }, { high: 0 }), null, 0);
  topic.write(first.take());
  const state = newState();
  state.load("ca", { windows: { 60000: [[60_000, 1, 0]] }, late: {} });
  state.load("oa", { panes: [[0, 99]] });
  for (const [key, value] of topic.newest) state.load(key, value);
  for (const key of ["ca", "ob", "oz", "cz"]) assert(state.load(key, null));
  state.advance(20 * minute);
  assertEquals(finishedOf(state.take()), ["1m a 0 1 0", "5m a 0 1 0", "10m a 0 1 0"]);
});
