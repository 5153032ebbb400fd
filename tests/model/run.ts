/** Many cases, several at once, each drawn from a seed of its own; a failure tells the seed and the steps that it takes.
 *
 * TAILRACE_MODEL_SEED is the first seed (default: always the same), TAILRACE_MODEL_CASES how many there are, TAILRACE_MODEL_SECONDS when
 * no more are begun, TAILRACE_MODEL_SHRINK=1 looks for fewer steps that fail as well.
 * @module */
import { Random } from "../random.ts";
import { Case } from "./case.ts";
import { Tally } from "./tally.ts";
import type { Stage } from "./stage.ts";
import { describeStep, drawPlan, type Features, type Plan, type Weights } from "./steps.ts";

/** How cases are run. */
export interface RunOptions {
  readonly name: string;
  readonly cases: number;
  /** Each runs its cases one after the other. */
  readonly stages: readonly Stage[];
  readonly weights: Weights;
  readonly features: Features;
  readonly maxSteps?: number;
  /** No case is begun after so many seconds. */
  readonly maxSeconds?: number;
  /** How long clients may take to come to the end, ms. */
  readonly settleMs?: number;
  /** Done beside the cases, each time so many have begun. */
  readonly every?: { readonly cases: number; readonly work: () => Promise<void> };
}

/** After so many failures a run ends. */
const maxFailures = 5;

/** The first seed of this run. */
export const firstSeed = Number(Deno.env.get("TAILRACE_MODEL_SEED") ?? 50_000_000);

/** How many cases to run when nobody says. */
export function casesOr(usual: number, variable = "TAILRACE_MODEL_CASES"): number {
  return Number(Deno.env.get(variable) ?? usual);
}

/** Runs cases until they are through or some have failed. @throws {Error} with seed and steps */
export async function runCases(options: RunOptions): Promise<Tally> {
  const { name, cases, stages, maxSeconds = Infinity } = options;
  const tally = new Tally();
  const began = performance.now();
  let next = 0;
  const failures: unknown[] = [];
  let beside: Promise<unknown> = Promise.resolve();
  const lane = async (stage: Stage) => {
    while (
      next < cases && failures.length < maxFailures && (performance.now() - began) / 1_000 < maxSeconds
    ) {
      const seed = firstSeed + next++;
      if (options.every && next % options.every.cases === 0) {
        beside = beside.then(options.every.work).catch((error) => failures.push(error));
      }
      const plan = drawPlan(new Random(null, seed), options.weights, options.features, options.maxSteps);
      const from = performance.now();
      const error = await attempt(stage, plan, seed, tally, options.settleMs);
      tally.took(seed, (performance.now() - from) / 1_000);
      if (error === undefined) continue;
      console.log(`model: seed ${seed} fails: ${(error as Error).message.split("\n  client")[0]}`);
      failures.push(await describeFailure(stage, plan, seed, error));
    }
  };
  await Promise.all(stages.map(lane));
  await beside;
  const seconds = (performance.now() - began) / 1_000;
  console.log(
    `model, ${name}: seeds ${firstSeed}…${firstSeed + next - 1}, ${seconds.toFixed(1)} s, ${tally}`,
  );
  for (const failure of failures.slice(1)) console.log((failure as Error).message);
  if (failures.length > 0) throw failures[0];
  return tally;
}

let runs = 0;

async function attempt(
  stage: Stage,
  plan: Plan,
  seed: number,
  tally: Tally,
  settleMs?: number,
): Promise<unknown | undefined> {
  const one = new Case(stage, plan, `model-${seed}-${runs++}`, tally, settleMs);
  try {
    await one.run();
    return undefined;
  } catch (error) {
    const clients = one.clients.map((client) =>
      `  client ${client.number} ${JSON.stringify(client.opening)} ${client.endedBy}\n    ${
        client.tail().join("\n    ")
      }`
    );
    return new Error(`${messagesOf(error)}\n${clients.join("\n")}`, { cause: error });
  }
}

async function describeFailure(stage: Stage, plan: Plan, seed: number, error: unknown): Promise<Error> {
  const shrunk = Deno.env.get("TAILRACE_MODEL_SHRINK") === "1" ? await shrink(stage, plan, seed) : plan;
  const { steps, ...rest } = shrunk;
  const lines = steps.map((step, n) => `  ${n}. ${describeStep(step)}`);
  return new Error(
    `Seed ${seed} fails (TAILRACE_MODEL_SEED=${seed} TAILRACE_MODEL_CASES=1 repeats it)\n` +
      `${JSON.stringify(rest)}\n${lines.join("\n")}\n${(error as Error).message}`,
  );
}

/** What went wrong, and why, down to where it was met when that is nothing we wrote. */
function messagesOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const what = error.name === "Error" || error.name === "Mismatch"
    ? error.message
    : error.stack ?? error.message;
  return error.cause === undefined ? what : `${what}\nas ${messagesOf(error.cause)}`;
}

/** Leaves out steps, fewer and fewer at a time, as long as the rest fails too. */
async function shrink(stage: Stage, plan: Plan, seed: number): Promise<Plan> {
  let found = plan;
  for (let size = found.steps.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size <= found.steps.length;) {
      const less = { ...found, steps: found.steps.toSpliced(at, size) };
      if (await attempt(stage, less, seed, new Tally(), 3_000) === undefined) at += size;
      else found = less;
    }
  }
  return found;
}
