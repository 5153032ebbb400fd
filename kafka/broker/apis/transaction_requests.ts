/** What the APIs of transactions (22, 24, 25, 26, 28) have in common. @module */

import { StorageError } from "../store.ts";
import type { TransactionClaim } from "../transactions.ts";
import { type ErrorCode, errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";

/** Reads `transactional_id:STRING producer_id:INT64 producer_epoch:INT16`. */
export function readClaim(body: WireReader): TransactionClaim {
  return { id: body.string(), producer: readProducer(body) };
}

/** Reads `producer_id:INT64 producer_epoch:INT16`. */
export function readProducer(body: WireReader): TransactionClaim["producer"] {
  return { id: body.clampedInt64(), epoch: body.int16() };
}

/** What the coordinator answers; when the disk did not take it, what makes clients look for the coordinator and ask
 * again, as Kafka answers when its own log cannot be written. */
export async function coordinated<T>(answer: Promise<T>): Promise<T | ErrorCode> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof StorageError) return errors.NOT_COORDINATOR;
    throw error;
  }
}

/** The error as a version tells it: PRODUCER_FENCED came late, before it was INVALID_PRODUCER_EPOCH.
 * @param fencedFrom first version that knows it */
export function toldTo(version: number, fencedFrom: number, error: ErrorCode): ErrorCode {
  return version < fencedFrom && error === errors.PRODUCER_FENCED ? errors.INVALID_PRODUCER_EPOCH : error;
}
