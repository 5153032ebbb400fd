/** Requests and answers of the Kafka protocol as plain objects, by the schema: what the fuzzer and the lean client of the
 * crash tests speak. Apart from the broker's own reader and writer, so a mistake there is not made twice.
 * Left out: tagged fields nobody knows (skipped when read, never written). @module */
import { type ApiSchema, type Field, type FieldType, within } from "./schema.ts";

/** What a field holds: numbers also for int64 (bigint beyond 2^53), uuids in hex. */
export type Value = number | bigint | boolean | string | Uint8Array | null | Value[] | Values;
/** A struct; what is left out takes its default. */
export interface Values {
  [name: string]: Value | undefined;
}

const text = { encode: new TextEncoder(), decode: new TextDecoder() };

/** A request frame, its length in front.
 * @param clientId null for none */
export function requestFrame(
  api: ApiSchema,
  version: number,
  correlationId: number,
  clientId: string | null,
  values: Values,
): Uint8Array<ArrayBuffer> {
  const out = new Encoder(version >= api.flexibleFrom);
  out.int32(0);
  out.int16(api.key);
  out.int16(version);
  out.int32(correlationId);
  out.oldString(clientId);
  if (out.flexible) out.uvarint(0);
  out.struct(api.request, version, values);
  return out.frame();
}

/** The body of an answer.
 * @param frame the answer without its length
 * @throws {RangeError} if it is not what the schema says, to the last byte */
export function readAnswer(api: ApiSchema, version: number, frame: Uint8Array): Values {
  const flexible = version >= api.flexibleFrom;
  const decoder = new Decoder(frame, flexible);
  decoder.int32(); // correlation id
  if (flexible && api.key !== 18) decoder.skipTags();
  const values = decoder.struct(api.response, version);
  decoder.end();
  return values;
}

/** Writes fields; the buffer grows. */
class Encoder {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  constructor(readonly flexible: boolean) {}

  /** What was written, its first four bytes being the length of the rest. */
  frame(): Uint8Array<ArrayBuffer> {
    this.#view.setInt32(0, this.#at - 4);
    return this.#bytes.slice(0, this.#at);
  }

  int16(value: number): void {
    this.#room(2);
    this.#view.setInt16(this.#at, value);
    this.#at += 2;
  }

  int32(value: number): void {
    this.#room(4);
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  uvarint(value: number): void {
    this.#room(5);
    for (; value >= 0x80; value = Math.floor(value / 128)) this.#bytes[this.#at++] = (value % 128) | 0x80;
    this.#bytes[this.#at++] = value;
  }

  oldString(value: string | null): void {
    if (value === null) return this.int16(-1);
    const bytes = text.encode.encode(value);
    this.int16(bytes.byteLength);
    this.#raw(bytes);
  }

  struct(fields: readonly Field[], version: number, values: Values): void {
    const tagged: Field[] = [];
    for (const field of fields) {
      if (!within(field.versions, version)) continue;
      const value = values[field.name];
      if (field.tag !== undefined) {
        if (value !== undefined) tagged.push(field);
        continue;
      }
      this.#field(field, version, value === undefined ? fallback(field, version) : value);
    }
    if (!this.flexible) return;
    this.uvarint(tagged.length);
    for (const field of tagged) {
      const inner = new Encoder(true);
      inner.int32(0);
      inner.#field(field, version, values[field.name]!);
      const bytes = inner.frame().subarray(4);
      this.uvarint(field.tag!);
      this.uvarint(bytes.byteLength);
      this.#raw(bytes);
    }
  }

  #field(field: Field, version: number, value: Value): void {
    this.#value(field.type, version, value);
  }

  #value(type: FieldType, version: number, value: Value): void {
    switch (type.kind) {
      case "i8":
        this.#room(1);
        this.#view.setInt8(this.#at++, Number(value));
        return;
      case "bool":
        this.#room(1);
        this.#view.setInt8(this.#at++, value === true ? 1 : 0);
        return;
      case "i16":
        return this.int16(Number(value));
      case "i32":
        return this.int32(Number(value));
      case "i64":
        this.#room(8);
        this.#view.setBigInt64(this.#at, BigInt(value as number | bigint));
        this.#at += 8;
        return;
      case "uuid":
        return this.#raw(Uint8Array.fromHex(value as string));
      case "str": {
        if (!this.flexible) return this.oldString(value as string | null);
        return this.#sized(value === null ? null : text.encode.encode(value as string));
      }
      case "bytes":
      case "records":
        return this.#sized(value as Uint8Array | null);
      case "array": {
        const items = value as Value[] | null;
        this.#length(items === null ? -1 : items.length);
        for (const item of items ?? []) this.#value(type.of, version, item);
        return;
      }
      case "struct":
        this.struct(type.fields, version, value as Values);
    }
  }

  #sized(bytes: Uint8Array | null): void {
    this.#length(bytes === null ? -1 : bytes.byteLength);
    if (bytes !== null) this.#raw(bytes);
  }

  #length(length: number): void {
    if (this.flexible) this.uvarint(length + 1);
    else this.int32(length);
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.byteLength);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.byteLength;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.max(this.#bytes.byteLength * 2, this.#at + bytes));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** What a field that is not given holds. */
function fallback(field: Field, version: number): Value {
  if (field.fallback !== undefined) return field.fallback;
  if (within(field.nullable, version)) return null;
  switch (field.type.kind) {
    case "bool":
      return false;
    case "str":
      return "";
    case "bytes":
    case "records":
      return new Uint8Array(0);
    case "uuid":
      return "0".repeat(32);
    case "array":
      return [];
    case "struct":
      return {};
    default:
      return 0;
  }
}

/** Reads fields; never beyond the end. */
class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #flexible: boolean;
  #at = 0;

  constructor(bytes: Uint8Array, flexible: boolean) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#flexible = flexible;
  }

  int32(): number {
    return this.#view.getInt32(this.#skip(4));
  }

  end(): void {
    const left = this.#bytes.byteLength - this.#at;
    if (left !== 0) throw new RangeError(`Cannot read answer as ${left} bytes are left`);
  }

  skipTags(): void {
    this.#tags([], 0, {});
  }

  struct(fields: readonly Field[], version: number): Values {
    const values: Values = {};
    for (const field of fields) {
      if (!within(field.versions, version)) continue;
      if (field.tag === undefined) values[field.name] = this.#value(field.type, version, field);
    }
    if (this.#flexible) this.#tags(fields, version, values);
    return values;
  }

  #tags(fields: readonly Field[], version: number, values: Values): void {
    for (let left = this.#uvarint(); left > 0; left--) {
      const tag = this.#uvarint();
      const end = this.#uvarint() + this.#at;
      const field = fields.find((each) => each.tag === tag && within(each.versions, version));
      if (field === undefined) this.#skip(end - this.#at);
      else values[field.name] = this.#value(field.type, version, field);
      if (this.#at !== end) {
        throw new RangeError(`Cannot read answer as tagged field ${tag} has another size`);
      }
    }
  }

  /** @param field whose value it is, which says whether it may be null; undefined for an item of an array */
  #value(type: FieldType, version: number, field: Field | undefined): Value {
    switch (type.kind) {
      case "i8":
        return this.#view.getInt8(this.#skip(1));
      case "bool":
        return this.#view.getInt8(this.#skip(1)) !== 0;
      case "i16":
        return this.#view.getInt16(this.#skip(2));
      case "i32":
        return this.int32();
      case "i64":
        return Number(this.#view.getBigInt64(this.#skip(8)));
      case "uuid":
        return this.#take(16).toHex();
      case "str": {
        const length = this.#flexible ? this.#uvarint() - 1 : this.#view.getInt16(this.#skip(2));
        return length < 0 ? nullOf(field, version) : text.decode.decode(this.#take(length));
      }
      case "bytes":
      case "records": {
        const length = this.#length();
        return length < 0 ? nullOf(field, version) : this.#take(length);
      }
      case "array": {
        const length = this.#length();
        if (length < 0) return nullOf(field, version);
        const items: Value[] = [];
        for (let i = 0; i < length; i++) items.push(this.#value(type.of, version, undefined));
        return items;
      }
      case "struct":
        return this.struct(type.fields, version);
    }
  }

  #length(): number {
    return this.#flexible ? this.#uvarint() - 1 : this.int32();
  }

  #uvarint(): number {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      const byte = this.#bytes[this.#skip(1)]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  #take(bytes: number): Uint8Array {
    const from = this.#skip(bytes);
    return this.#bytes.subarray(from, from + bytes);
  }

  #skip(bytes: number): number {
    const from = this.#at;
    if (bytes < 0 || from + bytes > this.#bytes.byteLength) {
      throw new RangeError(`Cannot read answer as it ends at byte ${this.#bytes.byteLength}`);
    }
    this.#at += bytes;
    return from;
  }
}

/** `records` are null-able in answers everywhere; other fields only where the schema says so. */
function nullOf(field: Field | undefined, version: number): null {
  if (field === undefined || within(field.nullable, version)) return null;
  throw new RangeError(`Cannot read answer as ${field.name} is null`);
}
