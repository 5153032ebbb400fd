/** Opens the compressed records of a batch: gzip, snappy (raw and in Java's framing), lz4 frames and zstd. As strict as
 * Kafka's own decoders: lz4 blocks must be independent, a snappy block must have the length it says.
 * Left out: checksums of lz4 contents and of snappy (the batch has its own).
 * @see {@link https://github.com/google/snappy/blob/main/format_description.txt}
 * @see {@link https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md} @module */

import { gunzip, gunzipSync, zstdDecompress, zstdDecompressSync } from "node:zlib";
import { Breath } from "./pace.ts";
import { codecs } from "./wire/record_batch.ts";

/** Largest output, in bytes: a small batch can claim any size. */
export const MAX_RECORDS_BYTES = 64 * 1024 * 1024;

/** Output that would be beyond its limit. */
export class TooManyBytes extends RangeError {}

/** The records of a batch, or undefined if they cannot be opened (broken, too big, unknown codec). */
export function decompress(codec: number, bytes: Uint8Array): Uint8Array | undefined {
  try {
    return openRecords(codec, bytes, MAX_RECORDS_BYTES);
  } catch {
    return undefined;
  }
}

/** The records of a batch.
 * @throws {TooManyBytes} if they have more than `maxBytes`
 * @throws {Error} if they are broken or the codec is unknown */
export function openRecords(codec: number, bytes: Uint8Array, maxBytes: number): Uint8Array {
  switch (codec) {
    case codecs.none:
      return bytes;
    case codecs.gzip:
      return bounded(() => gunzipSync(bytes, { maxOutputLength: maxBytes }));
    case codecs.zstd:
      return zstd(bytes, maxBytes);
    default: {
      const output = outputFor(bytes, maxBytes);
      const blocks = blocksOf(codec, bytes, output);
      while (!blocks.next().done);
      return output.done();
    }
  }
}

/** As {@link openRecords}, for big ones: in another thread, or giving the loop back between blocks.
 * @throws as it */
export async function openRecordsLater(
  codec: number,
  bytes: Uint8Array,
  maxBytes: number,
): Promise<Uint8Array> {
  if (codec === codecs.gzip) return await inThread(gunzip, bytes, maxBytes);
  if (codec === codecs.zstd) {
    const opened: Uint8Array[] = [];
    let left = maxBytes;
    for (const frame of zstdFrames(bytes)) {
      const records = await inThread(zstdDecompress, frame, left);
      left -= records.byteLength;
      opened.push(records);
    }
    return opened.length === 1 ? opened[0] as Uint8Array : concat(opened);
  }
  const breath = new Breath();
  const output = outputFor(bytes, maxBytes);
  for (const _block of blocksOf(codec, bytes, output)) await breath.pause();
  return output.done();
}

type ThreadedOpener = (
  bytes: Uint8Array,
  options: { maxOutputLength: number },
  done: (error: Error | null, opened: Uint8Array) => void,
) => void;

function inThread(open: ThreadedOpener, bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  open(bytes, { maxOutputLength: maxBytes }, (error, opened) => {
    if (error === null) resolve(opened);
    else reject(isTooLarge(error) ? new TooManyBytes(error.message) : error);
  });
  return promise;
}

function bounded(open: () => Uint8Array): Uint8Array {
  try {
    return open();
  } catch (error) {
    throw isTooLarge(error) ? new TooManyBytes("Cannot decompress beyond the limit") : error;
  }
}

function isTooLarge(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
}

function outputFor(bytes: Uint8Array, maxBytes: number): Output {
  return new Output(bytes.byteLength * 4, maxBytes);
}

/** Yields after each block. */
function blocksOf(codec: number, bytes: Uint8Array, output: Output): Generator<void> {
  if (codec === codecs.snappy) return snappy(bytes, output);
  if (codec === codecs.lz4) return lz4Frame(bytes, output);
  throw new RangeError(`Cannot decompress with codec ${codec}`);
}

/** Output that grows; copies may overlap themselves, which is how both formats repeat a byte. */
class Output {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;
  #blockStart = 0;
  readonly #maxBytes: number;

  constructor(capacity: number, maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#bytes = new Uint8Array(Math.min(Math.max(capacity, 1024), maxBytes));
  }

  /** Bytes of the current block. */
  get blockLength(): number {
    return this.#length - this.#blockStart;
  }

  /** Copies must not reach back beyond this place. */
  beginBlock(): void {
    this.#blockStart = this.#length;
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  /** Appends `length` bytes from `distance` bytes back. */
  repeat(distance: number, length: number): void {
    if (distance <= 0 || distance > this.blockLength) {
      throw new RangeError("Cannot copy from before the block");
    }
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
    if (wanted > this.#maxBytes) throw new TooManyBytes("Cannot decompress beyond the limit");
    if (wanted <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.min(Math.max(wanted, this.#bytes.byteLength * 2), this.#maxBytes));
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

function* snappy(bytes: Uint8Array, output: Output): Generator<void> {
  if (!XERIAL.every((byte, i) => bytes[i] === byte)) return snappyBlock(new Input(bytes), output);
  const input = new Input(bytes.subarray(XERIAL_HEADER_BYTES));
  while (input.left >= 4) { // fewer are no block: Kafka does not look at them
    const size = new DataView(input.take(4).slice().buffer).getUint32(0);
    snappyBlock(new Input(input.take(size)), output);
    yield;
  }
}

function snappyBlock(input: Input, output: Output): void {
  output.beginBlock();
  let claimed = 0;
  for (let scale = 1, byte = 0x80; byte >= 0x80; scale *= 128) {
    byte = input.byte();
    claimed += (byte & 0x7f) * scale;
    if (scale > 2 ** 28) throw new RangeError("Cannot read the length of a snappy block");
  }
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
  if (output.blockLength !== claimed) throw new RangeError("Cannot read snappy block as its length is wrong");
}

function zstd(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const frames = zstdFrames(bytes);
  if (frames.length === 1) return bounded(() => zstdDecompressSync(bytes, { maxOutputLength: maxBytes }));
  const opened: Uint8Array[] = [];
  for (let left = maxBytes; opened.length < frames.length;) {
    const frame = frames[opened.length] as Uint8Array;
    const records = bounded(() => zstdDecompressSync(frame, { maxOutputLength: left }));
    left -= records.byteLength;
    opened.push(records);
  }
  return concat(opened);
}

const ZSTD_MAGIC = 0xfd2fb528;

/** The frames that follow each other. zlib opens one and ignores what is behind it, even what no reader could open.
 * @see {@link https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1} */
function zstdFrames(bytes: Uint8Array): Uint8Array[] {
  const input = new Input(bytes);
  const frames: Uint8Array[] = [];
  while (input.left > 0) {
    const start = input.at;
    if (input.little(4) !== ZSTD_MAGIC) throw new RangeError("Cannot read zstd frame as its magic is wrong");
    const flags = input.byte();
    const isSingle = (flags & 0x20) !== 0;
    const contentSize = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6] as number;
    input.take((isSingle ? 0 : 1) + ([0, 1, 2, 4][flags & 3] as number) + contentSize);
    for (let isLast = false; !isLast;) {
      const header = input.little(3);
      isLast = (header & 1) === 1;
      input.take(((header >> 1) & 3) === 1 ? 1 : header >> 3); // of a repeated byte only that one
    }
    if ((flags & 4) !== 0) input.take(4); // checksum
    frames.push(bytes.subarray(start, input.at));
  }
  return frames;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.byteLength;
  }
  return joined;
}

const LZ4_MAGIC = 0x184d2204;
/** Version 1 with independent blocks, the reserved bit clear. */
const LZ4_FLAGS_MASK = 0xe2;
const LZ4_FLAGS = 0x60;

function* lz4Frame(bytes: Uint8Array, output: Output): Generator<void> {
  const input = new Input(bytes);
  if (input.little(4) !== LZ4_MAGIC) throw new RangeError("Cannot read lz4 frame as its magic is wrong");
  const flags = input.byte();
  if ((flags & LZ4_FLAGS_MASK) !== LZ4_FLAGS) throw new RangeError("Cannot read lz4 frame of this kind");
  const hasBlockChecksum = (flags & 0x10) !== 0;
  const sizeCode = (input.byte() >> 4) & 7;
  if (sizeCode < 4) throw new RangeError("Cannot read lz4 frame as its block size is wrong");
  const maxBlockBytes = 1 << (8 + 2 * sizeCode);
  if ((flags & 0x08) !== 0) input.take(8); // content size
  if ((flags & 0x01) !== 0) input.take(4); // dictionary id
  const descriptor = bytes.subarray(4, input.at);
  if (input.byte() !== ((xxh32(descriptor) >>> 8) & 255)) {
    throw new RangeError("Cannot read lz4 frame as the checksum of its header is wrong");
  }
  for (let size = input.little(4); size !== 0; size = input.little(4)) {
    const block = input.take(size % 2 ** 31);
    output.beginBlock();
    if (size >= 2 ** 31) output.append(block); // stored as it is
    else lz4Block(new Input(block), output);
    if (output.blockLength > maxBlockBytes) throw new RangeError("Cannot read lz4 block as it is too big");
    if (hasBlockChecksum) input.take(4);
    yield;
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

/** XXH32 with seed 0 of fewer than 16 bytes, which is what a frame's header has.
 * @see {@link https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md} */
function xxh32(bytes: Uint8Array): number {
  const input = new Input(bytes);
  let hash = (374761393 + bytes.byteLength) | 0;
  while (input.left >= 4) {
    hash = Math.imul(rotateLeft((hash + Math.imul(input.little(4), 3266489917)) | 0, 17), 668265263);
  }
  while (input.left > 0) {
    hash = Math.imul(rotateLeft((hash + Math.imul(input.byte(), 374761393)) | 0, 11), 2654435761);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 2246822519);
  hash = Math.imul(hash ^ (hash >>> 13), 3266489917);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function rotateLeft(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
