// @ts-check
/** What the page's address says: which video is shown alone, or how many. A link shows the same thing.
 * @module */

import { pathOf } from "./aggregations_api.js";

/** @typedef {object} PageState
 * @property {string | null} video id of the only one that is shown; null: many
 * @property {number} limit of how many */

const usualLimit = 24;
/** As many as one connection follows. */
export const mostVideos = 96;

/** @returns {PageState} */
export function readUrl() {
  const query = new URLSearchParams(location.search), limit = Number(query.get("limit"));
  return {
    video: decoded(/^\/aggregations\/([^/]+)$/.exec(location.pathname)?.[1] ?? "") || query.get("id") || null,
    limit: Number.isInteger(limit) && limit > 0 ? Math.min(limit, mostVideos) : usualLimit,
  };
}

/** @param {PageState} state @returns {string} path and query */
export function addressOf({ video, limit }) {
  const query = limit === usualLimit ? "" : `?limit=${limit}`;
  return video === null ? `/aggregations${query}` : pathOf(video);
}

/** @param {number} limit that is shown @returns {number} the next one */
export const nextLimit = (limit) => Math.min(mostVideos, limit * 2);

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
