/** FindCoordinator (key 10), versions 0–4, flexible from 3; v4 asks for several keys at once.
 *     request  => key:STRING (to v3) key_type:INT8 (v1+) [coordinator_key:STRING] (v4)
 *     response => throttle_time_ms:INT32 (v1+) error_code:INT16 error_message:NULLABLE_STRING (v1+)
 *                 node_id:INT32 host:STRING port:INT32 (to v3)
 *                 [key:STRING node_id:INT32 host:STRING port:INT32 error_code:INT16 error_message:NULLABLE_STRING] (v4)
 * The one node coordinates everything. Left out: share groups (key type 2).
 * @see {@link https://kafka.apache.org/protocol#The_Messages_FindCoordinator} @module */

import { errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api, BrokerState } from "./mod.ts";

const GROUP = 0;
const TRANSACTION = 1;

export const findCoordinator: Api = {
  key: 10,
  name: "FindCoordinator",
  versions: [0, 4],
  flexibleFrom: 3,
  handle({ version, body, broker }, out) {
    const key = version <= 3 ? body.string() : "";
    const keyType = version >= 1 ? body.int8() : GROUP;
    const keys = version >= 4 ? body.array(() => body.string()) : [key];
    body.tags();
    const known = keyType === GROUP || keyType === TRANSACTION;
    write(version, out, keys, known ? errors.NONE : errors.INVALID_REQUEST, broker);
  },
  fail({ version, broker }, out, errorCode) {
    write(version, out, [], errorCode, broker);
  },
};

function write(version: number, out: WireWriter, keys: string[], error: number, broker: BrokerState): void {
  // Kafka's own words of success, which nobody reads.
  const success = version >= 4 ? "" : "NONE";
  const message = error === errors.NONE ? success : "There is no coordinator of that type";
  const node = (): void => {
    out.int32(error === errors.NONE ? broker.nodeId : -1);
    out.string(error === errors.NONE ? broker.host : "");
    out.int32(error === errors.NONE ? broker.port : -1);
  };
  if (version >= 1) out.int32(0); // throttle_time_ms
  if (version <= 3) {
    out.errorCode(error);
    if (version >= 1) out.nullableString(message);
    node();
  } else {
    out.structs(keys, (key) => {
      out.string(key);
      node();
      out.errorCode(error);
      out.nullableString(message);
    });
  }
  out.tags();
}
