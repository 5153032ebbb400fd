/** The whole service against the model: its process is killed, its clients are cut in the middle of what they read, on the embedded
 * broker and on Apache Kafka. `deno task model` runs five hundred cases on the latter. @module */
import { ApacheKafka } from "../apache_kafka.ts";
import { requires } from "../requirements.ts";
import { ApacheNode } from "./kafka_node.ts";
import { casesOr, runCases } from "./run.ts";
import { ServiceStage } from "./service_stage.ts";
import { allFeatures, usualWeights, type Weights } from "./steps.ts";

const embedded = casesOr(8, "TAILRACE_MODEL_SERVICE_CASES");
const apache = casesOr(12, "TAILRACE_MODEL_KAFKA_CASES");
const maxSeconds = Number(Deno.env.get("TAILRACE_MODEL_SECONDS") ?? Infinity);
/** A restart takes a second or more; a generic stream ends when its topic goes. */
const weights: Weights = {
  ...usualWeights,
  pause: 6,
  retention: 0,
  "restart service": 0.8,
  "restart Kafka": 0,
  "remake topic": 0,
};

Deno.test(`clients of a service that is killed are shown the log once, in ${embedded} random cases`, async () => {
  await using parts = new AsyncDisposableStack();
  const stages = [];
  for (let n = 0; n < Math.min(3, embedded); n++) stages.push(parts.use(await ServiceStage.open()));
  const withoutProxy = {
    ...weights,
    "cut Kafka": 0,
    "Kafka away": 0,
    "Kafka back": 0,
    "hold answers": 0,
    "add partition": 0,
  };
  await runCases({
    name: "service, embedded broker",
    cases: embedded,
    stages,
    weights: withoutProxy,
    features: allFeatures,
  });
});

Deno.test({
  name: `clients of a service on Apache Kafka are shown the log once, in ${apache} random cases`,
  ignore: requires("apache-kafka").ignore,
  fn: async () => {
    await using node = new ApacheNode(await ApacheKafka.open());
    await using parts = new AsyncDisposableStack();
    const stages = [];
    for (let n = 0; n < Math.min(3, apache); n++) stages.push(parts.use(await ServiceStage.open(node)));
    await runCases({
      name: "service, Apache Kafka",
      cases: apache,
      stages,
      weights,
      features: allFeatures,
      maxSeconds,
      // The others go on meanwhile, and wait for it.
      every: { cases: 25, work: () => node.restart() },
    });
  },
});
