/** How far each partition was compacted and when, for ever in a table of its own.
 *
 * A tombstone, or the marker of a transaction, stays readable for delete.retention.ms after the first pass that went
 * over it. That is known without touching the batch: a record at some offset was first passed by the oldest pass that
 * reached beyond it. Passes that left nothing of the kind are forgotten, but for the newest.
 * Left out: the delete horizon of KIP-534 in the batches themselves, which no reader needs. @module */

import type { Partition } from "./partition.ts";
import type { Store } from "./store.ts";
import type { Topics } from "./topics.ts";

/** One pass over a partition that got farther than those before it. */
export interface Pass {
  /** Offset up to which the log was compacted. */
  readonly cleanedTo: number;
  readonly atMs: number;
  /** Tombstones and markers that this pass met first and that are still there. */
  readonly deferred: number;
}

/** What is known of a partition. */
export interface Cleaned {
  /** Oldest first, by offset and by time. */
  readonly passes: readonly Pass[];
  /** Bytes before `cleanedTo` of the newest pass, as far as is known. */
  readonly bytes: number;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS compactions (
    partition INTEGER NOT NULL, cleaned_to INTEGER NOT NULL, at_ms INTEGER NOT NULL, deferred INTEGER NOT NULL,
    bytes INTEGER NOT NULL, PRIMARY KEY (partition, cleaned_to)) WITHOUT ROWID;
`;
const NOTHING: Cleaned = { passes: [], bytes: 0 };

/** The state of all partitions. */
export class CompactionState {
  readonly #store: Store;
  readonly #topics: Topics;
  readonly #cleaned = new Map<number, Cleaned>();

  /** Makes its table if it is missing, and reads it. */
  constructor(store: Store, topics: Topics) {
    this.#store = store;
    this.#topics = topics;
    const { db } = store;
    db.exec(SCHEMA);
    for (const row of db.prepare("SELECT * FROM compactions ORDER BY partition, cleaned_to").iterate()) {
      const id = Number(row.partition);
      const pass = {
        cleanedTo: Number(row.cleaned_to),
        atMs: Number(row.at_ms),
        deferred: Number(row.deferred),
      };
      const passes = [...this.#cleaned.get(id)?.passes ?? [], pass];
      this.#cleaned.set(id, { passes, bytes: Number(row.bytes) });
    }
    topics.onDelete((topic) => {
      for (const { id } of topic.partitions) this.#deleteRows(id);
    });
  }

  of(partition: Partition): Cleaned {
    return this.#cleaned.get(partition.id) ?? NOTHING;
  }

  /** Retention has removed bytes from the front of a partition. */
  trimmed(partition: Partition, bytes: number): void {
    const known = this.#cleaned.get(partition.id);
    if (known === undefined) return;
    this.#cleaned.set(partition.id, { ...known, bytes: Math.max(known.bytes - bytes, 0) });
  }

  /** Forgets partitions that went with their topics. */
  forgetDeleted(): void {
    const alive = new Set([...this.#topics.partitions()].map(({ id }) => id));
    for (const id of this.#cleaned.keys()) {
      if (!alive.has(id)) this.#cleaned.delete(id);
    }
  }

  /** Writes what a pass came to. @throws {StorageError} if the disk did not take it */
  async save(partition: Partition, cleaned: Cleaned): Promise<void> {
    const before = this.#cleaned.get(partition.id);
    const passes = cleaned.passes.filter(({ deferred }, i, all) => deferred > 0 || i === all.length - 1);
    await this.#store.write(() => {
      if (this.#topics.byId(partition.topic.uuid) === undefined) return;
      this.#deleteRows(partition.id);
      const insert = this.#store.db.prepare("INSERT INTO compactions VALUES (?, ?, ?, ?, ?)");
      for (const { cleanedTo, atMs, deferred } of passes) {
        insert.run(partition.id, cleanedTo, atMs, deferred, cleaned.bytes);
      }
      this.#cleaned.set(partition.id, { passes, bytes: cleaned.bytes });
    }, () => {
      if (before === undefined) this.#cleaned.delete(partition.id);
      else this.#cleaned.set(partition.id, before);
    });
  }

  #deleteRows(id: number): void {
    this.#store.db.prepare("DELETE FROM compactions WHERE partition = ?").run(id);
  }
}

/** Which pass went over an offset first: its place in `passes`, their number when none did. */
export function firstPassOver(passes: readonly Pass[], offset: number): number {
  let low = 0;
  let high = passes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((passes[middle] as Pass).cleanedTo <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
