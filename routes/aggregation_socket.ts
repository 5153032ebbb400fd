/** `/aggregations/socket`: windows over a WebSocket, in two ways at once.
 *
 *     ?id=…&size=…                                                   → {"type":"window",…}, as every stream, in `tailrace.v1.json`
 *     {"event":"register_room","data":{"rooms":[id,…]}},
 *     {"event":"consume_1_min_aggregations"} and so on               → {"event":"live_aggregations_1","data":{"id","count"}}
 *
 * The second way has the names of the counter's Socket.IO (socketio.ts), for clients that speak none. It is live: a client gets what is
 * finished from then on, in rooms that it is in and of lengths that it consumes; while it takes nothing, the newest of each waits. The
 * stream of the first way is steered as a whole; `seek` goes to `latest`, `earliest` or a time, and with one length to an id. Left out:
 * subscriptions, which `/streams` has.
 * @module */
import type { Context } from "hono";
import { z } from "zod";
import { StreamError } from "../errors.ts";
import type { EndReason } from "../kafka/viewer.ts";
import { consumeEvent, type WindowSize } from "../kafka/windows.ts";
import type { WindowStreamDeps } from "./aggregation_events.ts";
import { knownIds } from "./aggregation_query.ts";
import { type AskedWindows, readWindows } from "./aggregation_request.ts";
import type { RoomMember, SharedWindow } from "./aggregation_rooms.ts";
import { type WindowOutlet, type WindowSources, WindowStream } from "./aggregation_stream.ts";
import { type ClientMessage, readMessage } from "./socket_messages.ts";
import { jsonProtocol, jsonWire } from "./socket_protocol.ts";
import { unknownSocketResponse } from "./socket_streams.ts";
import { closeCodes, isUpgrade, type Socket, type Talk, upgradeSocket } from "./websocket.ts";

/** A message by the counter's names. */
const Named = z.object({ event: z.string(), data: z.unknown().optional() });
const Registration = z.object({ rooms: z.array(z.unknown()) });

/** Upgrades a request to a socket of windows.
 * @throws {StreamError} what `readWindows` and `upgradeSocket` refuse */
export function windowSocketResponse(c: Context, deps: WindowStreamDeps): Response {
  const url = new URL(c.req.url);
  let asked: AskedWindows;
  try {
    asked = readWindows(url, deps.aggregations.sizes);
  } catch (error) {
    const isUnknown = error instanceof StreamError && error.status === 404;
    if (!isUnknown || !isUpgrade(c)) throw error;
    return unknownSocketResponse(c, deps, error);
  }
  const how = { wire: jsonWire, protocol: jsonProtocol.name };
  return upgradeSocket(c, deps, how, (socket) => new WindowSocket(socket, asked, deps));
}

/** One client's socket. */
class WindowSocket implements Talk, WindowOutlet, RoomMember {
  readonly transport = "websocket";
  readonly wire = jsonWire;
  readonly #socket: Socket;
  readonly #sources: WindowSources;
  readonly #isOneSize: boolean;
  /** Of a socket whose address names videos. */
  readonly #windows: WindowStream | undefined;
  readonly #rooms = new Set<string>();
  readonly #consumed = new Set<WindowSize>();
  /** What was finished and waits, the newest of each video and length. */
  readonly #waiting = new Map<string, SharedWindow>();

  constructor(socket: Socket, asked: AskedWindows, sources: WindowSources) {
    this.#socket = socket;
    this.#sources = sources;
    this.#isOneSize = asked.sizes.length === 1;
    this.#windows = asked.ids.length === 0 ? undefined : new WindowStream(asked, sources, this);
  }

  open(): void {
    this.#windows?.open();
  }

  message(text: string): void {
    try {
      const named = Named.safeParse(parse(text)).data;
      if (named) this.#named(named.event, named.data);
      else this.#steer(readMessage(text));
    } catch (error) {
      if (error instanceof StreamError) this.#tellError(error.code, error.message);
      else if (!(error instanceof SyntaxError)) throw error;
      else this.#socket.refuse(closeCodes.malformed, "malformed-message", error.message);
    }
  }

  room(): void {
    this.#sendWaiting();
    this.#windows?.room();
  }

  close(): void {
    for (const id of this.#rooms) this.#sources.rooms.leave(id, this);
    this.#rooms.clear();
    this.#waiting.clear();
    this.#windows?.close();
  }

  finished(window: SharedWindow): void {
    if (!this.#consumed.has(window.size)) return;
    this.#waiting.set(window.place, window);
    this.#sendWaiting();
  }

  ready(): boolean {
    return this.#socket.ready();
  }

  write(text: string): void {
    this.#socket.send(text);
  }

  end(reason: EndReason): void {
    if (reason === "done") this.#socket.end(closeCodes.done, reason);
    else if (reason === "draining") this.#socket.end(closeCodes.draining, reason);
    else this.#socket.fail();
  }

  #sendWaiting(): void {
    for (const [place, window] of this.#waiting) {
      if (!this.#socket.ready()) return;
      this.#waiting.delete(place);
      this.#socket.send(window.live);
    }
  }

  /** @throws {StreamError} `invalid-video`, `too-many-videos`, `invalid-rooms`, `unknown-event` */
  #named(event: string, data: unknown): void {
    const { aggregations: { sizes } } = this.#sources;
    if (event === "register_room") return this.#register(data);
    const size = sizes.find((one) => consumeEvent(one) === event);
    if (size) return void this.#consumed.add(size);
    const known = ["register_room", ...sizes.map(consumeEvent)].join(", ");
    throw new StreamError(
      "unknown-event",
      400,
      `Cannot use the event ${JSON.stringify(event.slice(0, 80))}: one of ${known} is wanted`,
    );
  }

  #register(data: unknown): void {
    const registration = Registration.safeParse(data).data;
    if (!registration) {
      const detail = 'Cannot register: {"rooms":[id,…]} is wanted as "data"';
      throw new StreamError("invalid-rooms", 400, detail);
    }
    for (const id of knownIds([...this.#rooms, ...registration.rooms])) {
      if (this.#rooms.has(id)) continue;
      this.#rooms.add(id);
      this.#sources.rooms.join(id, this);
    }
  }

  #steer(message: ClientMessage): void {
    if (message.type === "ping") return this.#socket.send(`{"type":"pong","serverTime":${Date.now()}}`);
    const windows = this.#windows, { type } = message;
    if (
      !windows || type === "ack" || type === "subscribe" || type === "unsubscribe" ||
      message.stream !== undefined
    ) {
      const detail = windows
        ? `This socket has one stream, and takes no ${type}`
        : "This socket has no stream: ?id= names videos";
      throw new StreamError("no-stream", 400, detail);
    }
    if (message.type === "speed") return windows.setSpeed(message.speed);
    if (message.type !== "seek") return windows.pause(message.type === "pause");
    if (message.start.kind === "id" && !this.#isOneSize) {
      const detail = "Cannot go to the place of one length: this socket has several";
      throw new StreamError("invalid-cursor", 400, detail);
    }
    windows.seek(message.start);
  }

  #tellError(code: string, detail: string): void {
    this.#socket.tell("error", { code, detail });
  }
}

/** @returns undefined for what is no JSON */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
