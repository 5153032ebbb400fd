import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { edgesOf, readMeasurementSpec, usualMeasurements } from "../../../kafka/measurements.ts";
import { hasSameEdges, RunningHistogram } from "../../../kafka/processors/histogram.ts";
import type { HistogramSnapshot } from "../../../kafka/processors/histogram_types.ts";
import { Random } from "../../random.ts";

const pressure = edgesOf(usualMeasurements[2]!); // 800, 950, 1100
const timeMs = Date.parse("2026-05-17T09:30:00.250Z");

function counted(edges: readonly number[], values: Iterable<number>): RunningHistogram {
  const histogram = RunningHistogram.empty(edges);
  for (const value of values) histogram.add(value, timeMs);
  return histogram;
}

function viaJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

/** The next number above. */
function above(value: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value + 0); // −0 is 0
  view.setBigInt64(0, view.getBigInt64(0) + (value >= 0 ? 1n : -1n));
  return view.getFloat64(0);
}

Deno.test("RunningHistogram.empty() has counted nothing", () => {
  const nothing: HistogramSnapshot = {
    hist: [0, 0],
    bin_edges: [800, 950, 1100],
    underflow: 0,
    overflow: 0,
    count: 0,
    min: null,
    max: null,
    mean: null,
    stddev: null,
    late: 0,
    repeated: 0,
    wrong: {},
    missed: 0,
    last: null,
  };
  const empty = RunningHistogram.empty(pressure);
  assertEquals(empty.snapshot(), nothing);
  assertEquals(empty.countsText, "0,0");
  assertEquals(RunningHistogram.from(viaJson(nothing), viaJson(empty.more())).snapshot(), nothing);
});

Deno.test("RunningHistogram.add() counts a bin's left edge in, its right edge into the next, the last one into the last", () => {
  const values = [799.9, 800, 949.9, 950, 1000, 1100, 1100.1, -1e308, 1e308];
  const { hist, underflow, overflow, count } = counted(pressure, values).snapshot();
  assertEquals({ hist, underflow, overflow, count }, { hist: [2, 3], underflow: 2, overflow: 2, count: 9 });
});

Deno.test("RunningHistogram.add() keeps to the edges by the last bit, where dividing does not", () => {
  for (
    const text of [
      "wind:0:0.7:0.1",
      "a:-0.3:0.6:0.1",
      "b:1:1.00000001:0.00000001",
      "c:-1e300:1e300:1e299",
      "d:0:0.9996:0.0007",
    ]
  ) {
    const spec = readMeasurementSpec(text)!;
    const edges = edgesOf(spec), bins = edges.length - 1;
    for (const [i, edge] of edges.entries()) {
      const before = -above(-edge);
      assert(before < edge);
      const binOf = (value: number) => {
        const { hist, underflow } = counted(edges, [value]).snapshot();
        return underflow ? -1 : hist.includes(1) ? hist.indexOf(1) : bins;
      };
      assertEquals(binOf(edge), Math.min(i, bins - 1), `${text}: edge ${i}`);
      assertEquals(binOf(before), i - 1, `${text}: before edge ${i}`);
      assertEquals(binOf(above(edge)), i, `${text}: above edge ${i}`);
    }
  }
});

Deno.test("RunningHistogram counts into bins of any widths", () => {
  const edges = [-5, -4.999, 0, 5e-324, 1e-300, 1, 1e300];
  const { hist } = counted(edges, [-5, -4.9995, -4.999, -0, 0, 5e-324, 1e-300, 0.5, 1, 1e299, 1e300])
    .snapshot();
  assertEquals(hist, [2, 1, 2, 1, 2, 3]);
  const widest = [-Number.MAX_VALUE, -1, 1, Number.MAX_VALUE];
  assertEquals(counted(widest, [-1e308, -1, 0, 1, 1e308]).snapshot().hist, [1, 2, 2]);
  const narrowest = [0, 5e-324, 1e-323];
  assertEquals(counted(narrowest, [0, 5e-324, 1e-323, 1.5e-323]).snapshot().hist, [1, 2]);
});

Deno.test("RunningHistogram tells min, max, mean, spread of the population, and the last one", () => {
  const histogram = counted(pressure, [900, 1000, 1400, 700]);
  const { min, max, mean, stddev, last } = histogram.snapshot();
  // numpy.std([900, 1000, 1400, 700])
  assertEquals([min, max, mean, stddev], [700, 1400, 1000, 254.95097567963924]);
  assertEquals(last, { measurement: 700, measurement_time: "2026-05-17T09:30:00.250Z" });
  const one = counted(pressure, [0.1]).snapshot();
  assertEquals([one.mean, one.stddev], [0.1, 0]);
});

Deno.test("RunningHistogram takes −0 for 0", () => {
  const { min, max, mean, last } = counted([0, 1], [-0]).snapshot();
  assertEquals([min, max, mean, last!.measurement], [0, 0, 0, 0]);
});

Deno.test("RunningHistogram's mean is right and its spread null where squares are too large for a number", () => {
  const histogram = counted(pressure, [Number.MAX_VALUE, -Number.MAX_VALUE, 1000]);
  const { mean, stddev, max } = histogram.snapshot();
  assertEquals([stddev, max], [null, Number.MAX_VALUE]);
  assert(Math.abs(mean!) < 1e293, `${mean}`);
  const again = RunningHistogram.from(viaJson(histogram.snapshot()), viaJson(histogram.more()));
  again.add(1, timeMs);
  assertEquals(again.snapshot().stddev, null);
  const same = counted(pressure, new Array(100).fill(Number.MAX_VALUE)).snapshot();
  assertEquals([same.mean, same.stddev], [Number.MAX_VALUE, 0]);
});

Deno.test("RunningHistogram's mean and spread are exact far from zero and after many values", () => {
  // 2 million numbers 1e9 ± 0.5: the plain formula of squares would be off by more than the spread
  const histogram = RunningHistogram.empty(pressure);
  for (let i = 0; i < 2_000_000; i++) histogram.add(1e9 + (i % 2 === 0 ? 0.5 : -0.5), timeMs);
  const { mean, stddev } = histogram.snapshot();
  assertEquals([mean, stddev], [1e9, 0.5]);
  // one far away first
  const skewed = counted(pressure, [1e15, ...Array.from({ length: 999_999 }, (_, i) => i % 3)]);
  assertAlmostEquals(skewed.snapshot().mean! / 1_000_000_000.999999, 1, 1e-15);
});

Deno.test("RunningHistogram counts what was late, repeated, wrong by kind, and missed", () => {
  const histogram = RunningHistogram.empty(pressure);
  histogram.add(900, timeMs, "late");
  histogram.add(900, timeMs, "repeated");
  histogram.add(900, timeMs, "repeated");
  histogram.add(900, timeMs, null);
  histogram.addWrong("time");
  histogram.addWrong("json");
  histogram.addWrong("unreadable", 12);
  histogram.addWrong("empty", 0);
  histogram.addWrong("json");
  histogram.addMissed(7);
  const { count, hist, late, repeated, wrong, missed } = histogram.snapshot();
  assertEquals({ count, hist, late, repeated, missed }, {
    count: 4,
    hist: [4, 0],
    late: 1,
    repeated: 2,
    missed: 7,
  });
  assertEquals(JSON.stringify(wrong), '{"json":2,"time":1,"unreadable":12}');
});

Deno.test("RunningHistogram.snapshot() stays as it is while more is counted", () => {
  const histogram = counted(pressure, [900]), snapshot = histogram.snapshot(), before = viaJson(snapshot);
  histogram.add(1000, timeMs);
  histogram.addWrong("json");
  assertEquals(snapshot, before);
});

Deno.test("RunningHistogram.from() goes on bit by bit as if there had been no break", () => {
  const random = new Random("breaks in a histogram"), edges = edgesOf(readMeasurementSpec("wind:0:0.7:0.1")!);
  const through = RunningHistogram.empty(edges);
  let broken = RunningHistogram.empty(edges);
  for (let i = 0; i < 20_000; i++) {
    const value = random.between(-100, 800) / 1000 + 1e6 * random.between(0, 1);
    const note = ([null, null, "late", "repeated"] as const)[random.between(0, 3)]!;
    for (const histogram of [through, broken]) histogram.add(value, timeMs + i, note);
    if (random.between(0, 9) > 0) continue;
    broken = RunningHistogram.from(viaJson(broken.snapshot()), viaJson(broken.more({ 0: timeMs })));
    for (const histogram of [through, broken]) histogram.addWrong("json", random.between(1, 1));
  }
  assertEquals(broken.snapshot(), through.snapshot());
  assertEquals(broken.more(), through.more());
  assertEquals(broken.countsText, through.countsText);
});

Deno.test("RunningHistogram.from() goes on from a snapshot alone, the spread nearly", () => {
  const values = Array.from({ length: 5000 }, (_, i) => 900 + (i * 7919 % 1000) / 7);
  const through = counted(pressure, values).snapshot();
  const broken = RunningHistogram.from(viaJson(counted(pressure, values.slice(0, 3000)).snapshot()));
  for (const value of values.slice(3000)) broken.add(value, timeMs);
  const { mean, stddev, ...rest } = broken.snapshot();
  assertEquals({ ...rest, mean: through.mean, stddev: through.stddev }, through);
  assertAlmostEquals(mean! / through.mean!, 1, 1e-12);
  assertAlmostEquals(stddev! / through.stddev!, 1, 1e-12);
});

Deno.test("RunningHistogram.from() refuses numbers that do not belong together", () => {
  const histogram = counted(pressure, [900, 1000]);
  const snapshot = histogram.snapshot(), more = histogram.more();
  const refused:
    readonly (readonly [what: string, change: Partial<Record<keyof HistogramSnapshot, unknown>>])[] = [
      ["edges must increase: edge 1 is 800", { bin_edges: [800, 800, 1100] }],
      ["edges must increase: edge 1 is null", { bin_edges: [800, null, 1100] }],
      ["two edges are wanted: found 0", { bin_edges: [] }],
      ["of 2 bins: it has 3 counts", { hist: [1, 1, 0] }],
      ["its count must be 3, the sum: it is 2", { hist: [2, 1] }],
      ["counts are whole numbers: one is -1", { hist: [-1, 3] }],
      ["counts are whole numbers: one is 0.5", { underflow: 0.5 }],
      ["counts are whole numbers: one is undefined", { late: undefined }],
      ["counts are whole numbers: one is 1", { wrong: { json: "1" } }],
      ["without min, max and mean", { min: null }],
      ["last is no measurement", { last: { measurement: 1, measurement_time: "yesterday" } }],
    ];
  for (const [what, change] of refused) {
    assertThrows(
      () => RunningHistogram.from({ ...snapshot, ...change } as HistogramSnapshot, more),
      RangeError,
      what,
    );
  }
  for (const change of [{ mean: 1 }, { mean_low: NaN }, { m2: -1 }, { m2: "1" }, { m2_low: undefined }]) {
    const wrong = { ...more, ...change } as typeof more;
    assertThrows(() => RunningHistogram.from(snapshot, wrong), RangeError, "the spread around 950");
  }
  for (const newest of [{ 0: NaN }, { 0: "1" }, { x: 1 }] as unknown as Record<number, number>[]) {
    assertThrows(() => RunningHistogram.from(snapshot, { ...more, newest }), RangeError, "newest times");
  }
});

Deno.test("RunningHistogram.countsText is the counts, whatever was counted since it was read", () => {
  const random = new Random("texts of counts");
  for (const bins of [1, 2, 25, 31, 32, 33, 64, 1000]) {
    const edges = Array.from({ length: bins + 1 }, (_, i) => i);
    const histogram = RunningHistogram.empty(edges);
    for (let i = 0; i < 3000; i++) {
      histogram.add(random.between(-1, bins + 1), timeMs);
      if (random.between(0, 3) === 0) assertEquals(histogram.countsText, histogram.snapshot().hist.join());
    }
    assertEquals(histogram.countsText, histogram.snapshot().hist.join());
  }
});

Deno.test("hasSameEdges() tells edges apart by the last bit", () => {
  assertEquals(hasSameEdges(pressure, [800, 950, 1100]), true);
  assertEquals(hasSameEdges(pressure, [800, 950, above(1100)]), false);
  assertEquals(hasSameEdges(pressure, [800, 950]), false);
  assertEquals(hasSameEdges(pressure, [800, 950, 1100, 1200]), false);
});
