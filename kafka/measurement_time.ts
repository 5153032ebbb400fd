/** Times as programs write them: ISO 8601, with or without a zone.
 *
 * Read by hand, as this is done for every record, and as `Date.parse` takes a time without a zone for one of this machine. Left out:
 * weeks, ordinal days, leap seconds.
 * @see {@link https://www.rfc-editor.org/rfc/rfc3339} @module */

const zero = 48, nine = 57, plus = 43, comma = 44, minus = 45, dot = 46, colon = 58, space = 32;
const letterT = 0x54, letterZ = 0x5a, toUpper = 0xdf;
const minuteMs = 60_000, dayMs = 86_400_000;
/** Years 0001 to 9999 in UTC: as text they are in order. */
const firstMs = Date.parse("0001-01-01T00:00:00.000Z");
const lastMs = Date.parse("9999-12-31T23:59:59.999Z");

/** Reads `2026-05-17T09:30:00.123456+02:00`: a date and a time, T or a space between them; seconds, their fraction and the zone may be
 * missing. Without a zone it is UTC. What is finer than a millisecond is cut off.
 * @returns ms since the epoch, null for what is no such time */
export function parseMeasurementTime(text: string): number | null {
  const length = text.length;
  if (length < 16 || length > 64) return null;
  const year = digits(text, 0, 4), month = digits(text, 5, 7), day = digits(text, 8, 10);
  const hour = digits(text, 11, 13), minute = digits(text, 14, 16), between = text.charCodeAt(10);
  if (text.charCodeAt(4) !== minus || text.charCodeAt(7) !== minus || text.charCodeAt(13) !== colon) {
    return null;
  }
  if ((between & toUpper) !== letterT && between !== space) return null;
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month))) return null;
  if (!(hour <= 23 && minute <= 59)) return null;
  let at = 16, second = 0, fraction = 0;
  if (text.charCodeAt(at) === colon) {
    second = digits(text, 17, 19);
    if (!(second <= 59)) return null;
    at = 19;
    const mark = text.charCodeAt(at);
    if (mark === dot || mark === comma) {
      const from = ++at;
      while (isDigit(text.charCodeAt(at))) at++;
      if (at === from) return null;
      for (let i = 0; i < 3; i++) {
        fraction = fraction * 10 + (from + i < at ? text.charCodeAt(from + i) - zero : 0);
      }
    }
  }
  const zone = zoneMs(text, at);
  const ms = dayNumber(year, month, day) * dayMs + hour * 3_600_000 + minute * minuteMs + second * 1000 +
    fraction - zone;
  return ms >= firstMs && ms <= lastMs ? ms : null;
}

/** Reads the same, or a day alone, which begins at midnight UTC. */
export function parseTimeOrDay(text: string): number | null {
  return parseMeasurementTime(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
}

/** How far the zone that begins at a place is ahead of UTC; NaN for what is no zone. */
function zoneMs(text: string, at: number): number {
  const rest = text.length - at;
  if (rest === 0) return 0;
  const sign = text.charCodeAt(at);
  if (rest === 1 && (sign & toUpper) === letterZ) return 0;
  if (sign !== plus && sign !== minus) return NaN;
  const hasColon = rest === 6;
  if (rest !== 3 && rest !== 5 && !(hasColon && text.charCodeAt(at + 3) === colon)) return NaN;
  const hours = digits(text, at + 1, at + 3);
  const minutes = rest === 3 ? 0 : digits(text, text.length - 2, text.length);
  if (!(hours <= 23 && minutes <= 59)) return NaN;
  return (sign === minus ? -1 : 1) * (hours * 60 + minutes) * minuteMs;
}

/** The number that the characters of a span write; NaN if they are not all digits. */
function digits(text: string, from: number, to: number): number {
  let number = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) return NaN;
    number = number * 10 + code - zero;
  }
  return number;
}

function isDigit(code: number): boolean {
  return code >= zero && code <= nine;
}

function daysOf(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days since 1970-01-01 in the Gregorian calendar; years begin in March here, so that the leap day is their last. */
function dayNumber(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}
