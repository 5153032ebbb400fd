/** What is counted of one id: panes of windows that are open, and finished windows.
 *
 * Left out: when windows close (open_panes.ts), what is late (window_state.ts), how it is written (state_records.ts).
 * @module */
import type { FinishedWindow } from "../../windows.ts";
import { ClosedWindows } from "./closed_windows.ts";

/** Events of one id in one pane. */
export interface OpenPane {
  readonly owner: IdWindows;
  /** Its start as a number of panes since the epoch. */
  readonly pane: number;
  /** Events of each size while `counts` is null. */
  count: number;
  /** Events by index of the size, once they differ. */
  counts: number[] | null;
}

/** What is to be published of a window, while it may still change. */
export type FinishedSoFar = { -readonly [Key in keyof FinishedWindow]: FinishedWindow[Key] };

/** A window, told by size and start. */
export interface FreshWindow {
  readonly size: number;
  readonly window: FinishedSoFar;
}

/** One id. */
export class IdWindows {
  readonly id: string;
  /** Ascending; those over which some window is open. */
  readonly panes: OpenPane[] = [];
  /** By index of the size, as are the next ones. */
  readonly closed: ClosedWindows[];
  /** All late events. */
  readonly late: number[];
  /** Highest end of finished windows that were not passed by the watermark, ms; −Infinity: there is none. */
  closedUntil = -Infinity;
  /** Events of a window that is being closed. */
  sum = 0;
  /** Windows that were finished since the last `take`. */
  fresh: FreshWindow[] | null = null;
  /** What is not written yet. */
  openChanged = false;
  closedChanged = false;
  /** Whether a record of it was written that has a value. */
  isOpenStored = false;
  isClosedStored = false;
  isForgotten = false;

  constructor(id: string, sizes: number) {
    this.id = id;
    this.closed = Array.from({ length: sizes }, () => new ClosedWindows());
    this.late = new Array<number>(sizes).fill(0);
  }

  /** How many finished windows it has. */
  get windows(): number {
    let windows = 0;
    for (const closed of this.closed) windows += closed.length;
    return windows;
  }

  /** Whether a window was closed before the watermark passed it. */
  wasClosed(size: number, start: number, end: number): boolean {
    return end <= this.closedUntil && this.closed[size]!.indexOf(start) >= 0;
  }

  /** The pane's entry, undefined where there is none. */
  find(pane: number): OpenPane | undefined {
    const found = this.panes[this.#placeOf(pane)];
    return found?.pane === pane ? found : undefined;
  }

  /** Puts in a pane that is not there yet. */
  insert(pane: number): OpenPane {
    const opened: OpenPane = { owner: this, pane, count: 0, counts: null }, at = this.#placeOf(pane);
    if (at === this.panes.length) this.panes.push(opened);
    else this.panes.splice(at, 0, opened);
    return opened;
  }

  /** Lets go of panes up to one, it included. */
  dropPanes(last: number): void {
    const end = this.#placeOf(last + 1);
    if (end === 0) return;
    this.panes.splice(0, end);
  }

  #placeOf(pane: number): number {
    const { panes } = this;
    let low = 0, high = panes.length;
    if (high === 0 || pane > panes[high - 1]!.pane) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (panes[middle]!.pane < pane) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Adds events to some sizes of a pane.
 * @param sizes a bit for each; not all of them, which is `pane.count += events` while there are no `counts` */
export function addToSome(pane: OpenPane, events: number, sizes: number, length: number): void {
  pane.counts ??= new Array<number>(length).fill(pane.count);
  for (let size = 0; size < length; size++) {
    if (sizes & (1 << size)) pane.counts[size]! += events;
  }
}
