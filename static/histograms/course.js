// @ts-check
/** The course of a measurement in steps of time: what the service answered, and what came since. Pure.
 *
 * Left out: asking the service (course_loader.js), drawing (course_chart.js).
 * @module */
/** @import { Series } from "../../kafka/processors/histogram_types.ts" */

/** Columns to draw: time in s, mean, greatest, least; null where the line is to break.
 * @typedef {[number[], (number | null)[], (number | null)[], (number | null)[]]} Columns */

/** A pause this many times as long as the usual one breaks the line. */
const breakAt = 6;

/** Steps in ascending order of time. */
export class Course {
  /** ms; 0 while nothing is known. */
  stepMs = 0;
  /** Beginning of each step, ms since the epoch. @type {number[]} */ time = [];
  /** @type {number[]} */ count = [];
  /** @type {number[]} */ mean = [];
  /** @type {number[]} */ min = [];
  /** @type {number[]} */ max = [];
  /** Whether the service has told it. */
  isKnown = false;
  /** Whether measurements are missing in it that the service has. */
  isThinned = false;
  /** Another one with each change. */
  version = 0;
  /** @type {Columns | null} */ #columns = null;

  /** Takes what the service says in place of all that was. @param {Series} series */
  load({ step_ms, time, count, mean, min, max }) {
    this.stepMs = Math.max(1, step_ms);
    this.time = [...time];
    this.count = [...count];
    this.mean = [...mean];
    this.min = [...min];
    this.max = [...max];
    this.isKnown = true;
    this.isThinned = false;
    this.#changed();
  }

  clear() {
    this.load({ step_ms: 0, time: [], count: [], mean: [], min: [], max: [] });
    this.isKnown = false;
  }

  /** Adds a measurement that just came; one from before the newest step is left to the service.
   * @param {number} atMs @param {number} value */
  add(atMs, value) {
    if (!this.isKnown || !Number.isFinite(atMs)) return;
    const i = this.time.length - 1, newest = this.time[i];
    if (newest === undefined || atMs >= newest + this.stepMs) {
      const steps = newest === undefined ? 0 : Math.floor((atMs - newest) / this.stepMs);
      this.time.push(newest === undefined ? atMs : newest + steps * this.stepMs);
      this.count.push(1);
      for (const column of [this.mean, this.min, this.max]) column.push(value);
    } else if (atMs >= newest) {
      const n = (this.count[i] ?? 0) + 1, before = this.mean[i] ?? value;
      this.count[i] = n;
      this.mean[i] = before + (value - before) / n;
      this.min[i] = Math.min(this.min[i] ?? value, value);
      this.max[i] = Math.max(this.max[i] ?? value, value);
    } else {
      this.isThinned = true;
      return;
    }
    this.#changed();
  }

  /** Forgets the steps before a time, but one, from which the line comes in. @param {number} fromMs */
  forgetBefore(fromMs) {
    const kept = this.time.findIndex((at) => at >= fromMs) - 1;
    if (kept < 64) return; // not worth the copying
    for (const column of [this.time, this.count, this.mean, this.min, this.max]) column.splice(0, kept);
    this.#changed();
  }

  /** The step at a time in s as `columns` has it; −1 where there is none. @param {number} seconds */
  indexAt(seconds) {
    return this.time.findIndex((at) => Math.abs(this.#middle(at) - seconds) < 1e-6);
  }

  /** @returns {Columns} */
  columns() {
    return this.#columns ??= this.#makeColumns();
  }

  #makeColumns() {
    /** @type {Columns} */
    const columns = [[], [], [], []];
    const longest = this.#longestPause();
    /** @type {(seconds: number, ...values: [number | null, number | null, number | null]) => void} */
    const push = (seconds, mean, max, min) => {
      columns[0].push(seconds);
      columns[1].push(mean);
      columns[2].push(max);
      columns[3].push(min);
    };
    let before = Infinity;
    this.time.forEach((at, i) => {
      if (at - before > longest) push((this.#middle(at) + this.#middle(before)) / 2, null, null, null);
      push(this.#middle(at), this.mean[i] ?? null, this.max[i] ?? null, this.min[i] ?? null);
      before = at;
    });
    return columns;
  }

  /** Of a step, in s: its beginning while it holds a moment. @param {number} at ms */
  #middle(at) {
    return (at + (this.stepMs > 1 ? this.stepMs / 2 : 0)) / 1000;
  }

  #longestPause() {
    const pauses = this.time.slice(1).map((at, i) => at - (this.time[i] ?? at)).sort((a, b) => a - b);
    return breakAt * Math.max(this.stepMs, pauses[pauses.length >> 1] ?? 0);
  }

  #changed() {
    this.version++;
    this.#columns = null;
  }
}

/** The values with a break on either side, through which no line goes: they have to be drawn as points.
 * @param {ArrayLike<number | null | undefined>} values a column @returns {number[]} where they are */
export function loneOf(values) {
  const lone = [];
  for (let i = 0; i < values.length; i++) {
    if (values[i] != null && values[i - 1] == null && values[i + 1] == null) lone.push(i);
  }
  return lone;
}
