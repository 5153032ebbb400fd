/** InitProducerId (key 22), versions 0–4, flexible from 2.
 *     request  => transactional_id:NULLABLE_STRING transaction_timeout_ms:INT32
 *                 producer_id:INT64 producer_epoch:INT16 (both v3+)
 *     response => throttle_time_ms:INT32 error_code:INT16 producer_id:INT64 producer_epoch:INT16
 * Gives an idempotent producer a new id with epoch 0; the id it brings is of no use without transactions. Left out:
 * transactions: a transactional id is refused rather than half served.
 * @see {@link https://kafka.apache.org/protocol#The_Messages_InitProducerId} @module */

import { errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api } from "./mod.ts";

export const initProducerId: Api = {
  key: 22,
  name: "InitProducerId",
  versions: [0, 4],
  flexibleFrom: 2,
  async handle({ version, body, broker }, out) {
    const transactionalId = body.nullableString();
    body.int32(); // transaction_timeout_ms
    if (version >= 3) {
      body.int64(); // producer_id
      body.int16(); // producer_epoch
    }
    body.tags();
    if (transactionalId !== null) return write(out, errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, -1, -1);
    write(out, errors.NONE, await broker.producerIds.next(), 0);
  },
  fail(_request, out, errorCode) {
    write(out, errorCode, -1, -1);
  },
};

function write(out: WireWriter, error: number, producerId: number, epoch: number): void {
  out.int32(0); // throttle_time_ms
  out.errorCode(error);
  out.int64(producerId);
  out.int16(epoch);
  out.tags();
}
