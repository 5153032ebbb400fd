// @ts-check
/** Brings the windows of videos and keeps them up to date: asks for all of them, follows those that are shown over one connection, and
 * asks again now and then, for videos that are new and for how the counting is doing.
 *
 * Whatever goes wrong on the way is kept as facts (`phase`, `problem`, `gap`, …) for the page to show. What was missed on the stream
 * is in the next answer. Left out: showing anything, sending likes (likes.js).
 * @module */
/** @import { AggregationsData } from "../../routes/aggregations.ts" */
/** @import { WindowStatus } from "../../kafka/processors/windows/types.ts" */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Problem, Stream, StreamState } from "../shared/stream.js" */
/** @import { WindowOfSize } from "./video.js" */
/** @import { Place, Size } from "./window_times.js" */
import { ApiError, mayPass, pause, problemOf, retryMs } from "../shared/api.js";
import { clockSkew } from "../shared/meter.js";
import { follow } from "../shared/stream.js";
import { eventsOf, fetchAggregations } from "./aggregations_api.js";
import { Video } from "./video.js";
import { isCatchingUp } from "./window_times.js";

/** What the stream brings: windows with the time at which they were published or counted, and those that were there already without.
 * @typedef {WindowOfSize & { video_uid: string, timestamp?: number }} WindowEvent */

/** How often it is asked how things are; and while there is no video. */
const askMs = 3_000, askSoonMs = 1_000;
/** Finished windows of each size that are asked for: at first and after a loss; and now and then. */
const windowsAtFirst = 60, windowsLater = 2;
/** What proxies and servers take of an address, in characters: some twenty ids that are as long as they may be, hundreds of usual ones. */
const longestAddress = 16_000;

/** Videos: those that have titles and the newest ones, or one. */
export class Session {
  /** `waiting`: to ask again; `off`: nothing is counted here. @type {"loading" | "waiting" | "live" | "off" | "failed"} */
  phase = "loading";
  /** Why it waits or failed. @type {Problem | null} */ problem = null;
  /** What is wrong with asking while the stream is up. @type {Problem | null} */ trouble = null;
  retryAt = 0;
  /** @type {Video[]} */ videos = [];
  /** @type {readonly Size[]} */ sizes = [];
  graceMs = 0;
  clicksTopic = "";
  /** @type {WindowStatus | null} */ status = null;
  /** Whether old likes are being counted. */
  isCatchingUp = false;
  /** Finished windows that were passed over on the stream. @type {{ missed: number, at: number } | null} */ gap =
    null;
  /** Whether the stream is opened once more though nothing is lost: of more videos, or after a pause. */
  isReopening = false;
  /** When somebody paused it, ms since the epoch of the service; 0 while it is not. */
  pausedAt = 0;
  skewMs = 0;
  /** When what came since the last drawing was published, ms since the epoch. @type {number[]} */ undrawn =
    [];
  #only;
  #limit;
  #frame;
  #options;
  /** @type {Stream | null} */ #stream = null;
  /** Videos by id. @type {Map<string, Video>} */ #byId = new Map();
  /** Characters of the stream's address, at most. */
  #addressLength = 0;
  #lostAt = 0;
  #askedAt = 0;
  #isAsking = false;
  #work = new AbortController();
  /** How far the counting was. @type {Place | null} */ #before = null;

  /** @param {{ only: string | null, limit: number, frame: Frame, onVideos: () => void, onChange: () => void, ask: () => void, onWindow: (video: Video, window: WindowEvent) => void }} options
   *   `only`: the id of the one that is wanted; `limit`: of videos; `onVideos`: there are others than before; `ask`: for a drawing */
  constructor(options) {
    this.#only = options.only;
    this.#limit = options.limit;
    this.#frame = options.frame;
    this.#options = options;
  }

  /** @returns {StreamState | null} */
  get connection() {
    return this.#stream?.state ?? null;
  }

  /** The service's time; it stands while nothing new is heard.
   * @returns {number} ms since the epoch */
  get now() {
    return this.pausedAt || this.#lostAt || Date.now() + this.skewMs;
  }

  /** Whether there may be more videos than are shown. */
  get hasMore() {
    const counted = this.videos.filter(({ isEmpty }) => !isEmpty).length; // titles are there without likes
    return this.#only === null && this.videos.length >= this.#limit && (this.status?.ids ?? 0) > counted;
  }

  /** Asks what there is, and follows it. */
  async open() {
    const { signal } = this.#work;
    for (let attempt = 0; !signal.aborted; attempt++) {
      if (attempt === 0) this.#enter("loading", null);
      try {
        this.#take(await this.#fetch(windowsAtFirst));
        if (this.sizes.length === 0) return this.#enter("off", null);
        this.#enter("live", null);
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

  /** Called now and then. @param {number} now ms since the epoch */
  tick(now) {
    if (this.phase !== "live" || this.pausedAt > 0) return;
    const isLost = this.connection?.name !== "open" || this.#frame.kafka.health === "down";
    if (!isLost) this.#lostAt = 0;
    else if (this.#lostAt === 0) this.#lostAt = now + this.skewMs;
    if (now - this.#askedAt > (this.videos.length > 0 ? askMs : askSoonMs)) this.#ask(windowsLater);
  }

  pause() {
    this.pausedAt = this.now;
    this.#stream?.pause();
    this.#options.onChange();
  }

  /** Goes on after a pause, or tries again at once. */
  resume() {
    this.isReopening = this.pausedAt > 0;
    this.pausedAt = 0;
    this.#stream?.resume();
    this.#ask(windowsAtFirst);
    this.#options.onChange();
  }

  close() {
    this.#work.abort();
    this.#stream?.close();
  }

  /** @param {number} windows @returns {Promise<AggregationsData>} */
  #fetch(windows) {
    this.#askedAt = Date.now();
    return fetchAggregations({ only: this.#only, limit: this.#limit, windows }, this.#work.signal);
  }

  /** @param {AggregationsData} data */
  #take(data) {
    this.skewMs = clockSkew(data.now);
    this.sizes = data.sizes;
    this.graceMs = data.grace_ms;
    this.clicksTopic = data.clicks_topic;
    this.status = data.status;
    const place = { watermark: data.status.watermark, at: data.now };
    this.isCatchingUp = isCatchingUp(this.#before, place);
    this.#before = place;
    /** @type {Video[]} */
    const added = [];
    for (const each of data.videos) {
      const known = this.#byId.get(each.video_uid);
      if (known) known.update(each);
      else if (this.videos.length + added.length < this.#limit && this.#hasRoomFor(each.video_uid)) {
        const options = { sizes: data.sizes, graceMs: data.grace_ms, kept: windowsAtFirst };
        added.push(new Video(each, options));
      }
    }
    if (added.length === 0) return;
    for (const video of added) this.#byId.set(video.id, video);
    this.videos = [...this.videos, ...added];
    this.#options.onVideos();
    this.#follow();
  }

  /** Whether the stream's address takes one more id. @param {string} id */
  #hasRoomFor(id) {
    const length = this.#addressLength + eventsOf([id]).length;
    if (length > longestAddress) return false;
    this.#addressLength = length;
    return true;
  }

  #follow() {
    this.isReopening ||= this.connection?.name === "open";
    this.#stream?.close();
    let isFirst = true;
    this.#stream = follow(eventsOf(this.videos.map(({ id }) => id)), {
      events: ["window"],
      onRecord: (/** @type {WindowEvent} */ window) => this.#window(window),
      onReady: ({ serverTime, resume, skipped = 0 }) => {
        this.skewMs = clockSkew(serverTime);
        if (resume === "gap") this.#lost(skipped);
        this.#ask(isFirst ? windowsLater : windowsAtFirst); // what came between asking and following
        isFirst = false;
      },
      onGap: ({ skipped }) => this.#lost(skipped),
      onStatus: ({ kafka }) => {
        this.#frame.setKafka(kafka);
        this.#options.onChange();
      },
      onState: (state) => {
        if (state.name !== "connecting" && state.name !== "closed") this.isReopening = false;
        this.#frame.setConnection(state);
        this.#options.onChange();
      },
      onError: (problem) => {
        if (this.#stream?.state.name === "failed") this.#enter("failed", problem);
      },
    });
  }

  /** @param {WindowEvent} window */
  #window(window) {
    const now = Date.now();
    this.#frame.meter.arrived(now);
    const video = this.#byId.get(window.video_uid);
    if (!video) return;
    video.take(window);
    if (window.timestamp !== undefined && !document.hidden && this.undrawn.length < 64) {
      this.undrawn.push(window.timestamp);
    }
    this.#options.onWindow(video, window);
    this.#options.ask();
  }

  /** @param {number} windows */
  async #ask(windows) {
    this.#askedAt = Date.now();
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const data = await this.#fetch(windows);
      this.trouble = null;
      if (this.pausedAt > 0) return;
      this.#take(data);
      this.#options.ask();
    } catch (error) {
      if (!this.#work.signal.aborted) this.trouble = problemOf(error);
    } finally {
      this.#isAsking = false;
    }
  }

  /** @param {number} missed */
  #lost(missed) {
    this.#frame.meter.gap(missed);
    this.gap = { missed: (this.gap?.missed ?? 0) + missed, at: Date.now() };
    this.#ask(windowsAtFirst);
    this.#options.onChange();
  }

  /** @param {Session["phase"]} phase @param {Problem | null} problem */
  #enter(phase, problem) {
    this.phase = phase;
    this.problem = problem;
    this.#options.onChange();
  }
}
