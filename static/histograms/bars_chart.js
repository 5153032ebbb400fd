// @ts-check
/** The bar chart of a histogram, with its mean and how far values spread about it.
 * @module */
/** @import { HistogramSnapshot } from "../../kafka/processors/histogram_types.ts" */
/** @import { ChartEars } from "./chart.js" */
import uPlot from "../shared/uplot.js";
import { Chart } from "./chart.js";
import { axis, countSteps, leftAxis, topFor } from "./chart_look.js";
import { plain, short } from "./numbers.js";

/** Bars with a gap of 1 px; where they get thinner than that leaves them, none. */
const bars = /** @type {NonNullable<typeof uPlot.paths.bars>} */ (uPlot.paths.bars)({
  size: [1, Infinity, 1],
  gap: 1,
});

/** One histogram's. */
export class BarsChart extends Chart {
  /** @type {HistogramSnapshot | null} */ #histogram = null;
  /** Edges that the plot was made for. @type {readonly number[]} */ #edges = [];
  /** @type {number[]} */ #centers = [];
  /** @type {number | null} */ #hovered = null;

  /** @param {HTMLElement} box @param {string} name @param {ChartEars} ears */
  constructor(box, name, ears) {
    super(box, name, ears);
  }

  /** Shows another one with the next drawing. @param {HistogramSnapshot} histogram */
  set(histogram) {
    this.#histogram = histogram;
    this.dirty();
  }

  /** Draws what has changed; called in an animation frame. */
  draw() {
    if (!this.isDirty || !this.isInSight || !this.#histogram) return;
    this.isDirty = false;
    const { hist, bin_edges: edges } = this.#histogram;
    if (edges !== this.#edges && String(edges) !== String(this.#edges)) this.#rebin(edges);
    const data = /** @type {uPlot.AlignedData} */ ([this.#centers, [...hist]]);
    if (this.plot) this.plot.setData(data);
    else this.make((size) => this.#options(size), data);
  }

  /** Draws the bin under the cursor, if it is another. */
  mark() {
    if (this.index === this.#hovered) return;
    this.#hovered = this.index;
    this.dirty();
  }

  /** @param {readonly number[]} edges */
  #rebin(edges) {
    this.#edges = edges;
    this.#centers = edges.slice(1).map((edge, i) => (edge + (edges[i] ?? edge)) / 2);
    this.plot?.destroy();
    this.plot = null;
  }

  /** @param {{ width: number, height: number }} size @returns {uPlot.Options} */
  #options(size) {
    const look = () => this.look;
    const common = this.common();
    return {
      ...size,
      ...common,
      padding: [10, 20, 0, 0],
      scales: {
        x: { time: false, range: () => [this.#edges[0] ?? 0, this.#edges.at(-1) ?? 1] },
        y: { range: (_, __, most) => [0, topFor(most ?? 0)] },
      },
      axes: [
        axis(look, { space: 48, size: 24, grid: { show: false }, values: (_, splits) => splits.map(plain) }),
        leftAxis(look, 44, short, { incrs: countSteps }),
      ],
      series: [
        {},
        {
          paths: bars,
          fill: () => look().fill,
          stroke: () => look().line,
          width: 0,
          points: { show: false },
        },
      ],
      cursor: { y: false, x: false, drag: { x: false, y: false }, points: { show: false } },
      hooks: { ...common.hooks, draw: [(plot) => this.#annotate(plot)] },
    };
  }

  /** The bin of the newest measurement, the bin under the cursor; the mean, and the spread to both sides of it.
   * @param {uPlot} plot */
  #annotate(plot) {
    const { mean = null, stddev = null, last = null } = this.#histogram ?? {};
    const { ctx, bbox: { left, top, width, height } } = plot;
    const dpr = uPlot.pxRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top - 10 * dpr, width, height + 10 * dpr);
    ctx.clip();
    if (last) this.#fillBin(plot, this.#binOf(last.measurement), this.look.strong);
    const hovered = this.index;
    if (hovered !== null) this.#fillBin(plot, hovered, this.look.text);
    if (mean !== null) {
      const at = (/** @type {number} */ value) => Math.round(plot.valToPos(value, "x", true)) + 0.5;
      const x = at(mean), y = top + 1 * dpr;
      ctx.strokeStyle = this.look.surface; // so that it is seen on dark bars too
      ctx.globalAlpha = 0.7;
      ctx.lineWidth = 3 * dpr;
      line(ctx, x, y, x, top + height);
      ctx.strokeStyle = this.look.text;
      ctx.globalAlpha = 1;
      ctx.lineWidth = dpr;
      ctx.setLineDash([4 * dpr, 3 * dpr]);
      line(ctx, x, y, x, top + height);
      ctx.setLineDash([]);
      if (stddev !== null) {
        line(ctx, at(mean - stddev), y, at(mean + stddev), y);
        for (const end of [mean - stddev, mean + stddev]) {
          line(ctx, at(end), y - 3 * dpr, at(end), y + 3 * dpr);
        }
      }
      ctx.fillStyle = this.look.text;
      ctx.beginPath();
      ctx.arc(x, y, 3 * dpr, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  }

  /** @param {uPlot} plot @param {number} bin @param {string} color */
  #fillBin(plot, bin, color) {
    const from = this.#edges[bin], to = this.#edges[bin + 1], n = this.#histogram?.hist[bin];
    if (from === undefined || to === undefined || !n) return;
    const [x0, x1, y0] = [
      plot.valToPos(from, "x", true),
      plot.valToPos(to, "x", true),
      plot.valToPos(0, "y", true),
    ];
    const y = plot.valToPos(n, "y", true), gap = Math.min(0.5 * uPlot.pxRatio, (x1 - x0) / 4);
    plot.ctx.fillStyle = color;
    plot.ctx.fillRect(x0 + gap, y, x1 - x0 - 2 * gap, y0 - y);
  }

  /** @param {number} value @returns {number} −1: outside of all */
  #binOf(value) {
    const edges = this.#edges, bins = edges.length - 1;
    if (value === edges[bins]) return bins - 1;
    return edges.findLastIndex((edge, i) => i < bins && value >= edge && value < (edges[i + 1] ?? -Infinity));
  }
}

/** @param {CanvasRenderingContext2D} ctx @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function line(ctx, x0, y0, x1, y1) {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}
