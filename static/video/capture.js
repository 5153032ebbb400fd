// @ts-check
/** Where frames come from: a camera or a video file, captured from a hidden `<video>` at an even rate; or JPEGs,
 * as they are, one after the other.
 *
 * A frame is captured when it is due by the clock, so that nothing adds up; one that cannot be taken then is
 * left out. Left out: sending (publisher.js).
 * @module */

/** @typedef {{ fps: number, width: number, quality: number }} CaptureOptions `width`: at most, px;
 *   `quality`: 0 to 1 */
/** @typedef {object} Frames what captures for a panel
 * @property {() => boolean} hasRoom whether a frame would be taken
 * @property {(jpeg: Blob, capturedAt: number) => Promise<void> | undefined} onFrame when it is under way
 * @property {() => void} onSkip there was a frame, and no room
 * @property {(why: string) => void} onTrouble */

/** Captures until it is closed. */
export class Capture {
  /** @type {CaptureOptions} */ options;
  /** Whether frames are given out, or only shown. */
  isOn = false;
  #canvas;
  #context;
  #frames;
  #video = document.createElement("video");
  /** @type {MediaStream | null} */ #stream = null;
  /** @type {readonly File[]} */ #jpegs = [];
  #next = 0;
  #dueMs = 0;
  #isBusy = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;
  /** Counts up whenever the source is another. */ #generation = 0;

  /** @param {HTMLCanvasElement} canvas the preview, from which JPEGs are made
   * @param {CaptureOptions} options @param {Frames} frames */
  constructor(canvas, options, frames) {
    this.#canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.options = options;
    this.#frames = frames;
    Object.assign(this.#video, { muted: true, playsInline: true, loop: true });
  }

  /** From a camera. @param {string} deviceId empty: the usual one
   * @returns {Promise<void>} when there is a picture @throws {DOMException} when the browser does not let us */
  async openCamera(deviceId) {
    const generation = this.#leave();
    const { width } = this.options;
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { width: { ideal: width }, ...(deviceId && { deviceId: { exact: deviceId } }) },
    });
    if (generation !== this.#generation) return stop(stream);
    this.#stream = stream;
    this.#video.srcObject = stream;
    for (const track of stream.getTracks()) {
      track.addEventListener("ended", () => {
        if (this.#stream === stream) this.#frames.onTrouble("The camera is gone");
      });
    }
    await this.#video.play();
    this.#begin();
  }

  /** From a video file, or JPEGs. @param {readonly File[]} files
   * @returns {Promise<void>} when there is a picture @throws {Error} when the browser cannot play it */
  async openFiles(files) {
    const generation = this.#leave();
    const jpegs = files.filter(({ type }) => type === "image/jpeg");
    if (jpegs.length > 0) {
      this.#jpegs = jpegs.toSorted((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
      this.#next = 0;
      return this.#begin();
    }
    const [file] = files;
    if (!file) return;
    this.#video.src = URL.createObjectURL(file);
    try {
      await this.#video.play();
    } catch {
      if (generation !== this.#generation) return;
      this.#leave();
      throw new Error(
        `This browser cannot play ${file.name}; tailrace publish video takes it if ffmpeg does`,
      );
    }
    if (generation === this.#generation) this.#begin();
  }

  close() {
    this.#leave();
  }

  /** @returns {number} the generation of what is opened next */
  #leave() {
    clearTimeout(this.#timer);
    stop(this.#stream);
    this.#stream = null;
    this.#jpegs = [];
    this.#video.pause();
    this.#video.srcObject = null;
    if (this.#video.src) URL.revokeObjectURL(this.#video.src);
    this.#video.removeAttribute("src");
    return ++this.#generation;
  }

  #begin() {
    this.#dueMs = performance.now();
    this.#tick(this.#generation);
  }

  /** @param {number} generation */
  #tick(generation) {
    if (generation !== this.#generation) return;
    this.#capture(generation);
    const everyMs = 1000 / this.options.fps;
    const nowMs = performance.now();
    // By schedule; after a long pause (a hidden tab) anew.
    this.#dueMs = nowMs - this.#dueMs > 1_000 ? nowMs + everyMs : this.#dueMs + everyMs;
    this.#timer = setTimeout(() => this.#tick(generation), Math.max(0, this.#dueMs - nowMs));
  }

  /** @param {number} generation */
  async #capture(generation) {
    if (this.#isBusy) return this.isOn ? this.#frames.onSkip() : undefined;
    this.#isBusy = true;
    try {
      const capturedAt = Date.now();
      const file = this.#jpegs[this.#next % this.#jpegs.length];
      if (file) await this.#showJpeg(file);
      else this.#showVideo();
      if (!this.isOn || generation !== this.#generation) return;
      if (!this.#frames.hasRoom()) return this.#frames.onSkip();
      this.#next++;
      const jpeg = file ?? await this.#encode();
      if (jpeg && generation === this.#generation) await this.#frames.onFrame(jpeg, capturedAt);
    } catch (error) {
      this.#next++;
      this.#frames.onTrouble(error instanceof Error ? error.message : String(error));
    } finally {
      this.#isBusy = false;
    }
  }

  #showVideo() {
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth > 0) this.#draw(this.#video, videoWidth, videoHeight);
  }

  /** @param {File} file @throws {Error} when it is no picture */
  async #showJpeg(file) {
    const bitmap = await createImageBitmap(file).catch(() => {
      throw new Error(`${file.name} is no JPEG that this browser can read`);
    });
    this.#draw(bitmap, bitmap.width, bitmap.height);
    bitmap.close();
  }

  /** @param {CanvasImageSource} source @param {number} sourceWidth @param {number} sourceHeight */
  #draw(source, sourceWidth, sourceHeight) {
    const width = Math.min(sourceWidth, this.options.width);
    const height = Math.round(sourceHeight * width / sourceWidth);
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      Object.assign(this.#canvas, { width, height });
    }
    this.#context.drawImage(source, 0, 0, width, height);
  }

  /** @returns {Promise<Blob | null>} */
  #encode() {
    return new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", this.options.quality));
  }
}

/** The cameras there are; without leave to use one, browsers do not tell their names.
 * @returns {Promise<{ id: string, name: string }[]>} */
export async function listCameras() {
  const devices = await navigator.mediaDevices?.enumerateDevices() ?? [];
  return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId)
    .map(({ deviceId, label }, i) => ({ id: deviceId, name: label || `Camera ${i + 1}` }));
}

/** @param {MediaStream | null} stream */
function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
