/** The wait for the members of a group to join: until all came, or for so long at most. The first rebalance of an Empty
 * group has nobody to wait for, so it waits a little for others to come, and longer while they do (KIP-134).
 * @module */

import { Alarm, type Clock } from "./group_clock.ts";

/** One group's wait; it ends by `end`, which is called once a wait. */
export class JoinBarrier {
  readonly #alarm: Alarm;
  readonly #end: () => void;
  #isFirst = false;
  /** A member came while a first rebalance was waiting. */
  #newcomer = false;

  constructor(clock: Clock, end: () => void) {
    this.#alarm = new Alarm(clock);
    this.#end = end;
  }

  /** Only the delay ends the wait, whoever has come. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  /** Waits for known members. */
  begin(timeoutMs: number): void {
    this.#isFirst = false;
    this.#alarm.set(timeoutMs, this.#end);
  }

  /** Waits for members nobody knows yet: `delayMs`, and as much again whenever one came, `timeoutMs` in all. */
  beginFirst(delayMs: number, timeoutMs: number): void {
    this.#isFirst = true;
    this.#newcomer = false;
    this.#awaitNewcomers(delayMs, timeoutMs);
  }

  /** A member came. */
  met(): void {
    this.#newcomer = true;
  }

  /** Waits on for the members there are, after the time was up. */
  extend(timeoutMs: number): void {
    this.#alarm.set(timeoutMs, this.#end);
  }

  stop(): void {
    this.#alarm.stop();
  }

  #awaitNewcomers(delayMs: number, remainingMs: number): void {
    this.#alarm.set(Math.min(delayMs, remainingMs), () => {
      const leftMs = remainingMs - delayMs;
      if (!this.#newcomer || leftMs <= 0) return this.#end();
      this.#newcomer = false;
      this.#awaitNewcomers(Math.min(delayMs, leftMs), leftMs);
    });
  }
}
