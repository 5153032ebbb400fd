/** A request's body, read ahead of whoever goes through it.
 *
 * The runtime drops what it holds of a body as soon as the sender has closed its connection, and there are senders that do not wait for
 * an answer (ffmpeg is one): what is read by then is had. Left out: what lies still unread beyond the bound, which is lost with such a
 * sender, as it would be had its cable been cut.
 * @module */

/** A body's pieces, in memory up to a bound. */
export class ReadAhead {
  readonly #pieces: ReadableStreamDefaultReader<Uint8Array>;
  #broken: { readonly error: unknown } | undefined;

  /** @param maxBytes are held before nothing more is read; with one piece on top */
  constructor(body: ReadableStream<Uint8Array>, maxBytes: number) {
    const reader = body.getReader();
    const pieces = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          this.#broken = { error };
          controller.close(); // `error` would throw away what is held
        }
      },
      cancel: (reason) => reader.cancel(reason),
    }, new ByteLengthQueuingStrategy({ highWaterMark: maxBytes }));
    this.#pieces = pieces.getReader();
  }

  /** The next piece; undefined when the body has ended, or was cancelled.
   * @throws {Error} the body's own, behind its last piece, when it broke off */
  async next(): Promise<Uint8Array | undefined> {
    const { done, value } = await this.#pieces.read();
    if (done && this.#broken) throw this.#broken.error;
    return value;
  }

  /** Reads no more and lets go of what is held. */
  async cancel(): Promise<void> {
    // Fails for a body that broke off.
    await this.#pieces.cancel().catch(() => {});
  }
}
