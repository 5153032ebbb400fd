// @ts-check
/** Windows and time: where one begins, which of them are over, how they are called. Pure: time is given.
 * @module */
import { dayOf, timeOfDay } from "../shared/format.js";

/** @typedef {{ readonly name: string, readonly type: string, readonly ms: number, readonly topic: string }} Size */

/** How far the likes are counted, by their own time, and when that was; ms since the epoch.
 * @typedef {{ readonly watermark: number | null, readonly at: number }} Place */

const minuteMs = 60_000, hourMs = 3_600_000;
const hourAndMinute = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

/** Start of the window that a time is in. @param {number} at @param {number} ms length */
export const startOf = (at, ms) => Math.floor(at / ms) * ms;

/** Start of the newest window that is over, its time for late likes too. @param {number} now @param {number} ms length
 * @param {number} graceMs */
export const lastOver = (now, ms, graceMs) => startOf(now - graceMs, ms) - ms;

/** Whether old likes are counted: by those, time goes faster than the clock. @param {Place | null} before @param {Place} place */
export function isCatchingUp(before, { watermark, at }) {
  if (watermark === null || before === null || before.watermark === null) return false;
  return at - watermark > minuteMs && watermark - before.watermark > 2 * (at - before.at);
}

/** A length: `30 s`, `5 min`, `1 h`. @param {number} ms */
export function lengthText(ms) {
  if (ms % hourMs === 0) return `${ms / hourMs} h`;
  return ms % minuteMs === 0 ? `${ms / minuteMs} min` : `${ms / 1000} s`;
}

/** Several of them: `1 min, 5 min and 10 min`. @param {readonly number[]} lengths */
export function lengthsText(lengths) {
  const texts = lengths.map(lengthText), last = texts.pop() ?? "";
  return texts.length > 0 ? `${texts.join(", ")} and ${last}` : last;
}

/** What is left of a window: `0:07`, `12:30`, `3:00 h`. @param {number} ms */
export function leftText(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [large, small, unit] = seconds < 3_600
    ? [Math.floor(seconds / 60), seconds % 60, ""]
    : [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, " h"];
  return `${large}:${String(small).padStart(2, "0")}${unit}`;
}

/** From when to when: `2:41 – 2:42 PM`, with its day if that is not today. @param {number} start @param {number} ms length
 * @param {number} now */
export function spanText(start, ms, now) {
  const format = ms % minuteMs === 0 ? hourAndMinute : { format: timeOfDay };
  const day = dayOf(start) === dayOf(now) ? "" : `${dayOf(start)}, `;
  const [from, to] = [format.format(start), format.format(start + ms)];
  const half = / ?[AP]M$/.exec(to)?.[0]; // said once
  return `${day}${half && from.endsWith(half) ? from.slice(0, -half.length) : from} – ${to}`;
}
