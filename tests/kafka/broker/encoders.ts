/** Encoders of lz4 and snappy for tests, which node:zlib has not: they store and do not compress, which both formats
 * allow. @module */
import { hex32 } from "./raw_client.ts";

/** The pieces one behind the other. */
export function concat(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(pieces.flatMap((piece) => [...piece]));
}

/** Bytes from hex digits. */
export function hex(...digits: readonly string[]): Uint8Array {
  return Uint8Array.fromHex(digits.join(""));
}

function xxh32(bytes: Uint8Array): number {
  // Inputs below 16 bytes only, which lz4's descriptor always is.
  const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
  let hash = (374761393 + bytes.byteLength) | 0;
  let at = 0;
  for (; at + 4 <= bytes.byteLength; at += 4) {
    const word = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
    hash = Math.imul(rotate((hash + Math.imul(word, 3266489917)) | 0, 17), 668265263);
  }
  for (; at < bytes.byteLength; at++) {
    hash = Math.imul(rotate((hash + Math.imul(bytes[at]!, 374761393)) | 0, 11), 2654435761);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 2246822519);
  hash = Math.imul(hash ^ (hash >>> 13), 3266489917);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function little32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** An lz4 frame of stored blocks.
 * @param flags 0x60: independent blocks; 0x40: linked ones; 0x70: with block checksums (not written here) */
export function lz4Stored(bytes: Uint8Array, { flags = 0x60, checksum = 0, end = true } = {}): Uint8Array {
  const descriptor = Uint8Array.of(flags, 0x40); // blocks of up to 64 KiB
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; at += 65536) {
    const block = bytes.subarray(at, at + 65536);
    blocks.push(little32(block.byteLength + 2 ** 31), block);
  }
  const header = Uint8Array.of(((xxh32(descriptor) >>> 8) & 255) ^ checksum);
  return concat(hex("04224d18"), descriptor, header, ...blocks, end ? little32(0) : new Uint8Array());
}

/** A snappy block of literals, below 60 bytes each. */
export function snappyStored(bytes: Uint8Array, claimed = bytes.byteLength): Uint8Array {
  const length: number[] = [];
  let left = claimed;
  for (; left >= 128; left = Math.floor(left / 128)) length.push(left % 128 + 128);
  const pieces: Uint8Array[] = [Uint8Array.of(...length, left)];
  for (let at = 0; at < bytes.byteLength; at += 60) {
    const literal = bytes.subarray(at, at + 60);
    pieces.push(Uint8Array.of((literal.byteLength - 1) << 2), literal);
  }
  return concat(...pieces);
}

/** Java's framing of snappy blocks. */
export function xerial(...blocks: readonly Uint8Array[]): Uint8Array {
  const sizes = blocks.map((block) => hex(hex32(block.byteLength)));
  return concat(hex("82534e4150505900", hex32(1), hex32(1)), ...blocks.flatMap((b, i) => [sizes[i]!, b]));
}
