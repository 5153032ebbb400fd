/** OffsetCommit (key 8), versions 2–8, flexible from 8.
 *     request  => group_id:STRING generation_id:INT32 member_id:STRING group_instance_id:NULLABLE_STRING
 *                 (v7+)
 *                 retention_time_ms:INT64 (to v4)
 *                 [name:STRING [partition_index:INT32 committed_offset:INT64 committed_leader_epoch:INT32
 *                 (v6+) committed_metadata:NULLABLE_STRING]]
 *     response => throttle_time_ms:INT32 (v3+) [name:STRING [partition_index:INT32 error_code:INT16]]
 * Answered once the offsets are on disk. As in Kafka an unknown partition is told before the group is asked,
 * and retention_time_ms is ignored. @see {@link https://kafka.apache.org/protocol#The_Messages_OffsetCommit}
 * @module */

import type { MemberClaim } from "../group_messages.ts";
import { StorageError } from "../store.ts";
import { errors } from "../wire/error_codes.ts";
import { WireError, type WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api, BrokerState } from "./mod.ts";
import {
  failOffsets,
  goodOffsets,
  knownOffsets,
  readOffsets,
  type TopicOffsets,
  writeOffsetErrors,
} from "./offset_items.ts";

/** Partitions one request may name; the broker has fewer. */
const maxItems = 20_000;

export const offsetCommit: Api = {
  key: 8,
  name: "OffsetCommit",
  versions: [2, 8],
  flexibleFrom: 8,
  async handle({ version, body, broker }, out) {
    const { groupId, claim, topics } = read(version, body);
    await commit(broker, groupId, claim, topics);
    write(version, out, topics);
  },
  fail({ version, body }, out, errorCode) {
    const { topics } = read(version, body);
    failOffsets(topics, errorCode);
    write(version, out, topics);
  },
};

function read(
  version: number,
  body: WireReader,
): { groupId: string; claim: MemberClaim; topics: TopicOffsets[] } {
  const groupId = body.string();
  const generation = body.int32();
  const memberId = body.string();
  const instanceId = version >= 7 ? body.nullableString() : null;
  if (version <= 4) body.clampedInt64(); // retention_time_ms
  const topics = readOffsets(body, version >= 6);
  const count = topics.reduce((sum, { items }) => sum + items.length, 0);
  if (count > maxItems) throw new WireError(`Cannot commit more than ${maxItems} offsets at once`);
  body.tags();
  return { groupId, claim: { generation, memberId, instanceId }, topics };
}

/** Commits what can be committed and leaves each item with its error. */
async function commit(
  broker: BrokerState,
  groupId: string,
  claim: MemberClaim,
  topics: readonly TopicOffsets[],
): Promise<void> {
  const known = knownOffsets(topics, broker);
  if (known.length === 0) return;
  const good = goodOffsets(known, errors[broker.groups.checkCommit(groupId, claim)]);
  if (good.length === 0) return;
  try {
    const taken = await broker.offsets.commit(groupId, good.map(({ offset }) => offset));
    good.forEach(({ item }, at) => {
      if (!taken[at]) item.error = errors.UNKNOWN_TOPIC_OR_PARTITION;
    });
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    // What Kafka answers when its offsets topic cannot be written: clients look for the coordinator and try
    // again.
    for (const { item } of good) item.error = errors.NOT_COORDINATOR;
  }
}

function write(version: number, out: WireWriter, topics: readonly TopicOffsets[]): void {
  if (version >= 3) out.int32(0); // throttle_time_ms
  writeOffsetErrors(out, topics);
}
