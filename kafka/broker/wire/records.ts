/** The records inside a batch of format v2, decompressed: walked one by one, every length checked.
 *     record => length:VARINT attributes:INT8 timestamp_delta:VARLONG offset_delta:VARINT
 *               key_length:VARINT key value_length:VARINT value header_count:VARINT
 *               [key_length:VARINT key value_length:VARINT value]
 * @see {@link https://kafka.apache.org/documentation/#record} @module */

/** Walks records; after each {@link next} that is true its fields are those of that record. */
export class RecordWalk {
  /** Where the record begins, its length included, and where the next one does. */
  start = 0;
  end = 0;
  offsetDelta = 0;
  timestampDelta = 0;
  keyAt = 0;
  /** −1 for no key. */
  keyLength = -1;
  /** −1 for a tombstone. */
  valueLength = -1;
  readonly #bytes: Uint8Array;
  #at = 0;

  /** @param records what follows the header of a batch, decompressed */
  constructor(records: Uint8Array) {
    this.#bytes = records;
  }

  /** Whether everything was walked. */
  get atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  /** Goes to the next record; false if it is broken: then the walk is over. */
  next(): boolean {
    this.start = this.#at;
    const length = this.#varint();
    const end = this.end = this.#at + length;
    if (!(length > 0) || end > this.#bytes.byteLength) return false;
    this.#at += 1; // attributes: none is defined
    this.timestampDelta = this.#varlong();
    this.offsetDelta = this.#varint();
    this.keyLength = this.#varint();
    this.keyAt = this.#at;
    if (!this.#skip(this.keyLength, -1)) return false;
    this.valueLength = this.#varint();
    return this.#skip(this.valueLength, -1) && this.#skipHeaders() && this.#at === end &&
      this.offsetDelta >= 0;
  }

  #skipHeaders(): boolean {
    const headers = this.#varint();
    if (!(headers >= 0)) return false;
    for (let i = 0; i < headers; i++) {
      if (!this.#skip(this.#varint(), 0) || !this.#skip(this.#varint(), -1)) return false;
    }
    return true;
  }

  #skip(length: number, least: number): boolean {
    if (!(length >= least)) return false;
    if (length > 0) this.#at += length;
    return this.#at <= this.#bytes.byteLength;
  }

  #varint(): number {
    const value = this.#unsigned(5);
    return Number.isNaN(value) ? NaN : (value >>> 1) ^ -(value & 1);
  }

  #varlong(): number {
    const value = this.#unsigned(10);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A varint; beyond the end, or without one, NaN, which fails every comparison of the walk. */
  #unsigned(maxBytes: number): number {
    const first = this.#bytes[this.#at];
    if (first !== undefined && first < 0x80) {
      this.#at += 1;
      return first;
    }
    let value = 0;
    for (let i = 0, scale = 1; i < maxBytes; i++, scale *= 128) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.#at = NaN;
    return NaN;
  }
}

/** Walks all records of a batch.
 * @param records what follows the header, decompressed
 * @param count how many there should be
 * @param visit called for each record in order; stops the walk by returning true
 * @returns false if the records are broken */
export function walkRecords(
  records: Uint8Array,
  count: number,
  visit: (record: RecordWalk) => boolean | void,
): boolean {
  const walk = new RecordWalk(records);
  for (let i = 0; i < count; i++) {
    if (!walk.next()) return false;
    if (visit(walk) === true) return true;
  }
  return walk.atEnd;
}
