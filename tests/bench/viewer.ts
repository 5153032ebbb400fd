/** Viewers of a stream as plain TCP sockets, read as fast, as slowly or as little as a benchmark wants. @module */
import { connect } from "./wire.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** A masked pong without data. */
const pong = new Uint8Array([0x8a, 0x80, 0, 0, 0, 0]);

/** What to open. */
export interface ViewerOptions {
  readonly port: number;
  readonly transport: "websocket" | "sse";
  readonly topic: string;
  readonly cursor?: string;
  /** Sent as `Last-Event-ID`, or as the cursor of a WebSocket. */
  readonly id?: string | undefined;
}

/** One connection. Nothing is read until somebody does. */
export class RawViewer {
  readonly connection: Deno.TcpConn;
  isClosed = false;

  private constructor(connection: Deno.TcpConn) {
    this.connection = connection;
  }

  static async open(options: ViewerOptions): Promise<RawViewer> {
    const connection = await connect(options.port);
    await connection.write(encoder.encode(requestOf(options)));
    return new RawViewer(connection);
  }

  /** Reads on until it is closed, from either side; answers pings.
   * @param buffer its size bounds one read
   * @param pause awaited between two reads */
  async read(
    buffer: Uint8Array,
    onBytes: (bytes: Uint8Array) => void,
    pause?: () => Promise<unknown> | undefined,
  ): Promise<void> {
    try {
      for (;;) {
        const n = await this.connection.read(buffer);
        if (n === null) break;
        const bytes = buffer.subarray(0, n);
        if (hasPing(bytes)) await this.connection.write(pong);
        onBytes(bytes);
        const waiting = pause?.();
        if (waiting) await waiting;
      }
    } catch {
      // it was cut
    }
    this.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.connection.close();
  }
}

/** Text of a stream, whose last line may not be whole. */
export class Lines {
  #rest = "";

  /** The lines that are whole now. */
  take(bytes: Uint8Array): string {
    const text = this.#rest + decoder.decode(bytes);
    const end = text.lastIndexOf("}") + 1;
    this.#rest = text.slice(end);
    return text.slice(0, end);
  }
}

/** Offsets of one partition as they come: each has to be one more than the last. */
export class Offsets {
  #lines = new Lines();
  next = 0;
  first: number | undefined;
  /** Times when one was not. */
  breaks = 0;

  /** Another connection: what was cut is left out. */
  reconnected(): void {
    this.#lines = new Lines();
  }

  take(bytes: Uint8Array): void {
    for (const [, offset] of this.#lines.take(bytes).matchAll(/"partition":0,"offset":(\d+)/g)) {
      const found = Number(offset);
      this.first ??= found;
      if (found !== this.next && found !== this.first) this.breaks++;
      this.next = found + 1;
    }
  }
}

/** A ping has no data here; a text cannot hold its first byte. */
function hasPing(bytes: Uint8Array): boolean {
  const at = bytes.indexOf(0x89);
  return at >= 0 && (bytes[at + 1] ?? 0) === 0;
}

function requestOf({ topic, transport, cursor, id }: ViewerOptions): string {
  const host = "host: 127.0.0.1\r\n";
  if (transport === "sse") {
    const lastEventId = id === undefined ? "" : `last-event-id: ${id}\r\n`;
    return `GET /geo/${topic}/events?cursor=${cursor ?? "latest"} HTTP/1.1\r\n${host}${lastEventId}\r\n`;
  }
  const upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
  const key = "sec-websocket-key: dGVzdHMgb2YgdGFpbHJhY2U=\r\n";
  const query = encodeURIComponent(id ?? cursor ?? "latest");
  return `GET /geo/${topic}/socket?cursor=${query} HTTP/1.1\r\n${host}${upgrade}${key}\r\n`;
}
