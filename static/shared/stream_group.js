// @ts-check
/** Several streams over one connection, each told to who asked for it.
 * @module */
/** @import { FollowOptions, Part } from "./stream_types.js" */
import { baseUrl, recordEvents, Stream } from "./stream_viewer.js";

/** Opens several streams of one service over one connection, at once. What is told of a stream goes to its
 * part, and then to `options`, where `stream` says which one it is.
 * @param {readonly Part<any>[]} parts
 * @param {FollowOptions<any> & { url?: string | URL }} [options] of the connection; `url`: the service's
 *   `/streams` if it is not at the root of the first part's host
 * @returns {Stream} its cursor is the place in all of them
 * @throws {TypeError} without a part */
export function followAll(parts, options = {}) {
  const [first] = parts;
  if (!first) throw new TypeError("Cannot follow no stream: at least one part is wanted");
  const home = new URL(first.url, baseUrl());
  const url = new URL(options.url ?? "/streams", home);
  /** Parts by the address of their stream. @type {Map<string, Part<any>[]>} */
  const byAddress = new Map();
  for (const part of parts) {
    const address = addressOf(new URL(part.url, home), url, part.cursor);
    byAddress.set(address, [...byAddress.get(address) ?? [], part]);
  }
  url.search = "";
  for (const address of byAddress.keys()) url.searchParams.append("s", address);
  const events = [...new Set(parts.flatMap((part) => part.events ?? options.events ?? recordEvents))];
  /** @param {"onRecord" | "onReady" | "onGap" | "onStatus"} name */
  const tell = (name) => (/** @type {any} */ what, /** @type {any} */ of) => {
    for (const part of byAddress.get(of.stream) ?? []) part[name]?.(what, of);
    options[name]?.(what, of);
  };
  return new Stream(url, {
    ...options,
    events,
    onRecord: tell("onRecord"),
    onReady: tell("onReady"),
    onGap: tell("onGap"),
    onStatus: tell("onStatus"),
    onEnd: (of) => {
      for (const part of byAddress.get(of.stream ?? "") ?? []) part.onEnd?.(of);
      options.onEnd?.(of);
    },
    onError: (problem) => {
      for (const part of byAddress.get(problem.stream ?? "") ?? []) part.onError?.(problem);
      options.onError?.(problem);
    },
  });
}

/** A stream's address within its service. @param {URL} stream @param {URL} service its `/streams`
 * @param {string | undefined} cursor */
function addressOf(stream, service, cursor) {
  const root = new URL(".", service).pathname;
  const path = stream.pathname.startsWith(root) ? stream.pathname.slice(root.length - 1) : stream.pathname;
  const query = new URLSearchParams(stream.search);
  if (cursor) query.set("cursor", cursor);
  return query.size > 0 ? `${path}?${query}` : path;
}
