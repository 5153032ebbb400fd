/** The life of a transactional id, without its storage: what a request does to it, or why it is refused.
 *
 *     Empty → Ongoing → CompleteCommit | CompleteAbort → Ongoing → …      InitProducerId: any → Empty
 *
 * Kafka's states that stand between Ongoing and Complete (PrepareCommit, PrepareAbort) do not exist here: all markers,
 * the offsets and the new state are one write, so nobody is ever told CONCURRENT_TRANSACTIONS.
 * States are values: replaced, never changed, so that a write can be taken back.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-98}
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-360} for producers that ask for their next epoch
 * @module */

import type { Partition } from "./partition.ts";
import { type ErrorCode, errors } from "./wire/error_codes.ts";

/** Largest epoch a producer is given; the one above is left for fencing it, as in Kafka. */
const LAST_EPOCH = 32_766;

/** Where a transactional id stands. */
export type TransactionPhase = "Empty" | "Ongoing" | "CompleteCommit" | "CompleteAbort";

/** A producer id with its epoch. */
export interface Producer {
  readonly id: number;
  readonly epoch: number;
}

/** One transactional id. Times are milliseconds. */
export interface Transaction {
  readonly id: string;
  /** Who may use it now. */
  readonly producer: Producer;
  /** Who asked for that epoch, so that the same request sent again gets the same answer; null when nobody said. */
  readonly previous: Producer | null;
  /** Time a transaction may take. */
  readonly timeoutMs: number;
  readonly phase: TransactionPhase;
  /** When the transaction began that is Ongoing. */
  readonly startedMs: number;
  /** Last change, for expiry. */
  readonly usedMs: number;
  /** What the Ongoing transaction may write to. */
  readonly partitions: ReadonlySet<Partition>;
  /** Groups it may commit offsets for. */
  readonly groups: ReadonlySet<string>;
}

/** What an InitProducerId asks for. */
export interface InitWish {
  readonly id: string;
  readonly timeoutMs: number;
  /** Who it says it is (v3+); null for a producer that starts. */
  readonly producer: Producer | null;
}

/** What becomes of it. */
export type InitVerdict =
  | { readonly kind: "refuse"; readonly error: ErrorCode }
  /** Asked before: the answer is what stands. */
  | { readonly kind: "repeat"; readonly producer: Producer }
  /** A new producer id is needed to decide: the transactional id is new, or its epochs are used up. */
  | { readonly kind: "needsId" }
  /** `fence`: the epoch with which what is open is aborted first; null if nothing is. */
  | { readonly kind: "change"; readonly next: Transaction; readonly fence: Producer | null };

/** Decides about an InitProducerId.
 * @param known undefined for an id that is new
 * @param freshId a producer id that was never used, if one is at hand */
export function initialise(
  known: Transaction | undefined,
  wish: InitWish,
  freshId: number | undefined,
  nowMs: number,
): InitVerdict {
  const changed = (producer: Producer, fence: Producer | null): InitVerdict => {
    const { id, timeoutMs } = wish;
    const previous = known === undefined ? null : wish.producer;
    const next = {
      ...nothing,
      id,
      producer,
      previous,
      timeoutMs,
      phase: "Empty",
      startedMs: 0,
      usedMs: nowMs,
    } as const;
    return { kind: "change", next, fence };
  };
  if (known === undefined) {
    return freshId === undefined ? { kind: "needsId" } : changed({ id: freshId, epoch: 0 }, null);
  }
  const { producer, previous, phase } = known;
  if (wish.producer !== null && !same(wish.producer, producer)) {
    const isRepeated = same(wish.producer, previous) && phase !== "Ongoing";
    return isRepeated ? { kind: "repeat", producer } : { kind: "refuse", error: errors.PRODUCER_FENCED };
  }
  const fence = phase === "Ongoing" ? fencing(producer) : null;
  const epoch = (fence ?? producer).epoch + 1;
  if (epoch <= LAST_EPOCH) return changed({ id: producer.id, epoch }, fence);
  return freshId === undefined ? { kind: "needsId" } : changed({ id: freshId, epoch: 0 }, fence);
}

/** Whether a producer may use the id now: INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED or NONE. */
export function checkClaim(known: Transaction | undefined, claim: Producer): ErrorCode {
  if (known === undefined || known.producer.id !== claim.id) return errors.INVALID_PRODUCER_ID_MAPPING;
  return known.producer.epoch === claim.epoch ? errors.NONE : errors.PRODUCER_FENCED;
}

/** Begins the transaction unless it is Ongoing, with more partitions or another group in it. */
export function extended(
  known: Transaction,
  more: { readonly partitions?: Iterable<Partition>; readonly groups?: Iterable<string> },
  nowMs: number,
): Transaction {
  return {
    ...known,
    phase: "Ongoing",
    startedMs: known.phase === "Ongoing" ? known.startedMs : nowMs,
    usedMs: nowMs,
    partitions: new Set([...known.partitions, ...more.partitions ?? []]),
    groups: new Set([...known.groups, ...more.groups ?? []]),
  };
}

/** What an EndTxn means: "end" it, it was done before (NONE), or it cannot be (INVALID_TXN_STATE). */
export function checkEnd({ phase }: Transaction, commit: boolean): "end" | ErrorCode {
  if (phase === "Ongoing") return "end";
  return phase === completed(commit) ? errors.NONE : errors.INVALID_TXN_STATE;
}

/** The state after the transaction ended.
 * @param fence whom it was taken from: nobody uses that epoch from now on */
export function ended(
  known: Transaction,
  commit: boolean,
  fence: Producer | null,
  nowMs: number,
): Transaction {
  const { producer, previous } = fence === null ? known : { producer: fence, previous: null };
  return { ...known, ...nothing, producer, previous, phase: completed(commit), startedMs: 0, usedMs: nowMs };
}

/** The producer whose epoch takes a transaction away from its owner. */
export function fencing({ id, epoch }: Producer): Producer {
  return { id, epoch: epoch + 1 };
}

/** Whether the transaction takes longer than its producer said it may. */
export function isOverdue({ phase, startedMs, timeoutMs }: Transaction, nowMs: number): boolean {
  return phase === "Ongoing" && nowMs - startedMs > timeoutMs;
}

/** What is in no transaction. */
const nothing: Pick<Transaction, "partitions" | "groups"> = { partitions: new Set(), groups: new Set() };

function completed(commit: boolean): TransactionPhase {
  return commit ? "CompleteCommit" : "CompleteAbort";
}

function same(a: Producer, b: Producer | null): boolean {
  return a.id === b?.id && a.epoch === b.epoch;
}
