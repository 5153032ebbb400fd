// @ts-check
/** What is known of one video: its windows of each size, and the likes that were given here and are not counted yet.
 *
 * Left out: where that comes from (session.js, likes.js), how it looks (card.js). Pure: time is given.
 * @module */
/** @import { VideoData } from "../../routes/aggregations.ts" */
/** @import { Size } from "./window_times.js" */
import { lastOver, startOf } from "./window_times.js";
import { idText } from "./words.js";

/** A window as the service tells it. @typedef {{ size: string, window_start: number, count: number, late: number, final: boolean }} WindowOfSize */
/** A window of a video. @typedef {{ start: number, count: number, late: number, isFinal: boolean }} Window */
/** How a window stands in a row: `ended` ones wait for late likes. @typedef {"none" | "final" | "ended" | "open"} Kind */
/** @typedef {{ start: number, count: number, late: number, kind: Kind }} Bar */
/** What a row shows. @typedef {object} Row
 * @property {Bar[]} bars ascending in time without a hole, up to the one of now
 * @property {Bar} last the newest that is final
 * @property {Bar} now the one that is open
 * @property {number} late events of this size, of all time */

const soberMs = 10_000;

/** Windows of one size. */
class SizeWindows {
  size;
  /** By start. @type {Map<number, Window>} */ windows = new Map();
  late = 0;
  /** What the open window comes to with the likes of here: it shows no less. @type {{ start: number, count: number }} */
  hoped = { start: NaN, count: 0 };

  /** @param {Size} size */
  constructor(size) {
    this.size = size;
  }

  /** @param {number} start */
  countOf(start) {
    const { count = 0, isFinal = false } = this.windows.get(start) ?? {};
    return !isFinal && this.hoped.start === start ? Math.max(count, this.hoped.count) : count;
  }
}

/** One video. */
export class Video {
  id;
  /** @type {string | null} */ title;
  /** Another one whenever something changed. */
  version = 0;
  /** Likes that were given here: those stored, and those under way. */
  given = 0;
  pending = 0;
  /** Why the newest one was not stored, for a while; empty: it was. */
  refusal = "";
  #refusedAt = 0;
  #graceMs;
  #kept;
  #sizes;
  #settledAt = 0;

  /** @param {VideoData} data @param {{ sizes: readonly Size[], graceMs: number, kept: number }} options `kept`: as many finished
   *   windows of each size */
  constructor(data, { sizes, graceMs, kept }) {
    this.id = data.video_uid;
    this.title = data.title;
    this.#graceMs = graceMs;
    this.#kept = kept;
    this.#sizes = sizes.map((size) => new SizeWindows(size));
    this.update(data);
  }

  get name() {
    return this.title ?? idText(this.id);
  }

  /** Whether no window of it has anything. */
  get isEmpty() {
    return this.#sizes.every(({ windows, late }) => windows.size === 0 && late === 0) && this.given === 0;
  }

  /** Takes what the service answered: what it does not name as open any more is open no more.
   * @param {VideoData} data */
  update({ title, aggregations }) {
    this.title = title;
    for (const { size, windows, late } of aggregations) {
      const own = this.#sizes.find((each) => each.size.name === size);
      if (!own) continue;
      const named = new Set(windows.map(({ window_start }) => window_start));
      const newest = Math.max(
        ...windows.filter(({ final }) => final).map(({ window_start }) => window_start),
      );
      for (const [start, { isFinal }] of own.windows) {
        if (!isFinal && !named.has(start) && start <= newest) own.windows.delete(start);
      }
      for (const window of windows) this.take({ size, ...window });
      own.late = late;
    }
    this.version++;
  }

  /** Takes a window as the stream brings it.
   * @param {WindowOfSize} window */
  take({ size, window_start: start, count, late, final: isFinal }) {
    const own = this.#sizes.find((each) => each.size.name === size);
    if (!own) return;
    const known = own.windows.get(start);
    if (known?.isFinal && !isFinal) return; // of before it closed
    if (known && known.isFinal === isFinal) {
      count = Math.max(count, known.count);
      late = Math.max(late, known.late);
    }
    if (known?.isFinal) own.late += Math.max(0, late - known.late);
    own.windows.set(start, { start, count, late, isFinal });
    if (own.windows.size > 2 * this.#kept + 8) this.#forget(own);
    this.version++;
  }

  /** A like was given here: it is shown before it is counted. @param {number} now @returns {number} when */
  hope(now) {
    for (const own of this.#sizes) this.#raise(own, now);
    this.pending++;
    this.given++;
    this.refusal = "";
    this.version++;
    return now;
  }

  /** The like is stored: it counts in the window of its time, which may be the next one.
   * @param {number} hopedAt what `hope` returned @param {number} at time of the like @param {number} now */
  settle(hopedAt, at, now) {
    for (const own of this.#sizes) {
      const { ms } = own.size;
      if (startOf(hopedAt, ms) === startOf(at, ms)) continue;
      this.#lower(own, hopedAt);
      this.#raise(own, at);
    }
    this.pending--;
    this.#settledAt = now;
    this.version++;
  }

  /** It was not stored. @param {number} hopedAt @param {string} why @param {number} now */
  undo(hopedAt, why, now) {
    for (const own of this.#sizes) this.#lower(own, hopedAt);
    this.pending--;
    this.given--;
    this.refusal = why;
    this.#refusedAt = now;
    this.version++;
  }

  /** Believes the service again when all that was given should long be counted, and forgets why it was not.
   * @param {number} now */
  sober(now) {
    const isSettled = this.pending === 0 && this.#settledAt > 0 && now - this.#settledAt > soberMs;
    const isRead = this.refusal !== "" && now - this.#refusedAt > soberMs;
    if (isSettled) {
      this.#settledAt = 0;
      for (const own of this.#sizes) own.hoped = { start: NaN, count: 0 };
    }
    if (isRead) this.refusal = "";
    if (isSettled || isRead) this.version++;
  }

  /** @param {number} i which size @param {number} now @param {number} length of the bars @returns {Row} */
  row(i, now, length) {
    const own = /** @type {SizeWindows} */ (this.#sizes[i]);
    const { ms } = own.size, open = startOf(now, ms), over = lastOver(now, ms, this.#graceMs);
    const bars = Array.from({ length }, (_, n) => this.#bar(own, open - (length - 1 - n) * ms, open, over));
    let last = over;
    while (own.windows.get(last)?.isFinal === false) last -= ms;
    return {
      bars,
      last: this.#bar(own, last, open, over),
      now: this.#bar(own, open, open, over),
      late: own.late,
    };
  }

  /** All windows there are, the newest first; those without a like are left out. @param {number} i which size
   * @param {number} now @returns {Bar[]} */
  windows(i, now) {
    const own = /** @type {SizeWindows} */ (this.#sizes[i]);
    const { ms } = own.size, open = startOf(now, ms), over = lastOver(now, ms, this.#graceMs);
    return [...own.windows.keys()].sort((a, b) => b - a).map((start) => this.#bar(own, start, open, over));
  }

  /** @param {SizeWindows} own @param {number} start @param {number} open of the window of now @param {number} over
   * @returns {Bar} */
  #bar(own, start, open, over) {
    const window = own.windows.get(start);
    /** @type {Kind} */
    const kind = window?.isFinal
      ? "final"
      : start >= open
      ? "open"
      : window || start > over
      ? "ended"
      : "none";
    return { start, count: own.countOf(start), late: window?.late ?? 0, kind };
  }

  /** @param {SizeWindows} own @param {number} at */
  #raise(own, at) {
    const start = startOf(at, own.size.ms);
    own.hoped = { start, count: own.countOf(start) + 1 };
  }

  /** @param {SizeWindows} own @param {number} at */
  #lower({ hoped, size }, at) {
    if (hoped.start === startOf(at, size.ms)) hoped.count--;
  }

  /** @param {SizeWindows} own */
  #forget({ windows }) {
    const starts = [...windows.keys()].sort((a, b) => a - b);
    for (const start of starts.slice(0, starts.length - this.#kept - 8)) windows.delete(start);
  }
}
