/** What a partition of ids has seen since the beginning. Left out: sums over partitions (shown.ts).
 * @module */
import type { FoldBatch, Totals } from "./types.ts";

/** Kinds of wrong records that are told apart; further ones are `other`. */
const maxKinds = 16;

/** Sums that only grow; as they are written, `Totals`. */
export class RunningTotals {
  counted: number;
  ahead: number;
  missed: number;
  readonly #late: Record<string, number>;
  readonly #wrong: Record<string, number>;

  constructor(totals?: Totals) {
    this.counted = totals?.counted ?? 0;
    this.ahead = totals?.ahead ?? 0;
    this.missed = totals?.missed ?? 0;
    this.#late = { ...totals?.late };
    this.#wrong = { ...totals?.wrong };
  }

  get record(): Totals {
    const { counted, ahead, missed } = this;
    return { counted, late: { ...this.#late }, wrong: { ...this.#wrong }, ahead, missed };
  }

  /** @param sizeMs size of the windows for which they are late */
  addLate(sizeMs: number, events: number): void {
    this.#late[sizeMs] = (this.#late[sizeMs] ?? 0) + events;
  }

  /** Adds what a fold has told beside its counts. */
  addTold({ wrong = {}, ahead = 0, missed = 0 }: Pick<FoldBatch, "wrong" | "ahead" | "missed">): void {
    this.ahead += ahead;
    this.missed += missed;
    for (const [kind, records] of Object.entries(wrong)) {
      const isTold = Object.hasOwn(this.#wrong, kind) || Object.keys(this.#wrong).length < maxKinds;
      const name = isTold ? kind : "other";
      this.#wrong[name] = (this.#wrong[name] ?? 0) + records;
    }
  }
}
