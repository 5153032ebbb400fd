/** Idempotent producers: which batch comes next from whom, and the ids they are told apart by.
 *
 * Per partition and producer the last five batches are remembered, so that a batch sent again is recognised and
 * answered with the offset it already has. The state is stored in the transaction of the batch itself, so it is
 * exact after a restart.
 * Left out: which transaction a batch belongs to (transactions.ts).
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-98} @module */

import type { Store } from "./store.ts";
import { type ErrorCode, errors } from "./wire/error_codes.ts";
import type { BatchHeader } from "./wire/record_batch.ts";

/** Batches remembered per producer: as many as a producer may have in flight. */
const REMEMBERED = 5;
/** Sequences run through 0..2147483647 and begin anew. */
const SEQUENCES = 2 ** 31;
/** Ids taken from the disk at once. */
const ID_BLOCK = 1000;

/** One remembered batch. */
export interface ProducedBatch {
  readonly first: number;
  readonly last: number;
  /** Offset it was given. */
  readonly base: number;
  /** Append time it was answered with, −1 for none. */
  readonly appendedMs: number;
}

/** What is known of a producer in a partition. */
export interface ProducerState {
  readonly epoch: number;
  /** Newest last; none if a marker brought the epoch and nothing was written under it. */
  readonly batches: readonly ProducedBatch[];
  /** When it last wrote, for expiry. */
  readonly seenMs: number;
}

/** What to do with a batch of an idempotent producer. */
export type SequenceVerdict =
  | { readonly kind: "append" }
  | { readonly kind: "duplicate"; readonly batch: ProducedBatch }
  | { readonly kind: "refuse"; readonly error: ErrorCode };

const APPEND: SequenceVerdict = { kind: "append" };

/** Decides about a batch by what is known of its producer.
 * @param state undefined when the broker knows nothing (any more): then any sequence is taken */
export function checkSequence(state: ProducerState | undefined, header: BatchHeader): SequenceVerdict {
  if (state === undefined) return APPEND;
  if (header.producerEpoch < state.epoch) return refuse(errors.INVALID_PRODUCER_EPOCH);
  const first = header.baseSequence;
  const newest = state.batches.at(-1);
  if (header.producerEpoch > state.epoch || newest === undefined) {
    return first === 0 ? APPEND : refuse(errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
  }
  const last = lastSequence(header);
  const batch = state.batches.find((known) => known.first === first && known.last === last);
  if (batch !== undefined) return { kind: "duplicate", batch };
  return first === (newest.last + 1) % SEQUENCES ? APPEND : refuse(errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
}

/** The state after a batch was appended. */
export function afterAppend(
  state: ProducerState | undefined,
  header: BatchHeader,
  base: number,
  appendedMs: number,
  nowMs: number,
): ProducerState {
  const known = state?.epoch === header.producerEpoch ? state.batches : [];
  const batch = { first: header.baseSequence, last: lastSequence(header), base, appendedMs };
  return {
    epoch: header.producerEpoch,
    batches: [...known.slice(1 - REMEMBERED), batch],
    seenMs: nowMs,
  };
}

/** The state after a marker that ended a transaction of the producer: a fencing one brings a higher epoch. */
export function afterMarker(state: ProducerState | undefined, epoch: number, nowMs: number): ProducerState {
  return { epoch, batches: state?.epoch === epoch ? state.batches : [], seenMs: nowMs };
}

/** Hands out producer ids that never repeat, also over restarts. */
export class ProducerIds {
  readonly #store: Store;
  #next = 0;
  #end = 0;
  #reserving: Promise<void> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** A fresh id. @throws {StorageError} if a new block could not be reserved on disk */
  async next(): Promise<number> {
    while (this.#next >= this.#end) {
      this.#reserving ??= this.#reserve().finally(() => this.#reserving = undefined);
      await this.#reserving;
    }
    return this.#next++;
  }

  async #reserve(): Promise<void> {
    const first = await this.#store.write(() => {
      const next = Number(this.#store.meta("next_producer_id") ?? "0");
      this.#store.setMeta("next_producer_id", String(next + ID_BLOCK));
      return next;
    });
    this.#next = first;
    this.#end = first + ID_BLOCK;
  }
}

function lastSequence(header: BatchHeader): number {
  return (header.baseSequence + header.lastOffsetDelta) % SEQUENCES;
}

function refuse(error: ErrorCode): SequenceVerdict {
  return { kind: "refuse", error };
}
