/** The bytes of a stream as parsers want them: so many, looked at before they are taken. Left out: what they mean. @module */
import { GatheredBytes } from "../kafka/gathered_bytes.ts";

/** Reads one stream; disposing it lets go of the stream. */
export class ByteReader implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #held = new GatheredBytes();
  readonly #signal: AbortSignal | undefined;
  readonly #abort = () => void this.#reader.cancel().catch(() => {});

  /** @param signal ends the stream for the reader when it aborts */
  constructor(stream: ReadableStream<Uint8Array>, signal?: AbortSignal) {
    this.#reader = stream.getReader();
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted) this.#abort();
  }

  /** The next `count` bytes, which stay; fewer at the end of the stream. Good until the next call. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.#held.length < count) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.#held.add(value);
    }
    return this.#held.bytes.subarray(0, count);
  }

  /** The next `count` bytes; fewer at the end of the stream. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const { length } = await this.peek(count);
    return this.#held.take(length);
  }

  /** Passes over `count` bytes without holding them.
   * @returns how many there were */
  async skip(count: number): Promise<number> {
    let left = count;
    while (left > 0) {
      const { length } = await this.peek(1);
      if (length === 0) break;
      const passed = Math.min(left, this.#held.length);
      this.#held.drop(passed);
      left -= passed;
    }
    return count - left;
  }

  /** All that is left, in pieces as they come. */
  async *rest(): AsyncGenerator<Uint8Array> {
    if (this.#held.length > 0) yield this.#held.take(this.#held.length);
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      yield value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#abort);
    await this.#reader.cancel().catch(() => {});
  }
}
