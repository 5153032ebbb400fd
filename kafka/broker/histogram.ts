/** A histogram of seconds with fixed bounds, in the cumulative form that Prometheus expects. @module */

/** What a histogram holds: observations at or below each bound, their sum and number. */
export interface HistogramSnapshot {
  /** Cumulative; `le` ascending, the last one Infinity left out as it equals `count`. */
  readonly buckets: [le: number, count: number][];
  readonly sum: number;
  readonly count: number;
}

/** Counts observations by upper bound. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** @param bounds upper bounds, strictly increasing, each inclusive */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count += 1;
    const at = this.#bounds.findIndex((bound) => value <= bound);
    if (at >= 0) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  snapshot(): HistogramSnapshot {
    let below = 0;
    const buckets = this.#bounds.map((bound, i): [number, number] => [bound, below += this.#counts[i] ?? 0]);
    return { buckets, sum: this.#sum, count: this.#count };
  }
}
