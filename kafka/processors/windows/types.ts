/** What the parts of counting tell each other: those who fold clicks, those who count windows, and who shows them.
 *
 *     clicks/p → Fold (fold_task.ts) → FoldBatch in …-by-id/q → WindowState (window_task.ts) → …-windows/q → Aggregations (view.ts)
 *                                                                                        └→ finished windows
 *
 * Left out: clicks themselves and finished windows (kafka/clicks.ts, kafka/windows.ts).
 * @module */
import type { WindowSize } from "../../windows.ts";

/** Events of one pane: its start as a number of panes since the epoch; how many; and, if they came behind their own source's newest
 * event by more than a window of some size and its grace, for which sizes (a bit for each, the smallest size is bit 0). */
export type PaneCount = readonly [pane: number, count: number, behind?: number];

/** What one source, an input partition, adds to one partition of ids: the value of a record of the by-id topic, as JSON. A commit of
 * a fold writes one such batch, perhaps in several parts, to every partition of ids, so that each learns how far the source is. */
export interface FoldBatch {
  readonly v: 1;
  /** Number of the input partition, and the id of its topic ("" where brokers have none). */
  readonly source: number;
  readonly log: string;
  /** Offsets `from` … `next` − 1 of the source are counted in all parts together. */
  readonly from: number;
  readonly next: number;
  /** Which of how many parts this is, from 0 on; only with the last one the source has come to `next` and `high`. */
  readonly part: number;
  readonly parts: number;
  /** Highest event time in the batch, ms; null for none. Events far ahead of the clock are left out (`maxAheadMs`). */
  readonly high: number | null;
  /** When the newest record of the batch was read, by the clock, ms; null: it has no records. */
  readonly at: number | null;
  /** Length of a pane, ms, and the sizes that the bits of `behind` mean, ascending. */
  readonly paneMs: number;
  readonly sizes: readonly number[];
  readonly counts: readonly (readonly [id: string, panes: readonly PaneCount[]])[];
  /** Records that are no click, by kind, and events far ahead; told to one partition of ids only. */
  readonly wrong?: Readonly<Record<string, number>>;
  readonly ahead?: number;
  /** Records that were gone before they were read. */
  readonly missed?: number;
}

/** Keys of the state topic are this letter and what follows. */
export const stateKeys = {
  /** + id: {@linkcode OpenRecord}. */
  open: "o",
  /** + id: {@linkcode ClosedRecord}. */
  closed: "c",
  /** alone: {@linkcode MetaRecord}. */
  meta: "m",
} as const;

/** What is counted of an id in windows that are open: panes, ascending, each with a count for each size of `MetaRecord.sizes` (an event
 * may be too late for a minute, and in time for ten). One number stands for the same number in all sizes. Null when nothing is open. */
export interface OpenRecord {
  readonly panes: readonly (readonly [pane: number, counts: number | readonly number[]])[];
}

/** Finished windows of an id by size in ms, ascending by start, at most `WINDOWS_KEPT` each; and all events that were late, by size. */
export interface ClosedRecord {
  readonly windows: Readonly<Record<string, readonly ClosedWindow[]>>;
  readonly late: Readonly<Record<string, number>>;
}
/** `byClock` is 1 for a window that was closed by the clock while the watermark had not passed its end. */
export type ClosedWindow = readonly [start: number, count: number, late: number, byClock?: 1];

/** How far a partition of ids is. */
export interface MetaRecord {
  readonly v: 1;
  readonly paneMs: number;
  /** Ascending, ms. */
  readonly sizes: readonly number[];
  /** From when on windows of a size are whole, ms, for sizes that were added later. */
  readonly born: Readonly<Record<string, number>>;
  /** Next offset of the by-id topic. */
  readonly position: number;
  /** The highest watermark there was, ms; null: none yet. What ended its grace before it is closed. */
  readonly frontier: number | null;
  readonly sources: Readonly<Record<string, SourceRecord>>;
  /** Since the beginning, of this partition of ids. */
  readonly totals: Totals;
  /** Ids that were forgotten had no window that ended after this, ms; null: none was. */
  readonly forgotten: number | null;
}

/** How far a source is counted. */
export interface SourceRecord {
  /** Name of its log. */
  readonly log: string;
  /** Next offset of the input that is not counted yet. */
  readonly next: number;
  /** Highest event time seen; null: none. */
  readonly high: number | null;
  /** When its newest record was read, by the clock, ms; null: none was. */
  readonly at: number | null;
}

/** What became of records, since the beginning. */
export interface Totals {
  /** Events that were counted in at least one size. */
  readonly counted: number;
  /** Late events by size in ms. */
  readonly late: Readonly<Record<string, number>>;
  /** Records that are no clicks, by kind. */
  readonly wrong: Readonly<Record<string, number>>;
  /** Of those counted, the ones too far ahead of the clock to move a watermark. */
  readonly ahead: number;
  /** Records that were gone before they were read. */
  readonly missed: number;
}

/** A window as it is shown. */
export interface WindowCount {
  readonly type: string;
  readonly video_uid: string;
  readonly count: number;
  readonly window_start: number;
  readonly window_end: number;
  readonly late: number;
  /** Whether it is closed. */
  readonly final: boolean;
}

/** Windows of one id and size. */
export interface IdWindows {
  readonly size: WindowSize;
  /** Ascending by start: the closed ones that are kept, and the open ones. */
  readonly windows: readonly WindowCount[];
  /** All late events of this size so far. */
  readonly late: number;
}

/** Told of changes, after what is asked has them. */
export interface WindowListener {
  /** Which ids it is told of, so that nobody works out what no one looks at; without it all. */
  wants?(id: string): boolean;
  /** A window was closed, or came to have more late events. @param isFirst the former */
  finished(window: WindowCount, size: WindowSize, isFirst: boolean): void;
  /** Open windows of an id changed: the newest one of each size, once a second at most for each id.
   * @param at when what is told was counted: the time of its record, ms */
  changed(id: string, open: readonly WindowCount[], at: number): void;
}

/** Whether a value that was read can be a number of events, an offset, or ms since the epoch. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What counting says of itself, over all partitions of ids. */
export interface WindowStatus {
  /** `ready`: all that was counted is here; `loading`: it is being read; `away`: Kafka does not answer. */
  readonly state: "ready" | "loading" | "away";
  /** Lowest watermark of the partitions of ids, ms; null: none yet. */
  readonly watermark: number | null;
  readonly ids: number;
  readonly totals: Totals;
}

/** All windows as this instance knows them, whoever counts them. */
export interface Aggregations extends AsyncDisposable {
  readonly sizes: readonly WindowSize[];
  /** Resolves when all that was counted before has been read; never rejects. */
  readonly loaded: Promise<void>;
  /** Resolves when all that was counted before this call is here; false when that cannot be said within a second. */
  current?(): Promise<boolean>;
  /** @returns one for each size; an id that is not known has no windows */
  of(id: string): readonly IdWindows[];
  /** Ids with the most recently changed first. */
  ids(limit: number): readonly string[];
  status(): WindowStatus;
  /** @returns ends it */
  listen(listener: WindowListener): () => void;
}
