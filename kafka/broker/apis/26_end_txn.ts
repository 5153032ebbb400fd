/** EndTxn (key 26), versions 0–3, flexible from 3.
 *     request  => transactional_id:STRING producer_id:INT64 producer_epoch:INT16 committed:BOOLEAN
 *     response => throttle_time_ms:INT32 error_code:INT16
 * Answered once all of the transaction is on disk: markers, offsets and its end. Sent again it is answered the same;
 * the opposite of what was done is INVALID_TXN_STATE.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_EndTxn} @module */

import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";
import { coordinated, readClaim, toldTo } from "./transaction_requests.ts";

/** First version that knows PRODUCER_FENCED. */
const FENCED_FROM = 2;

export const endTxn: Api = {
  key: 26,
  name: "EndTxn",
  versions: [0, 3],
  flexibleFrom: 3,
  async handle({ version, body, broker }, out) {
    const claim = readClaim(body);
    const committed = body.bool();
    body.tags();
    const error = await coordinated(broker.transactions.end(claim, committed));
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
