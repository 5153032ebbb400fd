// @ts-check
/** The list of streams: a picture of each, how much of it is kept, how old its newest frame is; and while the
 * wall is open, which of them are on it.
 * @module */
/** @import { VideoTopic } from "../../routes/video_list.ts" */
import { byId } from "../shared/dom.js";
import { count, setText, utc, wholeDuration } from "../shared/format.js";
import { mark, seriesOf } from "../shared/series.js";
import { mostTiles } from "./page_url.js";
import { pathOf, stillUrl } from "./video_api.js";

/** A stream whose newest frame is younger than this is one that runs, ms: as old as the list may be, and some more. */
const runningMs = 12_000;

/** @typedef {object} Row
 * @property {HTMLLIElement} element
 * @property {HTMLAnchorElement} link
 * @property {HTMLImageElement} picture
 * @property {HTMLElement} age
 * @property {HTMLElement} frames
 * @property {HTMLInputElement} box whether it is on the wall
 * @property {HTMLElement} choice its label
 * @property {string} newest id of the frame that is pictured */
/** @typedef {{ opened: string | null, wall: readonly string[] | null, now: number }} Look `now`: by the service's
 *   clock */

/** The list. */
export class StreamList {
  /** What the service said last. @type {readonly VideoTopic[]} */ lines = [];
  #options;
  #box = byId("streams");
  /** Rows by topic. @type {Map<string, Row>} */ #rows = new Map();

  /** @param {{ onOpen: (topic: string) => void, onTile: (topic: string, isOn: boolean) => void }} options */
  constructor(options) {
    this.#options = options;
  }

  /** @param {readonly VideoTopic[]} lines */
  setLines(lines) {
    this.lines = lines;
    const gone = new Set(this.#rows.keys());
    for (const { topic, frames, newest } of lines) {
      gone.delete(topic);
      const row = this.#rows.get(topic) ?? this.#addRow(topic);
      setText(
        row.frames,
        framesText(frames),
      );
      if (!newest || newest.frame === row.newest) continue;
      row.newest = newest.frame;
      // By its time, so that the address differs and the browser asks.
      row.picture.src = stillUrl(topic, { cursor: `t.${newest.timestamp}` });
      row.picture.hidden = false;
    }
    for (const topic of gone) {
      this.#rows.get(topic)?.element.remove();
      this.#rows.delete(topic);
    }
    lines.forEach(({ topic }, i) => {
      const element = this.#rows.get(topic)?.element;
      const there = this.#box.children[i] ?? null;
      if (element && element !== there) this.#box.insertBefore(element, there);
    });
    setText(byId("stream-count"), count(lines.length));
    setText(byId("stream-noun"), lines.length === 1 ? "stream" : "streams");
  }

  /** Shows what is true now. @param {Look} look */
  update({ opened, wall, now }) {
    for (const { topic, newest } of this.lines) {
      const row = this.#rows.get(topic);
      if (!row) continue;
      const isOpened = wall === null && topic === opened;
      if (isOpened) row.link.setAttribute("aria-current", "true");
      else row.link.removeAttribute("aria-current");
      const agoMs = newest ? now - newest.capturedAt : Infinity;
      row.element.classList.toggle("is-running", agoMs < runningMs);
      setText(row.age, newest ? agoMs < runningMs ? "live" : `${wholeDuration(agoMs)} ago` : "");
      if (newest) row.age.title = utc(newest.capturedAt);
      row.choice.hidden = wall === null;
      row.box.checked = wall?.includes(topic) ?? false;
      row.box.disabled = wall !== null && wall.length >= mostTiles && !row.box.checked;
    }
  }

  /** @param {string} topic @returns {Row} */
  #addRow(topic) {
    const element = Object.assign(document.createElement("li"), { className: "stream-row" });
    element.innerHTML = `
      <a class="stream-link">
        <span class="thumb"><img alt="" width="96" height="54" hidden></span>
        <span class="stream-text">
          <span class="stream-name"></span>
          <span class="stream-sub number"><span data-part="age"></span><span data-part="frames"></span></span>
        </span>
      </a>
      <label class="tile-choice" hidden><input type="checkbox"></label>`;
    /** @template {Element} [E=HTMLElement] @param {string} selector @returns {E} */
    const part = (selector) => /** @type {E} */ (element.querySelector(selector));
    /** @type {HTMLAnchorElement} */
    const link = part("a");
    const name = part(".stream-name");
    name.append(mark(seriesOf(topic)), Object.assign(document.createElement("span"), { textContent: topic }));
    link.href = pathOf(topic);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      this.#options.onOpen(topic);
    });
    /** @type {HTMLInputElement} */
    const box = part("input");
    box.setAttribute("aria-label", `${topic} on the wall`);
    box.addEventListener("change", () => this.#options.onTile(topic, box.checked));
    const row = {
      element,
      link,
      picture: /** @type {HTMLImageElement} */ (part("img")),
      age: part("[data-part=age]"),
      frames: part("[data-part=frames]"),
      box,
      choice: part(".tile-choice"),
      newest: "",
    };
    this.#rows.set(topic, row);
    return row;
  }
}

/** @param {number | null} frames */
function framesText(frames) {
  if (frames === null) return "";
  return frames === 0 ? "no frames" : `${count(frames)} ${frames === 1 ? "frame" : "frames"}`;
}
