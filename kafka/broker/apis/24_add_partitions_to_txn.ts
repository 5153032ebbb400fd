/** AddPartitionsToTxn (key 24), versions 0–3, flexible from 3.
 *     request  => transactional_id:STRING producer_id:INT64 producer_epoch:INT16
 *                 [name:STRING [partition:INT32]]
 *     response => throttle_time_ms:INT32 [name:STRING [partition_index:INT32 error_code:INT16]]
 * All or nothing: with one unknown partition the others are OPERATION_NOT_ATTEMPTED, and no transaction begins.
 * Left out: v4 and later, which brokers send each other.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_AddPartitionsToTxn} @module */

import type { Partition } from "../partition.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";
import { coordinated, readClaim, toldTo } from "./transaction_requests.ts";

/** First version that knows PRODUCER_FENCED. */
const FENCED_FROM = 2;

interface TopicPartitions {
  readonly name: string;
  readonly partitions: readonly number[];
}

export const addPartitionsToTxn: Api = {
  key: 24,
  name: "AddPartitionsToTxn",
  versions: [0, 3],
  flexibleFrom: 3,
  async handle({ version, body, broker }, out) {
    const claim = readClaim(body);
    const topics = readTopics(body);
    const known: Partition[] = [];
    const unknown = new Map<TopicPartitions, ReadonlySet<number>>();
    for (const topic of topics) {
      const missing = topic.partitions.filter((index) => {
        const partition = broker.log.partition(topic.name, index);
        if (partition !== undefined) known.push(partition);
        return partition === undefined;
      });
      if (missing.length > 0) unknown.set(topic, new Set(missing));
    }
    if (unknown.size > 0) {
      return write(out, topics, (topic, index) => {
        const isUnknown = unknown.get(topic)?.has(index) ?? false;
        return isUnknown ? errors.UNKNOWN_TOPIC_OR_PARTITION : errors.OPERATION_NOT_ATTEMPTED;
      });
    }
    const error = toldTo(
      version,
      FENCED_FROM,
      await coordinated(broker.transactions.addPartitions(claim, known)),
    );
    write(out, topics, () => error);
  },
  fail({ body }, out, errorCode) {
    readClaim(body);
    write(out, readTopics(body), () => errorCode);
  },
};

function readTopics(body: WireReader): TopicPartitions[] {
  const topics = body.structs(() => ({ name: body.string(), partitions: body.array(() => body.int32()) }));
  body.tags();
  return topics;
}

function write(
  out: WireWriter,
  topics: readonly TopicPartitions[],
  error: (topic: TopicPartitions, index: number) => number,
): void {
  out.int32(0); // throttle_time_ms
  out.structs(topics, (topic) => {
    out.string(topic.name);
    out.structs(topic.partitions, (index) => {
      out.int32(index);
      out.errorCode(error(topic, index));
    });
  });
  out.tags();
}
