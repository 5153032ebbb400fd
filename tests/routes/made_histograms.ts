/** Histograms that a test makes up: what the routes tell of them is seen without the counting behind it, also what a file that fails or
 * one of any size would bring.
 *
 * Left out: the real ones, which most tests of the routes have (test_service.ts).
 * @module */
import { edgesOf, type MeasurementSpec } from "../../kafka/measurements.ts";
import { RunningHistogram } from "../../kafka/processors/histogram.ts";
import type {
  HistogramNow,
  Histograms,
  HistogramSnapshot,
  MeasurementRow,
  RowPage,
  RowQuery,
  Series,
  SeriesQuery,
} from "../../kafka/processors/histogram_types.ts";

/** A histogram of nothing. */
export function emptySnapshot(spec: MeasurementSpec): HistogramSnapshot {
  return RunningHistogram.empty(edgesOf(spec)).snapshot();
}

/** Histograms of `specs`, with as many rows each as are wanted; row `n` is made when it is asked for. */
export class MadeHistograms implements Histograms {
  /** Rows of each measurement. */
  count = 0;
  /** What is thrown instead of an answer. */
  failure: Error | null = null;
  /** What was asked for, in order. */
  readonly asked: (RowQuery | SeriesQuery)[] = [];

  constructor(readonly specs: readonly MeasurementSpec[]) {}

  now(name: string): Promise<HistogramNow> {
    const spec = this.specs.find((one) => one.name === name)!;
    const status = { state: "live", reason: null, since: 1_000, behind: 0, owner: true } as const;
    const covered = { log: 0, positions: { 0: this.count } };
    return this.#answer({ spec, snapshot: emptySnapshot(spec), covered, status, rows: this.count });
  }

  rows(_: string, query: RowQuery): Promise<RowPage> {
    this.asked.push(query);
    const first = Number(query.after ?? 0), end = Math.min(this.count, first + query.limit);
    const rows = Array.from({ length: end - first }, (_, i) => row(first + i, query.hist === true));
    return this.#answer({ rows, next: end < this.count ? String(end) : null });
  }

  series(_: string, query: SeriesQuery): Promise<Series> {
    this.asked.push(query);
    return this.#answer({ step_ms: 1, time: [], count: [], mean: [], min: [], max: [] });
  }

  checkWritable(): Promise<void> {
    return this.#answer(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #answer<T>(value: T): Promise<T> {
    return this.failure ? Promise.reject(this.failure) : Promise.resolve(value);
  }
}

function row(n: number, hist: boolean): MeasurementRow {
  const date = new Date(1_700_000_000_000 + n).toISOString();
  const place = n % 3 === 2 ? { partition: null, offset: null } : { partition: 0, offset: n };
  return {
    date,
    value: n / 2,
    ...place,
    ...(hist && { hist: n % 2 ? null : `{"hist":[${n}],"bin_edges":[0,1]}` }),
  };
}
