/** Chance for tests that can be had again: a seeded generator, its seed printed, TAILRACE_TEST_SEED to repeat one.
 *
 * @see {@link https://doi.org/10.1145/2714064.2660195} for SplitMix; this is its 32-bit mixing step @module */

/** Draws numbers; the same seed gives the same ones. */
export class Random {
  #state: number;

  /** @param what named in the line that tells the seed; null: nothing is printed, the caller tells it
   * @param seed by default TAILRACE_TEST_SEED, else a new one */
  constructor(
    what: string | null,
    seed = Number(Deno.env.get("TAILRACE_TEST_SEED") ?? Date.now() % 1_000_000),
  ) {
    if (what !== null) console.log(`${what}: TAILRACE_TEST_SEED=${seed}`);
    this.#state = seed | 0;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    const fraction = ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
    return low + Math.floor(fraction * (high - low + 1));
  }
}
