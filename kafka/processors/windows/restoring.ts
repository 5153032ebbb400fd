/** State as it was written, on its way back: records in any order, the last one of a key holds.
 *
 * Sizes may be others by now. One that is new has whole windows from the highest event time on that any source had shown: what came
 * before was not counted for it. Panes are moved to the new unit; a size that stays is a multiple of both units, so its windows keep
 * their counts. Left out: what follows of it (window_state.ts).
 * @module */
import { windowStart } from "../../windows.ts";
import { ClosedWindows } from "./closed_windows.ts";
import { IdWindows } from "./id_windows.ts";
import type { StateRecord, StoredMeta } from "./state_records.ts";
import type { OpenRecord } from "./types.ts";

/** A pane as it was written, in today's unit and sizes. */
export interface RestoredPane {
  readonly pane: number;
  /** Shape [sizes]. */
  readonly counts: readonly number[];
}

/** What was loaded so far. */
export class Restoring {
  readonly #sizes: readonly number[];
  readonly #paneMs: number;
  readonly #open = new Map<string, OpenRecord>();
  /** The least recently written first. */
  readonly #closed = new Map<string, IdWindows>();
  /** Null: nothing is kept that means anything. */
  meta: StoredMeta | null = null;

  /** @param sizes ms, ascending */
  constructor(sizes: readonly number[], paneMs: number) {
    this.#sizes = sizes;
    this.#paneMs = paneMs;
  }

  load(record: StateRecord): void {
    if (record.kind === "meta") {
      this.meta = record.value;
      return;
    }
    const { id, value } = record;
    if (record.kind === "open") {
      if (record.value === null) this.#open.delete(id);
      else this.#open.set(id, record.value);
      return;
    }
    this.#closed.delete(id);
    if (value === null) return;
    const owner = new IdWindows(id, this.#sizes.length);
    this.#sizes.forEach((ms, size) => {
      owner.closed[size] = ClosedWindows.from(record.value!.windows[ms] ?? []);
      owner.late[size] = record.value!.late[ms] ?? 0;
    });
    owner.isClosedStored = true;
    this.#closed.set(id, owner);
  }

  /** Ids with what was finished of them, the least recently changed first, then those of which nothing was. */
  *ids(): Generator<IdWindows> {
    for (const owner of this.#closed.values()) {
      owner.isOpenStored = this.#open.has(owner.id);
      yield owner;
    }
    for (const id of this.#open.keys()) {
      if (this.#closed.has(id)) continue;
      const owner = new IdWindows(id, this.#sizes.length);
      owner.isOpenStored = true;
      yield owner;
    }
  }

  /** Panes of an id, some of them perhaps twice. */
  panes(id: string): RestoredPane[] {
    const { meta } = this;
    const panes = this.#open.get(id)?.panes ?? [];
    if (!meta) return [];
    const indices = this.#sizes.map((ms) => meta.sizes.indexOf(ms));
    return panes.map(([pane, all]) => {
      // What no size had called late yet is all there is, so it holds for a new size too.
      const most = typeof all === "number" ? all : Math.max(0, ...all);
      const counts = indices.map((i) => i < 0 ? most : typeof all === "number" ? all : all[i] ?? 0);
      return { pane: Math.floor(pane * meta.paneMs / this.#paneMs), counts };
    });
  }

  /** From when on windows of each size are whole, ms; −Infinity: always. Shape [sizes]. */
  born(): number[] {
    const { meta } = this;
    if (!meta) return this.#sizes.map(() => -Infinity);
    const highest = meta.highest ?? -Infinity;
    return this.#sizes.map((ms) =>
      meta.sizes.includes(ms) ? meta.born[ms] ?? -Infinity : wholeFrom(highest, ms)
    );
  }
}

/** The first start of a window after a time, both ms. */
export function wholeFrom(timeMs: number, sizeMs: number): number {
  return windowStart(timeMs, sizeMs) + sizeMs;
}
