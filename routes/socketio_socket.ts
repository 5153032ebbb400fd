/** Engine.IO over a WebSocket: one packet is one text message.
 *
 * Packets wait here and in engine.io's buffer while the socket lags, never at the runtime: what that holds it keeps for as long as the
 * client keeps its connection, as nothing ends one whose client does not read. Their length is bounded (socketio_engine.ts). Pings are
 * engine.io's.
 * Left out: bytes, which no event here has, and compression.
 * @see {@link https://socket.io/docs/v4/engine-io-protocol/#websocket}
 * @module */
import { parser, Transport } from "engine.io";
import type { EngineRequest, Packet } from "./socketio_engine.ts";

/** Bytes that may wait at the socket itself. */
const maxUnsentBytes = 64 * 1024;
/** A socket that lags is looked at after 1, 2, 4, … ms, at last after so many. */
const longestPauseMs = 32;

/** A message as its packet is on the wire. */
export function messageOf(text: string): string {
  return `4${text}`;
}

/** What a socket may send, and whom it tells of a failure that is ours. */
export interface SocketTransportOptions {
  /** Of a message, in characters. */
  readonly maxLength: number;
  readonly onFailure: (error: unknown) => void;
}

/** One session's socket. */
export class SocketTransport extends Transport {
  readonly #socket: WebSocket;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Packets that the socket has no room for, from `#next` on. */
  #waiting: readonly Packet[] = [];
  #next = 0;
  readonly #closed = Promise.withResolvers<void>();

  /** @param socket that is about to open */
  constructor(request: EngineRequest, socket: WebSocket, options: SocketTransportOptions) {
    super(request);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#write(1);
    socket.onmessage = ({ data }) => {
      try {
        this.#read(data, options.maxLength);
      } catch (error) {
        options.onFailure(error);
        this.onError("failed");
      }
    };
    socket.onclose = () => {
      this.#closed.resolve();
      this.onClose();
    };
    // `close` follows; without a listener the runtime would report it as an uncaught error.
    socket.onerror = () => {};
  }

  override get name(): string {
    return "websocket";
  }

  /** Resolves when the connection is gone, which may be long after the session. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  override send(packets: Packet[]): void {
    this.writable = false;
    [this.#waiting, this.#next] = [packets, 0];
    this.#write(1);
  }

  /** Sends a message past engine.io's buffer, which takes twice as long: what many clients are told at the same time.
   * @param message a packet as the wire has it
   * @returns false: it has to wait its turn */
  sendNow(message: string): boolean {
    if (!this.writable || this.readyState !== "open") return false;
    const socket = this.#socket;
    socket.send(message);
    if (socket.bufferedAmount <= maxUnsentBytes) return true;
    this.writable = false;
    this.#write(1);
    return true;
  }

  override doClose(fn?: () => void): void {
    this.#drop();
    this.#socket.close();
    fn?.();
  }

  protected override onClose(): void {
    this.#drop();
    if (this.readyState !== "closed") super.onClose();
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  #read(data: unknown, maxLength: number): void {
    if (this.readyState === "closed") return;
    // Bytes may also come as text, in base64.
    if (typeof data !== "string" || data.startsWith("b")) this.onError("bytes are not read here");
    else if (data.length > maxLength) this.onError("message too long");
    else this.onData(data);
  }

  #write(pauseMs: number): void {
    const socket = this.#socket;
    if (this.readyState !== "open" || socket.readyState !== WebSocket.OPEN) return;
    while (this.#next < this.#waiting.length && socket.bufferedAmount <= maxUnsentBytes) {
      parser.encodePacket(this.#waiting[this.#next++]!, true, (data) => socket.send(data as string));
    }
    if (socket.bufferedAmount > maxUnsentBytes) {
      const next = Math.min(pauseMs * 2, longestPauseMs);
      this.#timer = setTimeout(() => this.#write(next), pauseMs);
      return;
    }
    this.#waiting = [];
    this.emit("drain");
    this.writable = true;
    this.emit("ready");
  }
}
