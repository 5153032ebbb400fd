/** The conformance suite: every scenario with every client library, on the embedded broker and on Apache Kafka.
 *
 * A scenario that fails on Apache Kafka is wrong itself. TAILRACE_CONFORMANCE, a regular expression, chooses among
 * "<client> on <broker>: <scenario>"; with TAILRACE_TEST_BOOTSTRAP=host:port all run on that broker only.
 * To add a client: conformance_clients.ts; a scenario: scenarios/. @module */
import { ApacheKafka } from "../apache_kafka.ts";
import { requires } from "../requirements.ts";
import { Service } from "../service.ts";
import { clients } from "./conformance_clients.ts";
import { type BrokerUnderTest, Conformance, featuresOf, type Run } from "./conformance_run.ts";
import { scenarios } from "./scenarios/mod.ts";

const given = Deno.env.get("TAILRACE_TEST_BOOTSTRAP");
const chosen = new RegExp(Deno.env.get("TAILRACE_CONFORMANCE") ?? "");

const embedded = { name: "the embedded broker", open: () => Service.open({ command: "broker" }) };
// Compaction and transactions that take too long are looked after twice a second, not every 10 or 15 s.
const apache = {
  name: "Apache Kafka",
  open: () =>
    ApacheKafka.open({
      "log.cleaner.backoff.ms": "500",
      "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    }),
};
const other = {
  name: `the broker at ${given}`,
  open: () => Promise.resolve({ bootstrap: given!, [Symbol.asyncDispose]: () => Promise.resolve() }),
};

const available = clients.filter((client) => !requires(...client.requires).ignore);
const brokers: BrokerUnderTest[] = given !== undefined
  ? [other]
  : requires("apache-kafka").ignore
  ? [embedded]
  : [embedded, apache];

const title = ({ client, broker, scenario }: Run) => `${client.name} on ${broker.name}: ${scenario.name}`;
const features = await Promise.all(available.map(featuresOf));
const runs: Run[] = scenarios.flatMap((scenario) =>
  available.flatMap((client, i) => {
    const able = scenario.needs.every((feature) => features[i]!.has(feature)) &&
      scenario.not?.[client.name] === undefined;
    return able ? brokers.map((broker) => ({ client, broker, scenario })) : [];
  })
).filter((run) => chosen.test(title(run)));
const conformance = new Conformance(runs, available);

Deno.test.afterAll(() => conformance.close());

// Runs go on while other tests are current, so what is open is not any one test's; close() checks that all of it ends.
const shared = { sanitizeOps: false, sanitizeResources: false };
for (const run of runs) {
  Deno.test({
    name: title(run),
    ...shared,
    fn: async () => {
      await conformance.outcome(run);
    },
  });
}
