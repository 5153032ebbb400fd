/** Batches that come in parts, until the last one is there: only then is it known how far their source is, and a batch counts as one.
 *
 * The parts of a batch are written in one transaction, with others' batches between them. Left out: batches of one part.
 * @module */
import type { FoldBatch } from "./types.ts";

interface Waiting {
  readonly offset: number;
  readonly parts: FoldBatch[];
}

/** A batch that has not come to its end within so many records was never written whole: it is none of ours. */
const maxRecordsBetween = 10_000;

/** The parts that wait, of one batch of each source. */
export class BatchParts {
  /** By source. */
  readonly #waiting = new Map<number, Waiting>();

  /** Offset of the first part that waits; Infinity when none does. */
  get firstOffset(): number {
    let first = Infinity;
    for (const { offset } of this.#waiting.values()) first = Math.min(first, offset);
    return first;
  }

  /** Lets go of what waits. */
  clear(): void {
    this.#waiting.clear();
  }

  /** Takes in a part.
   * @param offset its record's
   * @returns the whole batch with its last part, else null */
  add(batch: FoldBatch, offset: number): readonly FoldBatch[] | null {
    for (const [source, waiting] of this.#waiting) {
      if (offset - waiting.offset > maxRecordsBetween) this.#waiting.delete(source);
    }
    const known = this.#waiting.get(batch.source);
    const waiting = known && isSame(known.parts[0]!, batch) ? known : { offset, parts: [] };
    waiting.parts.push(batch);
    if (batch.part < batch.parts - 1) {
      this.#waiting.set(batch.source, waiting);
      return null;
    }
    this.#waiting.delete(batch.source);
    return waiting.parts;
  }
}

function isSame(a: FoldBatch, b: FoldBatch): boolean {
  return a.log === b.log && a.from === b.from && a.next === b.next && a.parts === b.parts && a.part < b.part;
}
