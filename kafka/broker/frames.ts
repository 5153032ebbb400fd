/** Cuts the bytes of a connection into frames. Bytes are read straight to where they stay: frames are views into the
 * buffer they arrived in, nothing is joined chunk by chunk, and no buffer is used twice, so a view stays true for
 * as long as somebody keeps it.
 * @see {@link https://kafka.apache.org/protocol#protocol_common} @module */

import { WireError } from "./wire/reader.ts";

/** Size of a buffer that many small frames share. */
const BUFFER_BYTES = 64 * 1024;
/** With less room than this a new buffer is begun rather than reading crumbs. */
const LEAST_ROOM = 4 * 1024;
const LENGTH_BYTES = 4;

/** Collects bytes and gives whole frames. */
export class FrameBuffer {
  #buffer = new Uint8Array(BUFFER_BYTES);
  #view = new DataView(this.#buffer.buffer);
  /** Where the frame that is being read begins, and where its bytes end so far. */
  #from = 0;
  #end = 0;

  /** @param maxFrameBytes longest frame that is taken; may change between two frames */
  constructor(public maxFrameBytes: number) {}

  /** Whether part of a frame has come and the rest has not. */
  get isMidFrame(): boolean {
    return this.#end > this.#from;
  }

  /** Memory held beyond the buffer that every connection has, in bytes. */
  get extraBytes(): number {
    return this.#buffer.byteLength - BUFFER_BYTES;
  }

  /** Where the next bytes are to be read to; {@link filled} says how many came. To be asked once {@link next} has
   * nothing more. Grows with what has come, not with what a length claims. */
  room(): Uint8Array<ArrayBuffer> {
    const have = this.#end - this.#from;
    const free = this.#buffer.byteLength - this.#end;
    if (have === 0) {
      if (free < LEAST_ROOM || this.extraBytes > 0) this.#move(BUFFER_BYTES);
      return this.#buffer.subarray(this.#end);
    }
    const wanted = have >= LENGTH_BYTES ? LENGTH_BYTES + this.#length() : LENGTH_BYTES;
    const isTooSmall = free < wanted - have;
    if (isTooSmall && (free === 0 || this.#from > 0)) this.#move(wanted);
    return this.#buffer.subarray(this.#end);
  }

  filled(bytes: number): void {
    this.#end += bytes;
  }

  /** The next whole frame without its length, or undefined.
   * @throws {WireError} if a length is impossible */
  next(): Uint8Array<ArrayBuffer> | undefined {
    if (this.#end - this.#from < LENGTH_BYTES) return undefined;
    const length = this.#length();
    if (length < 0 || length > this.maxFrameBytes) {
      const allowed = `allowed are 0..${this.maxFrameBytes}`;
      throw new WireError(`Cannot read frame as its length is ${length}, ${allowed}${hintOf(length)}`);
    }
    const begin = this.#from + LENGTH_BYTES;
    if (this.#end - begin < length) return undefined;
    this.#from = begin + length;
    return this.#buffer.subarray(begin, begin + length);
  }

  #length(): number {
    return this.#view.getInt32(this.#from);
  }

  /** Goes on in a new buffer; what has come of the current frame moves along. Growing by four bounds the copying. */
  #move(wanted: number): void {
    const have = this.#end - this.#from;
    const size = Math.max(BUFFER_BYTES, Math.min(wanted, Math.max(have * 4, BUFFER_BYTES)));
    const buffer = new Uint8Array(size);
    buffer.set(this.#buffer.subarray(this.#from, this.#end));
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer);
    this.#from = 0;
    this.#end = have;
  }
}

/** What speaks that way, when the four bytes that should be a length are the beginning of another protocol. */
function hintOf(length: number): string {
  if (length >>> 16 === 0x1603) return ": found TLS, wanted a plain connection";
  const text = String.fromCharCode(length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  return /^(GET |POST|HEAD|PUT |OPTI|DELE|PRI )$/.test(text) ? ": found HTTP, wanted Kafka's protocol" : "";
}
