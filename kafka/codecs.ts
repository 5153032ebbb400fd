/** The compression codecs of Kafka's record batches, in the shape that the client library has for them.
 *
 * Topics that other programs fill may use any of the four, so all four are read; this program writes none. What comes out of
 * one batch is bounded, as a small compressed batch may hold gigabytes; lz4 tells only afterwards how much it was, which is at most
 * 255 times the batch. Loaded on first use, lz4's WASM included.
 * @see {@link https://kafka.apache.org/documentation/#recordbatch} for the codec bits
 * @module */
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gunzip, gzip, zstdCompress, zstdDecompress } from "node:zlib";

/** Most bytes that one batch may hold once decompressed. */
export const maxBatchBytes = 64 * 1024 * 1024;

/** One codec: `encoder.buffer` holds what is to be compressed. */
export interface Codec {
  compress(encoder: { buffer: Uint8Array }): Promise<Uint8Array>;
  decompress(bytes: Uint8Array): Promise<Uint8Array>;
}

const snappyFrameMagic = Buffer.from("82534e4150505900", "hex");
const limit = { maxOutputLength: maxBatchBytes };

const gzipCodec: Codec = {
  compress: (encoder) => promisify(gzip)(encoder.buffer),
  decompress: (bytes) => promisify(gunzip)(bytes, limit),
};

const zstdCodec: Codec = {
  compress: (encoder) => promisify(zstdCompress)(encoder.buffer),
  decompress: (bytes) => promisify(zstdDecompress)(bytes, limit),
};

const snappyCodec: Codec = {
  compress: async (encoder) => (await snappy()).compress(encoder),
  decompress: async (bytes) => {
    checkSize(snappySize(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
    return (await snappy()).decompress(bytes);
  },
};

const lz4Codec: Codec = {
  compress: async (encoder) => (await lz4()).lz4Compress(Buffer.from(encoder.buffer)),
  decompress: async (bytes) => bounded((await lz4()).lz4Decompress(Buffer.from(bytes))),
};

async function snappy(): Promise<Codec> {
  const { default: create } = await import("kafkajs-snappy");
  return (create as unknown as () => Codec)();
}

function lz4() {
  return import("@platformatic/wasm-utils/bundled");
}

function bounded(bytes: Uint8Array): Uint8Array {
  checkSize(bytes.byteLength);
  return bytes;
}

function checkSize(bytes: number): void {
  if (bytes <= maxBatchBytes) return;
  throw new RangeError(`Cannot read batch: it holds ${bytes} bytes, at most ${maxBatchBytes} are read`);
}

/** What snappy says that will come out, in front of each block; the codec makes room for as much before it reads on. Java puts
 * several blocks into one frame. @see {@link https://github.com/google/snappy/blob/main/format_description.txt} */
function snappySize(bytes: Buffer): number {
  if (!bytes.subarray(0, snappyFrameMagic.length).equals(snappyFrameMagic)) return blockSize(bytes);
  let size = 0;
  for (let at = 16; at + 4 <= bytes.length; at += 4 + bytes.readUInt32BE(at)) {
    size += blockSize(bytes.subarray(at + 4));
  }
  return size;
}

function blockSize(block: Buffer): number {
  let size = 0;
  for (let i = 0; i < 5; i++) {
    const byte = block[i] ?? 0;
    size += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 128) break;
  }
  return size;
}

/** The codecs by their number in a batch's attributes. */
export const codecs: Readonly<Record<number, () => Codec>> = {
  1: () => gzipCodec,
  2: () => snappyCodec,
  3: () => lz4Codec,
  4: () => zstdCodec,
};
