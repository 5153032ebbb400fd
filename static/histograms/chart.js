// @ts-check
/** What both charts have in common: a uPlot that fills its box, in the colours of the page, and can be used by keyboard and finger.
 *
 * Left out: what is drawn.
 * @module */
/** @import { Look } from "./chart_look.js" */
import uPlot from "../shared/uplot.js";
import { lookOf } from "./chart_look.js";

/** What is told of a chart.
 * @typedef {object} ChartEars
 * @property {() => void} ask for a drawing
 * @property {() => void} onCursor the cursor is elsewhere, or gone
 * @property {(key: string) => boolean} [onKey] another key than those of the cursor; whether it was taken */

/** A chart in a box. */
export class Chart {
  /** @type {uPlot | null} */ plot = null;
  /** @type {Look | null} */ #look = null;
  isDirty = true;
  /** Whether it is on the screen. */
  isInSight = true;
  /** Whether the cursor was moved by keyboard. */
  isByKey = false;
  box;
  #name;
  #ears;
  #watch = new AbortController();
  #sizes;
  #sight;

  /** @param {HTMLElement} box @param {string} name of the measurement @param {ChartEars} ears */
  constructor(box, name, ears) {
    this.box = box;
    this.#name = name;
    this.#ears = ears;
    this.#sizes = new ResizeObserver(() => this.#fit());
    this.#sizes.observe(box);
    this.#sight = new IntersectionObserver((entries) => {
      this.isInSight = entries.at(-1)?.isIntersecting ?? true;
      if (this.isInSight) this.dirty();
    });
    this.#sight.observe(box);
    const { signal } = this.#watch;
    box.addEventListener("keydown", (event) => this.#key(event), { signal });
    box.addEventListener("blur", () => this.isByKey && this.#setCursor(-1), { signal });
    box.addEventListener("pointerdown", () => this.isByKey = false, { signal });
    addEventListener("themechange", () => this.restyle(), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.restyle(), { signal });
  }

  /** What is drawn is no more so. */
  dirty() {
    this.isDirty = true;
    this.#ears.ask();
  }

  /** The colours of now. @returns {Look} */
  get look() {
    return this.#look ??= lookOf(this.box, this.#name);
  }

  restyle() {
    this.#look = null;
    this.dirty();
  }

  /** Makes the uPlot, when its box has a size. @param {(size: { width: number, height: number }) => uPlot.Options} options
   * @param {uPlot.AlignedData} data */
  make(options, data) {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (width === 0 || height === 0) return;
    this.#look = null; // it is in the page now
    this.plot = new uPlot(options({ width, height }), data, this.box);
    forwardTouches(this.plot.over, this.#watch.signal);
  }

  /** Options that are the same for both. @returns {Pick<uPlot.Options, "legend" | "hooks">} */
  common() {
    return {
      legend: { show: false },
      hooks: { setCursor: [() => this.#ears.onCursor()] },
    };
  }

  /** The place under the cursor, in the data. @returns {number | null} */
  get index() {
    const { left = -1, idx = null } = this.plot?.cursor ?? {};
    return left !== null && left >= 0 ? idx ?? null : null;
  }

  close() {
    this.#watch.abort();
    this.#sizes.disconnect();
    this.#sight.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (this.plot && width > 0 && (width !== this.plot.width || height !== this.plot.height)) {
      this.plot.setSize({ width, height });
    }
    this.dirty();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.plot) return;
    const at = this.index, last = (this.plot.data[0]?.length ?? 0) - 1;
    /** @type {Record<string, number>} */
    const places = { ArrowLeft: (at ?? last + 1) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: last };
    const place = places[event.key];
    if (place !== undefined && last >= 0) {
      this.isByKey = true;
      this.#setCursor(this.#nextTo(Math.min(last, Math.max(0, place)), event.key === "ArrowLeft" ? -1 : 1));
    } else if (event.key === "Escape" && at !== null) this.#setCursor(-1);
    else if (!this.#ears.onKey?.(event.key)) return;
    event.preventDefault();
  }

  /** The next place that is in view and has a value. @param {number} place @param {number} step @returns {number} −1: none */
  #nextTo(place, step) {
    const { data = [], scales } = this.plot ?? {};
    const { min = null, max = null } = scales?.["x"] ?? {};
    const times = data[0] ?? [];
    if (min !== null && max !== null) {
      while (step > 0 && (times[place] ?? Infinity) < min) place++;
      while (step < 0 && (times[place] ?? -Infinity) > max) place--;
    }
    while (place >= 0 && place < times.length && data[1]?.[place] == null) place += step;
    return place < times.length ? place : -1;
  }

  /** @param {number} place */
  #setCursor(place) {
    const { plot } = this;
    const at = plot?.data[0]?.[place];
    if (!plot || at == null) return plot?.setCursor({ left: -10, top: -10 });
    plot.setCursor({ left: plot.valToPos(at, "x"), top: plot.over.clientHeight / 2 });
  }
}

/** Lets a finger do what a mouse does: uPlot hears only mice. A page is still scrolled up and down by it (`touch-action`).
 * @param {HTMLElement} over @param {AbortSignal} signal */
function forwardTouches(over, signal) {
  /** @type {Record<string, string>} */
  const names = {
    pointerdown: "mousedown",
    pointermove: "mousemove",
    pointerup: "mouseup",
    pointercancel: "mouseleave",
  };
  for (const [from, to] of Object.entries(names)) {
    over.addEventListener(from, (event) => {
      const { pointerType, clientX, clientY } = /** @type {PointerEvent} */ (event);
      if (pointerType !== "touch") return;
      // Without a movement uPlot takes one for a stray event of a mouse.
      const like = { clientX, clientY, movementX: 1, bubbles: true, cancelable: true, button: 0 };
      const mouse = (/** @type {string} */ name) => over.dispatchEvent(new MouseEvent(name, like));
      if (to === "mousedown") mouse("mousemove");
      mouse(to);
    }, { signal });
  }
}
