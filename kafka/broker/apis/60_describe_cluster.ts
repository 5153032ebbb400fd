/** DescribeCluster (key 60), versions 0–1, flexible from 0.
 *     request  => include_cluster_authorized_operations:BOOL endpoint_type:INT8 (v1+)
 *     response => throttle_time_ms:INT32 error_code:INT16 error_message:NULLABLE_STRING endpoint_type:INT8 (v1+)
 *                 cluster_id:STRING controller_id:INT32 [broker_id:INT32 host:STRING port:INT32 rack:NULLABLE_STRING]
 *                 cluster_authorized_operations:INT32
 * Endpoint type 1 asks for brokers; 2 asks for controllers, which are asked elsewhere (KIP-919) and here not at all.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_DescribeCluster} @module */

import { operations } from "../operations.ts";
import { type ErrorCode, errors } from "../wire/error_codes.ts";
import type { Api } from "./mod.ts";

const BROKERS = 1;
const CONTROLLERS = 2;

export const describeCluster: Api = {
  key: 60,
  name: "DescribeCluster",
  versions: [0, 1],
  flexibleFrom: 0,
  handle({ version, body, broker }, out) {
    const includeOperations = body.bool();
    const endpointType = version >= 1 ? body.int8() : BROKERS;
    body.tags();
    const { error, message } = refusal(endpointType);
    const isFine = error === errors.NONE;
    out.int32(0); // throttle_time_ms
    out.errorCode(error);
    out.nullableString(message);
    if (version >= 1) out.int8(BROKERS);
    out.string(isFine ? broker.clusterId : "");
    out.int32(isFine ? broker.nodeId : -1); // controller_id
    out.structs(isFine ? [broker] : [], ({ nodeId, host, port }) => {
      out.int32(nodeId);
      out.string(host);
      out.int32(port);
      out.nullableString(null); // rack
    });
    out.int32(isFine && includeOperations ? operations.cluster : operations.unasked);
    out.tags();
  },
};

function refusal(endpointType: number): { error: ErrorCode; message: string | null } {
  if (endpointType === BROKERS) return { error: errors.NONE, message: null };
  if (endpointType === CONTROLLERS) {
    const message =
      "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
    return { error: errors.MISMATCHED_ENDPOINT_TYPE, message };
  }
  return { error: errors.UNSUPPORTED_ENDPOINT_TYPE, message: `Unsupported endpoint type ${endpointType}` };
}
