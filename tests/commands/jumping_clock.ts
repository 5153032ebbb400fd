/** A clock for tests of what takes hours. @module */
import type { Clock } from "../../commands/clock.ts";

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Jumps to the time that the earliest sleeper waits for, once nothing else can happen. */
export class JumpingClock implements Clock {
  #nowMs: number;
  #sleepers: Sleeper[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

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
    const sleeper = { atMs: this.#nowMs + ms, wake: resolve };
    this.#sleepers.push(sleeper);
    signal.addEventListener("abort", () => {
      this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
      this.#plan();
      resolve();
    });
    this.#plan();
    return promise;
  }

  /** Lets time pass while nobody sleeps. */
  pass(ms: number): void {
    this.#nowMs += ms;
  }

  /** A macrotask per jump, so that whoever was woken can go on first. */
  #plan(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#sleepers.length > 0 ? setTimeout(() => this.#jump(), 0) : undefined;
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
