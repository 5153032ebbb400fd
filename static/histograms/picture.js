// @ts-check
/** Both charts of a measurement with their numbers as one picture, to be kept. Left out: what is in the charts.
 * @module */
/** @import { Chart } from "./chart.js" */
/** @import { Fact } from "./facts.js" */
import { utc } from "../shared/format.js";

const margin = 16, titleHeight = 64;

/** Puts a picture into the browser's downloads.
 * @param {{ name: string, facts: readonly Fact[], charts: readonly Chart[], background: string, text: string, at: number }} what
 *   `at`: its moment, ms since the epoch */
export async function savePicture({ name, facts, charts, background, text, at }) {
  const plots = charts.flatMap(({ plot }) => plot ? [plot] : []);
  const [first] = plots;
  if (!first) return;
  const dpr = first.ctx.canvas.width / first.width;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(
    (plots.reduce((sum, { width }) => sum + width, 0) + margin * (plots.length + 1)) * dpr,
  );
  canvas.height = Math.round((Math.max(...plots.map(({ height }) => height)) + titleHeight + margin) * dpr);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const font = getComputedStyle(document.body).fontFamily;
  const write = (/** @type {string} */ line, /** @type {number} */ y, /** @type {string} */ style) => {
    context.font = style;
    context.fillText(line, margin * dpr, y * dpr, canvas.width - 2 * margin * dpr);
  };
  context.fillStyle = text;
  write(`${name} · ${utc(at)}`, 28, `600 ${15 * dpr}px ${font}`);
  write(facts.map(({ name, text }) => `${name} ${text}`).join("   "), 50, `${12 * dpr}px ${font}`);
  let x = margin * dpr;
  for (const plot of plots) {
    context.drawImage(plot.ctx.canvas, x, titleHeight * dpr);
    x += plot.ctx.canvas.width + margin * dpr;
  }
  const blob = await new Promise((/** @type {(blob: Blob | null) => void} */ resolve) =>
    canvas.toBlob(resolve)
  );
  if (blob) saveAs(blob, `${name}_${new Date(at).toISOString().slice(0, 19).replaceAll(":", "-")}.png`);
}

/** @param {Blob} blob @param {string} name */
function saveAs(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
