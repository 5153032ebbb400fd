import { assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { MeasurementSender } from "../../commands/measurement_sender.ts";
import { CommandError } from "../../commands/run.ts";
import { StreamError } from "../../errors.ts";
import type { OutRecord, RecordPlace } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";

/** A producer that answers when it is told to. */
function slowProducer() {
  const waiting: PromiseWithResolvers<RecordPlace>[] = [], records: OutRecord[] = [];
  const send = (_topic: string, record: OutRecord) => {
    const answer = Promise.withResolvers<RecordPlace>();
    waiting.push(answer);
    records.push(record);
    return answer.promise;
  };
  return { waiting, records, send };
}

function open(send: ReturnType<typeof slowProducer>["send"]) {
  const stop = new AbortController();
  const sender = new MeasurementSender({ producer: { send }, log: silentLogger, signal: stop.signal });
  return { sender, stop };
}

Deno.test("MeasurementSender.send() writes a measurement as its post would, without a key", () => {
  const producer = slowProducer(), { sender } = open(producer.send);
  sender.send("temperature", -2.5, Date.UTC(2026, 0, 31));
  const value = '{"measurement":-2.5,"measurement_time":"2026-01-31T00:00:00.000Z"}';
  assertEquals(producer.records, [{ key: null, value }]);
});

Deno.test("MeasurementSender.room() keeps a bounded number waiting for Kafka", async () => {
  const producer = slowProducer(), { sender } = open(producer.send);
  let most = 0, open_ = 0;
  for (let n = 0; n < 50_000; n++) {
    if (!sender.hasRoom) {
      for (const { resolve } of producer.waiting.splice(0)) {
        resolve({ partition: 0, offset: 0 });
        open_--;
      }
      await sender.room();
    }
    sender.send("t", n, 0);
    most = Math.max(most, ++open_);
  }
  for (const { resolve } of producer.waiting) resolve({ partition: 0, offset: 0 });
  await sender.settled();
  assertEquals([sender.stored, sender.unknown], [50_000, 0]);
  assertLessOrEqual(most, 10_000);
});

Deno.test("MeasurementSender counts what nobody knows, and fails for what Kafka refuses", async () => {
  const { sender } = open(() => Promise.reject(new StreamError("outcome-unknown", 503, "lost")));
  sender.send("t", 1, 0);
  await sender.settled();
  assertEquals([sender.stored, sender.unknown], [0, 1]);
  const refused = open(() => Promise.reject(new StreamError("kafka-forbidden", 403, "no"))).sender;
  refused.send("t", 1, 0);
  await assertRejects(() => refused.settled(), CommandError, "Cannot publish to t: no");
  await assertRejects(() => refused.room(), CommandError);
});

Deno.test("MeasurementSender.room() ends when it is told to", async () => {
  const producer = slowProducer(), { sender, stop } = open(producer.send);
  while (sender.hasRoom) sender.send("t", 1, 0);
  const room = sender.room();
  stop.abort();
  await room;
});
