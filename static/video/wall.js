// @ts-check
/** Up to nine streams at once, all live, over one connection; a click on one opens it alone.
 *
 * Each tile shows its newest frame at once, as a stream that is quiet would else show none. A wall keeps no
 * positions: who watches nine has not seen each frame of any. Left out: which streams (stream_list.js).
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Problem, Stream, StreamState, VideoFrame } from "../shared/stream.js" */
/** @import { Shown } from "./screen.js" */
import { duration, setText, wholeDuration } from "../shared/format.js";
import { clockSkew } from "../shared/meter.js";
import { mark, seriesOf } from "../shared/series.js";
import { follow } from "../shared/stream.js";
import { Screen } from "./screen.js";
import { fetchStill, pathOf } from "./video_api.js";

/** A picture older than this is marked, ms. */
const staleMs = 3_000;

/** @typedef {object} Tile
 * @property {string} topic
 * @property {HTMLElement} element
 * @property {Screen} screen
 * @property {HTMLElement} id
 * @property {HTMLElement} delay
 * @property {HTMLElement} stall
 * @property {number} delayMs from capture to drawing, of its newest frame
 * @property {boolean} hasStream */

/** The wall. */
export class Wall {
  /** @type {StreamState | null} */ connection = null;
  /** @type {Problem | null} */ problem = null;
  #options;
  #box;
  /** Tiles by the address of their stream. @type {Map<string, Tile>} */ #tiles = new Map();
  /** @type {Stream<VideoFrame> | null} */ #stream = null;
  #skewMs = 0;

  /** @param {{ box: HTMLElement, frame: Frame, ask: () => void, onOpen: (topic: string) => void,
   *   onChange: () => void }} options */
  constructor(options) {
    this.#options = options;
    this.#box = options.box;
  }

  get topics() {
    return [...this.#tiles.values()].map(({ topic }) => topic);
  }

  /** Shows these, over a connection of its own.
   * @param {readonly string[]} topics @param {ReadonlySet<string>} withFrames those that have some, as far as is
   *   known */
  open(topics, withFrames) {
    const before = this.#tiles;
    this.#stream?.close();
    this.#tiles = new Map(topics.map((topic) => {
      const address = `${pathOf(topic)}/socket?live=1&viewer=`;
      return [address, before.get(address) ?? this.#makeTile(topic)];
    }));
    this.problem = null;
    this.#box.replaceChildren(...[...this.#tiles.values()].map(({ element }) => element));
    this.#box.dataset["tiles"] = String(topics.length);
    if (topics.length === 0) return;
    const url = new URL("/streams", location.href);
    for (const address of this.#tiles.keys()) url.searchParams.append("s", address);
    this.#stream = follow(url, {
      transport: "frames",
      onRecord: (frame, { cursor, stream = "" }) => {
        this.#options.frame.meter.arrived(Date.now());
        const { jpeg, ...place } = frame;
        const tile = this.#tiles.get(stream);
        if (!tile) return;
        tile.hasStream = true;
        tile.screen.take({ ...place, cursor }, jpeg);
      },
      onReady: ({ serverTime }) => this.#skewMs = clockSkew(serverTime),
      onStatus: ({ kafka }) => this.#options.frame.setKafka(kafka),
      onState: (state) => {
        this.connection = state;
        this.#options.frame.setConnection(state);
        this.#options.onChange();
      },
      onError: (problem) => {
        this.problem = problem;
        this.#options.onChange();
      },
    });
    for (const tile of this.#tiles.values()) {
      if (withFrames.has(tile.topic) && !tile.screen.shown) this.#showNewest(tile);
    }
  }

  close() {
    this.#stream?.close();
    this.#stream = null;
    this.#tiles.clear();
    this.#box.replaceChildren();
    this.connection = null;
    this.problem = null;
  }

  retry() {
    this.#stream?.resume();
  }

  /** Nobody looks. */
  sleep() {
    this.#stream?.pause();
  }

  /** Somebody looks again. */
  wake() {
    if (this.connection?.name === "paused") this.#stream?.resume();
  }

  /** Draws what is ready; called in an animation frame. */
  draw() {
    for (const { screen } of this.#tiles.values()) screen.draw();
  }

  /** Shows how old each picture is. @param {number} now ms since the epoch */
  tick(now) {
    for (const { screen: { shown }, id, delay, delayMs, stall, element } of this.#tiles.values()) {
      const behindMs = shown ? Math.max(0, now + this.#skewMs - shown.capturedAt) : 0;
      const isStale = behindMs > staleMs;
      element.classList.toggle("is-stale", isStale);
      setText(id, shown?.frame ?? "");
      setText(delay, shown && !isStale ? duration(delayMs) : "");
      setText(stall, shown ? isStale ? `No new frames for ${wholeDuration(behindMs)}` : "" : "No frames yet");
    }
  }

  /** @param {string} topic @returns {Tile} */
  #makeTile(topic) {
    const element = document.createElement("a");
    element.className = "tile";
    element.href = pathOf(topic);
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 16, height: 9 });
    canvas.setAttribute("aria-hidden", "true");
    const stall = Object.assign(document.createElement("span"), { className: "tile-stall number" });
    const foot = Object.assign(document.createElement("span"), { className: "tile-foot number" });
    const name = Object.assign(document.createElement("b"), { textContent: topic });
    const id = Object.assign(document.createElement("span"), { className: "mono tile-id" });
    const delay = Object.assign(document.createElement("span"), { className: "tile-delay" });
    foot.append(mark(seriesOf(topic)), name, id, delay);
    element.append(canvas, stall, foot);
    element.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      this.#options.onOpen(topic);
    });
    const screen = new Screen(canvas, {
      ask: this.#options.ask,
      onShown: (shown) => this.#onShown(tile, shown),
    });
    /** @type {Tile} */
    const tile = { topic, element, screen, id, delay, stall, delayMs: 0, hasStream: false };
    return tile;
  }

  /** @param {Tile} tile @param {Shown} shown */
  #onShown(tile, { capturedAt, isStill }) {
    const now = Date.now();
    tile.delayMs = Math.max(0, now + this.#skewMs - capturedAt);
    if (!isStill && tile.delayMs < staleMs) this.#options.frame.meter.drawn(now, tile.delayMs);
  }

  /** @param {Tile} tile */
  async #showNewest(tile) {
    const still = await fetchStill(tile.topic, {}).catch(() => null);
    if (!still || tile.hasStream) return;
    const { jpeg, ...place } = still;
    tile.screen.take({ ...place, cursor: "", isStill: true }, jpeg);
  }
}
