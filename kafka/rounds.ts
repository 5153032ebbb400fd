/** Rounds of writes to many viewers: soon when it is quiet, and at a distance that grows with what a round takes.
 *
 * A round that writes much is cut into turns of the event loop: the runtime keeps a copy of what it has not handed to the system yet, and
 * hundreds of pictures at once cost more memory, and more time, than a few at a time do.
 * @module */
import { setImmediate } from "node:timers";

/** Longest pause between two rounds, when each of them takes long. */
const maxPauseMs = 20;
/** What one turn writes, about. */
const turnBytes = 512 * 1024;

/** Runs a round whenever one was asked for. */
export class Rounds implements Disposable {
  readonly #round: () => Iterable<number>;
  #isScheduled = false;
  #isRunning = false;
  #isStopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** On the clock of `performance.now()`. */
  #notBefore = 0;

  /** @param round gives the bytes that each of its steps has written */
  constructor(round: () => Iterable<number>) {
    this.#round = round;
  }

  /** Asks for a round; whoever asks before it has begun shares it. */
  schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    if (!this.#isRunning) this.#await();
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #await(): void {
    const waitMs = this.#notBefore - performance.now();
    if (waitMs < 1) setImmediate(() => this.#run());
    else this.#timer = setTimeout(() => this.#run(), waitMs);
  }

  #run(): void {
    this.#isScheduled = false;
    this.#isRunning = true;
    this.#turn(this.#round()[Symbol.iterator](), 0);
  }

  #turn(steps: Iterator<number>, tookMs: number): void {
    if (this.#isStopped) return;
    const began = performance.now();
    let bytes = 0, isDone = false;
    while (!isDone && bytes < turnBytes) {
      const { done, value } = steps.next();
      if (done) isDone = true;
      else bytes += value;
    }
    const allMs = tookMs + performance.now() - began;
    if (!isDone) return void setImmediate(() => this.#turn(steps, allMs));
    this.#isRunning = false;
    this.#notBefore = performance.now() + Math.min(maxPauseMs, allMs);
    if (this.#isScheduled) this.#await();
  }
}
