/** A client's connection to the real service, byte by byte: SSE or WebSocket over a TCP socket that is read when there is room, and
 * cut wherever it is.
 *
 * It is written against the standards, with no library that would hide a broken frame. Left out: TLS, compression.
 * @see {@link https://www.rfc-editor.org/rfc/rfc9112#section-7.1} for chunks
 * @see {@link https://www.rfc-editor.org/rfc/rfc6455#section-5.2} for frames
 * @module */
import { pause } from "../eventually.ts";
import type { Asked, Told } from "./account.ts";
import type { Line, Listener } from "./client.ts";
import { parseJsonEvents, SseParser } from "./wires.ts";

/** Where to connect, and how it is read. */
export interface WireOptions {
  /** Asked at each attempt: a service that was restarted may be elsewhere. */
  readonly port: () => number;
  readonly path: string;
  readonly wire: "sse" | "websocket";
  readonly lastEventId: string | null;
  /** Reads that it begins with. */
  readonly reads: number;
  /** Bytes of one read. */
  readonly readBytes: number;
}

const retryMs = 20;
const encoder = new TextEncoder();

/** One connection; it waits for a service that is on its way up. */
export class WireLine implements Line {
  readonly #options: WireOptions;
  readonly #listener: Listener;
  readonly #running: Promise<void>;
  #conn: Deno.TcpConn | undefined;
  #closed = false;
  #reads: number;
  #wake = () => {};

  constructor(options: WireOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
    this.#reads = options.reads;
    this.#running = this.#run();
  }

  give(writes: number): void {
    this.#reads = writes;
    this.#wake();
  }

  /** By a message, so on a WebSocket alone. */
  seek({ id, cursor }: Asked): boolean {
    const conn = this.#conn;
    if (!conn || this.#options.wire !== "websocket") return false;
    const text = id ?? (typeof cursor === "string" ? cursor : `t.${cursor.ms}`);
    void writeAll(conn, frame(1, encoder.encode(JSON.stringify({ type: "seek", cursor: text })))).catch(
      () => {},
    );
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    close(this.#conn);
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const conn = await this.#connect();
    if (!conn) return;
    let reason = "lost";
    try {
      reason = await this.#read(conn);
    } catch (error) {
      if (!(error instanceof ConnectionEnd) && !(error instanceof Deno.errors.Http)) reason = String(error);
    } finally {
      close(conn);
    }
    if (!this.#closed) this.#listener.ended(reason);
  }

  async #connect(): Promise<Deno.TcpConn | undefined> {
    while (!this.#closed) {
      try {
        const conn = await Deno.connect({ hostname: "127.0.0.1", port: this.#options.port() });
        if (this.#closed) return void close(conn);
        return this.#conn = conn;
      } catch {
        await pause(retryMs);
      }
    }
    return undefined;
  }

  async #read(conn: Deno.TcpConn): Promise<string> {
    const { path, wire, lastEventId } = this.#options;
    const bytes = new Bytes(() => this.#chunk(conn));
    const upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const last = lastEventId === null ? "" : `Last-Event-ID: ${lastEventId}\r\n`;
    const more = wire === "sse" ? `Accept: text/event-stream\r\n${last}` : upgrade;
    await writeAll(conn, encoder.encode(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`));
    const head = await bytes.line("\r\n\r\n");
    const status = Number(head.split(" ")[1]);
    if (status !== (wire === "sse" ? 200 : 101)) return `status ${status}`;
    return wire === "sse" ? await this.#events(bytes) : await this.#messages(conn, bytes);
  }

  async #events(bytes: Bytes): Promise<string> {
    const parser = new SseParser(), decoder = new TextDecoder();
    while (true) {
      const size = parseInt(await bytes.line("\r\n"), 16);
      if (size === 0) return "done";
      for (let left = size; left > 0;) {
        const some = await bytes.some(left);
        left -= some.length;
        this.#tell(parser.take(decoder.decode(some, { stream: true })));
      }
      await bytes.exactly(2);
    }
  }

  async #messages(conn: Deno.TcpConn, bytes: Bytes): Promise<string> {
    let message = "";
    const decoder = new TextDecoder();
    while (true) {
      const [first, second] = await bytes.exactly(2) as unknown as [number, number];
      let length = second & 0x7f;
      if (length === 126) length = view(await bytes.exactly(2)).getUint16(0);
      else if (length === 127) length = Number(view(await bytes.exactly(8)).getBigUint64(0));
      const payload = await bytes.exactly(length);
      const opcode = first & 0x0f;
      if (opcode === 8) return `closed ${payload.length >= 2 ? view(payload).getUint16(0) : 1005}`;
      if (opcode === 9) await writeAll(conn, frame(10, payload));
      if (opcode > 1) continue;
      message += decoder.decode(payload, { stream: true });
      if ((first & 0x80) === 0) continue;
      this.#tell(parseJsonEvents(message));
      message = "";
    }
  }

  #tell(events: readonly Told[]): void {
    if (!this.#closed && events.length > 0) this.#listener.told(events);
  }

  /** Whatever comes next, once there is room for it. */
  async #chunk(conn: Deno.TcpConn): Promise<Uint8Array> {
    while (this.#reads <= 0 && !this.#closed) {
      await new Promise<void>((go) => this.#wake = go);
    }
    this.#reads--;
    const chunk = new Uint8Array(this.#options.readBytes);
    const count = await conn.read(chunk).catch(() => null);
    if (count === null || this.#closed) throw new ConnectionEnd();
    return chunk.subarray(0, count);
  }
}

class ConnectionEnd extends Error {}

/** Bytes that come in chunks. */
class Bytes {
  #held = new Uint8Array(0);
  readonly #next: () => Promise<Uint8Array>;

  constructor(next: () => Promise<Uint8Array>) {
    this.#next = next;
  }

  /** At least one byte, at most `most`. */
  async some(most: number): Promise<Uint8Array> {
    if (this.#held.length === 0) await this.#more();
    const some = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(some.length);
    return some;
  }

  async exactly(count: number): Promise<Uint8Array> {
    while (this.#held.length < count) await this.#more();
    return await (count === 0 ? Promise.resolve(new Uint8Array(0)) : this.some(count));
  }

  /** Text up to `end`, which is taken too. */
  async line(end: string): Promise<string> {
    let text = "";
    while (!text.endsWith(end)) text += String.fromCharCode((await this.exactly(1))[0]!);
    return text.slice(0, -end.length);
  }

  async #more(): Promise<void> {
    const chunk = await this.#next();
    const joined = new Uint8Array(this.#held.length + chunk.length);
    joined.set(this.#held);
    joined.set(chunk, this.#held.length);
    this.#held = joined;
  }
}

/** A client's frame, masked with zeros. */
function frame(opcode: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(14 + payload.length);
  bytes[0] = 0x80 | opcode;
  bytes[1] = 0x80 | 127;
  new DataView(bytes.buffer).setBigUint64(2, BigInt(payload.length));
  bytes.set(payload, 14);
  return bytes;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

function close(conn: Deno.TcpConn | undefined): void {
  try {
    conn?.close();
  } catch {
    // Closed already.
  }
}
