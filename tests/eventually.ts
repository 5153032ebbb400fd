/** Waiting in tests: ask again until it holds, or fail with what was last seen.
 *
 * Every wait in the tests that start other programs goes through here, so none depends on a guessed sleep. Left out:
 * fake clocks (a part that needs one takes its clock as an argument).
 * @module */

/** Asks `probe` again and again until it returns something other than `undefined`, `false` or `null`.
 * @param what what is waited for, as it completes "Timed out waiting for …"
 * @param probe may throw: the last error becomes the cause of the failure
 * @param timeoutMs how long to go on asking, in milliseconds
 * @param seen told in the failure: what the test can say about the state it is in
 * @throws {Error} when `timeoutMs` have passed */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = 30_000,
  seen?: () => unknown,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  let pauseMs = 2;
  let cause: unknown;
  while (true) {
    try {
      const found = await probe();
      if (found !== undefined && found !== null && found !== false) {
        return found as NonNullable<Exclude<T, false>>;
      }
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= deadline) {
      const state = seen ? `: ${describe(seen())}` : "";
      throw new Error(`Timed out waiting for ${what} after ${timeoutMs} ms${state}`, { cause });
    }
    await pause(pauseMs);
    pauseMs = Math.min(pauseMs * 1.5, 100);
  }
}

/** Resolves like `promise`, or rejects once `timeoutMs` have passed.
 * @throws {Error} naming `what` when it is late */
export async function within<T>(what: string, timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Timed out waiting for ${what} after ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What tells that the work, whose time is taken, begins or ends at this moment. */
export interface Stopwatch {
  start(): void;
  stop(): void;
}

/** Does the same again and again until it takes less than `maxMs` once: for what a timer, or a time that grows with the
 * size, would make slow each time. A busy machine hides that for a while, but not for ever.
 * @param what what is quick, as it completes "Timed out waiting for …"
 * @param attempt all of it counts, unless it tells the watch when the work begins and ends
 * @returns what the quick attempt gave
 * @throws {Error} when it was slow each time, for half a minute, and what an attempt throws */
export async function quickly<T>(
  what: string,
  maxMs: number,
  attempt: (watch: Stopwatch) => T | Promise<T>,
): Promise<T> {
  const tookMs: number[] = [];
  const deadline = performance.now() + 30_000;
  while (true) {
    let began = performance.now(), ended: number | undefined;
    const result = await attempt({
      start: () => began = performance.now(),
      stop: () => ended = performance.now(),
    });
    tookMs.push(Math.round((ended ?? performance.now()) - began));
    if (tookMs.at(-1)! < maxMs) return result;
    if (performance.now() >= deadline) {
      throw new Error(`Timed out waiting for ${what} to take less than ${maxMs} ms: it took ${tookMs} ms`);
    }
  }
}

/** Lets `ms` milliseconds pass: for the rhythm of a load, never for waiting on a result. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function describe(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
