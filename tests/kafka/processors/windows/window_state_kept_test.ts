import { assert, assertEquals, assertThrows } from "@std/assert";
import { batchOf, finishedOf, minute, newState, Topic } from "./state_ground.ts";

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

Deno.test("WindowState keeps no more windows that only the clock has closed than a record holds", () => {
  const sizes = ["1m"], topic = new Topic(), state = newState({ sizes, kept: 5 });
  const panes = Array.from({ length: 2_010 }, (_, pane) => [pane, 1] as const);
  state.apply(batchOf({ a: panes }, { sizes, high: 0 }), null, 0);
  state.closeByClock(Date.UTC(2000));
  const taken = state.take();
  topic.write(taken);
  assertEquals(taken.finished.length, 2_010);
  assertEquals(topic.valueOf("ca").windows[60000].length, 2_005);
  assertEquals(topic.valueOf("m").closedEnd, 5 * minute);
  state.apply(batchOf({ a: [[4, 1], [5, 1]], b: [[4, 1], [5, 1]] }, { sizes, from: 1, high: 0 }), null, 1);
  state.closeByClock(Date.UTC(2000));
  assertEquals(finishedOf(state.take()), ["1m b 5 1 0", "1m a 5 1 1", "1m b 4 0 1"].sort());
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
  // Times that never move on would keep all of them for ever: after the fifth id the minute is over for everybody.
  assertEquals(finished, [
    "1m v0 0 1 0",
    "1m v1 0 1 0",
    "1m v2 0 1 0",
    "1m v3 0 1 0",
    "1m v4 0 1 0",
    "",
    "",
    "",
  ]);
  assertEquals(state.totals.late, { 60000: 3 });
  assertEquals([...topic.newest.values()].filter((value) => value !== null).length, 2); // one id, and the meta
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

Deno.test("WindowState tells late events of windows that their own batch closed, more of them than are kept", () => {
  const sizes = ["1m"], state = newState({ sizes, kept: 2 });
  const counts = { a: [[0, 3], [1, 1], [2, 1], [3, 1], [0, 2, 1], [1, 4, 1]] } as const;
  state.apply(batchOf(counts as never, { sizes, high: 20 * minute }), null, 0);
  assertEquals(finishedOf(state.take()), ["1m a 0 3 2", "1m a 1 1 4", "1m a 2 1 0", "1m a 3 1 0"]);
  assertEquals(state.totals.late, { 60000: 6 });
});
