// @ts-check
/** What was recorded, and where everything was at any time of it: movers that follow a clock instead of a
 * stream, drawn by the same layer as the live ones.
 *
 * The last point of each trail is the head's place at the time shown; between two fixes that are close in
 * time the head is on the line between them, otherwise it stays at the last fix. Left out: loading and the
 * clock (replay.js), the DOM.
 * @module */
/** @import { Tracks } from "../../routes/tracks.ts" */
/** @import { Mover } from "./movers.js" */
import { distance, mercatorX, mercatorY, Movers, newMover } from "./movers.js";

/** The fixes of one name as parallel arrays, oldest first.
 * @typedef {object} RecordedTrack
 * @property {string} name
 * @property {string} messageId of the newest fix
 * @property {number[]} at ms since the epoch, ascending
 * @property {number[]} lon degrees
 * @property {number[]} lat
 * @property {number[]} x across Mercator's world, 0 to 1
 * @property {number[]} y */

/** Everything that was loaded.
 * @typedef {object} Recording
 * @property {readonly RecordedTrack[]} tracks
 * @property {number} from ms since the epoch of the oldest fix, or of the span asked for
 * @property {number} to of the newest fix
 * @property {boolean} isTruncated whether older positions of the span were left out for their number */

/** Fixes further apart than this say nothing of the way between them. */
export const closeMs = 60_000;

/** Puts an answer's tracks in order of time.
 * @param {Pick<Tracks, "features" | "truncated">} tracks
 * @param {number} since ms since the epoch: where the span begins that was asked for
 * @returns {Recording | null} null when nothing was recorded */
export function readRecording({ features, truncated }, since) {
  const tracks = features.map(({ geometry: { coordinates }, properties: { name, times, message_id } }) => {
    // A record's time is its producer's, so a later record may be of an earlier time.
    const order = coordinates.map((_, i) => i).sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0));
    const lon = order.map((i) => coordinates[i]?.[0] ?? 0);
    const lat = order.map((i) => coordinates[i]?.[1] ?? 0);
    const at = order.map((i) => times[i] ?? 0);
    return { name, messageId: message_id, at, lon, lat, x: lon.map(mercatorX), y: lat.map(mercatorY) };
  }).filter(({ at }) => (at[at.length - 1] ?? -Infinity) >= since);
  if (tracks.length === 0) return null;
  let from = Infinity, to = -Infinity;
  for (const { at } of tracks) {
    from = Math.min(from, at[0] ?? Infinity);
    to = Math.max(to, at[at.length - 1] ?? -Infinity);
  }
  return { tracks, from: Math.max(from, since), to, isTruncated: truncated };
}

/** How many of ascending `times` are not after `time`, by halving.
 * @param {readonly number[]} times @param {number} time */
export function countUntil(times, time) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Where something was.
 * @param {Pick<RecordedTrack, "at" | "x" | "y">} track
 * @param {number} passed how many of its fixes are not after `time`, at least 1
 * @param {number} time ms since the epoch
 * @param {boolean} [isGliding] false: always at the last fix
 * @returns {{ x: number, y: number, at: number }} `at`: up to when that is known */
export function placeAt(track, passed, time, isGliding = true) {
  const i = passed - 1;
  const [x0 = 0, y0 = 0, from = 0] = [track.x[i], track.y[i], track.at[i]];
  const [x1 = NaN, y1 = NaN, to = Infinity] = [track.x[passed], track.y[passed], track.at[passed]];
  const isOnTheWay = isGliding && to - from <= closeMs && Math.abs(x1 - x0) < 0.5; // not over the antimeridian
  if (!isOnTheWay) return { x: x0, y: y0, at: from };
  const share = (time - from) / (to - from);
  return { x: x0 + (x1 - x0) * share, y: y0 + (y1 - y0) * share, at: time };
}

/** The movers of a recording as of a time. */
export class RecordedMovers extends Movers {
  /** @type {{ track: RecordedTrack, mover: Mover, passed: number }[]} */ #entries = [];

  /** Takes another recording; nothing is there before the next `seek`. @param {Recording | null} recording */
  load(recording) {
    this.clear();
    this.#entries = (recording?.tracks ?? []).map((track) => ({
      track,
      mover: newMover(track.name),
      passed: 0,
    }));
  }

  /** The smallest box that holds every fix at any time, or null: west, south, east, north in degrees.
   * @returns {[number, number, number, number] | null} */
  extent() {
    /** @type {[number, number, number, number]} */
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const { track: { lon, lat } } of this.#entries) {
      for (let i = 0; i < lon.length; i++) {
        const [east = 0, north = 0] = [lon[i], lat[i]];
        box[0] = Math.min(box[0], east);
        box[1] = Math.min(box[1], north);
        box[2] = Math.max(box[2], east);
        box[3] = Math.max(box[3], north);
      }
    }
    return this.#entries.length > 0 ? box : null;
  }

  /** Goes to any time. @param {number} time ms since the epoch @param {number} trailMs */
  seek(time, trailMs) {
    this.clear();
    for (const entry of this.#entries) {
      const { track, mover } = entry;
      entry.passed = countUntil(track.at, time);
      if (entry.passed === 0) continue;
      const first = Math.min(entry.passed - 1, countUntil(track.at, time - trailMs));
      const [x, y, at] = [track.x, track.y, track.at].map((values) => values.slice(first, entry.passed));
      mover.trail = { x: x ?? [], y: y ?? [], at: at ?? [], start: 0 };
      this.#enter(entry);
      this.#placeHead(entry, time);
    }
  }

  /** Goes on to a later time; finished pieces of trail are in `fresh` then.
   * @param {number} time ms since the epoch */
  advance(time) {
    for (const entry of this.#entries) {
      const { track, mover: { trail } } = entry;
      if (entry.passed > 0) { for (const values of [trail.x, trail.y, trail.at]) values.pop(); // the head
       }
      const before = entry.passed;
      while ((track.at[entry.passed] ?? Infinity) <= time) this.#pass(entry);
      if (entry.passed === 0) continue;
      if (before === 0) this.version++;
      if (entry.passed > before) this.#enter(entry);
      this.#placeHead(entry, time);
    }
  }

  /** Adds the next fix to the trail. @param {{ track: RecordedTrack, mover: Mover, passed: number }} entry */
  #pass(entry) {
    const { track, mover } = entry;
    const i = entry.passed++;
    const [x1 = 0, y1 = 0, at = 0] = [track.x[i], track.y[i], track.at[i]];
    const [x0, y0] = [track.x[i - 1], track.y[i - 1]];
    if (x0 !== undefined && y0 !== undefined) this.fresh.push({ mover, x0, y0, x1, y1 });
    mover.trail.x.push(x1);
    mover.trail.y.push(y1);
    mover.trail.at.push(at);
  }

  /** Has the mover say what its newest fix says, and be there.
   * @param {{ track: RecordedTrack, mover: Mover, passed: number }} entry */
  #enter({ track: { lon, lat, at, messageId }, mover, passed }) {
    const i = passed - 1;
    const [lon0 = 0, lat0 = 0, at0 = 0] = [lon[i - 1], lat[i - 1], at[i - 1]];
    const [lon1 = 0, lat1 = 0, at1 = 0] = [lon[i], lat[i], at[i]];
    const seconds = (at1 - at0) / 1000;
    const speed = i > 0 && seconds > 0.05 ? distance(lat0, lon0, lat1, lon1) / seconds : NaN;
    Object.assign(mover, { lon: lon1, lat: lat1, at: at1, speed });
    mover.messageId = passed === at.length ? messageId : ""; // tracks name the newest record only
    if (this.byName.has(mover.name)) return;
    this.byName.set(mover.name, mover);
    this.all.push(mover);
  }

  /** @param {{ track: RecordedTrack, mover: Mover, passed: number }} entry @param {number} time */
  #placeHead({ track, mover, passed }, time) {
    const { x, y, at } = placeAt(track, passed, time, this.isGliding);
    mover.trail.x.push(x);
    mover.trail.y.push(y);
    mover.trail.at.push(at);
  }
}
