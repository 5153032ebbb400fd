// @ts-check
/** Sizes as people read them. @module */

const digits = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const units = ["B", "kB", "MB", "GB", "TB", "PB"];

/** @param {number} n */
export function bytes(n) {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, n)) / 3)));
  return `${digits.format(n / 1000 ** power)} ${units[power]}`;
}
