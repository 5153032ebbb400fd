/** The compression codecs of Kafka's record batches, as the client library wants them.
 *
 * Topics that other programs fill may use any of the four, so all four are read; this program writes none. What comes out of
 * one batch is bounded, as a small compressed batch may hold gigabytes. Loaded on first use, lz4's WASM included.
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
  decompress: async (bytes) => bounded(await (await snappy()).decompress(bytes)),
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
  if (bytes.byteLength <= maxBatchBytes) return bytes;
  throw new RangeError(
    `Cannot read batch: it holds ${bytes.byteLength} bytes, at most ${maxBatchBytes} are read`,
  );
}

/** The codecs by their number in a batch's attributes. */
export const codecs: Readonly<Record<number, () => Codec>> = {
  1: () => gzipCodec,
  2: () => snappyCodec,
  3: () => lz4Codec,
  4: () => zstdCodec,
};
