/** The two encodings of the Kafka protocol as hex digits, so that a test can say every version of a body once.
 * @module */
import { compact, hex16, hex32, str, uvarint } from "./raw_client.ts";

/** Ways to write what the two encodings write differently. */
export interface Encoding {
  readonly flexible: boolean;
  text(value: string): string;
  /** A string, or null. */
  maybe(value: string | null): string;
  /** An array of items in hex digits. */
  list(items: readonly string[]): string;
  /** An array of structs in hex digits, each with its tagged fields. */
  structs(items: readonly string[]): string;
  readonly nullList: string;
  /** Bytes from hex digits. */
  bytes(hex: string): string;
  /** The end of a struct: no tagged fields. */
  readonly tags: string;
}

const old: Encoding = {
  flexible: false,
  text: str,
  maybe: (value) => value === null ? "ffff" : str(value),
  list: (items) => hex32(items.length) + items.join(""),
  structs: (items) => hex32(items.length) + items.join(""),
  nullList: "ffffffff",
  bytes: (hex) => hex32(hex.length / 2) + hex,
  tags: "",
};

const flexible: Encoding = {
  flexible: true,
  text: compact,
  maybe: (value) => value === null ? "00" : compact(value),
  list: (items) => uvarint(items.length + 1) + items.join(""),
  structs: (items) => uvarint(items.length + 1) + items.map((item) => `${item}00`).join(""),
  nullList: "00",
  bytes: (hex) => uvarint(hex.length / 2 + 1) + hex,
  tags: "00",
};

/** The encoding of a version of an API.
 * @param flexibleFrom its first version in the flexible encoding */
export function encodingOf(version: number, flexibleFrom: number): Encoding {
  return version >= flexibleFrom ? flexible : old;
}

/** Hex digits of an int8 and of an int16, for short. */
export function hex8(value: number): string {
  return hex16(value).slice(2);
}
