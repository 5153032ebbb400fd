/** What tests of the measurements' file stand on: a folder, books with few bins, rows. */
import { RunningHistogram } from "../../../kafka/processors/histogram.ts";
import { MeasurementStore } from "../../../kafka/processors/measurement_store.ts";
import type {
  MeasurementBooks,
  MeasurementStoreOptions,
  NewRow,
} from "../../../kafka/processors/measurement_store.ts";
import type { HistogramSnapshot } from "../../../kafka/processors/histogram_types.ts";

/** 2024-01-01. */
export const newYearMs = Date.UTC(2024, 0, 1);
export const edges: readonly number[] = [0, 10, 20];

/** Runs a test with the name of a file that is not there yet. */
export async function withFile(test: (path: string) => unknown): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tailrace-measurements-" });
  try {
    await test(`${folder}/measurements.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a test with a new store. */
export function withStore(
  test: (store: MeasurementStore, path: string) => unknown,
  options: MeasurementStoreOptions = {},
): Promise<void> {
  return withFile(async (path) => {
    using store = MeasurementStore.open(path, options);
    await test(store, path);
  });
}

/** A row of partition 0, a second later with each offset. */
export function rowAt(offset: number, more: Partial<NewRow> = {}): NewRow {
  return {
    timeMs: newYearMs + offset * 1000,
    value: offset,
    partition: 0,
    offset,
    counts: `${offset + 1},0`,
    ...more,
  };
}

export function rowsAt(begin: number, end: number, more: Partial<NewRow> = {}): NewRow[] {
  return Array.from({ length: end - begin }, (_, i) => rowAt(begin + i, more));
}

export function snapshotOf(count: number, bin_edges: readonly number[] = edges): HistogramSnapshot {
  const empty = RunningHistogram.empty(bin_edges).snapshot();
  return { ...empty, hist: [count, ...empty.hist.slice(1)], count, wrong: { json: 2 } };
}

/** Commits rows as one who has counted all records of partition 0 before `end`. */
export function commitTo(
  books: MeasurementBooks,
  end: number,
  rows: readonly NewRow[],
  { log = 0, bins = edges }: { log?: number; bins?: readonly number[] } = {},
): "committed" | "conflict" {
  const covered = { log, positions: { 0: end } };
  return books.commit({
    covered,
    stored: { 0: end },
    rows,
    snapshot: snapshotOf(end, bins),
    more: { m2: end },
  });
}

/** Places and values of all rows in the order of their times. */
export function placesOf(books: MeasurementBooks): (number | null)[][] {
  return books.rows({ limit: 10_000 }).rows.map(({ partition, offset, value }) => [partition, offset, value]);
}
