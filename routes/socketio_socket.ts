/** Engine.IO over a WebSocket: one packet is one text message.
 *
 * Packets wait in engine.io's buffer while the socket lags, where their length is bounded (socketio_engine.ts). Pings are engine.io's.
 * Left out: bytes, which no event here has, and compression.
 * @see {@link https://socket.io/docs/v4/engine-io-protocol/#websocket}
 * @module */
import { parser, Transport } from "engine.io";
import type { EngineRequest, Packet } from "./socketio_engine.ts";

/** Bytes that may wait at the socket itself. */
const maxUnsentBytes = 64 * 1024;
/** A socket that lags is looked at after 1, 2, 4, … ms, at last after so many. */
const longestPauseMs = 32;

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

  /** @param socket that is about to open */
  constructor(request: EngineRequest, socket: WebSocket, options: SocketTransportOptions) {
    super(request);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#ready(1);
    socket.onmessage = ({ data }) => {
      try {
        this.#read(data, options.maxLength);
      } catch (error) {
        options.onFailure(error);
        this.onError("failed");
      }
    };
    socket.onclose = () => this.onClose();
    // `close` follows; without a listener the runtime would report it as an uncaught error.
    socket.onerror = () => {};
  }

  override get name(): string {
    return "websocket";
  }

  override send(packets: Packet[]): void {
    this.writable = false;
    for (const packet of packets) {
      parser.encodePacket(packet, true, (data) => {
        if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(data as string);
      });
    }
    this.emit("drain");
    this.#ready(1);
  }

  override doClose(fn?: () => void): void {
    clearTimeout(this.#timer);
    this.#socket.close();
    fn?.();
  }

  protected override onClose(): void {
    clearTimeout(this.#timer);
    if (this.readyState !== "closed") super.onClose();
  }

  #read(data: unknown, maxLength: number): void {
    if (this.readyState === "closed") return;
    if (typeof data !== "string") this.onError("bytes are not read here");
    else if (data.length > maxLength) this.onError("message too long");
    else this.onData(data);
  }

  #ready(pauseMs: number): void {
    if (this.readyState !== "open" || this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > maxUnsentBytes) {
      const next = Math.min(pauseMs * 2, longestPauseMs);
      this.#timer = setTimeout(() => this.#ready(next), pauseMs);
      return;
    }
    this.writable = true;
    this.emit("ready");
  }
}
