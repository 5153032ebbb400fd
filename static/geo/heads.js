// @ts-check
/** Draws where everything is now: the mark of each mover, the newest piece of its trail, and names where there is room.
 * Drawn whole in each frame in which something moves. Left out: trails (trails.js).
 * @module */
/** @import { Mover, Movers } from "./movers.js" */
/** @import { View } from "./view_canvas.js" */
/** @import { TrailStyle } from "./trails.js" */
import { shapes } from "../shared/series.js";
import { drawFollowedTrail } from "./trails.js";

/** @typedef {TrailStyle & { hovered: string | null, outline: string, ink: string, halo: string, accent: string }} HeadStyle */

const manyMovers = 1_500;
/** With more than this many in sight, only the followed and the hovered have their name written. */
const mostLabels = 60;
const labelFont = '600 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const labelHeight = 15;

/** @type {Map<string, HTMLCanvasElement>} */
const sprites = new Map();

/** Where each head was drawn last, for the pointer to find. @typedef {{ mover: Mover, x: number, y: number }} Spot */

/** Draws all heads.
 * @param {CanvasRenderingContext2D} context @param {View} view @param {Movers} movers @param {HeadStyle} style
 * @param {number} now performance.now()
 * @returns {{ spots: Spot[], isMoving: boolean }} `isMoving`: a head has not arrived yet */
export function drawHeads(context, view, movers, style, now) {
  const { spots, isMoving, paths } = layOut(view, movers, now);
  const isDense = movers.all.length > manyMovers;
  context.lineCap = "round";
  context.lineWidth = isDense ? 1.25 : 2.5;
  context.globalAlpha = (isDense ? 0.5 : 0.85) * (style.followed === null ? 1 : 0.35);
  paths.forEach((path, color) => {
    context.strokeStyle = style.colors[color] ?? "";
    context.stroke(path);
  });
  context.globalAlpha = 1;
  const size = isDense ? 11 : 17;
  for (const { mover, x, y } of spots) {
    context.drawImage(sprite(mover, style, size, view.dpr), x - size / 2, y - size / 2, size, size);
  }
  const followed = spots.find(({ mover }) => mover.name === style.followed);
  if (followed) drawFollowed(context, followed, view, style);
  drawLabels(context, spots, style, size);
  return { spots, isMoving };
}

/** Finds the place of each head that is in sight, and its way there. @param {View} view @param {Movers} movers @param {number} now */
function layOut({ k, ox, oy, width, height, copies }, movers, now) {
  /** @type {Spot[]} */
  const spots = [];
  /** @type {Path2D[]} */
  const paths = [];
  let isMoving = false;
  const margin = 24;
  for (const mover of movers.all) {
    if (!mover.isShown) continue;
    const { x, y } = mover.trail;
    const n = x.length;
    const toX = /** @type {number} */ (x[n - 1]);
    const toY = /** @type {number} */ (y[n - 1]);
    const t = movers.progress(mover, now);
    if (t < 1) isMoving = true;
    const isJump = Math.abs(toX - mover.fromX) > 0.5;
    const atX = isJump ? toX : mover.fromX + (toX - mover.fromX) * t;
    const atY = isJump ? toY : mover.fromY + (toY - mover.fromY) * t;
    for (const copy of copies) {
      const px = (atX + copy) * k - ox;
      const py = atY * k - oy;
      if (px < -margin || py < -margin || px > width + margin || py > height + margin) continue;
      spots.push({ mover, x: px, y: py });
      const before = n - 2;
      if (before < mover.trail.start || isJump) continue;
      const fromX = (/** @type {number} */ (x[before]) + copy) * k - ox;
      const fromY = /** @type {number} */ (y[before]) * k - oy;
      if (Math.abs(fromX - px) + Math.abs(fromY - py) < 0.5 || Math.abs(fromX - px) > k / 2) continue;
      const path = paths[mover.series.color] ??= new Path2D();
      path.moveTo(fromX, fromY);
      path.lineTo(px, py);
    }
  }
  return { spots, isMoving, paths };
}

/** @param {CanvasRenderingContext2D} context @param {Spot} spot @param {View} view @param {HeadStyle} style */
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
  context.drawImage(sprite(mover, style, 22, view.dpr), x - 11, y - 11, 22, 22);
}

/** The mark of a mover, drawn once per look and kept.
 * @param {Mover} mover @param {HeadStyle} style @param {number} size CSS pixels @param {number} dpr */
function sprite({ series }, style, size, dpr) {
  const key = `${series.color}/${series.shape}/${size}/${dpr}/${style.outline}/${style.colors[series.color]}`;
  const known = sprites.get(key);
  if (known) return known;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.round(size * dpr);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const radius = canvas.width / 2;
  const line = size < 14 ? 1 : 1.6;
  const scale = radius - line * dpr;
  context.setTransform(scale / 1.1, 0, 0, scale / 1.1, radius, radius);
  const path = new Path2D(shapes[series.shape]);
  context.fillStyle = style.colors[series.color] ?? "";
  context.strokeStyle = style.outline;
  context.lineJoin = "round";
  context.lineWidth = 2 * line * dpr / scale;
  context.stroke(path);
  context.fill(path);
  if (sprites.size > 400) sprites.clear();
  sprites.set(key, canvas);
  return canvas;
}

/** @param {CanvasRenderingContext2D} context @param {Spot[]} spots @param {HeadStyle} style @param {number} size */
function drawLabels(context, spots, style, size) {
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
    const left = x + size / 2 + (mover.name === style.followed ? 12 : 5);
    const width = context.measureText(text).width;
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
