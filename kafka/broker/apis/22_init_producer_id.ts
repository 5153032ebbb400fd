/** InitProducerId (key 22), versions 0–4, flexible from 2.
 *     request  => transactional_id:NULLABLE_STRING transaction_timeout_ms:INT32
 *                 producer_id:INT64 producer_epoch:INT16 (both v3+)
 *     response => throttle_time_ms:INT32 error_code:INT16 producer_id:INT64 producer_epoch:INT16
 * Gives an idempotent producer a new id with epoch 0, whatever id it brings. A transactional one gets the next epoch of
 * its transactional id; what was open under the last one is aborted first, in the same write, so the answer is never
 * CONCURRENT_TRANSACTIONS. Who brings an epoch that is neither the current one nor the one before it is fenced, and
 * other than in Kafka that changes nothing.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-360} for the id and epoch in the request
 * @module */

import type { InitAnswer } from "../transactions.ts";
import { type ErrorCode, errors } from "../wire/error_codes.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Api, BrokerState } from "./mod.ts";
import { coordinated, readProducer, toldTo } from "./transaction_requests.ts";

/** First version that knows PRODUCER_FENCED. */
const FENCED_FROM = 4;

export const initProducerId: Api = {
  key: 22,
  name: "InitProducerId",
  versions: [0, 4],
  flexibleFrom: 2,
  async handle({ version, body, broker }, out) {
    const id = body.nullableString();
    const timeoutMs = body.int32();
    const said = version >= 3 ? readProducer(body) : NOBODY;
    body.tags();
    const saysNothing = said.id === -1 && said.epoch === -1;
    if (!saysNothing && (said.id === -1 || said.epoch === -1)) {
      return write(out, failed(errors.INVALID_REQUEST));
    }
    if (id === null) return write(out, { error: errors.NONE, producer: await newProducer(broker) });
    const wish = { id, timeoutMs, producer: saysNothing ? null : said };
    const answer = await coordinated(broker.transactions.initialise(wish));
    if (typeof answer === "number") return write(out, failed(answer));
    write(out, { ...answer, error: toldTo(version, FENCED_FROM, answer.error) });
  },
  fail(_request, out, errorCode) {
    write(out, failed(errorCode));
  },
};

const NOBODY = { id: -1, epoch: -1 };

async function newProducer({ producerIds }: BrokerState): Promise<InitAnswer["producer"]> {
  return { id: await producerIds.next(), epoch: 0 };
}

function failed(error: number): InitAnswer {
  return { error: error as ErrorCode, producer: NOBODY };
}

function write(out: WireWriter, { error, producer }: InitAnswer): void {
  out.int32(0); // throttle_time_ms
  out.errorCode(error);
  out.int64(producer.id);
  out.int16(producer.epoch);
  out.tags();
}
