/** What others do to the topics of a histogram. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { RunningHistogram } from "../../../kafka/processors/histogram.ts";
import type { Covered } from "../../../kafka/processors/histogram_types.ts";
import { publishedRecord } from "../../../kafka/processors/published.ts";
import { edgesOf, histTopicOf } from "../../../kafka/measurements.ts";
import { TransactionalProducer } from "../../../kafka/transactions.ts";
import { createLogger, silentLogger } from "../../../logger.ts";
import { eventually } from "../../eventually.ts";
import { fetchApi, listOffsetsApi, type Verdict } from "../broker_proxy.ts";
import { checkWhole, Ground, temperature } from "./histogram_ground.ts";

/** A hundred measurements, counted and published by an instance that is gone.
 * @returns its file, and what is published from then on */
async function countedBefore(ground: Ground) {
  await ground.broker.createTopic("temperature");
  await ground.send(100);
  const first = ground.count(), { file } = first;
  await ground.counted(first, 100);
  const published = ground.published();
  await published.reaches(100);
  await first[Symbol.asyncDispose]();
  return { file, published };
}

/** A histogram of another cluster's topic, in the form of ours. */
function copiedRecord(covered: Covered) {
  const other = RunningHistogram.empty(edgesOf(temperature));
  for (let n = 0; n < 70; n++) other.add(3, n);
  const more = { ...other.more(), topicId: "00000000000000000000000000000abc" };
  return publishedRecord("temperature", { snapshot: other.snapshot(), more, covered });
}

for (
  const [what, covered] of [
    ["far behind the end", { log: 0, positions: { 0: 1_000_000 } }],
    ["of a partition that is not there", { log: 0, positions: { 0: 50, 7: 3 } }],
    ["of a later log", { log: 9, positions: { 0: 10 } }],
    ["within the log", { log: 0, positions: { 0: 100 } }],
  ] as [string, Covered][]
) {
  Deno.test(`HistogramService counts nothing twice for a copied record in hist_ that covers places ${what}`, async () => {
    await using ground = await Ground.open();
    const { file, published } = await countedBefore(ground);
    const record = copiedRecord(covered);
    await ground.producer.sendAll(histTopicOf("temperature"), [{ ...record, partition: 0 }]);
    const again = ground.count({ file });
    await ground.send(20);
    await ground.counted(again, 120);
    await published.reaches(120);
    await checkWhole(again, 120);
    const fresh = ground.count();
    await ground.counted(fresh, 120);
    await checkWhole(fresh, 120);
    assertEquals(published.states.at(-1)!.covered, { log: 0, positions: { 0: 120 } });
  });
}

Deno.test("HistogramService counts nothing twice for another cluster's histogram that was copied into hist_ in a transaction", async () => {
  await using ground = await Ground.open();
  const { file, published } = await countedBefore(ground);
  const producer = ground.parts.use(
    new TransactionalProducer(ground.kafka, { transactionalId: "copies", log: silentLogger }),
  );
  await producer.init();
  for (const positions of [{ 0: 1_000_000 }, { 0: 50, 7: 3 }]) {
    const record = copiedRecord({ log: 0, positions });
    await producer.send([{ topic: histTopicOf("temperature"), partition: 0, ...record }]);
  }
  const again = ground.count({ file });
  await ground.send(20);
  await ground.counted(again, 120);
  assertEquals((await published.reaches(120)).covered.positions, { 0: 120 });
  assertEquals((await again.now("temperature")).rows, 120);
});

for (const refilled of [30, 250]) {
  const size = refilled < 100 ? "with fewer than before" : "past the place of its reader";
  Deno.test(`HistogramService counts a topic from its beginning that is deleted, made again and refilled ${size} between two reads`, async () => {
    await using ground = await Ground.open();
    await ground.broker.createTopic("temperature");
    await ground.send(100);
    const service = ground.count(), published = ground.published();
    await ground.counted(service, 100);
    await published.reaches(100);
    const gate = Promise.withResolvers<void>();
    let held = 0;
    const topic = "\0\x0btemperature"; // not that of the histogram, whose name ends like it
    ground.proxy.onRequest = async ({ api, bytes }): Promise<Verdict> => {
      const isRead = api === fetchApi && new TextDecoder("latin1").decode(bytes).includes(topic);
      if (isRead) await (held++, gate.promise);
      return "pass";
    };
    await eventually("the reader to ask on", () => held > 0);
    await ground.broker.deleteTopic("temperature");
    await ground.broker.createTopic("temperature");
    await ground.send(refilled);
    gate.resolve();
    const { covered } = await ground.counted(service, 100 + refilled);
    assertEquals(covered, { log: 1, positions: { 0: refilled } });
    await checkWhole(service, 100 + refilled);
    await published.reaches(100 + refilled);
    published.check();
  });
}

Deno.test("HistogramService counts a topic from its beginning that is deleted, made again and refilled while it reads", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature");
  await ground.send(100);
  const service = ground.count();
  await ground.counted(service, 100);
  await ground.broker.deleteTopic("temperature");
  await ground.broker.createTopic("temperature");
  await ground.send(250);
  await ground.counted(service, 350);
});

Deno.test("HistogramService counts a topic from its beginning that is made again and refilled while Kafka cannot be reached", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature");
  await ground.send(100);
  const service = ground.count();
  await ground.counted(service, 100);
  await ground.proxy.stop();
  await ground.broker.deleteTopic("temperature");
  await ground.broker.createTopic("temperature");
  await ground.send(250);
  ground.proxy.start();
  await ground.counted(service, 350);
});

for (
  const [what, api, message] of [["ask", listOffsetsApi, "counting waits for Kafka"], [
    "read",
    fetchApi,
    "reading again",
  ]] as const
) {
  Deno.test(`HistogramService says once what it may not ${what}, and goes on when it may`, async () => {
    await using ground = await Ground.open();
    await ground.broker.createTopic("temperature");
    await ground.send(10);
    const topic = new TextEncoder().encode("\x00\x0btemperature"), errorAt = topic.length + 8, refused = 29;
    let tries = 0;
    ground.proxy.onAnswer = (answer) => {
      const { bytes } = answer;
      if (answer.api !== api) return "pass";
      const at = bytes.findIndex((_, i) => topic.every((byte, n) => bytes[i + n] === byte));
      if (at < 0) return "pass";
      tries++;
      new DataView(bytes.buffer, bytes.byteOffset).setInt16(at + errorAt, refused); // [topic [partition:INT32 error:INT16 …
      return bytes;
    };
    const lines: { level: string; message: string; error: string }[] = [];
    const log = createLogger({
      level: "info",
      format: "json",
      write: (line) => void lines.push(JSON.parse(line)),
    });
    const service = ground.count({ log });
    await eventually("several tries", () => tries > 4);
    const warnings = () => lines.filter(({ level }) => level === "warn");
    assertEquals(warnings().map(({ message }) => message), [message]);
    assertStringIncludes(JSON.stringify(warnings()), "TOPIC_AUTHORIZATION_FAILED");
    // Not at every moment: with each try it begins.
    const isWaiting = async () => (await service.now("temperature")).status.state === "waiting";
    if (what === "ask") await eventually("it to wait", isWaiting);
    ground.proxy.onAnswer = () => "pass";
    await ground.counted(service, 10);
    assertEquals(warnings().length, 1);
  });
}
