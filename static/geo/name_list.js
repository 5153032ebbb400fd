// @ts-check
/** The list of names: any number of them with as many elements as fit on the screen.
 *
 * A listbox by the ARIA pattern: one stop for the Tab key; arrows, Home, End and the page keys move, Enter or
 * Space follows, letters go to the filter. Left out: what following does.
 * @see {@link https://www.w3.org/WAI/ARIA/apg/patterns/listbox/}
 * @module */
/** @import { Mover, Movers } from "./movers.js" */
import { mark, setMark } from "../shared/series.js";
import { setText, timeOfDay, utc, wholeDuration } from "../shared/format.js";

const rowHeight = 44;
/** Rows above and below what is in sight. */
const spare = 3;
const staleMs = 60_000;
const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** @typedef {{ element: HTMLElement, mark: SVGElement, name: HTMLElement, speed: HTMLElement, seen:
 * HTMLElement, index: number }} Row */

/** A virtual list of movers. */
export class NameList {
  /** What is listed, in order. @type {Mover[]} */ shown = [];
  #box;
  #sizer = document.createElement("div");
  #movers;
  #onPick;
  /** @type {Row[]} */ #rows = [];
  #active = -1;
  #version = -1;
  #query = "";
  /** @type {string | null} */ #followed = null;
  #skewMs = 0;

  /** @param {{ box: HTMLElement, movers: Movers, onPick: (mover: Mover) => void, onLetter: (key: string) =>
   * void }} options */
  constructor({ box, movers, onPick, onLetter }) {
    this.#box = box;
    this.#movers = movers;
    this.#onPick = onPick;
    this.#sizer.className = "names-sizer";
    this.#sizer.setAttribute("role", "presentation");
    box.append(this.#sizer);
    box.addEventListener("scroll", () => this.#place(), { passive: true });
    box.addEventListener("click", (event) => this.#click(event));
    box.addEventListener("keydown", (event) => this.#key(event, onLetter));
    box.addEventListener("focus", () => this.#activate(this.#active < 0 ? this.#startIndex() : this.#active));
    new ResizeObserver(() => this.#place()).observe(box);
  }

  /** Lists others from now on. @param {Movers} movers */
  show(movers) {
    this.#movers = movers;
    this.#version = -1;
  }

  /** Lists the names that hold `query`. @param {string} query */
  filter(query) {
    this.#query = query.trim().toLocaleLowerCase();
    this.#version = -1;
    this.#active = -1;
    this.#box.scrollTop = 0;
  }

  /** Shows what is true now.
   * @param {string | null} followed @param {number} skewMs what the clock that counts is ahead of ours */
  update(followed, skewMs) {
    this.#skewMs = skewMs;
    const isOther = followed !== this.#followed;
    this.#followed = followed;
    if (this.#version !== this.#movers.version) this.#choose();
    this.#place();
    if (isOther && followed !== null && document.activeElement !== this.#box) {
      this.#reveal(this.#startIndex());
    }
  }

  #choose() {
    this.#version = this.#movers.version;
    const activeName = this.shown[this.#active]?.name;
    for (const mover of this.#movers.all) {
      mover.isShown = this.#query === "" || mover.name.toLocaleLowerCase().includes(this.#query);
    }
    this.shown = this.#movers.all.filter(({ isShown }) => isShown).sort((a, b) =>
      names.compare(a.name, b.name)
    );
    this.#active = activeName === undefined ? -1 : this.shown.findIndex(({ name }) => name === activeName);
    this.#sizer.style.height = `${this.shown.length * rowHeight}px`;
  }

  /** Puts the rows where the list is looked at. */
  #place() {
    const { scrollTop, clientHeight } = this.#box;
    const first = Math.max(0, Math.floor(scrollTop / rowHeight) - spare);
    const wanted = Math.min(this.shown.length - first, Math.ceil(clientHeight / rowHeight) + 2 * spare);
    while (this.#rows.length < wanted) this.#rows.push(this.#makeRow());
    // A row keeps its element while it is in sight, so that a screen reader's place in the list does not jump.
    const now = Date.now() + this.#skewMs;
    for (const row of this.#rows) row.index = -1;
    for (let i = first; i < first + wanted; i++) {
      const row = /** @type {Row} */ (this.#rows[i % this.#rows.length]);
      row.index = i;
      this.#fill(row, /** @type {Mover} */ (this.shown[i]), now);
    }
    for (const row of this.#rows) row.element.hidden = row.index < 0;
    const active = this.#rows.find(({ index }) => index >= 0 && index === this.#active);
    if (active) this.#box.setAttribute("aria-activedescendant", active.element.id);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  /** @param {Row} row @param {Mover} mover @param {number} now */
  #fill(row, mover, now) {
    const { element, index } = row;
    const isFollowed = mover.name === this.#followed;
    const agoMs = now - mover.at;
    element.style.transform = `translateY(${index * rowHeight}px)`;
    element.id = `name-${index}`;
    element.setAttribute("aria-selected", String(isFollowed));
    element.setAttribute("aria-setsize", String(this.shown.length));
    element.setAttribute("aria-posinset", String(index + 1));
    element.classList.toggle("is-active", index === this.#active);
    element.classList.toggle("is-stale", agoMs > staleMs);
    setMark(row.mark, mover.series);
    setText(row.name, mover.name);
    row.name.title = mover.name;
    setText(row.speed, speedText(mover, agoMs));
    setText(row.seen, seenText(agoMs));
    row.seen.title = `Last seen ${timeOfDay(mover.at)} (${utc(mover.at)})`;
  }

  /** @returns {Row} */
  #makeRow() {
    const element = document.createElement("div");
    element.className = "name-row";
    element.setAttribute("role", "option");
    const sign = mark({ color: 0, shape: 0 });
    const [name, speed, seen] = ["name-text", "name-speed number", "name-seen number"].map((className) => {
      const span = document.createElement("span");
      span.className = className;
      return span;
    });
    if (!name || !speed || !seen) throw new Error("unreachable");
    element.append(sign, name, speed, seen);
    this.#sizer.append(element);
    return { element, mark: sign, name, speed, seen, index: -1 };
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const element = /** @type {Element} */ (event.target).closest(".name-row");
    const row = this.#rows.find((row) => row.element === element);
    const mover = row && this.shown[row.index];
    if (!mover) return;
    this.#active = row.index;
    this.#onPick(mover);
  }

  /** @param {KeyboardEvent} event @param {(key: string) => void} onLetter */
  #key(event, onLetter) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.#box.clientHeight / rowHeight) - 1);
    const last = this.shown.length - 1;
    const active = this.#active;
    /** @type {Record<string, number>} */
    const to = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: last,
    };
    const target = to[event.key];
    const mover = this.shown[active];
    if (target !== undefined) this.#activate(Math.max(0, Math.min(last, target)));
    else if ((event.key === "Enter" || event.key === " ") && mover) this.#onPick(mover);
    else if (event.key.length === 1 && event.key !== " ") onLetter(event.key);
    else return;
    event.preventDefault();
  }

  #startIndex() {
    const followed = this.shown.findIndex(({ name }) => name === this.#followed);
    return followed < 0 && this.shown.length > 0 ? 0 : followed;
  }

  /** @param {number} index */
  #activate(index) {
    this.#active = index;
    this.#reveal(index);
    this.#place();
  }

  /** @param {number} index */
  #reveal(index) {
    const top = index * rowHeight;
    const { scrollTop, clientHeight } = this.#box;
    if (index < 0) return;
    if (top < scrollTop) this.#box.scrollTop = top;
    else if (top + rowHeight > scrollTop + clientHeight) this.#box.scrollTop = top + rowHeight - clientHeight;
  }
}

/** @param {Mover} mover @param {number} agoMs */
export function speedText({ speed }, agoMs) {
  if (!Number.isFinite(speed) || agoMs > staleMs) return "";
  const kmh = speed * 3.6;
  return kmh > 3_600 ? "" : `${Math.round(kmh)} km/h`; // faster is a jump, not a way
}

/** @param {number} agoMs */
const seenText = (agoMs) => agoMs < 2_000 ? "now" : wholeDuration(agoMs);
