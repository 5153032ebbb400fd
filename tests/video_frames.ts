/** Numbered frames put into a topic by a Kafka client that is not ours, as a foreign producer would. Left out: the ways in of the service.
 * @module */
import { Buffer } from "node:buffer";
import { Partitioners } from "kafkajs";
import { plainKafka } from "./clients.ts";
import { numberedJpeg } from "./jpegs.ts";

/** Which frames; times in ms. */
export interface FrameRun {
  /** Number of the first one; default 0. */
  readonly from?: number;
  readonly count: number;
  /** When frame 0 was taken, since the epoch; default: in 2023. */
  readonly startMs?: number;
  /** From one frame to the next; default 40. */
  readonly everyMs?: number;
  readonly partition?: number;
  /** Of each JPEG; default: as small as it gets. */
  readonly bytes?: number;
}

/** Below the largest batch that a topic takes by default. */
const maxRequestBytes = 900_000;

/** Sends them and resolves when they are acknowledged; Kafka makes no topic for it. */
export async function produceFrames(bootstrap: string, topic: string, run: FrameRun): Promise<void> {
  const { from = 0, count, startMs = 1_700_000_000_000, everyMs = 40, partition, bytes } = run;
  const messages = Array.from({ length: count }, (_, i) => {
    const at = String(startMs + (from + i) * everyMs);
    return {
      key: topic,
      value: Buffer.from(numberedJpeg(from + i, bytes === undefined ? {} : { bytes })),
      timestamp: at,
      headers: { "content-type": "image/jpeg", "captured-at": at, source: "test" },
      ...(partition !== undefined && { partition }),
    };
  });
  const producer = plainKafka(bootstrap).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  try {
    const perRequest = Math.max(1, Math.floor(maxRequestBytes / (messages[0]?.value.length ?? 1)));
    for (let first = 0; first < count; first += perRequest) {
      await producer.send({ topic, acks: -1, messages: messages.slice(first, first + perRequest) });
    }
  } finally {
    await producer.disconnect();
  }
}
