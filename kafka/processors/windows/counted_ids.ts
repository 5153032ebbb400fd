/** Ids and their windows: counted while they are open, closed once, kept for a while and then forgotten.
 *
 * Two ends matter. The watermark moves `closedEnd`: windows that end there or earlier are closed for every id, also for one that comes
 * later. The clock closes windows farther on, but only of the ids that are in them; these windows are not let go before the watermark has
 * passed them, or their id would count in them again. What is let go after that is late anyway. Where all that becomes too much, as with
 * clicks whose times do not move or lie months apart, `closedEnd` is moved on as if the watermark had passed.
 * Left out: what is late (window_state.ts), which windows are due (open_panes.ts).
 * @module */
import type { WindowSize } from "../../windows.ts";
import { addToSome, type FreshWindow, IdWindows, type OpenPane } from "./id_windows.ts";
import { OpenPanes, type Pane } from "./open_panes.ts";
import { RestingIds } from "./resting_ids.ts";
import type { Restoring } from "./restoring.ts";
import { ClosedChange, forgottenChanges, OpenChange, type StateChange } from "./state_records.ts";

/** What is kept, at most. */
export interface CountedIdsOptions {
  /** Length of a pane, ms. */
  readonly paneMs: number;
  /** Finished windows of each id and size that are kept, 1 at least. */
  readonly kept: number;
  /** Ids with nothing open that are kept, and their finished windows. */
  readonly maxIds: number;
  readonly maxWindows: number;
  /** Panes that one id may have open. */
  readonly maxPanes: number;
}

/** So many times `maxIds` ids may have windows that the clock has closed and the watermark has not passed. */
const unpassedShare = 4;
/** And one id so many such windows of a size beyond those that are kept. */
const maxUnpassedWindows = 2_000;

/** Events that are late for a size. */
export interface LateEvents {
  readonly id: string;
  /** Index of the size. */
  readonly size: number;
  readonly start: number;
  readonly events: number;
}

/** The ids of a partition. */
export class CountedIds {
  readonly #sizes: readonly WindowSize[];
  /** Every size, a bit for each. */
  readonly #all: number;
  readonly #kept: number;
  readonly #maxPanes: number;
  readonly #maxUnpassed: number;
  readonly #ids = new Map<string, IdWindows>();
  readonly #panes: OpenPanes;
  readonly #resting: RestingIds;
  /** Ids with windows that were closed by the clock and are not passed yet. */
  readonly #unpassed = new Set<IdWindows>();
  /** Not later than the first of them will be. */
  #nextPassed = Infinity;
  /** Ids with too much for a record: panes that are open, or windows that the clock has closed. */
  readonly #crowded = new Set<IdWindows>();
  /** Ids with too many finished windows, while none are let go; null: they are at once. */
  #held: Set<IdWindows> | null = null;
  #closedEnd = -Infinity;
  #forgotten = -Infinity;
  #changed: IdWindows[] = [];
  #finished: FreshWindow[] = [];
  readonly #born: number[];

  constructor(sizes: readonly WindowSize[], options: CountedIdsOptions) {
    const { paneMs, kept, maxIds, maxWindows, maxPanes } = options;
    this.#sizes = sizes;
    this.#all = (1 << sizes.length) - 1;
    this.#kept = kept;
    this.#maxPanes = maxPanes;
    this.#maxUnpassed = unpassedShare * maxIds;
    this.#panes = new OpenPanes(paneMs, sizes.map(({ ms }) => ms));
    this.#resting = new RestingIds(maxIds, maxWindows);
    this.#born = sizes.map(() => -Infinity);
  }

  /** Windows that end here or earlier are closed, ms. */
  get closedEnd(): number {
    return this.#closedEnd;
  }

  /** From when on windows are whole, by index of the size, ms; −Infinity: always. What starts earlier is not published. */
  get born(): readonly number[] {
    return this.#born;
  }

  /** No window that was let go with its id ended later, ms. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** The earliest end of an open window, ms; Infinity when none is open. */
  get nextEnd(): number {
    return this.#panes.nextEnd;
  }

  of(id: string): IdWindows | undefined {
    return this.#ids.get(id);
  }

  paneAt(pane: number): Pane {
    return this.#panes.at(pane);
  }

  /** Windows of a size are whole only if they begin at a time or later, ms. */
  bear(size: number, from: number): void {
    if (from <= this.#born[size]!) return;
    this.#born[size] = from;
    this.#panes.abandon(size, from);
  }

  /** Counts events.
   * @param owner whose they are; undefined: of a new id
   * @param sizes those for which they are in time, a bit for each; one at least */
  add(owner: IdWindows | undefined, id: string, pane: Pane, events: number, sizes: number): IdWindows {
    owner ??= this.#newId(id);
    const entry = this.#entryOf(owner, pane);
    if (sizes === this.#all && entry.counts === null) entry.count += events;
    else addToSome(entry, events, sizes, this.#sizes.length);
    this.#panes.open(pane, sizes);
    this.#noteOpen(owner);
    return owner;
  }

  /** Adds late events to a window that is closed; where it is not kept any more, to the id's sum at most. */
  addLate({ id, size, start, events }: LateEvents): void {
    const known = this.#ids.get(id), index = known?.closed[size]?.indexOf(start) ?? -1;
    const isFirst = index < 0 && this.#isFirst(known, size, start);
    if (!known && !isFirst) return;
    const owner = known ?? this.#newId(id), closed = owner.closed[size]!;
    owner.late[size]! += events;
    this.#noteClosed(owner);
    if (isFirst) {
      closed.insert(start, 0, events, 0);
      this.#publish(owner, size, start, 0, events);
      this.#trim(owner, size);
    } else if (index >= 0) {
      closed.addLate(index, events);
      this.#publish(owner, size, start, closed.countAt(index), closed.lateAt(index));
    }
    this.#settle(owner);
  }

  /** From now on finished windows stay, however many they are. */
  hold(): void {
    this.#held ??= new Set();
  }

  /** Lets go of what is too many since `hold`. */
  letGo(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const owner of held) {
      for (let size = 0; size < this.#sizes.length; size++) this.#trim(owner, size);
      this.#settle(owner);
    }
  }

  /** Closes what the watermark has passed: windows that end at `end` or before it. */
  pass(end: number): void {
    if (end <= this.#closedEnd) return;
    this.#closedEnd = end;
    this.#close(end);
    if (this.#nextPassed > end) return;
    this.#nextPassed = Infinity;
    for (const owner of this.#unpassed) {
      if (owner.closedUntil > end) {
        this.#nextPassed = Math.min(this.#nextPassed, owner.closedUntil);
        continue;
      }
      this.#unpassed.delete(owner);
      owner.closedUntil = -Infinity;
      for (let size = 0; size < this.#sizes.length; size++) this.#trim(owner, size);
      this.#settle(owner);
    }
  }

  /** Closes what the clock has passed, farther on than the watermark. */
  closeByClock(end: number): void {
    if (end > this.#closedEnd) this.#close(end);
  }

  /** Sees to it that nothing is too much: closes windows that the watermark has not passed if need be, and forgets ids with nothing open,
   * the least recently changed first. */
  relieve(): void {
    for (const owner of this.#crowded) {
      const { panes, closed } = owner, surplus = panes[panes.length - this.#maxPanes - 1];
      if (surplus) this.pass(this.#panes.at(surplus.pane).lastEnd);
      closed.forEach((windows, size) => {
        const surplus = windows.length - this.#kept - maxUnpassedWindows;
        if (surplus > 0) this.pass(windows.startAt(surplus - 1) + this.#sizes[size]!.ms);
        this.#trim(owner, size);
      });
    }
    this.#crowded.clear();
    for (const { closedUntil } of this.#unpassed) {
      if (this.#unpassed.size <= this.#maxUnpassed) break;
      this.pass(closedUntil);
    }
    for (const owner of this.#resting.takeSurplus()) {
      this.#ids.delete(owner.id);
      this.#note(owner);
      owner.isForgotten = true;
      owner.closed.forEach((closed, size) => {
        this.#forgotten = Math.max(this.#forgotten, closed.newest + this.#sizes[size]!.ms);
      });
    }
  }

  /** What changed since the last time, each key with its newest value last. Values are made when they are asked for. */
  take(): { readonly records: StateChange[]; readonly finished: FreshWindow[] } {
    const records: StateChange[] = [], finished = this.#finished, sizes = this.#sizes.map(({ ms }) => ms);
    for (const owner of this.#changed) {
      if (owner.isForgotten) records.push(...forgottenChanges(owner));
      else {
        if (owner.openChanged && (owner.panes.length > 0 || owner.isOpenStored)) {
          records.push(new OpenChange(owner));
          owner.isOpenStored = owner.panes.length > 0;
        }
        if (owner.closedChanged) {
          records.push(new ClosedChange(owner, sizes));
          owner.isClosedStored = true;
        }
      }
      owner.openChanged = owner.closedChanged = false;
      owner.fresh = null;
    }
    this.#changed = [];
    this.#finished = [];
    return { records, finished };
  }

  /** Goes on from what was loaded, once.
   * @param isMoved whether panes and sizes are said in another way by now, so that what is open is to be written again */
  restore(restoring: Restoring, isMoved: boolean): void {
    const { meta } = restoring;
    if (!meta) return;
    this.#closedEnd = meta.closedEnd ?? -Infinity;
    this.#forgotten = meta.forgotten ?? -Infinity;
    restoring.born().forEach((from, size) => this.#born[size] = from);
    for (const owner of restoring.ids()) {
      this.#restoreClosed(owner, meta.kept);
      for (const { pane, counts } of restoring.panes(owner.id)) {
        this.#restorePane(owner, this.#panes.at(pane), counts);
      }
      if (owner.panes.length === 0 && owner.windows === 0) { // all that it had is of sizes that are gone
        this.#note(owner);
        owner.isForgotten = true;
        continue;
      }
      this.#ids.set(owner.id, owner);
      this.#settle(owner);
      if (isMoved && owner.isOpenStored) this.#noteOpen(owner);
    }
  }

  #restoreClosed(owner: IdWindows, keptBefore: number): void {
    owner.closed.forEach((closed, size) => {
      const end = closed.newest + this.#sizes[size]!.ms;
      if (end > this.#closedEnd) this.#unpass(owner, end);
      // Of fewer that were kept before, some were let go that would be kept now.
      const wasFull = keptBefore < this.#kept && closed.length >= keptBefore;
      if (wasFull) this.#forgotten = Math.max(this.#forgotten, closed.oldest);
    });
  }

  #restorePane(owner: IdWindows, pane: Pane, counts: readonly number[]): void {
    let open = 0;
    counts.forEach((events, size) => {
      const start = pane.starts[size]!, end = pane.ends[size]!;
      const isOpen = events > 0 && end > this.#closedEnd && start >= this.#born[size]!;
      if (isOpen && !owner.wasClosed(size, start, end)) open |= 1 << size;
    });
    if (open === 0) return;
    const entry = this.#entryOf(owner, pane), [first = 0] = counts;
    if (entry.counts === null && counts.every((events) => events === first)) entry.count += first;
    else counts.forEach((events, size) => addToSome(entry, events, 1 << size, counts.length));
    this.#panes.open(pane, open);
  }

  #close(until: number): void {
    const isByClock = until > this.#closedEnd;
    this.#panes.close(until, (owner, size, start) => {
      const end = start + this.#sizes[size]!.ms;
      // Another id may have come to this window after the clock had closed it.
      if (owner.wasClosed(size, start, end)) return;
      owner.closed[size]!.insert(start, owner.sum, 0, isByClock ? 1 : 0);
      if (isByClock) this.#unpass(owner, end);
      if (owner.closed[size]!.length > this.#kept + maxUnpassedWindows) this.#crowded.add(owner);
      this.#publish(owner, size, start, owner.sum, 0);
      this.#noteClosed(owner);
      this.#trim(owner, size);
    });
    for (const owner of this.#panes.drop(until)) {
      this.#noteOpen(owner);
      this.#settle(owner);
    }
  }

  /** Whether nothing was ever published of a window that is closed and not kept. */
  #isFirst(owner: IdWindows | undefined, size: number, start: number): boolean {
    if (start + this.#sizes[size]!.ms <= this.#forgotten) return false;
    const closed = owner?.closed[size];
    return !closed || closed.length < this.#kept || start > closed.oldest;
  }

  #publish(owner: IdWindows, size: number, start: number, count: number, late: number): void {
    const isSame = (fresh: FreshWindow) => fresh.size === size && fresh.window.window_start === start;
    const known = late > 0 ? owner.fresh?.find(isSame) : undefined;
    if (known) {
      known.window.late = late;
      return;
    }
    const { type, ms } = this.#sizes[size]!;
    const window = { type, video_uid: owner.id, count, window_start: start, window_end: start + ms, late };
    (owner.fresh ??= []).push({ size, window });
    this.#finished.push({ size, window });
  }

  /** Lets go of finished windows that are too many and passed by the watermark. */
  #trim(owner: IdWindows, size: number): void {
    const closed = owner.closed[size]!, lastStart = this.#closedEnd - this.#sizes[size]!.ms;
    if (this.#held) {
      if (closed.length > this.#kept) this.#held.add(owner);
      return;
    }
    let surplus = 0;
    while (closed.length - surplus > this.#kept && closed.startAt(surplus) <= lastStart) surplus++;
    if (surplus === 0) return;
    closed.dropOldest(surplus);
    this.#noteClosed(owner);
  }

  /** An id in whose windows nothing can be counted any more may be forgotten. */
  #settle(owner: IdWindows): void {
    if (owner.panes.length === 0 && owner.closedUntil === -Infinity) this.#resting.add(owner);
  }

  #unpass(owner: IdWindows, end: number): void {
    owner.closedUntil = Math.max(owner.closedUntil, end);
    this.#unpassed.add(owner);
    this.#nextPassed = Math.min(this.#nextPassed, owner.closedUntil);
  }

  #entryOf(owner: IdWindows, pane: Pane): OpenPane {
    const found = owner.find(pane.pane);
    if (found) return found;
    if (owner.panes.length === 0) this.#resting.delete(owner);
    const entry = owner.insert(pane.pane);
    this.#panes.enter(pane, entry);
    if (owner.panes.length > this.#maxPanes) this.#crowded.add(owner);
    return entry;
  }

  #newId(id: string): IdWindows {
    const owner = new IdWindows(id, this.#sizes.length);
    this.#ids.set(id, owner);
    return owner;
  }

  #noteOpen(owner: IdWindows): void {
    this.#note(owner);
    owner.openChanged = true;
  }

  #noteClosed(owner: IdWindows): void {
    this.#note(owner);
    owner.closedChanged = true;
  }

  #note(owner: IdWindows): void {
    if (!owner.openChanged && !owner.closedChanged && !owner.isForgotten) this.#changed.push(owner);
  }
}
