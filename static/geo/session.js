// @ts-check
/** Brings one topic's positions into the movers: first the earlier tracks, then what happens from there on.
 *
 * The tracks come with the cursor at which they end, so the stream continues them without overlap or hole.
 * Whatever goes wrong on the way is kept as facts (`phase`, `problem`, `gap`, …) for the page to show. Left
 * out: showing them.
 * @module */
/** @import { PositionEvent } from "../../routes/geo.ts" */
/** @import { Tracks } from "../../routes/tracks.ts" */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Problem, Ready, Stream, StreamState } from "../shared/stream.js" */
/** @import { Movers } from "./movers.js" */
import { clockSkew } from "../shared/meter.js";
import { follow } from "../shared/stream.js";
import { asProblem, fetchTracks } from "./earlier_tracks.js";

/** @typedef {"loading" | "waiting" | "live" | "failed"} Phase `waiting`: for the next try to load the tracks */

const firstWaitMs = 1_000;
const longestWaitMs = 15_000;
/** A stream this long without a record has nothing more to catch up with. */
const drainedMs = 1_500;
/** What is this late when it comes is from the past. */
const lateMs = 2_000;

/** One topic, from its tracks on. */
export class Session {
  /** @type {Phase} */ phase = "loading";
  /** Why it failed or waits. @type {Problem | null} */ problem = null;
  /** When the tracks are asked for again, ms since the epoch. */
  retryAt = 0;
  /** Records that are known to be missing, since the page was opened.
   * @type {{ skipped: number, reason: string, at: number } | null} */
  gap = null;
  /** While records of the past come in: how many came, and up to when they are from.
   * @type {{ records: number, upTo: number, until: number } | null} */
  catchUp = null;
  /** Whether the tracks begin later than was asked for, as there are so many. */
  isTruncated = false;
  /** When it was paused, ms since the epoch; 0 while it is not. */
  pausedAt = 0;
  /** @type {StreamState | null} */ connection = null;
  /** What the server's clock is ahead of ours, ms. */
  skewMs = 0;
  topic;
  /** Newest record's timestamp. */
  #newestAt = 0;
  #newestArrival = 0;
  #isFirstReady = true;
  #movers;
  #frame;
  #onChange;
  /** @type {(record: PositionEvent) => void} */ #onRecord;
  /** @type {Stream | null} */ #stream = null;
  #work = new AbortController();

  /** @param {{ topic: string, movers: Movers, frame: Frame, onChange: () => void, onRecord: (record:
   * PositionEvent) => void }} options
   *   `onChange`: a fact is another; `onRecord`: after the movers have it */
  constructor({ topic, movers, frame, onChange, onRecord }) {
    this.topic = topic;
    this.#movers = movers;
    this.#frame = frame;
    this.#onChange = onChange;
    this.#onRecord = onRecord;
  }

  get eventsPath() {
    return `/geo/${this.topic}/events`;
  }

  /** Loads the tracks of the last `trailMs` and goes on live; begins anew when it is called again.
   * @param {number} trailMs @returns {Promise<void>} when the tracks are there, or it failed */
  async open(trailMs) {
    this.close();
    this.#work = new AbortController();
    const { signal } = this.#work;
    for (let attempt = 0; !signal.aborted; attempt++) {
      this.#enter("loading", attempt > 0 ? this.problem : null);
      try {
        const since = `t.${Math.round(Date.now() + this.skewMs - trailMs)}`;
        const tracks = await fetchTracks(this.topic, since, signal);
        this.#take(tracks);
        this.#enter("live", null);
        this.#follow(tracks.cursor, trailMs);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const problem = asProblem(error);
        const isFinal = problem.status >= 400 && problem.status < 500 && problem.status !== 429;
        if (isFinal) return this.#enter("failed", problem);
        const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** attempt) * (0.5 + Math.random());
        this.retryAt = Date.now() + waitMs;
        this.#enter("waiting", problem);
        await sleep(waitMs, signal);
      }
    }
  }

  /** Holds what is shown; what comes meanwhile comes afterwards. */
  pause() {
    if (!this.#stream) return;
    this.pausedAt = Date.now();
    this.#stream.pause();
    this.#onChange();
  }

  /** Goes on after a pause, or tries again at once. */
  resume() {
    this.pausedAt = 0;
    this.#stream?.resume();
    this.#onChange();
  }

  close() {
    this.#work.abort();
    this.#stream?.close();
    this.#stream = null;
    this.pausedAt = 0;
    this.catchUp = null;
  }

  /** Ends catching up when nothing more comes; called now and then. */
  settle() {
    if (this.catchUp && Date.now() - this.#newestArrival > drainedMs) {
      this.catchUp = null;
      this.#onChange();
    }
  }

  /** @param {Tracks} tracks */
  #take({ features, truncated }) {
    this.isTruncated = truncated;
    this.#movers.clear();
    this.#newestAt = 0;
    for (const { geometry, properties: { name, times, message_id } } of features) {
      this.#movers.setTrack(name, geometry.coordinates, times, message_id);
      this.#newestAt = Math.max(this.#newestAt, times[times.length - 1] ?? 0);
    }
  }

  /** @param {string} cursor @param {number} trailMs */
  #follow(cursor, trailMs) {
    this.#isFirstReady = true;
    this.#stream = follow(this.eventsPath, {
      cursor,
      events: ["position"],
      onRecord: (/** @type {PositionEvent} */ record) => this.#record(record),
      onReady: (ready) => this.#ready(ready, trailMs),
      onGap: ({ skipped, reason }) => this.#lost(skipped, reason),
      onStatus: ({ kafka }) => {
        this.#frame.setKafka(kafka);
        this.#onChange();
      },
      onState: (state) => {
        this.connection = state;
        this.#frame.setConnection(state);
        this.#onChange();
      },
      onError: (problem) => {
        if (this.#stream?.state.name === "failed") this.#enter("failed", problem);
      },
    });
  }

  /** @param {Ready} ready @param {number} trailMs */
  #ready({ resume, reason, skipped = 0, serverTime }, trailMs) {
    this.skewMs = clockSkew(serverTime);
    const isFirst = this.#isFirstReady;
    this.#isFirstReady = false;
    if (resume === "gap") this.#lost(skipped, reason ?? "retention");
    // A log made anew has other tracks; and after a long sleep the tracks come sooner than all that happened meanwhile.
    const isLongAgo = this.#newestAt > 0 && serverTime - this.#newestAt > trailMs + 60_000;
    if (!isFirst && (resume === "reset" || isLongAgo)) {
      this.open(trailMs);
      return;
    }
    if (resume !== "fresh") {
      this.catchUp = { records: 0, upTo: this.#newestAt, until: serverTime };
      this.#newestArrival = Date.now();
    }
    this.#onChange();
  }

  /** @param {PositionEvent} record */
  #record(record) {
    const now = Date.now();
    this.#newestArrival = now;
    this.#newestAt = Math.max(this.#newestAt, record.at);
    this.#frame.meter.arrived(now);
    if (this.catchUp) {
      this.catchUp.records++;
      this.catchUp.upTo = record.at;
      if (record.at > this.catchUp.until - lateMs) this.catchUp = null;
    }
    this.#movers.take(record, performance.now());
    this.#onRecord(record);
  }

  /** @param {number} skipped @param {string} reason */
  #lost(skipped, reason) {
    this.#frame.meter.gap(skipped);
    this.gap = { skipped: (this.gap?.skipped ?? 0) + skipped, reason, at: Date.now() };
    this.#onChange();
  }

  /** @param {Phase} phase @param {Problem | null} problem */
  #enter(phase, problem) {
    this.phase = phase;
    this.problem = problem;
    this.#onChange();
  }
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} also when aborted */
function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
