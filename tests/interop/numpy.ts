/** numpy, asked what it makes of numbers, and numbers that are worth asking about. @module */
import { edgesOf, type MeasurementSpec } from "../../kafka/measurements.ts";
import { run } from "../programs.ts";
import type { Random } from "../random.ts";
import { testPython } from "../requirements.ts";

/** Numbers that are to be counted into the bins of a measurement. */
export interface NumpyCase {
  readonly spec: MeasurementSpec;
  readonly values: Float64Array;
}

/** What numpy says of a case; null for what is no finite number. */
export interface NumpyAnswer {
  /** `linspace(first, last, bins + 1)`, and those that `histogram` makes of a number of bins and a range. */
  readonly edges: readonly number[];
  readonly ranged_edges: readonly number[];
  /** `histogram(values, edges)`, and with a number of bins and a range. */
  readonly hist: readonly number[];
  readonly ranged: readonly number[];
  /** The same of the first 500 values, each by itself, added up: how the seed counts. */
  readonly one_by_one: readonly number[];
  readonly mean: number | null;
  readonly exact_mean: number | null;
  readonly std: number | null;
  readonly exact_std: number | null;
  readonly min: number;
  readonly max: number;
}

/** Asks numpy about all cases at once. */
export async function askNumpy(
  cases: readonly NumpyCase[],
): Promise<{ version: string; answers: readonly NumpyAnswer[] }> {
  const folder = await Deno.makeTempDir({ prefix: "tailrace-numpy-" });
  try {
    const asked = cases.map(({ spec: { first, last, ...spec }, values }) => {
      return { first, last, bins: edgesOf({ first, last, ...spec }).length - 1, values: values.length };
    });
    await Deno.writeTextFile(`${folder}/cases.json`, JSON.stringify(asked));
    using file = await Deno.open(`${folder}/values.f64`, { create: true, write: true });
    const writer = file.writable.getWriter();
    for (const { values } of cases) await writer.write(new Uint8Array(values.slice().buffer));
    await writer.close();
    const program = new URL("numpy_histograms.py", import.meta.url).pathname;
    const args = [program, `${folder}/cases.json`, `${folder}/values.f64`];
    return JSON.parse((await run(testPython(), { args, timeoutMs: 180_000 })).stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The number that comes `steps` after another one. */
export function neighbour(value: number, steps: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigInt64(0), least = -(2n ** 63n);
  const place = (bits >= 0n ? bits : least - bits) + BigInt(steps);
  view.setBigInt64(0, place >= 0n ? place : least - place);
  return view.getFloat64(0);
}

/** A number with all its bits drawn, from 0 up to below 1. */
export function fraction(random: Random): number {
  return (random.between(0, 2 ** 27 - 1) * 2 ** 26 + random.between(0, 2 ** 26 - 1)) / 2 ** 53;
}

/** Every edge of the bins with its neighbours, and so many random numbers in and around the range: even ones, those that the measurement is
 * expected to have, and some close to edges; in random order. */
export function valuesAround(spec: MeasurementSpec, random: Random, count: number): Float64Array {
  const { first, last, step } = spec, edges = edgesOf(spec), width = last - first;
  const values = edges.flatMap((edge) => [-2, -1, 0, 1, 2].map((steps) => neighbour(edge, steps)));
  const grid = Math.round(width / step);
  while (values.length < count) {
    const kind = random.between(0, 9);
    if (kind < 5) values.push(first + (fraction(random) * 1.2 - 0.1) * width);
    else if (kind < 8) values.push(first + random.between(-2, grid + 2) * step);
    else values.push(neighbour(edges[random.between(0, edges.length - 1)]!, random.between(-40, 40)));
  }
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.between(0, i);
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return Float64Array.from(values);
}

/** Zeros, the smallest and the largest numbers, and what lies between them on both sides. */
export function extremeValues(random: Random, count: number): Float64Array {
  const sign = () => random.between(0, 1) * 2 - 1;
  const known = [
    0,
    -0,
    5e-324,
    -5e-324,
    2 ** -1022,
    neighbour(2 ** -1022, -1),
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
  ];
  return Float64Array.from({ length: count }, (_, i) => {
    return known[i] ?? sign() * (1 + fraction(random)) * 2 ** random.between(-1074, 1022);
  });
}
