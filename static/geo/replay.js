// @ts-check
/** Plays what was recorded: loads the tracks of a span and keeps the time of it that is shown.
 *
 * The live stream goes on meanwhile and knows nothing of this. Left out: where everything was at a time
 * (recording.js), the controls (replay_bar.js), drawing.
 * @module */
/** @import { Problem } from "../shared/stream.js" */
/** @import { Recording } from "./recording.js" */
import { asProblem, fetchTracks } from "./earlier_tracks.js";
import { replaySpans, usualReplay } from "./page_url.js";
import { readRecording, RecordedMovers } from "./recording.js";

/** @typedef {"closed" | "loading" | "empty" | "failed" | "ready"} ReplayPhase */

/** A frame that comes later than this (the page was hidden, the computer slept) counts as this long, ms. */
const longestFrameMs = 250;

/** One replay after another. */
export class Replay {
  /** @type {ReplayPhase} */ phase = "closed";
  /** Why it failed. @type {Problem | null} */ problem = null;
  /** @type {Recording | null} */ recording = null;
  /** The time that is shown, ms since the epoch; while nothing is loaded, the one that was asked for. */
  at = 0;
  speed = usualReplay.speed;
  /** A key of `replaySpans`. */
  span = usualReplay.span;
  isPlaying = false;
  movers = new RecordedMovers();
  #options;
  #steppedAt = 0;
  #work = new AbortController();

  /** @param {{ trailMs: () => number, now: () => number, onLoad: () => void, onJump: () => void, onChange:
   * () => void }} options
   *   `now`: by the server's clock; `onJump`: the time shown is any other; `onChange`: something else is */
  constructor(options) {
    this.#options = options;
  }

  get isOpen() {
    return this.phase !== "closed";
  }

  /** Loads the span and shows its beginning, or the time `at`.
   * @param {string} topic
   * @param {{ at?: number, play?: boolean }} [how]
   * @returns {Promise<void>} when it is loaded, or it failed */
  async open(topic, { at, play = false } = {}) {
    this.#work.abort();
    const { signal } = this.#work = new AbortController();
    this.pause();
    if (at !== undefined) this.#widenTo(this.#options.now() - at);
    const since = this.earliest();
    this.at = at ?? Math.max(0, since);
    this.#enter("loading", null, null);
    try {
      const cursor = since > 0 ? `t.${Math.round(since)}` : "earliest";
      const tracks = await fetchTracks(topic, cursor, signal);
      if (signal.aborted) return;
      const recording = readRecording(tracks, since);
      this.#enter(recording ? "ready" : "empty", recording, null);
      if (!recording) return;
      this.seek(at ?? recording.from);
      this.#options.onLoad();
      if (play) this.play();
    } catch (error) {
      if (!signal.aborted) this.#enter("failed", null, asProblem(error));
    }
  }

  /** Where the span chosen begins, ms since the epoch. */
  earliest() {
    return this.#options.now() - (replaySpans[this.span] ?? Infinity);
  }

  /** Ends it and forgets what was loaded. */
  close() {
    this.#work.abort();
    this.isPlaying = false;
    this.#enter("closed", null, null);
  }

  /** Goes on, from the beginning when it is at the end. */
  play() {
    if (!this.recording || this.isPlaying) return;
    if (this.at >= this.recording.to) this.seek(this.recording.from);
    this.#steppedAt = performance.now();
    this.isPlaying = true;
    this.#options.onChange();
  }

  pause() {
    if (!this.isPlaying) return;
    this.step(performance.now());
    this.isPlaying = false;
    this.#options.onChange();
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** Shows the time `at`, or the nearest there is. @param {number} at ms since the epoch */
  seek(at) {
    if (!this.recording) return;
    this.#steppedAt = performance.now();
    this.at = Math.max(this.recording.from, Math.min(this.recording.to, at));
    this.movers.seek(this.at, this.#options.trailMs());
    this.#options.onJump();
  }

  /** @param {number} speed how many times faster than it was */
  setSpeed(speed) {
    this.step(performance.now());
    this.speed = speed;
    this.#options.onChange();
  }

  /** Moves on by the time that has passed; called before each frame. @param {number} now performance.now() */
  step(now) {
    if (!this.isPlaying || !this.recording) return;
    const elapsedMs = Math.max(0, Math.min(longestFrameMs, now - this.#steppedAt));
    this.#steppedAt = now;
    this.at = Math.min(this.recording.to, this.at + elapsedMs * this.speed);
    this.movers.advance(this.at);
    if (this.at < this.recording.to) return;
    this.isPlaying = false;
    this.#options.onChange();
  }

  /** Takes a longer span when the one chosen does not reach back so far. @param {number} agoMs */
  #widenTo(agoMs) {
    const fitting = Object.keys(replaySpans).find((name) => (replaySpans[name] ?? 0) >= agoMs) ?? "all";
    if ((replaySpans[this.span] ?? 0) < agoMs) this.span = fitting;
  }

  /** @param {ReplayPhase} phase @param {Recording | null} recording @param {Problem | null} problem */
  #enter(phase, recording, problem) {
    this.phase = phase;
    this.recording = recording;
    this.problem = problem;
    this.movers.load(recording);
    this.#options.onJump();
  }
}
