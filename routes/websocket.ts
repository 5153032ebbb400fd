/** WebSockets: the upgrade, what a socket takes and when, how it ends.
 *
 * There is no event for «may send more», so the few connections that lag are looked at on a timer; while one lags, its cursors
 * stay where they are. Pings are the runtime's: it sends one after `HEARTBEAT_MS` of silence and closes when no pong comes within
 * another. So a client that reads more slowly than its backlog lets a ping through is closed, and comes back at its cursor; one that
 * reads nothing at all gets no ping and stays, at little cost, until the system gives its connection up.
 * Left out: what `tailrace.v1.json` says (socket_streams.ts); a bound on a message that is still coming in, which
 * only the runtime sees (it takes frames of 64 MiB, and fragments without end, before `maxMessageLength` is looked at); 4002, since
 * a socket outlives Kafka's absence, whatever its length.
 * @see {@link https://www.rfc-editor.org/rfc/rfc6455}
 * @module */
import { setImmediate } from "node:timers";
import type { Context } from "hono";
import { StreamError } from "../errors.ts";
import type { Feed, Wire, Written } from "../kafka/feed.ts";
import type { Chunk } from "../kafka/ring.ts";
import type { EndReason, Ready, Sink, Viewer } from "../kafka/viewer.ts";
import { type AskedStream, followOptions, refusal, type StreamDeps, unknownTopic } from "./streams.ts";

/** Why a connection ends; 4000–4499: come back, 4500–4999: do not. */
export const closeCodes = {
  done: 1000,
  tooBig: 1009,
  failed: 1011,
  draining: 4000,
  malformed: 4501,
  unknownTopic: 4503,
  full: 4504,
} as const;

/** Bytes that may wait at a socket before its viewer is held back; with one more write on top. */
const maxUnsentBytes = 16 * 1024;
/** What a client may send while it reads nothing, before it is cut off: its messages' lengths, each with something on top. */
const maxUnreadTalk = 256 * 1024, messageOverhead = 256;
const maxMessageLength = 64 * 1024;
const stalledPollMs = 20;
const turnsToFlush = 4;

/** What talks over a socket. */
export interface Talk {
  /** The socket is open, and there is room for it. */
  open(): void;
  message(text: string): void;
  /** A message of bytes; without it such a message ends the connection. */
  binary?(bytes: Uint8Array<ArrayBuffer>): void;
  /** The socket takes more. */
  room(): void;
  /** The connection has ended, or is about to: nothing that is written arrives. */
  close(): void;
}

/** How a socket is opened. */
export interface SocketOptions {
  /** How `bye` and `error` are written. */
  readonly wire: Wire;
  /** Subprotocol that is chosen when the client offers it. */
  readonly protocol?: string;
  /** Longest message of bytes that is handed to `Talk.binary`. */
  readonly maxBinaryBytes?: number;
}

/** Upgrades a request to a socket.
 * @throws {StreamError} 426 `upgrade-required` when it asks for no WebSocket, 400 `bad-upgrade` when the handshake is broken */
export function upgradeSocket(
  c: Context,
  deps: StreamDeps,
  { wire, protocol, maxBinaryBytes = 0 }: SocketOptions,
  talk: (socket: Socket) => Talk,
): Response {
  if (!isUpgrade(c)) {
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
    ...(protocol && offered.includes(protocol) && { protocol }),
  });
  new Socket(socket, wire, maxBinaryBytes).serve(deps, talk);
  return response;
}

/** Whether a request asks for a WebSocket. */
export function isUpgrade(c: Context): boolean {
  return c.req.header("upgrade")?.toLowerCase() === "websocket";
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

/** Connections that take no more for now. Most do again a few turns of the event loop later, when the runtime has handed to the
 * system what was written; the others are looked at on one timer. */
const stalled = new Set<Socket>();
let stalledTimer: ReturnType<typeof setInterval> | undefined;

function watch(socket: Socket): void {
  if (stalled.has(socket)) return;
  stalled.add(socket);
  pollSoon(socket, turnsToFlush);
  stalledTimer ??= setInterval(() => stalled.forEach((one) => one.poll()), stalledPollMs);
}

function pollSoon(socket: Socket, turns: number): void {
  setImmediate(() => {
    if (stalled.has(socket) && !socket.poll() && turns > 1) pollSoon(socket, turns - 1);
  });
}

function unwatch(socket: Socket): void {
  if (!stalled.delete(socket) || stalled.size > 0) return;
  clearInterval(stalledTimer);
  stalledTimer = undefined;
}

/** One client's socket. */
export class Socket {
  readonly #socket: WebSocket;
  readonly #wire: Wire;
  readonly #maxBinaryBytes: number;
  #talk!: Talk;
  /** What the client has sent since it last read something. */
  #unreadTalk = 0;
  #closing = false;

  constructor(socket: WebSocket, wire: Wire, maxBinaryBytes: number) {
    this.#socket = socket;
    this.#wire = wire;
    this.#maxBinaryBytes = maxBinaryBytes;
  }

  serve(deps: StreamDeps, talk: (socket: Socket) => Talk): void {
    this.#talk = talk(this);
    const socket = this.#socket;
    let leave = () => {};
    socket.binaryType = "arraybuffer";
    const guarded = (work: () => void) => {
      try {
        work();
      } catch (error) {
        deps.log.error("socket failed", { error });
        this.fail();
      }
    };
    socket.onopen = () =>
      guarded(() => {
        const refused = refusal(deps);
        if (refused) return this.#bye(refused);
        leave = deps.connections.add(() => this.#bye("draining"));
        this.#talk.open();
      });
    socket.onmessage = ({ data }) => guarded(() => this.#read(data));
    socket.onclose = () => {
      leave();
      this.#leave();
    };
    // `close` follows; without a listener the runtime would report it as an uncaught error.
    socket.onerror = () => {};
  }

  /** Whether it takes another write; when it does again, `Talk.room` is called. */
  ready(): boolean {
    if (!this.isOpen) return false;
    if (this.#socket.bufferedAmount <= maxUnsentBytes) return true;
    watch(this);
    return false;
  }

  get isOpen(): boolean {
    return !this.#closing && this.#socket.readyState === WebSocket.OPEN;
  }

  send(message: Written): void {
    if (this.isOpen) this.#socket.send(message as string | Uint8Array<ArrayBuffer>);
  }

  /** Sends an event of the connection itself, if the wire carries such. */
  tell(name: string, data: object): void {
    const text = this.#wire.event(name, JSON.stringify(data), null);
    if (text !== null) this.send(text);
  }

  /** Says what is wrong, then closes. */
  refuse(code: number, slug: string, detail: string): void {
    this.tell("error", { code: slug, detail });
    this.end(code, slug);
  }

  /** Something failed here: the client comes back. */
  fail(): void {
    this.tell("bye", { reason: "failed" });
    this.end(closeCodes.failed, "failed");
  }

  end(code: number, reason: string): void {
    if (this.#closing) return;
    const { isOpen } = this;
    this.#leave();
    if (isOpen) this.#socket.close(code, reason);
  }

  /** Looks whether the socket has taken what waited.
   * @returns false when it has not */
  poll(): boolean {
    if (!this.#closing && this.#socket.bufferedAmount > maxUnsentBytes) return false;
    unwatch(this);
    if (!this.#closing) this.#talk.room();
    return true;
  }

  #read(data: string | ArrayBuffer): void {
    if (this.#closing) return;
    const isText = typeof data === "string", length = isText ? data.length : data.byteLength;
    const isRead = this.#socket.bufferedAmount <= maxUnsentBytes;
    const takesBytes = !isText && this.#talk.binary !== undefined;
    // Of a message of bytes only its answer waits here.
    this.#unreadTalk = isRead ? 0 : this.#unreadTalk + (takesBytes ? 0 : length) + messageOverhead;
    const maxLength = takesBytes ? this.#maxBinaryBytes : maxMessageLength;
    if (this.#unreadTalk > maxUnreadTalk) this.end(closeCodes.malformed, "answers not read");
    else if (length > maxLength) {
      const detail = `Cannot read ${length} bytes: at most ${maxLength} are read`;
      this.refuse(closeCodes.tooBig, "message-too-big", detail);
    } else if (isText) this.#talk.message(data);
    else if (takesBytes) this.#talk.binary!(new Uint8Array(data));
    else {
      this.refuse(closeCodes.malformed, "malformed-message", "Cannot use a binary message: text is wanted");
    }
  }

  #bye(reason: "draining" | "full"): void {
    this.tell("bye", { reason });
    this.end(closeCodes[reason], reason);
  }

  #leave(): void {
    if (this.#closing) return;
    this.#closing = true;
    unwatch(this);
    this.#talk.close();
  }
}

/** What a socket of one stream shows and how it talks. */
export interface SocketOf<T extends object> extends AskedStream<T> {
  readonly feed: Feed<T>;
  readonly wire: Wire;
  /** The first event was due: the place in the log is fixed. */
  readonly onReady?: (socket: SocketSink, ready: Ready) => void;
  /** A text message of the client. */
  readonly onMessage: (socket: SocketSink, text: string) => void;
}

/** Upgrades a request to a socket of one stream that talks in a way of its own.
 * @throws {StreamError} as `upgradeSocket` */
export function socketResponse<T extends object>(
  c: Context,
  deps: StreamDeps,
  stream: SocketOf<T>,
): Response {
  return upgradeSocket(c, deps, stream, (socket) => new SocketSink(socket, deps, stream));
}

/** One client's socket with one stream. */
export class SocketSink implements Sink, Talk {
  readonly transport = "websocket";
  readonly wire: Wire;
  readonly #socket: Socket;
  readonly #deps: StreamDeps;
  // deno-lint-ignore no-explicit-any
  readonly #stream: SocketOf<any>;
  #viewer: Viewer | undefined;

  constructor(
    socket: Socket,
    deps: StreamDeps,
    // deno-lint-ignore no-explicit-any
    stream: SocketOf<any>,
  ) {
    this.#socket = socket;
    this.#deps = deps;
    this.#stream = stream;
    this.wire = stream.wire;
  }

  open(): void {
    const { topic, onReady } = this.#stream;
    const options = followOptions(
      this.#stream,
      this,
      onReady && ((ready) => onReady(this, ready)),
    );
    this.#viewer = this.#deps.hub.follow(topic, options);
  }

  message(text: string): void {
    this.#stream.onMessage(this, text);
  }

  room(): void {
    this.#viewer?.wake();
  }

  close(): void {
    this.#viewer?.close();
  }

  ready(): boolean {
    return this.#socket.ready();
  }

  write(chunk: Chunk): void {
    this.#socket.send(chunk.binary ?? chunk.text);
  }

  /** Sends an answer to the client's own message. */
  answer(text: string): void {
    this.#socket.send(text);
  }

  /** Says what is wrong, then closes. */
  refuse(code: number, slug: string, detail: string): void {
    this.#socket.refuse(code, slug, detail);
  }

  end(reason: EndReason): void {
    if (reason === "done") this.#socket.end(closeCodes.done, reason);
    else if (reason === "draining") this.#socket.end(closeCodes.draining, reason);
    else if (reason === "failed") this.#socket.fail();
    else this.refuse(closeCodes.unknownTopic, reason, unknownTopic(this.#stream.topic));
  }
}
