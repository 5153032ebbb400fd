/** What requests for measurements that are kept say of them: a span of time, and numbers.
 *
 * Left out: what is done with it (measurement_rows.ts, histograms.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { parseTimeOrDay } from "../kafka/measurement_time.ts";

/** Measured at `from` or later and before `to`, ms since the epoch. */
export interface Span {
  readonly from?: number;
  readonly to?: number;
}

/** Reads `from=` and `to=`.
 * @throws {StreamError} 400 `invalid-from`, `invalid-to`, `invalid-span` */
export function readSpan(query: URLSearchParams): Span {
  const from = readTime(query, "from"), to = readTime(query, "to");
  if (from !== undefined && to !== undefined && from > to) {
    throw new StreamError(
      "invalid-span",
      400,
      `Cannot go from ${query.get("from")} to ${query.get("to")}: that is earlier`,
    );
  }
  return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
}

/** Reads a whole number from 1 to `most`.
 * @throws {StreamError} 400 `invalid-<name>` */
export function readNumber(
  query: URLSearchParams,
  name: "limit" | "points",
  { most, fallback }: { readonly most: number; readonly fallback: number },
): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const number = /^\d{1,12}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= most) return number;
  throw refused(name, text, `a number from 1 to ${most}`);
}

/** Reads one of a few words; the first one is meant when nothing is said.
 * @throws {StreamError} 400 `invalid-<name>` */
export function readWord<W extends string>(query: URLSearchParams, name: string, words: readonly W[]): W {
  const text = query.get(name);
  const word = text === null ? words[0] : words.find((one) => one === text);
  if (word !== undefined) return word;
  throw refused(name, text!, `one of ${words.join(", ")}`);
}

/** Reads `t.<ms since the epoch>`, an ISO 8601 time, or a date, which begins at midnight UTC. */
function readTime(query: URLSearchParams, name: "from" | "to"): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const ms = /^t\.(-?\d{1,15})$/.exec(text);
  if (ms) return Number(ms[1]);
  // The plus of an offset is a space where somebody did not write it as %2B.
  const time = parseTimeOrDay(text.replace(/(:\S*) (\d\d:?\d\d)$/, "$1+$2"));
  if (time !== null) return time;
  throw refused(name, text, "t.<ms since the epoch>, or a time in ISO 8601 such as 2026-01-31T12:00:00Z");
}

function refused(name: string, text: string, wanted: string): StreamError {
  return new StreamError(
    `invalid-${name}`,
    400,
    `Cannot use ${name}=${text.slice(0, 80)}: ${wanted} is wanted`,
  );
}
