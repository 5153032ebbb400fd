/** The newest batches of all partitions, held in memory within one limit, so that readers at the tail never touch
 * SQLite. The oldest batch of the whole broker goes first; a partition drops its own earlier when the rows behind them
 * were removed or rewritten. @module */

import { Deque } from "./deque.ts";
import type { StoredBatch } from "./partition.ts";

/** What an entry costs beside its bytes, roughly: the objects around it. */
const ENTRY_BYTES = 256;

interface Entry {
  readonly owner: NewestBatches;
  /** Undefined once its partition has dropped it: only its place in the order is left. */
  batch: StoredBatch | undefined;
}

/** Counts what partitions hold and evicts beyond the limit. */
export class BatchCache {
  readonly #entries = new Deque<Entry>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes memory for batches, in bytes; one bigger batch is not held at all */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A partition has taken a batch into memory. */
  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += ENTRY_BYTES + sizeOf(entry);
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#entries.shift();
      if (oldest === undefined) break;
      this.#bytes -= ENTRY_BYTES + sizeOf(oldest);
      if (oldest.batch !== undefined) oldest.owner.evictOldest();
    }
  }

  /** A partition has let a batch go by itself. Its place is freed when its turn comes. */
  drop(entry: Entry): void {
    this.#bytes -= sizeOf(entry);
    entry.batch = undefined;
  }
}

/** The newest batches of one partition, without a hole between them. */
export class NewestBatches {
  readonly #cache: BatchCache;
  readonly #entries = new Deque<Entry>();

  constructor(cache: BatchCache) {
    this.#cache = cache;
  }

  /** Takes a batch in. Batches come in offset order. */
  add(batch: StoredBatch): void {
    const entry = { owner: this, batch };
    this.#entries.push(entry);
    this.#cache.add(entry);
  }

  /** Drops the oldest batch; called by the cache to stay within its bytes. */
  evictOldest(): void {
    this.#entries.shift();
  }

  /** Drops what ends before an offset: it was removed, or lies otherwise on the disk now. */
  dropBefore(offset: number): void {
    for (let oldest = this.#entries.at(0); oldest !== undefined; oldest = this.#entries.at(0)) {
      if (oldest.batch !== undefined && oldest.batch.last >= offset) return;
      this.#entries.shift();
      this.#cache.drop(oldest);
    }
  }

  /** The batches from the one that ends at or after `offset` on, within `maxBytes`; at least one when `atLeastOne`.
   * @param limit offset to end before
   * @returns undefined if memory does not reach back to `offset` */
  from(
    offset: number,
    maxBytes: number,
    atLeastOne: boolean,
    limit = Infinity,
  ): StoredBatch[] | undefined {
    const oldest = this.#entries.at(0)?.batch;
    if (oldest === undefined || offset < oldest.base) return undefined;
    const found: StoredBatch[] = [];
    let bytes = 0;
    for (let i = this.#indexOf(offset); i < this.#entries.length; i++) {
      const batch = this.#batch(i);
      if (batch.base >= limit) break;
      bytes += batch.bytes.byteLength;
      if (bytes > maxBytes && !(atLeastOne && found.length === 0)) break;
      found.push(batch);
    }
    return found;
  }

  /** Index of the first batch that ends at or after the offset. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#batch(middle).last < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #batch(index: number): StoredBatch {
    return this.#entries.at(index)?.batch as StoredBatch;
  }
}

function sizeOf(entry: Entry): number {
  return entry.batch?.bytes.byteLength ?? 0;
}

/** The same bytes for keeping: a copy where they are a small part of a big buffer, which they would keep alive. */
export function keepable(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength * 2 >= bytes.buffer.byteLength ? bytes : bytes.slice();
}
