// @ts-check
/** A canvas that shows frames: decoded off the main thread, one ahead at most, drawn when the page draws.
 *
 * What comes faster than it can be shown is left out, oldest first, and counted; nothing piles up. Left out:
 * when the page draws, and what is said of a picture.
 * @module */

/** @typedef {object} Picture what is shown, or about to be
 * @property {string} frame `partition:offset`
 * @property {number} partition
 * @property {number} offset
 * @property {number} capturedAt ms since the epoch
 * @property {string} cursor the place after it, empty if that is not known
 * @property {boolean} [isStill] it did not come with the stream */
/** @typedef {Picture & { width: number, height: number }} Shown */

/** One canvas. */
export class Screen {
  /** What is on it. @type {Shown | null} */ shown = null;
  /** Frames that were left out since others came before they could be drawn. */
  skipped = 0;
  /** Frames that are no picture to this browser. */
  broken = 0;
  /** Frames that may wait for decoding; what is near real time needs no more than one. */
  room = 1;
  #canvas;
  #context;
  #options;
  /** @type {{ picture: Picture, jpeg: BlobPart }[]} */ #waiting = [];
  /** @type {{ picture: Picture, bitmap: ImageBitmap } | null} */ #decoded = null;
  #isDecoding = false;
  /** Counts up when what waits is no longer wanted. */
  #generation = 0;

  /** @param {HTMLCanvasElement} canvas
   * @param {{ ask: () => void, onShown: (shown: Shown) => void, onBroken?: () => void }} options `ask`: for a
   *   call of `draw` in the next animation frame; `onBroken`: a frame is no picture to this browser */
  constructor(canvas, options) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.#options = options;
  }

  /** Takes a frame. @param {Picture} picture @param {Uint8Array | Blob} jpeg */
  take(picture, jpeg) {
    this.#waiting.push({ picture, jpeg: /** @type {BlobPart} */ (jpeg) });
    while (this.#waiting.length > this.room) {
      this.#waiting.shift();
      this.skipped++;
    }
    this.#decode();
  }

  /** Forgets what was taken and not yet drawn. */
  drop() {
    this.#generation++;
    this.#waiting = [];
    this.#decoded?.bitmap.close();
    this.#decoded = null;
  }

  /** Shows nothing. */
  clear() {
    this.drop();
    this.shown = null;
    this.skipped = this.broken = 0;
    Object.assign(this.#canvas, { width: 16, height: 9 }); // which clears it too
  }

  /** Draws what is ready; called in an animation frame. */
  draw() {
    if (!this.#decoded) return;
    const { picture, bitmap } = this.#decoded;
    this.#decoded = null;
    const { width, height } = bitmap;
    // Setting a size clears the canvas and takes memory anew, so only when it differs.
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      Object.assign(this.#canvas, { width, height });
    }
    this.#context.drawImage(bitmap, 0, 0);
    bitmap.close();
    this.shown = { ...picture, width, height };
    this.#options.onShown(this.shown);
    this.#canvas.dispatchEvent(new CustomEvent("drawn", { detail: { ...this.shown, drawnAt: Date.now() } }));
    this.#decode();
  }

  async #decode() {
    if (this.#isDecoding || this.#decoded) return;
    const next = this.#waiting.shift();
    if (!next) return;
    const generation = this.#generation;
    this.#isDecoding = true;
    try {
      const bitmap = await createImageBitmap(new Blob([next.jpeg], { type: "image/jpeg" }));
      if (generation === this.#generation) {
        this.#decoded = { picture: next.picture, bitmap };
        this.#options.ask();
      } else bitmap.close();
    } catch {
      this.broken++;
      this.#options.onBroken?.();
    }
    this.#isDecoding = false;
    this.#decode();
  }
}
