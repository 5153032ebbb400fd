// @ts-check
/** What the page's address says: topic, who is followed, how long trails are, the filter. A link shows the
 * same thing.
 * @module */

/** @typedef {{ topic: string | null, followed: string | null, trail: string, query: string }} PageState */

const minuteMs = 60_000;

/** Lengths of trails by their name in the address. @type {Readonly<Record<string, number>>} */
export const trailLengths = {
  "1m": minuteMs,
  "5m": 5 * minuteMs,
  "15m": 15 * minuteMs,
  "1h": 60 * minuteMs,
  "6h": 360 * minuteMs,
};

const usualTrail = "5m";

/** @returns {PageState} */
export function readUrl() {
  const query = new URLSearchParams(location.search);
  const trail = query.get("trail") ?? usualTrail;
  return {
    topic: query.get("topic"),
    followed: query.get("follow"),
    trail: trail in trailLengths ? trail : usualTrail,
    query: query.get("q") ?? "",
  };
}

/** Puts the state into the address, without a new entry in the history.
 * @param {PageState} state @param {string} usualTopic */
export function writeUrl({ topic, followed, trail, query }, usualTopic) {
  const search = new URLSearchParams();
  if (topic && topic !== usualTopic) search.set("topic", topic);
  if (followed !== null) search.set("follow", followed);
  if (trail !== usualTrail) search.set("trail", trail);
  if (query) search.set("q", query);
  const text = search.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}
