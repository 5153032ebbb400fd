/** What many cases amounted to, for the line at their end. @module */

/** A case that takes longer is told of. */
const slowSeconds = 5;

/** What cases amounted to. */
export class Tally {
  cases = 0;
  produced = 0;
  /** Records whose outcome was unknown. */
  doubtful = 0;
  shown = 0;
  clients = 0;
  cuts = 0;
  resumed = { fresh: 0, exact: 0, gap: 0, reset: 0 } as Record<string, number>;
  gaps = 0;
  skipped = 0;
  ends = 0;
  seeks = 0;
  steps: Record<string, number> = {};

  slowest = { seconds: 0, seed: NaN };

  took(seed: number, seconds: number): void {
    if (seconds > this.slowest.seconds) this.slowest = { seconds, seed };
    if (seconds > slowSeconds) console.log(`model: seed ${seed} took ${seconds.toFixed(1)} s`);
  }

  toString(): string {
    const { fresh, exact, gap, reset } = this.resumed;
    const told = Object.entries(this.steps).filter(([name]) =>
      !/^(produce|open|give|pause|release)/.test(name)
    )
      .map(([name, count]) => `${count}× ${name}`).join(", ");
    return `${this.cases} cases: ${this.produced} records (${this.doubtful} in doubt), ${this.shown} shown to ${this.clients} clients, ` +
      `${this.gaps} gaps of ${this.skipped}, ${this.ends} ends, ${this.seeks} seeks; starts: ${fresh} fresh, ${exact} exact, ${gap} gap, ` +
      `${reset} reset; ${told}; slowest ${this.slowest.seconds.toFixed(1)} s (seed ${this.slowest.seed})`;
  }
}
