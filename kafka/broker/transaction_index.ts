/** Where in the partitions transactions are: the open ones, which hold the last stable offset back, and those that were
 * aborted, whose records a reader has to leave out.
 *
 * Open ones are few and are held by their partition. Aborted ones stay as long as their records do, so they are rows
 * only, found by the offset of their marker. Each carries the last stable offset that held after it: no transaction that
 * ended later begins before that, which ends a look-up early.
 * Everything here happens inside a store write of log.ts, which also takes back what it changed in memory.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-98} @module */

import type { Partition } from "./partition.ts";
import { lazyStatement, type Store } from "./store.ts";

/** A transaction that has written to a partition and has not ended. */
export interface OpenTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Bytes appended to the partition before it, as {@link Partition.appended} counts them. */
  readonly appendedBefore: number;
}

/** A transaction whose records do not count. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Offset of its marker. */
  readonly lastOffset: number;
}

/** Rows removed in one write: some tenths of a millisecond. */
const STEP_ROWS = 500;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS open_transactions (
    partition INTEGER NOT NULL, producer INTEGER NOT NULL, first INTEGER NOT NULL,
    PRIMARY KEY (partition, producer)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS aborted_transactions (
    partition INTEGER NOT NULL, last INTEGER NOT NULL, producer INTEGER NOT NULL, first INTEGER NOT NULL,
    stable INTEGER NOT NULL, PRIMARY KEY (partition, last)) WITHOUT ROWID;
`;

/** The transactions of all partitions. */
export class TransactionIndex {
  readonly #store: Store;
  readonly #open;
  readonly #close;
  readonly #abort;
  readonly #from;
  readonly #forget;
  /** Partitions that went with their topics, or were about to, and left aborted transactions behind. */
  readonly #deleted = new Set<number>();

  /** Makes its tables if they are missing. */
  constructor(store: Store) {
    this.#store = store;
    const { db } = store;
    db.exec(SCHEMA);
    this.#open = lazyStatement(db, "INSERT INTO open_transactions VALUES (?, ?, ?)");
    this.#close = lazyStatement(db, "DELETE FROM open_transactions WHERE partition = ? AND producer = ?");
    this.#abort = lazyStatement(db, "INSERT INTO aborted_transactions VALUES (?, ?, ?, ?, ?)");
    this.#from = lazyStatement(
      db,
      "SELECT producer, first, last, stable FROM aborted_transactions WHERE partition = ? AND last >= ? ORDER BY last",
    );
    this.#forget = lazyStatement(
      db,
      `DELETE FROM aborted_transactions WHERE partition = ?1 AND last IN (
         SELECT last FROM aborted_transactions WHERE partition = ?1 AND last < ?2 ORDER BY last LIMIT ${STEP_ROWS})`,
    );
  }

  /** Gives the partitions what is stored of them. */
  load(partitions: ReadonlyMap<number, Partition>): void {
    const { db } = this.#store;
    for (const row of db.prepare("SELECT * FROM open_transactions ORDER BY first").iterate()) {
      const partition = partitions.get(Number(row.partition));
      if (partition === undefined) continue;
      const open = {
        producerId: Number(row.producer),
        firstOffset: Number(row.first),
        appendedBefore: 0,
      };
      partition.open = [...partition.open, open];
    }
    const next = db.prepare("SELECT min(partition) AS id FROM aborted_transactions WHERE partition > ?");
    for (let id = next.get(-1)?.id ?? null; id !== null; id = next.get(id)?.id ?? null) {
      const partition = partitions.get(Number(id));
      if (partition === undefined) this.#deleted.add(Number(id));
      else partition.abortedIn = this;
    }
  }

  /** A producer's transaction begins in a partition with the batch at `firstOffset`, the newest one. */
  begin(partition: Partition, producerId: number, firstOffset: number, appendedBefore: number): void {
    this.#open().run(partition.id, producerId, firstOffset);
    partition.open = [...partition.open, { producerId, firstOffset, appendedBefore }];
  }

  /** A producer's transaction ends in a partition with the marker at `lastOffset`, which is appended already. One that
   * never wrote there leaves nothing. */
  end(partition: Partition, producerId: number, lastOffset: number, aborted: boolean): void {
    const ended = partition.open.find((open) => open.producerId === producerId);
    if (ended === undefined) return;
    this.#close().run(partition.id, producerId);
    partition.open = partition.open.filter((open) => open !== ended);
    if (!aborted) return;
    this.#abort().run(partition.id, lastOffset, producerId, ended.firstOffset, partition.lastStable);
    partition.abortedIn = this;
  }

  /** The aborted transactions that have records or their marker in `from`…`to` − 1, by first offset. */
  between(partition: Partition, from: number, to: number): AbortedTransaction[] {
    const found: AbortedTransaction[] = [];
    for (const row of this.#from().iterate(partition.id, from)) {
      const firstOffset = Number(row.first);
      if (firstOffset < to) {
        found.push({ producerId: Number(row.producer), firstOffset, lastOffset: Number(row.last) });
      }
      if (Number(row.stable) >= to) break;
    }
    return found.sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Forgets those that ended before an offset: a number of them, the rest next time. */
  forgetAborted(partition: Partition, beforeOffset: number): void {
    this.#forget().run(partition.id, beforeOffset);
  }

  /** Forgets what is open in a partition that goes with its topic; the aborted ones are for {@link freeDeleted}. */
  forgetPartition(partition: Partition): void {
    this.#store.db.prepare("DELETE FROM open_transactions WHERE partition = ?").run(partition.id);
    if (partition.abortedIn !== undefined) this.#deleted.add(partition.id);
  }

  /** Removes aborted transactions of deleted partitions, a number of them.
   * @returns whether there may be more */
  freeDeleted(): boolean {
    const [id] = this.#deleted;
    if (id === undefined) return false;
    const isAlive = this.#store.db.prepare("SELECT 1 FROM partitions WHERE id = ?").get(id) !== undefined;
    const freed = isAlive ? 0 : Number(this.#forget().run(id, Number.MAX_SAFE_INTEGER).changes);
    if (freed < STEP_ROWS) this.#deleted.delete(id);
    return this.#deleted.size > 0;
  }

  /** Whether {@link freeDeleted} has something to do. */
  get hasDeleted(): boolean {
    return this.#deleted.size > 0;
  }
}
