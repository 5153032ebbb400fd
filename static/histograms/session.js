// @ts-check
/** Brings the measurements and keeps them up to date: asks for all of them, follows their histograms over one connection, and asks
 * now and then how their counting is doing.
 *
 * Whatever goes wrong on the way is kept as facts (`phase`, `problem`, `gap`, …) for the page to show. As each event is a whole
 * histogram, nothing is lost by those that are passed over. Left out: showing anything.
 * @module */
/** @import { HistogramEvent } from "../../routes/histogram_feed.ts" */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Problem, Stream, StreamState } from "../shared/stream.js" */
import { ApiError, mayPass, pause, problemOf, retryMs } from "../shared/api.js";
import { clockSkew } from "../shared/meter.js";
import { followAll } from "../shared/stream.js";
import { eventsOf, fetchHistograms } from "./histograms_api.js";
import { Measurement } from "./measurement.js";

const askMs = 3_000;
/** Streams that one connection takes. */
const mostStreams = 32;

/** All measurements, or one. */
export class Session {
  /** `waiting`: to ask again. @type {"loading" | "waiting" | "live" | "failed"} */ phase = "loading";
  /** Why it waits or failed. @type {Problem | null} */ problem = null;
  /** What is wrong with asking while the stream is up. @type {Problem | null} */ trouble = null;
  retryAt = 0;
  /** @type {Measurement[]} */ measurements = [];
  /** Records that retention removed uncounted, since this page looks. @type {{ missed: number, at: number } | null} */
  gap = null;
  /** When somebody paused it, ms since the epoch; 0 while it is not. */
  pausedAt = 0;
  skewMs = 0;
  #only;
  #frame;
  #options;
  /** @type {Stream[]} */ #streams = [];
  /** @type {StreamState[]} */ #states = [];
  #askedAt = 0;
  #isAsking = false;
  #work = new AbortController();

  /** @param {{ only: string | null, frame: Frame, onMeasurements: () => void, onChange: () => void, ask: () => void }} options
   *   `only`: the one that is wanted; `onMeasurements`: they are known; `ask`: for a drawing */
  constructor(options) {
    this.#only = options.only;
    this.#frame = options.frame;
    this.#options = options;
  }

  /** The connection that is worst off. @returns {StreamState | null} */
  get connection() {
    return this.#states.find(({ name }) => name !== "open") ?? this.#states[0] ?? null;
  }

  /** Asks what there is, and follows it. */
  async open() {
    const { signal } = this.#work;
    for (let attempt = 0; !signal.aborted; attempt++) {
      if (attempt === 0) this.#enter("loading", null);
      try {
        const all = await fetchHistograms(signal);
        const wanted = all.filter(({ measurement }) => this.#only === null || measurement === this.#only);
        if (wanted.length === 0) {
          return this.#enter(
            "failed",
            nothing(this.#only, all.map((each) => each.measurement)),
          );
        }
        this.measurements = wanted.map((data) => new Measurement(data, this.#options.ask));
        this.#enter("live", null);
        this.#options.onMeasurements();
        return this.#follow();
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

  /** Called now and then. @param {number} now ms since the epoch */
  tick(now) {
    if (this.phase === "live" && this.pausedAt === 0 && now - this.#askedAt > askMs) this.#ask();
  }

  pause() {
    this.pausedAt = Date.now();
    for (const stream of this.#streams) stream.pause();
    this.#options.onChange();
  }

  /** Goes on after a pause, or tries again at once. */
  resume() {
    this.pausedAt = 0;
    for (const stream of this.#streams) stream.resume();
    this.#ask();
    this.#options.onChange();
  }

  close() {
    this.#work.abort();
    for (const stream of this.#streams) stream.close();
    for (const { loader } of this.measurements) loader.close();
  }

  #follow() {
    for (let i = 0; i < this.measurements.length; i += mostStreams) {
      const part = this.measurements.slice(i, i + mostStreams), place = this.#streams.length;
      const parts = part.map((measurement) => ({
        url: `${eventsOf(measurement.name)}?policy=latest`,
        onRecord: (/** @type {HistogramEvent} */ event) => this.#event(measurement, event),
      }));
      this.#streams.push(followAll(parts, {
        events: ["histogram"],
        onReady: ({ serverTime }, { stream }) => {
          this.skewMs = clockSkew(serverTime);
          if (stream === parts.at(-1)?.url) this.#ask(); // what came between asking and following
        },
        onStatus: ({ kafka }) => {
          this.#frame.setKafka(kafka);
          this.#options.onChange();
        },
        onState: (state) => {
          this.#states[place] = state;
          this.#frame.setConnection(this.connection ?? state);
          this.#options.onChange();
        },
        onError: (problem) => {
          if (this.#streams[place]?.state.name === "failed") this.#enter("failed", problem);
        },
      }));
    }
  }

  /** @param {Measurement} measurement @param {HistogramEvent} event */
  #event(measurement, event) {
    const now = Date.now();
    this.#frame.meter.arrived(now);
    const before = measurement.histogram.missed;
    measurement.take(event, now);
    if (!document.hidden && measurement.undrawn.length < 64) measurement.undrawn.push(event.timestamp);
    this.#lost(measurement.histogram.missed - before);
    this.#options.ask();
  }

  async #ask() {
    this.#askedAt = Date.now();
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const all = await fetchHistograms(this.#work.signal);
      this.trouble = null;
      if (this.pausedAt > 0) return;
      for (const measurement of this.measurements) {
        const data = all.find((each) => each.measurement === measurement.name);
        const before = measurement.histogram.missed;
        if (data) measurement.update(data, Date.now());
        this.#lost(measurement.histogram.missed - before);
      }
      this.#options.ask();
    } catch (error) {
      if (!this.#work.signal.aborted) this.trouble = problemOf(error);
    } finally {
      this.#isAsking = false;
    }
  }

  /** @param {number} missed */
  #lost(missed) {
    if (missed <= 0) return;
    this.#frame.meter.gap(missed);
    this.gap = { missed: (this.gap?.missed ?? 0) + missed, at: Date.now() };
    this.#options.onChange();
  }

  /** @param {Session["phase"]} phase @param {Problem | null} problem */
  #enter(phase, problem) {
    this.phase = phase;
    this.problem = problem;
    this.#options.onChange();
  }
}

/** @param {string | null} name @param {string[]} known @returns {Problem} */
function nothing(name, known) {
  if (name === null) {
    const detail = "The service was started with MEASUREMENTS=none; the setting names those to count.";
    return { status: 404, title: "No measurements are counted here", detail };
  }
  return {
    status: 404,
    title: `There is no measurement ${name}`,
    detail: `Counted here: ${known.join(", ")}.`,
  };
}
