/** `WS /video/{topic}/publish`: each message of bytes is a frame, answered when Kafka has acknowledged it.
 *
 * Every answer to a frame has in `n` which of the socket's messages of bytes it is for, counted from 1, as one that is refused is told
 * before those that still wait. Left out: the upgrade (websocket.ts), the records (frame_sender.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { inspectJpeg, NotAJpeg } from "../kafka/jpeg.ts";
import { FrameTooLarge } from "../kafka/jpeg_stream.ts";
import type { Logger } from "../logger.ts";
import { checkCapturedAt, frameProblem } from "./frame_problem.ts";
import { FrameSender, type FrameSenderDeps, maxUnstoredBytes, maxUnstoredFrames } from "./frame_sender.ts";
import type { CapturedJpeg, Publication } from "./frame_sender.ts";
import { frameHeaderBytes, readFrameMessage } from "./video_feed.ts";
import type { Socket, Talk } from "./websocket.ts";

/** What a publisher's socket works with. */
export type PublishDeps = FrameSenderDeps & { readonly log: Pick<Logger, "error"> };

/** A message that begins so has a header before its picture: "TR". A picture begins with FFD8. */
const [headerStart, nextOfHeader] = [0x54, 0x52];

/** One publisher's socket. */
export class PublishTalk implements Talk {
  readonly #socket: Socket;
  readonly #deps: PublishDeps;
  readonly #topic: string;
  readonly #sender: FrameSender;
  /** Messages of bytes so far. */
  #count = 0;

  constructor(socket: Socket, deps: PublishDeps, publication: Publication) {
    this.#socket = socket;
    this.#deps = deps;
    this.#topic = publication.topic;
    this.#sender = new FrameSender(deps, publication);
  }

  open(): void {
    this.#socket.tell("ready", { maxFrameBytes: this.#deps.config.maxFrameBytes });
  }

  message(text: string): void {
    if (isPing(text)) return this.#socket.tell("pong", { serverTime: Date.now() });
    const detail = `Cannot use ${
      text.slice(0, 80)
    }: a JPEG in a message of bytes is wanted, or {"type":"ping"}`;
    this.#socket.tell("error", { code: "malformed-message", detail });
  }

  binary(bytes: Uint8Array): void {
    const n = ++this.#count;
    let frame: CapturedJpeg;
    try {
      frame = this.#read(bytes);
    } catch (error) {
      this.#deps.metrics.posts(this.#topic, "invalid", 1);
      return this.#refused(frameProblem(error, n), n);
    }
    if (!this.#sender.hasRoom(frame.jpeg.length)) return this.#dropped(n);
    this.#sender.send(frame).then(
      ({ partition, offset }) => this.#socket.tell("stored", { frame: `${partition}:${offset}`, n }),
      (error) => this.#refused(error, n),
    );
  }

  room(): void {}

  /** What was sent is stored all the same. */
  close(): void {}

  /** @throws {NotAJpeg}
   * @throws {FrameTooLarge}
   * @throws {StreamError} 422 `invalid-captured-at` */
  #read(message: Uint8Array): CapturedJpeg {
    const { jpeg, capturedAt } = pictureOf(message), { maxFrameBytes } = this.#deps.config;
    if (jpeg.length > maxFrameBytes) throw new FrameTooLarge(jpeg.length, maxFrameBytes);
    inspectJpeg(jpeg);
    return { jpeg, capturedAt: capturedAt > 0 ? checkCapturedAt(capturedAt, "captured-at") : Date.now() };
  }

  #dropped(n: number): void {
    this.#deps.metrics.posts(this.#topic, "failed", 1);
    const detail = `Cannot keep frame ${n} as too many wait for Kafka: at most ${maxUnstoredFrames}, and ` +
      `${maxUnstoredBytes} bytes, may`;
    this.#socket.tell("error", { code: "too-many-unstored", detail, n });
  }

  #refused(error: unknown, n: number): void {
    if (error instanceof StreamError) {
      const { code, message: detail, members } = error;
      return this.#socket.tell("error", { code, detail, ...members, n });
    }
    this.#deps.log.error("frame failed", { error });
    this.#socket.tell("error", { code: "internal", detail: "The frame failed here; the log has more", n });
  }
}

function isPing(text: string): boolean {
  try {
    return JSON.parse(text)?.type === "ping";
  } catch {
    return false;
  }
}

/** @returns 0 as the time when the message has none
 * @throws {NotAJpeg} */
function pictureOf(message: Uint8Array): { readonly jpeg: Uint8Array; readonly capturedAt: number } {
  if (message[0] !== headerStart || message[1] !== nextOfHeader) return { jpeg: message, capturedAt: 0 };
  const found = readFrameMessage(message);
  if (found) return { jpeg: found.jpeg, capturedAt: found.header.capturedAt };
  throw new NotAJpeg(
    `Found ${message.length} bytes that begin with TR, wanted a header of ${frameHeaderBytes} bytes of version 1 ` +
      "and a picture as long as it says",
  );
}
