/** `tailrace.v1.json`: the streams of a WebSocket, and what its client may ask of them.
 *
 * A socket has the streams that its address names (its own one, or those of `/streams`) and those that its client subscribes to. Each
 * is a lane of the one connection. Left out: how messages are read (socket_messages.ts), sockets that talk in another way
 * (websocket.ts).
 * @module */
import type { Context } from "hono";
import { StreamError } from "../errors.ts";
import { defineWire } from "../kafka/feed.ts";
import type { EndReason } from "../kafka/viewer.ts";
import { type Lane, laneEvents, type LanePart, Lanes, laneWire, type Trunk } from "./lanes.ts";
import { type ClientMessage, readMessage } from "./socket_messages.ts";
import { type AskedStream, followOptions, readCursor, type StreamDeps, unknownTopic } from "./streams.ts";
import { closeCodes, type Socket, type Talk, upgradeSocket } from "./websocket.ts";

/** The default subprotocol. */
export const jsonProtocol = "tailrace.v1.json";
/** Streams that one connection carries, at most; a socket's own comes on top. */
export const maxStreams = 32;
/** Subscribes that a socket may send at once, and how soon after that there may be another one, ms: each makes work in Kafka. */
const subscribesAtOnce = 2 * maxStreams, subscribeEveryMs = 50;

/** Events as `tailrace.v1.json` writes them. */
export const jsonWire = defineWire("\n", (name, json, id) => eventText(name, "", json, id ?? ""));

/** What the address of a socket names. */
export interface NamedStreams {
  /** The stream that messages without `stream` mean. */
  readonly own?: AskedStream;
  /** Subscriptions from the beginning, by address. */
  readonly subscriptions?: ReadonlyMap<string, AskedStream>;
}

/** Upgrades a request to a socket of `tailrace.v1.json`.
 * @param read a stream by its address, as in `StreamTable.read`
 * @throws {StreamError} as `upgradeSocket` */
export function jsonSocketResponse(
  c: Context,
  deps: StreamDeps,
  named: NamedStreams,
  read: (address: string) => AskedStream,
): Response {
  const how = { wire: jsonWire, protocol: jsonProtocol };
  return upgradeSocket(c, deps, how, (socket) => new JsonSocket(socket, deps, named, read));
}

function eventText(name: string, stream: string, json: string, id: string): string {
  const members = json === "{}" ? "" : `,${json.slice(1, -1)}`;
  return `{"type":"${name}"${stream}${members}${id === "" ? "" : `,"cursor":"${id}"`}}`;
}

/** One stream of a socket. */
interface SocketStream {
  readonly lane: Lane;
  readonly topic: string;
  /** Undefined for the socket's own. */
  readonly address: string | undefined;
}

/** One client's socket. */
class JsonSocket implements Talk, Trunk {
  readonly transport = "websocket";
  readonly #socket: Socket;
  readonly #deps: StreamDeps;
  readonly #named: NamedStreams;
  readonly #read: (address: string) => AskedStream;
  /** Whether the socket's address names a stream. */
  readonly #isNamed: boolean;
  readonly #lanes = new Lanes(this);
  /** By address; the socket's own has none. */
  readonly #streams = new Map<string | undefined, SocketStream>();
  /** `,"stream":…` of each lane that has an address. */
  readonly #labels = new WeakMap<Lane, string>();

  /** When all its subscribes so far would be over, if each took `subscribeEveryMs`. */
  #subscribesTakeUntil = 0;

  constructor(socket: Socket, deps: StreamDeps, named: NamedStreams, read: (address: string) => AskedStream) {
    this.#socket = socket;
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
    this.#streams.clear();
  }

  ready(): boolean {
    return this.#socket.ready();
  }

  write(parts: readonly LanePart[]): void {
    const [first] = parts;
    const text = parts.length === 1 ? this.#text(first!) : parts.map((part) => this.#text(part)).join("\n");
    this.#socket.send(text);
  }

  #text({ lane, text }: LanePart): string {
    const label = this.#labels.get(lane);
    if (label === undefined) return text;
    return laneEvents(text)
      .map(({ name, json, id }) => eventText(name, name === "bye" ? "" : label, json, id))
      .join("\n");
  }

  #add(address: string | undefined, stream: AskedStream): void {
    const wire = address === undefined ? jsonWire : laneWire;
    const lane = this.#lanes.add(wire, (reason) => this.#ended(added, reason));
    const { topic } = stream;
    const added: SocketStream = { lane, topic, address };
    if (address !== undefined) this.#labels.set(lane, `,"stream":${JSON.stringify(address)}`);
    this.#streams.set(address, added);
    lane.open(() => this.#deps.hub.follow(topic, followOptions(stream, lane)));
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
    this.#streams.delete(address);
  }

  #steer(message: Extract<ClientMessage, { type: "pause" | "resume" | "seek" | "speed" }>): void {
    const stream = this.#find(message.stream);
    const viewer = stream?.lane.viewer;
    if (!stream || !viewer) return;
    const { lane } = stream;
    switch (message.type) {
      case "pause":
        lane.isPaused = true;
        return viewer.pause();
      case "resume":
        lane.isPaused = false;
        return viewer.resume();
      case "seek":
        return viewer.seek(message.start);
      case "speed":
        return viewer.setSpeed(message.speed);
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
  #ended({ address, topic }: SocketStream, reason: EndReason): void {
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
function startAt(stream: AskedStream, cursor: string): AskedStream {
  const start = readCursor(cursor);
  return { ...stream, asked: { ...stream.asked, start, fallback: stream.asked.start } };
}
