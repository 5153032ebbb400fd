/** The time and the timers of the group coordinator, so that tests can turn the hands themselves.
 * @module */

/** A started timer: whatever the clock that made it wants back. */
export type Timer = number | object;

/** Where a group gets its time from. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `callback` once, `delayMs` milliseconds from now; 0 means soon, never at once. */
  setTimer(callback: () => void, delayMs: number): Timer;
  /** Takes a timer back; nothing happens if it already ran. */
  clearTimer(timer: Timer): void;
}

/** The largest delay that timers take; longer ones would run at once. */
const maxDelayMs = 2_147_483_647;

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, Math.min(Math.max(delayMs, 0), maxDelayMs)),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** A timer that can be set anew: the last setting counts. */
export class Alarm {
  readonly #clock: Clock;
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `ring` once, `delayMs` milliseconds from now, instead of what was set before. */
  set(delayMs: number, ring: () => void): void {
    this.stop();
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = null;
      ring();
    }, delayMs);
  }

  stop(): void {
    if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
    this.#timer = null;
  }
}
