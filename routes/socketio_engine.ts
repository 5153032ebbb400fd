/** The engine under Socket.IO on this service's own HTTP: requests in, answers out.
 *
 *     Request → answer() → engine.io (sessions, pings, upgrades) → Socket.IO (socketio_rooms.ts)
 *                 └ socketio_polling.ts, socketio_socket.ts: the bytes
 *
 * Sessions, heartbeats and upgrades are the package's, which is made for Node's HTTP; this replaces what it does with sockets. A session
 * counts as one connection, also while it has two transports. Left out: protocol 3 (clients of Socket.IO 2), WebTransport, cookies,
 * CORS and foreign pages (middleware.ts), who is refused for want of room (socketio.ts).
 * @see {@link https://socket.io/docs/v4/engine-io-protocol/}
 * @module */
import { type parser, Server, type Socket, type Transport } from "engine.io";
import { StreamError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { isJavaScript, withOffset } from "./socketio_javascript.ts";
import { PollingTransport } from "./socketio_polling.ts";
import { SocketTransport } from "./socketio_socket.ts";
import type { Connections } from "./streams.ts";

/** As engine.io has them. */
export type Packet = Parameters<typeof parser.encodePacket>[0];

/** What engine.io sees of a request, and keeps for the life of a session: nothing that its client could make long. */
export interface EngineRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connection: { readonly remoteAddress: string };
  readonly _query: Record<string, string>;
  /** It begins a session as socket.io-client does. */
  readonly isJavaScript: boolean;
  /** No CONNECT of the session had data. */
  isBare?: boolean;
  /** The socket it became. */
  socket?: WebSocket;
  /** What is answered to a poll. */
  answer?: Response;
}

/** How sessions are kept. */
export interface EngineOptions {
  /** Between two pings, and how long a client may take to answer one. */
  readonly heartbeatMs: number;
  /** Of one message, and of the body of a POST. */
  readonly maxPayloadBytes: number;
  readonly connections: Connections;
  readonly log: Pick<Logger, "error">;
}

/** Text that may wait for one client. Twelve thousand rooms whose windows of three lengths end together are less. */
const maxUnsentLength = 4 * 1024 * 1024;
/** Namespaces that a session may ask for; there is one. The package would make a client of each request for it. */
const maxConnects = 16;
/** By which a client is told to come back to another instance; it goes on by itself when it is cut off. */
export const byeEvent = "tailrace bye";
const connectPacket = "0";

/** All sessions. */
export class Engine extends Server {
  readonly #options: EngineOptions;

  constructor(options: EngineOptions) {
    const { heartbeatMs, maxPayloadBytes } = options;
    super({
      pingInterval: heartbeatMs,
      pingTimeout: heartbeatMs,
      maxHttpBufferSize: maxPayloadBytes,
      transports: ["polling", "websocket"],
    });
    this.#options = options;
    this.on("connection", (session: Socket) => this.#guard(session));
  }

  /** Answers a request: a handshake, a poll, a POST, or an upgrade.
   * @throws {StreamError} 413 `body-too-large`, 400 `bad-upgrade` */
  async answer(request: Request): Promise<Response> {
    const isUpgrade = request.headers.get("upgrade")?.toLowerCase() === "websocket";
    const asked = engineRequest(request);
    const refused = this.#refusal(asked, isUpgrade);
    if (refused) return refused;
    if (isUpgrade) return await this.#openSocket(request, asked);
    if (asked._query.sid === undefined) {
      await this.#handshake("polling", asked);
      return taken(asked);
    }
    if (asked.method === "GET") {
      this.#polling(asked)!.onRequest(asked);
      return taken(asked);
    }
    return await this.#post(request, this.#polling(asked)!);
  }

  protected override init(): void {
    // The package opens a WebSocket server of its own here.
  }

  protected override cleanup(): void {}

  protected override createTransport(name: string, request: unknown): Transport {
    const asked = request as EngineRequest, { socket } = asked;
    if (name === "polling") return new PollingTransport(asked);
    delete asked.socket;
    return new SocketTransport(asked, socket!, {
      maxLength: this.#options.maxPayloadBytes,
      onFailure: (error) => this.#options.log.error("a socket of Socket.IO failed", { error }),
    });
  }

  /** What is wrong with a request, by the protocol's codes. */
  #refusal(asked: EngineRequest, isUpgrade: boolean): Response | null {
    const { EIO, transport, sid } = asked._query, { errors } = Server;
    let code: number | undefined;
    this.verify(asked as never, isUpgrade, (error) => code = error);
    if (code !== undefined) return engineError(code);
    if (EIO !== "4") return engineError(errors.UNSUPPORTED_PROTOCOL_VERSION);
    if (isUpgrade !== (transport === "websocket")) return engineError(errors.BAD_REQUEST);
    if (sid === undefined) return null;
    const session = this.clients[sid]!;
    const canUpgrade = !session.upgrading && !session.upgraded && session.readyState === "open";
    const isAsItIs = asked.method === "GET" || asked.method === "POST";
    const isFine = this.#polling(asked) && (isUpgrade ? canUpgrade : isAsItIs);
    return isFine ? null : engineError(errors.BAD_REQUEST);
  }

  #polling({ _query: { sid } }: EngineRequest): PollingTransport | undefined {
    const transport = this.clients[sid!]?.transport;
    return transport instanceof PollingTransport ? transport : undefined;
  }

  async #handshake(transport: "polling" | "websocket", asked: EngineRequest): Promise<void> {
    await this.handshake(transport, asked as never, (code) => asked.answer = engineError(code!));
  }

  /** Nothing is waited for between the look at the session and its upgrade: two of them would race. */
  async #openSocket(request: Request, asked: EngineRequest): Promise<Response> {
    const { heartbeatMs } = this.#options, { sid } = asked._query;
    // The runtime's own pings, at half of it, are for clients that answer none of engine.io's and keep the connection.
    const { socket, response } = upgrade(request, Math.ceil(4 * heartbeatMs / 1000));
    asked.socket = socket;
    if (sid === undefined) await this.#handshake("websocket", asked);
    else this.clients[sid]!._maybeUpgrade(this.createTransport("websocket", asked));
    return response;
  }

  async #post(request: Request, transport: PollingTransport): Promise<Response> {
    const { maxPayloadBytes } = this.#options;
    const end = transport.beginPost();
    if (!end) return engineError(Server.errors.BAD_REQUEST);
    try {
      const body = await request.arrayBuffer();
      if (body.byteLength > maxPayloadBytes) {
        const detail = `The body is too long: at most ${maxPayloadBytes} bytes are read`;
        throw new StreamError("body-too-large", 413, detail);
      }
      transport.receive(new TextDecoder().decode(body));
    } finally {
      end();
    }
    return new Response("ok", { headers: { "content-type": "text/html", "cache-control": "no-store" } });
  }

  /** Counts a session, bounds what waits for it and how often it connects, and looks at how it does. */
  #guard(session: Socket): void {
    const leave = this.#options.connections.add(() => {
      session.emit(byeEvent);
      session.close(true);
    });
    session.once("close", () => {
      const { transport } = session;
      // A client that does not read keeps its connection after its session is over.
      if (transport instanceof SocketTransport) transport.closed.then(leave);
      else leave();
    });
    let unsent = 0, connects = 0;
    session.on("packetCreate", ({ data }: Packet) => {
      unsent += (data as string | undefined)?.length ?? 0;
      if (unsent > maxUnsentLength) session.close(true);
    });
    session.on("drain", () => unsent = 0);
    const asked = session.request as unknown as EngineRequest;
    session.on("packet", (packet: Packet) => {
      const { type, data } = packet as { type: string; data?: string };
      if (type !== "message" || !data?.startsWith(connectPacket)) return;
      if (++connects > maxConnects) return session.close(true);
      asked.isBare = data === connectPacket && asked.isBare !== false;
      packet.data = withOffset(data);
    });
  }
}

function engineRequest(request: Request): EngineRequest {
  const query = new URL(request.url).searchParams;
  const named = ["EIO", "transport", "sid"].flatMap((name) => {
    const value = query.get(name);
    return value ? [[name, value.slice(0, 64)]] : [];
  });
  return {
    method: request.method,
    url: "/socket.io/",
    headers: {},
    connection: { remoteAddress: "" },
    _query: Object.fromEntries(named),
    isJavaScript: !query.has("sid") && isJavaScript(request, query),
  };
}

/** Takes the answer from a request, which outlives it. */
function taken(asked: EngineRequest): Response {
  const { answer } = asked;
  delete asked.answer;
  return answer ?? engineError(Server.errors.BAD_REQUEST);
}

/** An error in the protocol's own form, which clients read. */
function engineError(code: number): Response {
  const message = (Server.errorMessages as Readonly<Record<number, string>>)[code] ?? "Bad request";
  return Response.json({ code, message }, { status: 400 });
}

function upgrade(request: Request, idleTimeout: number): Deno.WebSocketUpgrade {
  try {
    return Deno.upgradeWebSocket(request, { idleTimeout });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new StreamError("bad-upgrade", 400, `Cannot open a WebSocket: ${error.message}`, { cause: error });
  }
}
