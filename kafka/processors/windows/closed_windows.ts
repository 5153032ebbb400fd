/** Finished windows of one id and size, ascending by start.
 *
 * Ids may be many and their windows more, so they lie in one array of numbers. Left out: how many are kept, and what may be dropped
 * (counted_ids.ts).
 * @module */
import type { ClosedWindow } from "./types.ts";

/** Numbers of a window: start, count, late, byClock. */
const stride = 4;
/** Numbers at the front that are dropped before the others are moved. */
const maxDropped = 32 * stride;

/** The finished windows. */
export class ClosedWindows {
  #numbers: number[] = [];
  /** Where the oldest one begins. */
  #front = 0;

  get length(): number {
    return (this.#numbers.length - this.#front) / stride;
  }

  /** @param index 0 … length − 1, as for the next two */
  startAt(index: number): number {
    return this.#numbers[this.#front + index * stride]!;
  }

  countAt(index: number): number {
    return this.#numbers[this.#front + index * stride + 1]!;
  }

  lateAt(index: number): number {
    return this.#numbers[this.#front + index * stride + 2]!;
  }

  /** Start of the oldest one; Infinity when there is none. */
  get oldest(): number {
    return this.length === 0 ? Infinity : this.#numbers[this.#front]!;
  }

  /** Start of the newest one; −Infinity when there is none. */
  get newest(): number {
    return this.length === 0 ? -Infinity : this.#numbers[this.#numbers.length - stride]!;
  }

  /** Where the window that begins at `start` is; −1 when it is not there. */
  indexOf(start: number): number {
    const index = this.#placeOf(start);
    return index < this.length && this.startAt(index) === start ? index : -1;
  }

  /** Puts in a window that is not there yet.
   * @param byClock 1 or 0 */
  insert(start: number, count: number, late: number, byClock: 0 | 1): void {
    const index = this.#placeOf(start);
    if (index === this.length) this.#numbers.push(start, count, late, byClock);
    else this.#numbers.splice(this.#front + index * stride, 0, start, count, late, byClock);
  }

  addLate(index: number, count: number): void {
    this.#numbers[this.#front + index * stride + 2]! += count;
  }

  /** Lets go of the oldest ones. */
  dropOldest(windows: number): void {
    this.#front += windows * stride;
    if (this.#front < maxDropped) return;
    this.#numbers = this.#numbers.slice(this.#front);
    this.#front = 0;
  }

  /** As they are written. */
  toJSON(): ClosedWindow[] {
    const windows: ClosedWindow[] = [], numbers = this.#numbers;
    for (let i = this.#front; i < numbers.length; i += stride) {
      const start = numbers[i]!, count = numbers[i + 1]!, late = numbers[i + 2]!;
      windows.push(numbers[i + 3] === 1 ? [start, count, late, 1] : [start, count, late]);
    }
    return windows;
  }

  /** @param windows ascending by start */
  static from(windows: readonly ClosedWindow[]): ClosedWindows {
    const closed = new ClosedWindows();
    for (const [start, count, late, byClock = 0] of windows) {
      closed.#numbers.push(start, count, late, byClock);
    }
    return closed;
  }

  /** Index of the window that begins at `start`, or where it would be. Mostly the newest ones are asked for. */
  #placeOf(start: number): number {
    let low = 0, high = this.length;
    if (start > this.newest) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.startAt(middle) < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
