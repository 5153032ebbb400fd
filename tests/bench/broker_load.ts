/** The load of `deno task bench:broker` through kafkajs: one job, told as JSON in the first argument; how many seconds it
 * took goes to stdout. @module */
import { Kafka, logLevel, Partitioners } from "kafkajs";
import type { BrokerJob } from "./broker.ts";

/** Sends on their way at once. */
const sendsAtOnce = 4;
/** Bytes of records in one send: below max.message.bytes also when all of them go to one partition. */
const sendBytes = 800_000;
const maxMessagesPerSend = 1_000;

const job: BrokerJob = JSON.parse(Deno.args[0]!);
const kafka = new Kafka({ clientId: "bench", brokers: [job.bootstrap], logLevel: logLevel.ERROR });
const seconds = job.kind === "produce" ? await produce(job) : await consume(job);
console.log(JSON.stringify({ seconds }));
Deno.exit(0); // kafkajs keeps timers

async function produce({ topic, count, bytes }: BrokerJob): Promise<number> {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  const value = new Uint8Array(bytes).fill(0x61);
  const perSend = Math.max(1, Math.min(maxMessagesPerSend, Math.floor(sendBytes / bytes)));
  let left = count;
  const began = performance.now();
  await Promise.all(Array.from({ length: sendsAtOnce }, async () => {
    while (left > 0) {
      const length = Math.min(perSend, left);
      left -= length;
      const messages = Array.from({ length }, () => ({ value: Buffer.from(value.buffer) }));
      await producer.send({ topic, acks: -1, messages });
    }
  }));
  return (performance.now() - began) / 1000;
}

async function consume({ topic, count }: BrokerJob): Promise<number> {
  const consumer = kafka.consumer({
    groupId: `bench-${crypto.randomUUID()}`,
    maxBytes: 32 * 1024 * 1024,
    maxBytesPerPartition: 8 * 1024 * 1024,
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let read = 0;
  const began = performance.now();
  await consumer.run({
    eachBatch: ({ batch }) => {
      read += batch.messages.length;
      if (read >= count) resolve();
      return Promise.resolve();
    },
  });
  await done;
  return (performance.now() - began) / 1000;
}
