/** A clock for tests of what takes hours. @module */
import { clearImmediate, setImmediate } from "node:timers";
import type { Clock } from "../../commands/clock.ts";

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Jumps to the time that the earliest sleeper waits for, once nothing else can happen. */
export class JumpingClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];
  #turn: ReturnType<typeof setImmediate> | undefined;

  /** @param nowMs ms since the epoch */
  constructor(nowMs = 0) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const aborted = () => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
      this.#plan();
      resolve();
    };
    const wake = () => {
      signal.removeEventListener("abort", aborted); // thousands may sleep with one signal, one after the other
      resolve();
    };
    const sleeper = { atMs: this.#nowMs + ms, wake };
    this.#sleepers.push(sleeper);
    signal.addEventListener("abort", aborted);
    this.#plan();
    return promise;
  }

  /** Lets time pass while nobody sleeps. */
  pass(ms: number): void {
    this.#nowMs += ms;
  }

  /** A macrotask per jump, so that whoever was woken can go on first; a timer would take a millisecond and more each time. */
  #plan(): void {
    clearImmediate(this.#turn);
    this.#turn = this.#sleepers.length > 0 ? setImmediate(() => this.#jump()) : undefined;
  }

  #jump(): void {
    this.#sleepers.sort((a, b) => a.atMs - b.atMs);
    const next = this.#sleepers.shift();
    if (next) {
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
    }
    this.#plan();
  }
}
