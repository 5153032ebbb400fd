import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CommandError } from "../../commands/run.ts";
import { VideoSender } from "../../commands/video_sender.ts";
import { StreamError } from "../../errors.ts";
import type { RecordPlace } from "../../kafka/producer.ts";
import { createLogger } from "../../logger.ts";
import { eventually } from "../eventually.ts";
import { numberedJpeg, numberOf } from "../jpegs.ts";

/** A Kafka that answers when it is told to. */
class SlowKafka {
  /** Numbers of the frames that were sent, in their order. */
  readonly sent: (number | null)[] = [];
  readonly #waiting: PromiseWithResolvers<RecordPlace>[] = [];

  get waiting(): number {
    return this.#waiting.length;
  }

  send(_topic: string, { value }: { value: string | Uint8Array | null }): Promise<RecordPlace> {
    this.sent.push(numberOf(value as Uint8Array));
    const answer = Promise.withResolvers<RecordPlace>();
    this.#waiting.push(answer);
    return answer.promise;
  }

  /** Answers the oldest ones; with an error when one is given. */
  answer(count = 1, error?: Error): void {
    for (const { resolve, reject } of this.#waiting.splice(0, count)) {
      if (error) reject(error);
      else resolve({ partition: 0, offset: 0 });
    }
  }
}

function open({ isLive = false, signal = new AbortController().signal } = {}) {
  const kafka = new SlowKafka(), lines: string[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line).message);
  const sender = new VideoSender({
    producer: kafka,
    topic: "cam",
    name: "cam",
    source: "test",
    maxFrameBytes: 1_000_000,
    topicConfigs: {},
    isLive,
    log: createLogger({ level: "info", format: "json", write }),
    signal,
  });
  return { kafka, sender, lines };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

Deno.test("VideoSender.send() lets 64 frames wait, and the next one when one of them is stored", async () => {
  const { kafka, sender } = open();
  for (const n of numbers(0, 64)) await sender.send(numberedJpeg(n), n);
  const next = sender.send(numberedJpeg(64), 64);
  assertEquals([kafka.waiting, sender.stored.frames], [64, 0]);
  kafka.answer();
  await next;
  assertEquals([kafka.waiting, sender.stored], [64, { frames: 1, bytes: numberedJpeg(0).length }]);
  kafka.answer(64);
  await sender.settled();
  assertEquals([kafka.sent, sender.stored.frames, sender.dropped], [numbers(0, 65), 65, 0]);
});

Deno.test("VideoSender.send() lets 8 MiB wait", async () => {
  const { kafka, sender } = open();
  for (const n of numbers(0, 8)) await sender.send(numberedJpeg(n, { bytes: 1_000_000 }), n);
  const next = sender.send(numberedJpeg(8, { bytes: 1_000_000 }), 8);
  assertEquals(kafka.waiting, 8);
  kafka.answer(8);
  await next;
  kafka.answer();
  await sender.settled();
  assertEquals(kafka.sent, numbers(0, 9));
});

Deno.test("VideoSender.send() drops what a camera sends meanwhile, counts it, and says so once", async () => {
  const { kafka, sender, lines } = open({ isLive: true });
  for (const n of numbers(0, 100)) await sender.send(numberedJpeg(n), n);
  assertEquals([kafka.waiting, sender.dropped, sender.isAway], [64, 36, true]);
  kafka.answer(10);
  await eventually("answers", () => sender.stored.frames === 10);
  for (const n of numbers(100, 105)) await sender.send(numberedJpeg(n), n);
  assertEquals([kafka.sent.slice(64), sender.dropped, sender.isAway], [numbers(100, 105), 36, false]);
  kafka.answer(100);
  await sender.settled();
  assertEquals(lines, ["publish waits for Kafka", "publish goes on"]);
});

Deno.test("VideoSender counts what the topic finds too large, and what may not be stored", async () => {
  const { kafka, sender } = open();
  for (const n of numbers(0, 3)) await sender.send(numberedJpeg(n), n);
  kafka.answer(1, new StreamError("record-too-large", 413, "too large"));
  kafka.answer(1, new StreamError("outcome-unknown", 503, "who knows"));
  kafka.answer();
  await sender.settled();
  const { stored, tooLarge, unknown } = sender;
  assertEquals([stored.frames, tooLarge.frames, tooLarge.largest, unknown], [
    1,
    1,
    numberedJpeg(0).length,
    1,
  ]);
});

Deno.test("VideoSender ends with what Kafka refuses for good", async () => {
  const { kafka, sender } = open();
  await sender.send(numberedJpeg(0), 0);
  kafka.answer(1, new StreamError("kafka-forbidden", 403, "Not allowed to write"));
  const says = "Cannot publish to cam: Not allowed to write";
  await assertRejects(() => sender.settled(), CommandError, says);
  await assertRejects(() => sender.send(numberedJpeg(1), 1), CommandError, says);
  assertEquals(kafka.sent, [0]);
});

Deno.test("VideoSender.send() waits no longer than until its signal aborts", async () => {
  const stop = new AbortController();
  const { kafka, sender } = open({ signal: stop.signal });
  for (const n of numbers(0, 64)) await sender.send(numberedJpeg(n), n);
  const next = sender.send(numberedJpeg(64), 64);
  stop.abort();
  await next;
  assertEquals(kafka.waiting, 64);
  kafka.answer(64);
  await sender.settled();
});

Deno.test("VideoSender.send() leaves out what is no JPEG, and keeps the first reason", async () => {
  const { kafka, sender } = open();
  await sender.send(new Uint8Array([1, 2, 3]), 0);
  await sender.send(new Uint8Array(), 1);
  assertEquals([kafka.sent.length, sender.noJpegs.frames], [0, 2]);
  assertStringIncludes(sender.noJpegs.reason, "01 02 03");
});
