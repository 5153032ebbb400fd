// @ts-check
/** One stream as it is played: forward at some speed, live, or standing at one frame.
 *
 * Playing, frames come over a socket that keeps the pace. Standing, single frames are asked for, and when it goes
 * on the stream is brought to exactly the frame that is shown, so none is left out however it was reached. What
 * has been seen is acknowledged once a second: the place where this viewer goes on next time. Left out:
 * decoding and drawing (screen.js), what is said about it (player_notice.js).
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { VideoInfo } from "../../routes/video.ts" */
/** @import { Gap, Problem, Ready, Stream, StreamState, VideoFrame } from "../shared/stream.js" */
/** @import { Picture, Screen, Shown } from "./screen.js" */
/** @import { Whence } from "./video_api.js" */
import { problemOf } from "../shared/api.js";
import { clockSkew } from "../shared/meter.js";
import { follow } from "../shared/stream.js";
import { fetchStill, pathOf } from "./video_api.js";

const ackMs = 1_000;
/** Frames that may wait to be drawn: of a recording so many that a hitch of this page leaves none out, near real
 * time few, as it would lag behind. */
const recordedRoom = 64, edgeRoom = 6;
/** Less behind than this counts as live, ms. */
const edgeMs = 3_000;
/** So long without a frame is a stall, ms: longer than the pause that replays make at most. */
const stallMs = 3_000;
/** Frames that usually come less often are waited for longer, by this factor. */
const patience = 2.5;
/** Frames that the rate is measured over. */
const rateFrames = 30;

/** A stream that is played. It begins to when it is told to `open`. */
export class Player {
  isLive = false;
  isPaused = false;
  speed;
  /** @type {StreamState | null} */ connection = null;
  /** Why the stream ended for good, or a frame could not be had. @type {Problem | null} */ problem = null;
  /** Frames that are gone. @type {{ skipped: number, reason: string, at: number } | null} */ gap = null;
  /** The first frame of a stream that was opened without a place. @type {Shown | null} */ begin = null;
  /** Where a step could not go on. @type {"first" | "newest" | null} */ edge = null;
  /** Frames that the service left out since newer ones were there. */
  late = 0;
  /** What the service's clock is ahead, ms. */
  skewMs = 0;
  /** What is kept of the stream, as the service said last. @type {VideoInfo | null} */ info = null;
  #options;
  /** @type {Stream<VideoFrame> | null} */ #stream = null;
  /** The newest frame that the stream brought. */ #received = "";
  /** A place of the stream, of which others are made. */ #cursor = "";
  #acked = "";
  #ackedMs = 0;
  #progressMs = Date.now();
  /** When the newest frames were drawn, ms since the epoch. @type {number[]} */ #drawnAt = [];
  #isNamed = false;
  #isAsleep = false;
  /** The still that is under way. @type {AbortController | null} */ #still = null;
  /** @type {((shown: Shown | null) => void) | null} */ #onStill = null;

  /** @param {{ topic: string, speed: number, screen: Screen, frame: Frame, onChange: () => void }} options */
  constructor(options) {
    this.#options = options;
    this.speed = options.speed;
  }

  get topic() {
    return this.#options.topic;
  }

  get shown() {
    return this.#options.screen.shown;
  }

  /** Whether there is no frame at all, as far as is known. */
  get isEmpty() {
    return this.shown === null && this.info !== null && this.info.frames !== null && this.info.last === null;
  }

  /** Plays from a place on; without one from where this viewer left it.
   * @param {{ cursor?: string, isLive?: boolean, hasFrames?: boolean }} [how] `hasFrames`: as far as is known */
  open({ cursor = "", isLive = false, hasFrames = !this.isEmpty } = {}) {
    const { topic, frame } = this.#options;
    this.#stream?.close();
    this.#begin(isLive);
    this.#isNamed = cursor !== "" || isLive;
    const from = isLive ? "latest" : cursor;
    this.#stream = follow(`${pathOf(topic)}/socket${isLive ? "?live=1" : ""}`, {
      transport: "frames",
      ...(from && { cursor: from }),
      ...(isLive ? {} : { speed: this.speed }),
      onRecord: (record, { cursor }) => this.#take(record, cursor),
      onReady: (ready) => this.#onReady(ready),
      onGap: (gap) => this.#onGap(gap),
      onStatus: ({ kafka }) => frame.setKafka(kafka),
      onState: (state) => this.#onState(state),
      onError: (problem) => {
        if (problem.code === "no-viewer") return; // a browser without cookies: no place is kept, the rest works
        this.problem = problem;
        this.#options.onChange();
      },
    });
    // The newest there is, until a newer one comes.
    if (isLive && hasFrames) this.#showStill({});
  }

  /** Stands at the frame of a time, without a stream. @param {number} at ms since the epoch */
  async standAt(at) {
    this.isPaused = true;
    await this.#showStill({ cursor: `t.${at}` }) || await this.#showStill({});
  }

  pause() {
    if (this.isPaused) return;
    this.isPaused = true;
    this.#options.screen.drop(); // they come again, from the one that is shown on
    this.#stream?.pause();
    this.acknowledge();
    this.#options.onChange();
  }

  /** Goes on after the frame that is shown. */
  play() {
    if (!this.isPaused) return;
    const cursor = this.shown ? placeAfter(this.shown, this.#cursor) : "";
    if (!this.#stream || this.isLive || this.problem) return this.open({ cursor });
    const isElsewhere = this.shown?.frame !== this.#received;
    this.#begin(false);
    if (isElsewhere && cursor) this.#stream.seek(cursor);
    this.#stream.resume();
  }

  /** Goes on, or stands, at the first frame of a time or later. @param {number} at ms since the epoch */
  async seek(at) {
    const cursor = `t.${Math.round(at)}`;
    if (this.isPaused) return void await this.#showStill({ cursor });
    this.#goTo(cursor);
  }

  /** From the oldest frame there is. */
  restart() {
    if (this.isPaused) this.#showStill({ cursor: "earliest" });
    else this.#goTo("earliest");
  }

  goLive() {
    this.open({ isLive: true });
  }

  /** @param {number} speed */
  setSpeed(speed) {
    if (speed === this.speed) return;
    this.speed = speed;
    if (this.isLive && !this.isPaused) {
      const cursor = this.shown ? placeAfter(this.shown, this.#cursor) : "";
      this.open({ cursor });
    } else if (!this.isLive) {
      this.#stream?.setSpeed(speed);
      // What waits would still pass at the pace of before; but nothing undoes a seek of which nothing is shown yet.
      if (!this.isPaused && this.#drawnAt.length > 0) this.#returnToShown();
    }
    this.#options.onChange();
  }

  /** Stands at the next frame, or the one before. @param {1 | -1} by */
  async step(by) {
    this.pause();
    if (!this.shown || this.#still) return;
    const { frame } = this.shown;
    const isEnd = frame === (by > 0 ? this.info?.last : this.info?.first)?.frame;
    const isThere = !isEnd && await this.#showStill(by > 0 ? { after: frame } : { before: frame });
    if (isThere || this.problem) return;
    this.edge = by > 0 ? "newest" : "first";
    this.#options.onChange();
  }

  /** Nobody looks: what comes now would not be seen. */
  sleep() {
    this.acknowledge();
    if (this.isPaused || this.#isAsleep) return;
    this.#isAsleep = true;
    this.#options.screen.drop();
    this.#stream?.pause();
  }

  /** Somebody looks again. */
  wake() {
    if (!this.#isAsleep || this.isPaused) return;
    this.#isAsleep = false;
    this.#progressMs = Date.now();
    if (!this.isLive) this.#returnToShown();
    this.#stream?.resume();
  }

  /** Another try now, instead of later. */
  retry() {
    if (this.problem) this.open({ isLive: this.isLive, cursor: this.#cursor });
    else this.#stream?.resume();
  }

  close() {
    this.acknowledge();
    this.#still?.abort();
    this.#stream?.close();
  }

  /** Tells the service how far it was seen, once a second. @param {number} [everyMs] */
  acknowledge(everyMs = 0) {
    const { shown } = this;
    const now = Date.now();
    if (!shown || shown.frame === this.#acked || now - this.#ackedMs < everyMs) return;
    this.#acked = shown.frame;
    this.#ackedMs = now;
    this.#stream?.ack(shown.frame);
  }

  /** What is to be done now and then. */
  tick() {
    this.acknowledge(ackMs);
  }

  /** The screen has drawn a frame. @param {Shown} shown @param {number} nowMs */
  onShown(shown, nowMs) {
    this.#onStill?.(shown);
    if (shown.isStill) return;
    this.#drawnAt = [...this.#drawnAt.slice(1 - rateFrames), nowMs];
    this.#progressMs = nowMs;
    if (this.isAtEdge(nowMs)) {
      this.#options.frame.meter.drawn(nowMs, Math.max(0, nowMs + this.skewMs - shown.capturedAt));
    }
    if (this.#isNamed || this.begin) return;
    this.begin = shown;
    this.#options.onChange();
  }

  /** A frame could not be shown. */
  onBroken() {
    this.#onStill?.(null);
    this.#options.onChange();
  }

  /** Whether frames come of which this browser can show none. */
  get isUnreadable() {
    return this.shown === null && this.#options.screen.broken > 0;
  }

  /** How long ago the frame that is shown was captured, ms. @param {number} nowMs */
  behindMs(nowMs) {
    return this.shown ? Math.max(0, nowMs + this.skewMs - this.shown.capturedAt) : 0;
  }

  /** Whether what is shown happens now. @param {number} nowMs */
  isAtEdge(nowMs) {
    return this.shown !== null && this.behindMs(nowMs) < edgeMs;
  }

  /** How long there has been no new frame though one was to be expected, ms; 0 while they come.
   * @param {number} nowMs */
  stalledMs(nowMs) {
    if (this.isPaused || this.#isAsleep || !this.shown || this.connection?.name !== "open") return 0;
    const quietMs = nowMs - this.#progressMs;
    return quietMs > Math.max(stallMs, stallMs / this.speed, this.#usualMs() * patience) ? quietMs : 0;
  }

  /** Frames drawn per second; 0 while none come, null while that is not known. @param {number} nowMs */
  perSecond(nowMs) {
    if (this.stalledMs(nowMs) > 0) return 0;
    const usualMs = this.#usualMs();
    return usualMs === 0 || this.isPaused ? null : 1000 / usualMs;
  }

  /** Time between two frames, ms; 0 if that is not known. */
  #usualMs() {
    const [first = 0] = this.#drawnAt;
    const between = this.#drawnAt.length - 1;
    return between < 1 ? 0 : ((this.#drawnAt.at(-1) ?? 0) - first) / between;
  }

  /** @param {boolean} isLive */
  #begin(isLive) {
    Object.assign(this, { isLive, isPaused: false, problem: null, edge: null, gap: null, begin: null });
    this.#isAsleep = false;
    this.#still?.abort();
    this.#options.screen.drop();
    this.#progressMs = Date.now();
    this.#drawnAt = [];
    this.#received = "";
    this.#options.onChange();
  }

  /** Has the stream go on after the frame that is shown, where it is ahead of that. */
  #returnToShown() {
    const cursor = this.shown ? placeAfter(this.shown, this.#cursor) : "";
    if (!cursor || this.shown?.frame === this.#received) return;
    this.#options.screen.drop();
    this.#stream?.seek(cursor);
  }

  /** @param {string} cursor */
  #goTo(cursor) {
    if (!this.#stream || this.isLive || this.problem) return this.open({ cursor });
    this.#begin(false);
    this.#isNamed = true;
    this.#stream.seek(cursor);
  }

  /** @param {VideoFrame} record @param {string} cursor */
  #take({ jpeg, ...place }, cursor) {
    const now = Date.now(), { screen, frame } = this.#options;
    frame.meter.arrived(now);
    this.#received = place.frame;
    this.#cursor = cursor;
    if (this.#isAsleep) return;
    screen.room = this.isLive ? 1 : this.isAtEdge(now) ? edgeRoom : recordedRoom;
    screen.take({ ...place, cursor }, jpeg);
  }

  /** @param {Ready} ready */
  #onReady(ready) {
    this.skewMs = clockSkew(ready.serverTime);
    this.problem = null;
    this.#progressMs = Date.now();
    if (ready.start) this.#cursor = ready.start;
    if (ready.resume === "gap") this.#onGap({ skipped: ready.skipped ?? 0, reason: "retention" });
    this.#options.onChange();
  }

  /** @param {Pick<Gap, "skipped" | "reason">} gap */
  #onGap({ skipped, reason }) {
    if (reason === "policy") this.late += skipped;
    else {
      this.gap = { skipped: (this.gap?.skipped ?? 0) + skipped, reason, at: Date.now() };
      this.#options.frame.meter.gap(skipped);
    }
    this.#options.onChange();
  }

  /** @param {StreamState} state */
  #onState(state) {
    this.connection = state;
    this.#options.frame.setConnection(state);
    this.#options.onChange();
  }

  /** Shows one frame by itself.
   * @param {Whence} whence @returns {Promise<boolean>} whether there is one, and it is on the screen */
  async #showStill(whence) {
    this.#still?.abort();
    const work = this.#still = new AbortController();
    const { topic, screen, onChange } = this.#options;
    const before = this.#received;
    this.edge = null;
    try {
      const still = await fetchStill(topic, whence, work.signal);
      if (!still || work.signal.aborted) return false;
      // A stream that has begun meanwhile knows better.
      if (this.isLive && this.#received !== before) return true;
      const { jpeg, ...place } = still;
      /** @type {Picture} */
      const picture = { ...place, cursor: "cursor" in whence ? "" : this.#withPlace(place), isStill: true };
      const isShown = new Promise((resolve) => {
        this.#onStill = (shown) => (shown === null || shown.frame === place.frame) && resolve(true);
        work.signal.addEventListener("abort", resolve);
      });
      screen.take(picture, jpeg);
      await isShown;
      this.#onStill = null;
      return true;
    } catch (error) {
      if (!work.signal.aborted) this.problem = problemOf(error);
      return false;
    } finally {
      if (this.#still === work) this.#still = null;
      onChange();
    }
  }

  /** The place after a frame that was reached by steps: elsewhere the stream stays where it is.
   * @param {{ partition: number, offset: number }} place */
  #withPlace(place) {
    return placeAfter({ ...place, cursor: "", capturedAt: 0 }, this.shown?.cursor ?? "", true);
  }
}

/** The cursor after a frame. One that came with the stream has it; of another it is made, exactly if the topic
 * has one partition, else by its time: then the frame itself may come again, and none is left out.
 * @param {{ partition: number, offset: number, capturedAt: number, cursor: string }} picture
 * @param {string} known any cursor of the same log
 * @param {boolean} [isNear] whether `known` holds for the other partitions */
export function placeAfter({ partition, offset, capturedAt, cursor }, known, isNear = false) {
  if (cursor) return cursor;
  const [, head = "", list = ""] = /^(v1\.[0-9a-f]{8}\.)([\d:,-]+)$/.exec(known) ?? [];
  const places = list.split(",").map((place) => place.split(":"));
  const isKnown = places.some(([name]) => name === String(partition));
  if (!isKnown || (places.length > 1 && !isNear)) return isNear ? "" : `t.${capturedAt}`;
  return head +
    places.map(([name, at]) => `${name}:${name === String(partition) ? offset : at}`).join(",");
}
