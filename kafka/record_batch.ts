/** Record batches as Kafka stores them (format 2): from bytes to records.
 *
 * Not the client library's, whose cost grows with the square of a record's headers. Left out: the formats before (Kafka 0.11), and
 * the CRC (TCP has its own, and the broker checked on produce).
 * @see {@link https://kafka.apache.org/documentation/#recordbatch}
 * @module */
import { Buffer } from "node:buffer";
import { codecs } from "./codecs.ts";

/** A record as it was read; `timestamp` in ms since the epoch. */
export interface KafkaRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Values by name; a name that repeats has a list. */
  readonly headers: Readonly<Record<string, Uint8Array | null | readonly (Uint8Array | null)[]>>;
}

/** What is known of a batch without reading its records; offsets `first` … `last` are its own. */
export interface BatchHeader {
  readonly first: number;
  readonly last: number;
  /** Bytes of the whole batch. */
  readonly size: number;
  /** Null when it can be read, else why not. */
  readonly problem: string | null;
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  /** It holds a marker that ends a transaction. */
  readonly isControl: boolean;
}

/** Where the fields of a batch are. */
const lengthAt = 8, magicAt = 16, attributesAt = 21, lastOffsetDeltaAt = 23, firstTimestampAt = 27;
const maxTimestampAt = 35, producerIdAt = 43, countAt = 57, recordsAt = 61;
const codecMask = 0x07, logAppendTimeFlag = 0x08, transactionalFlag = 0x10, controlFlag = 0x20;
const noHeaders = {};

/** The batch that begins at `at`, undefined when it is not whole: the last one of an answer may be cut off. */
export function readBatchHeader(bytes: Buffer, at: number): BatchHeader | undefined {
  if (at + magicAt >= bytes.length) return undefined;
  const size = lengthAt + 4 + bytes.readInt32BE(at + lengthAt);
  if (size <= magicAt || at + size > bytes.length) return undefined;
  const first = Number(bytes.readBigInt64BE(at)), magic = bytes[at + magicAt];
  const problem = magic !== 2
    ? `its format is ${magic}, 2 is read`
    : size < recordsAt
    ? `it has ${size} bytes, fewer than its header`
    : null;
  if (problem !== null) {
    return { first, last: first, size, problem, producerId: -1n, isTransactional: false, isControl: false };
  }
  const attributes = bytes.readInt16BE(at + attributesAt);
  return {
    first,
    last: first + Math.max(0, bytes.readInt32BE(at + lastOffsetDeltaAt)),
    size,
    problem,
    producerId: bytes.readBigInt64BE(at + producerIdAt),
    isTransactional: (attributes & transactionalFlag) !== 0,
    isControl: (attributes & controlFlag) !== 0,
  };
}

/** Whether a control batch ends its producer's transaction without it counting. */
export function isAbortMarker(batch: Buffer, header: BatchHeader): boolean {
  if (!header.isControl || batch.length <= recordsAt) return false;
  const key = new RecordReader(batch.subarray(recordsAt)).record().key;
  return key !== null && key.length >= 4 && key[2] === 0 && key[3] === 0; // INT16 version, INT16 type: 0 abort, 1 commit
}

/** The records of a batch.
 * @param batch its bytes, whole
 * @throws {RangeError} or the codec's error when they cannot be read */
export async function readBatch(batch: Buffer, partition: number): Promise<KafkaRecord[]> {
  const attributes = batch.readInt16BE(attributesAt);
  const firstOffset = Number(batch.readBigInt64BE(0));
  const firstTimestamp = Number(batch.readBigInt64BE(firstTimestampAt));
  const appendTime = (attributes & logAppendTimeFlag) !== 0
    ? Number(batch.readBigInt64BE(maxTimestampAt))
    : undefined;
  const reader = new RecordReader(await decompress(batch.subarray(recordsAt), attributes & codecMask));
  const records: KafkaRecord[] = [];
  for (let left = batch.readInt32BE(countAt); left > 0; left--) {
    const { timestampDelta, offsetDelta, key, value, headers } = reader.record();
    const timestamp = appendTime ?? firstTimestamp + timestampDelta;
    records.push({ partition, offset: firstOffset + offsetDelta, timestamp, key, value, headers });
  }
  return records;
}

async function decompress(bytes: Buffer, codec: number): Promise<Buffer> {
  if (codec === 0) return bytes;
  const known = codecs[codec];
  if (!known) throw new RangeError(`its codec is ${codec}, 0 to 4 are read`);
  const plain = await known().decompress(bytes);
  return Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
}

/** Reads records one after the other; what it gives are views of the bytes. */
class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  record() {
    const length = this.#varint(), end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw new RangeError("a record is longer than its batch");
    this.#at++; // attributes, of which there are none
    const timestampDelta = this.#varint(), offsetDelta = this.#varint();
    const key = this.#nullable(), value = this.#nullable();
    const headers = this.#headers();
    this.#at = end;
    return { timestampDelta, offsetDelta, key, value, headers };
  }

  #headers(): KafkaRecord["headers"] {
    const count = this.#varint();
    if (count <= 0) return noHeaders;
    const found = new Map<string, Uint8Array | null | (Uint8Array | null)[]>();
    for (let left = count; left > 0; left--) {
      const name = this.#nullable()?.toString() ?? "", value = this.#nullable();
      const known = found.get(name);
      if (Array.isArray(known)) known.push(value);
      else found.set(name, known === undefined ? value : [known, value]);
    }
    return Object.fromEntries(found);
  }

  #nullable(): Buffer | null {
    const length = this.#varint();
    if (length < 0) return null;
    if (this.#at + length > this.#bytes.length) throw new RangeError("a field is longer than its batch");
    return this.#bytes.subarray(this.#at, this.#at += length);
  }

  /** Zigzag, up to 64 bits; exact as far as numbers are. */
  #varint(): number {
    let value = 0;
    for (let scale = 1, digits = 0; digits < 10; digits++, scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError("its records end early");
      value += (byte & 0x7f) * scale;
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new RangeError("a number in it is longer than 64 bits");
  }
}
