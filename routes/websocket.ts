/** Streams over WebSocket: the same events as over SSE, as text messages of one JSON object or, when several wait, several lines.
 *
 * There is no event for «may send more», so the few connections that lag are looked at on a timer; while one lags, its cursor
 * stays where it is. Pings are the runtime's: it sends one after `HEARTBEAT_MS` of silence and closes when no pong comes.
 * Left out: `seek`, `speed`, `subscribe`; binary messages; a bound on a message that is still coming in, which only the runtime sees
 * (it takes frames of 64 MiB, and fragments without end, before `maxMessageLength` is looked at).
 * @see {@link https://www.rfc-editor.org/rfc/rfc6455}
 * @module */
import { setImmediate } from "node:timers";
import type { Context } from "hono";
import { StreamError } from "../errors.ts";
import { defineWire, type Feed, type Picker, type Wire } from "../kafka/feed.ts";
import type { Chunk } from "../kafka/ring.ts";
import type { EndReason, Ready, Sink, Viewer } from "../kafka/viewer.ts";
import type { Asked } from "../kafka/start.ts";
import { refusal, type StreamDeps } from "./streams.ts";

/** The default subprotocol. */
export const jsonProtocol = "tailrace.v1.json";

/** Why a connection ends; 4000–4499: come back, 4500–4999: do not. */
export const closeCodes = {
  tooBig: 1009,
  draining: 4000,
  malformed: 4501,
  full: 4504,
} as const;

/** Bytes that may wait at a socket before its viewer is held back; with one more write on top. */
const maxUnsentBytes = 16 * 1024;
/** Unsent answers to a client's own messages at which it is cut off: it sends without reading. */
const maxUnsentAnswers = 256 * 1024;
const maxMessageLength = 64 * 1024;
const stalledPollMs = 20;
const turnsToFlush = 4;

/** Events as `tailrace.v1.json` writes them. */
export const jsonWire = defineWire("\n", (name, json, id) => {
  const members = json === "{}" ? "" : `,${json.slice(1, -1)}`;
  return `{"type":"${name}"${members}${id === null ? "" : `,"cursor":"${id}"`}}`;
});

/** What a socket shows and how it talks. */
export interface SocketOf<T extends object> {
  readonly topic: string;
  readonly feed: Feed<T>;
  readonly asked: Asked;
  readonly pick?: Picker<T>;
  readonly wire: Wire;
  /** Subprotocol that is chosen when the client offers it. */
  readonly protocol?: string;
  /** The first event was due: the place in the log is fixed. */
  readonly onReady?: (socket: SocketSink, ready: Ready) => void;
  /** A text message of the client. */
  readonly onMessage: (socket: SocketSink, text: string) => void;
}

/** Upgrades a request to a stream.
 * @throws {StreamError} 426 `upgrade-required` when it asks for no WebSocket, 400 `bad-upgrade` when the handshake is broken */
export function socketResponse<T extends object>(
  c: Context,
  deps: StreamDeps,
  stream: SocketOf<T>,
): Response {
  if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
    throw new StreamError(
      "upgrade-required",
      426,
      `Cannot answer ${c.req.path} over HTTP: it is a WebSocket`,
      {
        headers: { upgrade: "websocket", connection: "Upgrade" },
      },
    );
  }
  const offered = (c.req.header("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
  const { socket, response } = upgrade(c.req.raw, {
    // Half of it passes before a ping, the other half before the connection counts as dead.
    idleTimeout: Math.max(1, Math.ceil(2 * deps.config.heartbeatMs / 1000)),
    ...(stream.protocol && offered.includes(stream.protocol) && { protocol: stream.protocol }),
  });
  new SocketSink(socket, stream.wire).serve(deps, stream);
  return response;
}

/** @throws {StreamError} 400 `bad-upgrade` when the handshake lacks something */
function upgrade(request: Request, options: Deno.UpgradeWebSocketOptions): Deno.WebSocketUpgrade {
  try {
    return Deno.upgradeWebSocket(request, options);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new StreamError("bad-upgrade", 400, `Cannot open a WebSocket: ${error.message}`, { cause: error });
  }
}

/** Answers the messages of `tailrace.v1.json`: `ping`, `pause`, `resume`. Anything else ends the connection. */
export function answerControl(socket: SocketSink, text: string): void {
  const type = messageType(text);
  if (type === "ping") socket.answer(`{"type":"pong","serverTime":${Date.now()}}`);
  else if (type === "pause") socket.pause();
  else if (type === "resume") socket.resume();
  else {socket.refuse(
      closeCodes.malformed,
      "malformed-message",
      `Cannot use this message: ping, pause or resume is wanted`,
    );}
}

function messageType(text: string): unknown {
  try {
    const message = JSON.parse(text);
    return typeof message === "object" && message !== null ? message.type : undefined;
  } catch {
    return undefined;
  }
}

/** Connections that take no more for now. Most do again a few turns of the event loop later, when the runtime has handed to the
 * system what was written; the others are looked at on one timer. */
const stalled = new Set<SocketSink>();
let stalledTimer: ReturnType<typeof setInterval> | undefined;

function watch(sink: SocketSink): void {
  if (stalled.has(sink)) return;
  stalled.add(sink);
  pollSoon(sink, turnsToFlush);
  stalledTimer ??= setInterval(() => stalled.forEach((one) => one.poll()), stalledPollMs);
}

function pollSoon(sink: SocketSink, turns: number): void {
  setImmediate(() => {
    if (stalled.has(sink) && !sink.poll() && turns > 1) pollSoon(sink, turns - 1);
  });
}

function unwatch(sink: SocketSink): void {
  if (!stalled.delete(sink) || stalled.size > 0) return;
  clearInterval(stalledTimer);
  stalledTimer = undefined;
}

/** One client's socket. */
export class SocketSink implements Sink {
  readonly transport = "websocket";
  readonly wire: Wire;
  readonly #socket: WebSocket;
  #viewer: Viewer | undefined;
  #paused = false;
  #closing = false;

  constructor(socket: WebSocket, wire: Wire) {
    this.#socket = socket;
    this.wire = wire;
  }

  serve<T extends object>(deps: StreamDeps, stream: SocketOf<T>): void {
    const socket = this.#socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#open(deps, stream);
    socket.onmessage = ({ data }) => {
      if (this.#closing) return;
      const length = typeof data === "string" ? data.length : data.byteLength;
      if (length > maxMessageLength) {
        this.refuse(
          closeCodes.tooBig,
          "message-too-big",
          `Cannot read ${length} bytes: at most ${maxMessageLength} are read`,
        );
      } else if (typeof data !== "string") {
        this.refuse(closeCodes.malformed, "malformed-message", "Cannot use a binary message: text is wanted");
      } else stream.onMessage(this, data);
    };
    socket.onclose = () => this.#close();
    // `close` follows; without a listener the runtime would report it as an uncaught error.
    socket.onerror = () => {};
  }

  ready(): boolean {
    if (this.#closing || this.#paused || this.#socket.readyState !== WebSocket.OPEN) return false;
    if (this.#socket.bufferedAmount <= maxUnsentBytes) return true;
    watch(this);
    return false;
  }

  write(chunk: Chunk): void {
    if (!this.#closing && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(chunk.text);
  }

  /** Sends an answer to the client's own message. */
  answer(text: string): void {
    if (this.#closing || this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > maxUnsentAnswers) {
      return this.#end(closeCodes.malformed, "answers not read");
    }
    this.#socket.send(text);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#viewer?.wake();
  }

  /** Says what is wrong, then closes. */
  refuse(code: number, slug: string, detail: string): void {
    const text = this.wire.event("error", JSON.stringify({ code: slug, detail }), null);
    if (text !== null) this.answer(text);
    this.#end(code, slug);
  }

  end(_reason: EndReason): void {
    this.#end(closeCodes.draining, "draining");
  }

  /** Looks whether the socket has taken what waited.
   * @returns false when it has not */
  poll(): boolean {
    if (!this.#closing && this.#socket.bufferedAmount > maxUnsentBytes) return false;
    unwatch(this);
    this.#viewer?.wake();
    return true;
  }

  #open<T extends object>(deps: StreamDeps, stream: SocketOf<T>): void {
    const refused = refusal(deps);
    if (refused) {
      const text = this.wire.event("bye", JSON.stringify({ reason: refused }), null);
      if (text !== null) this.answer(text);
      return this.#end(closeCodes[refused], refused);
    }
    const { topic, feed, asked, pick, onReady } = stream;
    this.#viewer = deps.hub.follow(topic, {
      feed,
      sink: this,
      ...asked,
      ...(pick && { pick }),
      ...(onReady && { onReady: (ready: Ready) => onReady(this, ready) }),
    });
  }

  #end(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    unwatch(this);
    this.#viewer?.close();
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(code, reason);
  }

  #close(): void {
    this.#closing = true;
    unwatch(this);
    this.#viewer?.close();
  }
}
