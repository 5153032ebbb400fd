/** The newest batches of all partitions, held in memory within one limit, so that readers at the tail never touch
 * SQLite. The oldest batch of the whole broker goes first. @module */

import { Deque } from "./deque.ts";
import type { Partition, StoredBatch } from "./partition.ts";

/** What an entry costs beside its bytes, roughly: the objects around it. */
const ENTRY_BYTES = 256;

interface Entry {
  readonly partition: Partition;
  readonly bytes: number;
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
  added(partition: Partition, batch: StoredBatch): void {
    const bytes = batch.bytes.byteLength + ENTRY_BYTES;
    this.#entries.push({ partition, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#entries.shift();
      if (oldest === undefined) break;
      this.#bytes -= oldest.bytes;
      oldest.partition.evictOldest();
    }
  }
}

/** The same bytes for keeping: a copy where they are a small part of a big buffer, which they would keep alive. */
export function keepable(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength * 2 >= bytes.buffer.byteLength ? bytes : bytes.slice();
}
