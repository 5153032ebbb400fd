/** Counting in windows against the truth: random clicks over hours, folded, repeated, restored at any point; TAILRACE_WINDOW_CASES says
 * how many cases, TAILRACE_MODEL_SEED the first seed. @module */
import { casesOr, firstSeed } from "./run.ts";
import { type Counts, runWindowCase } from "./window_case.ts";

const cases = casesOr(300, "TAILRACE_WINDOW_CASES");

Deno.test(`finished windows are the truth, each with one count, in ${cases} random cases`, () => {
  const counts: Counts = {}, began = performance.now();
  for (let seed = firstSeed; seed < firstSeed + cases; seed++) {
    try {
      runWindowCase(seed, counts);
    } catch (error) {
      const repeat = `TAILRACE_MODEL_SEED=${seed} TAILRACE_WINDOW_CASES=1`;
      throw new Error(`Seed ${seed} fails (${repeat} repeats it)`, { cause: error });
    }
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  console.log(
    `windows: seeds ${firstSeed}…${firstSeed + cases - 1}, ${seconds} s, ${JSON.stringify(counts)}`,
  );
});
