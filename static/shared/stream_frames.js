// @ts-check
/** Frames of video as they come over a WebSocket of `tailrace.v1.frames`: a header of 32 bytes, then the JPEG.
 *
 * A frame carries its partition and offset and no id, so its place in the log is put together here: what `ready`
 * said, moved on by each frame. Left out: the texts on the same socket (stream_links.js).
 * @module */
/** @import { LinkEvent } from "./stream_links.js" */

/** A frame.
 * @typedef {object} VideoFrame
 * @property {string} frame its id, `<partition>:<offset>`
 * @property {number} partition
 * @property {number} offset
 * @property {number} capturedAt ms since the epoch
 * @property {Uint8Array<ArrayBuffer>} jpeg */

/** Where a stream of the connection is. `offsets`: the last one of each partition, −1 for none.
 * @typedef {{ stream: string | undefined, head: string, offsets: number[] }} Place */

const headerBytes = 32;
const magic = 0x5452; // "TR"
const version = 1;

/** The frames of one connection. */
export class FrameReader {
  /** Places by the number that a stream has here. @type {Map<number, Place>} */ #places = new Map();

  /** Takes in what a text says of a stream's place. @param {LinkEvent} event */
  learn({ name, data, id, stream }) {
    if (name === "ready") {
      for (const [number, place] of this.#places) {
        if (place.stream === stream) this.#places.delete(number);
      }
      this.#places.set(data?.number ?? 0, { stream, head: "", offsets: [] });
    }
    const [, head, list] = /^(v1\.[0-9a-f]{8}\.)([\d:,-]+)/.exec(id) ?? [];
    const place = [...this.#places.values()].find((one) => one.stream === stream);
    if (head === undefined || list === undefined || !place) return;
    place.head = head;
    place.offsets = list.split(",").map((part) => Number(part.split(":")[1]));
  }

  /** @param {ArrayBuffer} message
   * @returns {LinkEvent | null | undefined} null: not one that is known here; undefined: of a stream that is over */
  read(message) {
    const view = new DataView(message);
    const isFrame = message.byteLength >= headerBytes && view.getUint16(0) === magic &&
      view.getUint8(2) === version && view.getUint32(28) === message.byteLength - headerBytes;
    if (!isFrame) return null;
    const place = this.#places.get(view.getUint32(24));
    if (!place) return undefined;
    const partition = view.getUint32(4);
    const offset = Number(view.getBigInt64(8));
    const jpeg = new Uint8Array(message, headerBytes);
    const frame = `${partition}:${offset}`;
    return {
      name: "frame",
      data: { frame, partition, offset, capturedAt: Number(view.getBigInt64(16)), jpeg },
      id: move(place, partition, offset),
      ...(place.stream !== undefined && { stream: place.stream }),
      size: jpeg.length,
    };
  }
}

/** @param {Place} place @param {number} partition @param {number} offset @returns {string} its id then */
function move(place, partition, offset) {
  const { offsets, head } = place;
  while (offsets.length <= partition) offsets.push(-1);
  offsets[partition] = offset;
  return head && head + offsets.map((last, index) => `${index}:${last}`).join(",");
}
