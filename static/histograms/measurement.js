// @ts-check
/** One measurement as this page knows it: its histogram, how its counting is doing, its course. Nothing is shown here.
 * @module */
/** @import { HistogramSnapshot, ProcessorStatus } from "../../kafka/processors/histogram_types.ts" */
/** @import { HistogramEvent } from "../../routes/histogram_feed.ts" */
/** @import { HistogramData } from "../../routes/histograms.ts" */
import { Course } from "./course.js";
import { CourseLoader } from "./course_loader.js";
import { writerFor } from "./numbers.js";

/** So long after the last event what is asked for is newer, even if it is less, ms. */
const quietMs = 5_000;

/** What the service counts under one name. */
export class Measurement {
  /** @type {HistogramSnapshot} */ histogram;
  /** @type {ProcessorStatus} */ status;
  /** In the service's file. */ rows;
  /** Another one with each histogram. */
  version = 0;
  /** Timestamps of records that were not drawn yet, ms. @type {number[]} */ undrawn = [];
  course = new Course();
  name;
  range;
  write;
  loader;
  #eventAt = 0;

  /** @param {HistogramData} data @param {() => void} onCourse the course is another */
  constructor(data, onCourse) {
    this.name = data.measurement;
    this.range = data.range;
    this.write = writerFor(data.range.step);
    this.histogram = data;
    this.status = data.status;
    this.rows = data.rows;
    this.loader = new CourseLoader({ name: this.name, course: this.course, onChange: onCourse });
  }

  /** Whether nothing has ever come. */
  get isEmpty() {
    return total(this.histogram) === 0 && this.histogram.missed === 0;
  }

  /** When the newest one was measured, ms since the epoch; null without one. */
  get newestAt() {
    const { last } = this.histogram;
    return last ? Date.parse(last.measurement_time) : null;
  }

  /** Takes what was asked for, unless the stream is ahead of it. @param {HistogramData} data @param {number} now */
  update(data, now) {
    this.status = data.status;
    this.rows = data.rows;
    const isQuiet = now - this.#eventAt > quietMs;
    if (total(data) > total(this.histogram)) this.course.isThinned = true; // some that the stream did not tell of
    if (isQuiet || total(data) >= total(this.histogram)) this.#take(data);
  }

  /** Takes what the stream brought. @param {HistogramEvent} event @param {number} now */
  take(event, now) {
    this.#eventAt = now;
    const histogram = completed(event), before = this.histogram;
    const { last } = histogram, more = histogram.count - before.count;
    if (last && more > 0) this.course.add(Date.parse(last.measurement_time), last.measurement);
    if (more > 1) this.course.isThinned = true;
    this.#take(histogram);
  }

  /** @param {HistogramSnapshot} histogram */
  #take(histogram) {
    this.histogram = histogram;
    this.version++;
  }
}

/** Records that a histogram knows of. @param {HistogramSnapshot} histogram */
export function total({ count, wrong }) {
  return count + wrongs(wrong);
}

/** @param {HistogramSnapshot["wrong"]} wrong */
export const wrongs = (wrong) => Object.values(wrong).reduce((sum, n) => sum + n, 0);

/** Puts in what other programs leave out, who write bins and edges alone. @param {HistogramEvent} event
 * @returns {HistogramSnapshot} */
function completed(event) {
  const { hist, bin_edges, underflow = 0, overflow = 0, late = 0, repeated = 0, missed = 0 } = event;
  const { count = hist.reduce((sum, n) => sum + n, underflow + overflow), wrong = {} } = event;
  const { min = null, max = null, mean = null, stddev = null, last = null } = event;
  const rest = { min, max, mean, stddev, late, repeated, wrong, missed, last };
  return { hist, bin_edges, underflow, overflow, count, ...rest };
}
