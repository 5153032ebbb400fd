/** What is counted of a partition of ids: a fold over batches, no Kafka, no clock.
 *
 *     batches of …-by-id/q → WindowState → records of …-windows/q, finished windows
 *
 * A window is open from its first event that is in time until the watermark passes its end and the grace, or until the clock does while
 * nobody sends anything. Then it has its count for good: what comes later for that id and window is late, counted as such, and told with
 * the same count. `take` is what changed; who loads it all goes on as if there had been no break.
 * Left out: who is idle (sources.ts), reading and writing (window_task.ts), what comes of many panes (open_panes.ts).
 * @module */
import { type FinishedWindow, paneMsOf, type WindowSize } from "../../windows.ts";
import { BatchParts } from "./batch_parts.ts";
import { addToSome, type FreshWindow, IdWindows, type OpenPane } from "./id_windows.ts";
import { OpenPanes, type Pane } from "./open_panes.ts";
import { RestingIds } from "./resting_ids.ts";
import { Restoring, wholeFrom } from "./restoring.ts";
import { RunningTotals } from "./running_totals.ts";
import {
  closedChange,
  forgottenChanges,
  metaChange,
  openChange,
  readStateRecord,
  type StateChange,
} from "./state_records.ts";
import type { FoldBatch, SourceRecord, Totals } from "./types.ts";

export interface WindowStateOptions {
  /** How long a window waits for late events, ms. */
  readonly graceMs: number;
  /** Finished windows of each id and size that are kept, 1 at least. */
  readonly kept: number;
  /** Ids with nothing open that are kept, and their finished windows. */
  readonly maxIds?: number;
  readonly maxWindows?: number;
}

/** What became of a batch: `waiting` is a part whose batch counts with its last part, `repeated` was counted before. */
export type Applied = "counted" | "waiting" | "repeated";

/** What changed since the last time; all of it goes in one transaction. */
export interface TakenState {
  readonly records: StateChange[];
  /** By size and start; with more late events a window comes again, with the same count. */
  readonly finished: { readonly size: WindowSize; readonly window: FinishedWindow }[];
}

/** Events that are late for a size. */
interface LateEvents {
  readonly id: string;
  readonly size: number;
  readonly start: number;
  readonly events: number;
}

/** How a batch says panes and sizes. */
interface Dialect {
  readonly paneMs: number;
  /** Index of each of our sizes in the batch's, −1: it has none. Null: they are the same. */
  readonly indices: readonly number[] | null;
}

const usualMaxIds = 50_000, usualMaxWindows = 1_000_000;

export class WindowState {
  readonly #sizes: readonly WindowSize[];
  readonly #ms: readonly number[];
  readonly #paneMs: number;
  readonly #graceMs: number;
  readonly #kept: number;
  readonly #ids = new Map<string, IdWindows>();
  readonly #panes: OpenPanes;
  readonly #parts = new BatchParts();
  readonly #resting: RestingIds;
  /** Ids with windows that were closed and are not passed yet. */
  readonly #unpassed = new Set<IdWindows>();
  /** Not later than the first of them will be. */
  #nextPassed = Infinity;
  readonly #sources = new Map<number, SourceRecord>();
  #totals = new RunningTotals();
  /** By index of the size, ms. */
  #born: number[];
  #frontier: number | null = null;
  #closedEnd = -Infinity;
  #forgotten = -Infinity;
  #position = 0;
  #restoring: Restoring | null;
  #changed: IdWindows[] = [];
  #metaChanged = false;
  #finished: FreshWindow[] = [];

  /** @param sizes ascending, one at least */
  constructor(sizes: readonly WindowSize[], options: WindowStateOptions) {
    const { graceMs, kept, maxIds = usualMaxIds, maxWindows = usualMaxWindows } = options;
    this.#sizes = sizes;
    this.#ms = sizes.map(({ ms }) => ms);
    this.#paneMs = paneMsOf(sizes);
    this.#graceMs = graceMs;
    this.#kept = kept;
    this.#panes = new OpenPanes(this.#paneMs, this.#ms);
    this.#resting = new RestingIds(maxIds, maxWindows);
    this.#born = sizes.map(() => -Infinity);
    this.#restoring = new Restoring(this.#ms);
  }

  /** Takes in a record of the state topic, before anything else is asked for. Of two records with one key the later one holds; otherwise
   * their order is of no importance.
   * @param value JSON, or what it says; null for a tombstone
   * @returns false for what is none of ours
   * @throws {Error} after anything else was asked for */
  load(key: string, value: unknown): boolean {
    if (!this.#restoring) throw new Error(`Cannot load ${JSON.stringify(key)} as counting has begun`);
    const record = readStateRecord(key, value);
    if (record) this.#restoring.load(record);
    return record !== null;
  }

  /** Next offset of the by-id topic. It is moved by `apply`, and set for records that are passed over. */
  get position(): number {
    this.#begin();
    return this.#position;
  }

  set position(next: number) {
    this.#begin();
    if (next <= this.#position) return;
    this.#position = next;
    this.#metaChanged = true;
  }

  /** Highest watermark so far, ms; null: none. */
  get frontier(): number | null {
    this.#begin();
    return this.#frontier;
  }

  /** By the number of the input partition. */
  get sources(): ReadonlyMap<number, SourceRecord> {
    this.#begin();
    return this.#sources;
  }

  get totals(): Totals {
    this.#begin();
    return this.#totals.record;
  }

  /** Undefined for a source that was never heard of. */
  sourceOf(source: number): SourceRecord | undefined {
    return this.sources.get(source);
  }

  /** Highest event time of a source, ms; null: none. */
  highOf(source: number): number | null {
    return this.sourceOf(source)?.high ?? null;
  }

  /** When the next open window has ended its grace, ms; null: none is open. */
  nextDueMs(): number | null {
    this.#begin();
    const { nextEnd } = this.#panes;
    return nextEnd === Infinity ? null : nextEnd + this.#graceMs;
  }

  /** Counts a batch, and closes what its source and the others have passed.
   * @param othersLowest lowest high of the other sources that are active, ms; null: none is; −Infinity: one has shown no time yet
   * @param offset of its record in the by-id topic; the position comes to lie behind it */
  apply(batch: FoldBatch, othersLowest: number | null, offset: number): Applied {
    this.#begin();
    this.position = offset + 1;
    const { source, log, next } = batch, known = this.#sources.get(source);
    if (known?.log === log && next <= known.next) return "repeated";
    const parts = batch.parts === 1 ? [batch] : this.#parts.add(batch, offset);
    if (!parts) return "waiting";
    // Whoever sends clicks is not idle.
    const pass = (high: number | null) => {
      if (batch.high !== null && high !== null) this.advance(Math.min(high, othersLowest ?? Infinity));
    };
    pass(known?.log === log ? known.high : null);
    const lates: LateEvents[] = [];
    let proven = -Infinity;
    for (const part of parts) {
      proven = Math.max(proven, this.#count(part, othersLowest ?? Infinity, lates));
      this.#totals.addTold(part);
    }
    pass(this.#moveSource(batch, proven));
    for (const late of lates) this.#addLate(late);
    this.#forgetSurplus();
    return "counted";
  }

  /** Closes what a watermark has passed; one that lies further back changes nothing.
   * @param watermark ms */
  advance(watermark: number): void {
    this.#begin();
    if (!Number.isFinite(watermark) || watermark <= (this.#frontier ?? -Infinity)) return;
    this.#frontier = watermark;
    this.#metaChanged = true;
    this.#closedEnd = Math.max(this.#closedEnd, watermark - this.#graceMs);
    this.#close(this.#closedEnd, 0);
    if (this.#nextPassed <= this.#closedEnd) this.#pass();
    this.#forgetSurplus();
  }

  /** Closes what has ended its grace by the clock. Only while all sources are idle; the watermark stays where it is.
   * @param nowMs since the epoch */
  closeByClock(nowMs: number): void {
    this.#begin();
    this.#close(nowMs - this.#graceMs, 1);
  }

  /** What changed since the last time; nothing at all when nothing did. */
  take(): TakenState {
    this.#begin();
    const records: StateChange[] = [];
    for (const owner of this.#changed) {
      if (owner.isForgotten) records.push(...forgottenChanges(owner));
      else this.#write(owner, records);
      owner.openChanged = owner.closedChanged = false;
      owner.fresh = null;
    }
    const finished = this.#finished.map(({ size, window }) => ({ size: this.#sizes[size]!, window }));
    if (this.#metaChanged || records.length > 0) records.push(this.#meta());
    this.#changed = [];
    this.#finished = [];
    this.#metaChanged = false;
    return { records, finished };
  }

  #write(owner: IdWindows, records: StateChange[]): void {
    if (owner.openChanged && (owner.panes.length > 0 || owner.isOpenStored)) {
      records.push(openChange(owner.id, owner.panes));
      owner.isOpenStored = owner.panes.length > 0;
    }
    if (owner.closedChanged) {
      records.push(closedChange(owner, this.#ms));
      owner.isClosedStored = true;
    }
  }

  #meta(): StateChange {
    const timed = (ms: number) => ms === -Infinity ? null : ms;
    const born = this.#ms.flatMap((ms, size) =>
      this.#born[size] === -Infinity ? [] : [[ms, this.#born[size]!]]
    );
    return metaChange({
      v: 1,
      paneMs: this.#paneMs,
      sizes: this.#ms,
      born: Object.fromEntries(born),
      // The first parts of a batch are read again.
      position: Math.min(this.#position, this.#parts.firstOffset),
      frontier: this.#frontier,
      closedEnd: timed(this.#closedEnd),
      kept: this.#kept,
      sources: Object.fromEntries(this.#sources),
      totals: this.#totals.record,
      forgotten: timed(this.#forgotten),
    });
  }

  /** @returns an event time that the source has certainly shown, ms */
  #count(batch: FoldBatch, othersLowest: number, lates: LateEvents[]): number {
    const dialect = this.#dialectOf(batch), all = (1 << this.#ms.length) - 1;
    const wholeFrom = Math.max(...this.#born);
    let proven = -Infinity, counted = 0;
    for (const [id, panes] of batch.counts) {
      let owner = this.#ids.get(id);
      for (const [number, events, behind = 0] of panes) {
        const pane = this.#panes.at(dialect.indices ? this.#paneOf(number, dialect) : number);
        let inTime = all;
        if (
          behind !== 0 || pane.firstEnd <= this.#closedEnd || pane.firstStart < wholeFrom ||
          owner !== undefined && pane.firstEnd <= owner.closedUntil
        ) {
          const marks = dialect.indices ? translated(behind, dialect.indices) : behind;
          proven = Math.max(proven, this.#provenBy(pane, marks));
          inTime = this.#inTime({ id, owner, pane, events, marks, othersLowest }, lates);
          if (inTime === 0) continue;
        }
        owner ??= this.#newId(id);
        this.#add(owner, pane, events, inTime === all ? null : inTime);
        counted += events;
      }
    }
    this.#totals.counted += counted;
    return proven;
  }

  /** The sizes for which events are in time, a bit for each; the others for which they are late go into `lates`. */
  #inTime(
    { id, owner, pane, events, marks, othersLowest }: {
      id: string;
      owner: IdWindows | undefined;
      pane: Pane;
      events: number;
      marks: number;
      othersLowest: number;
    },
    lates: LateEvents[],
  ): number {
    let inTime = 0;
    for (let size = 0; size < this.#ms.length; size++) {
      const start = pane.starts[size]!, end = pane.ends[size]!, bit = 1 << size;
      if (start < this.#born[size]!) continue;
      const isLate = end <= this.#closedEnd || owner?.wasClosed(size, start, end) ||
        (marks & bit) !== 0 && end + this.#graceMs <= othersLowest;
      if (isLate) lates.push({ id, size, start, events });
      else inTime |= bit;
    }
    return inTime;
  }

  /** What came behind by a window and its grace came behind a time that is as far. */
  #provenBy(pane: Pane, marks: number): number {
    let proven = -Infinity;
    for (let size = 0; size < this.#ms.length; size++) {
      if (marks & (1 << size)) proven = Math.max(proven, pane.ends[size]! + this.#graceMs);
    }
    return proven;
  }

  /** @param sizes a bit for each; null: all */
  #add(owner: IdWindows, pane: Pane, events: number, sizes: number | null): void {
    const entry = this.#entryOf(owner, pane);
    if (sizes === null && entry.counts === null) entry.count += events;
    else addToSome(entry, events, sizes ?? -1, this.#ms.length);
    this.#panes.open(pane, sizes ?? (1 << this.#ms.length) - 1);
    this.#note(owner);
    owner.openChanged = true;
  }

  #entryOf(owner: IdWindows, pane: Pane): OpenPane {
    const found = owner.find(pane.pane);
    if (found) return found;
    if (owner.panes.length === 0) this.#resting.delete(owner);
    const entry = owner.insert(pane.pane);
    this.#panes.enter(pane, entry);
    return entry;
  }

  #moveSource({ source, log, from, next, high, at }: FoldBatch, proven: number): number | null {
    const found = this.#sources.get(source), known = found?.log === log ? found : undefined;
    // Batches that were gone before they were read here.
    if (known && from > known.next) this.#totals.missed += from - known.next;
    const highest = Math.max(known?.high ?? -Infinity, high ?? -Infinity, proven);
    // Records that are no clicks are no sign of life.
    const heard = high === null ? null : at;
    const record = {
      log,
      next,
      high: highest === -Infinity ? null : highest,
      at: heard ?? known?.at ?? null,
    };
    this.#sources.set(source, record);
    this.#metaChanged = true;
    return record.high;
  }

  #close(until: number, byClock: 0 | 1): void {
    this.#panes.close(until, (owner, size, start) => {
      const end = start + this.#ms[size]!;
      // Another id may have come to this window after the clock had closed it.
      if (owner.wasClosed(size, start, end) || start < this.#born[size]!) return;
      owner.closed[size]!.insert(start, owner.sum, 0, byClock);
      if (byClock) {
        owner.closedUntil = Math.max(owner.closedUntil, end);
        this.#unpass(owner);
      }
      this.#publish(owner, size, start, owner.sum, 0);
      this.#trim(owner, size);
    });
    for (const owner of this.#panes.drop(until)) {
      this.#note(owner);
      owner.openChanged = true;
      this.#settle(owner);
    }
  }

  #unpass(owner: IdWindows): void {
    this.#unpassed.add(owner);
    this.#nextPassed = Math.min(this.#nextPassed, owner.closedUntil);
  }

  /** Finds ids whose finished windows are now passed by the watermark, too. */
  #pass(): void {
    this.#nextPassed = Infinity;
    for (const owner of this.#unpassed) {
      if (owner.closedUntil > this.#closedEnd) {
        this.#nextPassed = Math.min(this.#nextPassed, owner.closedUntil);
        continue;
      }
      this.#unpassed.delete(owner);
      owner.closedUntil = -Infinity;
      this.#ms.forEach((_, size) => this.#trim(owner, size));
      this.#settle(owner);
    }
  }

  #addLate({ id, size, start, events }: LateEvents): void {
    this.#totals.addLate(this.#ms[size]!, events);
    this.#metaChanged = true;
    let owner = this.#ids.get(id);
    const index = owner?.closed[size]?.indexOf(start) ?? -1;
    if (index < 0 && !owner && !this.#isFirst(owner, size, start)) return;
    owner ??= this.#newId(id);
    owner.late[size]! += events;
    if (index >= 0) {
      const closed = owner.closed[size]!;
      closed.addLate(index, events);
      this.#publish(owner, size, start, closed.countAt(index), closed.lateAt(index));
    } else if (this.#isFirst(owner, size, start)) {
      owner.closed[size]!.insert(start, 0, events, 0);
      this.#publish(owner, size, start, 0, events);
      this.#trim(owner, size);
    } else this.#noteClosed(owner);
    this.#settle(owner);
  }

  /** Whether nothing was ever published of a window that is not kept. */
  #isFirst(owner: IdWindows | undefined, size: number, start: number): boolean {
    if (start + this.#ms[size]! <= this.#forgotten) return false;
    const closed = owner?.closed[size];
    return !closed || closed.length < this.#kept || start > closed.oldest;
  }

  #publish(owner: IdWindows, size: number, start: number, count: number, late: number): void {
    this.#noteClosed(owner);
    const known = late > 0
      ? owner.fresh?.find(({ size: other, window }) => other === size && window.window_start === start)
      : undefined;
    if (known) {
      known.window.late = late;
      return;
    }
    const { type, ms } = this.#sizes[size]!;
    const window = { type, video_uid: owner.id, count, window_start: start, window_end: start + ms, late };
    (owner.fresh ??= []).push({ size, window });
    this.#finished.push({ size, window });
  }

  /** Lets go of finished windows that are too many, except of those that the watermark has not passed: their events are not late. */
  #trim(owner: IdWindows, size: number): void {
    const closed = owner.closed[size]!, passed = this.#closedEnd - this.#ms[size]!;
    let surplus = 0;
    while (closed.length - surplus > this.#kept && closed.startAt(surplus) <= passed) surplus++;
    if (surplus === 0) return;
    closed.dropOldest(surplus);
    this.#noteClosed(owner);
  }

  /** An id with nothing that may still change without being late can be forgotten. */
  #settle(owner: IdWindows): void {
    if (owner.panes.length === 0 && owner.closedUntil === -Infinity) this.#resting.add(owner);
  }

  #forgetSurplus(): void {
    for (const owner of this.#resting.takeSurplus()) {
      this.#ids.delete(owner.id);
      this.#note(owner);
      owner.isForgotten = true;
      owner.closed.forEach((closed, size) => {
        this.#forgotten = Math.max(this.#forgotten, closed.newest + this.#ms[size]!);
      });
      this.#metaChanged = true;
    }
  }

  #newId(id: string): IdWindows {
    const owner = new IdWindows(id, this.#ms.length);
    this.#ids.set(id, owner);
    return owner;
  }

  #noteClosed(owner: IdWindows): void {
    this.#note(owner);
    owner.closedChanged = true;
  }

  #note(owner: IdWindows): void {
    if (!owner.openChanged && !owner.closedChanged && !owner.isForgotten) this.#changed.push(owner);
  }

  /** @returns how to read its panes; what a size that it has not may lack is not published */
  #dialectOf({ paneMs, sizes, high }: FoldBatch): Dialect {
    const isOurs = sizes.length === this.#ms.length && sizes.every((ms, size) => ms === this.#ms[size]);
    if (isOurs) return { paneMs, indices: null };
    this.#ms.forEach((ms, size) => {
      if (sizes.includes(ms)) return;
      this.#born[size] = Math.max(this.#born[size]!, wholeFrom(high ?? -Infinity, ms));
    });
    return { paneMs, indices: this.#ms.map((ms) => sizes.indexOf(ms)) };
  }

  #paneOf(pane: number, { paneMs }: Dialect): number {
    return Math.floor(pane * paneMs / this.#paneMs);
  }

  /** Goes on from what was loaded. Without a meta it means nothing. */
  #begin(): void {
    const restoring = this.#restoring;
    if (!restoring) return;
    this.#restoring = null;
    const { meta } = restoring;
    if (!meta) return;
    this.#born = restoring.born();
    this.#position = meta.position;
    this.#closedEnd = meta.closedEnd ?? -Infinity;
    this.#forgotten = meta.forgotten ?? -Infinity;
    this.#totals = new RunningTotals(meta.totals);
    for (const [source, record] of Object.entries(meta.sources)) this.#sources.set(Number(source), record);
    const isMoved = meta.paneMs !== this.#paneMs || meta.sizes.join() !== this.#ms.join();
    for (const owner of restoring.ids()) this.#restore(owner, restoring, isMoved);
    if (meta.frontier !== null) this.advance(meta.frontier); // with less grace than before, more is closed
    this.#metaChanged = isMoved;
  }

  #restore(owner: IdWindows, restoring: Restoring, isMoved: boolean): void {
    const keptBefore = restoring.meta!.kept;
    owner.closed.forEach((closed, size) => {
      const end = closed.newest + this.#ms[size]!;
      if (end > this.#closedEnd) owner.closedUntil = Math.max(owner.closedUntil, end);
      // Of fewer that were kept before, some were let go that would be kept now.
      const wasFull = keptBefore < this.#kept && closed.length >= keptBefore;
      if (wasFull) this.#forgotten = Math.max(this.#forgotten, closed.oldest);
    });
    for (const { pane, counts } of restoring.panes(owner.id, this.#paneMs)) {
      this.#restorePane(owner, this.#panes.at(pane), counts);
    }
    if (owner.panes.length === 0 && owner.windows === 0) { // all it had is of sizes that are gone
      this.#note(owner);
      owner.isForgotten = true;
      return;
    }
    this.#ids.set(owner.id, owner);
    if (owner.closedUntil > -Infinity) this.#unpass(owner);
    this.#settle(owner);
    if (!isMoved || !owner.isOpenStored) return;
    this.#note(owner);
    owner.openChanged = true;
  }

  #restorePane(owner: IdWindows, pane: Pane, counts: readonly number[]): void {
    let open = 0;
    counts.forEach((events, size) => {
      const start = pane.starts[size]!, end = pane.ends[size]!;
      const isOpen = events > 0 && end > this.#closedEnd && start >= this.#born[size]!;
      if (isOpen && !owner.wasClosed(size, start, end)) open |= 1 << size;
    });
    if (open === 0) return;
    const entry = this.#entryOf(owner, pane), first = counts[0]!;
    if (entry.counts === null && counts.every((events) => events === first)) entry.count += first;
    else counts.forEach((events, size) => addToSome(entry, events, 1 << size, counts.length));
    this.#panes.open(pane, open);
  }
}

/** Bits of the batch's sizes as bits of ours. */
function translated(marks: number, indices: readonly number[]): number {
  return indices.reduce(
    (ours, index, size) => index >= 0 && marks & (1 << index) ? ours | 1 << size : ours,
    0,
  );
}
