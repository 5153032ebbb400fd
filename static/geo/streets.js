// @ts-check
/** Streets, water and parks of the offline map, with their names, from static/geo/streets.json.
 * Left out: which streets there are; reading and drawing of the world (basemap.js).
 * @module */
/** @import { Look } from "./basemap.js" */
/** @import { Line } from "./lines.js" */
/** @import { View } from "./view_canvas.js" */
import { addLine, toLine } from "./lines.js";

/** Degrees (WGS 84) everywhere, [lon, lat]. `via` are points between two junctions; `width` is in metres.
 * @typedef {object} StreetsFile
 * @property {Record<string, [number, number]>} junctions
 * @property {{ from: string, to: string, name: string, class: string, via?: number[][] }[]} roads
 * @property {{ name: string, width: number, line: number[][] }[]} [water]
 * @property {{ name: string, ring: number[][] }[]} [parks] */

/** The same, ready to be drawn.
 * @typedef {object} Streets
 * @property {{ name: string, isMajor: boolean, line: Line }[]} roads
 * @property {{ name: string, width: number, line: Line }[]} water
 * @property {{ name: string, line: Line }[]} parks
 * @property {Line["box"]} box
 * @property {number} metres across the world at this latitude */

const firstZoom = 9.5;
const namesFromZoom = 12.75;
const earthMetres = 40_075_016.686;
const streetFont = '500 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const natureFont = 'italic 500 11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** @param {StreetsFile} file @returns {Streets} */
export function readStreets({ junctions, roads, water = [], parks = [] }) {
  const at = (/** @type {string} */ id) => junctions[id] ?? [0, 0];
  const lats = Object.values(junctions).map(([, lat]) => lat);
  const middle = (Math.min(...lats) + Math.max(...lats)) / 2;
  return {
    roads: roads.map(({ from, to, via = [], name, class: rank }) => ({
      name,
      isMajor: rank === "major",
      line: toLine([at(from), ...via, at(to)]),
    })),
    water: water.map(({ name, width, line }) => ({ name, width, line: toLine(line) })),
    parks: parks.map(({ name, ring }) => ({ name, line: toLine(ring) })),
    box: toLine(Object.values(junctions)).box,
    metres: earthMetres * Math.cos(middle * Math.PI / 180),
  };
}

/** @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Streets} streets
 * @param {Look} look */
export function drawStreets(context, view, streets, look) {
  const { k, ox, oy, width, height, zoom } = view;
  const [west, north, east, south] = streets.box;
  const isInSight = east * k > ox && west * k < ox + width && south * k > oy && north * k < oy + height;
  if (zoom < firstZoom || !isInSight) return;
  context.lineJoin = context.lineCap = "round";
  context.beginPath();
  for (const { line } of streets.parks) addLine(context, view, line, true);
  context.fillStyle = look.park;
  context.fill();
  context.strokeStyle = look.water;
  for (const { line, width: metres } of streets.water) {
    context.lineWidth = Math.max(1.2, metres / streets.metres * k);
    context.beginPath();
    addLine(context, view, line, false);
    context.stroke();
  }
  drawRoads(context, view, streets, look);
  if (zoom >= namesFromZoom) drawNames(context, view, streets, look);
}

/** All casings first, then all roads, minor below major: so crossings are open.
 * @param {CanvasRenderingContext2D} context @param {View} view @param {Streets} streets @param {Look} look */
function drawRoads(context, view, { roads }, look) {
  const major = roadWidth(view.zoom);
  const passes = [
    { isMajor: false, width: major * 0.6 + 1.6, color: look.casing },
    { isMajor: true, width: major + 1.8, color: look.casing },
    { isMajor: false, width: major * 0.6, color: look.minor },
    { isMajor: true, width: major, color: look.major },
  ];
  for (const { isMajor, width, color } of passes) {
    context.beginPath();
    for (const road of roads) if (road.isMajor === isMajor) addLine(context, view, road.line, false);
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke();
  }
}

/** CSS pixels of a major road: 2 at zoom 11, 4 at 13, about 12 at 16. @param {number} zoom */
const roadWidth = (zoom) => Math.max(1, 4 * 1.45 ** (zoom - 13));

/** @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Streets} streets
 * @param {Look} look */
function drawNames(context, view, { roads, water, parks }, look) {
  /** @type {Label[]} */
  const placed = [];
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = look.halo;
  context.font = natureFont;
  context.fillStyle = look.parkName;
  for (const { name, line } of parks) write(context, placed, parkLabel(context, view, name, line));
  context.fillStyle = look.waterName;
  for (const { name, line } of water) write(context, placed, lineLabel(context, view, name, line));
  context.font = streetFont;
  context.fillStyle = look.streetName;
  for (const isMajor of [true, false]) {
    for (const road of roads) {
      if (road.isMajor === isMajor) write(context, placed, lineLabel(context, view, road.name, road.line));
    }
  }
  context.textAlign = "start";
}

/** @typedef {{ name: string, x: number, y: number, angle: number, width: number }} Label */

/** Writes a label unless another is in its way, or the same name is near.
 * @param {CanvasRenderingContext2D} context @param {Label[]} placed @param {Label | null} label */
function write(context, placed, label) {
  if (!label) return;
  const { name, x, y, angle, width } = label;
  const isFree = placed.every((other) => {
    const distance = Math.hypot(other.x - x, other.y - y);
    return other.name === name ? distance > 420 : distance > (other.width + width) / 2 ||
      distance > 18 && !overlaps(label, other) && !overlaps(other, label);
  });
  if (!isFree) return;
  placed.push(label);
  context.save();
  context.translate(x, y);
  context.rotate(angle);
  context.strokeText(name, 0, 0);
  context.fillText(name, 0, 0);
  context.restore();
}

/** Whether some point of `b`'s base line lies in the box of `a`. @param {Label} a @param {Label} b */
function overlaps(a, b) {
  for (const t of [-0.5, -0.25, 0, 0.25, 0.5]) {
    const dx = b.x + Math.cos(b.angle) * b.width * t - a.x;
    const dy = b.y + Math.sin(b.angle) * b.width * t - a.y;
    const along = dx * Math.cos(a.angle) + dy * Math.sin(a.angle);
    const across = -dx * Math.sin(a.angle) + dy * Math.cos(a.angle);
    if (Math.abs(along) < a.width / 2 + 8 && Math.abs(across) < 15) return true;
  }
  return false;
}

/** A name in the middle of the longest straight piece of a line, if it is long enough.
 * @param {CanvasRenderingContext2D} context @param {View} view @param {string} name @param {Line} line
 * @returns {Label | null} */
function lineLabel(context, { k, ox, oy, width: w, height: h }, name, { x, y }) {
  const width = context.measureText(name).width;
  let best = { length: width + 12, x: 0, y: 0, angle: 0 };
  let isFound = false;
  for (let i = 1; i < x.length; i++) {
    const x0 = (x[i - 1] ?? 0) * k - ox, y0 = (y[i - 1] ?? 0) * k - oy;
    const x1 = (x[i] ?? 0) * k - ox, y1 = (y[i] ?? 0) * k - oy;
    const length = Math.hypot(x1 - x0, y1 - y0);
    const [middleX, middleY] = [(x0 + x1) / 2, (y0 + y1) / 2];
    if (length <= best.length || middleX < 0 || middleY < 0 || middleX > w || middleY > h) continue;
    const angle = Math.atan2(y1 - y0, x1 - x0);
    best = { length, x: middleX, y: middleY, angle: Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle };
    isFound = true;
  }
  return isFound ? { name, x: best.x, y: best.y, angle: best.angle, width } : null;
}

/** @param {CanvasRenderingContext2D} context @param {View} view @param {string} name @param {Line} line
 * @returns {Label | null} */
function parkLabel(context, { k, ox, oy }, name, { box }) {
  const width = context.measureText(name).width;
  if ((box[2] - box[0]) * k < width + 8) return null;
  return { name, x: (box[0] + box[2]) / 2 * k - ox, y: (box[1] + box[3]) / 2 * k - oy, angle: 0, width };
}
