// @ts-check
/** A viewer of a stream: opens connections one after the other, and knows its place between them.
 *
 * Left out: how events come over one connection (stream_links.js), what the page or computer does
 * (page_life.js); see stream.js for what it is like from outside.
 * @module */
/** @import { EventSourceClass, Link, LinkEvent, WebSocketClass } from "./stream_links.js" */
/** @import { Problem } from "./problem.js" */
/** @import { VideoFrame } from "./stream_frames.js" */
/** @import { FollowOptions, Of, Ready, RecordInfo, StreamState } from "./stream_types.js" */
import { keep, kept, sleptMs, watchLife } from "./page_life.js";
import { askWhy } from "./problem.js";
import { Acks } from "./stream_acks.js";
import { asProblem, openEvents, openSocket } from "./stream_links.js";

const firstWaitMs = 2_000;
const longestWaitMs = 30_000;
/** After `bye` the server is on its way down or full: the time it asks for, as `retry` is not visible to a
 * page. */
const byeWaitMs = 10_000;
const others = ["ready", "gap", "status", "bye", "end"];
/** What records are called on the streams that there are. */
export const recordEvents = ["record", "position", "frame", "histogram"];

/** One viewer of a stream. Made by `follow`. @template {object} [Rec=any] */
export class Stream {
  /** @type {URL} */ #url;
  /** @type {FollowOptions<Rec>} */ #options;
  /** Streams that share the connection; empty if it is one. @type {readonly string[]} */ #many;
  #isSocket;
  /** @type {EventSourceClass} */ #Source;
  /** @type {WebSocketClass} */ #Socket;
  /** @type {Link | null} */ #link = null;
  /** @type {string} */ #cursor;
  /** Over a WebSocket each of several streams has an id of its own. @type {Map<string, string>} */
  #cursors = new Map();
  /** Newest offset seen, by stream, topic and partition. @type {Map<string, number>} */ #seen = new Map();
  /** Those of several that are through. @type {Set<string>} */ #ended = new Set();
  /** @type {number | null | undefined} */ #speed;
  /** The place that `seek` asked for, while what comes is still from before. @type {string | null} */
  #sought = null;
  /** Streams that have been told where they are on this connection. @type {Set<string>} */ #begun =
    new Set();
  #acks = new Acks();
  /** What came over the socket after `pause`. @type {LinkEvent[]} */ #held = [];
  /** @type {StreamState} */ #state = { name: "closed", since: Date.now(), retryAt: null };
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #retryTimer;
  #lastEventMs = Date.now();
  /** From opening until it ends, fails or is closed. */
  #life = new AbortController();
  #isClosed = false;
  #onAbort = () => this.close();

  /** @param {string | URL} url @param {FollowOptions<Rec>} options */
  constructor(url, options) {
    this.#url = new URL(url, baseUrl());
    this.#options = options;
    this.#many = this.#url.pathname.endsWith("/streams") ? this.#url.searchParams.getAll("s") : [];
    this.#isSocket = options.transport === "websocket" || options.transport === "frames";
    this.#speed = options.speed;
    this.#cursor = (options.remember ? kept(options.remember) : null) ?? options.cursor ?? "";
    this.#Source = options.EventSource ?? globalThis.EventSource;
    this.#Socket = options.WebSocket ?? globalThis.WebSocket;
    if (!(this.#isSocket ? this.#Socket : this.#Source)) {
      const name = this.#isSocket ? "WebSocket" : "EventSource";
      throw new TypeError(`Cannot follow ${this.#url} as there is no ${name} here: give one as an option`);
    }
    this.#life.abort();
    this.#isClosed = options.signal?.aborted ?? false;
    if (this.#isClosed) return;
    options.signal?.addEventListener("abort", this.#onAbort);
    this.#open();
  }

  /** The place to go on from: the id of the last event, or where it was asked to start. */
  get cursor() {
    if (!this.#isSocket || this.#cursors.size === 0) return this.#cursor;
    return `m1.${this.#many.map((stream) => this.#cursors.get(stream) ?? "").join(";")}`;
  }

  get state() {
    return this.#state;
  }

  /** Stops what comes and keeps the place. */
  pause() {
    if (this.#isOver() || this.#state.name === "paused") return;
    clearTimeout(this.#retryTimer);
    if (!this.#tellAll({ type: "pause" })) this.#disconnect();
    this.#enter("paused");
  }

  /** Goes on where it was paused, or tries again now instead of later. */
  resume() {
    if (this.#isClosed || this.#state.name === "ended") return;
    this.#attempt = 0;
    if (this.#state.name !== "paused" || !this.#tellAll({ type: "resume" })) return this.#open();
    this.#enter("open");
    const held = this.#held;
    this.#held = [];
    for (const event of held) this.#take(event);
  }

  /** Goes on at another place: `ready` tells where. @param {string} cursor as in the options */
  seek(cursor) {
    if (this.#isClosed) return;
    const isPaused = this.#state.name === "paused";
    this.#held = [];
    this.#cursor = cursor;
    this.#cursors.clear();
    this.#ended.clear();
    this.#seen.clear();
    this.#sought = this.#many.length === 0 && this.#tellAll({ type: "seek", cursor }) ? cursor : null;
    if (this.#sought !== null) return;
    this.#disconnect();
    if (!isPaused) this.#open();
  }

  /** Replays at another speed from here on. @param {number | null} speed null: as fast as it is read */
  setSpeed(speed) {
    if (this.#isClosed) return;
    this.#speed = speed;
    if (this.#isOver() || this.#tellAll({ type: "speed", speed })) return;
    if (this.#state.name === "paused") this.#disconnect();
    else this.#open();
  }

  /** Says that a frame has been seen, and all that came before it: there this viewer goes on next time. Only over
   * `frames`, and lost while there is no connection: the next one makes up for it.
   * @param {VideoFrame | string} frame or its id @param {string} [stream] of several streams which one */
  ack(frame, stream) {
    const id = typeof frame === "string" ? frame : frame.frame;
    if (!this.#begun.has(stream ?? "")) return;
    const of = stream === undefined ? {} : { stream };
    for (const seen of this.#acks.take(stream ?? "", id)) {
      this.#link?.send?.({ type: "ack", frame: seen, ...of });
    }
  }

  /** Ends the stream. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#leave("closed");
  }

  #open() {
    this.#disconnect();
    if (this.#life.signal.aborted) this.#live();
    this.#enter("connecting");
    if (this.#isClosed) return; // by who was told just now
    const { events = recordEvents } = this.#options;
    const ears = {
      onEvent: (/** @type {LinkEvent} */ event) => this.#hear(event),
      onLost: () => this.#lost(),
      onRefused: (/** @type {URL} */ target) => this.#askWhy(target),
      onFailed: (/** @type {Problem} */ problem) => this.#fail(problem),
      onDone: () => this.#leave("ended"),
      onGarbage: (/** @type {string} */ text) =>
        this.#tell("onError", {
          status: 200,
          title: "A message of the stream could not be read",
          detail: text.slice(0, 200),
        }),
    };
    const how = { Source: this.#Source, names: [...events, ...others], isMany: this.#many.length > 0 };
    const hasFrames = this.#options.transport === "frames";
    this.#link = this.#isSocket
      ? openSocket(this.#target(), { Socket: this.#Socket, hello: () => this.#hello(), hasFrames }, ears)
      : openEvents(this.#target(), how, ears);
  }

  #target() {
    const target = new URL(this.#url);
    const { searchParams } = target;
    if (this.#speed) searchParams.set("speed", String(this.#speed));
    else if (this.#speed === null) searchParams.delete("speed");
    if (this.#isSocket) target.pathname = target.pathname.replace(/\/events$/, "/socket");
    if (this.#isSocket && this.#many.length > 0) {
      for (const name of ["s", "cursor", "speed"]) searchParams.delete(name); // each is told by itself
    } else if (this.#cursor) searchParams.set("cursor", this.#cursor);
    return target;
  }

  /** What a new socket of several streams is asked for. */
  #hello() {
    if (/^m1\./.test(this.#cursor)) {
      const ids = this.#cursor.slice(3).split(";");
      if (ids.length === this.#many.length) {
        this.#many.forEach((stream, i) => ids[i] && this.#cursors.set(stream, ids[i]));
      }
      this.#cursor = "";
    }
    return this.#many.filter((stream) => !this.#ended.has(stream)).flatMap((stream) => {
      const cursor = this.#cursors.get(stream) || this.#cursor;
      const ask = { type: "subscribe", stream, ...(cursor && { cursor }) };
      return this.#speed ? [ask, { type: "speed", stream, speed: this.#speed }] : [ask];
    });
  }

  /** Says something over the socket, for each of several streams.
   * @param {object} message @returns {boolean} false if there is no socket to say it over */
  #tellAll(message) {
    const send = this.#link?.send;
    if (!send) return false;
    if (this.#many.length === 0) return send(message);
    return this.#many.filter((stream) => !this.#ended.has(stream)).every((stream) =>
      send({ ...message, stream })
    );
  }

  /** @param {LinkEvent} event */
  #hear(event) {
    this.#lastEventMs = Date.now();
    if (this.#state.name === "paused") this.#held.push(event);
    else this.#take(event);
  }

  /** @param {LinkEvent} event */
  #take(event) {
    const { name, data, id, stream, size } = event;
    if (stream !== undefined && this.#ended.has(stream)) return;
    if (this.#sought !== null) {
      if (name === "ready" && isAnswer(data, this.#sought)) this.#sought = null;
      else if (!["status", "bye", "error"].includes(name)) return;
    }
    if (id && this.#isSocket && stream !== undefined) this.#cursors.set(stream, id);
    else if (id) this.#cursor = id;
    const of = stream === undefined ? {} : { stream };
    if (name === "ready") this.#begin(data, of);
    else if (name === "gap") this.#tell("onGap", data, of);
    else if (name === "status") this.#tell("onStatus", data, of);
    else if (name === "bye") this.#bye(data);
    else if (name === "end") this.#end(of);
    else if (name === "error") this.#tell("onError", { ...asProblem(data), ...of });
    else this.#record(data, { event: name, cursor: this.cursor, size, ...of });
  }

  /** @param {Ready} ready @param {Of} of */
  #begin(ready, of) {
    this.#attempt = 0;
    // The log was made anew, or left for another place of it, so its offsets say nothing about what was seen.
    const { stream = "" } = of;
    if (ready?.resume === "reset" || this.#begun.has(stream)) this.#forget(stream);
    this.#begun.add(stream);
    this.#acks.forget(stream);
    if (this.#state.name !== "open") this.#enter("open");
    this.#tell("onReady", ready, of);
  }

  /** @param {any} record @param {RecordInfo} info */
  #record(record, info) {
    if (record === null || typeof record !== "object") return;
    const { topic = "", partition, offset } = record; // a stream of windows has a topic for each length
    if (typeof partition === "number" && typeof offset === "number") {
      const key = `${info.stream ?? ""} ${topic}:${partition}`;
      if (offset <= (this.#seen.get(key) ?? -1)) return;
      this.#seen.set(key, offset);
    }
    if (info.event === "frame" && record.jpeg) this.#acks.add(info.stream ?? "", record.frame);
    this.#tell("onRecord", record, info);
  }

  /** @param {string} stream */
  #forget(stream) {
    for (const key of this.#seen.keys()) {
      if (key.slice(0, key.lastIndexOf(" ")) === stream) this.#seen.delete(key);
    }
  }

  /** @param {{ reason?: string } | undefined} bye */
  #bye(bye = {}) {
    const isOnItsWay = bye.reason === "draining" || bye.reason === "full";
    this.#lost(isOnItsWay ? byeWaitMs : undefined);
    this.#tell("onBye", bye);
  }

  /** @param {Of} of */
  #end(of) {
    if (of.stream !== undefined) this.#ended.add(of.stream);
    if (this.#many.every((stream) => this.#ended.has(stream))) this.#leave("ended");
    this.#tell("onEnd", of);
  }

  /** @param {number} [waitMs] */
  #lost(waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#attempt)) {
    this.#disconnect();
    if (this.#state.name === "paused") return; // it is opened again by `resume`
    this.#attempt++;
    // Spread over ±50 %, or all viewers of a restarted server would come back in the same moment.
    const jitteredMs = waitMs * (0.5 + Math.random());
    this.#retryTimer = setTimeout(() => this.#open(), jitteredMs);
    this.#enter("waiting", Date.now() + jitteredMs);
  }

  /** @param {URL} target */
  async #askWhy(target) {
    this.#disconnect();
    const problem = await askWhy(target, this.#life.signal);
    if (this.#state.name !== "connecting" || this.#link) return; // paused, closed or opened again meanwhile
    const { status } = problem;
    if (status === 204) {
      this.#leave("ended");
      this.#tell("onEnd", {});
    } else if (status === 400 && this.cursor !== (this.#options.cursor ?? "")) {
      // A place that the server cannot read, such as one kept from an older version: begin as asked.
      this.#cursor = this.#options.cursor ?? "";
      this.#cursors.clear();
      this.#lost();
    } else if (status >= 400 && status < 500 && ![408, 426, 429].includes(status)) this.#fail(problem);
    else {
      this.#lost();
      // 200 and 426: it would have opened, so only the connection was bad.
      if (status !== 200 && status !== 426) this.#tell("onError", problem);
    }
  }

  /** @param {Problem} problem */
  #fail(problem) {
    this.#leave("failed");
    this.#tell("onError", problem);
  }

  #live() {
    this.#life = new AbortController();
    const wake = () => {
      if (this.#isOver() || this.#state.name === "paused") return;
      this.#attempt = 0;
      this.#open();
    };
    watchLife({
      onWake: wake,
      onShow: () => {
        const isQuiet = Date.now() - this.#lastEventMs > sleptMs;
        if (this.#state.name === "waiting" || isQuiet) wake();
      },
      onHide: () => this.#options.remember && this.cursor && keep(this.#options.remember, this.cursor),
      onPutAside: () => this.#disconnect(),
    }, this.#life.signal);
  }

  #disconnect() {
    clearTimeout(this.#retryTimer);
    this.#held = [];
    this.#sought = null;
    this.#begun.clear();
    this.#link?.close();
    this.#link = null;
  }

  /** @param {"ended" | "failed" | "closed"} name */
  #leave(name) {
    this.#disconnect();
    this.#life.abort();
    this.#enter(name);
  }

  #isOver() {
    return ["closed", "ended", "failed"].includes(this.#state.name);
  }

  /** @param {StreamState["name"]} name @param {number | null} [retryAt] */
  #enter(name, retryAt = null) {
    this.#state = { name, since: Date.now(), retryAt };
    this.#tell("onState", this.#state);
  }

  /** Calls back; what goes wrong there is reported and does not stop the stream.
   * @param {Exclude<keyof FollowOptions<Rec> & `on${string}`, undefined>} name @param {any[]} what */
  #tell(name, ...what) {
    try {
      /** @type {((...what: any[]) => void) | undefined} */ (this.#options[name])?.(...what);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** Whether a place is the one that was asked for last, and not one before: a log made anew has its own.
 * @param {Ready | undefined} ready @param {string} sought */
function isAnswer(ready, sought) {
  const asked = ready?.requested ?? sought;
  return asked === sought.replace(/^t\.0+(?=\d)/, "t.") || ready?.resume === "reset";
}

/** What addresses are relative to; nothing outside of a page. */
export function baseUrl() {
  return typeof document === "undefined" ? globalThis.location?.href : document.baseURI;
}
