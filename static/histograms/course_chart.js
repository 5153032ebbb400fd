// @ts-check
/** The course of a measurement: its mean as a line, from its least to its greatest value as a band. A span is chosen by dragging.
 * @module */
/** @import { ChartEars } from "./chart.js" */
/** @import { Columns } from "./course.js" */
import uPlot from "../shared/uplot.js";
import { Chart } from "./chart.js";
import { axis, leftAxis } from "./chart_look.js";
import { loneOf } from "./course.js";
import { plain } from "./numbers.js";
import { shortestSpanMs } from "./page_url.js";

/** Cursors of all courses stand at the same time. */
const syncKey = "time";
const minute = 60, hour = 60 * minute, day = 24 * hour;
/** What may lie between two times of the axis, s. */
const steps = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * minute),
  ...[1, 2, 3, 6, 12].map((n) => n * hour),
  ...[1, 2, 4, 7, 14, 30, 60, 120, 365, 730, 1825, 3650].map((n) => n * day),
];
/** A drag of fewer pixels is a click. */
const shortestDrag = 6;

/** @typedef {ChartEars & { onSpan: (span: { from: number, to: number }) => void, onReset: () => void }} CourseEars
 * `onSpan`: a span was chosen, in ms */

/** One measurement's. */
export class CourseChart extends Chart {
  /** @type {Columns} */ #columns = [[], [], [], []];
  #span = { from: 0, to: 1 };
  #courseEars;

  /** @param {HTMLElement} box @param {string} name @param {CourseEars} ears */
  constructor(box, name, ears) {
    super(box, name, ears);
    this.#courseEars = ears;
  }

  /** Shows this with the next drawing. @param {Columns} columns @param {{ from: number, to: number }} span ms */
  set(columns, span) {
    this.#columns = columns;
    this.#span = span;
    this.dirty();
  }

  /** The span in view, in ms. */
  get span() {
    return this.#span;
  }

  /** Draws what has changed; called in an animation frame. */
  draw() {
    if (!this.isDirty || !this.isInSight) return;
    this.isDirty = false;
    const data = /** @type {uPlot.AlignedData} */ (this.#columns);
    const { plot } = this;
    if (!plot) return this.make((size) => this.#options(size), data);
    const [min, max] = this.#limits();
    plot.batch(() => {
      plot.setData(data, false);
      plot.setScale("x", { min, max });
    });
  }

  /** In s. @returns {[number, number]} */
  #limits() {
    return [this.#span.from / 1000, Math.max(this.#span.to, this.#span.from + shortestSpanMs) / 1000];
  }

  /** @param {{ width: number, height: number }} size @returns {uPlot.Options} */
  #options(size) {
    const look = () => this.look;
    const common = this.common();
    const edge = { stroke: () => look().soft, width: 1, points: { show: false } };
    return {
      ...size,
      ...common,
      padding: [10, 26, 0, 0],
      scales: {
        x: { time: true, range: () => this.#limits() },
        y: { range: (_, min, max) => around(min, max) },
      },
      axes: [axis(look, { space: 64, size: 24, incrs: steps, values: timesOf }), leftAxis(look, 52, plain)],
      series: [
        {},
        {
          stroke: () => look().line,
          width: 1.75,
          points: { size: 4, fill: () => look().line, width: 0, filter: pointsOf },
        },
        edge,
        edge,
      ],
      bands: [{ series: [2, 3], fill: () => look().soft }],
      cursor: {
        y: false,
        points: { size: 7, show: true, fill: () => look().line, stroke: () => look().surface, width: 2 },
        drag: { x: true, y: false, setScale: false, dist: shortestDrag },
        bind: { dblclick: () => () => (this.#courseEars.onReset(), null) },
        sync: {
          key: syncKey,
          setSeries: false,
          scales: ["x", null],
          filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
        },
      },
      hooks: { ...common.hooks, setSelect: [(plot) => this.#selected(plot)] },
    };
  }

  /** @param {uPlot} plot */
  #selected(plot) {
    const { left, width } = plot.select;
    if (width < shortestDrag) return;
    const [from, to] = [left, left + width].map((at) => Math.round(plot.posToVal(at, "x") * 1000));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (from !== undefined && to !== undefined) this.#courseEars.onSpan({ from, to });
  }
}

/** The points to draw: all while there is room for them, else those that no line shows.
 * @param {uPlot} plot @param {number} series @param {boolean} isForAll @returns {number[] | null} null: all, if any */
function pointsOf(plot, series, isForAll) {
  const { data } = plot;
  return isForAll ? null : loneOf(/** @type {(number | null)[]} */ (data[series] ?? []));
}

/** Limits that leave room about what is drawn. @param {number | null} min @param {number | null} max
 * @returns {[number, number]} */
function around(min, max) {
  if (min === null || max === null) return [0, 1];
  if (min === max) return [min - (Math.abs(min) || 1) * 0.1, max + (Math.abs(max) || 1) * 0.1];
  const [low, high] = uPlot.rangeNum(min, max, 0.06, true);
  return [low ?? min, high ?? max];
}

/** Times of an axis, the day where it begins. @param {uPlot} _ @param {number[]} splits @param {number} __ @param {number} ___
 * @param {number} incr s between two */
function timesOf(_, splits, __, ___, incr) {
  let before = "";
  return splits.map((seconds) => {
    const date = new Date(seconds * 1000), day = dayFormat.format(date);
    const isNewDay = before !== "" && day !== before;
    before = day;
    if (incr >= 86_400 || (isNewDay && incr >= 3_600)) return day;
    if (incr < 1) return `${secondFormat.format(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
    return (incr < 60 ? secondFormat : minuteFormat).format(date);
  });
}

const dayFormat = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const minuteFormat = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const secondFormat = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
