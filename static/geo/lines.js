// @ts-check
/** Lines and rings of the offline map: from degrees to the units of Web Mercator, and from those to a canvas
 * path.
 * @module */
/** @import { View } from "./view_canvas.js" */
import { mercatorX, mercatorY } from "./movers.js";

/** Points in mercator units (0 to 1), and the box around them: west, north, east, south.
 * @typedef {{ x: Float64Array, y: Float64Array, box: [number, number, number, number] }} Line */

/** @param {readonly (readonly number[])[]} lonLats @returns {Line} */
export function toLine(lonLats) {
  return boxed(
    Float64Array.from(lonLats, ([lon = 0]) => mercatorX(lon)),
    Float64Array.from(lonLats, ([, lat = 0]) => mercatorY(lat)),
  );
}

/** A ring of land that may cross the antimeridian: there it goes on beyond the edge of the world, where the
 * next copy of the world shows it. One that goes all the way around has a pole inside, and is closed along
 * the edge of the map.
 * @param {readonly (readonly number[])[]} lonLats
 * @returns {{ land: Line, coast: Line }} `coast`: without that closing */
export function toLand(lonLats) {
  const { x, y } = toLine(lonLats);
  for (let i = 1; i < x.length; i++) {
    const step = /** @type {number} */ (x[i]) - /** @type {number} */ (x[i - 1]);
    x[i] = /** @type {number} */ (x[i]) - Math.round(step);
  }
  const [firstX = 0, lastX = 0, lastY = 0] = [x[0], x[x.length - 1], y[y.length - 1]];
  const coast = boxed(x, y);
  if (Math.abs(lastX - firstX) < 0.5) return { land: coast, coast };
  const poleY = lastY > 0.5 ? 1.1 : -0.1;
  const land = boxed(Float64Array.from([...x, lastX, firstX]), Float64Array.from([...y, poleY, poleY]));
  return { land, coast };
}

/** @param {Float64Array} x @param {Float64Array} y @returns {Line} */
function boxed(x, y) {
  /** @type {Line["box"]} */
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < x.length; i++) {
    box[0] = Math.min(box[0], /** @type {number} */ (x[i]));
    box[1] = Math.min(box[1], /** @type {number} */ (y[i]));
    box[2] = Math.max(box[2], /** @type {number} */ (x[i]));
    box[3] = Math.max(box[3], /** @type {number} */ (y[i]));
  }
  return { x, y, box };
}

/** Copies of the world in which a line may be seen; more than a view's, as land reaches beyond the edge of
 * its own. */
const copies = [-1, 0, 1];

/** Adds a line to the path, leaving out what falls on the same pixel, and runs of points beyond the same edge
 * of the view: they can be cut short without a change to what is seen.
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Line} line
 * @param {boolean} isRing */
export function addLine(context, { k, ox, oy, width, height }, { x, y, box }, isRing) {
  for (const copy of copies) {
    const left = (box[0] + copy) * k - ox, right = (box[2] + copy) * k - ox;
    const top = box[1] * k - oy, bottom = box[3] * k - oy;
    if (right < -8 || bottom < -8 || left > width + 8 || top > height + 8) continue;
    if (isRing && right - left < 0.7 && bottom - top < 0.7) continue; // an island of less than a pixel
    let lastX = Infinity, lastY = Infinity, lastSide = 0;
    /** The end of a run that was left out. @type {[number, number] | null} */
    let held = null;
    for (let i = 0; i < x.length; i++) {
      const px = (/** @type {number} */ (x[i]) + copy) * k - ox;
      const py = /** @type {number} */ (y[i]) * k - oy;
      const side = (px < -8 ? 1 : px > width + 8 ? 2 : 0) | (py < -8 ? 4 : py > height + 8 ? 8 : 0);
      if (i === 0) {
        context.moveTo(px, py);
      } else if ((side & lastSide) !== 0) {
        held = [px, py];
        lastSide &= side;
        continue;
      } else {
        if (held) context.lineTo(held[0], held[1]);
        held = null;
        const isLast = i === x.length - 1;
        if (!isLast && Math.abs(px - lastX) + Math.abs(py - lastY) < 0.9) continue;
        context.lineTo(px, py);
      }
      lastX = px;
      lastY = py;
      lastSide = side;
    }
    if (held) context.lineTo(held[0], held[1]);
    if (isRing) context.closePath();
  }
}
