// @ts-check
/** What the page asks the service besides its streams: which there are, what is kept of one, single frames; and
 * the addresses of a stream.
 * @module */
/** @import { VideoData, VideoInfo } from "../../routes/video.ts" */
import { ApiError, ask, askJson } from "../shared/api.js";

/** One frame by itself. @typedef {object} Still
 * @property {string} frame
 * @property {number} partition
 * @property {number} offset
 * @property {number} capturedAt ms since the epoch
 * @property {Blob} jpeg */

/** @param {string} topic */
export const pathOf = (topic) => `/video/${encodeURIComponent(topic)}`;

/** @returns {Promise<VideoData>} @throws {ApiError} */
export const fetchList = () => askJson("/video");

/** @param {string} topic @param {AbortSignal} [signal] @returns {Promise<VideoInfo>} @throws {ApiError} */
export const fetchInfo = (topic, signal) => askJson(pathOf(topic), signal ? { signal } : {});

/** Where a still is taken from: a query of `snapshot.jpg`, such as `{ after: "0:17" }`; empty for the newest.
 * @typedef {{ cursor?: string, before?: string, after?: string }} Whence */

/** @param {string} topic @param {Whence} [whence] */
export function stillUrl(topic, whence = {}) {
  const query = new URLSearchParams(whence).toString().replaceAll("%3A", ":");
  return `${pathOf(topic)}/snapshot.jpg${query ? `?${query}` : ""}`;
}

/** @param {string} topic @param {Whence} whence @param {AbortSignal} [signal]
 * @returns {Promise<Still | null>} null when there is no such frame @throws {ApiError} */
export async function fetchStill(topic, whence, signal) {
  let response;
  try {
    response = await ask(stillUrl(topic, whence), signal ? { signal } : {});
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 404) return null;
    throw error;
  }
  const frame = response.headers.get("x-frame-id") ?? "";
  const [partition = NaN, offset = NaN] = frame.split(":").map(Number);
  const capturedAt = Math.round(Number(response.headers.get("x-timestamp")) * 1000);
  return { frame, partition, offset, capturedAt, jpeg: await response.blob() };
}
