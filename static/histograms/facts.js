// @ts-check
/** The numbers of a histogram, as a card lists them; and what stands under the cursor of its charts. Pure: from numbers to words.
 * @module */
/** @import { HistogramSnapshot, WrongKind } from "../../kafka/processors/histogram_types.ts" */
/** @import { Course } from "./course.js" */
/** @import { Writer } from "./numbers.js" */
import { count, dayOf, duration, timeOfDay, wholeDuration } from "../shared/format.js";
import { wrongs } from "./measurement.js";
import { share } from "./numbers.js";

/** @typedef {{ name: string, title: string, text: string, isZero?: boolean, isWarning?: boolean }} Fact */

/** @param {HistogramSnapshot} histogram @param {Writer} write @returns {Fact[]} always as many, in the same order */
export function factsOf(histogram, { value, derived }) {
  const { mean, stddev, min, max, underflow, overflow, late, repeated, bin_edges: edges } = histogram;
  const first = value(edges[0]), last = value(edges.at(-1));
  const wrong = wrongs(histogram.wrong);
  /** @type {(name: string, title: string, n: number, isWarning?: boolean) => Fact} */
  const counted = (name, title, n, isWarning = false) => ({
    name,
    title,
    text: count(n),
    isZero: n === 0,
    isWarning: isWarning && n > 0,
  });
  return [
    { name: "Count", title: "All measurements, those outside of the bins too", text: count(histogram.count) },
    counted("Below", `Less than ${first}, the first edge: in no bin`, underflow),
    { name: "Mean", title: "Of all measurements; the dashed line", text: derived(mean) },
    counted("Above", `More than ${last}, the last edge: in no bin`, overflow),
    {
      name: "Spread σ",
      title: "Standard deviation, of the population; the bar at the top",
      text: derived(stddev),
    },
    counted("Late", "Measured before the newest one of their partition; counted too", late),
    { name: "Least", title: "Smallest measurement", text: value(min) },
    counted("Repeated", "The same time and value as one shortly before; counted too", repeated),
    { name: "Greatest", title: "Largest measurement", text: value(max) },
    counted("Wrong", "Records that are no measurement; not counted", wrong, true),
  ];
}

/** @type {Readonly<Record<WrongKind, string>>} */
const kinds = {
  "json": "no JSON",
  "missing": "without a measurement",
  "not-a-number": "not a number",
  "not-finite": "not finite",
  "time": "without a time",
  "empty": "empty",
  "unreadable": "unreadable",
};

/** The records that were not counted, by kind. @param {HistogramSnapshot} histogram @returns {string} empty: none */
export function wrongText({ wrong, missed }) {
  const parts = Object.entries(wrong).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a).map(
    ([kind, n]) => `${count(n)} ${kinds[/** @type {WrongKind} */ (kind)] ?? kind}`,
  );
  if (missed > 0) parts.push(`${count(missed)} removed before they were counted`);
  return parts.length > 0 ? `Not counted: ${parts.join(", ")}` : "";
}

/** @param {HistogramSnapshot} histogram @param {number | null} bin under the cursor @param {Writer} write */
export function binText({ hist, bin_edges: edges, count: all }, bin, { value }) {
  const n = bin === null ? undefined : hist[bin];
  if (bin === null || n === undefined) {
    return `${count(hist.length)} ${hist.length === 1 ? "bin" : "bins"}, ${value(edges[0])} to ${
      value(edges.at(-1))
    }`;
  }
  return `${value(edges[bin])} to ${value(edges[bin + 1])}: ${count(n)}, ${share(n, all)}`;
}

/** @param {Course} course @param {number} i the step under the cursor; −1: none @param {Writer} write */
export function stepText({ time, stepMs, count: counts, mean, min, max }, i, { value, derived }) {
  const at = time[i];
  if (at === undefined) {
    if (time.length === 0) return "";
    return counts.every((n) => n === 1) ? "Each measurement" : `Mean and range of each ${duration(stepMs)}`;
  }
  const when = Date.now() - at > 86_400_000 ? `${dayOf(at)}, ${timeOfDay(at)}` : timeOfDay(at);
  if (counts[i] === 1) return `${when}: ${value(mean[i])}`;
  return `${when}: mean ${derived(mean[i])} of ${count(counts[i] ?? 0)}, ${value(min[i])} to ${
    value(max[i])
  }`;
}

/** When the newest one was measured. Clocks differ by a little: what is not quite here yet is of now.
 * @param {number} at ms since the epoch @param {number} now of the service, as the page believes */
export function whenOf(at, now) {
  const ago = now - at;
  return ago < -2_000 ? timeOfDay(at) : ago < 1_000 ? "now" : `${wholeDuration(ago)} ago`;
}
