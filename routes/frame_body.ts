/** The frames of a posted body while it comes in: JPEGs one behind the other, of which one alone is a case, or the parts of a multipart.
 *
 * What is held is a frame at most, and a piece of the body. Left out: sending (frame_sender.ts), the request (video_publish.ts).
 * @module */
import { inspectJpeg } from "../kafka/jpeg.ts";
import { JpegSplitter } from "../kafka/jpeg_stream.ts";
import { checkCapturedAt, invalidCapturedAt } from "./frame_problem.ts";
import type { CapturedJpeg } from "./frame_sender.ts";
import { boundaryOf, MultipartParser, type Part } from "./multipart.ts";

/** Reads one body. */
export interface FrameBody {
  /** Yields the frames that end with this piece; to be gone through to its end, so that those before a bad one are had.
   * @throws {NotAJpeg}
   * @throws {FrameTooLarge}
   * @throws {BadMultipart}
   * @throws {StreamError} 422 `invalid-captured-at` */
  push(piece: Uint8Array): Iterable<CapturedJpeg>;
  /** Yields what ends with the body.
   * @throws as `push` */
  end(): Iterable<CapturedJpeg>;
}

/** Times before it (2000-01-01) are of a clock that counts from somewhere else, such as a camera's start; ms since the epoch. */
const earliestClockMs = 946_684_800_000;
/** `X-Timestamp` below it are seconds (until the year 5138), above it milliseconds (from 1973 on). */
const leastMs = 1e11;

/** How the body of a request is read.
 * @throws {BadMultipart} for a multipart without a boundary
 * @throws {StreamError} 422 `invalid-captured-at` */
export function frameBody(headers: Headers, maxFrameBytes: number): FrameBody {
  const boundary = boundaryOf(headers.get("content-type") ?? "");
  const times = new CaptureTimes(headers.get("x-captured-at"));
  return boundary === null
    ? new JpegBody(maxFrameBytes, times)
    : new MultipartBody(boundary, maxFrameBytes, times);
}

/** JPEGs one behind the other. */
class JpegBody implements FrameBody {
  readonly #splitter: JpegSplitter;
  readonly #times: CaptureTimes;

  constructor(maxFrameBytes: number, times: CaptureTimes) {
    this.#splitter = new JpegSplitter({ maxFrameBytes });
    this.#times = times;
  }

  *push(piece: Uint8Array): Generator<CapturedJpeg> {
    for (const jpeg of this.#splitter.push(piece)) {
      inspectJpeg(jpeg);
      yield { jpeg, capturedAt: this.#times.next() };
    }
  }

  end(): Iterable<CapturedJpeg> {
    this.#splitter.end();
    return [];
  }
}

/** One JPEG in each part. */
class MultipartBody implements FrameBody {
  readonly #parser: MultipartParser;
  readonly #times: CaptureTimes;

  constructor(boundary: string, maxFrameBytes: number, times: CaptureTimes) {
    this.#parser = new MultipartParser(boundary, { maxPartBytes: maxFrameBytes });
    this.#times = times;
  }

  *push(piece: Uint8Array): Generator<CapturedJpeg> {
    for (const part of this.#parser.push(piece)) yield this.#frame(part);
  }

  *end(): Generator<CapturedJpeg> {
    for (const part of this.#parser.end()) yield this.#frame(part);
  }

  #frame({ headers, body }: Part): CapturedJpeg {
    inspectJpeg(body);
    return { jpeg: body, capturedAt: this.#times.next(headers) };
  }
}

/** When frames were taken: by the headers of their part, else the first one by those of the request, else now. */
class CaptureTimes {
  #first: number | undefined;

  /** @throws {StreamError} 422 `invalid-captured-at` */
  constructor(first: string | null) {
    this.#first = readCapturedAt(first);
  }

  /** @param headers of the frame's part
   * @throws {StreamError} 422 `invalid-captured-at` */
  next(headers?: ReadonlyMap<string, string>): number {
    const first = this.#first;
    this.#first = undefined;
    return readCapturedAt(headers?.get("x-captured-at")) ?? readTimestamp(headers?.get("x-timestamp")) ??
      first ??
      Date.now();
  }
}

/** Reads ms since the epoch.
 * @throws {StreamError} 422 `invalid-captured-at` */
function readCapturedAt(text: string | null | undefined): number | undefined {
  if (text === null || text === undefined) return undefined;
  if (/^[1-9]\d{0,14}$/.test(text)) return checkCapturedAt(Number(text), "X-Captured-At");
  const found = JSON.stringify(text.slice(0, 80));
  throw invalidCapturedAt(
    "X-Captured-At",
    `found ${found}, milliseconds since the epoch are wanted, from 1 on`,
  );
}

/** Reads what cameras write, seconds with a fraction or milliseconds; undefined for what is no time of a clock that we know.
 * @throws {StreamError} 422 `invalid-captured-at` */
function readTimestamp(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}(\.\d{1,9})?$/.test(text)) return undefined;
  const value = Number(text), ms = Math.round(value < leastMs ? value * 1000 : value);
  return ms < earliestClockMs ? undefined : checkCapturedAt(ms, "X-Timestamp");
}
