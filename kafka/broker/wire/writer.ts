/** Writes the fields of a Kafka answer, in wire order; the mirror of reader.ts.
 *
 * Fields are gathered in one growing buffer. Big byte fields (record batches) are kept by reference and leave as
 * chunks of their own, so a fetch does not copy what it sends.
 * Left out: zigzag varints (records are stored as they came, never built here) and tagged fields with content: no
 * answer of this broker has any, so `tags()` writes an empty set.
 * @see {@link https://kafka.apache.org/protocol#protocol_types} @module */

/** From this size on bytes are passed on by reference rather than copied. */
const BY_REFERENCE_BYTES = 16 * 1024;
const TWO_32 = 2 ** 32;

const utf8 = new TextEncoder();

/** Collects fields; {@link chunks} or {@link finish} gives the bytes. */
export class WireWriter {
  #buffer: Uint8Array<ArrayBuffer>;
  #view: DataView;
  /** Start of what is in the buffer and not in `#chunks` yet. */
  #from = 0;
  #at = 0;
  readonly #chunks: Uint8Array[] = [];
  #chunkBytes = 0;
  #firstError = 0;

  /** @param flexible whether to write the flexible encoding
   * @param capacity bytes to reserve at first; it grows as needed */
  constructor(readonly flexible: boolean, capacity = 256) {
    this.#buffer = new Uint8Array(capacity);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#chunkBytes + this.#at - this.#from;
  }

  /** The first error code other than 0 that was written, for the counters; 0 when there was none. */
  get firstError(): number {
    return this.#firstError;
  }

  int8(value: number): void {
    const at = this.#grow(1);
    this.#view.setInt8(at, value);
  }

  int16(value: number): void {
    const at = this.#grow(2);
    this.#view.setInt16(at, value);
  }

  /** An int16 that is an error code: also remembered for the request counters. */
  errorCode(code: number): void {
    if (this.#firstError === 0) this.#firstError = code;
    this.int16(code);
  }

  int32(value: number): void {
    const at = this.#grow(4);
    this.#view.setInt32(at, value);
  }

  uint32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value);
  }

  int64(value: number): void {
    const at = this.#grow(8);
    this.#view.setInt32(at, Math.floor(value / TWO_32));
    this.#view.setUint32(at + 4, value >>> 0);
  }

  bool(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  /** @param hex 32 hex digits */
  uuid(hex: string): void {
    const at = this.#grow(16);
    this.#buffer.subarray(at, at + 16).setFromHex(hex);
  }

  uvarint(value: number): void {
    let left = value;
    while (left >= 0x80) {
      this.#byte((left & 0x7f) | 0x80);
      left = Math.floor(left / 128);
    }
    this.#byte(left);
  }

  /** Zigzag varint of 32 bits. */
  varint(value: number): void {
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  string(value: string): void {
    this.nullableString(value);
  }

  nullableString(value: string | null): void {
    if (value === null) {
      if (this.flexible) this.uvarint(0);
      else this.int16(-1);
      return;
    }
    const encoded = utf8.encode(value);
    if (this.flexible) this.uvarint(encoded.byteLength + 1);
    else this.int16(encoded.byteLength);
    this.#append(encoded);
  }

  bytes(value: Uint8Array): void {
    this.#length(value.byteLength);
    this.#append(value);
  }

  nullableBytes(value: Uint8Array | null): void {
    if (value === null) this.#length(-1);
    else this.bytes(value);
  }

  /** One bytes field made of several pieces, such as the record batches of a partition. */
  joinedBytes(pieces: readonly Uint8Array[]): void {
    let total = 0;
    for (const piece of pieces) total += piece.byteLength;
    this.#length(total);
    for (const piece of pieces) this.#append(piece);
  }

  /** An array of primitives. */
  array<T>(items: readonly T[], item: (value: T) => void): void {
    this.#length(items.length);
    for (const value of items) item(value);
  }

  nullableArray<T>(items: readonly T[] | null, item: (value: T) => void): void {
    if (items === null) this.#length(-1);
    else this.array(items, item);
  }

  /** An array of structs: as {@link array}, and each item ends with its (empty) tagged fields when flexible. */
  structs<T>(items: readonly T[], item: (value: T) => void): void {
    this.#length(items.length);
    for (const value of items) {
      item(value);
      this.tags();
    }
  }

  nullableStructs<T>(items: readonly T[] | null, item: (value: T) => void): void {
    if (items === null) this.#length(-1);
    else this.structs(items, item);
  }

  /** The end of a struct: an empty set of tagged fields; nothing when not flexible. */
  tags(): void {
    if (this.flexible) this.#byte(0);
  }

  /** Bytes as they are, without a length. */
  raw(value: Uint8Array): void {
    this.#append(value);
  }

  /** The bytes as chunks in order; the first four are overwritten with the size of the rest when `framed`. */
  chunks(framed = false): Uint8Array[] {
    this.#cut();
    const first = this.#chunks[0];
    if (framed && first !== undefined) {
      new DataView(first.buffer, first.byteOffset).setInt32(0, this.#chunkBytes - 4);
    }
    return this.#chunks;
  }

  /** All bytes in one piece. */
  finish(): Uint8Array<ArrayBuffer> {
    const joined = new Uint8Array(this.size);
    let at = 0;
    for (const chunk of this.chunks()) {
      joined.set(chunk, at);
      at += chunk.byteLength;
    }
    return joined;
  }

  #length(length: number): void {
    if (this.flexible) this.uvarint(length + 1);
    else this.int32(length);
  }

  #append(value: Uint8Array): void {
    if (value.byteLength >= BY_REFERENCE_BYTES) {
      this.#cut();
      this.#chunks.push(value);
      this.#chunkBytes += value.byteLength;
    } else {
      const at = this.#grow(value.byteLength);
      this.#buffer.set(value, at);
    }
  }

  #byte(value: number): void {
    const at = this.#grow(1);
    this.#buffer[at] = value;
  }

  /** Makes a chunk of what was gathered; the buffer behind it goes on being filled. */
  #cut(): void {
    if (this.#at === this.#from) return;
    this.#chunks.push(this.#buffer.subarray(this.#from, this.#at));
    this.#chunkBytes += this.#at - this.#from;
    this.#from = this.#at;
  }

  /** Makes room and returns where it begins; replaces buffer and view, so ask them for nothing before. */
  #grow(length: number): number {
    const at = this.#at;
    const end = at + length;
    if (end <= this.#buffer.byteLength) {
      this.#at = end;
      return at;
    }
    const kept = this.#buffer.subarray(this.#from, at);
    const size = Math.max(256, (kept.byteLength + length) * 2);
    this.#buffer = new Uint8Array(size);
    this.#buffer.set(kept);
    this.#view = new DataView(this.#buffer.buffer);
    this.#from = 0;
    this.#at = kept.byteLength + length;
    return kept.byteLength;
  }
}
