/** DescribeGroups (key 15), versions 0–5, flexible from 5.
 *     request  => [group:STRING] include_authorized_operations:BOOL (v3+)
 *     response => throttle_time_ms:INT32 (v1+) [error_code:INT16 group_id:STRING group_state:STRING
 *                 protocol_type:STRING protocol_data:STRING [member_id:STRING
 *                 group_instance_id:NULLABLE_STRING (v4+) client_id:STRING client_host:STRING
 *                 member_metadata:BYTES member_assignment:BYTES] authorized_operations:INT32 (v3+)]
 * A group that is unknown is Dead, without an error. The protocol and the members' bytes are told of Stable groups
 * only, as in Kafka. @see {@link https://kafka.apache.org/protocol#The_Messages_DescribeGroups} @module */

import type { GroupDescription, MemberDescription } from "../group_views.ts";
import { operations } from "../operations.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";

export const describeGroups: Api = {
  key: 15,
  name: "DescribeGroups",
  versions: [0, 5],
  flexibleFrom: 5,
  handle({ version, body, broker }, out) {
    const groupIds = new Set(body.array(() => body.string())); // each once: a group may be many MiB
    const includeOperations = version >= 3 && body.bool();
    body.tags();
    const allowed = includeOperations ? operations.group : operations.unasked;
    const found = Array.from(groupIds, (groupId) => broker.groups.describe(groupId));
    if (version >= 1) out.int32(0); // throttle_time_ms
    out.structs(found, (group) => writeGroup(version, out, group, allowed));
    out.tags();
  },
};

function writeGroup(version: number, out: WireWriter, group: GroupDescription, allowed: number): void {
  out.errorCode(errors.NONE);
  out.string(group.id);
  out.string(group.state);
  out.string(group.protocolType);
  out.string(group.protocol);
  out.structs(group.members, (member) => writeMember(version, out, member));
  if (version >= 3) out.int32(allowed);
}

function writeMember(version: number, out: WireWriter, member: MemberDescription): void {
  out.string(member.memberId);
  if (version >= 4) out.nullableString(member.instanceId);
  out.string(member.clientId);
  out.string(member.clientHost);
  out.bytes(member.metadata);
  out.bytes(member.assignment);
}
