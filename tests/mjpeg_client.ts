/** An MJPEG viewer for tests: a plain HTTP client that takes the parts of `multipart/x-mixed-replace` to pieces, strictly.
 *
 * It is written against the wire, not against our own code: a part that lacks a header, a length that is not the picture's or a boundary
 * that does not come with the picture fails. It keeps its cookie only when it is asked to, as a browser that is closed and opened again.
 * Left out: what a browser draws (tests/pages/).
 * @module */
import { assert, assertEquals } from "@std/assert";
import { within } from "./eventually.ts";
import { numberOf } from "./jpegs.ts";

/** A part as it came. */
export interface MjpegFrame {
  /** `<partition>:<offset>`. */
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
  /** Seconds since the epoch, as the part has it. */
  readonly timestamp: string;
  readonly jpeg: Uint8Array;
  /** When it was whole, on the clock of `performance.now()`. */
  readonly atMs: number;
}

/** How the stream is asked for. */
export interface MjpegOptions {
  /** Sent as `Cookie`. */
  readonly cookie?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Reads no more than so many frames until it is told to; the rest stays on its way. Default: all. */
  readonly frames?: number;
}

const firstBoundary = "--frame\r\n";
const head =
  /^Content-Type: image\/jpeg\r\nContent-Length: (\d+)\r\nX-Frame-Id: (\d+):(\d+)\r\nX-Timestamp: (\d+\.\d{3})\r\n\r\n/;
const headBytes = 400;

/** An open stream. Closing it cuts the connection. */
export class MjpegClient implements AsyncDisposable {
  readonly response: Response;
  readonly frames: MjpegFrame[] = [];
  /** Whether the server has ended the stream, or why it broke off or was no stream. */
  ended: "clean" | Error | null = null;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #reading: Promise<void>;
  #isCut = false;
  #wanted: number;
  #readOn = () => {};
  #next = Promise.withResolvers<void>();
  #held = new Uint8Array(0);

  private constructor(response: Response, frames: number) {
    this.response = response;
    this.#reader = response.body!.getReader();
    this.#wanted = frames;
    this.#reading = this.#read();
  }

  /** Opens the stream and resolves once its headers are there. */
  static async open(
    url: string,
    { cookie, headers = {}, frames = Infinity }: MjpegOptions = {},
  ): Promise<MjpegClient> {
    const sent = { ...headers, ...(cookie && { cookie }) };
    const response = await within(`headers of ${url}`, 30_000, fetch(url, { headers: sent }));
    assertEquals(response.status, 200, url);
    assertEquals(response.headers.get("content-type"), "multipart/x-mixed-replace; boundary=frame");
    return new MjpegClient(response, frames);
  }

  /** The cookie that it was given, as a browser sends it back; null for none. */
  get cookie(): string | null {
    return this.response.headers.get("set-cookie")?.split(";")[0] ?? null;
  }

  get ids(): string[] {
    return this.frames.map(({ id }) => id);
  }

  /** Numbers of the frames that are `numberedJpeg`s. */
  get numbers(): (number | null)[] {
    return this.frames.map(({ jpeg }) => numberOf(jpeg));
  }

  /** Reads on, whatever comes. */
  readAll(): void {
    this.#wanted = Infinity;
    this.#readOn();
  }

  /** Waits for so many frames, and returns as soon as the last of them is whole. */
  async count(frames: number, timeoutMs = 30_000): Promise<void> {
    try {
      await within(`${frames} frames`, timeoutMs, this.#has(frames));
    } catch (error) {
      const seen = `${this.frames.length} came, newest ${this.ids.at(-1)}, ended ${this.ended}`;
      throw new Error(`${(error as Error).message}: ${seen}`, { cause: error });
    }
  }

  /** Waits until the server ends the stream; `ended` tells how. */
  async end(timeoutMs = 30_000): Promise<void> {
    await within("the end of the stream", timeoutMs, this.#reading);
  }

  /** Cuts the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isCut = true;
    this.#readOn();
    // Not by a signal given to fetch: once its request has been collected as garbage, that does nothing.
    await this.#reader.cancel().catch(() => {}); // it may have ended
    await this.#reading;
    if (this.ended instanceof Error && this.ended.name === "AssertionError") throw this.ended;
  }

  async #has(frames: number): Promise<void> {
    while (this.frames.length < frames && this.ended === null) await this.#next.promise;
    if (this.frames.length < frames) throw new Error("The stream has ended");
  }

  /** Wakes whoever waits for a frame. */
  #tell(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  async #read(): Promise<void> {
    try {
      await this.#take(firstBoundary.length, (bytes) => assertEquals(text(bytes), firstBoundary));
      while (await this.#part()) {
        if (this.frames.length < this.#wanted) continue;
        await new Promise<void>((resolve) => this.#readOn = resolve);
      }
      this.ended = "clean";
    } catch (error) {
      this.ended = error as Error;
    } finally {
      this.#tell();
      this.#reader.releaseLock();
    }
  }

  /** @returns false at the end of the stream, which comes between two parts */
  async #part(): Promise<boolean> {
    while (!text(this.#held.subarray(0, headBytes)).includes("\r\n\r\n")) {
      if (await this.#more()) continue;
      assertEquals(this.#held.length, 0, "the stream ends between two parts");
      return false;
    }
    const found = head.exec(text(this.#held.subarray(0, headBytes)));
    assert(found, `a part's head, found ${JSON.stringify(text(this.#held.subarray(0, headBytes)))}`);
    const [all, length, partition, offset, timestamp] = found;
    await this.#take(all.length + Number(length), (bytes) => {
      this.frames.push({
        id: `${partition}:${offset}`,
        partition: Number(partition),
        offset: Number(offset),
        timestamp: timestamp!,
        jpeg: bytes.slice(all.length),
        atMs: performance.now(),
      });
      this.#tell();
    });
    await this.#take(firstBoundary.length + 2, (bytes) => {
      assertEquals(text(bytes), `\r\n${firstBoundary}`, "the boundary behind the picture");
    });
    return true;
  }

  async #take(count: number, use: (bytes: Uint8Array) => void): Promise<void> {
    while (this.#held.length < count) assert(await this.#more(), "the stream ends within a part");
    use(this.#held.subarray(0, count));
    this.#held = this.#held.slice(count);
  }

  async #more(): Promise<boolean> {
    const { value } = await this.#reader.read();
    if (this.#isCut) throw new Error("The connection was cut here");
    if (!value) return false;
    const joined = new Uint8Array(this.#held.length + value.length);
    joined.set(this.#held);
    joined.set(value, this.#held.length);
    this.#held = joined;
    return true;
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
