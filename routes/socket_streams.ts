/** The streams of a WebSocket, and what its client may ask of them.
 *
 * A socket has the streams that its address names (its own one, or those of `/streams`) and those that its client subscribes to. Each
 * is a lane of the one connection (socket_stream.ts). Left out: how messages are read (socket_messages.ts) and events written
 * (socket_protocol.ts), sockets that talk in another way (websocket.ts).
 * @module */
import type { Context } from "hono";
import { StreamError } from "../errors.ts";
import type { EndReason } from "../kafka/viewer.ts";
import { type Lane, type LanePart, Lanes, type Trunk } from "./lanes.ts";
import { type ClientMessage, readMessage } from "./socket_messages.ts";
import { chooseProtocol, jsonProtocol, jsonWire, type SocketProtocol } from "./socket_protocol.ts";
import { SocketStream, type Steering } from "./socket_stream.ts";
import { type AskedStream, readCursor, type StreamDeps, unknownTopic } from "./streams.ts";
import { closeCodes, type Socket, type Talk, upgradeSocket } from "./websocket.ts";

/** Streams that one connection carries, at most; a socket's own comes on top. */
export const maxStreams = 32;
/** Subscribes that a socket may send at once, and how soon after that there may be another one, ms: each makes work in Kafka. */
const subscribesAtOnce = 2 * maxStreams, subscribeEveryMs = 50;

/** What the address of a socket names. */
export interface NamedStreams {
  /** The stream that messages without `stream` mean. */
  readonly own?: AskedStream;
  /** Subscriptions from the beginning, by address. */
  readonly subscriptions?: ReadonlyMap<string, AskedStream>;
}

/** Upgrades a request to a socket of streams.
 * @param read a stream by its address, as in `StreamTable.read`
 * @param byDefault how it talks when the client does not say
 * @throws {StreamError} as `upgradeSocket` */
export function streamsSocketResponse(
  c: Context,
  deps: StreamDeps,
  named: NamedStreams,
  read: (address: string, from: { readonly headers: Headers }) => AskedStream,
  byDefault = jsonProtocol,
): Response {
  // A request cannot be read once it is a socket. All that its streams may want of it later is who watches.
  const cookie = c.req.header("cookie");
  const headers = new Headers(cookie === undefined ? {} : { cookie });
  const more = (address: string) => read(address, { headers });
  const protocol = chooseProtocol(c.req.header("sec-websocket-protocol"), byDefault);
  const how = { wire: jsonWire, protocol: protocol.name };
  return upgradeSocket(c, deps, how, (socket) => new StreamsSocket(socket, protocol, deps, named, more));
}

/** Upgrades a request for a stream that there is not, to tell its client so: one whose handshake fails tries again for ever.
 * @throws {StreamError} as `upgradeSocket` */
export function unknownSocketResponse(
  c: Context,
  deps: StreamDeps,
  { code, message }: StreamError,
): Response {
  const protocol = chooseProtocol(c.req.header("sec-websocket-protocol"), jsonProtocol);
  return upgradeSocket(c, deps, { wire: jsonWire, protocol: protocol.name }, (socket) => ({
    open: () => socket.refuse(closeCodes.unknownTopic, code, message),
    message: () => {},
    room: () => {},
    close: () => {},
  }));
}

/** One client's socket. */
class StreamsSocket implements Talk, Trunk {
  readonly transport = "websocket";
  readonly #socket: Socket;
  readonly #protocol: SocketProtocol;
  readonly #deps: StreamDeps;
  readonly #named: NamedStreams;
  readonly #read: (address: string) => AskedStream;
  /** Whether the socket's address names a stream. */
  readonly #isNamed: boolean;
  readonly #lanes = new Lanes(this);
  /** By address; the socket's own has none. */
  readonly #streams = new Map<string | undefined, SocketStream>();
  readonly #byLane = new WeakMap<Lane, SocketStream>();
  /** Subscriptions so far: one that is had again has another number. */
  #subscriptions = 0;
  /** When all its subscribes so far would be over, if each took `subscribeEveryMs`. */
  #subscribesTakeUntil = 0;

  constructor(
    socket: Socket,
    protocol: SocketProtocol,
    deps: StreamDeps,
    named: NamedStreams,
    read: (address: string) => AskedStream,
  ) {
    this.#socket = socket;
    this.#protocol = protocol;
    this.#deps = deps;
    this.#named = named;
    this.#read = read;
    this.#isNamed = named.own !== undefined || (named.subscriptions?.size ?? 0) > 0;
  }

  open(): void {
    const { own, subscriptions = new Map() } = this.#named;
    if (own) this.#add(undefined, own);
    for (const [address, stream] of subscriptions) this.#add(address, stream);
  }

  message(text: string): void {
    let message: ClientMessage;
    try {
      message = readMessage(text);
    } catch (error) {
      return this.#socket.refuse(closeCodes.malformed, "malformed-message", (error as Error).message);
    }
    if (message.type === "ping") this.#socket.send(`{"type":"pong","serverTime":${Date.now()}}`);
    else if (message.type === "subscribe") this.#subscribe(message.stream, message.cursor);
    else if (message.type === "unsubscribe") this.#unsubscribe(message.stream);
    else this.#steer(message);
  }

  room(): void {
    this.#lanes.room();
  }

  close(): void {
    this.#lanes.close();
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }

  ready(): boolean {
    return this.#socket.ready();
  }

  /** Texts that follow each other leave as one. */
  write(parts: readonly LanePart[]): void {
    let text = "";
    for (const part of parts) {
      const stream = this.#byLane.get(part.lane)!;
      if (!part.binary) {
        text += (text === "" ? "" : "\n") + stream.text(part.text);
        continue;
      }
      if (text !== "") this.#socket.send(text);
      this.#socket.send(stream.bytes(part.binary));
      text = "";
    }
    if (text !== "") this.#socket.send(text);
  }

  #add(address: string | undefined, asked: AskedStream): void {
    const count = address === undefined ? 0 : ++this.#subscriptions;
    const name = { address, number: this.#protocol.hasFrames ? count : undefined };
    const stream = new SocketStream(this.#lanes, asked, name, (one, reason) => this.#ended(one, reason));
    this.#byLane.set(stream.lane, stream);
    this.#streams.set(address, stream);
    stream.open(this.#deps);
  }

  #subscribe(address: string, cursor: string | undefined): void {
    try {
      if (this.#streams.has(address)) {
        throw new StreamError("already-subscribed", 409, "Cannot subscribe twice: unsubscribe or seek");
      }
      const now = performance.now(), from = Math.max(now, this.#subscribesTakeUntil);
      if (from - now > (subscribesAtOnce - 1) * subscribeEveryMs) {
        const detail = `Cannot subscribe so often: one in ${subscribeEveryMs} ms is wanted`;
        throw new StreamError("subscribe-too-often", 429, detail);
      }
      this.#subscribesTakeUntil = from + subscribeEveryMs;
      const subscriptions = this.#streams.size - (this.#streams.has(undefined) ? 1 : 0);
      if (subscriptions >= maxStreams) {
        const detail = `Cannot subscribe to more: a socket has ${maxStreams} at most`;
        throw new StreamError("too-many-subscriptions", 429, detail);
      }
      const stream = this.#read(address);
      this.#add(address, cursor === undefined ? stream : startAt(stream, cursor));
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#tellError(address, error.code, error.message);
    }
  }

  #unsubscribe(address: string): void {
    const stream = this.#find(address);
    if (!stream) return;
    this.#lanes.remove(stream.lane);
    stream.close();
    this.#streams.delete(address);
  }

  #steer(message: Steering): void {
    try {
      this.#find(message.stream)?.steer(message);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#tellError(message.stream, error.code, error.message);
    }
  }

  /** The stream that a message means; when there is none, the client is told. */
  #find(address: string | undefined): SocketStream | undefined {
    const stream = this.#streams.get(address);
    if (stream) return stream;
    const detail = address === undefined
      ? `This socket has no stream of its own, or it has ended: name one by "stream"`
      : "This socket has no such stream, or it has ended";
    this.#tellError(address, "no-stream", detail);
    return undefined;
  }

  /** A socket whose address names streams ends with the last of its streams; one that names none stays for further subscriptions. */
  #ended(stream: SocketStream, reason: EndReason): void {
    const { address, topic } = stream;
    stream.close();
    this.#streams.delete(address);
    if (reason === "draining") return this.#socket.end(closeCodes.draining, reason);
    if (reason === "failed") return this.#socket.fail();
    if (reason === "unknown-topic") this.#tellError(address, reason, unknownTopic(topic));
    if (!this.#isNamed || this.#streams.size > 0) return;
    this.#socket.end(reason === "done" ? closeCodes.done : closeCodes.unknownTopic, reason);
  }

  /** @param stream undefined: the socket's own */
  #tellError(stream: string | undefined, code: string, detail: string): void {
    const shown = stream !== undefined && stream.length > 1_000 ? `${stream.slice(0, 1_000)}…` : stream;
    this.#socket.tell("error", { ...(shown !== undefined && { stream: shown }), code, detail });
  }
}

/** A stream from somewhere else on; where it would have begun is where it goes when that place does not fit.
 * @throws {StreamError} 400 `invalid-cursor` */
function startAt({ beginsAt: _, ...stream }: AskedStream, cursor: string): AskedStream {
  const start = readCursor(cursor);
  return { ...stream, asked: { ...stream.asked, start, fallback: stream.asked.start } };
}
