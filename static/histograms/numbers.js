// @ts-check
/** Numbers of measurements as people read them: with as many digits as their steps are worth. Pure.
 * @module */

const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });
/** As `1.23457E12`: cut off where there is no room for it, a number would not tell how large it is. */
const large = new Intl.NumberFormat(undefined, { notation: "scientific", maximumSignificantDigits: 6 });
/** With an exponent of three digits. */
const largest = new Intl.NumberFormat(undefined, { notation: "scientific", maximumSignificantDigits: 4 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumSignificantDigits: 2 });

/** How the numbers of one measurement are written.
 * @typedef {object} Writer
 * @property {(value: number | null | undefined) => string} value measured ones
 * @property {(value: number | null | undefined) => string} derived means and the like, of a fixed number of digits */

/** @param {number} step between expected values @returns {Writer} */
export function writerFor(step) {
  const digits = Math.min(12, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  const more = Math.min(14, digits + (step >= 10 ? 1 : 2));
  const value = new Intl.NumberFormat(undefined, { maximumFractionDigits: more });
  const derived = new Intl.NumberFormat(undefined, {
    minimumFractionDigits: more,
    maximumFractionDigits: more,
  });
  const write = (/** @type {Intl.NumberFormat} */ format) => (/** @type {number | null | undefined} */ n) =>
    n === null || n === undefined
      ? "–"
      : minus((Math.abs(n) >= 1e8 ? scientific(n) : format).format(n === 0 ? 0 : n));
  return { value: write(value), derived: write(derived) };
}

/** Counts of an axis. @param {number} n */
export const short = (n) => compact.format(n);

/** Measured values of an axis: as they are, unless they are very large. @param {number} n */
export const plain = (n) => {
  const size = Math.abs(n);
  return minus((size >= 1e15 ? scientific(n) : size >= 1e6 ? compact : exact).format(n));
};

/** @param {number} part @param {number} whole */
export const share = (part, whole) => whole > 0 ? percent.format(part / whole) : "–";

/** @param {number} n */
const scientific = (n) => Math.abs(n) >= 1e100 ? largest : large;

/** A minus as long as a plus. @param {string} text */
const minus = (text) => text.replace(/^-/, "−");
