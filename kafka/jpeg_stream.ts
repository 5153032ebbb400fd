/** JPEGs that follow one another in a stream without anything between them, as `ffmpeg -f image2pipe` and cameras write them, cut
 * into frames.
 *
 * The segments are walked by their lengths and the scans by their markers, so the thumbnail within a frame's EXIF, which begins and
 * ends like a frame, is passed over. Left out: what is in a frame (jpeg.ts), and finding the next one behind something else: after
 * rubbish nobody knows where a frame begins.
 * @see {@link https://www.w3.org/Graphics/JPEG/itu-t81.pdf} annex B
 * @module */
import { GatheredBytes } from "./gathered_bytes.ts";
import { markers, NotAJpeg } from "./jpeg.ts";

/** A frame that is longer than it may be; nothing after it can be read either. */
export class FrameTooLarge extends Error {
  override readonly name = "FrameTooLarge";

  /** @param found what is known of its length, in bytes */
  constructor(found: number, readonly maxFrameBytes: number) {
    super(`Found a frame of ${found} bytes or more: at most ${maxFrameBytes} are taken`);
  }
}

const markerStart = 0xff;
/** Behind FF within a scan: the FF is data. */
const stuffed = 0x00;
/** The lowest code of a marker with a segment (SOF0). */
const lowestSegment = 0xc0;

/** Cuts one stream into its frames. */
export class JpegSplitter {
  readonly #maxFrameBytes: number;
  /** From the beginning of the frame that has not ended. */
  readonly #held = new GatheredBytes();
  /** What of it was walked; behind what is held while a segment is still coming in. 0: between two frames. */
  #walked = 0;
  /** Between the header of a scan and the marker that ends it. */
  #inScan = false;
  /** Bytes since the last frame that are none of any. */
  #padding = 0;

  /** @param options.maxFrameBytes the longest frame that is taken; as much padding may be between two */
  constructor({ maxFrameBytes }: { readonly maxFrameBytes: number }) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Yields the frames that end with this piece of the stream, each from its SOI to its EOI in memory of its own. To be gone through
   * to its end, so that the frames before a bad one are had.
   * @throws {NotAJpeg} for anything that is neither a frame nor padding (zeros, line ends) between two
   * @throws {FrameTooLarge} as soon as it shows that a frame will be longer */
  *push(piece: Uint8Array): Generator<Uint8Array<ArrayBuffer>, void> {
    this.#held.add(piece);
    while (this.#begin() && this.#walk()) {
      const frame = this.#held.take(this.#walked);
      this.#walked = this.#padding = 0;
      yield frame;
    }
  }

  /** Says that the stream has ended.
   * @throws {NotAJpeg} within a frame */
  end(): void {
    if (this.#walked === 0) return;
    const { length } = this.#held;
    throw new NotAJpeg(`Found a JPEG that breaks off after ${length} bytes: it does not end with FF D9`);
  }

  /** Whether a frame has begun; drops padding before it. */
  #begin(): boolean {
    if (this.#walked > 0) return true;
    const { bytes } = this.#held, start = paddingOf(bytes);
    this.#held.drop(start);
    this.#padding += start;
    if (this.#padding > this.#maxFrameBytes) {
      throw new NotAJpeg(`Found ${this.#padding} bytes of padding, wanted a JPEG`);
    }
    const first = bytes.subarray(start, start + 4);
    if (first.length > 0 && first[0] !== markerStart || first.length > 1 && first[1] !== markers.soi) {
      throw new NotAJpeg(`Found ${hex(first)}, wanted a JPEG, which begins with FF D8`);
    }
    if (first.length < 2) return false;
    this.#walked = 2;
    this.#inScan = false;
    return true;
  }

  /** Goes on to the end of the frame. @returns whether it is there */
  #walk(): boolean {
    const { bytes } = this.#held;
    let at = this.#walked, ended = false;
    while (!ended) {
      if (this.#inScan) {
        const marker = bytes.indexOf(markerStart, at);
        at = marker >= 0 ? marker : Math.max(at, bytes.length);
      }
      const length = markerLength(bytes, at, this.#inScan);
      if (length === 0) break;
      const code = bytes[at + 1];
      // What is no part of the scan ends it; the fill bytes and markers within one have no length of their own.
      if (length > 2) this.#inScan = code === markers.sos;
      ended = code === markers.eoi;
      at += length;
    }
    this.#walked = at;
    const known = ended ? at : Math.max(at, bytes.length);
    if (known > this.#maxFrameBytes) throw new FrameTooLarge(known, this.#maxFrameBytes);
    return ended;
  }
}

/** Bytes to go on by from a marker: 1 for a fill byte, 2 for a marker alone, else with its segment; 0 when that is still to come.
 * @throws {NotAJpeg} when none is there, or one that is not in a frame */
function markerLength(bytes: Uint8Array, at: number, inScan: boolean): number {
  const start = bytes[at], code = bytes[at + 1];
  if (start !== undefined && start !== markerStart) throw unexpected(bytes, at, "a marker");
  if (code === undefined) return 0;
  if (code === markerStart) return 1;
  if (code === markers.eoi || code === markers.tem || isRestart(code) || inScan && code === stuffed) return 2;
  if (code === markers.soi || code < lowestSegment) {
    throw unexpected(bytes, at, "a marker of a frame that has begun");
  }
  if (at + 4 > bytes.length) return 0;
  const segment = bytes[at + 2]! << 8 | bytes[at + 3]!;
  if (segment < 2) throw unexpected(bytes, at, "the length of a segment, 2 or more");
  return 2 + segment;
}

function isRestart(code: number): boolean {
  return code >= markers.rst0 && code <= markers.rst7;
}

/** Zeros and line ends at the beginning; of fill bytes all but the last, as it may begin a marker. */
function paddingOf(bytes: Uint8Array): number {
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at];
    const isPadding = byte === 0 || byte === 0x0d || byte === 0x0a ||
      byte === markerStart && bytes[at + 1] === markerStart;
    if (!isPadding) break;
    at++;
  }
  return at;
}

function unexpected(bytes: Uint8Array, at: number, wanted: string): NotAJpeg {
  return new NotAJpeg(`Found ${hex(bytes.subarray(at, at + 4))} at byte ${at} of a JPEG, wanted ${wanted}`);
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
}
