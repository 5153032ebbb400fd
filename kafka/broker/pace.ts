/** Long work in small pieces: the loop is given back between them, and their size follows the time they take, so that
 * no client waits for housekeeping. @module */

import { setImmediate } from "node:timers";

/** Longest time that one piece should hold the loop, in milliseconds. Twice this is still unnoticed. */
export const PIECE_MS = 8;
/** Work between two looks at the clock's time that is let pass, in milliseconds. */
const BREATH_MS = 4;

/** Gives the loop back when work has held it for some milliseconds. */
export class Breath {
  #since = performance.now();

  /** Whether it is time to pause. */
  get due(): boolean {
    return performance.now() - this.#since >= BREATH_MS;
  }

  /** Lets everything else that waits run, if it is time; costs next to nothing otherwise. */
  async pause(): Promise<void> {
    if (this.due) await this.always();
  }

  /** Lets everything else that waits run. */
  async always(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}

/** How much work goes into the next piece: less after one that took long, slowly more after quick ones. */
export class PieceSize {
  readonly #least: number;
  readonly #most: number;
  #now: number;

  /** @param least,most bounds; the first piece has the mean of their logarithms */
  constructor(least: number, most: number) {
    this.#least = least;
    this.#most = most;
    this.#now = Math.round(Math.sqrt(least * most));
  }

  get now(): number {
    return this.#now;
  }

  /** Tells how long a piece has held the loop, in milliseconds. */
  took(ms: number): void {
    const factor = ms > PIECE_MS ? Math.max(PIECE_MS / ms / 1.5, 0.1) : ms < PIECE_MS / 2 ? 1.25 : 1;
    this.#now = Math.min(Math.max(Math.round(this.#now * factor), this.#least), this.#most);
  }
}
