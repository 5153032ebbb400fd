// @ts-check
/** Everything that moves: the one state of the map page. Drawing, the list and the notices read it; only
 * records change it.
 *
 * Places are kept in the units of Web Mercator (0 to 1 across the world), so that drawing is a
 * multiplication. Memory is bounded: trails share `maxPoints`, and what is beyond a trail's share loses every
 * second point of its older half, so it gets coarser, not shorter; past `maxNames` the names not seen for
 * longest are dropped. Left out: the DOM, Leaflet, the network.
 * @module */
/** @import { PositionEvent } from "../../routes/geo.ts" */
/** @import { Series } from "../shared/series.js" */
import { seriesOf } from "../shared/series.js";

/** Where something was: parallel arrays, oldest first, of which those before `start` are gone.
 * @typedef {object} Trail
 * @property {number[]} x
 * @property {number[]} y
 * @property {number[]} at
 * @property {number} start */

/** @typedef {object} Mover
 * @property {string} name
 * @property {Series} series
 * @property {Trail} trail its last point is the newest fix
 * @property {number} lat
 * @property {number} lon
 * @property {number} at of the newest fix, ms since the epoch
 * @property {number} speed m/s between the last two fixes; NaN before there are two
 * @property {string} messageId
 * @property {string} place `partition:offset`; empty for a fix from the tracks
 * @property {number} fromX where the head glides from
 * @property {number} fromY
 * @property {number} arrived when the newest fix came, ms of performance.now()
 * @property {number} glideMs how long the head takes to it
 * @property {boolean} isShown whether the filter lets it through */

const maxPoints = 600_000;
const maxNames = 20_000;
const longestGlideMs = 1_000;
const mostGliders = 1_500;
const maxLatitude = 85.05112878;

/** @param {number} lon degrees */
export const mercatorX = (lon) => (lon + 180) / 360;

/** @param {number} lat degrees; what is beyond Mercator's world is put at its edge */
export function mercatorY(lat) {
  const radians = Math.max(-maxLatitude, Math.min(maxLatitude, lat)) * Math.PI / 180;
  return 0.5 - Math.log(Math.tan(Math.PI / 4 + radians / 2)) / (2 * Math.PI);
}

/** The inverse of `mercatorY`, in degrees. @param {number} y */
const latitude = (y) => Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180 / Math.PI;

/** A mover that was nowhere yet. @param {string} name @returns {Mover} */
export function newMover(name) {
  return {
    name,
    series: seriesOf(name),
    trail: { x: [], y: [], at: [], start: 0 },
    lat: 0,
    lon: 0,
    at: 0,
    speed: NaN,
    messageId: "",
    place: "",
    fromX: 0,
    fromY: 0,
    arrived: -Infinity,
    glideMs: 0,
    isShown: true,
  };
}

/** Where a trail ends: at the newest fix, or in a replay between two. @param {Mover} mover */
export function headOf({ trail: { x, y } }) {
  return { lon: (x[x.length - 1] ?? 0) * 360 - 180, lat: latitude(y[y.length - 1] ?? 0) };
}

/** All movers. */
export class Movers {
  /** @type {Map<string, Mover>} */ byName = new Map();
  /** In order of appearance. @type {Mover[]} */ all = [];
  /** Changes when names come or go. */
  version = 0;
  /** Pieces of trail since the last frame: mover and the piece's ends.
   * @type {{ mover: Mover, x0: number, y0: number, x1: number, y1: number }[]} */
  fresh = [];
  /** Whether heads glide to a new fix instead of jumping. */
  isGliding = true;

  /** A position came from the stream.
   * @param {PositionEvent} record @param {number} now performance.now() @returns {Mover} */
  take(record, now) {
    const known = this.byName.get(record.name);
    const mover = known ?? this.#add(record.name);
    const x = mercatorX(record.lon);
    const y = mercatorY(record.lat);
    if (known) {
      this.#glide(mover, now);
      const metres = distance(mover.lat, mover.lon, record.lat, record.lon);
      const seconds = (record.at - mover.at) / 1000;
      if (seconds > 0.05) mover.speed = metres / seconds;
    } else {
      mover.fromX = x;
      mover.fromY = y;
    }
    this.#push(mover, x, y, record.at);
    mover.lat = record.lat;
    mover.lon = record.lon;
    mover.at = record.at;
    mover.messageId = record.message_id;
    mover.place = `${record.partition}:${record.offset}`;
    return mover;
  }

  /** Puts an earlier track in place of what is known of a name.
   * @param {string} name
   * @param {readonly (readonly number[])[]} lonLats oldest first
   * @param {readonly number[]} times ms since the epoch
   * @param {string} messageId */
  setTrack(name, lonLats, times, messageId) {
    const mover = this.byName.get(name) ?? this.#add(name);
    mover.trail = { x: [], y: [], at: [], start: 0 };
    lonLats.forEach(([lon = 0, lat = 0], i) => {
      const at = times[i] ?? times[times.length - 1] ?? 0;
      const before = lonLats[i - 1];
      const seconds = (at - (times[i - 1] ?? at)) / 1000;
      if (before && seconds > 0.05) {
        mover.speed = distance(before[1] ?? 0, before[0] ?? 0, lat, lon) / seconds;
      }
      mover.trail.x.push(mercatorX(lon));
      mover.trail.y.push(mercatorY(lat));
      mover.trail.at.push(at);
      Object.assign(mover, { lon, lat, at });
    });
    const { x, y } = mover.trail;
    mover.fromX = x[x.length - 1] ?? 0;
    mover.fromY = y[y.length - 1] ?? 0;
    mover.glideMs = 0;
    mover.messageId = messageId;
    while (this.#isOverShare(mover.trail)) thin(mover.trail);
  }

  /** Forgets everything, for another topic or after the log was made anew. */
  clear() {
    this.byName.clear();
    this.all = [];
    this.fresh = [];
    this.version++;
  }

  /** Where the head is drawn, from 0 (at the fix before) to 1 (at the newest).
   * @param {Mover} mover @param {number} now */
  progress(mover, now) {
    return mover.glideMs > 0 ? Math.min(1, (now - mover.arrived) / mover.glideMs) : 1;
  }

  /** Drops the points of a trail from before `cutoff`, but never its last two.
   * @param {Trail} trail @param {number} cutoff ms since the epoch */
  trim(trail, cutoff) {
    const last = trail.at.length - 2;
    while (trail.start < last && (trail.at[trail.start] ?? 0) < cutoff) trail.start++;
    if (trail.start > 256 && trail.start > trail.at.length / 2) {
      for (const values of [trail.x, trail.y, trail.at]) values.splice(0, trail.start);
      trail.start = 0;
    }
  }

  /** The smallest box that holds the heads, or null: west, south, east, north in degrees.
   * @returns {[number, number, number, number] | null} */
  bounds() {
    /** @type {[number, number, number, number]} */
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { lon, lat } of this.all) {
      box[0] = Math.min(box[0], lon);
      box[1] = Math.min(box[1], lat);
      box[2] = Math.max(box[2], lon);
      box[3] = Math.max(box[3], lat);
    }
    return this.all.length > 0 ? box : null;
  }

  /** @param {string} name @returns {Mover} */
  #add(name) {
    if (this.all.length >= maxNames) this.#dropOldest();
    const mover = newMover(name);
    this.byName.set(name, mover);
    this.all.push(mover);
    this.version++;
    return mover;
  }

  #dropOldest() {
    const kept = this.all.toSorted((a, b) => b.at - a.at).slice(0, Math.floor(maxNames * 0.9));
    const names = new Set(kept);
    this.all = this.all.filter((mover) => names.has(mover));
    this.byName = new Map(this.all.map((mover) => [mover.name, mover]));
  }

  /** Starts the way of a head from where it is drawn now to the fix that just came.
   * @param {Mover} mover @param {number} now */
  #glide(mover, now) {
    const { x, y } = mover.trail;
    const [lastX = 0, lastY = 0] = [x[x.length - 1], y[y.length - 1]];
    const done = this.progress(mover, now);
    mover.fromX += (lastX - mover.fromX) * done;
    mover.fromY += (lastY - mover.fromY) * done;
    const waitedMs = now - mover.arrived;
    const isSmooth = this.isGliding && this.all.length <= mostGliders && waitedMs > 30 && waitedMs < 5_000;
    mover.glideMs = isSmooth ? Math.min(longestGlideMs, waitedMs) : 0;
    mover.arrived = now;
  }

  /** @param {Mover} mover @param {number} x @param {number} y @param {number} at */
  #push(mover, x, y, at) {
    const { trail } = mover;
    const n = trail.x.length;
    if (n - trail.start > 1) {
      const [x0 = 0, y0 = 0] = [trail.x[n - 2], trail.y[n - 2]];
      const [x1 = 0, y1 = 0] = [trail.x[n - 1], trail.y[n - 1]];
      this.fresh.push({ mover, x0, y0, x1, y1 });
    }
    trail.x.push(x);
    trail.y.push(y);
    trail.at.push(at);
    if (this.#isOverShare(trail)) thin(trail);
  }

  /** @param {Trail} trail */
  #isOverShare(trail) {
    const share = Math.max(32, Math.min(8_000, Math.floor(maxPoints / this.all.length)));
    return trail.x.length - trail.start > share;
  }
}

/** Drops every second point of the older half. @param {Trail} trail */
function thin(trail) {
  const half = Math.floor((trail.start + trail.x.length) / 2);
  for (const values of [trail.x, trail.y, trail.at]) {
    let kept = 0;
    for (let i = trail.start; i < values.length; i++) {
      if (i >= half || (i - trail.start) % 2 === 0) values[kept++] = values[i] ?? 0;
    }
    values.length = kept;
  }
  trail.start = 0;
}

/** Metres between two places, on a sphere.
 * @param {number} lat0 @param {number} lon0 @param {number} lat1 @param {number} lon1 */
export function distance(lat0, lon0, lat1, lon1) {
  const toRadians = Math.PI / 180;
  const dLat = (lat1 - lat0) * toRadians / 2;
  const dLon = (lon1 - lon0) * toRadians / 2;
  const h = Math.sin(dLat) ** 2 +
    Math.cos(lat0 * toRadians) * Math.cos(lat1 * toRadians) * Math.sin(dLon) ** 2;
  return 2 * 6_371_008.8 * Math.asin(Math.min(1, Math.sqrt(h)));
}
