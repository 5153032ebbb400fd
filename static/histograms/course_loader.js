// @ts-check
/** Keeps the course of one measurement as the service has it: asks at once for another span, and now and then for what came
 * faster than it is told.
 * @module */
/** @import { Problem } from "../shared/problem.js" */
/** @import { Course } from "./course.js" */
/** @import { Span } from "./histograms_api.js" */
import { problemOf } from "../shared/api.js";
import { fetchSeries } from "./histograms_api.js";

/** Times between two requests, ms: at least; while measurements come faster than they are told; else at most. */
const soonestMs = 2_000, thinnedMs = 60_000, latestMs = 300_000;
/** A service is asked for at most this part of its time. */
const restFactor = 10;

/** One measurement's. */
export class CourseLoader {
  /** Why there is none, or none newer. @type {Problem | null} */ problem = null;
  #name;
  #course;
  #onChange;
  /** What is shown, as a text. */ #shown = "";
  #askedAt = 0;
  #tookMs = 0;
  /** @type {AbortController | null} */ #asking = null;

  /** @param {{ name: string, course: Course, onChange: () => void }} options */
  constructor({ name, course, onChange }) {
    this.#name = name;
    this.#course = course;
    this.#onChange = onChange;
  }

  get isAsking() {
    return this.#asking !== null;
  }

  /** Sees to it that the course is that of a view; called often.
   * @param {{ key: string, span: Span, points: number }} view `key`: another one for another view
   * @param {number} now ms since the epoch */
  keep({ key, span, points }, now) {
    if (key !== this.#shown) {
      this.#asking?.abort();
      this.#asking = null;
      this.#shown = key;
      this.#askedAt = 0;
    }
    if (this.#asking || now - this.#askedAt < this.#pauseMs()) return;
    this.#ask({ ...span, points });
  }

  /** Asks again as soon as it is looked at. */
  expire() {
    this.#askedAt = 0;
  }

  close() {
    this.#asking?.abort();
  }

  #pauseMs() {
    if (this.#askedAt === 0) return 0;
    const atLeast = Math.max(soonestMs, restFactor * this.#tookMs);
    if (this.problem) return atLeast;
    const { stepMs, isThinned } = this.#course;
    return Math.max(
      atLeast,
      Math.min(isThinned ? thinnedMs : latestMs, Math.max(4 * stepMs, isThinned ? 0 : 10_000)),
    );
  }

  /** @param {Span & { points: number }} query */
  async #ask(query) {
    const asking = this.#asking = new AbortController();
    const begun = performance.now();
    this.#askedAt = Date.now();
    try {
      const series = await fetchSeries(this.#name, query, asking.signal);
      if (asking.signal.aborted) return;
      this.#course.load(series);
      this.problem = null;
    } catch (error) {
      if (asking.signal.aborted) return;
      this.problem = problemOf(error);
    }
    this.#tookMs = performance.now() - begun;
    this.#asking = null;
    this.#onChange();
  }
}
