/** OffsetForLeaderEpoch (key 23), versions 2–4, flexible from 4.
 *     request  => replica_id:INT32 (v3+)
 *                 [topic:STRING [partition:INT32 current_leader_epoch:INT32 leader_epoch:INT32]]
 *     response => throttle_time_ms:INT32
 *                 [topic:STRING [error_code:INT16 partition:INT32 leader_epoch:INT32 end_offset:INT64]]
 * There is one leader epoch, and it ends where the log ends; of any other nothing is known (−1, −1).
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-320} @module */

import { LEADER_EPOCH } from "../log.ts";
import type { Partition } from "../partition.ts";
import { errors } from "../wire/error_codes.ts";
import type { Api } from "./mod.ts";

interface Wanted {
  readonly index: number;
  readonly currentEpoch: number;
  readonly epoch: number;
}

export const offsetForLeaderEpoch: Api = {
  key: 23,
  name: "OffsetForLeaderEpoch",
  versions: [2, 4],
  flexibleFrom: 4,
  handle({ version, body, broker }, out) {
    if (version >= 3) body.int32(); // replica_id
    const topics = body.structs(() => ({
      name: body.string(),
      partitions: body.structs((): Wanted => ({
        index: body.int32(),
        currentEpoch: body.int32(),
        epoch: body.int32(),
      })),
    }));
    body.tags();
    out.int32(0); // throttle_time_ms
    out.structs(topics, ({ name, partitions }) => {
      out.string(name);
      out.structs(partitions, (wanted) => {
        const partition = broker.log.partition(name, wanted.index);
        const error = problem(wanted, partition);
        const isKnown = error === errors.NONE && wanted.epoch === LEADER_EPOCH;
        out.errorCode(error);
        out.int32(wanted.index);
        out.int32(isKnown ? LEADER_EPOCH : -1);
        out.int64(isKnown ? partition?.end ?? -1 : -1);
      });
    });
    out.tags();
  },
};

function problem({ currentEpoch }: Wanted, partition: Partition | undefined): number {
  if (partition === undefined) return errors.UNKNOWN_TOPIC_OR_PARTITION;
  if (currentEpoch > LEADER_EPOCH) return errors.UNKNOWN_LEADER_EPOCH;
  return currentEpoch < LEADER_EPOCH && currentEpoch !== -1 ? errors.FENCED_LEADER_EPOCH : errors.NONE;
}
