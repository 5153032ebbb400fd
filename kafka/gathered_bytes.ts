/** Bytes that come in pieces of any length, held in one stretch until they are taken: for parsers that look at them where they are.
 *
 * Each byte is copied once in and once out, however short the pieces are. Left out: a bound, which is the parser's.
 * @module */

const smallest = 16 * 1024;

/** A queue of bytes with one end to add to and one to take from. */
export class GatheredBytes {
  #buffer = new Uint8Array(smallest);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** What is held, not copied: good until the next `add`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  add(piece: Uint8Array): void {
    this.#makeRoom(piece.length);
    this.#buffer.set(piece, this.#end);
    this.#end += piece.length;
  }

  /** The first `count` bytes, in memory of their own; they are held no more. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.slice(this.#start, this.#start + count);
    this.drop(count);
    return taken;
  }

  /** Lets go of the first `count` bytes. */
  drop(count: number): void {
    this.#start += count;
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }

  /** Moves what is held only when a quarter of the buffer was used since the last time, so that it costs each byte little. */
  #makeRoom(count: number): void {
    if (this.#end + count <= this.#buffer.length) return;
    const { bytes } = this, needed = bytes.length + count;
    if (needed <= this.#buffer.length * 3 / 4) this.#buffer.copyWithin(0, this.#start, this.#end);
    else {
      const grown = new Uint8Array(2 ** Math.ceil(Math.log2(needed * 4 / 3)));
      grown.set(bytes);
      this.#buffer = grown;
    }
    this.#start = 0;
    this.#end = bytes.length;
  }
}
