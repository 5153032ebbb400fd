/** Viewers of video as plain TCP sockets: of what comes, only the heads and each frame's stamp are looked at, so that hundreds of them cost
 * little beside the server that they measure.
 *
 * MJPEG is asked for over HTTP/1.0, whose answers are not cut into chunks. Left out: what is measured (video_load.ts).
 * @module */
import { type Stamp, stampedBytes, stampOf } from "./video_frames.ts";
import { connect } from "./wire.ts";

/** What to open. */
export interface VideoSource {
  readonly port: number;
  readonly path: string;
  readonly transport: "websocket" | "mjpeg";
  /** Subprotocol, if one is offered. */
  readonly protocol?: string;
  /** Bytes of a message before its picture. */
  readonly prefix: number;
}

/** What a head says of what is behind it. */
interface Part {
  readonly length: number;
  /** Where in it a picture begins; undefined for what is none. */
  readonly pictureAt?: number;
  readonly isPing?: boolean;
}

const encoder = new TextEncoder(), decoder = new TextDecoder();
/** A masked pong without data. */
const pong = new Uint8Array([0x8a, 0x80, 0, 0, 0, 0]);
const maxHeadBytes = 4_096;
const lineEnd = 0x0a;

/** One connection. */
export class VideoClient {
  readonly connection: Deno.TcpConn;
  readonly #source: VideoSource;
  readonly #onFrame: (stamp: Stamp) => void;
  readonly #head = new Uint8Array(maxHeadBytes);
  #headLength = 0;
  #isAnswered = false;
  #part: Part | undefined;
  /** Bytes of the part that are still to come. */
  #left = 0;
  bytes = 0;
  isClosed = false;

  private constructor(connection: Deno.TcpConn, source: VideoSource, onFrame: (stamp: Stamp) => void) {
    this.connection = connection;
    this.#source = source;
    this.#onFrame = onFrame;
  }

  /** Asks for the stream. Nothing is read until somebody does.
   * @param onFrame told of each frame when its last byte has come */
  static async open(source: VideoSource, onFrame: (stamp: Stamp) => void): Promise<VideoClient> {
    const connection = await connect(source.port);
    await connection.write(encoder.encode(requestOf(source)));
    return new VideoClient(connection, source, onFrame);
  }

  /** Reads until it is closed, from either side. */
  async read(): Promise<void> {
    const buffer = new Uint8Array(256 * 1024);
    try {
      for (;;) {
        const n = await this.connection.read(buffer);
        if (n === null) break;
        this.bytes += n;
        this.#take(buffer.subarray(0, n));
      }
    } catch (error) {
      if (!this.isClosed) console.error(`A viewer of ${this.#source.path} ends: ${error}`);
    }
    this.close();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.connection.close();
  }

  #take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#part && this.#isStamped()) {
        const skipped = Math.min(this.#left, bytes.length - at);
        this.#left -= skipped;
        at += skipped;
        if (this.#left === 0) this.#finish();
      } else this.#takeByte(bytes[at++]!);
    }
  }

  /** Of a head, or of what stands in a frame before the rest is skipped. */
  #takeByte(byte: number): void {
    if (this.#headLength === maxHeadBytes) throw new RangeError("Cannot read a head without end");
    this.#head[this.#headLength++] = byte;
    if (this.#part) {
      if (--this.#left === 0) this.#finish();
      return;
    }
    this.#part = this.#isAnswered ? this.#readHead() : this.#readAnswer();
    if (!this.#part) return;
    this.#left = this.#part.length;
    this.#headLength = 0;
    if (this.#left === 0) this.#finish();
  }

  #isStamped(): boolean {
    const { pictureAt } = this.#part!;
    return pictureAt === undefined || this.#headLength >= pictureAt + stampedBytes;
  }

  #finish(): void {
    const { pictureAt, isPing } = this.#part!;
    if (pictureAt !== undefined) this.#onFrame(stampOf(this.#head.subarray(pictureAt)));
    if (isPing) void this.connection.write(pong).catch(() => {});
    this.#part = undefined;
    this.#headLength = 0;
  }

  #readAnswer(): Part | undefined {
    if (!this.#endsLines()) return undefined;
    const text = decoder.decode(this.#head.subarray(0, this.#headLength));
    if (!/^HTTP\/1.[01] (101|200) /.test(text)) throw new Error(`The server answered ${text}`);
    this.#isAnswered = true;
    return { length: 0 };
  }

  #readHead(): Part | undefined {
    return this.#source.transport === "mjpeg" ? this.#readPart() : this.#readMessage();
  }

  /** A boundary and the headers of a part. */
  #readPart(): Part | undefined {
    if (!this.#endsLines()) return undefined;
    const text = decoder.decode(this.#head.subarray(0, this.#headLength));
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
    if (!(length >= stampedBytes)) throw new Error(`Found no length in the part ${text}`);
    return { length, pictureAt: 0 };
  }

  /** The head of a WebSocket's frame, RFC 6455, section 5.2; servers do not mask. */
  #readMessage(): Part | undefined {
    const head = this.#head, [first = 0, second = 0] = head;
    const headBytes = second === 126 ? 4 : second === 127 ? 10 : 2;
    if (this.#headLength < 2 || this.#headLength < headBytes) return undefined;
    const view = new DataView(head.buffer);
    const length = second === 126
      ? view.getUint16(2)
      : second === 127
      ? Number(view.getBigUint64(2))
      : second;
    if (first === 0x82) return { length, pictureAt: this.#source.prefix };
    return { length, isPing: first === 0x89 };
  }

  /** Whether an empty line ends the head. */
  #endsLines(): boolean {
    const head = this.#head, end = this.#headLength;
    return end >= 4 && head[end - 1] === lineEnd && head[end - 3] === lineEnd;
  }
}

function requestOf({ path, transport, protocol }: VideoSource): string {
  const host = "host: 127.0.0.1\r\n";
  if (transport === "mjpeg") return `GET ${path} HTTP/1.0\r\n${host}\r\n`;
  const upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n";
  const key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const offer = protocol === undefined ? "" : `sec-websocket-protocol: ${protocol}\r\n`;
  return `GET ${path} HTTP/1.1\r\n${host}${upgrade}${key}${offer}\r\n`;
}
