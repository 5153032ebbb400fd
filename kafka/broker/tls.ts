/** TLS connections as the broker reads and writes them.
 *
 * They are node:tls sockets, as those of Deno.listenTls keep Nagle's algorithm with no way to switch it off: the last
 * piece of an answer of more than 16 KiB (a TLS record) would wait some 40 ms for the client's delayed
 * acknowledgement. Left out: client certificates, and certificates that change while the broker runs.
 * @module */

import { createServer, type Server, type Socket as NodeSocket } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { Listener, Socket } from "./sockets.ts";

/** PEM texts. */
export interface TlsFiles {
  /** The certificate and those between it and its root. */
  readonly certificate: string;
  readonly key: string;
}

/** Longest piece that is encrypted at a time, in bytes. */
const PIECE_BYTES = 256 * 1024;

/** Checks that a certificate and a key belong together.
 * @throws {Error} saying what is wrong with them */
export function checkTls({ certificate: cert, key }: TlsFiles): void {
  Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key }).close();
}

/** Opens a socket for TLS clients. The handshake is not part of `accept`: each connection has its own to do.
 * @throws {Error} when it cannot listen there; {@link Deno.errors.AddrInUse} when the port is taken */
export async function listenTls(host: string, port: number, files: TlsFiles): Promise<Listener> {
  const context = createSecureContext({ cert: files.certificate, key: files.key });
  const server = createServer({ noDelay: true });
  const listener = new TlsListener(server, context);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error: Error & { code?: string }) => {
    reject(error.code === "EADDRINUSE" ? new Deno.errors.AddrInUse(error.message) : error);
  });
  server.listen(port, host, resolve);
  await promise;
  return listener;
}

class TlsListener implements Listener {
  readonly #server: Server;
  readonly #waiting: TlsConnection[] = [];
  #accept: PromiseWithResolvers<Socket> | undefined;
  #closed = false;

  constructor(server: Server, context: SecureContext) {
    this.#server = server;
    server.on("connection", (socket) => {
      const { remoteAddress: hostname, remotePort: port } = socket;
      if (hostname === undefined || port === undefined || this.#closed) return void socket.destroy();
      const connection = new TlsConnection(socket, context, { transport: "tcp", hostname, port });
      this.#accept?.resolve(connection);
      if (this.#accept === undefined) this.#waiting.push(connection);
      this.#accept = undefined;
    });
  }

  get addr(): Deno.NetAddr {
    const { address: hostname, port } = this.#server.address() as { address: string; port: number };
    return { transport: "tcp", hostname, port };
  }

  accept(): Promise<Socket> {
    if (this.#closed) return Promise.reject(new Deno.errors.BadResource("The listener is closed"));
    const next = this.#waiting.shift();
    if (next !== undefined) return Promise.resolve(next);
    this.#accept = Promise.withResolvers<Socket>();
    return this.#accept.promise;
  }

  close(): void {
    this.#closed = true;
    this.#server.close();
    for (const connection of this.#waiting.splice(0)) connection.close();
    this.#accept?.reject(new Deno.errors.BadResource("The listener is closed"));
    this.#accept = undefined;
  }
}

/** One connection; reads and writes one at a time each. */
class TlsConnection implements Socket {
  readonly remoteAddr: Deno.NetAddr;
  readonly #socket: TLSSocket;
  #isSecure = false;
  /** Why nothing can be read or written any more. */
  #end: Error | undefined;
  #hasEnded = false;
  /** What was read and did not fit. */
  #rest: Uint8Array | undefined;
  readonly #changed = new Set<() => void>();

  constructor(raw: NodeSocket, secureContext: SecureContext, remoteAddr: Deno.NetAddr) {
    this.remoteAddr = remoteAddr;
    this.#socket = new TLSSocket(raw, { isServer: true, secureContext });
    raw.on("error", (error) => this.#fail(error));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Deno.errors.ConnectionReset("The connection is closed")));
    this.#socket.on("secure", () => this.#tell(() => this.#isSecure = true));
    this.#socket.on("end", () => this.#tell(() => this.#hasEnded = true));
    this.#socket.on("readable", () => this.#tell(() => {}));
  }

  async handshake(): Promise<void> {
    while (!this.#isSecure) {
      if (this.#end !== undefined) throw this.#end;
      await this.#change();
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (true) {
      const chunk: Uint8Array | null = this.#rest ?? this.#socket.read();
      if (chunk !== null) {
        into.set(chunk.subarray(0, into.byteLength));
        const isMore = chunk.byteLength > into.byteLength;
        this.#rest = isMore ? chunk.subarray(into.byteLength) : undefined;
        return Math.min(chunk.byteLength, into.byteLength);
      }
      if (this.#hasEnded) return null;
      if (this.#end !== undefined) throw this.#end;
      await this.#change();
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#end !== undefined) throw this.#end;
    const piece = bytes.subarray(0, PIECE_BYTES);
    let isWritten = false;
    this.#socket.write(piece, (error) => {
      if (error) this.#fail(error);
      else this.#tell(() => isWritten = true);
    });
    while (!isWritten) {
      if (this.#end !== undefined) throw this.#end;
      await this.#change();
    }
    return piece.byteLength;
  }

  close(): void {
    this.#socket.destroy();
    this.#fail(new Deno.errors.BadResource("The connection is closed"));
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.add(resolve));
  }

  #tell(change: () => void): void {
    change();
    const waiting = [...this.#changed];
    this.#changed.clear();
    for (const resolve of waiting) resolve();
  }

  #fail(error: Error & { code?: string }): void {
    this.#tell(() => this.#end ??= asDenoError(error));
  }
}

/** The error that a connection without TLS would have, and InvalidData for what is wrong about TLS. */
function asDenoError(error: Error & { code?: string }): Error {
  const { code = "" } = error;
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") {
    return new Deno.errors.InvalidData("found a plain connection, wanted TLS");
  }
  if (code.startsWith("ERR_SSL_")) return new Deno.errors.InvalidData(error.message);
  if (/^(ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_.*)$/.test(code)) {
    return new Deno.errors.ConnectionReset(error.message);
  }
  return error;
}
