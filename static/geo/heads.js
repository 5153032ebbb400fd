// @ts-check
/** Draws where everything is now: the mark of each mover, the newest piece of its trail, and names where
 * there is room. Drawn whole in each frame in which something moves. Left out: trails (trails.js).
 * @module */
/** @import { Marks } from "./marks.js" */
/** @import { Mover, Movers } from "./movers.js" */
/** @import { View } from "./view_canvas.js" */
/** @import { TrailStyle } from "./trails.js" */
import { marksOf } from "./marks.js";
import { drawFollowedTrail } from "./trails.js";

/** @typedef {TrailStyle & { hovered: string | null, outline: string, edge: string, ink: string, halo: string,
 * accent: string }} HeadStyle */

/** With more than this many in sight, marks are small and drawn plainly. */
const manyInSight = 1_500;
/** With more than this many in sight, only the followed and the hovered have their name written. */
const mostLabels = 60;
const labelFont = '600 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const labelHeight = 15;

/** Where each head was drawn last, for the pointer to find. @typedef {{ mover: Mover, x: number, y: number }}
 * Spot */

/** Draws all heads.
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Movers} movers
 * @param {HeadStyle} style
 * @param {number} now performance.now()
 * @returns {{ spots: Spot[], isMoving: boolean }} `isMoving`: a head has not arrived yet */
export function drawHeads(context, view, movers, style, now) {
  const { spots, isMoving } = layOut(view, movers, now);
  const isDense = spots.length > manyInSight;
  const size = isDense ? 11 : 17;
  const marks = marksOf(style, size, view.dpr);
  if (isDense) {
    blit(context, view, spots, marks);
  } else {
    drawNewestPieces(context, view, spots, style);
    for (const { mover, x, y } of spots) {
      context.drawImage(marks.bitmap(mover.series), x - size / 2, y - size / 2, size, size);
    }
  }
  const followed = spots.find(({ mover }) => mover.name === style.followed);
  if (followed) drawFollowed(context, followed, view, style);
  drawLabels(context, spots, style, size, view.width);
  return { spots, isMoving };
}

/** Finds the place of each head that is in sight.
 * @param {View} view
 * @param {Movers} movers
 * @param {number} now */
function layOut({ k, ox, oy, width, height, copies }, movers, now) {
  /** @type {Spot[]} */
  const spots = [];
  let isMoving = false;
  const margin = 24;
  for (const mover of movers.all) {
    if (!mover.isShown) continue;
    const { x, y } = mover.trail;
    const toX = /** @type {number} */ (x[x.length - 1]);
    const toY = /** @type {number} */ (y[y.length - 1]);
    const t = movers.progress(mover, now);
    if (t < 1) isMoving = true;
    const isThere = t === 1 || Math.abs(toX - mover.fromX) > 0.5; // nothing glides over the antimeridian
    const atX = isThere ? toX : mover.fromX + (toX - mover.fromX) * t;
    const atY = isThere ? toY : mover.fromY + (toY - mover.fromY) * t;
    for (const copy of copies) {
      const px = (atX + copy) * k - ox;
      const py = atY * k - oy;
      if (px < -margin || py < -margin || px > width + margin || py > height + margin) continue;
      spots.push({ mover, x: px, y: py });
    }
  }
  return { spots, isMoving };
}

/** The piece of each trail that is still growing.
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Spot[]} spots
 * @param {HeadStyle} style */
function drawNewestPieces(context, { k, ox, oy }, spots, style) {
  /** @type {Path2D[]} */
  const paths = [];
  for (const { mover: { trail, series }, x, y } of spots) {
    const before = trail.x.length - 2;
    if (before < trail.start) continue;
    const copy = Math.round((x + ox) / k - (trail.x[before] ?? 0));
    const fromX = ((trail.x[before] ?? 0) + copy) * k - ox;
    const fromY = (trail.y[before] ?? 0) * k - oy;
    if (Math.abs(fromX - x) + Math.abs(fromY - y) < 0.5) continue;
    const path = paths[series.color] ??= new Path2D();
    path.moveTo(fromX, fromY);
    path.lineTo(x, y);
  }
  context.lineCap = "round";
  context.lineWidth = 2.5;
  context.globalAlpha = 0.85 * (style.followed === null ? 1 : 0.35);
  paths.forEach((path, color) => {
    context.strokeStyle = style.colors[color] ?? "";
    context.stroke(path);
  });
  context.globalAlpha = 1;
}

/** Copies thousands of marks into the pixels of the canvas: about ten times faster than as many `drawImage`.
 * Their newest pieces of trail are left out, being hardly a pixel long where so many are in sight.
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Spot[]} spots
 * @param {Marks} marks */
function blit(context, { dpr }, spots, marks) {
  const { width, height } = context.canvas;
  if (surface?.width !== width || surface.height !== height) surface = new ImageData(width, height);
  const target = new Uint32Array(surface.data.buffer);
  target.fill(0);
  const size = marks.pixels;
  for (const { mover, x, y } of spots) {
    const left = Math.round(x * dpr - size / 2);
    const top = Math.round(y * dpr - size / 2);
    if (left < 0 || top < 0 || left + size > width || top + size > height) continue; // half a mark at the edge is no loss
    const source = marks.raw(mover.series);
    for (let row = 0, from = 0; row < size; row++) {
      let to = (top + row) * width + left;
      for (let column = 0; column < size; column++, from++, to++) {
        const color = /** @type {number} */ (source[from]);
        // What is see-through (the soft edge of a mark) never covers a mark that is there.
        if (color >>> 24 === 255 || (color !== 0 && target[to] === 0)) target[to] = color;
      }
    }
  }
  context.putImageData(surface, 0, 0);
}

/** Kept from frame to frame. @type {ImageData | null} */
let surface = null;

/** @param {CanvasRenderingContext2D} context
 * @param {Spot} spot
 * @param {View} view
 * @param {HeadStyle} style */
function drawFollowed(context, { mover, x, y }, view, style) {
  drawFollowedTrail(context, mover, view, style);
  const { trail } = mover;
  const before = trail.x.length - 2;
  if (before >= trail.start) {
    context.beginPath();
    context.moveTo((trail.x[before] ?? 0) * view.k - view.ox, (trail.y[before] ?? 0) * view.k - view.oy);
    context.lineTo(x, y);
    context.lineWidth = 4;
    context.strokeStyle = style.colors[mover.series.color] ?? "";
    context.stroke();
  }
  context.beginPath();
  context.arc(x, y, 17, 0, 2 * Math.PI);
  context.globalAlpha = 0.25;
  context.fillStyle = style.accent;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 2;
  context.strokeStyle = style.accent;
  context.stroke();
  context.drawImage(marksOf(style, 22, view.dpr).bitmap(mover.series), x - 11, y - 11, 22, 22);
}

/** @param {CanvasRenderingContext2D} context @param {Spot[]} spots @param {HeadStyle} style
 * @param {number} size of the marks @param {number} viewWidth */
function drawLabels(context, spots, style, size, viewWidth) {
  const isNamed = (/** @type {Mover} */ { name }) => name === style.followed || name === style.hovered;
  // The followed and the hovered come first, so they always find room.
  const wanted = spots.length <= mostLabels
    ? spots.toSorted((a, b) => Number(isNamed(b.mover)) - Number(isNamed(a.mover)))
    : spots.filter(({ mover }) => isNamed(mover));
  /** @type {{ x: number, y: number, width: number }[]} */
  const taken = [];
  context.font = labelFont;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3.5;
  for (const { mover, x, y } of wanted) {
    const text = mover.name.length > 28 ? `${mover.name.slice(0, 27)}…` : mover.name;
    const gap = size / 2 + (mover.name === style.followed ? 12 : 5);
    const width = context.measureText(text).width;
    const left = x + gap + width > viewWidth - 4 ? x - gap - width : x + gap;
    const isFree = taken.every((other) =>
      Math.abs(other.y - y) > labelHeight || left > other.x + other.width + 4 || left + width + 4 < other.x
    );
    if (!isFree) continue;
    taken.push({ x: left, y, width });
    context.strokeStyle = style.halo;
    context.strokeText(text, left, y);
    context.fillStyle = style.ink;
    context.fillText(text, left, y);
  }
}
