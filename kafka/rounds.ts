/** Rounds of writes to many viewers: soon when it is quiet, and at a distance that grows with what a round takes. @module */
import { setImmediate } from "node:timers";

/** Longest pause between two rounds, when each of them takes long. */
const maxPauseMs = 20;

/** Runs a round whenever one was asked for. */
export class Rounds implements Disposable {
  readonly #round: () => void;
  #isScheduled = false;
  #isStopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** On the clock of `performance.now()`. */
  #notBefore = 0;

  constructor(round: () => void) {
    this.#round = round;
  }

  /** Asks for a round; whoever asks before it has begun shares it. */
  schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    const waitMs = this.#notBefore - performance.now();
    if (waitMs < 1) setImmediate(() => this.#run());
    else this.#timer = setTimeout(() => this.#run(), waitMs);
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #run(): void {
    this.#isScheduled = false;
    if (this.#isStopped) return;
    const began = performance.now();
    this.#round();
    const tookMs = performance.now() - began;
    this.#notBefore = performance.now() + Math.min(maxPauseMs, tookMs);
  }
}
