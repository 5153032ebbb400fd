/** The rows of transactional ids: one each, and while a transaction is open what it may write to. All writing happens
 * inside store writes of transactions.ts. @module */

import type { Partition } from "./partition.ts";
import { lazyStatement, type Store } from "./store.ts";
import type { Transaction, TransactionPhase } from "./transaction_state.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS transactions (
    id TEXT PRIMARY KEY, producer INTEGER NOT NULL, epoch INTEGER NOT NULL, previous_producer INTEGER,
    previous_epoch INTEGER, timeout_ms INTEGER NOT NULL, phase TEXT NOT NULL, started_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS transaction_partitions (
    producer INTEGER NOT NULL, partition INTEGER NOT NULL, PRIMARY KEY (producer, partition)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS transaction_groups (
    producer INTEGER NOT NULL, group_id TEXT NOT NULL, PRIMARY KEY (producer, group_id)) WITHOUT ROWID;
`;

/** Reads and writes {@link Transaction}s. */
export class TransactionStore {
  readonly #store: Store;
  readonly #save;
  readonly #addPartition;
  readonly #addGroup;
  readonly #clearPartitions;
  readonly #clearGroups;
  readonly #forget;

  /** Makes its tables if they are missing. */
  constructor(store: Store) {
    this.#store = store;
    const { db } = store;
    db.exec(SCHEMA);
    this.#save = lazyStatement(db, "INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.#addPartition = lazyStatement(db, "INSERT OR IGNORE INTO transaction_partitions VALUES (?, ?)");
    this.#addGroup = lazyStatement(db, "INSERT OR IGNORE INTO transaction_groups VALUES (?, ?)");
    this.#clearPartitions = lazyStatement(db, "DELETE FROM transaction_partitions WHERE producer = ?");
    this.#clearGroups = lazyStatement(db, "DELETE FROM transaction_groups WHERE producer = ?");
    this.#forget = lazyStatement(db, "DELETE FROM transactions WHERE id = ?");
  }

  /** All that is stored. Partitions whose topic is gone are in no transaction any more. */
  load(partitions: Iterable<Partition>): Transaction[] {
    const { db } = this.#store;
    const byId = new Map([...partitions].map((partition) => [partition.id, partition]));
    const written = new Map<number, Set<Partition>>();
    for (const row of db.prepare("SELECT * FROM transaction_partitions").iterate()) {
      const partition = byId.get(Number(row.partition));
      if (partition !== undefined) addTo(written, Number(row.producer), partition);
    }
    const groups = new Map<number, Set<string>>();
    for (const row of db.prepare("SELECT * FROM transaction_groups").iterate()) {
      addTo(groups, Number(row.producer), String(row.group_id));
    }
    return db.prepare("SELECT * FROM transactions").all().map((row) => ({
      id: String(row.id),
      producer: { id: Number(row.producer), epoch: Number(row.epoch) },
      previous: row.previous_producer === null
        ? null
        : { id: Number(row.previous_producer), epoch: Number(row.previous_epoch) },
      timeoutMs: Number(row.timeout_ms),
      phase: String(row.phase) as TransactionPhase,
      startedMs: Number(row.started_ms),
      usedMs: Number(row.used_ms),
      partitions: written.get(Number(row.producer)) ?? new Set(),
      groups: groups.get(Number(row.producer)) ?? new Set(),
    }));
  }

  /** Writes the row of a transactional id, and what came to its transaction since `before`. */
  save(next: Transaction, before: Transaction | undefined): void {
    const { id, producer, previous, timeoutMs, phase, startedMs, usedMs } = next;
    if (before?.phase !== "Ongoing" || phase !== "Ongoing") {
      const last = [previous?.id ?? null, previous?.epoch ?? null] as const;
      this.#save().run(id, producer.id, producer.epoch, ...last, timeoutMs, phase, startedMs, usedMs);
    }
    if (before?.phase === "Ongoing" && phase !== "Ongoing") {
      this.#clearPartitions().run(before.producer.id);
      this.#clearGroups().run(before.producer.id);
    }
    for (const partition of next.partitions) {
      if (!before?.partitions.has(partition)) this.#addPartition().run(producer.id, partition.id);
    }
    for (const group of next.groups) {
      if (!before?.groups.has(group)) this.#addGroup().run(producer.id, group);
    }
  }

  forget(id: string): void {
    this.#forget().run(id);
  }
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([value]));
  else set.add(value);
}
