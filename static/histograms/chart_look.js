// @ts-check
/** How charts look: colours of a measurement that can be told from what is behind them, axes, the top of a scale.
 *
 * Left out: what is drawn (bars_chart.js, course_chart.js).
 * @module */
/** @import uPlot from "uplot" */
import { isDark } from "../shared/frame.js";
import { palette, seriesOf } from "../shared/series.js";

/** Colours as CSS has them. @typedef {object} Look
 * @property {string} line of lines and edges, at least 3:1 against the surface
 * @property {string} fill of bars
 * @property {string} strong of the bar that was counted last
 * @property {string} soft of a band
 * @property {string} text
 * @property {string} grid
 * @property {string} surface
 * @property {string} font */

/** On light and on dark ground, where thin lines look paler. */
const leastContrast = { light: 3.2, dark: 4 };

/** @param {HTMLElement} box whose colour is that of texts, and its border's that of the grid
 * @param {string} name of the measurement @returns {Look} */
export function lookOf(box, name) {
  const dark = isDark();
  const { color, borderTopColor, backgroundColor, fontFamily } = getComputedStyle(box);
  const own = palette(dark)[seriesOf(name).color] ?? "#888888";
  const line = readable(own, dark ? "#171b20" : "#ffffff");
  return {
    line,
    fill: `${own}${dark ? "99" : "8c"}`,
    strong: line,
    soft: `${own}${dark ? "40" : "38"}`,
    text: color,
    grid: borderTopColor,
    surface: backgroundColor,
    font: `11px ${fontFamily}`,
  };
}

/** The colour, or one of its kind that can be seen on a ground.
 * @param {string} color @param {string} ground both as #rrggbb */
export function readable(color, ground) {
  const isOnLight = luminance(ground) > 0.5;
  const target = isOnLight ? 0 : 255, wanted = isOnLight ? leastContrast.light : leastContrast.dark;
  for (let part = 0; part <= 1; part += 0.05) {
    const mixed = channels(color).map((channel) => Math.round(channel + (target - channel) * part));
    const text = `#${mixed.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
    const [low = 0, high = 0] = [luminance(text), luminance(ground)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) >= wanted) return text;
  }
  return target === 0 ? "#000000" : "#ffffff";
}

/** @param {string} color as #rrggbb */
const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

/** @param {string} color @see {@link https://www.w3.org/TR/WCAG21/#dfn-relative-luminance} */
function luminance(color) {
  const [r = 0, g = 0, b = 0] = channels(color).map((channel) => {
    const c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** An axis in the page's colours. @param {() => Look} look @param {uPlot.Axis} more @returns {uPlot.Axis} */
export function axis(look, more) {
  return {
    font: look().font,
    stroke: () => look().text,
    gap: 4,
    ticks: { show: false },
    border: { show: false },
    grid: { stroke: () => look().grid, width: 1 },
    ...more,
  };
}

/** The axis at the left: as wide as its longest number, but at least so wide that plots stand below each other.
 * @param {() => Look} look @param {number} least px @param {(n: number) => string} write @param {uPlot.Axis} [more]
 * @returns {uPlot.Axis} */
export function leftAxis(look, least, write, more = {}) {
  return axis(look, {
    ...more,
    scale: "y",
    space: 32,
    size: (_, values) => Math.max(least, 14 + 7 * Math.max(0, ...(values ?? []).map((text) => text.length))),
    values: (_, splits) => splits.map(write),
  });
}

/** What may lie between two counts of an axis: there are no halves. */
export const countSteps = Array.from({ length: 16 }, (_, power) => [1, 2, 2.5, 5].map((n) => n * 10 ** power))
  .flat().filter(Number.isInteger);

/** The top of a scale that holds `most`: one of few values, so that it seldom changes. @param {number} most */
export function topFor(most) {
  if (most <= 4) return 5;
  const power = 10 ** Math.floor(Math.log10(most));
  const steps = [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12.5];
  return power * (steps.find((step) => step * power >= most * 1.08) ?? 15);
}
