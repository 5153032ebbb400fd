/** Writes Motion JPEG in AVI, for the demo clip and for tests of the reader.
 *
 * One video stream and no index, as a program that writes to a pipe would; players make the index themselves.
 * @see {@link https://learn.microsoft.com/en-us/windows/win32/directshow/avi-riff-file-reference} @module */
import { joined } from "./jpegs.ts";

/** What the header says. `codec`: four characters. */
export interface AviOptions {
  readonly width: number;
  readonly height: number;
  /** Frames a second; a fraction as [frames, seconds]. */
  readonly fps: number | readonly [frames: number, seconds: number];
  readonly codec?: string;
}

/** An AVI of these JPEGs; an empty one means that the picture before stays. */
export function aviOf(jpegs: readonly Uint8Array[], options: AviOptions): Uint8Array<ArrayBuffer> {
  const frames = jpegs.map((jpeg) => chunk("00dc", jpeg));
  return chunk("RIFF", text("AVI "), list("hdrl", ...header(jpegs.length, options)), list("movi", ...frames));
}

/** A chunk: its name, its length and what it holds, padded to an even length. */
export function chunk(name: string, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const pad = new Uint8Array(length % 2);
  return joined(text(name), numbers([length]), ...parts, pad);
}

/** A list of chunks. */
export function list(name: string, ...chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return chunk("LIST", text(name), ...chunks);
}

/** Characters as bytes. */
export function text(characters: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(characters);
}

/** The main header and one stream's: its kind and rate (`strh`), its format (`strf`, a BITMAPINFOHEADER). */
function header(count: number, { width, height, fps, codec = "MJPG" }: AviOptions): Uint8Array[] {
  const [frames, seconds] = typeof fps === "number" ? [fps, 1] : fps;
  const size = width | height << 16;
  const avih = numbers([1e6 * seconds / frames, 0, 0, 0x100, count, 0, 1, 0, width, height, 0, 0, 0, 0]);
  const rate = [0, 0, 0, seconds, frames, 0, count, 0, 0xffffffff, 0, 0, size];
  const format = [40, width, height, 1 | 24 << 16];
  const strh = chunk("strh", text("vids"), text(codec), numbers(rate));
  const strf = chunk("strf", numbers(format), text(codec), numbers([width * height * 3, 0, 0, 0, 0]));
  return [chunk("avih", avih), list("strl", strh, strf)];
}

/** Unsigned 32-bit numbers, little-endian. */
function numbers(values: readonly number[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, true);
  return new Uint8Array(view.buffer);
}
