/** All open panes by time, and which windows over them are open: what closes next, and whose counts it sums.
 *
 * Windows are not held: each is the sum of its panes, whatever sizes there are, also those that do not nest. A window is open from its
 * first event that is in time until it is closed; a pane stays until the last window over it is closed. Left out: which of them are late
 * (window_state.ts), what becomes of closed ones (counted_ids.ts).
 * @module */
import { windowStart } from "../../windows.ts";
import type { IdWindows, OpenPane } from "./id_windows.ts";

/** A pane of all ids. */
export class Pane {
  readonly pane: number;
  /** Of the windows over it, by index of the size, ms. */
  readonly starts: number[];
  readonly ends: number[];
  /** The earliest of `starts`, the first and the last of `ends`. */
  readonly firstStart: number;
  readonly firstEnd: number;
  readonly lastEnd: number;
  readonly entries: OpenPane[] = [];
  /** Sizes whose window is known to be open, a bit for each. */
  open = 0;

  constructor(pane: number, paneMs: number, sizes: readonly number[]) {
    this.pane = pane;
    this.starts = sizes.map((size) => windowStart(pane * paneMs, size));
    this.ends = sizes.map((size, i) => this.starts[i]! + size);
    this.firstStart = Math.min(...this.starts);
    this.firstEnd = Math.min(...this.ends);
    this.lastEnd = Math.max(...this.ends);
  }
}

/** The panes of a partition of ids. */
export class OpenPanes {
  readonly #paneMs: number;
  readonly #sizes: readonly number[];
  readonly #panes = new Map<number, Pane>();
  /** Starts of open windows by index of the size. */
  readonly #starts: Set<number>[];
  /** The earliest end of an open window; Infinity when none is. */
  #nextEnd = Infinity;
  /** The earliest `lastEnd` of a pane. */
  #nextDrop = Infinity;
  #last: Pane | undefined;

  /** @param sizes ms, multiples of `paneMs` */
  constructor(paneMs: number, sizes: readonly number[]) {
    this.#paneMs = paneMs;
    this.#sizes = sizes;
    this.#starts = sizes.map(() => new Set());
  }

  /** The earliest end of an open window, ms; Infinity when none is open. */
  get nextEnd(): number {
    return this.#nextEnd;
  }

  /** The pane, which is not kept before somebody enters it. */
  at(pane: number): Pane {
    if (this.#last?.pane === pane) return this.#last;
    return this.#last = this.#panes.get(pane) ?? new Pane(pane, this.#paneMs, this.#sizes);
  }

  /** Puts in what an id has in a pane. */
  enter(pane: Pane, entry: OpenPane): void {
    if (pane.entries.length === 0) {
      this.#panes.set(pane.pane, pane);
      this.#nextDrop = Math.min(this.#nextDrop, pane.lastEnd);
    }
    pane.entries.push(entry);
  }

  /** Opens windows over a pane.
   * @param sizes a bit for each */
  open(pane: Pane, sizes: number): void {
    const news = sizes & ~pane.open;
    if (news === 0) return;
    pane.open |= news;
    for (let size = 0; size < this.#sizes.length; size++) {
      if ((news & (1 << size)) === 0) continue;
      this.#starts[size]!.add(pane.starts[size]!);
      this.#nextEnd = Math.min(this.#nextEnd, pane.ends[size]!);
    }
  }

  /** Closes windows that end at `until` or before it, by size and start, and tells of each id with events in one.
   * @param closed `owner.sum` is their number, more than 0 */
  close(until: number, closed: (owner: IdWindows, size: number, start: number) => void): void {
    if (this.#nextEnd > until) return;
    this.#nextEnd = Infinity;
    this.#sizes.forEach((ms, size) => {
      const starts = this.#starts[size]!, due: number[] = [];
      for (const start of starts) {
        if (start + ms <= until) due.push(start);
        else this.#nextEnd = Math.min(this.#nextEnd, start + ms);
      }
      for (const start of due.sort((a, b) => a - b)) {
        starts.delete(start);
        for (const owner of this.#sum(size, start)) {
          closed(owner, size, start);
          owner.sum = 0;
        }
      }
    });
  }

  /** Gives up windows of a size that begin before a time. */
  abandon(size: number, before: number): void {
    for (const start of this.#starts[size]!) if (start < before) this.#starts[size]!.delete(start);
    this.#nextEnd = Infinity;
    this.#starts.forEach((starts, other) => {
      for (const start of starts) this.#nextEnd = Math.min(this.#nextEnd, start + this.#sizes[other]!);
    });
  }

  /** Lets go of panes over which every window has ended at `until` or before it.
   * @returns whose they were */
  drop(until: number): Set<IdWindows> {
    const owners = new Set<IdWindows>();
    if (this.#nextDrop > until) return owners;
    let last = -Infinity;
    this.#nextDrop = Infinity;
    for (const [number, pane] of this.#panes) {
      if (pane.lastEnd > until) {
        this.#nextDrop = Math.min(this.#nextDrop, pane.lastEnd);
        continue;
      }
      this.#panes.delete(number);
      last = Math.max(last, number);
      for (const { owner } of pane.entries) owners.add(owner);
    }
    // An earlier pane has no window that ends later.
    for (const owner of owners) owner.dropPanes(last);
    if (this.#last && this.#last.lastEnd <= until) this.#last = undefined;
    return owners;
  }

  /** Whose events are in a window, with `owner.sum` of them. */
  #sum(size: number, start: number): IdWindows[] {
    const owners: IdWindows[] = [], panes = this.#sizes[size]! / this.#paneMs, first = start / this.#paneMs;
    for (let number = first; number < first + panes; number++) {
      const pane = this.#panes.get(number);
      if (!pane) continue;
      pane.open &= ~(1 << size);
      for (const { owner, count, counts } of pane.entries) {
        const events = counts === null ? count : counts[size]!;
        if (events === 0) continue;
        if (owner.sum === 0) owners.push(owner);
        owner.sum += events;
      }
    }
    return owners;
  }
}
