/** What a JPEG says of itself, found by walking its segments: from SOI over the frame header to the first scan.
 *
 * A search for the bytes of a marker would find those of a thumbnail inside an APPn segment; segments are skipped by their
 * lengths instead. Left out: the entropy-coded data, which nobody here decodes; where a frame ends in a stream of them
 * (jpeg_stream.ts).
 * @see {@link https://www.w3.org/Graphics/JPEG/itu-t81.pdf} ITU-T T.81, annex B
 * @module */

/** A JPEG's own words; sizes in pixels. */
export interface JpegInfo {
  readonly width: number;
  readonly height: number;
  readonly isProgressive: boolean;
}

/** Bytes that are no JPEG; the message says what was found and what was wanted. */
export class NotAJpeg extends Error {
  override readonly name = "NotAJpeg";
}

/** Marker codes, the second byte of each. */
export const markers = { soi: 0xd8, eoi: 0xd9, sos: 0xda, tem: 0x01, rst0: 0xd0, rst7: 0xd7 } as const;

/** Frame headers; not among them: DHT (C4), JPG (C8), DAC (CC). */
const frameHeaders: ReadonlySet<number> = new Set([
  ...[0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7],
  ...[0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf],
]);
const progressive: ReadonlySet<number> = new Set([0xc2, 0xc6, 0xca, 0xce]);
/** Length, precision, height, width, number of components. */
const shortestFrameHeader = 8;

/** Whether a marker stands alone, without a length. */
export function standsAlone(marker: number): boolean {
  return marker === markers.tem || marker >= markers.rst0 && marker <= markers.soi;
}

/** Reads the header of a whole JPEG.
 * @throws {NotAJpeg} when it does not begin as one, breaks off before its picture, or does not end as one */
export function inspectJpeg(bytes: Uint8Array): JpegInfo {
  if (bytes[0] !== 0xff || bytes[1] !== markers.soi) {
    throw new NotAJpeg(`Found ${shownStart(bytes)}, wanted a JPEG, which begins with FF D8 FF`);
  }
  let frame: JpegInfo | undefined;
  for (let at = 2;;) {
    const marker = markerAt(bytes, at);
    at = marker.after;
    if (marker.code === markers.eoi) throw new NotAJpeg("Found a JPEG that ends before its picture");
    if (standsAlone(marker.code)) continue;
    const length = at + 1 < bytes.length ? bytes[at]! << 8 | bytes[at + 1]! : 0;
    if (length < 2 || at + length > bytes.length) {
      throw new NotAJpeg(`Found a JPEG that breaks off in segment ${hex(marker.code)} at byte ${at}`);
    }
    if (frameHeaders.has(marker.code)) frame ??= readFrameHeader(bytes, at, length, marker.code);
    if (marker.code === markers.sos) break;
    at += length;
  }
  if (!frame) throw new NotAJpeg("Found a JPEG whose picture begins without a frame header (SOF)");
  if (!endsAsJpeg(bytes)) throw new NotAJpeg("Found a JPEG that breaks off: it does not end with FF D9");
  return frame;
}

/** As `inspectJpeg`; null for what is no JPEG. */
export function jpegInfo(bytes: Uint8Array): JpegInfo | null {
  if (bytes[0] !== 0xff || bytes[1] !== markers.soi) return null; // an error for each would cost many times as much
  try {
    return inspectJpeg(bytes);
  } catch (error) {
    if (error instanceof NotAJpeg) return null;
    throw error;
  }
}

/** The marker at `at`; any number of fill bytes FF may come before it (T.81, B.1.1.2). */
function markerAt(bytes: Uint8Array, at: number): { readonly code: number; readonly after: number } {
  if (bytes[at] !== 0xff) {
    const found = at < bytes.length ? hex(bytes[at]!) : "the end";
    throw new NotAJpeg(`Found ${found} at byte ${at} of a JPEG, wanted a marker`);
  }
  let code = at + 1;
  while (bytes[code] === 0xff) code++;
  const marker = bytes[code];
  if (marker === undefined || marker === 0) {
    throw new NotAJpeg(`Found no marker at byte ${at} of a JPEG, wanted one`);
  }
  return { code: marker, after: code + 1 };
}

function readFrameHeader(bytes: Uint8Array, at: number, length: number, marker: number): JpegInfo {
  if (length < shortestFrameHeader) {
    throw new NotAJpeg(`Found a JPEG whose frame header has ${length} bytes, wanted ${shortestFrameHeader}`);
  }
  const height = bytes[at + 3]! << 8 | bytes[at + 4]!, width = bytes[at + 5]! << 8 | bytes[at + 6]!;
  // A height of 0 says that it follows the first scan (DNL); no decoder of browsers takes that.
  if (width === 0 || height === 0) {
    throw new NotAJpeg(`Found a JPEG of ${width}×${height} pixels, wanted a picture`);
  }
  return { width, height, isProgressive: progressive.has(marker) };
}

/** Whether the end marker is there; encoders of cameras put zeros or line ends behind it. */
function endsAsJpeg(bytes: Uint8Array): boolean {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0 || bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  return bytes[end - 1] === markers.eoi && bytes[end - 2] === 0xff;
}

function shownStart(bytes: Uint8Array): string {
  if (bytes.length === 0) return "nothing";
  return `${bytes.length} bytes that begin with ${[...bytes.subarray(0, 4)].map(hex).join(" ")}`;
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}
