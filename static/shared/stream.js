// @ts-check
/** Follows Tailrace streams and keeps its place, in a browser, Deno or Node.
 *
 *     import { follow, followAll } from "https://your.tailrace/client.js";
 *
 *     const stream = follow("https://your.tailrace/geo/geostream/events", {
 *       onRecord: (position) => console.log(position.name, position.lat, position.lon),
 *     });
 *     stream.close(); // or give an AbortSignal as `signal`
 *
 *     // From an hour ago, ten times as fast as it happened, over a WebSocket.
 *     const replay = follow("https://your.tailrace/topics/orders/events", {
 *       cursor: `t.${Date.now() - 3_600_000}`, speed: 10, transport: "websocket",
 *       onRecord: ({ key, value, headers }, { cursor }) => { … },
 *     });
 *     replay.setSpeed(60); replay.pause(); replay.resume(); replay.seek("latest");
 *
 *     // Several streams over one connection, of which a browser has six for each host.
 *     followAll([
 *       { url: "https://your.tailrace/geo/geostream/events", onRecord: (position) => { … } },
 *       { url: "https://your.tailrace/topics/orders/events?key=7", onRecord: (order) => { … } },
 *     ], { remember: "dashboard" });
 *
 *     // Video: each frame with its JPEG, in its own pace, from where this viewer left it.
 *     const video = follow("https://your.tailrace/video/gate/socket?viewer=me&speed=1", {
 *       transport: "frames",
 *       onRecord: ({ frame, capturedAt, jpeg }) => { …; video.ack(frame); },
 *     });
 *
 * Every event carries the viewer's place in the log as its id. When the connection breaks, the server says
 * `bye`, the computer slept or the page comes out of the back/forward cache, the stream is opened again at
 * the last id: what was missed comes first, and what was seen already (by partition and offset) is dropped.
 * With `remember` that also holds across a reload of the page.
 *
 * It reconnects by itself instead of leaving that to `EventSource`, which does not say when it will, never
 * backs off, and gives up for good after any answer but 200. Outside of a browser it takes the global
 * `EventSource` and `WebSocket`, or those it is given; addresses must then be whole, and nothing is remembered
 * without `sessionStorage`. Left out: an SSE connection that dies silently while the page is awake (the
 * heartbeat is a comment, which `EventSource` does not show; over a WebSocket it is noticed); authentication.
 * @see the project's README, "Streams", for the events and their data
 * @module */
import { Stream } from "./stream_viewer.js";
export { followAll } from "./stream_group.js";
export { readProblem } from "./problem.js";
export { Stream };

/** @typedef {import("./problem.js").Problem} Problem */
/** @typedef {import("./stream_frames.js").VideoFrame} VideoFrame */
/** @typedef {import("./stream_types.js").Ready} Ready */
/** @typedef {import("./stream_types.js").Gap} Gap */
/** @typedef {import("./stream_types.js").StreamState} StreamState */
/** @typedef {import("./stream_types.js").Of} Of */
/** @typedef {import("./stream_types.js").RecordInfo} RecordInfo */
/** @template Rec @typedef {import("./stream_types.js").FollowOptions<Rec>} FollowOptions */
/** @template Rec @typedef {import("./stream_types.js").Part<Rec>} Part */

/** Opens a stream, at once.
 * @template {object} [Rec=any]
 * @param {string | URL} url of a route that ends in `/events` (over a WebSocket `/socket` will do too), or
 *   `/streams?s=…`; its query may hold `key=`, `where=`, `policy=`, `until=`, …
 * @param {FollowOptions<Rec>} [options]
 * @returns {Stream<Rec>} */
export function follow(url, options = {}) {
  return new Stream(url, options);
}
