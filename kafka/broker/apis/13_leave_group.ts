/** LeaveGroup (key 13), versions 0–5, flexible from 4; from v3 on several members can leave at once.
 *     request  => group_id:STRING member_id:STRING (to v2)
 *                 [member_id:STRING group_instance_id:NULLABLE_STRING reason:NULLABLE_STRING (v5+)] (v3+)
 *     response => throttle_time_ms:INT32 (v1+) error_code:INT16
 *                 [member_id:STRING group_instance_id:NULLABLE_STRING error_code:INT16] (v3+)
 * An empty member id with an instance id removes a static member whoever it is now: admin tools do that.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_LeaveGroup} @module */

import { errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";

interface Leaver {
  readonly memberId: string;
  readonly instanceId: string | null;
}

export const leaveGroup: Api = {
  key: 13,
  name: "LeaveGroup",
  versions: [0, 5],
  flexibleFrom: 4,
  handle({ version, body, broker }, out) {
    const groupId = body.string();
    const leavers = readLeavers(version, body);
    body.tags();
    if (groupId === "") return write(version, out, errors.INVALID_GROUP_ID, [], []);
    const codes = broker.groups.leave(groupId, leavers).map((error) => errors[error]);
    const single = version <= 2 ? codes[0] ?? errors.NONE : errors.NONE;
    write(version, out, single, leavers, codes);
  },
  fail({ version }, out, errorCode) {
    write(version, out, errorCode, [], []);
  },
};

function readLeavers(version: number, body: WireReader): Leaver[] {
  if (version <= 2) return [{ memberId: body.string(), instanceId: null }];
  return body.structs(() => {
    const leaver = { memberId: body.string(), instanceId: body.nullableString() };
    if (version >= 5) body.nullableString(); // reason, for the logs of a broker that has some
    return leaver;
  });
}

function write(
  version: number,
  out: WireWriter,
  errorCode: number,
  leavers: readonly Leaver[],
  codes: readonly number[],
): void {
  if (version >= 1) out.int32(0); // throttle_time_ms
  out.errorCode(errorCode);
  if (version >= 3) {
    let at = 0;
    out.structs(leavers, ({ memberId, instanceId }) => {
      out.string(memberId);
      out.nullableString(instanceId);
      out.errorCode(codes[at++] ?? errors.UNKNOWN_SERVER_ERROR);
    });
  }
  out.tags();
}
