/** Heartbeat (key 12), versions 0–4, flexible from 4.
 *     request  => group_id:STRING generation_id:INT32 member_id:STRING group_instance_id:NULLABLE_STRING
 *                 (v3+)
 *     response => throttle_time_ms:INT32 (v1+) error_code:INT16
 * @see {@link https://kafka.apache.org/protocol#The_Messages_Heartbeat} @module */

import { errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";

export const heartbeat: Api = {
  key: 12,
  name: "Heartbeat",
  versions: [0, 4],
  flexibleFrom: 4,
  handle({ version, body, broker }, out) {
    const groupId = body.string();
    const generation = body.int32();
    const memberId = body.string();
    const instanceId = version >= 3 ? body.nullableString() : null;
    body.tags();
    write(version, out, errors[broker.groups.heartbeat(groupId, { generation, memberId, instanceId })]);
  },
  fail({ version }, out, errorCode) {
    write(version, out, errorCode);
  },
};

function write(version: number, out: WireWriter, errorCode: number): void {
  if (version >= 1) out.int32(0); // throttle_time_ms
  out.errorCode(errorCode);
  out.tags();
}
