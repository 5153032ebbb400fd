// @ts-check
/** The scene of the demo clip, drawn on a canvas: a dam, its turbine, and the tailrace that carries the water away.
 *
 * Everything that moves goes round a whole number of times in one loop, so that the last frame leads into the first.
 * Left out: which frames there are and where they go (draw.ts).
 * @module */

/** Size of the picture in pixels. */
export const width = 480, height = 270;

const tau = 2 * Math.PI;
/** Where things stand, in pixels from the top left. */
const lake = 104, crest = 92, tail = 196, bottom = 236;
const turbine = { x: 214, y: 186, radius: 24 };
const powerhouse = { left: 176, top: 126, right: 254 };

/** @typedef {CanvasRenderingContext2D} Context */

/** Draws one frame.
 * @param {Context} context of a canvas of `width` × `height`
 * @param {{ frame: number, frames: number, fps: number }} place the frame's number from 0, out of how many */
export function drawScene(context, { frame, frames, fps }) {
  const part = frame / frames;
  sky(context, part);
  hills(context);
  birds(context, part);
  pylons(context, part);
  reservoir(context, part);
  dam(context);
  waterway(context, part);
  house(context, part);
  tailrace(context, part);
  runner(context, part);
  plate(context, { frame, frames, fps });
}

/** @param {Context} context @param {number} part */
function sky(context, part) {
  context.fillStyle = shade(context, [0, 0, 0, 118], ["#2b5f95", "#7fb0d2", "#f3d9b1", "#f6b98c"]);
  context.fillRect(0, 0, width, height);
  const sun = { x: 366, y: 66 };
  const glow = context.createRadialGradient(sun.x, sun.y, 8, sun.x, sun.y, 58);
  glow.addColorStop(0, "#fff3d0");
  glow.addColorStop(0.2, "#ffe7b4aa");
  glow.addColorStop(1, "#ffe3a800");
  context.fillStyle = glow;
  context.fillRect(0, 0, width, tail);
  disc(context, sun.x, sun.y, 15, "#fff6de");
  // Each drifts to where the next one was; how high and how big it is, is a matter of its place.
  for (let i = 0; i < 4; i++) {
    const x = around(i / 4, part / 4);
    cloud(context, x, 38 + 14 * Math.sin(x / 60), 0.8 + 0.2 * Math.sin(x / 95));
  }
}

/** A place that goes out on the right and comes in again on the left.
 * @param {number} from as a share of the way @param {number} part the same, of what was gone since */
function around(from, part) {
  return ((from + part) % 1) * (width + 140) - 70;
}

/** @param {Context} context @param {number} x @param {number} y @param {number} size */
function cloud(context, x, y, size) {
  context.fillStyle = "#ffffffb8";
  context.beginPath();
  for (const [dx, dy, r] of /** @type {const} */ ([[-26, 4, 10], [-10, -3, 14], [8, -6, 16], [26, 3, 11]])) {
    context.moveTo(x + (dx + r) * size, y + dy * size);
    context.arc(x + dx * size, y + dy * size, r * size, 0, tau);
  }
  context.rect(x - 28 * size, y + 3 * size, 56 * size, 11 * size);
  context.fill();
}

/** @param {Context} context */
function hills(context) {
  ridge(context, "#6d8fae", [[0, 88], [60, 60], [120, 84], [190, 50], [262, 92], [330, 66], [400, 98], [
    480,
    72,
  ]]);
  ridge(context, "#4a7085", [[0, 104], [90, 84], [170, 112], [250, 88], [340, 122], [420, 100], [480, 116]]);
  ridge(context, "#35604f", [[0, 150], [150, 140], [260, 136], [350, 146], [420, 134], [480, 142]]);
  for (let x = 268; x < width; x += 16) {
    const size = 8 + (x * 7) % 6;
    tree(context, x, 146 + (x * 5) % 9, size);
  }
}

/** @param {Context} context @param {string} colour @param {readonly (readonly [number, number])[]} points */
function ridge(context, colour, points) {
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(0, height);
  for (const [i, [x, y]] of points.entries()) {
    const [nextX, nextY] = points[i + 1] ?? [x, y];
    if (i === 0) context.lineTo(x, y);
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  context.lineTo(width, points.at(-1)?.[1] ?? height);
  context.lineTo(width, height);
  context.fill();
}

/** @param {Context} context @param {number} x @param {number} y @param {number} size */
function tree(context, x, y, size) {
  context.fillStyle = "#24493d";
  context.beginPath();
  context.moveTo(x, y - size * 1.9);
  context.lineTo(x + size * 0.55, y + size * 0.5);
  context.lineTo(x - size * 0.55, y + size * 0.5);
  context.fill();
}

/** Three birds that cross the sky once, wings beating.
 * @param {Context} context @param {number} part */
function birds(context, part) {
  context.strokeStyle = "#26303c";
  context.lineWidth = 1.8;
  context.lineCap = "round";
  for (const [dx, dy, phase] of /** @type {const} */ ([[0, 0, 0], [-20, 9, 0.3], [-38, -3, 0.6]])) {
    const x = width - around(0.6, part) + dx, y = 50 + dy + 5 * Math.sin(tau * (2 * part + phase));
    const lift = 5 * Math.sin(tau * (14 * part + phase));
    context.beginPath();
    context.moveTo(x - 8, y - lift);
    context.quadraticCurveTo(x - 3, y - 2, x, y);
    context.quadraticCurveTo(x + 3, y - 2, x + 8, y - lift);
    context.stroke();
  }
}

/** Masts on the far shore, and the current that leaves along their wire.
 * @param {Context} context @param {number} part */
function pylons(context, part) {
  const masts = /** @type {const} */ ([[248, 128], [330, 112], [412, 106], [500, 104]]);
  context.strokeStyle = "#2d3946";
  for (const [x, y] of masts.slice(1)) {
    context.lineWidth = 1.6;
    context.beginPath();
    context.moveTo(x - 6, y + 40);
    context.lineTo(x, y - 8);
    context.lineTo(x + 6, y + 40);
    context.moveTo(x - 9, y);
    context.lineTo(x + 9, y);
    context.moveTo(x - 4, y + 22);
    context.lineTo(x + 4, y + 22);
    context.stroke();
  }
  context.lineWidth = 1;
  for (const [i, [x, y]] of masts.slice(0, -1).entries()) {
    const [nextX, nextY] = masts[i + 1] ?? [x, y];
    const sag = (y + nextY) / 2 + 16;
    context.beginPath();
    context.moveTo(x, y);
    context.quadraticCurveTo((x + nextX) / 2, sag, nextX, nextY);
    context.stroke();
    const t = (part * 10) % 1, u = 1 - t;
    const sparkX = u * u * x + u * t * (x + nextX) + t * t * nextX;
    disc(context, sparkX, u * u * y + 2 * u * t * sag + t * t * nextY, 2.6, "#ffe27a");
  }
}

/** @param {Context} context @param {number} part */
function reservoir(context, part) {
  const wave = (/** @type {number} */ x) => lake + 1.6 * Math.sin(tau * (x / 48 - 4 * part));
  context.fillStyle = shade(context, [0, lake, 0, bottom], ["#3f97bd", "#1c5f8d", "#123f66"]);
  context.beginPath();
  context.moveTo(0, height);
  for (let x = 0; x <= 124; x += 4) context.lineTo(x, wave(x));
  context.lineTo(124, height);
  context.fill();
  context.strokeStyle = "#d9f1fa88";
  context.lineWidth = 1.2;
  for (
    const [y, from, length]
      of /** @type {const} */ ([[114, 10, 34], [122, 62, 26], [133, 24, 20], [147, 74, 16]])
  ) {
    const x = from + 6 * Math.sin(tau * (2 * part + from));
    line(context, x, y, x + length, y);
  }
  boat(context, 52 + 5 * Math.sin(tau * part), wave(52) + 1, 0.05 * Math.sin(tau * 3 * part));
}

/** @param {Context} context @param {number} x @param {number} y @param {number} tilt in radians */
function boat(context, x, y, tilt) {
  context.save();
  context.translate(x, y);
  context.rotate(tilt);
  context.fillStyle = "#b5402f";
  context.beginPath();
  context.moveTo(-13, -4);
  context.lineTo(13, -4);
  context.lineTo(8, 3);
  context.lineTo(-9, 3);
  context.fill();
  context.fillStyle = "#fff8ea";
  context.beginPath();
  context.moveTo(0, -28);
  context.lineTo(0, -6);
  context.lineTo(12, -6);
  context.fill();
  context.beginPath();
  context.moveTo(-2, -24);
  context.lineTo(-2, -6);
  context.lineTo(-10, -6);
  context.fill();
  context.restore();
}

/** @param {Context} context */
function dam(context) {
  context.fillStyle = shade(context, [110, 0, 200, 0], ["#dcd7cb", "#b4afa4", "#8d897f"]);
  context.beginPath();
  context.moveTo(114, crest);
  context.lineTo(138, crest);
  context.lineTo(138, crest + 14);
  context.lineTo(196, bottom);
  context.lineTo(196, height);
  context.lineTo(114, height);
  context.fill();
  context.strokeStyle = "#7a766d66";
  context.lineWidth = 1;
  for (let y = crest + 26; y < bottom; y += 20) line(context, 114, y, 138 + (y - crest - 14) * 0.45, y);
  context.fillStyle = "#6c6961";
  context.fillRect(110, crest - 3, 32, 4);
  for (let x = 112; x < 142; x += 7) context.fillRect(x, crest - 10, 1.6, 8);
  context.fillRect(110, crest - 11, 32, 1.6);
}

/** The pipe from the lake through the dam to the turbine, cut open.
 * @param {Context} context @param {number} part */
function waterway(context, part) {
  const path = () => {
    context.beginPath();
    context.moveTo(106, 140);
    context.bezierCurveTo(150, 140, 150, turbine.y, turbine.x, turbine.y);
  };
  context.lineCap = "butt";
  stroked(context, path, 25, "#5d5a53");
  stroked(context, path, 19, "#2f86b4");
  context.setLineDash([9, 15]);
  for (const [shift, wide] of /** @type {const} */ ([[0, 2], [8, 2], [16, 2]])) {
    context.lineDashOffset = -(part * 24 * 20 + shift);
    context.save();
    context.translate(0, shift - 8);
    stroked(context, path, wide, "#b9e6f6");
    context.restore();
  }
  context.setLineDash([]);
}

/** @param {Context} context @param {number} part */
function house(context, part) {
  const { left, top, right } = powerhouse;
  context.fillStyle = shade(context, [left, 0, right, 0], ["#f3ede0", "#cfc6b4"]);
  context.fillRect(left, top, right - left, tail - top - 30);
  context.fillStyle = "#8c3f30";
  context.beginPath();
  context.moveTo(left - 6, top + 1);
  context.lineTo(left + 14, top - 16);
  context.lineTo(right - 14, top - 16);
  context.lineTo(right + 6, top + 1);
  context.fill();
  for (let i = 0; i < 4; i++) {
    const isLit = Math.sin(tau * (2 * part + i / 4)) > -0.4;
    context.fillStyle = isLit ? "#ffd873" : "#e0b95a";
    context.fillRect(left + 8 + i * 17, top + 9, 11, 14);
  }
  context.fillStyle = "#77736a";
  context.fillRect(left, tail - 34, right - left, 78);
  context.fillStyle = "#3d464f";
  context.fillRect(turbine.x - 3, top + 30, 6, turbine.y - top - 30);
}

/** The turbine's wheel in its case.
 * @param {Context} context @param {number} part */
function runner(context, part) {
  const { x, y, radius } = turbine;
  disc(context, x, y, radius + 8, "#4b5258");
  disc(context, x, y, radius + 4, "#2a7fae");
  context.save();
  context.translate(x, y);
  const blades = 7;
  context.rotate(tau * part * 8);
  for (let i = 0; i < blades; i++) {
    context.rotate(tau / blades);
    context.fillStyle = i === 0 ? "#ffb347" : "#eef3f6";
    context.beginPath();
    context.moveTo(0, -4);
    context.bezierCurveTo(8, -9, 10, -radius + 4, 2, -radius);
    context.bezierCurveTo(0, -radius + 8, -2, -9, -5, -3);
    context.fill();
  }
  context.restore();
  disc(context, x, y, 6, "#39434c");
  disc(context, x, y, 2.4, "#ffb347");
}

/** The channel that carries the water away: waves and foam that run to the right.
 * @param {Context} context @param {number} part */
function tailrace(context, part) {
  context.fillStyle = shade(context, [0, tail, 0, height], ["#4fb0cf", "#22759f", "#155079"]);
  context.beginPath();
  context.moveTo(turbine.x, bottom);
  context.bezierCurveTo(
    turbine.x - 22,
    bottom - 4,
    turbine.x - 24,
    turbine.y + 24,
    turbine.x - 6,
    turbine.y + 20,
  );
  context.lineTo(powerhouse.right, tail - 6);
  for (let x = powerhouse.right; x <= width + 3; x += 4) {
    const calm = Math.exp(-(x - powerhouse.right) / 90);
    context.lineTo(x, tail + (1.6 + 3 * calm) * Math.sin(tau * (x / 57 - 10 * part)));
  }
  context.lineTo(width + 3, bottom);
  context.fill();
  const way = width - powerhouse.right + 40;
  context.lineCap = "round";
  for (let i = 0; i < 20; i++) {
    const turns = 2 + i % 2;
    const run = (i * 0.618 + part * turns) % 1;
    const x = powerhouse.right - 20 + run * way;
    const y = tail + 8 + ((i * 37) % 30) + 2 * Math.sin(tau * (3 * part + i / 5));
    context.globalAlpha = 0.85 * (1 - run) + 0.15;
    context.strokeStyle = "#e4f7fd";
    context.lineWidth = 1.4 + 1.6 * (1 - run);
    line(context, x, y, x + 7 + 16 * run, y);
  }
  context.globalAlpha = 1;
}

/** What tells one frame from the other: number, clock, place in the loop.
 * @param {Context} context @param {{ frame: number, frames: number, fps: number }} place */
function plate(context, { frame, frames, fps }) {
  const top = bottom, middle = top + 15;
  context.fillStyle = "#10202e";
  context.fillRect(0, top, width, height - top);
  context.textBaseline = "middle";
  context.fillStyle = "#ffffff";
  context.textAlign = "left";
  context.font = "600 15px 'Liberation Sans', sans-serif";
  context.fillText("Tailrace demo", 12, middle);
  context.textAlign = "right";
  context.font = "700 24px 'Liberation Mono', monospace";
  context.fillText(`${(frame / fps).toFixed(1)} s`, width - 12, middle);
  context.fillStyle = "#ffd873";
  context.textAlign = "center";
  context.fillText(`#${String(frame).padStart(3, "0")}`, width / 2, middle);
  context.fillStyle = "#31485c";
  context.fillRect(0, height - 4, width, 4);
  context.fillStyle = "#5cc3ea";
  context.fillRect(0, height - 4, (width * (frame + 1)) / frames, 4);
}

/** @param {Context} context @param {readonly [number, number, number, number]} from @param {readonly string[]} colours */
function shade(context, from, colours) {
  const gradient = context.createLinearGradient(...from);
  for (const [i, colour] of colours.entries()) gradient.addColorStop(i / (colours.length - 1), colour);
  return gradient;
}

/** @param {Context} context @param {number} x @param {number} y @param {number} radius @param {string} colour */
function disc(context, x, y, radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, tau);
  context.fill();
}

/** @param {Context} context @param {number} x @param {number} y @param {number} toX @param {number} toY */
function line(context, x, y, toX, toY) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
}

/** @param {Context} context @param {() => void} path @param {number} wide @param {string} colour */
function stroked(context, path, wide, colour) {
  context.lineWidth = wide;
  context.strokeStyle = colour;
  path();
  context.stroke();
}
