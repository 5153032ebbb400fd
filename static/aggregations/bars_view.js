// @ts-check
/** Bars of windows in an element: a path for each kind, set again only when it is another one.
 *
 * Left out: where bars are and how high (bars.js), colours (card.css).
 * @module */
/** @import { Pitch, Place } from "./bars.js" */
/** @import { Bar } from "./video.js" */
import { barAt, leftOf, pathsOf, topOf } from "./bars.js";

const svgNames = "http://www.w3.org/2000/svg";

/** What shows bars, by its element: for the one tip of the page. @type {WeakMap<Element, BarsView>} */
export const barsViews = new WeakMap();

/** Bars of one size. */
export class BarsView {
  element;
  /** What is drawn. @type {readonly Bar[]} */ bars = [];
  top = 1;
  /** Length of their windows, ms. */
  ms;
  /** @type {Place} */ #place = { width: 0, height: 0 };
  #pitch;
  #paths;
  /** @type {Record<string, string>} */ #drawn = {};

  /** @param {SVGElement} element @param {{ ms: number, pitch: Pitch }} look */
  constructor(element, { ms, pitch }) {
    this.element = element;
    this.ms = ms;
    this.#pitch = pitch;
    const path = (/** @type {string} */ kind) => {
      const path = document.createElementNS(svgNames, "path");
      path.setAttribute("class", `bar-${kind}`);
      return path;
    };
    this.#paths = { final: path("final"), ended: path("ended"), open: path("open"), late: path("late") };
    element.replaceChildren(...Object.values(this.#paths));
    barsViews.set(element, this);
  }

  /** The place that the page gives it. @returns {Place} */
  get place() {
    const { clientWidth: width, clientHeight: height } = this.element;
    return { width, height };
  }

  /** @param {readonly Bar[]} bars @param {Place} place */
  draw(bars, place) {
    this.bars = bars;
    this.#place = place;
    this.top = topOf(bars);
    const paths = pathsOf(bars, { ...place, top: this.top, pitch: this.#pitch });
    for (const kind of /** @type {const} */ (["final", "ended", "open", "late"])) {
      if (this.#drawn[kind] === paths[kind]) continue;
      this.#drawn[kind] = paths[kind];
      this.#paths[kind].setAttribute("d", paths[kind]);
    }
  }

  /** The bar at a place of the window. @param {number} clientX @returns {{ bar: Bar | undefined, middle: number, y: number }} */
  at(clientX) {
    const { left, top } = this.element.getBoundingClientRect();
    const { length } = this.bars, { width } = this.#place;
    const i = barAt(clientX - left, length, width, this.#pitch);
    const middle = left + leftOf(i, length, width, this.#pitch) + (this.#pitch.pitch - this.#pitch.gap) / 2;
    return { bar: this.bars[i], middle, y: top };
  }
}
