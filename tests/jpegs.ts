/** JPEGs for tests, drawn without any tool: each holds its number in a comment and in its pixels, so that a test reads it from the
 * bytes and a page from what it draws.
 *
 * The files of encoders in use are in fixtures/video/ (libjpeg-turbo's, 64×48: baseline, progressive with ten scans, restart markers,
 * a thumbnail in EXIF). Left out: colour, and decoding (a browser does that).
 * @see {@link https://www.w3.org/Graphics/JPEG/itu-t81.pdf} annex B for segments, annex F for the coding @module */

/** What a numbered JPEG looks like; width and height in pixels. */
export interface JpegShape {
  /** Default 64. */
  readonly width?: number;
  /** Default 48. */
  readonly height?: number;
  /** Length of the whole file, filled up with comments; by default as small as it gets. */
  readonly bytes?: number;
}

/** Bits of the number that the pixels show. */
export const pixelBits = 32;
const blockSize = 8;
/** The greys of a set bit, of an unset one and of what shows no bit. */
const white = 255, black = 0, grey = 128;

/** A small grey JPEG that no other number has: bit k of `n` (lowest first) is the k-th block of 8×8 pixels, left to right and top to
 * bottom, white when it is set and black when not; what is left is grey.
 * @throws {RangeError} when it does not fit into `bytes` */
export function numberedJpeg(
  n: number,
  { width = 64, height = 48, bytes }: JpegShape = {},
): Uint8Array<ArrayBuffer> {
  const columns = Math.ceil(width / blockSize), rows = Math.ceil(height / blockSize);
  const front = joined(soi, segment(0xfe, text(`frame ${n}`)));
  const back = joined(
    segment(0xdb, [0, ...Array(64).fill(blockSize)]),
    segment(0xc0, [8, ...uint16(height), ...uint16(width), 1, 1, 0x11, 0]),
    segment(0xc4, [0x00, ...dcLengths, ...dcLengths.flatMap((count, i) => dcCategories(i, count))]),
    segment(0xc4, [0x10, 1, ...Array(15).fill(0), endOfBlock]),
    segment(0xda, [1, 1, 0x00, 0, 63, 0]),
    scan(Array.from({ length: columns * rows }, (_, k) => shade(n, k))),
    eoi,
  );
  return joined(front, bytes === undefined ? [] : filling(bytes - front.length - back.length), back);
}

/** The number of a `numberedJpeg`, from its comment; null for any other bytes. */
export function numberOf(jpeg: Uint8Array): number | null {
  const found = new TextDecoder("latin1").decode(jpeg.subarray(0, 40)).match(/^ÿØÿþ..frame (\d+)ÿ/s);
  return found ? Number(found[1]) : null;
}

/** A file of fixtures/video/, such as `baseline`. */
export function jpegFixture(
  name: "baseline" | "progressive" | "restart_markers" | "exif_thumbnail",
): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(`./fixtures/video/${name}.jpg`, import.meta.url));
}

const soi = [0xff, 0xd8], eoi = [0xff, 0xd9];
/** Codes of 1 to 16 bits that the table of DC differences has: as in table K.3. */
const dcLengths = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
/** The codes of that table by category, which is the number of bits of the difference. */
const dcCodes = ["00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110", "11111110"];
/** The only symbol of the table of AC coefficients, so its code is one bit: 0. */
const endOfBlock = 0x00;

function dcCategories(index: number, count: number): number[] {
  const before = dcLengths.slice(0, index).reduce((sum, one) => sum + one, 0);
  return Array.from({ length: count }, (_, i) => before + i);
}

function shade(n: number, block: number): number {
  if (block >= pixelBits) return grey;
  return Math.floor(n / 2 ** block) % 2 === 1 ? white : black;
}

/** Blocks of one shade each, in bits: the difference of the DC coefficients, then no AC at all. */
function scan(shades: readonly number[]): number[] {
  let bits = "", last = 0;
  for (const level of shades) {
    const dc = level - 128, difference = dc - last;
    const size = difference === 0 ? 0 : Math.floor(Math.log2(Math.abs(difference))) + 1;
    const coded = difference < 0 ? difference + 2 ** size - 1 : difference;
    bits += dcCodes[size]! + (size > 0 ? coded.toString(2).padStart(size, "0") : "") + "0";
    last = dc;
  }
  const bytes = bits.match(/.{1,8}/g)!.map((byte) => parseInt(byte.padEnd(8, "1"), 2));
  return bytes.flatMap((byte) => byte === 0xff ? [0xff, 0x00] : [byte]);
}

function segment(marker: number, payload: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  return joined([0xff, marker, ...uint16(payload.length + 2)], payload);
}

/** Comments of `bytes` together, their markers and lengths included. */
function filling(bytes: number): Uint8Array<ArrayBuffer> {
  const smallest = 4, largest = 65_537;
  if (bytes !== 0 && bytes < smallest) {
    throw new RangeError(`Cannot fill ${bytes} bytes with a comment of 4 or more`);
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let left = bytes; left > 0;) {
    const length = left > largest && left < largest + smallest ? left - smallest : Math.min(left, largest);
    parts.push(segment(0xfe, new Uint8Array(length - smallest)));
    left -= length;
  }
  return joined(...parts);
}

function uint16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** All of them in one. */
export function joined(...parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
