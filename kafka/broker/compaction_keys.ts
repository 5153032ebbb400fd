/** The newest offset of each key in a part of a log, in memory of a bounded size. Exact: keys are compared, not hashes
 * of them. @module */

import { Buffer } from "node:buffer";

/** Keys are spread over so many maps: one big map would hold the loop for long each time it grows. */
const MAPS = 256;
/** What an entry costs beside its key, roughly. */
const ENTRY_BYTES = 80;

/** Keys and the offsets of their newest records. */
export class NewestOffsets {
  readonly #maps: Map<string, number>[] = Array.from({ length: MAPS }, () => new Map());
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes when they are reached it is full; what is added nevertheless is kept */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** Takes in a record; offsets come in order.
   * @param bytes holds the key from `at` on */
  add(bytes: Uint8Array, at: number, length: number, offset: number): void {
    const key = textOf(bytes, at, length);
    const map = this.#mapOf(bytes, at, length);
    const size = map.size;
    map.set(key, offset);
    if (map.size > size) this.#bytes += ENTRY_BYTES + length;
  }

  /** Offset of the newest record of a key; undefined if none was added. */
  of(bytes: Uint8Array, at: number, length: number): number | undefined {
    return this.#mapOf(bytes, at, length).get(textOf(bytes, at, length));
  }

  #mapOf(bytes: Uint8Array, at: number, length: number): Map<string, number> {
    let hash = length;
    for (let i = Math.max(at, at + length - 8); i < at + length; i++) {
      hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    }
    return this.#maps[(hash ^ (hash >>> 15)) & (MAPS - 1)] as Map<string, number>;
  }
}

/** One character a byte. */
function textOf(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString("latin1");
}
