// @ts-check
/** The list of records: newest last, following the end until somebody scrolls away from it.
 *
 * One drawing per frame however many came. What is looked at does not move when records come or go. Left out:
 * a record in full (detail.js).
 * @module */
/** @import { Row } from "./windowed_rows.js" */
/** @import { RecordBuffer } from "./record_buffer.js" */
import { count, setText, utc } from "../shared/format.js";
import { placeOf } from "./record_buffer.js";
import { prepare } from "./record_text.js";
import { WindowedRows } from "./windowed_rows.js";

/** How close to the end counts as at the end, px. */
const nearPx = 6;

/** @typedef {Row & { shown: number, time: HTMLElement, place: HTMLElement, key: HTMLElement, value: HTMLElement }} RecordRow */

/** The records on the screen. */
export class RecordList {
  isFollowing = true;
  /** What those below are: `new`, or `more` for who began in the past. */
  wordBelow = "new";
  /** @type {WindowedRows<RecordRow>} */ #rows;
  #box;
  #toEnd;
  #buffer;
  #onFollow;
  #first = 0;
  /** Where we put the list, px; who is above has scrolled away. */
  #scrolledTo = 0;
  #opened = -1;
  /** Up to where somebody could see, at least once. */
  #seenTo = 0;
  #isAsked = false;
  #afterDraw;

  /** @param {{ box: HTMLElement, toEnd: HTMLElement, buffer: RecordBuffer, onOpen: (number: number) => void,
   *   onFollow: (isFollowing: boolean) => void, onKey: (event: KeyboardEvent) => boolean,
   *   afterDraw: () => void }} options `onFollow`: it began or ended; `onOpen`: a record was picked */
  constructor({ box, toEnd, buffer, onOpen, onFollow, onKey, afterDraw }) {
    this.#box = box;
    this.#toEnd = toEnd;
    this.#buffer = buffer;
    this.#onFollow = onFollow;
    this.#afterDraw = afterDraw;
    const coarse = matchMedia("(max-width: 760px)");
    this.#rows = new WindowedRows({
      box,
      makeRow,
      fill: (row) => this.#fill(row),
      heightOf: () => coarse.matches ? 52 : 30,
      onPick: onOpen,
      onMove: () => {
        this.follow(false);
        this.#draw();
        if (this.#opened >= 0) onOpen(this.#rows.active);
      },
      onKey,
      onSize: () => this.ask(),
    });
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    toEnd.addEventListener("click", () => this.follow(true));
  }

  /** Records below what is in sight. */
  get below() {
    return this.#buffer.end - this.#rows.bottom;
  }

  /** Draws in the next frame. */
  ask() {
    if (this.#isAsked || document.hidden) return;
    this.#isAsked = true;
    requestAnimationFrame(() => this.#draw());
  }

  /** Goes on with the newest, or stays where it is. @param {boolean} wanted */
  follow(wanted) {
    if (wanted === this.isFollowing) return;
    this.isFollowing = wanted;
    this.#seenTo = this.#buffer.end;
    this.#onFollow(wanted);
    this.ask();
  }

  /** Marks the record that is open. @param {number} number −1: none */
  setOpened(number) {
    this.#opened = number;
    if (number >= 0) {
      this.#rows.active = number;
      this.#rows.reveal(number);
    }
    this.ask();
  }

  /** There is nothing any more. */
  clear() {
    this.#opened = this.#rows.active = -1;
    this.#first = this.#scrolledTo = this.#seenTo = 0;
    this.#box.scrollTop = 0;
    this.ask();
  }

  #draw() {
    this.#isAsked = false;
    const { first, end } = this.#buffer;
    const gone = first - this.#first;
    this.#first = first;
    this.#rows.setRange(first, end);
    if (this.isFollowing) {
      const to = this.#rows.endTop;
      if (to !== this.#scrolledTo) this.#box.scrollTop = this.#scrolledTo = to;
      this.#rows.place(to);
      this.#seenTo = end;
    } else {
      if (gone > 0) this.#box.scrollTop -= gone * this.#rows.rowHeight;
      this.#rows.place();
      this.#seenTo = Math.max(this.#seenTo, this.#rows.bottom);
    }
    this.#seenTo = Math.min(this.#seenTo, end); // the log may have been made anew
    const fresh = end - this.#seenTo;
    this.#toEnd.hidden = this.isFollowing || this.below <= 0;
    const word = fresh > 0 ? `${count(fresh)} ${this.wordBelow}` : "To the newest";
    if (!this.#toEnd.hidden) setText(this.#toEnd, `${word} ↓`);
    this.#afterDraw();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    // The end moves too: what is above the list comes and goes.
    const end = Math.min(this.#scrolledTo, scrollHeight - clientHeight);
    if (this.isFollowing && scrollTop < end - nearPx) this.follow(false);
    this.ask();
  }

  /** @param {RecordRow} row */
  #fill(row) {
    const { element, number } = row;
    element.setAttribute("aria-selected", String(number === this.#opened));
    element.setAttribute("aria-posinset", String(number - this.#buffer.first + 1));
    element.setAttribute("aria-setsize", String(this.#buffer.length));
    const entry = this.#buffer.at(number);
    if (!entry || row.shown === number && row.place.textContent === placeOf(entry.record)) return;
    prepare(entry);
    row.shown = number;
    setText(row.time, entry.time);
    row.time.title = utc(entry.record.timestamp);
    setText(row.place, placeOf(entry.record));
    setText(row.key, entry.key);
    row.key.classList.toggle("is-none", entry.record.key === null);
    setText(row.value, entry.text);
    row.value.classList.toggle("is-none", entry.record.value === null);
  }
}

/** @returns {RecordRow} */
function makeRow() {
  const element = document.createElement("div");
  element.className = "record-row";
  const [time, place, key, value] = ["time", "place mono", "key mono", "value mono"].map((name) => {
    const span = document.createElement("span");
    span.className = name;
    return span;
  });
  if (!time || !place || !key || !value) throw new Error("unreachable");
  element.append(time, place, key, value);
  return { element, number: -1, shown: -1, time, place, key, value };
}
