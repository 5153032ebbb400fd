/** Finished windows over Socket.IO: who registered which ids and wants which sizes, and what they are sent.
 *
 *     register_room {rooms: [id, …]}        consume_1_min_aggregations, …     →  a room for each size and id
 *     Aggregations.finished → the room of its size and id → live_aggregations_1 {id, count}, …
 *
 * Both calls may come in either order and more than once. Whoever asks for an acknowledgement gets `{rooms}`, how many ids are registered,
 * or `{error, detail}`; a call that is refused without one is answered by the event `refused`. Left out: leaving rooms, other namespaces
 * than `/`, open windows (aggregation_events.ts and aggregation_socket.ts have those).
 * @module */
import { type Namespace, Server, type Socket } from "socket.io";
import { z } from "zod";
import type { Aggregations, WindowCount } from "../kafka/processors/windows/types.ts";
import { consumeEvent, idRule, isVideoId, liveEvent, type WindowSize } from "../kafka/windows.ts";
import { byeEvent, Engine, type EngineOptions, type EngineRequest } from "./socketio_engine.ts";
import { takesNumbers } from "./socketio_javascript.ts";
import { dataOf, RecoveringAdapter, recoverWithinMs } from "./socketio_recovery.ts";

/** Ids that one client may register, and rooms in which all clients together may be, one for each size and id. */
const maxIds = 10_000, maxPlaces = 500_000;
/** How long a client may take to say anything, ms. */
const connectTimeoutMs = 10_000;

const Registration = z.object({ rooms: z.array(z.string()).max(maxIds) });

/** A call that is refused: what its caller is told. */
interface Refusal {
  readonly error: string;
  readonly detail: string;
}
type Answer = Refusal | Readonly<Record<string, unknown>>;

/** What they are told of, and how their sessions are kept. */
export interface SocketRoomsOptions extends EngineOptions {
  readonly aggregations: Aggregations;
}

/** All clients of Socket.IO. */
export class SocketRooms {
  readonly engine: Engine;
  readonly #options: SocketRoomsOptions;
  readonly #namespace: Namespace;
  readonly #sizes: readonly WindowSize[];
  #places = 0;

  constructor(options: SocketRoomsOptions) {
    this.#options = options;
    this.#sizes = options.aggregations.sizes;
    const io = new Server({
      serveClient: false,
      connectTimeout: connectTimeoutMs,
      adapter: RecoveringAdapter,
      connectionStateRecovery: { maxDisconnectionDuration: recoverWithinMs, skipMiddlewares: true },
    });
    this.engine = new Engine(options);
    io.bind(this.engine as never);
    this.#namespace = io.of("/");
    this.#namespace.on("connection", (socket) => this.#welcome(socket));
    options.aggregations.listen({
      wants: (id) => this.#sizes.some((size) => this.#rooms.isWanted(roomOf(size.name, id))),
      finished: (window, size, isFirst) => isFirst && this.#tell(window, size),
      changed() {},
    });
  }

  get #rooms(): RecoveringAdapter {
    return this.#namespace.adapter as RecoveringAdapter;
  }

  #tell({ video_uid: id, count }: WindowCount, size: WindowSize): void {
    const room = roomOf(size.name, id);
    if (count > 0 && this.#rooms.isWanted(room)) {
      this.#namespace.to(room).emit(liveEvent(size), { id, count });
    }
  }

  #welcome(socket: Socket): void {
    const { auth } = socket.handshake, asked = socket.request as unknown as EngineRequest;
    // What a client says of itself is as long as it likes, and would be kept as long as it stays.
    Object.assign(socket.handshake, { auth: {} });
    this.#rooms.welcome(socket, () => takesNumbers(asked, auth));
    let places = placesOf(socket);
    this.#places += places;
    const on = (event: string, act: (data: unknown) => Answer) =>
      socket.on(event, (...args: unknown[]) => {
        answer(socket, event, args, () => this.#guarded(() => act(args[0])));
        this.#places += placesOf(socket) - places;
        places = placesOf(socket);
      });
    on("register_room", (data) => this.#register(socket, data));
    for (const size of this.#sizes) on(consumeEvent(size), () => this.#consume(socket, size));
    socket.once("disconnect", () => void (this.#places -= places));
    socket.conn.once(byeEvent as never, () => socket.emit("bye", { reason: "draining" }));
  }

  #register(socket: Socket, data: unknown): Answer {
    const asked = Registration.safeParse(data);
    if (!asked.success) {
      const wanted = `{"rooms": [id, …]} with at most ${maxIds} ids is wanted`;
      return refusal("invalid-registration", `Cannot register rooms: ${wanted}`);
    }
    const { ids, sizes } = dataOf(socket), { rooms } = asked.data;
    const wrong = rooms.findIndex((id) => !isVideoId(id));
    if (wrong >= 0) {
      const found = JSON.stringify(rooms[wrong]!.slice(0, 80));
      return refusal("invalid-id", `Cannot register ${found}: ${idRule} are wanted`);
    }
    const added = [...new Set(rooms)].filter((id) => !ids.has(id));
    if (ids.size + added.length > maxIds) {
      return refusal(
        "too-many-rooms",
        `Cannot register ${ids.size + added.length} ids: at most ${maxIds} may be`,
      );
    }
    return this.#join(socket, added, [...sizes]) ??
      { rooms: added.reduce((all, id) => all.add(id), ids).size };
  }

  #consume(socket: Socket, size: WindowSize): Answer {
    const { ids, sizes } = dataOf(socket), { name } = size;
    const refused = sizes.has(name) ? null : this.#join(socket, [...ids], [name]);
    if (refused) return refused;
    sizes.add(name);
    return { rooms: ids.size, event: liveEvent(size) };
  }

  #join(socket: Socket, ids: readonly string[], sizes: readonly string[]): Refusal | null {
    if (this.#places + ids.length * sizes.length > maxPlaces) {
      return refusal("rooms-full", "Cannot register more rooms: the clients together have as many as may be");
    }
    socket.join(sizes.flatMap((size) => ids.map((id) => roomOf(size, id))));
    return null;
  }

  #guarded(act: () => Answer): Answer {
    try {
      return act();
    } catch (error) {
      this.#options.log.error("a call over Socket.IO failed", { error });
      return refusal("internal", "Something failed here");
    }
  }
}

/** No id of a socket has a space in it. */
function roomOf(size: string, id: string): string {
  return `${size} ${id}`;
}

function placesOf(socket: Socket): number {
  const { ids, sizes } = dataOf(socket);
  return ids.size * sizes.size;
}

function refusal(error: string, detail: string): Refusal {
  return { error, detail };
}

/** Tells the caller, in the way it asked for. */
function answer(socket: Socket, event: string, args: readonly unknown[], act: () => Answer): void {
  const acknowledge = args.at(-1), told = act();
  if (typeof acknowledge === "function") acknowledge(told);
  else if ("error" in told) socket.emit("refused", { event, ...told });
}
