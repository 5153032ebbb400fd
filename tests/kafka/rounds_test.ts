import { assert, assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { Rounds } from "../../kafka/rounds.ts";
import { eventually } from "../eventually.ts";

/** A round of so many steps, each of which writes so much. */
class Steps {
  /** The turn of the event loop in which each step ran. */
  readonly turns: number[] = [];
  rounds = 0;
  #turn = 0;
  #isCounting = true;

  /** @param onTenth called in the tenth step of the first round */
  constructor(readonly count: number, readonly bytes: number, readonly onTenth = () => {}) {
    const next = () => void (this.#turn++, this.#isCounting && setImmediate(next));
    next();
  }

  *round(): Iterable<number> {
    this.rounds++;
    for (let n = 0; n < this.count; n++) {
      this.turns.push(this.#turn);
      if (this.turns.length === 10) this.onTenth();
      yield this.bytes;
    }
  }

  [Symbol.dispose](): void {
    this.#isCounting = false;
  }
}

function distinct(numbers: readonly number[]): number {
  return new Set(numbers).size;
}

Deno.test("Rounds: little is written in one turn, and whoever asks meanwhile shares the round", async () => {
  using steps = new Steps(1_000, 200);
  using rounds = new Rounds(() => steps.round());
  for (let n = 0; n < 5; n++) rounds.schedule();
  await eventually("a round", () => steps.turns.length === 1_000);
  assertEquals([steps.rounds, distinct(steps.turns)], [1, 1]);
});

Deno.test("Rounds: much is written in several turns, and whoever asks meanwhile waits for the next round", async () => {
  using steps = new Steps(200, 30_000, () => rounds.schedule());
  using rounds = new Rounds(() => steps.round());
  rounds.schedule();
  await eventually("two rounds", () => steps.turns.length === 400);
  assertEquals(steps.rounds, 2);
  const { turns } = steps,
    longest = Math.max(...turns.map((turn) => turns.filter((one) => one === turn).length));
  assert(longest < 30, `${longest} steps in one turn`);
});

Deno.test("Rounds: one that is stopped in the middle goes no further", async () => {
  using steps = new Steps(200, 30_000, () => rounds[Symbol.dispose]());
  const rounds = new Rounds(() => steps.round());
  rounds.schedule();
  await eventually("the first turn", () => steps.turns.length > 0);
  rounds.schedule();
  await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  assert(steps.turns.length < 30, `${steps.turns.length} steps`);
});
