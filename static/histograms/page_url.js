// @ts-check
/** What the page's address says: which measurement is shown alone, and of which time. A link shows the same thing.
 * @module */

/** @typedef {"5m" | "1h" | "24h" | "all"} Range */
/** @typedef {object} PageState
 * @property {string | null} measurement the only one that is shown; null: all
 * @property {Range} range up to now; how far a zoom goes back to
 * @property {{ from: number, to: number } | null} zoom a span that stands still, ms since the epoch */

const minuteMs = 60_000;

/** How long each range is, in ms; of all: null. @type {Readonly<Record<Range, number | null>>} */
export const rangeMs = { "5m": 5 * minuteMs, "1h": 60 * minuteMs, "24h": 24 * 60 * minuteMs, "all": null };

/** In words, for sentences. @type {Readonly<Record<Range, string>>} */
export const rangeWords = {
  "5m": "the last 5 minutes",
  "1h": "the last hour",
  "24h": "the last 24 hours",
  "all": "all the time",
};

/** @type {Range} */
const usualRange = "5m";
/** Of a span that is shown, ms: more closely, times are no more told apart. */
export const shortestSpanMs = 20;

/** @returns {PageState} */
export function readUrl() {
  const query = new URLSearchParams(location.search);
  const range = query.get("range") ?? "";
  const [from, to] = [query.get("from"), query.get("to")].map((text) =>
    text === null ? NaN : Date.parse(text)
  );
  const isZoom = from !== undefined && to !== undefined && to - from >= shortestSpanMs;
  return {
    measurement: decodeURIComponent(/^\/histograms\/([^/]+)$/.exec(location.pathname)?.[1] ?? "") || null,
    range: Object.hasOwn(rangeMs, range) ? /** @type {Range} */ (range) : usualRange,
    zoom: isZoom ? { from, to } : null,
  };
}

/** @param {PageState} state @returns {string} path and query */
export function addressOf({ measurement, range, zoom }) {
  const query = new URLSearchParams();
  if (range !== usualRange) query.set("range", range);
  if (zoom) {
    query.set("from", new Date(zoom.from).toISOString());
    query.set("to", new Date(zoom.to).toISOString());
  }
  const text = query.toString().replaceAll("%3A", ":");
  const path = measurement === null ? "/histograms" : `/histograms/${encodeURIComponent(measurement)}`;
  return text ? `${path}?${text}` : path;
}

/** The span of a state at a time; open at its end where it goes on to now.
 * @param {PageState} state @param {number} now @returns {{ from?: number, to?: number }} */
export function spanOf({ range, zoom }, now) {
  if (zoom) return { from: zoom.from, to: zoom.to };
  const lengthMs = rangeMs[range];
  return lengthMs === null ? {} : { from: now - lengthMs };
}
