/** A Kafka client of bytes: frames in hex out, frames in hex back, over a real socket. Knows the two headers and
 * nothing else, so a mistake of the broker's reader or writer is not made twice. @module */

import { within } from "../../eventually.ts";

const text = new TextEncoder();

/** One request: its header fields, and its body in hex. */
export interface RawRequest {
  readonly key: number;
  readonly version: number;
  readonly body: string;
  /** Whether header and answer header have tagged fields. */
  readonly flexible?: boolean;
}

/** A socket to a broker. */
export class RawClient implements Disposable {
  readonly #conn: Deno.TcpConn | Deno.TlsConn;
  #buffered = new Uint8Array(0);
  #correlationId = 0;

  private constructor(conn: Deno.TcpConn | Deno.TlsConn) {
    this.#conn = conn;
  }

  /** @param caCert PEM of who signed the broker's certificate: then it speaks TLS */
  static async connect(port: number, caCert?: string): Promise<RawClient> {
    const hostname = "127.0.0.1";
    if (caCert === undefined) return new RawClient(await Deno.connect({ hostname, port }));
    const conn = await Deno.connectTls({ hostname, port, caCerts: [caCert] });
    try {
      await conn.handshake();
      return new RawClient(conn);
    } catch (error) {
      conn.close();
      throw error;
    }
  }

  /** Sends a request and returns the body of its answer in hex. */
  async ask(request: RawRequest): Promise<string> {
    await this.send(request);
    return await this.answer(request.flexible === true && request.key !== 18);
  }

  /** Sends a request; the client id is "t". */
  async send(request: RawRequest): Promise<void> {
    await this.write(frameOf(request, ++this.#correlationId));
  }

  /** The body of the next answer in hex; checks that it belongs to the oldest open request.
   * @param tagged whether its header has tagged fields */
  async answer(tagged = false, correlationId = this.#correlationId): Promise<string> {
    const frame = await this.frame();
    if (frame === null) throw new Error("The broker closed the connection");
    const found = new DataView(frame.buffer, frame.byteOffset).getInt32(0);
    if (found !== correlationId) throw new Error(`Expected the answer to ${correlationId}: found ${found}`);
    if (tagged && frame[4] !== 0) throw new Error(`Expected no tagged fields: found ${frame[4]}`);
    return frame.subarray(tagged ? 5 : 4).toHex();
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.byteLength;) sent += await this.#conn.write(bytes.subarray(sent));
  }

  /** The next frame without its length, or null when the broker closed. */
  async frame(): Promise<Uint8Array<ArrayBuffer> | null> {
    const head = await this.#take(4);
    if (head === null) return null;
    return await this.#take(new DataView(head.buffer, head.byteOffset).getInt32(0));
  }

  /** Resolves when the broker has closed the connection, having sent nothing more. */
  async closed(): Promise<void> {
    const frame = await within("the broker to close the connection", 30_000, this.frame());
    if (frame !== null) throw new Error(`Expected the end of the connection: found ${frame.toHex()}`);
  }

  [Symbol.dispose](): void {
    try {
      this.#conn.close();
    } catch { /* closed already */ }
  }

  async #take(length: number): Promise<Uint8Array<ArrayBuffer> | null> {
    while (this.#buffered.byteLength < length) {
      const chunk = new Uint8Array(256 * 1024);
      const read = await this.#conn.read(chunk).catch((error) => {
        if (error instanceof Deno.errors.ConnectionReset) return null;
        throw error;
      });
      if (read === null) return null;
      const joined = new Uint8Array(this.#buffered.byteLength + read);
      joined.set(this.#buffered);
      joined.set(chunk.subarray(0, read), this.#buffered.byteLength);
      this.#buffered = joined;
    }
    const taken = this.#buffered.slice(0, length);
    this.#buffered = this.#buffered.slice(length);
    return taken;
  }
}

/** A whole frame, length included. */
export function frameOf(request: RawRequest, correlationId: number): Uint8Array<ArrayBuffer> {
  const { key, version, body, flexible = false } = request;
  const header = hex16(key) + hex16(version) + hex32(correlationId) + "000174" + (flexible ? "00" : "");
  const payload = Uint8Array.fromHex(header + body);
  const frame = new Uint8Array(4 + payload.byteLength);
  new DataView(frame.buffer).setInt32(0, payload.byteLength);
  frame.set(payload, 4);
  return frame;
}

/** The hex of an int16, int32 or int64, negative ones in two's complement. */
export function hex16(value: number): string {
  return (value & 0xffff).toString(16).padStart(4, "0");
}
export function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
export function hex64(value: number): string {
  return BigInt.asUintN(64, BigInt(value)).toString(16).padStart(16, "0");
}

/** A string of the old form (i16 length), and of the flexible form (length + 1 as a varint; short ones only). */
export function str(value: string): string {
  const bytes = text.encode(value);
  return hex16(bytes.byteLength) + bytes.toHex();
}
export function compact(value: string): string {
  const bytes = text.encode(value);
  return uvarint(bytes.byteLength + 1) + bytes.toHex();
}

/** An unsigned varint. */
export function uvarint(value: number): string {
  let hex = "";
  for (; value >= 0x80; value = Math.floor(value / 128)) {
    hex += ((value % 128) + 128).toString(16).padStart(2, "0");
  }
  return hex + value.toString(16).padStart(2, "0");
}
