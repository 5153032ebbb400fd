/** Transactions beside the other records of a case, by a producer that is not ours. @module */
import { Partitioners } from "kafkajs";
import { plainKafka } from "../clients.ts";
import type { LoggedRecord } from "./log_model.ts";

/** A record to be sent; `text` is how its value is shown. */
export interface DrawnRecord extends LoggedRecord {
  readonly value: string;
  /** Default: by its key. */
  readonly partition?: number;
}

/** Sends records, each with its partition, in one transaction, and ends it.
 * @returns the offset of the first record of each partition */
export async function transact(
  port: number,
  topic: string,
  records: readonly DrawnRecord[],
  commits: boolean,
): Promise<ReadonlyMap<number, number>> {
  const producer = plainKafka(`127.0.0.1:${port}`).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    transactionalId: `model-${crypto.randomUUID()}`,
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  try {
    const transaction = await producer.transaction();
    const messages = records.map(({ key, value, timestamp, partition }) => ({
      key,
      value,
      timestamp: String(timestamp),
      partition: partition!,
    }));
    const sent = await transaction.send({ topic, messages });
    await (commits ? transaction.commit() : transaction.abort());
    return new Map(sent.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]));
  } finally {
    await producer.disconnect();
  }
}
