/** A client of `tailrace.v1.frames` for tests, written against the description of its messages and not against our own code.
 *
 * Left out: coming back after a cut (tests of /client.js and of interop do).
 * @module */
import { eventually, within } from "../eventually.ts";

/** A frame as it came. */
export interface Frame {
  readonly version: number;
  readonly flags: number;
  /** `<partition>:<offset>`. */
  readonly frame: string;
  readonly partition: number;
  readonly offset: number;
  readonly capturedAt: number;
  readonly stream: number;
  readonly jpeg: Uint8Array;
}

/** Reads a message by the table of its fields.
 * @throws {Error} when it is none */
export function readFrame(message: ArrayBuffer): Frame {
  const view = new DataView(message), magic = new TextDecoder().decode(message.slice(0, 2));
  if (magic !== "TR") throw new Error(`Cannot read a frame that begins with ${magic}`);
  const length = view.getUint32(28), partition = view.getUint32(4), offset = Number(view.getBigInt64(8));
  if (length !== message.byteLength - 32) throw new Error(`${message.byteLength} bytes hold ${length}`);
  return {
    version: view.getUint8(2),
    flags: view.getUint8(3),
    frame: `${partition}:${offset}`,
    partition,
    offset,
    capturedAt: Number(view.getBigInt64(16)),
    stream: view.getUint32(24),
    jpeg: new Uint8Array(message, 32),
  };
}

/** An open socket that keeps what it got. */
export class FramesClient implements AsyncDisposable {
  readonly socket: WebSocket;
  /** Frames and parsed texts in the order in which they came. */
  // deno-lint-ignore no-explicit-any
  readonly told: (Frame | any)[] = [];
  /** Binary messages as they came. */
  readonly messages: ArrayBuffer[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly #closing: Promise<void>;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.told.push(...data.split("\n").map((line) => JSON.parse(line)));
      else {
        this.messages.push(data);
        this.told.push(readFrame(data));
      }
    };
    this.#closing = new Promise((resolve) => {
      socket.onclose = ({ code, reason }) => {
        this.closed = { code, reason };
        resolve();
      };
    });
  }

  /** Opens it: `http:` in the address becomes `ws:`.
   * @throws {Error} when the handshake is refused */
  static async open(url: string, protocols: string[] = ["tailrace.v1.frames"]): Promise<FramesClient> {
    const client = new FramesClient(new WebSocket(url.replace(/^http/, "ws"), protocols));
    const opened = new Promise<void>((resolve, reject) => {
      client.socket.onopen = () => resolve();
      client.socket.onerror = () => reject(new Error(`Cannot open ${url}`));
    });
    await within(`handshake of ${url}`, 30_000, opened);
    client.socket.onerror = null;
    return client;
  }

  get frames(): Frame[] {
    return this.told.filter((each) => each.jpeg !== undefined);
  }

  /** The frames of one stream, as `<partition>:<offset>`. */
  ids(stream = 0): string[] {
    return this.frames.filter((each) => each.stream === stream).map(({ frame }) => frame);
  }

  /** Every object of that `type` so far. */
  // deno-lint-ignore no-explicit-any
  all(type: string): any[] {
    return this.told.filter((each) => each.type === type);
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Resolves when the server has read all that was said before. */
  async heard(): Promise<void> {
    const before = this.all("pong").length;
    this.say({ type: "ping" });
    await eventually("the answer", () => this.all("pong").length > before);
  }

  /** Waits for so many frames of a stream. */
  async has(count: number, stream = 0): Promise<string[]> {
    const seen = () => [this.ids(stream).slice(-3), this.all("error"), this.closed];
    await eventually(`${count} frames of ${stream}`, () => this.ids(stream).length >= count, 30_000, seen);
    return this.ids(stream);
  }

  /** Waits for the `nth` object of a type. */
  // deno-lint-ignore no-explicit-any
  async hears(type: string, nth = 1): Promise<any> {
    const seen = () => this.told.slice(-4).map((each) => each.frame ?? each);
    return await eventually(`${type} ${nth}`, () => this.all(type)[nth - 1], 30_000, seen);
  }

  /** Waits until it is closed, by whichever side. */
  async end(): Promise<{ code: number; reason: string }> {
    await within("the socket to close", 30_000, this.#closing);
    return this.closed!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.closed) this.socket.close();
    await this.#closing;
  }
}
