/** ListGroups (key 16), versions 0–5, flexible from 3.
 *     request  => [state:STRING] (v4+) [type:STRING] (v5); an empty list is every state, every type
 *     response => throttle_time_ms:INT32 (v1+) error_code:INT16
 *                 [group_id:STRING protocol_type:STRING group_state:STRING (v4+) group_type:STRING (v5)]
 * States and types are compared without regard to case; one that is unknown matches nothing. All groups are of the
 * classic type. @see {@link https://kafka.apache.org/protocol#The_Messages_ListGroups} @module */

import { errors } from "../wire/error_codes.ts";
import type { Api } from "./mod.ts";

const TYPE = "classic";

export const listGroups: Api = {
  key: 16,
  name: "ListGroups",
  versions: [0, 5],
  flexibleFrom: 3,
  handle({ version, body, broker }, out) {
    const states = version >= 4 ? body.array(() => body.string()) : [];
    const types = version >= 5 ? body.array(() => body.string()) : [];
    body.tags();
    const listed = matches(types, TYPE) ? broker.groups.list() : [];
    if (version >= 1) out.int32(0); // throttle_time_ms
    out.errorCode(errors.NONE);
    out.structs(listed.filter(({ state }) => matches(states, state)), ({ id, protocolType, state }) => {
      out.string(id);
      out.string(protocolType);
      if (version >= 4) out.string(state);
      if (version >= 5) out.string(TYPE);
    });
    out.tags();
  },
};

function matches(filter: readonly string[], value: string): boolean {
  return filter.length === 0 || filter.some((one) => one.toLowerCase() === value.toLowerCase());
}
