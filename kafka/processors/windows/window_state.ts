/** What is counted of a partition of ids: a fold over batches, no Kafka, no clock.
 *
 *     batches of …-by-id/q → WindowState → records of …-windows/q, finished windows
 *
 * A window is open from its first event that is in time until the watermark passes its end and the grace, or until the clock does while
 * nobody sends anything. Then it has its count for good: what comes later for that id and window is late, counted as such, and told with
 * the same count. `take` is what changed; who loads it all goes on as if there had been no break.
 * Left out: who is idle (sources.ts), reading and writing (window_task.ts), what ids have (counted_ids.ts).
 * @module */
import { type FinishedWindow, paneMsOf, type WindowSize } from "../../windows.ts";
import { BatchParts } from "./batch_parts.ts";
import { CountedIds, type LateEvents } from "./counted_ids.ts";
import type { IdWindows } from "./id_windows.ts";
import type { Pane } from "./open_panes.ts";
import { Restoring, wholeFrom } from "./restoring.ts";
import { RunningTotals } from "./running_totals.ts";
import { metaChange, readStateRecord, type StateChange } from "./state_records.ts";
import type { FoldBatch, SourceRecord, Totals } from "./types.ts";

/** What is waited for and kept. */
export interface WindowStateOptions {
  /** How long a window waits for late events, ms. */
  readonly graceMs: number;
  /** Finished windows of each id and size that are kept, 1 at least. */
  readonly kept: number;
  /** Ids with nothing open that are kept, and finished windows of all of them: 50,000 and a million. */
  readonly maxIds?: number;
  readonly maxWindows?: number;
  /** Panes that one id may have open: as many as surely find room in a record. */
  readonly maxPanes?: number;
}

/** Bytes of a record that every broker takes, and those of a pane and of each of its counts. */
const recordBytes = 900_000, paneBytes = 18, countBytes = 6;

/** What became of a batch: `waiting` is a part whose batch counts with its last part, `repeated` was counted before. */
export type Applied = "counted" | "waiting" | "repeated";

/** What changed since the last time; all of it goes in one transaction. Values of records are made when they are asked for: before more is
 * counted. */
export interface TakenState {
  readonly records: StateChange[];
  /** By size and start; with more late events a window comes again, with the same count. */
  readonly finished: { readonly size: WindowSize; readonly window: FinishedWindow }[];
}

/** How a batch says panes and sizes. */
interface Dialect {
  readonly paneMs: number;
  /** Index of each of our sizes in the batch's, −1: it has none. Null: they are the same. */
  readonly indices: readonly number[] | null;
  /** What the watermark comes to with it, ms. */
  readonly watermark: number;
}

/** Events of a pane, and for which sizes they came behind their own source. */
interface PaneEvents {
  readonly id: string;
  readonly owner: IdWindows | undefined;
  readonly pane: Pane;
  readonly events: number;
  readonly marks: number;
}

/** One partition of ids. */
export class WindowState {
  readonly #sizes: readonly WindowSize[];
  readonly #ms: readonly number[];
  readonly #paneMs: number;
  readonly #options: WindowStateOptions;
  readonly #ids: CountedIds;
  readonly #parts = new BatchParts();
  readonly #sources = new Map<number, SourceRecord>();
  #totals = new RunningTotals();
  #frontier: number | null = null;
  #highest = -Infinity;
  #position = 0;
  #restoring: Restoring | null;
  #metaChanged = false;

  /** @param sizes ascending, one at least */
  constructor(sizes: readonly WindowSize[], options: WindowStateOptions) {
    this.#sizes = sizes;
    this.#ms = sizes.map(({ ms }) => ms);
    this.#paneMs = paneMsOf(sizes);
    this.#options = options;
    this.#ids = new CountedIds(sizes, {
      paneMs: this.#paneMs,
      maxIds: 50_000,
      maxWindows: 1_000_000,
      maxPanes: Math.floor(recordBytes / (paneBytes + countBytes * sizes.length)),
      ...options,
    });
    this.#restoring = new Restoring(this.#ms, this.#paneMs);
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

  /** Next offset of the by-id topic. It is moved by `apply`, and set for records that are passed over. Set back, for a topic that was made
   * anew, it takes parts that wait for others with it. */
  get position(): number {
    this.#begin();
    return this.#position;
  }

  set position(next: number) {
    this.#begin();
    if (next === this.#position) return;
    if (next < this.#position) this.#parts.clear();
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
    const { nextEnd } = this.#ids;
    return nextEnd === Infinity ? null : nextEnd + this.#options.graceMs;
  }

  /** Counts a batch, and closes what its source and the others have passed.
   * @param othersLowest lowest high of the other sources that are active, ms; null: none is; −Infinity: one has shown no time yet
   * @param offset of its record in the by-id topic; the position comes to lie behind it */
  apply(batch: FoldBatch, othersLowest: number | null, offset: number): Applied {
    this.position = offset + 1;
    const { source, log, next, high } = batch, known = this.#sources.get(source);
    if (known?.log === log && next <= known.next) return "repeated";
    const parts = batch.parts === 1 ? [batch] : this.#parts.add(batch, offset);
    if (!parts) return "waiting";
    // Whoever sends clicks is not idle.
    const watermark = (own: number | null) =>
      own === null || high === null ? -Infinity : Math.min(own, othersLowest ?? Infinity);
    const before = known?.log === log ? known.high : null;
    this.advance(watermark(before));
    const lates: LateEvents[] = [], after = watermark(this.#moveSource(batch));
    for (const part of parts) {
      this.#count(part, after, lates);
      this.#totals.addTold(part);
    }
    // A batch of hours closes more windows than are kept, and brings late events of them too.
    this.#ids.hold();
    this.#pass(after);
    for (const late of lates) {
      this.#totals.addLate(this.#ms[late.size]!, late.events);
      this.#ids.addLate(late);
    }
    this.#ids.letGo();
    this.#ids.relieve();
    return "counted";
  }

  /** Closes what a watermark has passed; one that lies further back changes nothing.
   * @param watermark ms */
  advance(watermark: number): void {
    this.#begin();
    if (this.#pass(watermark)) this.#ids.relieve();
  }

  /** Closes what has ended its grace by the clock. Only while all sources are idle; the watermark stays where it is.
   * @param nowMs since the epoch */
  closeByClock(nowMs: number): void {
    this.#begin();
    this.#ids.closeByClock(nowMs - this.#options.graceMs);
    this.#ids.relieve();
  }

  /** What changed since the last time; nothing at all when nothing did. */
  take(): TakenState {
    this.#begin();
    const { records, finished } = this.#ids.take();
    if (this.#metaChanged || records.length > 0) records.push(this.#meta());
    this.#metaChanged = false;
    return { records, finished: finished.map(({ size, window }) => ({ size: this.#sizes[size]!, window })) };
  }

  /** @returns false when the watermark lies further back */
  #pass(watermark: number): boolean {
    if (!Number.isFinite(watermark) || watermark <= (this.#frontier ?? -Infinity)) return false;
    this.#frontier = watermark;
    this.#metaChanged = true;
    this.#ids.pass(watermark - this.#options.graceMs);
    return true;
  }

  #meta(): StateChange {
    const timed = (ms: number) => ms === -Infinity ? null : ms;
    const born = this.#ms.map((ms, size) => [ms, this.#ids.born[size]!] as const);
    return metaChange({
      v: 1,
      paneMs: this.#paneMs,
      sizes: this.#ms,
      born: Object.fromEntries(born.filter(([, from]) => from > -Infinity)),
      // The first parts of a batch are read again.
      position: Math.min(this.#position, this.#parts.firstOffset),
      frontier: this.#frontier,
      closedEnd: timed(this.#ids.closedEnd),
      highest: timed(this.#highest),
      kept: this.#options.kept,
      sources: Object.fromEntries(this.#sources),
      totals: this.#totals.record,
      forgotten: timed(this.#ids.forgotten),
    });
  }

  #count(batch: FoldBatch, watermark: number, lates: LateEvents[]): void {
    const dialect = this.#dialectOf(batch, watermark), { indices, paneMs } = dialect;
    const ids = this.#ids, { closedEnd, born } = ids, all = (1 << this.#ms.length) - 1;
    const allWholeFrom = Math.max(...born);
    let counted = 0;
    for (const [id, panes] of batch.counts) {
      let owner = ids.of(id);
      for (const [number, events, behind = 0] of panes) {
        const pane = ids.paneAt(indices ? Math.floor(number * paneMs / this.#paneMs) : number);
        const isInTime = behind === 0 && pane.firstEnd > closedEnd && pane.firstStart >= allWholeFrom &&
          (owner === undefined || pane.firstEnd > owner.closedUntil);
        let sizes = all;
        if (!isInTime) {
          const marks = indices ? translated(behind, indices) : behind;
          sizes = this.#inTime({ id, owner, pane, events, marks }, dialect, lates);
          if (sizes === 0) continue;
        }
        owner = ids.add(owner, id, pane, events, sizes);
        counted += events;
      }
    }
    this.#totals.counted += counted;
  }

  /** The sizes for which events are in time, a bit for each; the others for which they are late go into `lates`. */
  #inTime(
    { id, owner, pane, events, marks }: PaneEvents,
    { watermark }: Dialect,
    lates: LateEvents[],
  ): number {
    let inTime = 0;
    for (let size = 0; size < this.#ms.length; size++) {
      const start = pane.starts[size]!, end = pane.ends[size]!, bit = 1 << size;
      if (start < this.#ids.born[size]!) continue;
      const isLate = end <= this.#ids.closedEnd || owner?.wasClosed(size, start, end) ||
        (marks & bit) !== 0 && end + this.#options.graceMs <= watermark;
      if (isLate) lates.push({ id, size, start, events });
      else inTime |= bit;
    }
    return inTime;
  }

  /** @returns its highest event time, ms; null: none */
  #moveSource({ source, log, from, next, high, at }: FoldBatch): number | null {
    const found = this.#sources.get(source), known = found?.log === log ? found : undefined;
    // Batches that were gone before they were read here.
    if (known && from > known.next) this.#totals.missed += from - known.next;
    const highest = Math.max(known?.high ?? -Infinity, high ?? -Infinity);
    // Records that are no clicks are no sign of life.
    const heard = high === null ? null : at;
    const record = {
      log,
      next,
      high: highest === -Infinity ? null : highest,
      at: heard ?? known?.at ?? null,
    };
    this.#sources.set(source, record);
    this.#highest = Math.max(this.#highest, highest);
    this.#metaChanged = true;
    return record.high;
  }

  /** How to read a batch. Where it lacks a size of ours, that size's windows are whole only behind it. */
  #dialectOf({ paneMs, sizes, high }: FoldBatch, watermark: number): Dialect {
    const isOurs = sizes.length === this.#ms.length && sizes.every((ms, size) => ms === this.#ms[size]);
    if (isOurs) return { paneMs, indices: null, watermark };
    this.#ms.forEach((ms, size) => {
      if (!sizes.includes(ms) && high !== null) this.#ids.bear(size, wholeFrom(high, ms));
    });
    return { paneMs, indices: this.#ms.map((ms) => sizes.indexOf(ms)), watermark };
  }

  /** Goes on from what was loaded. Without a meta it means nothing. */
  #begin(): void {
    const restoring = this.#restoring;
    if (!restoring) return;
    this.#restoring = null;
    const { meta } = restoring;
    if (!meta) return;
    this.#position = meta.position;
    this.#highest = meta.highest ?? -Infinity;
    this.#totals = new RunningTotals(meta.totals);
    for (const [source, record] of Object.entries(meta.sources)) this.#sources.set(Number(source), record);
    const isMoved = meta.paneMs !== this.#paneMs || meta.sizes.join() !== this.#ms.join();
    this.#ids.restore(restoring, isMoved);
    if (meta.frontier !== null) this.advance(meta.frontier); // with less grace than before, more is closed
    this.#metaChanged = isMoved;
  }
}

/** Bits of the batch's sizes as bits of ours. */
function translated(marks: number, indices: readonly number[]): number {
  return indices.reduce(
    (ours, index, size) => index >= 0 && marks & (1 << index) ? ours | 1 << size : ours,
    0,
  );
}
