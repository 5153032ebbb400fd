import { assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import { RecordSender } from "../../commands/record_sender.ts";
import { CommandError } from "../../commands/run.ts";
import { StreamError } from "../../errors.ts";
import type { RecordPlace } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";

/** A producer that answers when it is told to. */
function slowProducer() {
  const waiting: PromiseWithResolvers<RecordPlace>[] = [];
  const send = () => {
    const answer = Promise.withResolvers<RecordPlace>();
    waiting.push(answer);
    return answer.promise;
  };
  return { waiting, send };
}

function open(send: ReturnType<typeof slowProducer>["send"]) {
  const stop = new AbortController();
  const sender = new RecordSender({
    what: "likes",
    producer: { send },
    log: silentLogger,
    signal: stop.signal,
  });
  return { sender, stop };
}

Deno.test("RecordSender.room() keeps a bounded number waiting for Kafka", async () => {
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
    sender.send("t", { value: String(n) });
    most = Math.max(most, ++open_);
  }
  for (const { resolve } of producer.waiting) resolve({ partition: 0, offset: 0 });
  await sender.settled();
  assertEquals([sender.stored, sender.unknown], [50_000, 0]);
  assertLessOrEqual(most, 10_000);
});

Deno.test("RecordSender counts what nobody knows, and fails for what Kafka refuses", async () => {
  const { sender } = open(() => Promise.reject(new StreamError("outcome-unknown", 503, "lost")));
  sender.send("t", { value: "1" });
  await sender.settled();
  assertEquals([sender.stored, sender.unknown], [0, 1]);
  const refused = open(() => Promise.reject(new StreamError("kafka-forbidden", 403, "no"))).sender;
  refused.send("t", { value: "1" });
  await assertRejects(() => refused.settled(), CommandError, "Cannot publish to t: no");
  await assertRejects(() => refused.room(), CommandError);
});

Deno.test("RecordSender.room() ends when it is told to", async () => {
  const producer = slowProducer(), { sender, stop } = open(producer.send);
  while (sender.hasRoom) sender.send("t", { value: "1" });
  const room = sender.room();
  stop.abort();
  await room;
});
