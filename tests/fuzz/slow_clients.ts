/** Clients that hold on to what a broker has too little of: half frames, a byte now and then, answers never read, and
 * connections that say nothing at all. @module */
import { pause } from "../eventually.ts";
import { requestFrame } from "../protocol/codec.ts";
import { schemaOf } from "../protocol/schema.ts";

/** How many of each kind. */
export interface SlowOptions {
  readonly port: number;
  /** The beginning of a frame, then nothing. */
  readonly half: number;
  /** One byte a second. */
  readonly dripping: number;
  /** Requests for big answers, pipelined, never read. */
  readonly deaf: number;
  /** Connected and silent. */
  readonly idle: number;
}

/** A topic whose records make the answers big; with 1 MB at least. */
export const bigTopic = "big";

/** All of them; they stay until they are disposed of. */
export class SlowClients implements AsyncDisposable {
  /** Connections that the broker has closed. */
  closed = 0;
  readonly #conns: Deno.TcpConn[] = [];
  readonly #working: Promise<unknown>[] = [];
  #stopped = false;

  static async open(options: SlowOptions): Promise<SlowClients> {
    const clients = new SlowClients();
    const { half, dripping, deaf, idle } = options;
    const kinds = [
      [idle, (conn: Deno.TcpConn) => clients.#watch(conn)],
      [half, (conn: Deno.TcpConn) => clients.#half(conn)],
      [dripping, (conn: Deno.TcpConn) => clients.#drip(conn)],
      [deaf, (conn: Deno.TcpConn) => clients.#ask(conn)],
    ] as const;
    for (const [count, work] of kinds) {
      for (let n = 0; n < count; n++) {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port: options.port });
        clients.#conns.push(conn);
        clients.#working.push(work(conn).catch(() => clients.closed++));
      }
    }
    return clients;
  }

  get open(): number {
    return this.#conns.length - this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    for (const conn of this.#conns) {
      try {
        conn.close();
      } catch { /* closed by the broker */ }
    }
    await Promise.all(this.#working);
  }

  /** Resolves when the broker closes it. */
  async #watch(conn: Deno.TcpConn): Promise<void> {
    while (await conn.read(new Uint8Array(1024)) !== null);
    this.closed++;
  }

  async #half(conn: Deno.TcpConn): Promise<void> {
    await conn.write(Uint8Array.fromHex("00ffffff" + "0003000c"));
    await this.#watch(conn);
  }

  async #drip(conn: Deno.TcpConn): Promise<void> {
    const frame = requestFrame(schemaOf(3), 1, 1, "drip", { topics: null });
    for (let n = 0; !this.#stopped; n = (n + 1) % frame.length) {
      await conn.write(frame.subarray(n, n + 1));
      await pause(1000);
    }
  }

  async #ask(conn: Deno.TcpConn): Promise<void> {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 2 ** 31 - 1 }];
    const request = { maxWaitMs: 0, topics: [{ topic: bigTopic, partitions }] };
    while (!this.#stopped) await conn.write(requestFrame(schemaOf(1), 4, 1, "deaf", request));
  }
}
