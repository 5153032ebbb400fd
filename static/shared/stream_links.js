// @ts-check
/** One connection of a stream: server-sent events or a WebSocket, both told as the same few calls.
 *
 * A link is opened once and never comes back; when it breaks it says so and is done. Left out: what events
 * mean, and when the next link is opened (stream.js).
 * @module */
/** @import { Problem } from "./problem.js" */
import { FrameReader } from "./stream_frames.js";

/** What a link tells. Nothing is told after `close()`.
 * @typedef {object} LinkEars
 * @property {(event: LinkEvent) => void} onEvent
 * @property {() => void} onLost the connection broke; trying again may help
 * @property {(target: URL) => void} onRefused it was refused, and only asking tells why
 * @property {(problem: Problem) => void} onFailed it was refused for good
 * @property {() => void} onDone the server has nothing more
 * @property {(text: string) => void} onGarbage something came that cannot be read */

/** @typedef {object} LinkEvent
 * @property {string} name
 * @property {any} data
 * @property {string} id the place after it; empty if it has none
 * @property {string} [stream] of several streams the one that it belongs to
 * @property {number} size characters of its data, bytes of a frame */

/** @typedef {{ close(): void, send: ((message: object) => boolean) | null }} Link `send` over a WebSocket only;
 * false while it is not open */

/** What a WebSocket of this program's has to be able to do.
 * @typedef {new (url: URL, protocols?: string) => WebSocket} WebSocketClass */
/** @typedef {new (url: URL) => EventSource} EventSourceClass */

const jsonProtocol = "tailrace.v1.json";
const framesProtocol = "tailrace.v1.frames";
/** Quiet for so long, a socket is asked for a sign of life; after as long again it counts as dead. */
const quietMs = 20_000;

/** @param {URL} target @param {{ Source: EventSourceClass, names: readonly string[], isMany: boolean }} how
 * @param {LinkEars} ears @returns {Link} */
export function openEvents(target, { Source, names, isMany }, ears) {
  const source = new Source(target);
  let isLive = true;
  const close = () => {
    isLive = false;
    source.close();
  };
  source.onerror = () => {
    if (!isLive) return;
    const isRefused = source.readyState === 2; // CLOSED: any answer but an event stream
    close();
    if (isRefused) ears.onRefused(target);
    else ears.onLost();
  };
  for (const name of names) {
    source.addEventListener(name, (event) => {
      if (!isLive) return;
      const parsed = event.data === "" ? undefined : parse(event.data, ears);
      const isWrapped = isMany && typeof parsed?.stream === "string";
      ears.onEvent({
        name,
        data: isWrapped ? parsed.data : parsed,
        id: event.lastEventId,
        ...(isWrapped && { stream: parsed.stream }),
        size: event.data.length,
      });
    });
  }
  return { close, send: null };
}

/** @param {URL} target @param {{ Socket: WebSocketClass, hello: () => object[], hasFrames: boolean }} how
 * `hello`: what is said first; `hasFrames`: frames of video come as bytes
 * @param {LinkEars} ears @returns {Link} */
export function openSocket(target, { Socket, hello, hasFrames }, ears) {
  const address = new URL(target);
  address.protocol = address.protocol.replace(/^http/, "ws");
  const socket = new Socket(address, hasFrames ? framesProtocol : jsonProtocol);
  socket.binaryType = "arraybuffer";
  const frames = new FrameReader();
  let isLive = true, isOpen = false, heardAt = Date.now();
  /** @type {Problem | null} */
  let refusal = null;
  const timer = setInterval(() => {
    const silentMs = Date.now() - heardAt;
    if (silentMs > 2 * quietMs) {
      close();
      ears.onLost();
    } else if (silentMs > quietMs) send({ type: "ping" });
  }, quietMs / 4);
  function close() {
    isLive = false;
    clearInterval(timer);
    // Closing one that is still opening makes browsers complain.
    if (socket.readyState === 0) socket.onopen = () => socket.close();
    else socket.close();
  }
  /** @param {object} message */
  const send = (message) => {
    if (!isLive || !isOpen) return false;
    socket.send(JSON.stringify(message));
    return true;
  };
  socket.onopen = () => {
    isOpen = true;
    for (const message of hello()) send(message);
  };
  socket.onerror = () => {}; // `close` follows, and says more
  socket.onmessage = ({ data }) => {
    heardAt = Date.now();
    if (data instanceof ArrayBuffer) {
      const event = frames.read(data);
      if (event && isLive) ears.onEvent(event);
      else if (event === null) ears.onGarbage(`${data.byteLength} bytes`);
      return;
    }
    for (const line of String(data).split("\n")) {
      if (!isLive) return;
      if (line === "") continue;
      const event = readMessage(line, ears);
      if (!event) continue;
      if (hasFrames) frames.learn(event);
      if (event.name === "error" && event.stream === undefined) refusal = asProblem(event.data);
      else if (event.name !== "pong") ears.onEvent(event);
    }
  };
  socket.onclose = ({ code, reason }) => {
    if (!isLive) return;
    isLive = false;
    clearInterval(timer);
    if (!isOpen) ears.onRefused(target);
    else if (code === 1000) ears.onDone();
    else if (code >= 4500 && code <= 4999) {
      ears.onFailed(refusal ?? { status: 0, title: `The server closed the stream: ${reason || code}` });
    } else ears.onLost();
  };
  return { close, send };
}

/** @param {string} line @param {LinkEars} ears @returns {LinkEvent | undefined} */
function readMessage(line, ears) {
  const message = parse(line, ears);
  if (typeof message !== "object" || message === null) return undefined;
  const { type, stream, cursor = "", ...data } = message;
  return { name: type, data, id: cursor, ...(stream !== undefined && { stream }), size: line.length };
}

/** @param {string} text @param {LinkEars} ears @returns {any} undefined for what is no JSON */
function parse(text, ears) {
  try {
    return JSON.parse(text);
  } catch {
    ears.onGarbage(text);
    return undefined;
  }
}

/** What a socket says of a refusal, as a problem. @param {{ code?: string, detail?: string }} error
 * @returns {Problem} */
export function asProblem({ code, detail }) {
  const title = { "unknown-topic": "Unknown topic", "full": "Too many connections" }[code ?? ""];
  return {
    status: code === "unknown-topic" ? 404 : 0,
    title: title ?? "The server refused the stream",
    ...(code && { code }),
    ...(detail && { detail }),
  };
}
