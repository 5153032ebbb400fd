/** Rows on their way into a measurement's table, and what a time is there.
 * @module */
import type { SQLInputValue } from "node:sqlite";
import { type MeasurementFile, quoted } from "./measurement_file.ts";

/** A measurement to store. */
export interface NewRow {
  /** When it was measured, ms since the epoch, in the years 0 to 9999. */
  readonly timeMs: number;
  readonly value: number;
  readonly partition: number;
  readonly offset: number;
  /** The counts of the bins after it, with commas between them; null when another instance has counted it. */
  readonly counts: string | null;
}

/** Rows of one statement: a statement costs more than the values it brings. */
const rowsAtOnce = 50;
/** The times that a table can hold, ms since the epoch, both included. */
export const firstTimeMs = Date.parse("0000-01-01T00:00:00.000Z");
export const lastTimeMs = Date.parse("9999-12-31T23:59:59.999Z");

/** A time as the tables have it: ISO 8601 in UTC with ms, so that the texts sort as the times do.
 * @param timeMs ms since the epoch
 * @throws {RangeError} if it is not in the years 0 to 9999 */
function dateText(timeMs: number): string {
  if (!(timeMs >= firstTimeMs && timeMs <= lastTimeMs)) {
    throw new RangeError(`Cannot store a time as its year must be in 0..9999: found ${timeMs} ms`);
  }
  return new Date(timeMs).toISOString();
}

/** A bound of times as a text that is before or after the texts of all times on that side of it. */
export function dateBound(timeMs: number): string {
  if (timeMs <= firstTimeMs) return "";
  return timeMs > lastTimeMs ? "~" : new Date(Math.ceil(timeMs)).toISOString();
}

/** Adds rows with ids from `firstId` on; rows whose places are there already are passed over. Inside a transaction only.
 * @returns how many it has added */
export function insertRows(
  file: MeasurementFile,
  table: string,
  rows: readonly NewRow[],
  firstId: number,
): number {
  const dates = newDates();
  let added = 0;
  for (let begin = 0; begin < rows.length;) {
    const size = rows.length - begin >= rowsAtOnce ? rowsAtOnce : 1;
    const values: SQLInputValue[] = [];
    for (let i = begin; i < begin + size; i++) {
      const { timeMs, value, partition, offset, counts } = rows[i]!;
      values.push(dates(timeMs), value, partition, offset, counts, firstId + i);
    }
    added += file.run(insertSql(table, size), ...values);
    begin += size;
  }
  return added;
}

/** Takes their places from rows of logs that are no more, where the new rows need them; inside a transaction only.
 * @param before the first id of the present log */
export function clearPlaces(
  file: MeasurementFile,
  table: string,
  rows: readonly NewRow[],
  before: number,
): void {
  const spans = new Map<number, { first: number; last: number }>();
  for (const { partition, offset } of rows) {
    const span = spans.get(partition);
    if (span === undefined) spans.set(partition, { first: offset, last: offset });
    else {
      span.first = Math.min(span.first, offset);
      span.last = Math.max(span.last, offset);
    }
  }
  const sql = `UPDATE ${quoted(table)} SET partition = NULL, "offset" = NULL
    WHERE partition = ? AND "offset" BETWEEN ? AND ? AND id < ?`;
  for (const [partition, { first, last }] of spans) file.run(sql, partition, first, last, before);
}

function insertSql(table: string, rows: number): string {
  const values = Array.from({ length: rows }, () => "(?, ?, ?, ?, ?, ?)").join();
  return `INSERT INTO ${quoted(table)} (date, value, partition, "offset", counts, id) VALUES ${values}
    ON CONFLICT DO NOTHING`;
}

/** Texts of times, of which many follow each other that are the same. */
function newDates(): (timeMs: number) => string {
  let newestMs: number | undefined;
  let text = "";
  return (timeMs) => {
    if (timeMs !== newestMs) text = dateText(newestMs = timeMs);
    return text;
  };
}
