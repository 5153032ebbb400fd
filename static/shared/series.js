// @ts-check
/** How a name looks: a colour and a shape that follow from the name alone, so they are the same on every page
 * and day.
 *
 * Colours are those of Okabe and Ito, which people with any kind of colour vision tell apart; as eight are
 * few, a shape goes with each, and a label or a list beside it: never colour alone.
 * @see {@link https://jfly.uni-koeln.de/color/}
 * @module */

/** @typedef {{ readonly color: number, readonly shape: number }} Series indexes into `palette` and `shapes` */

const okabeIto = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"];

/** The colours, the last one black on light and white on dark.
 * @param {boolean} isDark
 * @returns {readonly string[]} */
export const palette = (isDark) => [...okabeIto, isDark ? "#f5f5f5" : "#111111"];

export const colorCount = okabeIto.length + 1;

/** Outlines in a square from −1 to 1, as SVG paths: circle, square, triangle, diamond, plus, triangle on its
 * tip, cross. */
export const shapes = [
  "M-.9 0a.9 .9 0 1 0 1.8 0a.9 .9 0 1 0 -1.8 0Z",
  "M-.8 -.8H.8V.8H-.8Z",
  "M0 -1L.98 .78H-.98Z",
  "M0 -1.08L1.08 0L0 1.08L-1.08 0Z",
  "M-.36 -1H.36V-.36H1V.36H.36V1H-.36V.36H-1V-.36H-.36Z",
  "M0 1L-.98 -.78H.98Z",
  "M-.45 -.95L0 -.5L.45 -.95L.95 -.45L.5 0L.95 .45L.45 .95L0 .5L-.45 .95L-.95 .45L-.5 0L-.95 -.45Z",
];

/** @param {string} name @returns {Series} */
export function seriesOf(name) {
  const hash = fnv1a(name);
  return { color: hash % colorCount, shape: Math.floor(hash / colorCount) % shapes.length };
}

/** Makes the mark of a series for use in HTML; its colour comes from the class (tokens.css).
 * @param {Series} series */
export function mark(series) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-1.3 -1.3 2.6 2.6");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  setMark(svg, series);
  return svg;
}

/** Makes a mark that of another series. @param {SVGElement} svg @param {Series} series */
export function setMark(svg, series) {
  svg.setAttribute("class", `mark series-${series.color}`);
  svg.firstElementChild?.setAttribute("d", shapes[series.shape] ?? "");
}

/** Where hashing starts: FNV's own value plus 7005, as then all vehicles of the demo look different. */
const start = 0x811c9dc5 + 7005;

/** 32-bit FNV-1a over UTF-16 units, mixed once more so that its low bits are good too.
 * @param {string} text */
function fnv1a(text) {
  let hash = start;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
