// @ts-check
/** What is told of streams and what can be asked of them, as types; there is no code here.
 * @module */
/** @import { Problem } from "./problem.js" */
/** @import { EventSourceClass, WebSocketClass } from "./stream_links.js" */

/** First event of each connection: where in the log it starts, and whether that is where the stream was left.
 * @typedef {object} Ready
 * @property {"fresh" | "exact" | "gap" | "reset"} resume `exact`: nothing is missing; `gap`: `skipped`
 * records are gone;
 *   `reset`: the place asked for is not in this log
 * @property {string | null} [reason] why, if not as asked
 * @property {string | null} [requested]
 * @property {string | null} [start]
 * @property {number} [skipped] records
 * @property {number} serverTime ms since the epoch */

/** Records that were passed over.
 * @typedef {object} Gap
 * @property {number} partition
 * @property {number} from first offset that is missing
 * @property {number} to offset at which the stream goes on
 * @property {number} skipped records
 * @property {"retention" | "policy" | "unreadable"} reason */

/** How the stream is doing.
 * @typedef {object} StreamState
 * @property {"connecting" | "open" | "waiting" | "paused" | "ended" | "failed" | "closed"} name `waiting`:
 * for the next try
 * @property {number} since ms since the epoch
 * @property {number | null} retryAt ms since the epoch, while `waiting` */

/** Of which stream something is told, where several share a connection: its address as it was given.
 * @typedef {{ stream?: string }} Of */

/** @typedef {Of & { event: string, cursor: string, size: number }} RecordInfo `event`: its name; `cursor`: the
 * place after it; `size`: characters of its data, of a frame of video its bytes */

/** Everything is optional.
 * @template Rec
 * @typedef {object} FollowOptions
 * @property {(record: Rec, info: RecordInfo) => void} [onRecord] once per record, in order per partition
 * @property {(ready: Ready, of: Of) => void} [onReady]
 * @property {(gap: Gap, of: Of) => void} [onGap]
 * @property {(status: { kafka: "up" | "down" }, of: Of) => void} [onStatus] Kafka was lost, or is back
 * @property {(bye: { reason?: string }) => void} [onBye] the server ends the connection; the stream comes
 * back by itself
 * @property {(of: Of) => void} [onEnd] a bounded read (`until=`) is through
 * @property {(state: StreamState) => void} [onState]
 * @property {(problem: Problem) => void} [onError] the server refused; the stream is `failed`, or tries again
 * @property {string} [cursor] where to start: `latest` (default), `earliest`, `t.<ms since epoch>` or an id
 * @property {number | null} [speed] replays n times as fast as it happened; default: as fast as it is read
 * @property {readonly string[]} [events] names of the events that are records; default: those of all
 * streams
 * @property {"sse" | "websocket" | "frames"} [transport] default `sse`; over a WebSocket, `seek` and `setSpeed`
 * keep the connection; `frames`: a WebSocket over which records of video are `VideoFrame`s, with their JPEG
 * @property {string} [remember] a key in `sessionStorage` under which the place survives a reload
 * @property {AbortSignal} [signal] closes the stream
 * @property {EventSourceClass} [EventSource] instead of the global one
 * @property {WebSocketClass} [WebSocket] instead of the global one */

/** One of several streams. @template Rec
 * @typedef {object} Part
 * @property {string | URL} url as for `follow`
 * @property {string} [cursor] where to start
 * @property {readonly string[]} [events] names of the events that are records
 * @property {FollowOptions<Rec>["onRecord"]} [onRecord]
 * @property {FollowOptions<Rec>["onReady"]} [onReady]
 * @property {FollowOptions<Rec>["onGap"]} [onGap]
 * @property {FollowOptions<Rec>["onStatus"]} [onStatus]
 * @property {FollowOptions<Rec>["onEnd"]} [onEnd]
 * @property {FollowOptions<Rec>["onError"]} [onError] */

export {};
