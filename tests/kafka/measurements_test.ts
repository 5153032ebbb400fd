import { assertAlmostEquals, assertEquals } from "@std/assert";
import { edgesOf, readMeasurementSpec, usualMeasurements, valuesOf } from "../../kafka/measurements.ts";

Deno.test("edgesOf() has one bin for two values, from the first value to the last", () => {
  const [humidity, temperature, pressure] = usualMeasurements.map(edgesOf);
  assertEquals(pressure, [800, 950, 1100]);
  assertEquals([humidity!.length, humidity![0], humidity!.at(-1)], [21, 40, 79]);
  assertEquals([temperature!.length, temperature![0], temperature!.at(-1)], [26, -25, 24]);
  // numpy.linspace(-25, 24, 26)[1:4].tolist(), which multiplies where others add up
  assertEquals(temperature!.slice(1, 4), [-23.04, -21.08, -19.12]);
});

Deno.test("readMeasurementSpec() takes steps that are no binary fractions, and an odd number of values", () => {
  const wind = readMeasurementSpec("wind:0:0.7:0.1")!;
  assertEquals([valuesOf(wind), edgesOf(wind).length], [8, 5]);
  const odd = readMeasurementSpec("odd:1:5:1")!;
  assertEquals([valuesOf(odd), edgesOf(odd).length], [5, 4]);
  assertAlmostEquals(edgesOf(odd)[1]!, 1 + 4 / 3);
});
