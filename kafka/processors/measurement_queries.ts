/** Questions to a measurement's table: pages of rows, its course in steps of time.
 *
 * A page goes on behind the time and the id of the last row, so rows that are stored meanwhile neither move nor repeat any. Steps are of
 * round lengths and lie on the clock, so that a course can be gone on with from live values; each is one walk over the index.
 * @module */
import { setImmediate } from "node:timers";
import { StreamError } from "../../errors.ts";
import type { MeasurementRow, RowPage, RowQuery, Series, SeriesQuery } from "./histogram_types.ts";
import { type MeasurementFile, quoted } from "./measurement_file.ts";
import { dateBound, firstTimeMs, lastTimeMs } from "./measurement_rows.ts";

/** A table as it is now. */
export interface TableNow {
  /** Null: there is none yet. */
  readonly name: string | null;
  /** Rows with lower ids are of logs that are no more. */
  readonly oldBefore: number;
}

/** Bytes of `hist` at which a page ends before its limit. */
const maxPageText = 8 * 1024 * 1024;
/** Work between two looks at what else waits, ms. */
const breathMs = 8;
const second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
/** Steps are counted from here, ms since the epoch: a Monday at midnight before all times. */
const originMs = Date.parse("0000-01-03T00:00:00Z") - 7 * day;
/** Lengths of steps, ms. */
const steps = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * second),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * minute),
  ...[1, 2, 3, 6, 12].map((n) => n * hour),
  ...[1, 2, 7, 14, 28, 91, 182, 364].map((n) => n * day),
];

/** @throws {StreamError} 400 `invalid-after` */
export function rowPage(file: MeasurementFile, table: TableNow, query: RowQuery): RowPage {
  const { limit, order = "asc", hist = false } = query, { name, oldBefore } = table;
  const isUp = order === "asc", after = query.after === undefined ? undefined : readToken(query.after);
  let from = dateBound(query.from ?? -Infinity), to = dateBound(query.to ?? Infinity), end = "<";
  if (name === null) return { rows: [], next: null };
  const token: (string | number)[] = [];
  if (after !== undefined) {
    const date = dateBound(after.timeMs);
    // The walk begins at that time, its only bound on this side; the rest of that time is passed over.
    if (isUp) from = date > from ? date : from;
    else if (date < to) [to, end] = [date, "<="];
    token.push(date, after.id);
  }
  const conditions = ["date >= ?", `date ${end} ?`];
  if (after !== undefined) conditions.push(`(date, id) ${isUp ? ">" : "<"} (?, ?)`);
  const direction = isUp ? "" : " DESC";
  const sql = `SELECT date, value, partition, "offset", id${hist ? ", hist" : ""} FROM ${quoted(name)}
    WHERE ${conditions.join(" AND ")} ORDER BY date${direction}, id${direction} LIMIT ?`;
  const most = hist ? Math.min(limit, rowsWithHist(file, name)) : limit;
  const found = file.all(sql, from, to, ...token, most + 1), rows = found.slice(0, most);
  const last = found.length > most ? rows.at(-1) : undefined;
  return {
    rows: rows.map((row) => rowOf(row, Number(row.id) < oldBefore, hist)),
    next: last === undefined ? null : `${Date.parse(String(last.date))}.${last.id}`,
  };
}

/** How many rows a page with `hist` may have: those of the newest rows are the longest, while the bins are the same. */
function rowsWithHist(file: MeasurementFile, table: string): number {
  const newest = file.get(`SELECT length(hist) AS length FROM ${quoted(table)} ORDER BY id DESC LIMIT 1`);
  const bins = file.get(
    `SELECT count(*) > count(DISTINCT book) AS have_changed, 5 * max(length(edges)) AS longest FROM "tailrace:bins"`,
  );
  const isOne = typeof newest?.length === "number" && bins?.have_changed === 0;
  return Math.max(1, Math.floor(maxPageText / Number((isOne ? newest.length : bins?.longest) || 1)));
}

/** Gives the loop back between pieces. */
export async function seriesOf(
  file: MeasurementFile,
  { name }: TableNow,
  query: SeriesQuery,
): Promise<Series> {
  const series: Record<Exclude<keyof Series, "step_ms">, number[]> = {
    time: [],
    count: [],
    mean: [],
    min: [],
    max: [],
  };
  const span = name === null ? null : spanOf(file, name, query);
  if (span === null || name === null) return { step_ms: 1, ...series };
  const { from, to } = span, step = stepOf(from, to, query.points);
  const sql = `SELECT count(*) AS count, avg(value) AS mean, min(value) AS min, max(value) AS max
    FROM ${quoted(name)} WHERE date >= ? AND date < ?`;
  let startedMs = performance.now();
  for (let begin = originMs + stepsTo(from, step) * step; begin < to; begin += step) {
    const row = file.get(sql, dateBound(Math.max(begin, from)), dateBound(Math.min(begin + step, to)));
    if (row !== undefined && Number(row.count) > 0) {
      series.time.push(begin);
      for (const column of ["count", "mean", "min", "max"] as const) series[column].push(Number(row[column]));
    }
    if (performance.now() - startedMs < breathMs) continue;
    await new Promise<void>((go) => setImmediate(go));
    startedMs = performance.now();
  }
  return { step_ms: step, ...series };
}

/** The shortest round step of which no more than `points` hold the span. */
export function stepOf(from: number, to: number, points: number): number {
  const isFew = (step: number) => stepsTo(to - 1, step) - stepsTo(from, step) < points;
  const found = steps.find(isFew);
  if (found !== undefined) return found;
  let step = 2 * 364 * day;
  while (!isFew(step)) step *= 2;
  return step;
}

/** Whole steps before a time. */
function stepsTo(timeMs: number, step: number): number {
  return Math.floor((timeMs - originMs) / step);
}

/** The asked span, open sides at the first and the last row; null when it holds none. */
function spanOf(
  file: MeasurementFile,
  table: string,
  query: SeriesQuery,
): { from: number; to: number } | null {
  const bounds = [dateBound(query.from ?? -Infinity), dateBound(query.to ?? Infinity)];
  const end = (which: "min" | "max"): unknown =>
    file.get(`SELECT ${which}(date) AS date FROM ${quoted(table)} WHERE date >= ? AND date < ?`, ...bounds)
      ?.date;
  const first = end("min"), last = end("max");
  if (typeof first !== "string" || typeof last !== "string") return null;
  // A span that is asked for has its step by itself, whatever it holds.
  const from = query.from ?? Date.parse(first), to = query.to ?? Date.parse(last) + 1;
  return { from: Math.max(from, firstTimeMs), to: Math.min(to, lastTimeMs + 1) };
}

function rowOf(row: Record<string, unknown>, isOld: boolean, withHist: boolean): MeasurementRow {
  const place = (value: unknown): number | null => isOld || value === null ? null : Number(value);
  return {
    date: String(row.date),
    value: Number(row.value),
    partition: place(row.partition),
    offset: place(row.offset),
    ...(withHist ? { hist: row.hist === null ? null : String(row.hist) } : {}),
  };
}

/** The end of a page: the time of its last row, its id. */
function readToken(after: string): { timeMs: number; id: number } {
  const [, timeMs, id] = /^(-?\d{1,15})\.(\d{1,15})$/.exec(after) ?? [];
  if (timeMs === undefined || id === undefined) {
    throw new StreamError(
      "invalid-after",
      400,
      `Cannot go on from after=${JSON.stringify(after.slice(0, 80))}: a page's own next is wanted`,
    );
  }
  return { timeMs: Number(timeMs), id: Number(id) };
}
