// @ts-check
/** Numbers, times and ids as people read them, in the reader's language and time zone.
 * @module */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** @param {number} n */
export const count = (n) => whole.format(n);

/** A rate per second: one digit after the point while it is small. @param {number} n */
export const rate = (n) => (n > 0 && n < 9.95 ? oneDigit.format(n) : whole.format(n));

/** A short time that grows long: `8 ms`, `1.4 s`, `12 s`, `3 min`, `2 h`, `4 d`. @param {number} ms */
export function duration(ms) {
  const seconds = Math.abs(ms) / 1000;
  if (seconds < 1) return `${whole.format(Math.abs(ms))} ms`;
  if (seconds < 9.95) return `${oneDigit.format(seconds)} s`;
  return wholeDuration(ms);
}

/** The same without fractions, for times that are looked at while they grow. @param {number} ms */
export function wholeDuration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** When it is tried again. @param {number | null | undefined} retryAt none when that is under way; ms since the epoch
 * @param {number} now */
export function nextTry(retryAt, now) {
  return retryAt && retryAt > now ? `Next try in ${wholeDuration(retryAt - now + 999)}.` : "Trying now.";
}

/** Time of day in the reader's zone. @param {number} ms since the epoch */
export const timeOfDay = (ms) => clock.format(ms);

/** Its day in the reader's zone: `Nov 21`. @param {number} ms since the epoch */
export const dayOf = (ms) => day.format(ms);

/** The same moment in UTC, for titles. @param {number} ms since the epoch */
export const utc = (ms) => `${new Date(ms).toISOString().replace("T", " ").replace("Z", "")} UTC`;

/** Shortens an id in its middle. @param {string} id @param {number} [length] of the result, in characters */
export function shortId(id, length = 20) {
  if (id.length <= length) return id;
  const characters = [...id], end = Math.floor((length - 1) / 2);
  if (characters.length <= length) return id;
  return `${characters.slice(0, length - 1 - end).join("")}…${characters.slice(-end).join("")}`;
}

/** Degrees with the letter of their half of the globe. @param {number} lat @param {number} lon */
export function latLon(lat, lon) {
  const part = (/** @type {number} */ degrees, /** @type {string} */ letter) =>
    `${Math.abs(degrees).toFixed(5)}° ${letter}`;
  return `${part(lat, lat < 0 ? "S" : "N")}, ${part(lon, lon < 0 ? "W" : "E")}`;
}

/** Sets an element's text if it differs, so that what did not change costs no layout.
 * @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
