/** A clock whose hands the test turns.
 * @module */
import type { Clock, Timer } from "../../../kafka/broker/group_clock.ts";

interface FakeTimer {
  readonly at: number;
  readonly callback: () => void;
}

/** Time that stands still until {@link FakeClock.pass} is called. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #timers = new Set<FakeTimer>();

  /** Timers that were started and neither ran nor were taken back. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const timer = { at: this.#now + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as FakeTimer);
  }

  /** Lets time go by and runs what becomes due, in order of time and then of start. */
  pass(ms: number): void {
    const until = this.#now + ms;
    for (let due = this.#nextUntil(until); due; due = this.#nextUntil(until)) {
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = until;
  }

  #nextUntil(until: number): FakeTimer | undefined {
    let next: FakeTimer | undefined;
    for (const timer of this.#timers) if (timer.at <= until && (!next || timer.at < next.at)) next = timer;
    return next;
  }
}
