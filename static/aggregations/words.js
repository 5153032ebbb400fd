// @ts-check
/** Windows in words: for tips, tables and who does not see the bars. Pure.
 * @module */
/** @import { Bar, Kind } from "./video.js" */
import { count } from "../shared/format.js";
import { lengthText, spanText } from "./window_times.js";

const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });
const narrow = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 2 });

/** What shows nothing, or turns the text around it. */
const unseen = /[\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** An id as it can be seen and told from others: spaces at its ends are between quotes, and characters that show nothing are written as
 * in a program. @param {string} id */
export function idText(id) {
  const text = id.replace(
    unseen,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return text === text.trim() ? text : `"${text}"`;
}

/** How a window stands, in a word. @type {Readonly<Record<Kind, string>>} */
export const kindWords = { none: "final", final: "final", ended: "waiting", open: "open" };

/** A count in a place of five characters. @param {number} n */
export const short = (n) => n < 10_000 ? count(n) : compact.format(n);

/** One in a narrower place. @param {number} n @param {number} most that is written as it is */
export const shorter = (n, most) => n <= most ? count(n) : narrow.format(n);

/** @param {number} n */
export const likes = (n) => `${count(n)} ${n === 1 ? "like" : "likes"}`;

/** @param {Bar} bar @param {number} ms length of its window @param {number} now */
export function barText({ start, count: n, late, kind }, ms, now) {
  const more = { none: "", final: "", ended: ", waits for late ones", open: " so far" }[kind];
  const lateText = late > 0 ? `, ${count(late)} late` : "";
  return `${spanText(start, ms, now)}: ${likes(n)}${more}${lateText}`;
}

/** Bars as a sentence. @param {readonly Bar[]} bars @param {number} ms */
export function barsText(bars, ms) {
  const counts = bars.map(({ count }) => count);
  return `Likes in the last ${bars.length} windows of ${lengthText(ms)}: ${count(Math.min(...counts))} to ${
    count(Math.max(...counts))
  }`;
}
