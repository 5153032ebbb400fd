// @ts-check
/** What the page's address says: topic, who is followed, how long trails are, the filter, the moment that is
 * replayed. A link shows the same thing.
 * @module */

/** @typedef {{ at: number, speed: number, span: string }} ReplayState `at`: ms since the epoch */
/** @typedef {{ topic: string | null, followed: string | null, trail: string, query: string, replay:
 * ReplayState | null }} PageState */

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

/** What can be replayed up to now, ms by its name in the address. @type {Readonly<Record<string, number>>} */
export const replaySpans = { "15m": 15 * minuteMs, "1h": 60 * minuteMs, "6h": 360 * minuteMs, all: Infinity };

/** How many times faster than it was. */
export const replaySpeeds = [1, 5, 20, 60];

export const usualReplay = { speed: 20, span: "15m" };

/** @returns {PageState} */
export function readUrl() {
  const query = new URLSearchParams(location.search);
  const trail = query.get("trail") ?? usualTrail;
  return {
    topic: query.get("topic"),
    followed: query.get("follow"),
    trail: trail in trailLengths ? trail : usualTrail,
    query: query.get("q") ?? "",
    replay: readReplay(query),
  };
}

/** @param {URLSearchParams} query @returns {ReplayState | null} */
function readReplay(query) {
  const at = /^t\.(\d{1,15})$/.exec(query.get("replay") ?? "")?.[1];
  if (at === undefined) return null;
  const speed = Number(query.get("speed"));
  const span = query.get("span") ?? "";
  return {
    at: Number(at),
    speed: replaySpeeds.includes(speed) ? speed : usualReplay.speed,
    span: Object.hasOwn(replaySpans, span) ? span : usualReplay.span,
  };
}

/** Puts the state into the address, without a new entry in the history.
 * @param {PageState} state @param {string} usualTopic */
export function writeUrl({ topic, followed, trail, query, replay }, usualTopic) {
  const search = new URLSearchParams();
  if (topic && topic !== usualTopic) search.set("topic", topic);
  if (followed !== null) search.set("follow", followed);
  if (trail !== usualTrail) search.set("trail", trail);
  if (query) search.set("q", query);
  if (replay) {
    search.set("replay", `t.${Math.round(replay.at)}`);
    search.set("speed", String(replay.speed));
    if (replay.span !== usualReplay.span) search.set("span", replay.span);
  }
  const text = search.toString();
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}
