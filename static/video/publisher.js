// @ts-check
/** Sends JPEGs to a topic over a WebSocket, no faster than Kafka stores them.
 *
 * Each frame is answered `stored`. While `mostUnstored` answers are out there is no room, and who captures leaves
 * frames out, so that what is sent stays of now. A connection that breaks is opened again. Left out: where
 * frames come from (capture.js).
 * @see the README's reference, `WS /video/{topic}/publish`
 * @module */
import { Meter } from "../shared/meter.js";
import { pathOf } from "./video_api.js";

/** Frames on their way, at most: what the service takes, less what a slow network would hold. */
const mostUnstored = 4;
/** Bytes that the browser may hold for the network before there is no room. */
const mostBufferedBytes = 1_000_000;
const firstWaitMs = 500, longestWaitMs = 10_000;
const headerBytes = 32;

/** @typedef {"connecting" | "open" | "waiting" | "closed"} PublisherState */

/** One topic that is sent to. */
export class Publisher {
  /** @type {PublisherState} */ state = "connecting";
  /** Frames that are in Kafka. */
  stored = 0;
  /** Frames that were captured and not sent, as there was no room. */
  skipped = 0;
  /** Id of the frame stored last. */
  newest = "";
  /** What went wrong last; empty once a frame is stored after it. */
  trouble = "";
  /** What the service takes, bytes; from its first message. */
  maxFrameBytes = Infinity;
  /** @type {number | null} ms since the epoch */ retryAt = null;
  /** Frames per second that are stored, and bytes. */
  frames = new Meter();
  /** Bytes sent by second, newest last. @type {{ second: number, bytes: number }[]} */ #sent = [];
  #options;
  /** @type {WebSocket | null} */ #socket = null;
  #unstored = 0;
  #attempt = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #timer;

  /** @param {{ topic: string, source: string, onChange: () => void }} options */
  constructor(options) {
    this.#options = options;
    this.#open();
  }

  /** Frames that were sent and are not stored yet. */
  get unstored() {
    return this.#unstored;
  }

  /** Whether one more may be sent now. */
  get hasRoom() {
    const socket = this.#socket;
    return this.state === "open" && this.#unstored < mostUnstored &&
      (socket?.bufferedAmount ?? 0) < mostBufferedBytes;
  }

  /** A frame was captured, and there was no room for it. */
  skip() {
    if (this.state !== "connecting") this.skipped++;
  }

  /** Sends a frame; the caller has looked for room. @param {Blob} jpeg @param {number} capturedAt ms since the epoch */
  async send(jpeg, capturedAt) {
    const socket = this.#socket;
    if (!socket || this.state !== "open") return;
    if (jpeg.size > this.maxFrameBytes) {
      this.#fail(
        `A frame has ${kilobytes(jpeg.size)}, and ${kilobytes(this.maxFrameBytes)} are taken at most`,
      );
      return;
    }
    this.#unstored++;
    const message = new Uint8Array(headerBytes + jpeg.size);
    const view = new DataView(message.buffer);
    message.set([0x54, 0x52, 1, 0]); // "TR", version 1
    view.setBigInt64(16, BigInt(Math.round(capturedAt)));
    view.setUint32(28, jpeg.size);
    message.set(new Uint8Array(await jpeg.arrayBuffer()), headerBytes);
    if (socket.readyState !== WebSocket.OPEN) return; // what was under way is counted anew
    socket.send(message);
    this.#countBytes(message.length);
  }

  /** Bytes per second, of the last three whole seconds. @param {number} now ms since the epoch */
  bytesPerSecond(now) {
    const newest = Math.floor(now / 1000);
    const whole = this.#sent.filter(({ second }) => second < newest && second >= newest - 3);
    return whole.length === 0 ? 0 : whole.reduce((sum, { bytes }) => sum + bytes, 0) / whole.length;
  }

  close() {
    clearTimeout(this.#timer);
    this.state = "closed";
    const socket = this.#socket;
    this.#socket = null;
    if (socket?.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close(1000);
    else socket?.close(1000);
  }

  #open() {
    const { topic, source } = this.#options;
    const url = new URL(`${pathOf(topic)}/publish?${new URLSearchParams({ source })}`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = this.#socket = new WebSocket(url);
    this.#unstored = 0;
    this.retryAt = null;
    this.#enter("connecting");
    socket.onopen = () => this.#socket === socket && this.#enter("open");
    socket.onmessage = ({ data }) => this.#socket === socket && this.#hear(JSON.parse(String(data)));
    socket.onclose = ({ code, reason }) => this.#socket === socket && this.#lost(code, reason);
  }

  /** @param {{ type: string, frame?: string, detail?: string, maxFrameBytes?: number }} message */
  #hear({ type, frame = "", detail = "", maxFrameBytes }) {
    if (type === "ready") this.maxFrameBytes = maxFrameBytes ?? Infinity;
    else if (type === "stored") {
      this.#unstored = Math.max(0, this.#unstored - 1);
      this.#attempt = 0;
      this.stored++;
      this.newest = frame;
      this.trouble = "";
      this.frames.arrived(Date.now());
    } else if (type === "error") {
      this.#unstored = Math.max(0, this.#unstored - 1);
      this.#fail(detail || "The service did not take a frame");
    }
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    this.#unstored = 0;
    if (code >= 4500 && code <= 4999) {
      this.trouble = reason || `The service closed the connection (${code})`;
      return this.#enter("closed");
    }
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#attempt++) * (0.5 + Math.random());
    this.retryAt = Date.now() + waitMs;
    this.#timer = setTimeout(() => this.#open(), waitMs);
    this.#enter("waiting");
  }

  /** @param {number} bytes */
  #countBytes(bytes) {
    const second = Math.floor(Date.now() / 1000);
    const last = this.#sent.at(-1);
    if (last?.second === second) last.bytes += bytes;
    else this.#sent = [...this.#sent.slice(-4), { second, bytes }];
  }

  /** @param {string} trouble */
  #fail(trouble) {
    this.trouble = trouble;
    this.#options.onChange();
  }

  /** @param {PublisherState} state */
  #enter(state) {
    this.state = state;
    this.#options.onChange();
  }
}

/** @param {number} bytes */
export const kilobytes = (bytes) => `${Math.round(bytes / 1024)} KB`;
