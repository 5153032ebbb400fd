/** Time as the replay and the demo see it, so that tests do not wait. @module */

/** A clock; times in ms since the epoch. */
export interface Clock {
  now(): number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: Date.now,
  sleep(ms, signal) {
    if (signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => resolve(), { once: true, signal: cleanup(promise) });
    return promise.finally(() => clearTimeout(timer));
  },
};

/** A signal that aborts when `promise` settles, which takes the listener of a long-lived signal away. */
function cleanup(promise: Promise<void>): AbortSignal {
  const done = new AbortController();
  promise.finally(() => done.abort());
  return done.signal;
}
