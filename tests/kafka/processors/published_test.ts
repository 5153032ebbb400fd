import { assertEquals } from "@std/assert";
import { edgesOf } from "../../../kafka/measurements.ts";
import { RunningHistogram } from "../../../kafka/processors/histogram.ts";
import {
  type CountedState,
  publishedRecord,
  readPublished,
  readPublishedRecord,
} from "../../../kafka/processors/published.ts";
import { TransactionalProducer } from "../../../kafka/transactions.ts";
import { silentLogger } from "../../../logger.ts";
import { Ground, temperature } from "./histogram_ground.ts";

function stateOf(count: number): CountedState {
  const histogram = RunningHistogram.empty(edgesOf(temperature));
  for (let n = 0; n < count; n++) histogram.add(-25.3 + n * 0.7, 1_000 * n);
  const covered = { log: 1, positions: { 0: count, 7: 3 } };
  return { snapshot: histogram.snapshot(), more: histogram.more({ 0: 1_000 * count }), covered };
}

Deno.test("readPublishedRecord() has the very state that publishedRecord() wrote", () => {
  const state = stateOf(77), { key, value, headers } = publishedRecord("temperature", state);
  const bytes = (text: string) => new TextEncoder().encode(text);
  const record = {
    partition: 0,
    offset: 0,
    timestamp: 0,
    key: bytes(key),
    value: bytes(value),
    headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, bytes(text)])),
  };
  assertEquals(readPublishedRecord("temperature", record), state);
  assertEquals(readPublishedRecord("humidity", record), null);
  const broken: readonly Partial<typeof record>[] = [
    { headers: {} },
    { headers: { covered: bytes("[]") } },
    { headers: { covered: bytes('{"log":-1,"positions":{}}') } },
    { headers: { covered: bytes('{"log":0,"positions":{"a":1}}') } },
    { value: bytes('{"hist":[1],"bin_edges":[0,1]}') },
    { value: bytes("null") },
    { value: bytes("{") },
  ];
  for (const wrong of broken) {
    assertEquals(readPublishedRecord("temperature", { ...record, ...wrong }), null, JSON.stringify(wrong));
  }
});

Deno.test("readPublished() finds the newest committed state behind markers, aborted ones and what others wrote", async () => {
  await using ground = await Ground.open();
  await using connection = ground.kafka.connect();
  const topic = "hist_temperature";
  assertEquals(await readPublished(connection, "temperature"), null, "without the topic");
  await ground.broker.createTopic(topic, 1);
  assertEquals(await readPublished(connection, "temperature"), null, "in an empty topic");
  await using producer = new TransactionalProducer(ground.kafka, { transactionalId: "t", log: silentLogger });
  await producer.init();
  for (const count of [5, 6]) {
    await producer.send([{ topic, partition: 0, ...publishedRecord("temperature", stateOf(count)) }]);
  }
  assertEquals(await readPublished(connection, "temperature"), stateOf(6));
  const others = Array.from({ length: 700 }, () => ({ key: "temperature", value: '{"hist":[1,2]}' }));
  await ground.producer.sendAll(topic, others);
  assertEquals(await readPublished(connection, "temperature"), stateOf(6), "far behind the end");
});
