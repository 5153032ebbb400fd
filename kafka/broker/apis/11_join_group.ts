/** JoinGroup (key 11), versions 0–9, flexible from 6.
 *     request  => group_id:STRING session_timeout_ms:INT32 rebalance_timeout_ms:INT32 (v1+) member_id:STRING
 *                 group_instance_id:NULLABLE_STRING (v5+) protocol_type:STRING [name:STRING metadata:BYTES]
 *                 reason:NULLABLE_STRING (v8+)
 *     response => throttle_time_ms:INT32 (v2+) error_code:INT16 generation_id:INT32
 *                 protocol_type:NULLABLE_STRING (v7+) protocol_name:STRING (v7+: NULLABLE_STRING)
 *                 leader:STRING skip_assignment:BOOLEAN (v9+) member_id:STRING
 *                 [member_id:STRING group_instance_id:NULLABLE_STRING (v5+) metadata:BYTES]
 * From v4 on a member without an id is told one first (KIP-394); older clients would not understand that.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_JoinGroup} @module */

import { type JoinAnswer, joinRefusal, type JoinRequest } from "../group_messages.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api, ApiRequest } from "./mod.ts";

export const joinGroup: Api = {
  key: 11,
  name: "JoinGroup",
  versions: [0, 9],
  flexibleFrom: 6,
  async handle(request, out) {
    const groupId = request.body.string();
    const told = await request.broker.groups.join(groupId, read(request), request.signal);
    if (told === null) return "none";
    return write(request.version, out, told, errors[told.error]);
  },
  fail({ version }, out, errorCode) {
    write(version, out, joinRefusal("COORDINATOR_NOT_AVAILABLE", ""), errorCode);
  },
};

function read({ version, body, clientId, clientHost }: ApiRequest): JoinRequest {
  const sessionTimeoutMs = body.int32();
  const rebalanceTimeoutMs = version >= 1 ? body.int32() : -1;
  const memberId = body.string();
  const instanceId = version >= 5 ? body.nullableString() : null;
  const protocolType = body.string();
  const protocols = body.structs(() => ({
    name: body.string(),
    metadata: body.bytes().slice(), // a view would keep the whole request in memory
  }));
  if (version >= 8) body.nullableString(); // reason, for the logs of a broker that has some
  body.tags();
  return {
    ...{ memberId, instanceId, protocolType, protocols, sessionTimeoutMs, clientHost },
    rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    clientId: clientId ?? "",
    requireKnownMemberId: version >= 4,
    canSkipAssignment: version >= 9,
  };
}

function write(version: number, out: WireWriter, told: JoinAnswer, errorCode: number): void {
  if (version >= 2) out.int32(0); // throttle_time_ms
  out.errorCode(errorCode);
  out.int32(told.generation);
  if (version >= 7) out.nullableString(told.protocolType);
  if (version >= 7) out.nullableString(told.protocol);
  else out.string(told.protocol ?? "");
  out.string(told.leader);
  if (version >= 9) out.bool(told.skipAssignment);
  out.string(told.memberId);
  out.structs(told.members, ({ memberId, instanceId, metadata }) => {
    out.string(memberId);
    if (version >= 5) out.nullableString(instanceId);
    out.bytes(metadata);
  });
  out.tags();
}
