/** What the parts that count measurements tell each other, and the rest of the program: the histogram of a moment, rows, questions.
 *
 * Everything here can be sent between threads and as JSON. Left out: who does it (histogram.ts counts, measurement_store.ts keeps,
 * histogram_processor.ts reads and publishes, histograms.ts is what the program sees).
 * @module */
import type { MeasurementSpec } from "../measurements.ts";

/** Why a record is no measurement: no JSON; JSON but no object, or without the field; a text, null, …; NaN or an infinity; a time that is
 * missing or none; a record without a value; a batch that cannot be read. */
export const wrongKinds = [
  "json",
  "missing",
  "not-a-number",
  "not-finite",
  "time",
  "empty",
  "unreadable",
] as const;
export type WrongKind = (typeof wrongKinds)[number];

/** The counts of one measurement at a moment: the value of a record of `hist_<name>`. Numbers in the unit of the measurement. */
export interface HistogramSnapshot {
  /** Counts, shape [bins], as `numpy.histogram` counts: the last bin holds its right edge too. */
  readonly hist: readonly number[];
  /** Shape [bins + 1]. */
  readonly bin_edges: readonly number[];
  /** Below the first edge, above the last one. */
  readonly underflow: number;
  readonly overflow: number;
  /** All measurements, those outside the edges too; equal to the sum of the three above. */
  readonly count: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Of the population, as `numpy.std`. */
  readonly stddev: number | null;
  /** Counted too: measured before the newest one of its partition; the same time and value as one shortly before it there. */
  readonly late: number;
  readonly repeated: number;
  /** Records that were no measurement, by kind; kinds that never came are left out. */
  readonly wrong: Readonly<Partial<Record<WrongKind, number>>>;
  /** Records that retention removed before anybody counted them. */
  readonly missed: number;
  /** The one counted last. */
  readonly last: { readonly measurement: number; readonly measurement_time: string } | null;
}

/** How far a measurement's books go: the next offset to count of each partition, by partition, in which of the logs that there have
 * been under the topic's name (0: the first). */
export interface Covered {
  readonly log: number;
  readonly positions: Readonly<Record<number, number>>;
}

/** What the processor of a measurement is doing. */
export interface ProcessorStatus {
  /** `starting`: not yet told where to begin; `live`: at the end of the log; `catching-up`; `waiting`: for Kafka, the topic or the
   * database, see `reason`; `failed`: it does nothing until the next start. */
  readonly state: "starting" | "live" | "catching-up" | "waiting" | "failed";
  /** One line, for people; null unless waiting or failed. */
  readonly reason: string | null;
  /** ms since the epoch, of this state. */
  readonly since: number;
  /** Records that are there and not counted yet. */
  readonly behind: number;
  /** Whether this instance publishes to `hist_<name>`. */
  readonly owner: boolean;
}

/** A measurement as this instance has counted it. */
export interface HistogramNow {
  readonly spec: MeasurementSpec;
  readonly snapshot: HistogramSnapshot;
  readonly covered: Covered;
  readonly status: ProcessorStatus;
  /** In the file, after its retention. */
  readonly rows: number;
}

/** A row of the file. */
export interface MeasurementRow {
  /** ISO 8601 in UTC, with milliseconds. */
  readonly date: string;
  readonly value: number;
  /** Null when the topic's log is another one by now. */
  readonly partition: number | null;
  readonly offset: number | null;
  /** JSON text of `{"hist":[…],"bin_edges":[…]}` after it was counted; null when it was counted by another instance. */
  readonly hist?: string | null;
}

/** Which rows: measured at `from` or later and before `to`, in ms since the epoch, in the order of their times. */
export interface RowQuery {
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
  /** From where a page before ended. */
  readonly after?: string;
  /** Default `asc`. */
  readonly order?: "asc" | "desc";
  /** Whether `hist` is wanted. */
  readonly hist?: boolean;
}

/** A page of rows; `next` goes on after it, null when there are no more now. */
export interface RowPage {
  readonly rows: readonly MeasurementRow[];
  readonly next: string | null;
}

/** A span of time in at most so many steps. Without `from` and `to`: from the first row to the last. */
export interface SeriesQuery {
  readonly from?: number;
  readonly to?: number;
  readonly points: number;
}

/** The course of a measurement in columns, one place for each step that holds measurements, ascending. */
export interface Series {
  /** ms; of a step. */
  readonly step_ms: number;
  /** Beginning of each step, ms since the epoch. */
  readonly time: readonly number[];
  readonly count: readonly number[];
  readonly mean: readonly number[];
  readonly min: readonly number[];
  readonly max: readonly number[];
}

/** What the rest of the program sees of the processors. A name that is not in `specs` is the caller's mistake.
 * @see startHistograms in histograms.ts, over a thread of its own, and HistogramService, the same in this thread */
export interface Histograms extends AsyncDisposable {
  /** In the order of MEASUREMENTS. */
  readonly specs: readonly MeasurementSpec[];
  /** @throws {StreamError} 503 `measurements-unavailable` when the file cannot be read, as everything below */
  now(name: string): Promise<HistogramNow>;
  rows(name: string, query: RowQuery): Promise<RowPage>;
  series(name: string, query: SeriesQuery): Promise<Series>;
  /** Resolves if the file takes what is written.
   * @throws {Error} one line, if it does not */
  checkWritable(): Promise<void>;
}
