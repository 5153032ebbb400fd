/** DeleteRecords (key 21), versions 0–2, flexible from 2: moves the start of partitions.
 *     request  => [name:STRING [partition_index:INT32 offset:INT64]] timeout_ms:INT32
 *     response => throttle_time_ms:INT32 [name:STRING [partition_index:INT32 low_watermark:INT64 error_code:INT16]]
 * Everything before `offset` is gone when it is answered (−1: all there is); its space is freed little by little
 * afterwards. Waiting fetches are answered, as their offset may be out of range now.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_DeleteRecords} @module */

import { moveStart } from "../retention.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import { type Api, type BrokerState, itemError } from "./mod.ts";

const TO_THE_END = -1;
/** What is told as the low watermark with an error. */
const UNKNOWN = -1;

interface Item {
  readonly partition: number;
  readonly offset: number;
}

interface Outcome {
  readonly partition: number;
  readonly lowWatermark: number;
  readonly error: number;
}

export const deleteRecords: Api = {
  key: 21,
  name: "DeleteRecords",
  versions: [0, 2],
  flexibleFrom: 2,
  async handle({ body, broker }, out) {
    const topics = body.structs(() => ({ name: body.string(), items: readItems(body) }));
    body.int32(); // timeout_ms: done when answered
    body.tags();
    const outcomes = await Promise.all(topics.map(async ({ name, items }) => ({
      name,
      partitions: await Promise.all(items.map((item) => remove(name, item, broker))),
    })));
    out.int32(0); // throttle_time_ms
    out.structs(outcomes, ({ name, partitions }) => {
      out.string(name);
      out.structs(partitions, ({ partition, lowWatermark, error }) => {
        out.int32(partition);
        out.int64(lowWatermark);
        out.errorCode(error);
      });
    });
    out.tags();
  },
};

/** Each partition once: as in Kafka the last mention counts. */
function readItems(body: WireReader): Item[] {
  const items = body.structs(() => ({ partition: body.int32(), offset: body.int64() }));
  return [...new Map(items.map((item) => [item.partition, item])).values()];
}

async function remove(
  name: string,
  { partition: number, offset }: Item,
  broker: BrokerState,
): Promise<Outcome> {
  const refused = (error: number): Outcome => ({ partition: number, lowWatermark: UNKNOWN, error });
  const partition = broker.log.partition(name, number);
  if (partition === undefined) return refused(errors.UNKNOWN_TOPIC_OR_PARTITION);
  const { compacts, deletes } = partition.topic.settings;
  // Of a topic that is only compacted a key's last record must not go.
  if (compacts && !deletes) return refused(errors.POLICY_VIOLATION);
  const start = offset === TO_THE_END ? partition.end : offset;
  if (start < 0 || start > partition.end) return refused(errors.OFFSET_OUT_OF_RANGE);
  try {
    await moveStart(broker.log, broker.store, partition, start);
  } catch (error) {
    return refused(itemError(error, "DeleteRecords", broker));
  }
  if (partition.deleted) return refused(errors.UNKNOWN_TOPIC_OR_PARTITION);
  partition.wakeAll();
  return { partition: number, lowWatermark: partition.start, error: errors.NONE };
}
