/** The hub against the model, on the embedded broker in this process: `deno task model` runs ten thousand cases of it. @module */
import { EmbeddedNode } from "./kafka_node.ts";
import { HubStage } from "./hub_stage.ts";
import { casesOr, runCases } from "./run.ts";
import { allFeatures, usualWeights } from "./steps.ts";

const usual = 250;
const cases = casesOr(usual);
/** On a busy machine fewer have to do in an ordinary run. */
const maxSeconds = Number(Deno.env.get("TAILRACE_MODEL_SECONDS") ?? (cases > usual ? Infinity : 20));
const lanes = Math.min(6, cases);

Deno.test(`viewers of the hub are shown the log from their cursor on, each record once, in ${cases} random cases`, async () => {
  await using parts = new AsyncDisposableStack();
  const stages = [];
  for (let n = 0; n < lanes; n++) stages.push(parts.use(HubStage.open(await EmbeddedNode.open())));
  await runCases({
    name: "hub",
    cases,
    stages,
    weights: usualWeights,
    features: allFeatures,
    maxSeconds,
  });
});
