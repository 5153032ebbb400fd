/** A pause that ends early when it is no longer needed. @module */

/** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal?.aborted) return Promise.resolve();
  const timer = setTimeout(done, ms);
  function done() {
    clearTimeout(timer);
    signal?.removeEventListener("abort", done);
    resolve();
  }
  signal?.addEventListener("abort", done, { once: true });
  return promise;
}

/** Pauses of one worker that others can end. */
export class Sleep {
  #isClosed = false;
  #isWakeable = true;
  #end: () => void = () => {};

  /** Lets `ms` pass. @param isWakeable whether `wake` ends it */
  async for(ms: number, isWakeable = true): Promise<void> {
    if (this.#isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#end = resolve;
    this.#isWakeable = isWakeable;
    await promise;
    clearTimeout(timer);
  }

  /** Ends the pause there is. */
  wake(): void {
    if (this.#isWakeable) this.#end();
  }

  /** Ends it, and every later one at once. */
  close(): void {
    this.#isClosed = true;
    this.#end();
  }
}
