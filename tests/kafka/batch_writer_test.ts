import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { RecordBatch } from "kafkajs/src/protocol/recordBatch/v0/index.js";
import Record from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import Long from "kafkajs/src/utils/long.js";
import { type BatchProducer, writeBatch } from "../../kafka/batch_writer.ts";
import type { WireMessage } from "../../kafka/connection.ts";
import { readBatch } from "../../kafka/record_batch.ts";
import { Random } from "../random.ts";

/** The same as the client library writes it. */
async function ofLibrary(messages: readonly WireMessage[], producer: BatchProducer): Promise<Buffer> {
  const times = messages.map(({ timestamp }) => timestamp);
  const [firstTimestamp, maxTimestamp] = [Math.min(...times), Math.max(...times)];
  const batch = await RecordBatch({
    records: messages.map((message, offsetDelta) =>
      Record({ ...message, offsetDelta, timestampDelta: message.timestamp - firstTimestamp })
    ),
    firstTimestamp,
    maxTimestamp,
    producerId: Long.fromValue(String(producer.id)),
    producerEpoch: producer.epoch,
    firstSequence: producer.firstSequence,
    transactional: producer.isTransactional,
    lastOffsetDelta: messages.length - 1,
  });
  return batch.buffer;
}

function madeUp(random: Random): WireMessage {
  const bytes = () =>
    Buffer.from(
      Array.from({ length: random.between(0, 1) * random.between(0, 300) }, () => random.between(0, 255)),
    );
  const headers = {
    "content-type": "image/jpeg",
    "é": bytes(),
    several: ["one", bytes(), "ü"],
  };
  return {
    key: random.between(0, 2) === 0 ? null : bytes(),
    value: random.between(0, 5) === 0 ? null : bytes(),
    headers: random.between(0, 3) === 0 ? headers : {},
    timestamp: random.between(0, 9) === 0
      ? random.between(1, 1e9)
      : 1_790_000_000_000 + random.between(0, 1e7),
  };
}

Deno.test("writeBatch() writes byte for byte what the client library writes", async () => {
  const random = new Random("writeBatch");
  for (let n = 0; n < 300; n++) {
    const messages = Array.from(
      { length: random.between(1, n % 100 === 0 ? 2_000 : 9) },
      () => madeUp(random),
    );
    const producer = {
      id: random.between(0, 1e9) * 1000,
      epoch: random.between(0, 32_767),
      firstSequence: random.between(0, 2 ** 31 - 1),
      isTransactional: random.between(0, 1) === 1,
    };
    assertEquals(writeBatch(messages, producer).compare(await ofLibrary(messages, producer)), 0);
  }
});

Deno.test("writeBatch() keeps times as they are, 1970 included", async () => {
  const times = [1_790_000_000_000, 0, 8.64e15, 5];
  const messages = times.map((timestamp) => ({ key: null, value: Buffer.from("x"), headers: {}, timestamp }));
  const batch = writeBatch(messages, { id: 7, epoch: 0, firstSequence: 0, isTransactional: false });
  const records = await readBatch(batch, 0);
  assertEquals(records.map(({ timestamp }) => timestamp), times);
});
