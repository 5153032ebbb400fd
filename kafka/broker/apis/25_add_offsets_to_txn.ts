/** AddOffsetsToTxn (key 25), versions 0–3, flexible from 3.
 *     request  => transactional_id:STRING producer_id:INT64 producer_epoch:INT16 group_id:STRING
 *     response => throttle_time_ms:INT32 error_code:INT16
 * Lets the transaction commit offsets of that group with TxnOffsetCommit.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_AddOffsetsToTxn} @module */

import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";
import { coordinated, readClaim, toldTo } from "./transaction_requests.ts";

/** First version that knows PRODUCER_FENCED. */
const FENCED_FROM = 2;

export const addOffsetsToTxn: Api = {
  key: 25,
  name: "AddOffsetsToTxn",
  versions: [0, 3],
  flexibleFrom: 3,
  async handle({ version, body, broker }, out) {
    const claim = readClaim(body);
    const groupId = body.string();
    body.tags();
    const error = await coordinated(broker.transactions.addGroup(claim, groupId));
    write(out, toldTo(version, FENCED_FROM, error));
  },
  fail(_request, out, errorCode) {
    write(out, errorCode);
  },
};

function write(out: WireWriter, errorCode: number): void {
  out.int32(0); // throttle_time_ms
  out.errorCode(errorCode);
  out.tags();
}
