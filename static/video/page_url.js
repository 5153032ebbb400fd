// @ts-check
/** What the page's address says: which streams, how fast, live or at which moment. A link shows the same thing.
 *
 *     /video/cam               goes on where this viewer left it
 *     /video/cam?speed=2       twice as fast
 *     /video/cam?live=1        the newest frame
 *     /video/cam?at=1768…      stands at the frame of that time (ms since the epoch)
 *     /video?wall=cam,door     several at once
 * @module */

/** @typedef {object} PageState
 * @property {string | null} topic null: the one that the service names
 * @property {readonly string[] | null} wall the topics of the wall; null while one stream is shown
 * @property {number} speed
 * @property {boolean} isLive
 * @property {number | null} at ms since the epoch, where it stands still */

/** How fast a recording can be played. @type {readonly number[]} */
export const speeds = [0.25, 0.5, 1, 2, 4, 8];
/** Tiles of a wall, at most. */
export const mostTiles = 9;

/** @param {Pick<Location, "pathname" | "search">} [address] @returns {PageState} */
export function readUrl({ pathname, search } = location) {
  const query = new URLSearchParams(search);
  const speed = Number(query.get("speed"));
  const at = Number(query.get("at"));
  const wall = query.get("wall");
  return {
    topic: decodeURIComponent(/^\/video\/([^/]+)$/.exec(pathname)?.[1] ?? "") || null,
    wall: wall === null ? null : [...new Set(wall.split(",").filter(isTopicName))].slice(0, mostTiles),
    speed: speeds.includes(speed) ? speed : 1,
    isLive: query.get("live") === "1",
    at: Number.isSafeInteger(at) && at > 0 ? at : null,
  };
}

/** @param {PageState} state @returns {string} path and query */
export function addressOf({ topic, wall, speed, isLive, at }) {
  if (wall) return `/video?wall=${wall.join(",")}`;
  const search = new URLSearchParams();
  if (isLive) search.set("live", "1");
  else if (at !== null) search.set("at", String(Math.round(at)));
  if (speed !== 1) search.set("speed", String(speed));
  const path = topic === null ? "/video" : `/video/${encodeURIComponent(topic)}`;
  return search.size > 0 ? `${path}?${search}` : path;
}

/** Whether Kafka takes it for a topic's name. @param {string} name */
export const isTopicName = (name) => /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== "." && name !== "..";
