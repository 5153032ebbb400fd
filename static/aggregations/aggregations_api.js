// @ts-check
/** What the page asks the service besides its stream: all windows as they are, and to store a like; and the addresses and lines that
 * do the same elsewhere.
 * @module */
/** @import { AggregationsData } from "../../routes/aggregations.ts" */
/** @import { PostedLike } from "../../routes/likes.ts" */
import { askJson } from "../shared/api.js";

/** Which videos are wanted. @typedef {object} Query
 * @property {string | null} only this one; null: those with titles, and the newest
 * @property {number} limit of videos
 * @property {number} windows finished ones of each size */

/** @param {Query} query @param {AbortSignal} signal @returns {Promise<AggregationsData>} @throws {ApiError} */
export function fetchAggregations({ only, limit, windows }, signal) {
  const query = new URLSearchParams({ limit: String(limit), windows: String(windows) });
  if (only !== null) query.set("id", only);
  return askJson(`/aggregations?${query}`, { signal });
}

/** Stores a like, of now. @param {string} id @returns {Promise<PostedLike>} once Kafka has it @throws {ApiError} */
export function postLike(id) {
  return askJson(likesOf(id), { method: "POST" });
}

/** The stream of some videos' windows, of all sizes. @param {readonly string[]} ids */
export function eventsOf(ids) {
  return `/aggregations/events?${new URLSearchParams(ids.map((id) => ["id", id]))}`;
}

/** Where a video is alone, as a page and as JSON. @param {string} id */
export const pathOf = (id) => {
  const isTaken = isDots(id) || id === "events" || id === "socket"; // the streams are there
  return isTaken ? `/aggregations?id=${id}` : `/aggregations/${encodeURIComponent(id)}`;
};

/** @param {string} id */
const likesOf = (id) => isDots(id) ? `/videos/likes?id=${id}` : `/videos/${encodeURIComponent(id)}/likes`;

/** Ids that no address has in its path. @param {string} id */
const isDots = (id) => id === "." || id === "..";

/** A line for the terminal that stores a like. @param {string} id */
export const likeCommand = (id) => `curl -X POST ${quoted(likesOf(id))}`;

/** One that prints the windows of a video. @param {string} id */
export const readCommand = (id) => `curl ${quoted(pathOf(id))}`;

/** One that follows them. @param {string} id */
export const followCommand = (id) => `curl -N ${quoted(eventsOf([id]))}`;

/** One that likes at random. @param {string} id */
export const generateCommand = (id) => `tailrace publish likes --video ${shellWord(id)} --rate 60`;

/** A whole address as one word of a shell. @param {string} path */
const quoted = (path) => shellWord(new URL(path, location.href).href);

/** @param {string} text */
const shellWord = (text) => /^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
