/** Measurements: which there are, the record of one, and the bins that they are counted in. An entry beside the table of topics (topics.ts).
 *
 * A measurement has a topic of its own name; its running histogram goes to `hist_<name>`. Left out: counting
 * (processors/histogram.ts), reading what other programs wrote (processors/measurement_value.ts).
 * @module */
import { z } from "zod";
import { parseMeasurementTime } from "./measurement_time.ts";
import { isTopicName } from "./topics.ts";

/** A measurement and the values that are expected of it: `first`, `first + step`, … `last`. */
export interface MeasurementSpec {
  /** Of its topic. */
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

/** Most values that a measurement may be said to have: half as many bins, which every record of `hist_<name>` holds. */
const maxMeasurementValues = 2_000;
/** Most measurements that one program counts. */
export const maxMeasurements = 64;
/** Most measurements that one request may carry. */
export const maxMeasurementsPerRequest = 10_000;

/** The three that are counted when nothing is said. */
export const usualMeasurements: readonly MeasurementSpec[] = [
  { name: "humidity", first: 40, last: 79, step: 1 },
  { name: "temperature", first: -25, last: 24, step: 1 },
  { name: "pressure", first: 800, last: 1100, step: 100 },
];

const histPrefix = "hist_";
/** Kafka's longest name, less the prefix. */
const maxNameLength = 249 - histPrefix.length;

/** The topic of a measurement's running histogram. */
export function histTopicOf(name: string): string {
  return `${histPrefix}${name}`;
}

/** How many values a measurement is expected to have. */
export function valuesOf({ first, last, step }: MeasurementSpec): number {
  return Math.round((last - first) / step) + 1;
}

/** The edges of the bins, as numpy's `linspace(first, last, bins + 1)` has them, with one bin for two values.
 * @returns shape [bins + 1], in the unit of the measurement, strictly increasing
 * @see {@link https://numpy.org/doc/stable/reference/generated/numpy.linspace.html} */
export function edgesOf(spec: MeasurementSpec): readonly number[] {
  const { first, last } = spec, bins = Math.ceil(valuesOf(spec) / 2);
  const step = (last - first) / bins;
  const edges = Array.from({ length: bins + 1 }, (_, i) => i * step + first);
  edges[bins] = last;
  return edges;
}

/** Reads one entry of MEASUREMENTS, `name:first:last:step` or the name of a usual one.
 * @returns undefined for what is no such entry */
export function readMeasurementSpec(text: string): MeasurementSpec | undefined {
  const [name = "", ...numbers] = text.split(":");
  if (numbers.length === 0) return usualMeasurements.find((usual) => usual.name === name);
  const [first = NaN, last = NaN, step = NaN] = numbers.map((part) =>
    part.trim() === "" ? NaN : Number(part)
  );
  const spec = { name, first, last, step };
  return numbers.length === 3 && isMeasurementName(name) && isRange(spec) ? spec : undefined;
}

/** Whether a name serves as a topic, as `hist_<name>`, and as a table of SQLite, which keeps `sqlite_…` for itself. */
export function isMeasurementName(name: string): boolean {
  return isTopicName(name) && name.length <= maxNameLength && !/^sqlite_/i.test(name);
}

function isRange(spec: MeasurementSpec): boolean {
  const { first, last, step } = spec, values = valuesOf(spec);
  if (![first, last, step].every(Number.isFinite) || step <= 0 || first >= last) return false;
  if (values > maxMeasurementValues) return false;
  const isReached = Math.abs(first + (values - 1) * step - last) <= 1e-6 * step;
  return isReached && edgesOf(spec).every((edge, i, edges) => i === 0 || edge > edges[i - 1]!);
}

/** What is wrong with several measurements together, null for nothing: tables of SQLite are the same in any case, and what goes
 * out must not come in again. */
export function clashOf(specs: readonly MeasurementSpec[]): string | null {
  const seen = new Map<string, string>();
  for (const { name } of specs) {
    const before = seen.get(name.toLowerCase());
    if (before !== undefined) return `${before} and ${name}, which are one name in any case`;
    seen.set(name.toLowerCase(), name);
  }
  for (const { name } of specs) {
    const out = histTopicOf(name);
    if (seen.has(out.toLowerCase())) return `${out}, which holds the histogram of ${name}`;
  }
  return null;
}

/** What is set for `hist_<name>` when it is made here: the newest histogram stays for ever, since a new owner goes on from it, those
 * before it for a day.
 * @see {@link https://kafka.apache.org/documentation/#topicconfigs} */
export const histTopicConfigs: Readonly<Record<string, string>> = {
  "cleanup.policy": "compact",
  "min.compaction.lag.ms": "86400000",
  "segment.ms": "86400000",
};

const noTime = "must be a date and a time in ISO 8601, such as 2026-01-31T12:00:00Z";

/** What a client posts. Without a time it is the time of the post; a time without an offset is UTC. */
export const MeasurementInput = z.strictObject({
  measurement: z.number(),
  measurement_time: z.string().refine((text) => parseMeasurementTime(text) !== null, noTime).optional(),
});
export type MeasurementInput = z.infer<typeof MeasurementInput>;

/** The record of a measurement: without a key, so that a topic's partitions share them. Its own time is now, as retention goes by
 * it; when it was measured is in its value.
 * @param timeMs ms since the epoch */
export function measurementRecord(measurement: number, timeMs: number): { key: null; value: string } {
  const measurement_time = new Date(timeMs).toISOString();
  return { key: null, value: JSON.stringify({ measurement, measurement_time }) };
}
