/** Opens the compressed records of a batch, for look-ups by time: gzip, snappy (raw and in Java's framing), lz4 frames
 * and zstd. Checksums inside the formats are not verified, as the batch has its own.
 * Left out: compressing; what producers sent is stored as it is.
 * @see {@link https://github.com/google/snappy/blob/main/format_description.txt}
 * @see {@link https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md} @module */

import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { codecs } from "./wire/record_batch.ts";

/** Largest output, in bytes: a small batch can claim any size. */
const MAX_BYTES = 64 * 1024 * 1024;

/** The records of a batch, or undefined if they cannot be opened (broken, too big, unknown codec). */
export function decompress(codec: number, bytes: Uint8Array): Uint8Array | undefined {
  try {
    switch (codec) {
      case codecs.none:
        return bytes;
      case codecs.gzip:
        return gunzipSync(bytes, { maxOutputLength: MAX_BYTES });
      case codecs.zstd:
        return zstdDecompressSync(bytes, { maxOutputLength: MAX_BYTES });
      case codecs.snappy:
        return snappy(bytes);
      case codecs.lz4:
        return lz4Frame(bytes);
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}

/** Output that grows; copies may overlap themselves, which is how both formats repeat a byte. */
class Output {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(Math.min(Math.max(capacity, 1024), MAX_BYTES));
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  /** Appends `length` bytes from `distance` bytes back. */
  repeat(distance: number, length: number): void {
    if (distance <= 0 || distance > this.#length) throw new RangeError("Cannot copy from before the output");
    this.#reserve(length);
    const bytes = this.#bytes;
    for (let to = this.#length, end = to + length; to < end; to++) bytes[to] = bytes[to - distance] as number;
    this.#length += length;
  }

  done(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(length: number): void {
    const wanted = this.#length + length;
    if (wanted > MAX_BYTES) throw new RangeError("Cannot decompress beyond the limit");
    if (wanted <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.min(Math.max(wanted, this.#bytes.byteLength * 2), MAX_BYTES));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Bytes read in order; beyond their end it throws. */
class Input {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.byteLength - this.at;
  }

  byte(): number {
    const value = this.#bytes[this.at++];
    if (value === undefined) throw new RangeError("Cannot read beyond the input");
    return value;
  }

  /** Unsigned, `size` bytes, least significant first. */
  little(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value += this.byte() * 2 ** (8 * i);
    return value;
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw new RangeError("Cannot read beyond the input");
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}

const XERIAL = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const XERIAL_HEADER_BYTES = 16;

function snappy(bytes: Uint8Array): Uint8Array {
  const output = new Output(bytes.byteLength * 4);
  if (!XERIAL.every((byte, i) => bytes[i] === byte)) {
    snappyBlock(new Input(bytes), output);
    return output.done();
  }
  const input = new Input(bytes.subarray(XERIAL_HEADER_BYTES));
  while (input.left > 0) {
    const size = new DataView(input.take(4).slice().buffer).getUint32(0);
    snappyBlock(new Input(input.take(size)), output);
  }
  return output.done();
}

function snappyBlock(input: Input, output: Output): void {
  while (input.byte() >= 0x80) { /* the length of the output, which grows by itself */ }
  while (input.left > 0) {
    const tag = input.byte();
    const high = tag >> 2;
    switch (tag & 3) {
      case 0: // literal: its length − 1 in the tag, or in the 1 to 4 bytes behind it
        output.append(input.take(1 + (high < 60 ? high : input.little(high - 59))));
        break;
      case 1: {
        const distance = ((tag >> 5) << 8) + input.byte();
        output.repeat(distance, 4 + (high & 7));
        break;
      }
      case 2:
        output.repeat(input.little(2), 1 + high);
        break;
      default:
        output.repeat(input.little(4), 1 + high);
    }
  }
}

const LZ4_MAGIC = 0x184d2204;

function lz4Frame(bytes: Uint8Array): Uint8Array {
  const input = new Input(bytes);
  const output = new Output(bytes.byteLength * 4);
  if (input.little(4) !== LZ4_MAGIC) throw new RangeError("Cannot read lz4 frame as its magic is wrong");
  const flags = input.byte();
  const hasBlockChecksum = (flags & 0x10) !== 0;
  input.byte(); // largest block size
  if ((flags & 0x08) !== 0) input.take(8); // content size
  if ((flags & 0x01) !== 0) input.take(4); // dictionary id
  input.byte(); // header checksum
  for (;;) {
    const size = input.little(4);
    if (size === 0) return output.done();
    const block = input.take(size % 2 ** 31);
    if (size >= 2 ** 31) output.append(block); // stored as it is
    else lz4Block(new Input(block), output);
    if (hasBlockChecksum) input.take(4);
  }
}

function lz4Block(input: Input, output: Output): void {
  while (input.left > 0) {
    const token = input.byte();
    output.append(input.take(lz4Length(input, token >> 4)));
    if (input.left === 0) return; // the last sequence has literals only
    const distance = input.little(2);
    output.repeat(distance, 4 + lz4Length(input, token & 15));
  }
}

/** 15 means that more bytes follow, each added, until one is not 255. */
function lz4Length(input: Input, start: number): number {
  let length = start;
  if (start < 15) return length;
  for (let byte = 255; byte === 255;) length += byte = input.byte();
  return length;
}
