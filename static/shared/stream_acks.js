// @ts-check
/** What is to be acknowledged when a frame has been seen: it, and in the other partitions what came before it.
 * @module */

/** Frames whose order is kept; of those before, only the newest of each partition is. */
const maxKept = 256;

/** Frames of a stream that came, in order; `before`: the newest of each partition of those that came earlier.
 * @typedef {{ came: string[], before: Map<string, string> }} Kept */

/** Frames that came and are not acknowledged, of several streams. */
export class Acks {
  /** @type {Map<string, Kept>} */ #streams = new Map();

  /** A frame came. @param {string} stream @param {string} frame its id */
  add(stream, frame) {
    /** @type {Kept} */
    const kept = this.#streams.get(stream) ?? { came: [], before: new Map() };
    this.#streams.set(stream, kept);
    kept.came.push(frame);
    const oldest = kept.came.length > maxKept && kept.came.shift();
    if (oldest) kept.before.set(partitionOf(oldest), oldest);
  }

  /** A frame has been seen. @param {string} stream @param {string} frame
   * @returns {string[]} the frames to acknowledge, the newest of each partition; itself last */
  take(stream, frame) {
    const kept = this.#streams.get(stream);
    const index = kept?.came.indexOf(frame) ?? -1;
    if (!kept || index < 0) return [frame];
    const newest = kept.before;
    for (const one of kept.came.splice(0, index + 1)) newest.set(partitionOf(one), one);
    kept.before = new Map();
    newest.delete(partitionOf(frame));
    return [...newest.values(), frame];
  }

  /** The stream is elsewhere in its log. @param {string} stream */
  forget(stream) {
    this.#streams.delete(stream);
  }
}

/** @param {string} frame */
function partitionOf(frame) {
  return frame.slice(0, frame.indexOf(":"));
}
