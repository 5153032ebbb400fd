/** The listening socket of the broker and its connections: accepts up to a limit, watches their times, drains them.
 * @module */

import type { BrokerState } from "./apis/mod.ts";
import { Connection, type ConnectionLimits, type SharedMemory } from "./connection.ts";
import { RequestCounters } from "./request_counters.ts";

/** What the connections of a broker may take together and each. */
export interface ServerLimits extends ConnectionLimits {
  /** Connections at once; a further one is closed as soon as it is accepted. */
  readonly maxConnections: number;
  /** Memory of all connections for requests that are not whole or not answered yet, in bytes. */
  readonly maxHeldBytes: number;
}

/** How often times are looked at, in milliseconds: a deadline is kept to within this. */
const WATCH_MS = 1000;
/** Least time between two lines about refused connections, in milliseconds. */
const REFUSED_LINE_MS = 10_000;

/** Opens the listening socket.
 * @throws {Error} one line: the port is taken, or the address is not one of this machine */
export function listen(host: string, port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: host, port });
  } catch (error) {
    const why = error instanceof Deno.errors.AddrInUse
      ? "the port is taken"
      : error instanceof Error
      ? error.message
      : String(error);
    throw new Error(`Cannot listen on ${host}:${port} for Kafka clients as ${why}`, { cause: error });
  }
}

/** Serves the connections of one listener. */
export class Server {
  readonly counters = new RequestCounters();
  /** Connections closed for want of room, since the start. */
  refused = 0;
  readonly #listener: Deno.TcpListener;
  readonly #broker: BrokerState;
  readonly #limits: ServerLimits;
  readonly #connections = new Set<Connection>();
  readonly #memory: SharedMemory;
  readonly #accepting: Promise<void>;
  readonly #watch: ReturnType<typeof setInterval>;
  #stopping = false;
  #refusedLineMs = -Infinity;

  constructor(listener: Deno.TcpListener, broker: BrokerState, limits: ServerLimits) {
    this.#listener = listener;
    this.#broker = broker;
    this.#limits = limits;
    this.#memory = { held: 0, max: limits.maxHeldBytes };
    this.#accepting = this.#accept();
    this.#watch = setInterval(() => this.#checkTimes(), Math.min(WATCH_MS, limits.halfFrameMs));
  }

  /** Connections open now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Accepts no more, lets requests that are here be answered, then closes all.
   * @param release called once nothing new comes in: answers those who wait (long polls, joins)
   * @param timeoutMs how long answers may take to leave */
  async stop(release: () => void, timeoutMs: number): Promise<void> {
    this.#stopping = true;
    this.#listener.close();
    clearInterval(this.#watch);
    await this.#accepting;
    for (const connection of this.#connections) connection.drain();
    release();
    const deadline = performance.now() + timeoutMs;
    while (
      performance.now() < deadline && ![...this.#connections].every((connection) => connection.isQuiet)
    ) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      release(); // what was queued behind a long poll may be another one
    }
    for (const connection of [...this.#connections]) connection.close();
    while (this.#connections.size > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  async #accept(): Promise<void> {
    while (!this.#stopping) {
      try {
        this.#serve(await this.#listener.accept());
      } catch (error) {
        if (this.#stopping) return;
        // Out of descriptors, or the client was gone before it was accepted: the others go on.
        this.#broker.logger.warn("cannot accept a connection", { error });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  #serve(conn: Deno.TcpConn): void {
    if (this.#connections.size >= this.#limits.maxConnections) {
      conn.close();
      this.refused += 1;
      this.#logRefused();
      return;
    }
    const connection = new Connection(conn, {
      broker: this.#broker,
      limits: this.#limits,
      counters: this.counters,
      memory: this.#memory,
    });
    this.#connections.add(connection);
    connection.run().finally(() => this.#connections.delete(connection));
  }

  #checkTimes(): void {
    const nowMs = performance.now();
    for (const connection of this.#connections) connection.checkTimes(nowMs);
  }

  #logRefused(): void {
    const nowMs = performance.now();
    if (nowMs - this.#refusedLineMs < REFUSED_LINE_MS) return;
    this.#refusedLineMs = nowMs;
    const { maxConnections } = this.#limits;
    this.#broker.logger.warn("connections refused as there are too many", {
      maxConnections,
      refused: this.refused,
    });
  }
}
