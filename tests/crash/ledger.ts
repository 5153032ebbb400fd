/** What the producers of a crash test were told, to be compared with what the log holds afterwards. @module */

/** A record that was acknowledged at an offset. */
export interface AcknowledgedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
  /** When the acknowledgement was here, in milliseconds since the epoch; never earlier than it really was. */
  readonly atMs: number;
}

/** One transaction of one transactional id. */
export interface Transaction {
  /** Name of its producer, also of its group. */
  readonly producer: string;
  /** Its number, from 1 on; also the offset that it commits for its group. */
  readonly number: number;
  /** All that it produces, in whatever partitions. */
  readonly values: readonly string[];
  /** What became of it. Unknown: it was to be committed and nobody said that it was; all of it may be there or nothing. */
  outcome: "open" | "committed" | "aborted" | "unknown";
  /** When the outcome was told, in milliseconds since the epoch. */
  endedMs: number;
}

/** Everything acknowledged so far. */
export class Ledger {
  readonly records: AcknowledgedRecord[] = [];
  readonly transactions: Transaction[] = [];

  acknowledged(topic: string, partition: number, baseOffset: number, values: readonly string[]): void {
    const atMs = now();
    for (const [i, value] of values.entries()) {
      this.records.push({ topic, partition, offset: baseOffset + i, value, atMs });
    }
  }

  begun(producer: string, number: number, values: readonly string[]): Transaction {
    const transaction: Transaction = { producer, number, values, outcome: "open", endedMs: Infinity };
    this.transactions.push(transaction);
    return transaction;
  }

  ended(transaction: Transaction, outcome: "committed" | "aborted" | "unknown"): void {
    transaction.outcome = outcome;
    transaction.endedMs = now();
  }
}

/** Milliseconds since the epoch, to some microseconds: a power cut is to tell what was acknowledged just before it from what
 * comes just after. Never early. */
function now(): number {
  return performance.now() + offsetMs + marginMs;
}

const marginMs = 0.1;
/** From the monotonic clock to the epoch, taken where `Date.now()` ticks; being interrupted there makes it smaller. */
const offsetMs = Math.max(...Array.from({ length: 5 }, () => {
  const before = Date.now();
  let tick = before;
  while (tick === before) tick = Date.now();
  return tick - performance.now();
}));
