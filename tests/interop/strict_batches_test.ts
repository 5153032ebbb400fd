/** What the embedded broker and Apache Kafka say of batches that no proper client sends: the same, but where the table
 * of strict_batches.ts says otherwise. @module */
import { assertEquals } from "@std/assert";
import { ApacheKafka } from "../apache_kafka.ts";
import { makeTopic, withBroker } from "../kafka/broker/harness.ts";
import { RawClient } from "../kafka/broker/raw_client.ts";
import { requires } from "../requirements.ts";
import {
  bombs,
  makeStrictTopic,
  type StrictCase,
  strictCases,
  strictTopics,
  verdictOn,
} from "./strict_batches.ts";

/** Errors by case, those of two brokers side by side when something differs. */
async function checkAll(port: number, errorOf: (each: StrictCase) => number): Promise<void> {
  using client = await RawClient.connect(port);
  for (const [name, configs] of Object.entries(strictTopics)) await makeStrictTopic(client, name, configs);
  const found: string[] = [];
  const wanted: string[] = [];
  for (const each of strictCases()) {
    const { error, records } = await verdictOn(client, each.topic ?? "plain", each);
    found.push(`${each.name}: ${error} [${records}]`);
    wanted.push(`${each.name}: ${errorOf(each)} [${each.records ?? ""}]`);
  }
  assertEquals(found, wanted);
}

Deno.test("the embedded broker takes and refuses batches as the table says", () =>
  withBroker((broker) => checkAll(broker.port, ({ error }) => error)));

Deno.test({
  name: "Apache Kafka takes and refuses batches as the table says",
  ignore: requires("apache-kafka").ignore,
  fn: async () => {
    await using kafka = await ApacheKafka.open();
    await checkAll(Number(kafka.bootstrap.split(":")[1]), ({ error, kafka }) => kafka ?? error);
  },
});

Deno.test("a batch that decompresses without end is refused, in turn with those around it", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const good = strictCases()[0]!.batch;
    for (const { name, batch } of bombs()) {
      const before = await verdictOn(client, "t", { batch: good });
      assertEquals((await verdictOn(client, "t", { batch })).error, 10, name);
      assertEquals((await verdictOn(client, "t", { batch: good })).offset, before.offset + 3);
    }
  }));
