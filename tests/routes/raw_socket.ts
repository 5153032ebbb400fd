/** A TCP connection on which a test writes whatever it likes: HTTP that stalls, WebSocket frames that no library would send.
 *
 * Left out: fragmented answers, masks of answers (a server sends none).
 * @see {@link https://www.rfc-editor.org/rfc/rfc6455#section-5.2} for the frames
 * @module */
import { within } from "../eventually.ts";

/** A frame of the server. */
export interface SocketFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
}

export const textFrame = 1, binaryFrame = 2, closeFrame = 8, pingFrame = 9, pongFrame = 10;

/** An open connection. */
export class RawSocket implements Disposable {
  readonly #socket: Deno.TcpConn;
  #held = new Uint8Array(0);

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  static async open(port: number): Promise<RawSocket> {
    return new RawSocket(await Deno.connect({ port, hostname: "127.0.0.1" }));
  }

  /** Opens a WebSocket by hand.
   * @throws {Error} when the server does not upgrade */
  static async upgrade(port: number, path: string): Promise<RawSocket> {
    const raw = await RawSocket.open(port);
    const head = await raw.request(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    if (!head.startsWith("HTTP/1.1 101")) throw new Error(`Cannot upgrade: ${head}`);
    return raw;
  }

  /** Sends a request and reads the head of the answer. */
  async request(head: string): Promise<string> {
    await this.write(new TextEncoder().encode(head));
    let text = "";
    while (!text.endsWith("\r\n\r\n")) {
      const [byte] = await this.#take(1);
      text += String.fromCharCode(byte!);
    }
    return text;
  }

  /** Writes bytes as they are. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#socket.write(bytes.subarray(at));
  }

  /** Sends a frame, masked with zeros.
   * @param fin whether the message ends with it */
  async frame(opcode: number, payload: Uint8Array | string, fin = true): Promise<void> {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    const head = new Uint8Array(14), view = new DataView(head.buffer);
    head[0] = (fin ? 0x80 : 0) | opcode;
    head[1] = 0x80 | 127;
    view.setBigUint64(2, BigInt(bytes.length));
    await this.write(head);
    await this.write(bytes);
  }

  /** The next frame of the server; null at its end. */
  async next(timeoutMs = 30_000): Promise<SocketFrame | null> {
    return await within("a frame", timeoutMs, this.#frame());
  }

  /** Reads until the server closes.
   * @returns its close code, or null when it just left */
  async closeCode(timeoutMs = 30_000): Promise<number | null> {
    while (true) {
      const frame = await this.next(timeoutMs);
      if (frame === null) return null;
      if (frame.opcode === closeFrame) return (frame.payload[0]! << 8) | frame.payload[1]!;
    }
  }

  /** Whatever bytes come next; null at the end. */
  async chunk(): Promise<Uint8Array | null> {
    if (this.#held.length > 0) {
      const held = this.#held;
      this.#held = new Uint8Array(0);
      return held;
    }
    const bytes = new Uint8Array(64 * 1024);
    const count = await this.#socket.read(bytes);
    return count === null ? null : bytes.subarray(0, count);
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #frame(): Promise<SocketFrame | null> {
    try {
      const [first, second] = await this.#take(2);
      let length = second! & 0x7f;
      if (length === 126) length = new DataView((await this.#take(2)).buffer).getUint16(0);
      else if (length === 127) length = Number(new DataView((await this.#take(8)).buffer).getBigUint64(0));
      return { opcode: first! & 0x0f, payload: await this.#take(length) };
    } catch {
      return null;
    }
  }

  async #take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const chunk = new Uint8Array(64 * 1024);
    while (this.#held.length < count) {
      const read = await this.#socket.read(chunk);
      if (read === null) throw new Error("The connection ended");
      const joined = new Uint8Array(this.#held.length + read);
      joined.set(this.#held);
      joined.set(chunk.subarray(0, read), this.#held.length);
      this.#held = joined;
    }
    const taken = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    return taken;
  }
}
