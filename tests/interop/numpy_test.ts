/** The running histogram beside numpy: the same bins, the same counts of every number, mean and spread as near as numbers allow.
 *
 * Values go through a record's bytes, as they do in the service. Left out: the service itself (tests/contract/).
 * @module */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  edgesOf,
  measurementRecord,
  type MeasurementSpec,
  readMeasurementSpec,
  usualMeasurements,
} from "../../kafka/measurements.ts";
import { RunningHistogram } from "../../kafka/processors/histogram.ts";
import type { HistogramSnapshot } from "../../kafka/processors/histogram_types.ts";
import { readMeasurement } from "../../kafka/processors/measurement_value.ts";
import { Random } from "../random.ts";
import { requires } from "../requirements.ts";
import {
  askNumpy,
  extremeValues,
  fraction,
  type NumpyAnswer,
  type NumpyCase,
  valuesAround,
} from "./numpy.ts";

const encoder = new TextEncoder();
const tolerance = 1e-9;

/** Counts all values, each as the record that a producer would write. */
function counted({ spec, values }: NumpyCase): HistogramSnapshot {
  const histogram = RunningHistogram.empty(edgesOf(spec));
  for (const [i, value] of values.entries()) {
    const record = readMeasurement(encoder.encode(measurementRecord(value, i).value));
    assert(record.wrong === undefined, `${value} is ${record.wrong}`);
    histogram.add(record.measurement, record.timeMs);
  }
  return histogram.snapshot();
}

function assertAsNumpy({ spec, values }: NumpyCase, ours: HistogramSnapshot, numpys: NumpyAnswer): void {
  const what = `${spec.name}:${spec.first}:${spec.last}:${spec.step}`;
  assertEquals(ours.bin_edges, numpys.edges, `${what}: linspace`);
  assertEquals(ours.hist, numpys.hist, `${what}: counts`);
  assertEquals([ours.min, ours.max], [numpys.min + 0, numpys.max + 0], `${what}: min, max`);
  assertEquals(ours.count, values.length);
  assertEquals(
    ours.underflow + ours.overflow + numpys.hist.reduce((sum, bin) => sum + bin, 0),
    values.length,
  );
  const { exact_mean, exact_std } = numpys;
  if (exact_std === null || ours.stddev === null) return; // its squares are too large for numbers
  // Where numbers cancel out, what is left of the mean is rounding: then it is held against the spread.
  const off = Math.abs(ours.mean! - exact_mean!), near = Math.max(Math.abs(exact_mean!), exact_std / 1000);
  assert(off <= near * tolerance, `${what}: mean ${ours.mean}, exactly ${exact_mean}`);
  const spreadOff = Math.abs(ours.stddev - exact_std);
  assert(spreadOff <= exact_std * tolerance, `${what}: spread ${ours.stddev}, exactly ${exact_std}`);
}

/** Any that MEASUREMENTS takes: decimal steps, large and tiny ones, with few values and with many. */
function randomSpec(random: Random): MeasurementSpec {
  for (;;) {
    const values = random.between(0, 3) === 0 ? random.between(2, 2000) : random.between(2, 60);
    const digits = random.between(-12, 9), unit = random.between(1, 99);
    const step = Number(`${unit}e${digits}`), from = random.between(-2000, 2000);
    const first = random.between(0, 1) === 0 ? Number(`${from * unit}e${digits}`) : fraction(random) * from;
    // As people write them, or to the last bit.
    const last = random.between(0, 1) === 0
      ? Number((first + (values - 1) * step).toPrecision(12))
      : first + (values - 1) * step;
    const spec = readMeasurementSpec(`random:${first}:${last}:${step}`);
    if (spec) return spec;
  }
}

const needsNumpy = { ignore: requires("numpy").ignore };

Deno.test(
  "RunningHistogram counts a million random measurements of each kind as numpy does, every edge among them",
  {
    ...needsNumpy,
  },
  async () => {
    const random = new Random("a million measurements");
    const cases = usualMeasurements.map((spec) => ({ spec, values: valuesAround(spec, random, 1_000_000) }));
    const { version, answers } = await askNumpy(cases);
    for (const [i, one] of cases.entries()) {
      const ours = counted(one), numpys = answers[i]!;
      assertAsNumpy(one, ours, numpys);
      assertEquals(ours.hist, numpys.ranged, "with a number of bins and a range");
      assertEquals(numpys.ranged_edges, numpys.edges);
      const { count, mean, stddev } = ours;
      assertAlmostEquals(mean! / numpys.mean!, 1, tolerance, "numpy.mean");
      assertAlmostEquals(stddev! / numpys.std!, 1, tolerance, "numpy.std");
      console.log(
        `${one.spec.name}: ${count} as numpy ${version}, mean off by ${mean! - numpys.exact_mean!}, ` +
          `spread by ${stddev! - numpys.std!}`,
      );
    }
  },
);

Deno.test(
  "RunningHistogram has numpy's bins and counts for any range and step",
  { ...needsNumpy },
  async () => {
    const random = new Random("ranges and steps"), cases: NumpyCase[] = [];
    const written = [
      "wind:0:0.7:0.1",
      "a:-0.3:0.6:0.1",
      "b:0.1:0.9:0.1",
      "c:1:5:1",
      "d:0:1:1",
      "e:-1e300:1e300:1e299",
    ];
    const specs = written.map((text) => readMeasurementSpec(text)!);
    while (specs.length < 200) specs.push(randomSpec(random));
    for (const spec of specs) {
      const count = edgesOf(spec).length * 5 + 500;
      cases.push({ spec, values: valuesAround(spec, random, count) });
    }
    const { answers } = await askNumpy(cases);
    let ranged = 0;
    for (const [i, one] of cases.entries()) {
      const ours = counted(one), numpys = answers[i]!;
      assertAsNumpy(one, ours, numpys);
      if (ours.hist.join() === numpys.ranged.join()) ranged++;
      const first500 = counted({ spec: one.spec, values: one.values.slice(0, 500) });
      assertEquals(first500.hist, numpys.one_by_one, `${i}: one by one, as the seed counts`);
    }
    console.log(`${cases.length} ranges, ${ranged} of them the same with a number of bins and a range`);
  },
);

Deno.test("RunningHistogram counts zeros, the smallest and the largest numbers as numpy does", {
  ...needsNumpy,
}, async () => {
  const random = new Random("extreme numbers");
  const texts = [
    "humidity",
    "temperature",
    "zero:0:1:1",
    "around:-1:1:0.01",
    "large:-1e300:1e300:1e298",
    "tiny:0:2e-300:1e-300",
  ];
  const cases = texts.map((text) => ({
    spec: readMeasurementSpec(text)!,
    values: extremeValues(random, 50_000),
  }));
  const { answers } = await askNumpy(cases);
  for (const [i, one] of cases.entries()) {
    const ours = counted(one);
    assertAsNumpy(one, ours, answers[i]!);
    assertEquals([ours.stddev, answers[i]!.std], [null, null]);
    assert(Number.isFinite(ours.mean), `mean ${ours.mean}`);
  }
});

Deno.test("RunningHistogram's mean and spread are numpy's far from zero", { ...needsNumpy }, async () => {
  const random = new Random("far from zero");
  const spec = readMeasurementSpec("far:1000000:1000100:1")!;
  const values = Float64Array.from({ length: 300_000 }, () => 1e6 + fraction(random) * 100);
  const one = { spec, values: Float64Array.from(values) };
  const outlier = { spec, values: Float64Array.from(values, (value, i) => i === 0 ? -1e12 : value) };
  const cases = [one, outlier], { answers } = await askNumpy(cases);
  for (const [i, each] of cases.entries()) assertAsNumpy(each, counted(each), answers[i]!);
});
