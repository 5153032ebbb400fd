/** Reads the fields of a Kafka request, in wire order, from the bytes of one frame.
 *
 * Knows both encodings: the old one (i16/i32 lengths) and the flexible one (unsigned varint of length + 1, tagged
 * fields after every struct). Every read is checked against the end of the bytes and every length against what is
 * left, so that a frame can claim no more memory than it brought. Byte fields are views into the frame, not copies.
 * Left out: zigzag varints, which occur only inside records (record_batch.ts reads those).
 * @see {@link https://kafka.apache.org/protocol#protocol_types} @module */

/** Bytes that do not hold what the protocol says: the connection they came from is closed. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** Elements that all arrays of a frame may have together. One needs at least a byte, but costs far more as an object. */
const MAX_ELEMENTS = 100_000;
/** Kafka's own limit of a string, in bytes; the flexible encoding could claim more. */
const MAX_STRING_BYTES = 32_767;
const TWO_32 = 2 ** 32;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A cursor over the fields of one frame. All reads throw {@link WireError} where the bytes end or make no sense. */
export class WireReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;
  #elements = 0;

  /** @param bytes the fields, from the first one on
   * @param flexible whether they are in the flexible encoding */
  constructor(bytes: Uint8Array<ArrayBuffer>, readonly flexible: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.#bytes.byteLength - this.#at;
  }

  /** The bytes not read yet, as a view. */
  rest(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#at);
  }

  int8(): number {
    return this.#view.getInt8(this.#skip(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#skip(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4));
  }

  uint32(): number {
    return this.#view.getUint32(this.#skip(4));
  }

  /** An int64 as a number; beyond ±2^53 it is refused, as no offset, time or id of ours gets there. */
  int64(): number {
    const at = this.#skip(8);
    const value = this.#view.getInt32(at) * TWO_32 + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw new WireError(`Cannot read int64 as it is beyond 2^53: ${value}`);
    return value;
  }

  /** An int64 as a number, clamped to the safe integers: for fields like timeouts where "huge" is a legal wish. */
  clampedInt64(): number {
    const at = this.#skip(8);
    const value = this.#view.getInt32(at) * TWO_32 + this.#view.getUint32(at + 4);
    return Math.min(Math.max(value, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  }

  bool(): boolean {
    return this.int8() !== 0;
  }

  /** 16 bytes as 32 lower-case hex digits. */
  uuid(): string {
    const at = this.#skip(16);
    return this.#bytes.subarray(at, at + 16).toHex();
  }

  /** Unsigned varint of at most 32 bits. */
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#view.getUint8(this.#skip(1));
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value >= TWO_32) break;
        return value;
      }
    }
    throw new WireError("Cannot read uvarint as it has more than 32 bits");
  }

  /** Zigzag varint of at most 32 bits. */
  varint(): number {
    const value = this.uvarint();
    return (value >>> 1) ^ -(value & 1);
  }

  string(): string {
    return this.nullableString() ?? refuseNull("string");
  }

  nullableString(): string | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int16();
    return this.#text(length);
  }

  /** A string of the old form whatever the encoding: the client id of a request header. */
  oldNullableString(): string | null {
    return this.#text(this.int16());
  }

  /** A view of the bytes; whoever keeps it keeps the whole frame alive. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.nullableBytes() ?? refuseNull("bytes");
  }

  nullableBytes(): Uint8Array<ArrayBuffer> | null {
    const length = this.flexible ? this.uvarint() - 1 : this.int32();
    if (length === -1) return null;
    if (length < 0) throw new WireError(`Cannot read bytes as the length is ${length}`);
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** An array of primitives. */
  array<T>(item: () => T): T[] {
    return this.nullableArray(item) ?? refuseNull("array");
  }

  nullableArray<T>(item: () => T): T[] | null {
    const count = this.flexible ? this.uvarint() - 1 : this.int32();
    if (count === -1) return null;
    this.#elements += Math.max(count, 0);
    if (count < 0 || count > this.remaining || this.#elements > MAX_ELEMENTS) {
      throw new WireError(`Cannot read array as it claims ${count} elements in ${this.remaining} bytes`);
    }
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }

  /** An array of structs: as {@link array}, and the tagged fields after each item are skipped when flexible. */
  structs<T>(item: () => T): T[] {
    return this.nullableStructs(item) ?? refuseNull("array");
  }

  nullableStructs<T>(item: () => T): T[] | null {
    return this.nullableArray(() => {
      const value = item();
      this.tags();
      return value;
    });
  }

  /** The end of a struct: skips its tagged fields; reads nothing when not flexible. */
  tags(): void {
    if (!this.flexible) return;
    for (let left = this.uvarint(); left > 0; left--) {
      this.uvarint();
      this.#skip(this.uvarint());
    }
  }

  #skip(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.byteLength - at) {
      throw new WireError(`Cannot read ${length} bytes as only ${this.remaining} are left`);
    }
    this.#at = at + length;
    return at;
  }

  #text(length: number): string | null {
    if (length === -1) return null;
    if (length < 0 || length > MAX_STRING_BYTES) {
      throw new WireError(`Cannot read string as its length is ${length}`);
    }
    const at = this.#skip(length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw new WireError("Cannot read string as it is not UTF-8");
    }
  }
}

function refuseNull(what: string): never {
  throw new WireError(`Cannot read ${what} as it is null`);
}
