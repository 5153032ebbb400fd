/** Finished windows of one id and size, ascending by start.
 *
 * Ids may be many and their windows more, so they lie in one array of numbers. Left out: how many are kept, and what may be dropped
 * (id_windows.ts).
 * @module */
import type { ClosedWindow } from "./types.ts";

/** Numbers of a window: start, count, late, byClock. */
const stride = 4;

export class ClosedWindows {
  readonly #numbers: number[] = [];

  get length(): number {
    return this.#numbers.length / stride;
  }

  /** @param index 0 … length − 1 */
  startAt(index: number): number {
    return this.#numbers[index * stride]!;
  }

  countAt(index: number): number {
    return this.#numbers[index * stride + 1]!;
  }

  lateAt(index: number): number {
    return this.#numbers[index * stride + 2]!;
  }

  /** Start of the oldest one; Infinity when there is none. */
  get oldest(): number {
    return this.#numbers[0] ?? Infinity;
  }

  /** Start of the newest one; −Infinity when there is none. */
  get newest(): number {
    return this.#numbers[this.#numbers.length - stride] ?? -Infinity;
  }

  /** Where the window that begins at `start` is; −1 when it is not there. */
  indexOf(start: number): number {
    const at = this.#placeOf(start);
    return this.#numbers[at] === start ? at / stride : -1;
  }

  /** Puts in a window that is not there yet.
   * @param byClock 1 or 0 */
  insert(start: number, count: number, late: number, byClock: 0 | 1): void {
    const at = this.#placeOf(start);
    if (at === this.#numbers.length) this.#numbers.push(start, count, late, byClock);
    else this.#numbers.splice(at, 0, start, count, late, byClock);
  }

  addLate(index: number, count: number): void {
    this.#numbers[index * stride + 2]! += count;
  }

  /** Lets go of the oldest ones. */
  dropOldest(windows: number): void {
    if (windows === 0) return;
    this.#numbers.copyWithin(0, windows * stride);
    this.#numbers.length -= windows * stride;
  }

  /** As they are written: JSON of `ClosedWindow[]`. */
  toString(): string {
    const numbers = this.#numbers;
    let text = "[";
    for (let i = 0; i < numbers.length; i += stride) {
      if (i > 0) text += ",";
      text += `[${numbers[i]},${numbers[i + 1]},${numbers[i + 2]}${numbers[i + 3] === 1 ? ",1]" : "]"}`;
    }
    return text + "]";
  }

  /** @param windows ascending by start */
  static from(windows: readonly ClosedWindow[]): ClosedWindows {
    const closed = new ClosedWindows();
    for (const [start, count, late, byClock = 0] of windows) {
      closed.#numbers.push(start, count, late, byClock);
    }
    return closed;
  }

  /** Place of the first number of the window that begins at `start` or behind it. Mostly the newest ones are asked for. */
  #placeOf(start: number): number {
    const numbers = this.#numbers;
    let low = 0, high = numbers.length / stride;
    if (start > this.newest) return numbers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[middle * stride]! < start) low = middle + 1;
      else high = middle;
    }
    return low * stride;
  }
}
