// @ts-check
/** Draws where everything has been.
 *
 * A new piece of trail is added to what is there; now and then (the view changed, trails got too old at their
 * ends) everything is drawn anew on a second canvas, a few milliseconds per frame, and then shown at once: so
 * a frame stays short with any number of points. Left out: the newest piece of each trail, to the head
 * (heads.js).
 * @module */
/** @import { Mover, Movers } from "./movers.js" */
/** @import { View, ViewCanvas } from "./view_canvas.js" */
import { clear, resize } from "./view_canvas.js";

/** How trails look at present.
 * @typedef {object} TrailStyle
 * @property {readonly string[]} colors by series
 * @property {string} casing drawn under a trail, as some colours are pale and some dark
 * @property {string | null} followed name of the one that is followed: the others step back
 * @property {number} trailMs
 * @property {number} until as of when it is drawn, ms since the epoch
 * @property {number} pace how fast that time passes; 1 is live */

/** Up to this many, a trail is drawn with casing and fading; above, plainly. */
const fewMovers = 300;
const stepBudgetMs = 3;
/** Shares of a trail's time, from its old end, and how strongly they are drawn. */
const bands = [{ until: 0.34, alpha: 0.3 }, { until: 0.67, alpha: 0.55 }, { until: 1, alpha: 0.85 }];

/** The trails of all movers on one canvas. */
export class Trails {
  #shown;
  #back = document.createElement("canvas");
  #context = /** @type {CanvasRenderingContext2D} */ (this.#back.getContext("2d"));
  /** @type {{ view: View, list: Mover[], next: number, style: TrailStyle, cutoff: number, costMs: number } |
   * null} */
  #job = null;
  #lastCostMs = 0;
  #lastEnd = 0;

  /** @param {ViewCanvas} shown */
  constructor(shown) {
    this.#shown = shown;
  }

  get isDrawing() {
    return this.#job !== null;
  }

  /** Whether old ends are due to go. @param {number} now performance.now() @param {TrailStyle} style */
  isStale(now, { trailMs, pace }) {
    const everyMs = Math.max(1_000, Math.min(10_000, trailMs / 100)) / pace;
    return now - this.#lastEnd > Math.max(everyMs, this.#lastCostMs * 40);
  }

  /** Begins to draw everything anew. @param {View} view @param {Movers} movers @param {TrailStyle} style */
  begin(view, movers, style) {
    resize(this.#back, view);
    clear(this.#context, view);
    const list = movers.all.filter((mover) => mover.isShown);
    this.#job = { view, list, next: 0, style, cutoff: style.until - style.trailMs, costMs: 0 };
  }

  /** Draws for a few milliseconds, and shows the result when it is complete. @param {Movers} movers */
  step(movers) {
    const job = this.#job;
    if (!job) return;
    const startMs = performance.now();
    const { list, view, style } = job;
    const isPlain = list.length > fewMovers;
    let spentMs = 0;
    while (job.next < list.length && spentMs < stepBudgetMs) {
      const mover = /** @type {Mover} */ (list[job.next++]);
      movers.trim(mover.trail, job.cutoff);
      if (mover.name !== style.followed) this.#trail(mover, view, style, isPlain);
      if (job.next % 16 === 0) spentMs = performance.now() - startMs;
    }
    job.costMs += performance.now() - startMs;
    if (job.next < list.length) return;
    this.#shown.adopt(view);
    this.#shown.context.drawImage(this.#back, 0, 0, view.width, view.height);
    this.#lastCostMs = job.costMs;
    this.#lastEnd = performance.now();
    this.#job = null;
  }

  /** Adds what is new. @param {Movers} movers @param {TrailStyle} style */
  append(movers, style) {
    const view = this.#shown.view;
    if (view) drawPieces(this.#shown.context, view, movers, style);
    if (this.#job) drawPieces(this.#context, this.#job.view, movers, style);
    movers.fresh = [];
  }

  /** @param {Mover} mover @param {View} view @param {TrailStyle} style @param {boolean} isPlain */
  #trail(mover, view, style, isPlain) {
    const { start, at } = mover.trail;
    const context = this.#context;
    const color = style.colors[mover.series.color] ?? "";
    const end = at.length - 2; // the last piece belongs to the head
    if (end - start < 1) return;
    const strength = style.followed === null ? 1 : 0.35;
    context.lineJoin = context.lineCap = "round";
    if (isPlain) {
      context.globalAlpha = 0.5 * strength;
      context.strokeStyle = color;
      context.lineWidth = 1.25;
      stroke(context, mover, view, start, end);
      return;
    }
    context.globalAlpha = 0.2 * strength;
    context.strokeStyle = style.casing;
    context.lineWidth = 4;
    stroke(context, mover, view, start, end);
    context.strokeStyle = color;
    context.lineWidth = 2.5;
    context.lineCap = "butt"; // or the bands would overlap in dots
    const newest = at[end] ?? 0;
    const spanMs = Math.min(style.trailMs, Math.max(1, newest - (at[start] ?? 0)));
    let from = start;
    for (const { until, alpha } of bands) {
      const to = until === 1 ? end : firstAfter(at, newest - spanMs * (1 - until), from, end);
      context.globalAlpha = alpha * strength;
      if (to > from) stroke(context, mover, view, from, to);
      from = to;
    }
  }
}

/** Draws the whole trail of one mover strongly, up to the fix before the newest.
 * @param {CanvasRenderingContext2D} context
 * @param {Mover} mover
 * @param {View} view
 * @param {TrailStyle} style */
export function drawFollowedTrail(context, mover, view, style) {
  const { start, at } = mover.trail;
  context.lineJoin = context.lineCap = "round";
  context.globalAlpha = 1;
  for (
    const [color, width] of /** @type {[string, number][]} */ ([
      ["#0006", 6.5],
      [style.colors[mover.series.color] ?? "", 4],
    ])
  ) {
    context.strokeStyle = color;
    context.lineWidth = width;
    stroke(context, mover, view, start, at.length - 2);
  }
}

/** Index of the first time after `time`, by halving.
 * @param {number[]} at @param {number} time @param {number} low @param {number} high */
function firstAfter(at, time, low, high) {
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((at[middle] ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Strokes the points `from` to `to` of a trail, leaving out those that would be on the same pixel.
 * @param {CanvasRenderingContext2D} context
 * @param {Mover} mover
 * @param {View} view
 * @param {number} from
 * @param {number} to */
function stroke(context, { trail: { x, y } }, { k, ox, oy, copies }, from, to) {
  context.beginPath();
  for (const copy of copies) {
    let lastX = Infinity, lastY = Infinity, lastWorldX = NaN;
    for (let i = from; i <= to; i++) {
      const worldX = /** @type {number} */ (x[i]);
      const px = (worldX + copy) * k - ox;
      const py = /** @type {number} */ (y[i]) * k - oy;
      const isJump = !(Math.abs(worldX - lastWorldX) < 0.5); // over the antimeridian, or the first point
      if (isJump) context.moveTo(px, py);
      else if (i === to || Math.abs(px - lastX) + Math.abs(py - lastY) >= 1.5) context.lineTo(px, py);
      else continue;
      lastX = px;
      lastY = py;
      lastWorldX = worldX;
    }
  }
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Movers} movers
 * @param {TrailStyle} style */
function drawPieces(context, { k, ox, oy, copies }, movers, style) {
  const isPlain = movers.all.length > fewMovers;
  /** @type {Path2D[]} */
  const paths = [];
  for (const { mover, x0, y0, x1, y1 } of movers.fresh) {
    if (!mover.isShown || mover.name === style.followed || Math.abs(x1 - x0) > 0.5) continue;
    const path = paths[mover.series.color] ??= new Path2D();
    for (const copy of copies) {
      path.moveTo((x0 + copy) * k - ox, y0 * k - oy);
      path.lineTo((x1 + copy) * k - ox, y1 * k - oy);
    }
  }
  context.lineCap = "round";
  context.globalAlpha = (isPlain ? 0.5 : 0.85) * (style.followed === null ? 1 : 0.35);
  context.lineWidth = isPlain ? 1.25 : 2.5;
  paths.forEach((path, color) => {
    context.strokeStyle = style.colors[color] ?? "";
    context.stroke(path);
  });
}
