/** Values of measurements that nobody measured: for the demo, and for whoever tries things out. @module */
import { type MeasurementSpec, valuesOf } from "../kafka/measurements.ts";

/** More digits than anybody gives a step, fewer than sums of doubles are true to. */
const digits = 12;

/** The n-th value that is expected of a measurement: 0 is the first. A place beyond the ends is the end. */
export function valueAt(spec: MeasurementSpec, n: number): number {
  const { first, last, step } = spec;
  const place = Math.max(0, Math.min(valuesOf(spec) - 1, Math.round(n)));
  return Math.min(last, Math.max(first, Number((first + place * step).toPrecision(digits))));
}

/** Any of the values, each as likely as the others. */
export function anyValue(spec: MeasurementSpec, random: () => number): number {
  return valueAt(spec, Math.floor(random() * valuesOf(spec)));
}

/** The value of a moment in a course that is believable: waves of an hour and of ten minutes, and some noise. It hangs on the clock, so it
 * goes on after a restart.
 * @param atMs ms since the epoch
 * @param phase 0..1, so that several do not rise and fall together */
export function valueInCourse(
  spec: MeasurementSpec,
  atMs: number,
  { random, phase = 0 }: { readonly random: () => number; readonly phase?: number },
): number {
  const wave = (periodMs: number) => Math.sin(2 * Math.PI * (atMs / periodMs + phase));
  // The sum of three is near enough to a bell.
  const noise = random() + random() + random() - 1.5;
  const place = 0.5 + 0.22 * wave(hourMs) + 0.12 * wave(hourMs / 6) + 0.16 * noise;
  return valueAt(spec, place * (valuesOf(spec) - 1));
}

const hourMs = 3_600_000;
