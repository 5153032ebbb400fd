/** The connections of the broker: accepts them at its doors up to a limit, watches their times and the memory of their
 * answers, drains them.
 * @module */

import { Connection } from "./connection.ts";
import type { Door } from "./doors.ts";
import type { ServerLimits, SharedMemory } from "./limits.ts";
import type { BrokerLogger } from "./logger.ts";
import { Refusals } from "./refusals.ts";
import { RequestCounters } from "./request_counters.ts";
import type { Socket } from "./sockets.ts";

/** How often times are looked at, in milliseconds: a deadline is kept to within this. */
const WATCH_MS = 1000;
/** Pause after an accept that failed, in milliseconds, and of how many such in a row one is logged. */
const ACCEPT_PAUSE_MS = 100;
const ACCEPT_FAILURES_A_LINE = 100;

/** Serves the connections of all doors. */
export class Server {
  readonly counters = new RequestCounters();
  readonly refusals: Refusals;
  readonly #doors: readonly Door[];
  readonly #logger: BrokerLogger;
  readonly #limits: ServerLimits;
  readonly #connections = new Map<Door, Set<Connection>>();
  readonly #memory: SharedMemory;
  readonly #accepting: Promise<unknown>;
  readonly #watch: ReturnType<typeof setInterval>;
  #stopping = false;

  constructor(doors: readonly Door[], logger: BrokerLogger, limits: ServerLimits) {
    this.#doors = doors;
    this.#logger = logger;
    this.#limits = limits;
    this.refusals = new Refusals(logger);
    this.#memory = { held: 0, max: limits.maxHeldBytes };
    this.#accepting = Promise.all(doors.map((door) => this.#accept(door)));
    const leastMs = Math.min(WATCH_MS, limits.halfFrameMs, limits.setUpMs);
    this.#watch = setInterval(() => this.#checkTimes(), leastMs);
  }

  /** Connections open now. */
  get connections(): number {
    return this.#all().length;
  }

  /** Accepts no more, lets requests that are here be answered, then closes all.
   * @param release called once nothing new comes in: answers those who wait (long polls, joins)
   * @param timeoutMs how long answers may take to leave */
  async stop(release: () => void, timeoutMs: number): Promise<void> {
    this.#stopping = true;
    for (const { listener } of this.#doors) listener.close();
    clearInterval(this.#watch);
    await this.#accepting;
    for (const connection of this.#all()) connection.drain();
    release();
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline && !this.#all().every((connection) => connection.isQuiet)) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      release(); // what was queued behind a long poll may be another one
    }
    for (const connection of this.#all()) connection.close();
    while (this.connections > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    for (const { authenticator } of this.#doors) await authenticator?.directory.refresh();
  }

  #all(): Connection[] {
    return [...this.#connections.values()].flatMap((connections) => [...connections]);
  }

  async #accept(door: Door): Promise<void> {
    const connections = new Set<Connection>();
    this.#connections.set(door, connections);
    for (let failures = 0; !this.#stopping;) {
      try {
        this.#serve(await door.listener.accept(), door, connections);
        failures = 0;
      } catch (error) {
        if (this.#stopping) return;
        // Out of descriptors, or the client was gone before it was accepted: the others go on.
        const isLogged = failures++ % ACCEPT_FAILURES_A_LINE === 0;
        if (isLogged) this.#logger.warn("cannot accept a connection", { error });
        await new Promise((resolve) => setTimeout(resolve, ACCEPT_PAUSE_MS));
      }
    }
  }

  #serve(socket: Socket, { broker, authenticator }: Door, connections: Set<Connection>): void {
    const { counters, refusals } = this;
    const limits = this.#limits;
    if (connections.size >= limits.maxConnections && !giveUpOldestStranger(connections)) {
      const { hostname, port } = socket.remoteAddr;
      refusals.add("limit", `${hostname}:${port}`, `there are ${limits.maxConnections} connections`);
      socket.close();
      return;
    }
    const context = { broker, limits, counters, memory: this.#memory, refusals, authenticator };
    const connection = new Connection(socket, context);
    connections.add(connection);
    connection.run().finally(() => connections.delete(connection));
  }

  #checkTimes(): void {
    const nowMs = performance.now();
    for (const { authenticator } of this.#doors) void authenticator?.directory.refresh();
    const all = this.#all();
    for (const connection of all) connection.checkTimes(nowMs);
    this.#shed(all, nowMs);
    this.refusals.flush();
  }

  /** Gives up clients that do not read their answers, those with most first, while answers take too much memory. */
  #shed(all: readonly Connection[], nowMs: number): void {
    let excess = -this.#limits.maxUnsentBytes;
    for (const { unsentBytes } of all) excess += unsentBytes;
    if (excess <= 0) return;
    const stalled = all.filter((connection) => connection.isStalled(nowMs));
    for (const connection of stalled.sort((a, b) => b.unsentBytes - a.unsentBytes)) {
      if (excess <= 0) return;
      const { unsentBytes } = connection;
      connection.giveUp(`${unsentBytes} bytes of answers are not read while memory is short`);
      excess -= unsentBytes;
    }
  }
}

/** Makes room by closing the connection that has been without a login for longest: who floods a broker with them must
 * not keep out those who can log in.
 * @returns whether there was one */
function giveUpOldestStranger(connections: Set<Connection>): boolean {
  for (const connection of connections) {
    if (!connection.isEarly) continue;
    connection.giveUp("there are too many connections, and this one had no login yet");
    connections.delete(connection);
    return true;
  }
  return false;
}
