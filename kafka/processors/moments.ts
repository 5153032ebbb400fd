/** Mean and spread of numbers that come one by one, as exact as if all of them were kept.
 *
 * Welford's updates, with what rounding cuts off carried along: the error is that of the last bits after any number of values, also
 * where all lie far from zero. Left out: the numbers themselves.
 * @see {@link https://doi.org/10.1080/00401706.1962.10490022} (Welford), {@link https://doi.org/10.1007/s10543-005-0017-2} (sums
 *   with what was cut off) @module */

/** What goes on from where it was, number by number; can be sent as JSON. */
export interface MomentsState {
  readonly mean: number;
  readonly mean_low: number;
  /** Sum of squared distances from the mean; null when it is too large for a number. */
  readonly m2: number | null;
  readonly m2_low: number;
}

/** Of nothing. */
export const noMoments: MomentsState = { mean: 0, mean_low: 0, m2: 0, m2_low: 0 };

/** @throws {RangeError} for what is not the state of numbers with that mean */
export function checkMoments({ mean, mean_low, m2, m2_low }: MomentsState, wanted: number): void {
  const isState = mean === wanted && Number.isFinite(mean_low) && Number.isFinite(m2_low) &&
    (m2 === null || (Number.isFinite(m2) && m2 >= 0));
  if (isState) return;
  const found = JSON.stringify({ mean, mean_low, m2, m2_low });
  throw new RangeError(`Cannot go on with the spread around ${wanted}: found ${found}`);
}

/** Mean and spread so far. */
export class Moments {
  #mean: number;
  #meanLow: number;
  #m2: number;
  #m2Low: number;

  constructor({ mean, mean_low, m2, m2_low }: MomentsState) {
    this.#mean = mean;
    this.#meanLow = mean_low;
    this.#m2 = m2 ?? Infinity;
    this.#m2Low = m2_low;
  }

  get mean(): number {
    return this.#mean;
  }

  get state(): MomentsState {
    const isFinite = Number.isFinite(this.#m2);
    return {
      mean: this.#mean,
      mean_low: this.#meanLow,
      m2: isFinite ? this.#m2 : null,
      m2_low: isFinite ? this.#m2Low : 0,
    };
  }

  /** Of the population.
   * @returns null when it is too large for a number */
  stddev(count: number): number | null {
    return Number.isFinite(this.#m2) ? Math.sqrt(Math.max(0, this.#m2 / count)) : null;
  }

  /** @param value finite
   * @param count how many there are with it */
  add(value: number, count: number): void {
    const before = this.#mean, distance = value - before - this.#meanLow;
    const step = Number.isFinite(distance) ? distance / count : value / count - before / count;
    const rest = this.#meanLow + step, mean = before + rest;
    this.#mean = mean;
    this.#meanLow = cutOff(before, rest, mean);
    const square = distance * ((count - 1) / count) * distance; // 0 for the first one, however large
    const m2 = this.#m2 + square;
    this.#m2Low += cutOff(this.#m2, square, m2);
    this.#m2 = m2;
    if (Math.abs(this.#m2Low) > m2 * Number.EPSILON) this.#settle();
  }

  /** Puts what was cut off from the sum back, once it counts. */
  #settle(): void {
    const low = this.#m2Low, m2 = this.#m2 + low;
    this.#m2Low = cutOff(this.#m2, low, m2);
    this.#m2 = m2;
  }
}

/** What is missing in `sum` of a + b; 0 where that cannot be said. */
function cutOff(a: number, b: number, sum: number): number {
  const ofB = sum - a, low = (a - (sum - ofB)) + (b - ofB);
  return Number.isFinite(low) ? low : 0;
}
