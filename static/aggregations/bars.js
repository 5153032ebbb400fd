// @ts-check
/** Bars of windows as paths: one for those that are final, one for those that wait for late likes, one for the open one, and marks
 * where likes came too late. Pure: numbers to texts.
 * @module */
/** @import { Bar } from "./video.js" */

/** Widths in pixels: from one bar to the next, and of the space between. @typedef {{ pitch: number, gap: number }} Pitch */
/** The place for bars, in pixels. @typedef {{ width: number, height: number }} Place */

/** What stands for no likes, so that time is seen to pass. */
const emptyHeight = 1.5;
const markSize = 6;
const roundNumbers = [1, 2, 3, 4, 5, 6, 8, 10];

/** How many bars there is room for. @param {number} width px @param {Pitch} pitch */
export const barsIn = (width, { pitch, gap }) => Math.max(2, Math.floor((width + gap) / pitch));

/** The last bar ends at the right edge.
 * @param {readonly Bar[]} bars @param {Place & { top: number, pitch: Pitch }} look `top`: the count that is as high as all of it
 * @returns {{ final: string, ended: string, open: string, late: string }} */
export function pathsOf(bars, { width: whole, height, top, pitch }) {
  const room = height - markSize - 2;
  const paths = { final: "", ended: "", open: "", late: "" };
  bars.forEach(({ count, late, kind }, i) => {
    const high = count > 0 ? Math.max(3, Math.round(count / top * room)) : emptyHeight;
    const x = leftOf(i, bars.length, whole, pitch), width = pitch.pitch - pitch.gap;
    // An outline is drawn half a pixel to both sides.
    const inset = kind === "open" || kind === "ended" ? 0.5 : 0, tall = Math.max(1, high - 2 * inset);
    paths[kind === "none" ? "final" : kind] += `M${x + inset} ${height - inset}v${-tall}h${
      width - 2 * inset
    }v${tall}z`;
    if (late > 0) {
      const middle = x + width / 2, y = height - high - markSize - 2;
      paths.late += `M${middle - markSize / 2} ${y}h${markSize}l${-markSize / 2} ${markSize - 1}z`;
    }
  });
  return paths;
}

/** @param {number} i @param {number} length of bars @param {number} width px of all @param {Pitch} pitch @returns {number} px */
export const leftOf = (i, length, width, { pitch, gap }) => Math.floor(width) + gap - (length - i) * pitch;

/** Which bar is at a place. @param {number} x px @param {number} length of bars @param {number} width px of all @param {Pitch} pitch */
export const barAt = (x, length, width, pitch) =>
  Math.min(length - 1, Math.max(0, Math.floor((x - leftOf(0, length, width, pitch)) / pitch.pitch)));

/** A round count that no bar is above, which does not change with each like. @param {readonly Bar[]} bars */
export function topOf(bars) {
  const most = bars.reduce((most, { count }) => Math.max(most, count), 1);
  const power = 10 ** Math.floor(Math.log10(most));
  return (roundNumbers.find((n) => most <= n * power) ?? 10) * power;
}
