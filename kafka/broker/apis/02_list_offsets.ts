/** ListOffsets (key 2), versions 1–7, flexible from 6.
 *     request  => replica_id:INT32 isolation_level:INT8 (v2+)
 *                 [name:STRING [partition_index:INT32 current_leader_epoch:INT32 (v4+) timestamp:INT64]]
 *     response => throttle_time_ms:INT32 (v2+)
 *                 [name:STRING [partition_index:INT32 error_code:INT16 timestamp:INT64 offset:INT64
 *                 leader_epoch:INT32 (v4+)]]
 * With isolation_level 1 nothing is found at or beyond the last stable offset, which is the end then.
 * timestamp: −1 the end, −2 the start, −3 (v7) the record with the newest time, else the first record of that time or
 * later; nothing found is offset −1 without an error. Left out: −4 and −5 (tiered storage), which belong to v8 and v9.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_ListOffsets} @module */

import { LEADER_EPOCH } from "../log.ts";
import { firstAtOrAfter, newestRecord, type RecordTime } from "../timestamps.ts";
import { errors } from "../wire/error_codes.ts";
import { type Api, type BrokerState, itemError } from "./mod.ts";

const END = -1;
const START = -2;
const NEWEST = -3;
const READ_COMMITTED = 1;

interface Answer extends RecordTime {
  readonly error: number;
}

interface Wanted {
  readonly index: number;
  readonly leaderEpoch: number;
  readonly timestamp: number;
}

const NOTHING: Answer = { error: errors.NONE, offset: -1, timestamp: -1 };

export const listOffsets: Api = {
  key: 2,
  name: "ListOffsets",
  versions: [1, 7],
  flexibleFrom: 6,
  async handle({ version, body, broker }, out) {
    body.int32(); // replica_id
    const committed = version >= 2 && body.int8() === READ_COMMITTED;
    const topics = body.structs(() => ({
      name: body.string(),
      partitions: body.structs((): Wanted => ({
        index: body.int32(),
        leaderEpoch: version >= 4 ? body.int32() : -1,
        timestamp: body.clampedInt64(),
      })),
    }));
    body.tags();
    const answers = new Map<Wanted, Answer>();
    for (const { name, partitions } of topics) {
      for (const wanted of partitions) {
        answers.set(wanted, await lookUp(name, wanted, { version, committed }, broker));
      }
    }
    if (version >= 2) out.int32(0); // throttle_time_ms
    out.structs(topics, ({ name, partitions }) => {
      out.string(name);
      out.structs(partitions, (wanted) => {
        const { error, timestamp, offset } = answers.get(wanted) ?? NOTHING;
        out.int32(wanted.index);
        out.errorCode(error);
        out.int64(timestamp);
        out.int64(offset);
        if (version >= 4) out.int32(offset < 0 ? -1 : LEADER_EPOCH);
      });
    });
    out.tags();
  },
};

async function lookUp(
  topic: string,
  wanted: Wanted,
  { version, committed }: { version: number; committed: boolean },
  broker: BrokerState,
): Promise<Answer> {
  const partition = broker.log.partition(topic, wanted.index);
  if (partition === undefined) return failed(errors.UNKNOWN_TOPIC_OR_PARTITION);
  if (wanted.leaderEpoch > LEADER_EPOCH) return failed(errors.UNKNOWN_LEADER_EPOCH);
  if (wanted.leaderEpoch >= 0 && wanted.leaderEpoch < LEADER_EPOCH) return failed(errors.FENCED_LEADER_EPOCH);
  const { timestamp } = wanted;
  if (timestamp === END) return { ...NOTHING, offset: committed ? partition.lastStable : partition.end };
  if (timestamp === START) return { ...NOTHING, offset: partition.start };
  if (timestamp < NEWEST || (timestamp === NEWEST && version < 7)) return failed(errors.UNSUPPORTED_VERSION);
  try {
    const found = timestamp === NEWEST
      ? await newestRecord(broker.store, partition)
      : await firstAtOrAfter(broker.store, partition, timestamp);
    const isHidden = committed && found !== undefined && found.offset >= partition.lastStable;
    return { ...NOTHING, ...(isHidden ? undefined : found) };
  } catch (error) {
    return failed(itemError(error, "ListOffsets", broker));
  }
}

function failed(error: number): Answer {
  return { ...NOTHING, error };
}
