/** What a publisher is told of a frame that is not taken, over HTTP and over a socket.
 *
 * Left out: what Kafka makes of a frame (frame_sender.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { NotAJpeg } from "../kafka/jpeg.ts";
import { FrameTooLarge } from "../kafka/jpeg_stream.ts";
import { BadMultipart } from "./multipart.ts";

/** A publisher's clock may be ahead of ours by so much, ms. */
const maxAheadMs = 60_000;

/** Why a frame is not taken: 415 `not-a-jpeg`, 413 `frame-too-large` with `maxFrameBytes`, 400 `malformed-multipart`. Anything else stays
 * as it is.
 * @param n which frame of the body or the socket it is, from 1 on */
export function frameProblem(error: unknown, n: number): unknown {
  const isOfFrame = error instanceof NotAJpeg || error instanceof FrameTooLarge;
  if (!isOfFrame) {
    return error instanceof BadMultipart ? new StreamError("malformed-multipart", 400, error.message) : error;
  }
  const { message } = error,
    detail = `Cannot take frame ${n}: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
  if (error instanceof NotAJpeg) return new StreamError("not-a-jpeg", 415, detail);
  const { maxFrameBytes } = error;
  return new StreamError("frame-too-large", 413, detail, { members: { maxFrameBytes } });
}

/** Refuses a time that lies in the future, where it would keep viewers at the end of the log from what comes after it.
 * @param capturedAt ms since the epoch
 * @param pointer where it was found
 * @throws {StreamError} 422 `invalid-captured-at` */
export function checkCapturedAt(capturedAt: number, pointer: string): number {
  const ahead = capturedAt - Date.now();
  if (ahead <= maxAheadMs) return capturedAt;
  throw invalidCapturedAt(
    pointer,
    `found ${capturedAt}, ${ahead} ms from now: at most ${maxAheadMs} is taken`,
  );
}

/** A time that cannot be used. */
export function invalidCapturedAt(pointer: string, detail: string): StreamError {
  const errors = [{ pointer, detail }];
  return new StreamError("invalid-captured-at", 422, `Cannot use ${pointer}: ${detail}`, { errors });
}
