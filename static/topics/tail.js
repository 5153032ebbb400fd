// @ts-check
/** Brings one topic's records into the buffer, from where the address says on.
 *
 * Whatever goes wrong on the way is kept as facts (`phase`, `problem`, `gap`, …) for the page to show. Left
 * out: showing them.
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Problem, Ready, RecordInfo, Stream, StreamState } from "../shared/stream.js" */
/** @import { PageState } from "./page_url.js" */
/** @import { RecordBuffer } from "./record_buffer.js" */
/** @import { TopicFacts, TopicRecord } from "./topics_api.js" */
import { ApiError, mayPass, pause, retryMs } from "../shared/api.js";
import { clockSkew } from "../shared/meter.js";
import { follow } from "../shared/stream.js";
import { cursorFor, fetchTopic, pathOf, recordsBehind } from "./topics_api.js";

const lastRecords = 100;
/** A stream this long without a record has nothing more to catch up with. */
const drainedMs = 1_500;

/** One topic, filtered, from a place on. */
export class Tail {
  /** `waiting`: to ask again about the topic. @type {"loading" | "waiting" | "live" | "failed"} */ phase =
    "loading";
  /** @type {Problem | null} */ problem = null;
  retryAt = 0;
  /** @type {TopicFacts | null} */ facts = null;
  /** Records that are known to be missing. @type {{ skipped: number, reason: string, at: number } | null} */
  gap = null;
  /** While records of the past come in: how many came, and up to when they are from.
   * @type {{ records: number, upTo: number, until: number, left: number | null, since: number } | null} */
  catchUp = null;
  /** Records that came. */
  received = 0;
  /** When somebody paused it, ms since the epoch; 0 while it is not. */
  pausedAt = 0;
  /** Whether it waits until what came is looked at. */
  isHeld = false;
  /** @type {StreamState | null} */ connection = null;
  skewMs = 0;
  #state;
  #buffer;
  #frame;
  #onChange;
  #onRecord;
  #newestArrival = 0;
  /** @type {Stream | null} */ #stream = null;
  #work = new AbortController();

  /** @param {{ state: PageState, buffer: RecordBuffer, frame: Frame, onChange: () => void,
   *   onRecord: (record: TopicRecord) => void }} options `onChange`: a fact is another */
  constructor({ state, buffer, frame, onChange, onRecord }) {
    this.#state = { ...state };
    this.#buffer = buffer;
    this.#frame = frame;
    this.#onChange = onChange;
    this.#onRecord = onRecord;
  }

  get topic() {
    return this.#state.topic ?? "";
  }

  /** The stream's path with the filter in it. */
  get eventsPath() {
    const { key, where } = this.#state;
    const query = new URLSearchParams([
      ...(key ? [["key", key]] : []),
      ...where.map((condition) => ["where", condition]),
    ]);
    return `${pathOf(this.topic)}/events${query.size > 0 ? `?${query}` : ""}`;
  }

  get isFiltered() {
    return this.#state.key !== "" || this.#state.where.length > 0;
  }

  /** Whether there is no such topic. */
  get isUnknown() {
    return this.phase === "failed" && this.problem?.status === 404;
  }

  /** Asks about the topic and follows it. */
  async open() {
    const { signal } = this.#work;
    for (let attempt = 0; !signal.aborted; attempt++) {
      if (attempt === 0) this.#enter("loading", null);
      try {
        this.facts = await fetchTopic(this.topic, signal);
        if (signal.aborted) return;
        this.#enter("live", null);
        this.#follow(cursorFor(this.#state.cursor, this.facts, lastRecords));
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        const { problem } = error;
        if (!mayPass(problem)) return this.#enter("failed", problem);
        const waitMs = retryMs(attempt);
        this.retryAt = Date.now() + waitMs;
        this.#enter("waiting", problem);
        await pause(waitMs, signal);
      }
    }
  }

  /** Asks for what the topic is now, so that it is known how far behind this is. */
  async refresh() {
    if (this.phase !== "live") return;
    try {
      this.facts = await fetchTopic(this.topic, this.#work.signal);
      this.#onChange();
    } catch { /* the stream tells when something is wrong */ }
  }

  pause() {
    this.pausedAt = Date.now();
    this.#stream?.pause();
    this.#onChange();
  }

  /** Goes on after a pause, or tries again at once. */
  resume() {
    this.pausedAt = 0;
    this.isHeld = false;
    this.#stream?.resume();
    this.#onChange();
  }

  /** Lets the rest wait until what came is looked at, or no longer. @param {boolean} wanted */
  hold(wanted) {
    if (wanted === this.isHeld || this.pausedAt > 0 || !this.#stream) return;
    this.isHeld = wanted;
    if (wanted) this.#stream.pause();
    else this.#stream.resume();
    this.#onChange();
  }

  close() {
    this.#work.abort();
    this.#stream?.close();
    this.#stream = null;
  }

  /** Ends catching up when nothing more comes; called now and then. */
  settle() {
    if (!this.catchUp || this.isHeld) return;
    this.catchUp.left = this.#left();
    if (this.catchUp.left === 0 || Date.now() - this.#newestArrival > drainedMs) this.catchUp = null;
  }

  #left() {
    const isKnown = this.#stream && this.facts && !this.isFiltered;
    return isKnown && this.#stream && this.facts ? recordsBehind(this.#stream.cursor, this.facts) : null;
  }

  /** @param {string} cursor */
  #follow(cursor) {
    this.#stream = follow(this.eventsPath, {
      cursor,
      onRecord: (record, info) => this.#record(record, info),
      onReady: (ready) => this.#ready(ready),
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

  /** @param {Ready} ready */
  #ready({ resume, reason, skipped = 0, serverTime }) {
    this.skewMs = clockSkew(serverTime);
    if (resume === "gap") this.#lost(skipped, reason ?? "retention");
    // What was shown is of a log that is no more.
    if (resume === "reset" && this.received > 0) this.#buffer.clear();
    this.catchUp = { records: 0, upTo: 0, until: serverTime, left: null, since: Date.now() };
    this.#newestArrival = Date.now();
    this.#onChange();
  }

  /** @param {TopicRecord} record @param {RecordInfo} info */
  #record(record, { size }) {
    const now = Date.now();
    this.#newestArrival = now;
    this.received++;
    this.#frame.meter.arrived(now);
    if (this.catchUp) {
      this.catchUp.records++;
      this.catchUp.upTo = record.timestamp;
      if (record.timestamp > this.catchUp.until && !this.#left()) this.catchUp = null;
    }
    this.#buffer.push(record, size);
    this.#onRecord(record);
  }

  /** @param {number} skipped @param {string} reason */
  #lost(skipped, reason) {
    this.#frame.meter.gap(skipped);
    this.gap = { skipped: (this.gap?.skipped ?? 0) + skipped, reason, at: Date.now() };
    this.#onChange();
  }

  /** @param {Tail["phase"]} phase @param {Problem | null} problem */
  #enter(phase, problem) {
    this.phase = phase;
    this.problem = problem;
    this.#onChange();
  }
}
