/** Socket.IO on a port of its own with windows that a test closes by hand, and clients as its users write them.
 *
 * The frame around the routes is the real one. Left out: Kafka (tests/interop/socketio_clients_test.ts has all of it).
 * @module */
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import type { Hub } from "../../kafka/hub.ts";
import type {
  Aggregations,
  IdWindows,
  WindowListener,
  WindowStatus,
} from "../../kafka/processors/windows/types.ts";
import { readWindowSize, type WindowSize } from "../../kafka/windows.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { shell } from "../../routes/shell.ts";
import { socketIoRoutes } from "../../routes/socketio.ts";
import { Connections } from "../../routes/streams.ts";
import { eventually, pause } from "../eventually.ts";

const turnsToRead = 20;

/** Windows that come about when a test says so. */
export class ClosedByHand implements Aggregations {
  readonly loaded = Promise.resolve();
  readonly #listeners = new Set<WindowListener>();

  constructor(readonly sizes: readonly WindowSize[]) {}

  /** Closes a window of an id.
   * @param size by its name */
  close(size: string, id: string, count: number, isFirst = true): void {
    const found = this.sizes.find(({ name }) => name === size)!;
    const bounds = { window_start: 0, window_end: found.ms };
    const window = { type: found.type, video_uid: id, count, ...bounds, late: 0, final: true };
    for (const listener of this.#listeners) listener.finished(window, found, isFirst);
  }

  /** Whether somebody wants to be told of an id. */
  isWanted(id: string): boolean {
    return [...this.#listeners].some((one) => one.wants?.(id) ?? true);
  }

  of(): readonly IdWindows[] {
    return [];
  }

  ids(): readonly string[] {
    return [];
  }

  status(): WindowStatus {
    throw new Error("Nobody asks for it here");
  }

  listen(listener: WindowListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** What a test may set. */
export interface SocketIoGroundOptions {
  readonly heartbeatMs?: number;
  readonly maxConnections?: number;
  readonly maxBodyBytes?: number;
  readonly corsOrigins?: readonly string[];
  readonly sizes?: readonly string[];
  readonly port?: number;
}

/** Clients that a test opened, and the service they talk to. */
export class SocketIoGround implements AsyncDisposable {
  readonly windows: ClosedByHand;
  readonly connections = new Connections();
  readonly #hub = { isDraining: false };
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #clients: TestClient[] = [];

  constructor(options: SocketIoGroundOptions = {}) {
    const { sizes = ["1m", "5m", "10m"], port = 0, ...settings } = options;
    const windows = this.windows = new ClosedByHand(sizes.map((size) => readWindowSize(size)!));
    const config = {
      heartbeatMs: 15_000,
      maxConnections: 1_000,
      maxBodyBytes: 1024 * 1024,
      corsOrigins: [],
      tileUrl: null,
      ...settings,
    };
    const frame = { config, log: silentLogger, metrics: createMetrics("test") };
    const deps = { ...frame, hub: this.#hub as Hub, connections: this.connections, aggregations: windows };
    const app = shell(frame, [socketIoRoutes(deps)]);
    this.#server = Deno.serve(
      { port, hostname: "127.0.0.1", onListen() {}, onError: () => new Response(null, { status: 500 }) },
      (request) => app.fetch(request),
    );
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** A client that keeps what it is sent. */
  client(options: Partial<ManagerOptions & SocketOptions> = {}): TestClient {
    const socket = io(this.url, {
      forceNew: true,
      reconnectionDelay: 10,
      reconnectionDelayMax: 50,
      ...options,
    });
    const client = new TestClient(socket);
    this.#clients.push(client);
    return client;
  }

  /** The next ones are refused, those that are there are told to go. */
  drain(): void {
    this.#hub.isDraining = true;
    this.connections.drain();
  }

  /** Ends the service; its clients go on looking for one. */
  async end(): Promise<void> {
    this.drain();
    await this.#server.shutdown();
    await eventually("no connection", () => this.connections.size === 0);
    // All answers are at this process's own sockets; the clients' XMLHttpRequest tells of them in timers of 0 ms, some turns later.
    for (let turn = 0; turn < turnsToRead; turn++) await pause(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
    await this.end();
  }
}

/** A client and what it was sent. */
export class TestClient {
  /** Events with their data. */
  readonly told: [event: string, data: unknown][] = [];

  constructor(readonly socket: Socket) {
    socket.onAny((event, data) => void this.told.push([event, data]));
  }

  async connected(): Promise<this> {
    await eventually("a connection", () => this.socket.connected);
    return this;
  }

  /** Name of the transport it has now. */
  get transport(): string | undefined {
    return this.socket.io.engine?.transport.name;
  }

  /** Calls the service.
   * @returns its acknowledgement */
  call(event: string, ...data: unknown[]): Promise<unknown> {
    return this.socket.timeout(30_000).emitWithAck(event, ...data);
  }

  /** Registers ids and asks for sizes, by the names of their calls. */
  async wants(rooms: readonly string[], ...sizes: string[]): Promise<void> {
    await this.call("register_room", { rooms });
    for (const size of sizes) await this.call(`consume_${size}_aggregations`, {});
  }

  /** Waits for so many events. */
  async has(count: number): Promise<[string, unknown][]> {
    await eventually(`${count} events`, () => this.told.length >= count, 30_000, () => this.told);
    return this.told;
  }

  /** Ends it, and waits until its library has ended everything that it began. */
  async end(): Promise<void> {
    const { engine } = this.socket.io;
    this.socket.disconnect();
    if (engine) await eventually("the client to end", () => engine.readyState === "closed");
  }
}
