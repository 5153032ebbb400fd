// @ts-check
/** Follows a Tailrace stream in a browser, and keeps its place.
 *
 *     import { follow } from "https://your.tailrace/client.js";
 *     const stream = follow("https://your.tailrace/geo/geostream/events", {
 *       onRecord: (position) => console.log(position.name, position.lat, position.lon),
 *     });
 *     stream.close(); // or give an AbortSignal as `signal`
 *
 * Every event carries the viewer's place in the log as its id. When the connection breaks, the server says
 * `bye`, the computer slept or the page comes out of the back/forward cache, the stream is opened again at
 * the last id: what was missed comes first, and what was seen already (by partition and offset) is dropped.
 * With `remember` that also holds across a reload of the page.
 *
 * It reconnects by itself instead of leaving that to `EventSource`, which does not say when it will, never
 * backs off, and gives up for good after any answer but 200. Left out: a connection that dies silently while
 * the page is awake (the heartbeat is a comment, and `EventSource` does not show comments); authentication.
 * @see the project's README, "Streams", for the events and their data
 * @module */

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

/** Why a stream has stopped for good, or what went wrong on the way: the server's problem (RFC 9457) where
 * there is one.
 * @typedef {object} Problem
 * @property {number} status 0 if the server sent no answer
 * @property {string} title
 * @property {string} [detail]
 * @property {string} [code]
 * @property {string} [requestId] */

/** How the stream is doing.
 * @typedef {object} StreamState
 * @property {"connecting" | "open" | "waiting" | "paused" | "ended" | "failed" | "closed"} name `waiting`:
 * for the next try
 * @property {number} since ms since the epoch
 * @property {number | null} retryAt ms since the epoch, while `waiting` */

/** Everything is optional.
 * @template Rec
 * @typedef {object} FollowOptions
 * @property {(record: Rec, info: { event: string, cursor: string }) => void} [onRecord] once per record, in
 * order per partition
 * @property {(ready: Ready) => void} [onReady]
 * @property {(gap: Gap) => void} [onGap]
 * @property {(status: { kafka: "up" | "down" }) => void} [onStatus] Kafka was lost, or is back
 * @property {(bye: { reason?: string }) => void} [onBye] the server ends the connection; the stream comes
 * back by itself
 * @property {() => void} [onEnd] a bounded read (`until=`) is through
 * @property {(state: StreamState) => void} [onState]
 * @property {(problem: Problem) => void} [onError] the server refused; the stream is `failed`, or tries again
 * @property {string} [cursor] where to start: `latest` (default), `earliest`, `t.<ms since epoch>` or an id
 * @property {readonly string[]} [events] names of the events that are records; default `record` and
 * `position`
 * @property {string} [remember] a key in `sessionStorage` under which the place survives a reload
 * @property {AbortSignal} [signal] closes the stream */

const firstWaitMs = 2_000;
const longestWaitMs = 30_000;
/** After `bye` the server is on its way down or full: the time it asks for, as `retry` is not visible to a
 * page. */
const byeWaitMs = 10_000;
const tickMs = 5_000;
/** A timer that is this late means that the computer slept. */
const sleptMs = 15_000;

/** Opens a stream, at once.
 * @template {object} [Rec=any]
 * @param {string | URL} url of a route that ends in `/events`; its query may hold `key=`, `policy=`, …
 * @param {FollowOptions<Rec>} [options]
 * @returns {Stream<Rec>} */
export function follow(url, options = {}) {
  return new Stream(url, options);
}

/** One viewer of a stream. Made by `follow`. @template {object} [Rec=any] */
export class Stream {
  /** @type {URL} */ #url;
  /** @type {FollowOptions<Rec>} */ #options;
  /** @type {EventSource | null} */ #source = null;
  /** @type {string} */ #cursor;
  /** Newest offset seen, by partition. @type {Map<number, number>} */ #seen = new Map();
  /** @type {StreamState} */ #state = { name: "closed", since: Date.now(), retryAt: null };
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #retryTimer;
  /** @type {ReturnType<typeof setInterval> | undefined} */ #tickTimer;
  #lastTickMs = Date.now();
  #lastEventMs = Date.now();
  #life = new AbortController();

  /** @param {string | URL} url @param {FollowOptions<Rec>} options */
  constructor(url, options) {
    this.#url = new URL(url, document.baseURI);
    this.#options = options;
    this.#cursor = this.#remembered() ?? options.cursor ?? "";
    if (options.signal?.aborted) return;
    options.signal?.addEventListener("abort", () => this.close(), { signal: this.#life.signal });
    this.#watchThePage();
    this.#open();
  }

  /** The place to go on from: the id of the last event, or where it was asked to start. */
  get cursor() {
    return this.#cursor;
  }

  get state() {
    return this.#state;
  }

  /** Disconnects and keeps the place. */
  pause() {
    if (this.#isOver()) return;
    this.#disconnect();
    this.#enter("paused");
  }

  /** Goes on where it was paused, or tries again now instead of later. */
  resume() {
    if (this.#state.name === "closed" || this.#state.name === "ended") return;
    this.#attempt = 0;
    this.#open();
  }

  /** Ends the stream. */
  close() {
    if (this.#state.name === "closed") return;
    this.#disconnect();
    this.#life.abort();
    clearInterval(this.#tickTimer);
    this.#enter("closed");
  }

  #open() {
    this.#disconnect();
    const target = new URL(this.#url);
    if (this.#cursor) target.searchParams.set("cursor", this.#cursor);
    this.#enter("connecting");
    const source = new EventSource(target);
    this.#source = source;
    source.onerror = () => {
      const isRefused = source.readyState === EventSource.CLOSED;
      this.#disconnect();
      if (isRefused) this.#askWhy(target);
      else this.#retry();
    };
    this.#listen(source);
  }

  /** @param {EventSource} source */
  #listen(source) {
    const { onGap, onStatus, onBye, onEnd, events = ["record", "position"] } = this.#options;
    /** @param {string} name @param {(data: any) => void} act */
    const on = (name, act) =>
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return; // what was under way when it was closed
        this.#lastEventMs = Date.now();
        if (event.lastEventId) this.#cursor = event.lastEventId;
        act(this.#parse(event.data));
      });
    for (const name of events) on(name, (record) => this.#take(record, name));
    on("ready", (ready) => this.#begin(ready));
    on("gap", (gap) => onGap?.(gap));
    on("status", (status) => onStatus?.(status));
    on("bye", (bye) => {
      this.#disconnect();
      this.#retry(typeof bye?.retry === "number" ? bye.retry : byeWaitMs);
      onBye?.(bye ?? {});
    });
    on("end", () => {
      this.#finish("ended");
      onEnd?.();
    });
  }

  /** @param {Ready} ready */
  #begin(ready) {
    // The log was made anew, so its offsets say nothing about what was seen.
    if (ready?.resume === "reset") this.#seen.clear();
    this.#attempt = 0;
    this.#enter("open");
    this.#options.onReady?.(ready);
  }

  /** @param {any} record @param {string} event */
  #take(record, event) {
    if (record === null || typeof record !== "object") return;
    const { partition, offset } = record;
    if (typeof partition === "number" && typeof offset === "number") {
      if (offset <= (this.#seen.get(partition) ?? -1)) return;
      this.#seen.set(partition, offset);
    }
    this.#options.onRecord?.(record, { event, cursor: this.#cursor });
  }

  /** @param {string} data */
  #parse(data) {
    try {
      return data === "" ? undefined : JSON.parse(data);
    } catch {
      this.#options.onError?.({
        status: 200,
        title: "An event of the stream was not JSON",
        detail: data.slice(0, 200),
      });
      return undefined;
    }
  }

  /** @param {number} [waitMs] */
  #retry(waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#attempt)) {
    this.#attempt++;
    // Spread over ±50 %, or all viewers of a restarted server would come back in the same moment.
    const jitteredMs = waitMs * (0.5 + Math.random());
    this.#retryTimer = setTimeout(() => this.#open(), jitteredMs);
    this.#enter("waiting", Date.now() + jitteredMs);
  }

  /** Finds out why the stream was refused, which `EventSource` does not tell. @param {URL} target */
  async #askWhy(target) {
    const headers = { accept: "text/event-stream" };
    /** @type {Problem} */
    let problem = { status: 0, title: "The server did not answer" };
    try {
      const { signal } = this.#life;
      const response = await fetch(target, { headers, signal, cache: "no-store" });
      problem = await readProblem(response);
    } catch {
      if (this.#isOver()) return;
    }
    if (this.#state.name !== "connecting" || this.#source) return; // paused, closed or opened again meanwhile
    const { status } = problem;
    if (status === 204) {
      this.#finish("ended");
      this.#options.onEnd?.();
      return;
    }
    const isFinal = status >= 400 && status < 500 && status !== 408 && status !== 429;
    if (status === 400 && this.#cursor !== (this.#options.cursor ?? "")) {
      // A place that the server cannot read, such as one kept from an older version: begin as asked.
      this.#cursor = this.#options.cursor ?? "";
      this.#retry();
      return;
    }
    if (isFinal) this.#finish("failed");
    else this.#retry();
    if (status !== 200) this.#options.onError?.(problem);
  }

  /** A page sleeps, is put aside and comes back; each time the stream must find its place again. */
  #watchThePage() {
    const { signal } = this.#life;
    addEventListener("pagehide", () => {
      this.#remember();
      if (!this.#isOver() && this.#state.name !== "paused") this.#disconnect(); // an open stream keeps a page out of the cache
    }, { signal });
    addEventListener("pageshow", (event) => {
      if (/** @type {PageTransitionEvent} */ (event).persisted) this.#wake();
    }, { signal });
    addEventListener("online", () => this.#wake(), { signal });
    document.addEventListener("resume", () => this.#wake(), { signal });
    document.addEventListener("visibilitychange", () => {
      this.#remember();
      if (document.hidden) return;
      this.#lastTickMs = Date.now();
      const isQuiet = Date.now() - this.#lastEventMs > sleptMs;
      if (this.#state.name === "waiting" || isQuiet) this.#wake();
    }, { signal });
    this.#tickTimer = setInterval(() => {
      const lateMs = Date.now() - this.#lastTickMs;
      this.#lastTickMs = Date.now();
      // Timers of a hidden page are late by design.
      if (lateMs > sleptMs && !document.hidden) this.#wake();
    }, tickMs);
  }

  #wake() {
    if (this.#isOver() || this.#state.name === "paused") return;
    this.#attempt = 0;
    this.#open();
  }

  #disconnect() {
    clearTimeout(this.#retryTimer);
    this.#source?.close();
    this.#source = null;
  }

  /** @param {"ended" | "failed"} name */
  #finish(name) {
    this.#disconnect();
    this.#enter(name);
  }

  #isOver() {
    return ["closed", "ended", "failed"].includes(this.#state.name);
  }

  /** @param {StreamState["name"]} name @param {number | null} [retryAt] */
  #enter(name, retryAt = null) {
    this.#state = { name, since: Date.now(), retryAt };
    this.#options.onState?.(this.#state);
  }

  #remember() {
    const { remember } = this.#options;
    if (remember && this.#cursor) storage()?.setItem(remember, this.#cursor);
  }

  #remembered() {
    const { remember } = this.#options;
    return remember ? storage()?.getItem(remember) : null;
  }
}

/** The tab's storage; null where the browser blocks it. */
function storage() {
  /** @type {Storage | null} */
  let found = null;
  try {
    found = sessionStorage;
  } catch { /* the place is then forgotten at a reload */ }
  return found;
}

/** Reads what a refusal says, and leaves a stream that did open.
 * @param {Response} response @returns {Promise<Problem>} */
export async function readProblem(response) {
  const { status } = response;
  const requestId = response.headers.get("x-request-id") ?? undefined;
  const isProblem = response.headers.get("content-type")?.includes("json") ?? false;
  const body = isProblem ? await response.json().catch(() => ({})) : await response.body?.cancel();
  const title = body?.title ?? `The server answered ${status} ${response.statusText}`.trim();
  return { ...body, status, title, ...(requestId ? { requestId } : {}) };
}
