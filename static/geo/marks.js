// @ts-check
/** The marks of movers in the sizes that the map needs them.
 * @module */
/** @import { Series } from "../shared/series.js" */
/** @import { HeadStyle } from "./heads.js" */
import { shapes } from "../shared/series.js";

/** All marks of one size and look, drawn when they are first asked for. */
export class Marks {
  /** @type {ImageBitmap[]} */ #bitmaps = [];
  /** @type {Uint32Array[]} */ #raws = [];
  #style;
  #size;
  #dpr;

  /** @param {HeadStyle} style @param {number} size CSS pixels @param {number} dpr */
  constructor(style, size, dpr) {
    this.#style = style;
    this.#size = size;
    this.#dpr = dpr;
  }

  /** @param {HeadStyle} style @param {number} size @param {number} dpr */
  fits(style, size, dpr) {
    return this.#style.colors === style.colors && this.#size === size && this.#dpr === dpr;
  }

  /** Device pixels along a side. */
  get pixels() {
    return Math.round(this.#size * this.#dpr);
  }

  /** A mark for `drawImage`. @param {Series} series */
  bitmap({ color, shape }) {
    return this.#bitmaps[color * shapes.length + shape] ??= this.#draw(color, shape).canvas
      .transferToImageBitmap();
  }

  /** A mark as pixels, row by row. @param {Series} series */
  raw({ color, shape }) {
    return this.#raws[color * shapes.length + shape] ??= new Uint32Array(
      this.#draw(color, shape).getImageData(0, 0, this.pixels, this.pixels).data.buffer,
    );
  }

  /** @param {number} color @param {number} shape */
  #draw(color, shape) {
    const { pixels } = this;
    const canvas = new OffscreenCanvas(pixels, pixels);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const line = this.#size < 14 ? 1 : 1.6;
    const scale = pixels / 2 - line * this.#dpr;
    context.setTransform(scale / 1.1, 0, 0, scale / 1.1, pixels / 2, pixels / 2);
    const path = new Path2D(shapes[shape]);
    context.lineJoin = "round";
    context.strokeStyle = this.#style.outline;
    context.lineWidth = 2 * line * this.#dpr / scale;
    context.stroke(path);
    context.fillStyle = this.#style.colors[color] ?? "";
    context.fill(path);
    context.strokeStyle = this.#style.edge; // or pale colours would end in the outline
    context.lineWidth = this.#dpr / scale;
    context.stroke(path);
    return context;
  }
}

/** The sets of marks in use: usual and followed. @type {Marks[]} */
let sets = [];

/** @param {HeadStyle} style @param {number} size @param {number} dpr */
export function marksOf(style, size, dpr) {
  const known = sets.find((set) => set.fits(style, size, dpr));
  if (known) return known;
  const made = new Marks(style, size, dpr);
  sets = [made, ...sets.slice(0, 3)];
  return made;
}
