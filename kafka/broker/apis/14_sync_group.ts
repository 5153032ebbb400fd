/** SyncGroup (key 14), versions 0–5, flexible from 4.
 *     request  => group_id:STRING generation_id:INT32 member_id:STRING group_instance_id:NULLABLE_STRING
 *                 (v3+)
 *                 protocol_type:NULLABLE_STRING protocol_name:NULLABLE_STRING (both v5+)
 *                 [member_id:STRING assignment:BYTES]
 *     response => throttle_time_ms:INT32 (v1+) error_code:INT16
 *                 protocol_type:NULLABLE_STRING protocol_name:NULLABLE_STRING (both v5+) assignment:BYTES
 * Answered by events alone (the leader's assignment, a new rebalance, the end of the member), never by a
 * timer with nothing in it.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_SyncGroup} @module */

import { type SyncAnswer, syncRefusal } from "../group_messages.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";

const noAnswer = syncRefusal("COORDINATOR_NOT_AVAILABLE");

export const syncGroup: Api = {
  key: 14,
  name: "SyncGroup",
  versions: [0, 5],
  flexibleFrom: 4,
  async handle({ version, body, broker, signal }, out) {
    const groupId = body.string();
    const generation = body.int32();
    const memberId = body.string();
    const instanceId = version >= 3 ? body.nullableString() : null;
    const protocolType = version >= 5 ? body.nullableString() : null;
    const protocol = version >= 5 ? body.nullableString() : null;
    const assignments = body.structs(() => ({
      memberId: body.string(),
      assignment: body.bytes().slice(), // a view would keep the whole request in memory
    }));
    body.tags();
    if (version >= 5 && (protocolType === null || protocol === null)) {
      // Before the group is asked, as in Kafka.
      return write(version, out, noAnswer, errors.INCONSISTENT_GROUP_PROTOCOL);
    }
    const wish = { generation, memberId, instanceId, protocolType, protocol, assignments };
    const told = await broker.groups.sync(groupId, wish, signal);
    if (told === null) return "none";
    return write(version, out, told, errors[told.error]);
  },
  fail({ version }, out, errorCode) {
    write(version, out, noAnswer, errorCode);
  },
};

function write(version: number, out: WireWriter, told: SyncAnswer, errorCode: number): void {
  if (version >= 1) out.int32(0); // throttle_time_ms
  out.errorCode(errorCode);
  if (version >= 5) {
    out.nullableString(told.protocolType);
    out.nullableString(told.protocol);
  }
  out.bytes(told.assignment);
  out.tags();
}
