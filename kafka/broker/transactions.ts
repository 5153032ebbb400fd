/** The transaction coordinator: every transactional id of the broker.
 *
 *     InitProducerId → AddPartitionsToTxn, AddOffsetsToTxn → Produce, TxnOffsetCommit → EndTxn
 *
 * All of a broker is one SQLite file, so a transaction ends in one store write: its markers in all partitions, the
 * offsets it held back and the state of its id. What a killed process leaves is a transaction that is open or one that
 * ended, never something between, and there is nothing to finish after a start. What requests mean is decided in
 * transaction_state.ts, the rows are transaction_store.ts's, where transactions lie in the partitions is
 * transaction_index.ts's.
 * Left out: two-phase commit, and epochs that change with every transaction (KIP-890, part 2).
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-98} @module */

import type { Log } from "./log.ts";
import { type BrokerLogger, silentBrokerLogger } from "./logger.ts";
import type { NewOffset, Offsets } from "./offsets.ts";
import type { Partition } from "./partition.ts";
import type { ProducerIds } from "./producers.ts";
import type { Store } from "./store.ts";
import {
  checkClaim,
  checkEnd,
  ended,
  extended,
  fencing,
  initialise,
  type InitVerdict,
  type InitWish,
  isOverdue,
  type Producer,
  type Transaction,
} from "./transaction_state.ts";
import { TransactionStore } from "./transaction_store.ts";
import { type ErrorCode, errors } from "./wire/error_codes.ts";

/** Longest a transaction may take: transaction.max.timeout.ms of Kafka, 15 minutes. */
const MAX_TIMEOUT_MS = 900_000;
/** Time after which an unused id is forgotten: transactional.id.expiration.ms of Kafka, 7 days. */
const EXPIRY_MS = 7 * 86_400_000;
/** Time between two looks for unused ids, and ids forgotten in one write. */
const EXPIRY_CHECK_MS = 600_000;
const EXPIRY_STEP = 500;
/** Characters of a transactional id or a group's; Kafka has no limit but that of its strings. */
const MAX_ID = 1_000;
/** Ids known at a time: each costs some hundred bytes of memory. */
const MAX_IDS = 50_000;
/** Groups one transaction may commit offsets for. */
const MAX_GROUPS = 1_000;
/** Partitions and groups of all open transactions together. */
const MAX_MEMBERS = 200_000;

/** What the coordinator works with. */
export interface TransactionsOptions {
  readonly store: Store;
  readonly log: Log;
  readonly offsets: Offsets;
  readonly producerIds: ProducerIds;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly logger?: BrokerLogger;
}

/** Who speaks, and for which transactional id. */
export interface TransactionClaim {
  readonly id: string;
  readonly producer: Producer;
}

/** Answer to an InitProducerId. */
export interface InitAnswer {
  readonly error: ErrorCode;
  /** Id and epoch are −1 with an error. */
  readonly producer: Producer;
}

/** All transactions. */
export class Transactions {
  readonly #log: Log;
  readonly #store: Store;
  readonly #offsets: Offsets;
  readonly #producerIds: ProducerIds;
  readonly #now: () => number;
  readonly #logger: BrokerLogger;
  readonly #rows: TransactionStore;
  readonly #byId = new Map<string, Transaction>();
  /** Those that are Ongoing. */
  readonly #ongoing = new Set<string>();
  /** Partitions and groups in them. */
  #members = 0;
  #sweeping: Promise<void> | undefined;
  #expiryCheckedMs: number;
  #stopped = false;

  /** Restores what is stored; transactions that were open still are. */
  constructor(options: TransactionsOptions) {
    this.#log = options.log;
    this.#store = options.store;
    this.#offsets = options.offsets;
    this.#producerIds = options.producerIds;
    this.#now = options.now;
    this.#logger = options.logger ?? silentBrokerLogger;
    this.#expiryCheckedMs = this.#now();
    this.#rows = new TransactionStore(options.store);
    for (const transaction of this.#rows.load(this.#log.topics.partitions())) {
      this.#set(transaction.id, transaction);
    }
  }

  /** Transactional ids that are known. */
  get size(): number {
    return this.#byId.size;
  }

  /** Transactions that are open. */
  get ongoing(): number {
    return this.#ongoing.size;
  }

  /** Gives a producer the next epoch of its transactional id, having aborted what its predecessor left open.
   * @throws {StorageError} if nothing reached the disk */
  async initialise(wish: InitWish): Promise<InitAnswer> {
    if (wish.id === "" || !isStorable(wish.id)) return refusal(errors.INVALID_REQUEST);
    if (wish.timeoutMs <= 0 || wish.timeoutMs > MAX_TIMEOUT_MS) {
      return refusal(errors.INVALID_TRANSACTION_TIMEOUT);
    }
    let freshId: number | undefined;
    while (true) {
      const verdict = await this.#tryInitialise(wish, freshId);
      if (verdict.kind === "refuse") return refusal(verdict.error);
      if (verdict.kind === "repeat") return { error: errors.NONE, producer: verdict.producer };
      if (verdict.kind === "change") return { error: errors.NONE, producer: verdict.next.producer };
      freshId = await this.#producerIds.next();
    }
  }

  /** Takes partitions into a producer's transaction, which begins with the first.
   * @throws {StorageError} if nothing reached the disk */
  addPartitions(claim: TransactionClaim, partitions: readonly Partition[]): Promise<ErrorCode> {
    return this.#extend(claim, { partitions });
  }

  /** Lets a producer's transaction commit offsets of a group. Errors as {@link addPartitions}. */
  addGroup(claim: TransactionClaim, groupId: string): Promise<ErrorCode> {
    if (!isStorable(groupId)) return Promise.resolve(errors.INVALID_GROUP_ID);
    return this.#extend(claim, { groups: [groupId] });
  }

  /** Holds offsets of a group back until the transaction ends.
   * @returns an error for all of them, or for each whether it was taken: false if its topic was deleted meanwhile
   * @throws {StorageError} if nothing reached the disk */
  holdOffsets(
    claim: TransactionClaim,
    groupId: string,
    offsets: readonly NewOffset[],
  ): Promise<ErrorCode | boolean[]> {
    return this.#store.write(() => {
      const error = this.admitsOffsets(claim, groupId);
      return error === errors.NONE ? this.#offsets.hold(claim.producer.id, groupId, offsets) : error;
    });
  }

  /** Whether a producer's transaction is open and may commit offsets of a group. */
  admitsOffsets({ id, producer }: TransactionClaim, groupId: string): ErrorCode {
    if (id === "") return errors.INVALID_REQUEST;
    const known = this.#byId.get(id);
    const error = checkClaim(known, producer);
    if (error !== errors.NONE) return error;
    return known?.groups.has(groupId) ? errors.NONE : errors.INVALID_TXN_STATE;
  }

  /** Commits or aborts a producer's transaction.
   * @throws {StorageError} if nothing reached the disk: it is still open */
  async end(claim: TransactionClaim, commit: boolean): Promise<ErrorCode> {
    if (claim.id === "") return errors.INVALID_REQUEST;
    return await this.#change((mark, undo) => {
      const known = this.#byId.get(claim.id);
      const error = checkClaim(known, claim.producer);
      if (known === undefined || error !== errors.NONE) return error;
      const verdict = checkEnd(known, commit);
      if (verdict !== "end") return verdict;
      this.#end(known, commit, null, mark, undo);
      return errors.NONE;
    });
  }

  /** Whether a producer's transactional batch is taken by a partition: its transaction must be open and have the
   * partition in it. */
  admits(id: string, producer: Producer, partition: Partition): ErrorCode {
    if (id === "") return errors.INVALID_REQUEST;
    const known = this.#byId.get(id);
    const error = checkClaim(known, producer);
    if (error === errors.PRODUCER_FENCED) return errors.INVALID_PRODUCER_EPOCH;
    if (known === undefined || error !== errors.NONE) return error;
    return known.partitions.has(partition) ? errors.NONE : errors.INVALID_TXN_STATE;
  }

  /** Aborts transactions that take too long, forgets ids nobody used for long, and frees what deleted topics left. Asked
   * about each second; one that is under way is joined. Never throws. */
  sweep(): Promise<void> {
    return this.#sweeping ??= this.#sweep().finally(() => this.#sweeping = undefined);
  }

  /** Ends a sweep after its current step. */
  stop(): void {
    this.#stopped = true;
  }

  async #sweep(): Promise<void> {
    const nowMs = this.#now();
    try {
      for (const id of [...this.#ongoing]) {
        if (!this.#stopped && this.#overdue(id, nowMs) !== undefined) await this.#timeOut(id, nowMs);
      }
      while (!this.#stopped && await this.#log.freeTransactions());
      if (this.#stopped || Math.abs(nowMs - this.#expiryCheckedMs) < EXPIRY_CHECK_MS) return;
      this.#expiryCheckedMs = nowMs;
      await this.#expire(nowMs - EXPIRY_MS);
    } catch (error) {
      this.#logger.warn("cannot sweep transactions", { error });
    }
  }

  async #timeOut(id: string, nowMs: number): Promise<void> {
    const aborted = await this.#change((mark, undo) => {
      const overdue = this.#overdue(id, nowMs); // or it ended meanwhile
      if (overdue !== undefined) this.#end(overdue, false, fencing(overdue.producer), mark, undo);
      return overdue;
    });
    if (aborted === undefined) return;
    const { timeoutMs } = aborted;
    this.#logger.warn("transaction aborted as it took too long", { transactionalId: id, timeoutMs });
  }

  #overdue(id: string, nowMs: number): Transaction | undefined {
    const known = this.#byId.get(id);
    return known !== undefined && isOverdue(known, nowMs) ? known : undefined;
  }

  async #expire(beforeMs: number): Promise<void> {
    const unused = [...this.#byId.values()].filter((known) => isUnused(known, beforeMs));
    for (let from = 0; from < unused.length && !this.#stopped; from += EXPIRY_STEP) {
      await this.#change((_mark, undo) => {
        for (const known of unused.slice(from, from + EXPIRY_STEP)) {
          if (this.#byId.get(known.id) !== known) continue;
          this.#rows.forget(known.id);
          this.#replace(known.id, undefined, undo);
        }
      });
    }
  }

  #tryInitialise(wish: InitWish, freshId: number | undefined): Promise<InitVerdict> {
    return this.#change((mark, undo) => {
      const known = this.#byId.get(wish.id);
      if (known === undefined && this.#byId.size >= MAX_IDS) {
        return { kind: "refuse", error: errors.POLICY_VIOLATION } as const;
      }
      const verdict = initialise(known, wish, freshId, this.#now());
      if (verdict.kind !== "change") return verdict;
      if (known !== undefined && verdict.fence !== null) this.#end(known, false, verdict.fence, mark, undo);
      this.#rows.save(verdict.next, this.#byId.get(wish.id));
      this.#replace(wish.id, verdict.next, undo);
      return verdict;
    });
  }

  async #extend(
    { id, producer }: TransactionClaim,
    more: { partitions?: readonly Partition[]; groups?: readonly string[] },
  ): Promise<ErrorCode> {
    if (id === "") return errors.INVALID_REQUEST;
    return await this.#change((_mark, undo) => {
      const known = this.#byId.get(id);
      const error = checkClaim(known, producer);
      if (known === undefined || error !== errors.NONE) return error;
      const next = extended(known, more, this.#now());
      const members = this.#members - membersOf(known) + membersOf(next);
      if (next.groups.size > MAX_GROUPS || members > MAX_MEMBERS) return errors.POLICY_VIOLATION;
      this.#rows.save(next, known);
      this.#replace(id, next, undo);
      return errors.NONE;
    });
  }

  /** Ends an open transaction with all that belongs to it.
   * @param fence the epoch that takes it from its producer; null when the producer asked */
  #end(known: Transaction, commit: boolean, fence: Producer | null, mark: Mark, undo: Undo): void {
    const { id: producerId, epoch } = fence ?? known.producer;
    for (const partition of known.partitions) mark(partition, { producerId, epoch, commit });
    this.#offsets.release(producerId, commit);
    const next = ended(known, commit, fence, this.#now());
    this.#rows.save(next, known);
    this.#replace(known.id, next, undo);
  }

  /** A write of which nothing is left in memory either when it does not reach the disk. */
  #change<T>(work: (mark: Mark, undo: Undo) => T): Promise<T> {
    const undo: (() => void)[] = [];
    return this.#log.writeMarkers(
      (mark) => work(mark, undo),
      () => {
        for (const step of undo.splice(0).reverse()) step();
      },
    );
  }

  #replace(id: string, next: Transaction | undefined, undo: Undo): void {
    const before = this.#byId.get(id);
    undo.push(() => this.#set(id, before));
    this.#set(id, next);
  }

  #set(id: string, transaction: Transaction | undefined): void {
    this.#members += membersOf(transaction) - membersOf(this.#byId.get(id));
    if (transaction === undefined) this.#byId.delete(id);
    else this.#byId.set(id, transaction);
    if (transaction?.phase === "Ongoing") this.#ongoing.add(id);
    else this.#ongoing.delete(id);
  }
}

type Mark = Parameters<Parameters<Log["writeMarkers"]>[0]>[0];
type Undo = (() => void)[];

function refusal(error: ErrorCode): InitAnswer {
  return { error, producer: { id: -1, epoch: -1 } };
}

/** Whether an id can be a key: SQLite's text ends at a NUL when it is read. */
function isStorable(id: string): boolean {
  return id.length <= MAX_ID && !id.includes("\0");
}

function membersOf(transaction: Transaction | undefined): number {
  return transaction === undefined ? 0 : transaction.partitions.size + transaction.groups.size;
}

function isUnused({ phase, usedMs }: Transaction, beforeMs: number): boolean {
  return phase !== "Ongoing" && usedMs < beforeMs;
}
