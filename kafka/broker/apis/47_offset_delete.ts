/** OffsetDelete (key 47), version 0, never flexible (KIP-496).
 *     request  => group_id:STRING [name:STRING [partition_index:INT32]]
 *     response => error_code:INT16 throttle_time_ms:INT32 [name:STRING [partition_index:INT32 error_code:INT16]]
 * Offsets of a group of consumers are kept for the topics its members read. A group of another kind may have its
 * offsets deleted only while it has no members. @see {@link https://kafka.apache.org/protocol#The_Messages_OffsetDelete}
 * @module */

import { type ErrorCode, errors } from "../wire/error_codes.ts";
import { type Api, type BrokerState, itemError } from "./mod.ts";

interface Place {
  readonly topic: string;
  readonly partition: number;
}

interface Outcome extends Place {
  readonly error: ErrorCode;
}

export const offsetDelete: Api = {
  key: 47,
  name: "OffsetDelete",
  versions: [0, 0],
  flexibleFrom: Infinity,
  async handle({ body, broker }, out) {
    const groupId = body.string();
    const places = body.structs(() => {
      const topic = body.string();
      return body.structs((): Place => ({ topic, partition: body.int32() }));
    }).flat();
    const { error, subscribed } = broker.groups.checkOffsetDelete(groupId);
    const isFine = error === "NONE";
    const outcomes = isFine ? await remove(groupId, places, subscribed, broker) : [];
    out.errorCode(errors[error]);
    out.int32(0); // throttle_time_ms
    out.structs([...Map.groupBy(outcomes, ({ topic }) => topic)], ([topic, partitions]) => {
      out.string(topic);
      out.structs(partitions, ({ partition, error }) => {
        out.int32(partition);
        out.errorCode(error);
      });
    });
  },
};

/** Deletes what may be deleted, and tells of each what became of it.
 * @param subscribed topics whose offsets stay; null for all */
async function remove(
  groupId: string,
  places: readonly Place[],
  subscribed: ReadonlySet<string> | null,
  broker: BrokerState,
): Promise<Outcome[]> {
  const checked = places.map((place): Outcome => {
    const { topic, partition } = place;
    if (broker.log.partition(topic, partition) === undefined) {
      return { ...place, error: errors.UNKNOWN_TOPIC_OR_PARTITION };
    }
    const isRead = subscribed === null || subscribed.has(topic);
    return { ...place, error: isRead ? errors.GROUP_SUBSCRIBED_TO_TOPIC : errors.NONE };
  });
  const going = checked.filter(({ error }) => error === errors.NONE);
  if (going.length === 0) return checked;
  try {
    await broker.offsets.deleteOffsets(groupId, going);
    return checked;
  } catch (error) {
    const code = itemError(error, "OffsetDelete", broker);
    return checked.map((outcome) => outcome.error === errors.NONE ? { ...outcome, error: code } : outcome);
  }
}
