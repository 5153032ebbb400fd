/** Records of several topics and the offsets of a group, written together or not at all: one Kafka transaction after the other.
 *
 *     AddPartitionsToTxn → Produce | AddOffsetsToTxn, TxnOffsetCommit → EndTxn
 *
 * Whoever has a transactional id is its only producer: `init` takes it away from the one before and ends what that one left open.
 * After a failure the transaction is aborted and the next epoch asked for as the producer that this one was (KIP-360), so that nothing
 * that is still on its way counts any more, and whoever has taken the id meanwhile keeps it. Left out: making topics; transactions that
 * stay open between calls; compression.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-360%3A+Improve+reliability+of+idempotent%2Ftransactional+producer}
 * @module */
import type { Logger } from "../logger.ts";
import type { Kafka } from "./client.ts";
import { type KafkaConnection, KafkaError } from "./connection.ts";
import { pause } from "./pause.ts";
import type { RecordPlace } from "./producer.ts";
import { retriable } from "./producer_errors.ts";
import {
  Fenced,
  type GroupOffsets,
  type ProducerIdentity,
  TransactionRequests,
} from "./transaction_requests.ts";
import { type TransactionRecord, TransactionWriter } from "./transaction_writes.ts";

export { Fenced, type GroupOffsets } from "./transaction_requests.ts";
export type { TransactionRecord } from "./transaction_writes.ts";

/** Settings of a transactional producer. */
export interface TransactionalProducerOptions {
  readonly transactionalId: string;
  readonly log: Logger;
  /** After which `init` and `send` give up, all their tries included, ms; default 10,000. A `send` has {@linkcode recordMs} more for each
   * record. */
  readonly timeoutMs?: number;
  /** After which Kafka aborts a transaction whose producer says nothing more, ms: so long may one that died hold back readers, unless
   * its successor comes before. Default 30,000. */
  readonly transactionTimeoutMs?: number;
}

/** The code of the {@link KafkaError} for a commit whose answers were lost. */
export const outcomeUnknown = "OUTCOME_UNKNOWN";

/** So much longer is tried for each record, ms: whoever gives up a transaction because it is large has the same one again. */
const recordMs = 1;
/** How long one try may take, how long a topic may be unknown that was perhaps just made, and how long, beyond the time that was given,
 * it is tried to take back what failed, ms. */
const tryMs = 3_000, unknownTopicMs = 2_000, graceMs = 1_000;
/** Pauses between two tries, ms: the first, and the longest. */
const firstPauseMs = 2, maxPauseMs = 200;
/** What passes, besides what does for a record on its way. */
const passing: ReadonlySet<string> = new Set([
  ...retriable,
  "CONCURRENT_TRANSACTIONS",
  "NOT_COORDINATOR_FOR_GROUP",
]);
/** Kafka does not know this producer any more, or not with these sequences, or has no transaction of it: with a new epoch it goes. */
const lostProducer: ReadonlySet<string> = new Set([
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_EPOCH",
  "INVALID_PRODUCER_ID_MAPPING",
  "INVALID_TXN_STATE",
]);
/** Answers to an abort where there is nothing to abort. */
const nothingOpen: ReadonlySet<string> = new Set(["INVALID_TXN_STATE", "INVALID_PRODUCER_ID_MAPPING"]);

/** A moment on the clock of `performance.now()`, which can be moved to the front. */
interface Deadline {
  at: number;
}

/** The producer of one transactional id. Calls are worked off one after the other. */
export class TransactionalProducer implements AsyncDisposable {
  readonly #options: Required<TransactionalProducerOptions>;
  readonly #connection: KafkaConnection;
  readonly #requests: TransactionRequests;
  readonly #writer: TransactionWriter;
  /** Undefined before `init`, and once it was fenced. */
  #producer: ProducerIdentity | undefined;
  /** A transaction may be open, or a request on its way that would count for the next one. */
  #isDoubtful = false;
  /** Whether a request of the present transaction had to be sent again. */
  #hasLost = false;
  #last: Promise<unknown> = Promise.resolve();
  readonly #stop = new AbortController();

  /** Opens nothing until `init`. */
  constructor(kafka: Kafka, options: TransactionalProducerOptions) {
    const { log, transactionalId } = options;
    this.#options = {
      timeoutMs: 10_000,
      transactionTimeoutMs: 30_000,
      ...options,
      log: log.child({ transactionalId }),
    };
    this.#connection = kafka.connect();
    this.#requests = new TransactionRequests(this.#connection, transactionalId);
    this.#writer = new TransactionWriter(this.#connection, transactionalId);
  }

  /** Takes the transactional id: its producer before is fenced, and what that one left open is aborted when this resolves.
   * @throws {KafkaError} when the coordinator cannot be asked in time, or refuses */
  init(): Promise<void> {
    return this.#inTurn(async () => {
      this.#producer = undefined;
      await this.#take(null, this.#deadline());
    });
  }

  /** Writes records and offsets in one transaction; resolves when it is committed. Offsets alone will do. Readers of committed
   * records see all of it a moment later.
   * @returns the place of each record
   * @throws {Fenced} somebody else has the transactional id, or `init` was not called: nothing can be sent before the next `init`.
   *   If it was in the middle of a commit whose answer was lost, that may have been done before
   * @throws {KafkaError} `outcomeUnknown`: perhaps committed; any other code: not committed */
  send(records: readonly TransactionRecord[], offsets?: GroupOffsets): Promise<RecordPlace[]> {
    return this.#inTurn(async () => {
      try {
        return await this.#transact(records, offsets);
      } catch (error) {
        if (error instanceof Fenced) this.#producer = undefined;
        throw error;
      }
    });
  }

  /** Closes the connection; calls that wait fail. A transaction that is open then ends with the next `init` of anybody, or when its
   * time is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#connection[Symbol.asyncDispose]();
    await this.#last;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  #deadline(records = 0): Deadline {
    return { at: performance.now() + this.#options.timeoutMs + records * recordMs };
  }

  async #transact(
    records: readonly TransactionRecord[],
    offsets: GroupOffsets | undefined,
  ): Promise<RecordPlace[]> {
    if (records.length === 0 && !offsets) return [];
    const deadline = this.#deadline(records.length);
    for (let attempt = 1;; attempt++) {
      if (this.#isDoubtful) await this.#recover(deadline);
      try {
        return await this.#attempt(records, offsets, deadline);
      } catch (error) {
        const code = error instanceof KafkaError ? error.code : "";
        if (error instanceof Fenced || code === outcomeUnknown) throw error;
        const isTakenBack = await this.#takeBack(deadline);
        if (!isTakenBack || attempt > 1 || !lostProducer.has(code)) throw error;
        this.#options.log.info("transaction begins anew", { reason: code });
      }
    }
  }

  async #attempt(
    records: readonly TransactionRecord[],
    offsets: GroupOffsets | undefined,
    deadline: Deadline,
  ): Promise<RecordPlace[]> {
    const producer = this.#producer;
    if (!producer) throw new Fenced(this.#options.transactionalId);
    this.#hasLost = false;
    const writes = await this.#persist(deadline, (ms) => this.#writer.prepare(records, ms));
    this.#isDoubtful = true;
    if (records.length > 0) {
      await this.#persist(deadline, (ms) => this.#requests.addPartitions(producer, writes.partitions, ms));
    }
    await this.#together({ ...deadline }, [
      async (deadline) => {
        while (writes.waiting.size > 0) {
          await this.#persist(deadline, (ms) => this.#writer.write(writes, producer, ms));
        }
      },
      async (deadline) => {
        if (!offsets) return;
        await this.#persist(deadline, (ms) => this.#requests.addGroup(producer, offsets.group, ms));
        await this.#persist(deadline, (ms) => this.#requests.commitOffsets(producer, offsets, ms));
      },
    ]);
    await this.#commit(producer, deadline);
    this.#isDoubtful = this.#hasLost;
    return writes.places;
  }

  /** Settles when all have: nothing of a transaction is on its way when it ends. The first failure lets the others give up. */
  async #together(deadline: Deadline, steps: ((deadline: Deadline) => Promise<void>)[]): Promise<void> {
    const failures: unknown[] = [];
    await Promise.all(steps.map((step) =>
      step(deadline).catch((error) => {
        failures.push(error);
        deadline.at = 0;
      })
    ));
    if (failures.length > 0) throw failures[0];
  }

  /** Commits, and asks again until the outcome is known. */
  async #commit(producer: ProducerIdentity, deadline: Deadline): Promise<void> {
    let tries = 0, wasLost = false;
    try {
      await this.#persist(deadline, async (ms) => {
        tries++;
        try {
          await this.#requests.end(producer, true, ms);
        } catch (error) {
          wasLost ||= isPassing(error);
          throw error;
        }
      });
    } catch (error) {
      if (tries === 0 || !wasLost || error instanceof Fenced) throw error;
      const message = `Cannot tell whether the transaction of ${this.#options.transactionalId} was committed`;
      throw new KafkaError(outcomeUnknown, message, { cause: error });
    }
  }

  /** @returns whether what a failure has left is aborted; else that is done before the next transaction
   * @throws {Fenced} */
  async #takeBack({ at }: Deadline): Promise<boolean> {
    if (!this.#isDoubtful) return true;
    try {
      await this.#recover({ at: Math.max(at, performance.now() + graceMs) });
      return true;
    } catch (error) {
      if (error instanceof Fenced) throw error;
      this.#options.log.debug("transaction is not taken back yet", { error: (error as Error).message });
      return false;
    }
  }

  /** Aborts what is open and goes on with the next epoch, if nobody has asked for one since. An abort comes first, as Kafka takes an
   * id away from whoever asks within a transaction. */
  async #recover(deadline: Deadline): Promise<void> {
    const own = this.#producer;
    if (!own) throw new Fenced(this.#options.transactionalId);
    try {
      await this.#persist(deadline, (ms) => this.#requests.end(own, false, ms));
    } catch (error) {
      if (!(error instanceof KafkaError) || !nothingOpen.has(error.code)) throw error;
    }
    try {
      await this.#take(own, deadline);
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== "UNSUPPORTED_VERSION") throw error;
      throw new Fenced(this.#options.transactionalId, { cause: error }); // it may have been
    }
  }

  async #take(own: ProducerIdentity | null, deadline: Deadline): Promise<void> {
    const { transactionTimeoutMs } = this.#options;
    this.#producer = await this.#persist(
      deadline,
      (timeoutMs) => this.#requests.initProducerId(own, { transactionTimeoutMs, timeoutMs }),
    );
    this.#writer.restart();
    this.#isDoubtful = false;
  }

  /** Tries until it goes, while what hinders it passes. */
  async #persist<T>(deadline: Deadline, attempt: (timeoutMs: number) => Promise<T>): Promise<T> {
    const since = performance.now();
    for (let pauseMs = firstPauseMs;; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      const leftMs = deadline.at - performance.now();
      if (leftMs <= 0 || this.#stop.signal.aborted) throw tooLate(this.#options.transactionalId);
      try {
        return await attempt(Math.ceil(Math.min(tryMs, leftMs)));
      } catch (error) {
        if (!isPassing(error) || this.#stop.signal.aborted) throw error;
        if (error.code !== "CONCURRENT_TRANSACTIONS") this.#lookAgain();
        const now = performance.now() + pauseMs, isUnknown = error.code === "UNKNOWN_TOPIC_OR_PARTITION";
        if (now >= deadline.at || isUnknown && now >= since + unknownTopicMs) throw error;
      }
      await pause(pauseMs, this.#stop.signal);
    }
  }

  #lookAgain(): void {
    this.#hasLost = true;
    this.#requests.forget();
    this.#writer.forget();
  }
}

function isPassing(error: unknown): error is KafkaError {
  return error instanceof KafkaError && passing.has(error.code);
}

function tooLate(transactionalId: string): KafkaError {
  return new KafkaError("UNREACHABLE", `Cannot go on as ${transactionalId}: its time is over`);
}
