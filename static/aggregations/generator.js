// @ts-check
/** Gives likes by itself, at random moments around a rate: as many as are stored, no faster than the service takes them.
 *
 * Left out: what it is asked with (generator_panel.js).
 * @module */
/** @import { Problem } from "../shared/problem.js" */
import { problemOf } from "../shared/api.js";
import { postLike } from "./aggregations_api.js";

/** Bounds: likes a second in all, likes under way at once, how long it runs, refusals one after the other until it gives up. */
export const mostPerSecond = 50;
const mostPending = 4, longestMs = 30 * 60_000, mostRefusals = 5;
const tickMs = 50;
/** A like that is this late is left out: the service is slower, or the page slept. */
const latestMs = 1_000;
const rateWindowMs = 15_000;

/** Gives likes until it is stopped. */
export class Generator {
  stored = 0;
  refused = 0;
  /** Why it stopped by itself. @type {Problem | null} */ problem = null;
  /** Likes a minute for each video: no more than was asked for. */
  perMinute = 0;
  #onChange;
  /** When the next like of each id is due. @type {Map<string, number>} */ #due = new Map();
  /** @type {ReturnType<typeof setInterval> | undefined} */ #timer;
  #startedAt = 0;
  #pending = 0;
  #refusals = 0;
  /** When those of late were stored. @type {number[]} */ #times = [];

  /** @param {() => void} onChange it starts or ends */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  get isRunning() {
    return this.#timer !== undefined;
  }

  get videos() {
    return this.#due.size;
  }

  /** @param {readonly string[]} ids @param {number} perMinute for each */
  start(ids, perMinute) {
    this.stop();
    if (ids.length === 0) return;
    this.perMinute = Math.min(perMinute, mostPerSecond * 60 / ids.length);
    this.stored = this.refused = this.#refusals = 0;
    this.problem = null;
    this.#times = [];
    const now = this.#startedAt = performance.now();
    this.#due = new Map(ids.map((id) => [id, now + this.#pauseMs()]));
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#onChange();
  }

  stop() {
    if (!this.isRunning) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#onChange();
  }

  /** Likes stored a minute, over the last 15 s; null while it is too early to say. */
  get realPerMinute() {
    const now = performance.now(), sinceMs = Math.min(rateWindowMs, now - this.#startedAt);
    this.#times = this.#times.filter((at) => at > now - rateWindowMs);
    return sinceMs < 3_000 ? null : this.#times.length * 60_000 / sinceMs;
  }

  #tick() {
    const now = performance.now();
    if (now - this.#startedAt > longestMs) return this.stop();
    for (const [id, due] of this.#due) {
      if (due > now) continue;
      if (this.#pending >= mostPending && now - due < latestMs) continue; // a moment later
      this.#due.set(id, Math.max(due, now - latestMs) + this.#pauseMs());
      if (this.#pending < mostPending) this.#give(id);
    }
  }

  /** @param {string} id */
  async #give(id) {
    this.#pending++;
    try {
      await postLike(id);
      this.stored++;
      this.#refusals = 0;
      this.#times.push(performance.now());
    } catch (error) {
      this.refused++;
      this.#refusals++;
      this.problem = problemOf(error);
      if (this.#refusals >= mostRefusals) this.stop();
    } finally {
      this.#pending--;
    }
  }

  /** As if many people liked now and then. */
  #pauseMs() {
    return -Math.log(1 - Math.random()) * 60_000 / this.perMinute;
  }
}
