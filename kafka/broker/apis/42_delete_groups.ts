/** DeleteGroups (key 42), versions 0–2, flexible from 2.
 *     request  => [group:STRING]
 *     response => throttle_time_ms:INT32 [group_id:STRING error_code:INT16]
 * A group without members goes with all its offsets, also those an open transaction holds back; it is gone for ever
 * when it is answered. @see {@link https://kafka.apache.org/protocol#The_Messages_DeleteGroups} @module */

import { type ErrorCode, errors } from "../wire/error_codes.ts";
import { type Api, type BrokerState, itemError } from "./mod.ts";

export const deleteGroups: Api = {
  key: 42,
  name: "DeleteGroups",
  versions: [0, 2],
  flexibleFrom: 2,
  async handle({ body, broker }, out) {
    const groupIds = [...new Set(body.array(() => body.string()))];
    body.tags();
    const codes = await remove(groupIds, broker);
    out.int32(0); // throttle_time_ms
    out.structs(groupIds.map((groupId, at) => ({ groupId, code: codes[at] })), ({ groupId, code }) => {
      out.string(groupId);
      out.errorCode(code ?? errors.UNKNOWN_SERVER_ERROR);
    });
    out.tags();
  },
};

async function remove(groupIds: readonly string[], broker: BrokerState): Promise<ErrorCode[]> {
  try {
    return (await broker.groups.delete(groupIds)).map((error) => errors[error]);
  } catch (error) {
    const code = itemError(error, "DeleteGroups", broker);
    return groupIds.map(() => code);
  }
}
