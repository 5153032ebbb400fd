/** Measurements in a CSV file: which columns they are in, and what its cells may be. Left out: rows and quotes (csv.ts). @module */
import { parseTimeOrDay } from "../kafka/measurement_time.ts";
import { CsvParser, type CsvRow } from "./csv.ts";
import type { BadLine } from "./publish_report.ts";
import { CommandError } from "./run.ts";

/** Where measurements are: the name of a column in the first line, in any case, or its number from 1 on. */
export interface CsvColumns {
  /** Default: the first there is of {@linkcode usualTimeColumns}. */
  readonly time?: string;
  /** Default: the first there is of {@linkcode usualValueColumns}. */
  readonly value?: string;
  /** Default: found in the first line. */
  readonly delimiter?: string;
}

/** A measurement; time in ms since the epoch. */
export interface CsvMeasurement {
  readonly measurement: number;
  readonly timeMs: number;
}

/** Names that are looked for when none is given: those of a record, of `tailrace view --csv`, and what else there often is. */
const usualTimeColumns = ["measurement_time", "date", "time", "timestamp"] as const;
const usualValueColumns = ["measurement", "value"] as const;

const plainNumber = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const commaNumber = /^[+-]?(\d*,\d+)([eE][+-]?\d+)?$/;
const epochTime = /^\d{9,10}(\.\d+)?$|^\d{12,13}$/;

/** Reads measurements out of the pieces of a file. */
export class MeasurementCsv {
  readonly #name: string;
  readonly #wanted: CsvColumns;
  readonly #parser: CsvParser;
  #columns: { readonly time: number; readonly value: number } | undefined;

  /** @param name of the file, for messages */
  constructor(name: string, wanted: CsvColumns) {
    this.#name = name;
    this.#wanted = wanted;
    this.#parser = new CsvParser(wanted.delimiter);
  }

  /** What is whole by now.
   * @param isEnd whether nothing comes any more
   * @throws {CommandError} when the first line has not got the columns */
  push(piece: string, isEnd = false): (CsvMeasurement | BadLine)[] {
    const found: (CsvMeasurement | BadLine)[] = [];
    for (const row of this.#parser.push(piece, isEnd)) {
      if (this.#columns || !this.#isHeader(row)) found.push(this.#read(row));
    }
    return found;
  }

  /** Looks for the columns in the first row that can be read.
   * @returns whether it is no measurement itself */
  #isHeader({ cells }: CsvRow): boolean {
    if (!cells) return false;
    const { time, value } = this.#wanted;
    const names = cells.map((cell) => cell.trim());
    this.#columns = {
      time: this.#find(names, "--time", time === undefined ? usualTimeColumns : [time]),
      value: this.#find(names, "--value", value === undefined ? usualValueColumns : [value]),
    };
    const isByNumber = isNumber(time) && isNumber(value);
    return !isByNumber || !this.#isValue(names[this.#columns.value] ?? "");
  }

  #find(names: readonly string[], flag: string, wanted: readonly string[]): number {
    const inAnyCase = names.map((name) => name.toLowerCase());
    for (const one of wanted) {
      const exact = names.indexOf(one);
      const at = isNumber(one) ? Number(one) - 1 : exact >= 0 ? exact : inAnyCase.indexOf(one.toLowerCase());
      if (at >= 0 && at < names.length) return at;
    }
    const shown = names.slice(0, 20).map((name) => JSON.stringify(name.slice(0, 40))).join(", ");
    throw new CommandError(
      `Cannot read ${this.#name}: found columns ${shown}, wanted ${wanted.join(" or ")} (${flag})`,
    );
  }

  #read(row: CsvRow): CsvMeasurement | BadLine {
    const { line } = row;
    if (!row.cells) return { line, reason: `found ${row.broken}` };
    const { time, value } = this.#columns!;
    const { [time]: timeCell, [value]: valueCell } = row.cells;
    if (timeCell === undefined || valueCell === undefined) {
      const { length } = row.cells;
      return { line, reason: `found ${length} ${length === 1 ? "cell" : "cells"}` };
    }
    const measurement = this.#number(valueCell), timeMs = readCsvTime(timeCell.trim());
    if (!Number.isFinite(measurement)) return { line, reason: `found ${quoteCell(valueCell)} as value` };
    return timeMs === null
      ? { line, reason: `found ${quoteCell(timeCell)} as time` }
      : { measurement, timeMs };
  }

  #isValue(cell: string): boolean {
    return Number.isFinite(this.#number(cell));
  }

  /** A number; with a decimal comma, too, where commas are not between cells. */
  #number(cell: string): number {
    const text = cell.trim();
    if (plainNumber.test(text)) return Number(text);
    const hasComma = this.#parser.delimiter !== "," && commaNumber.test(text);
    return hasComma ? Number(text.replace(",", ".")) : NaN;
  }
}

/** Reads ISO 8601, a day alone, or seconds or milliseconds since 1970; without a zone it is UTC. */
export function readCsvTime(text: string): number | null {
  if (epochTime.test(text)) {
    return Math.round(Number(text) * (text.length < 12 || text.includes(".") ? 1000 : 1));
  }
  return parseTimeOrDay(text);
}

function isNumber(column: string | undefined): boolean {
  return column !== undefined && /^[1-9]\d{0,4}$/.test(column);
}

/** A cell as messages show it. */
export function quoteCell(cell: string): string {
  return JSON.stringify(cell.length > 40 ? `${cell.slice(0, 40)}…` : cell);
}
