/** Rows of a measurement as lines of text: a table, or CSV and JSON as routes/row_text.ts has them. @module */
import type { MeasurementRow } from "../kafka/processors/histogram_types.ts";
import { csvHeader, csvLine, rowJson } from "../routes/row_text.ts";

export type RowFormat = "table" | "csv" | "json";

const dateWidth = "2026-01-31T12:00:00.000Z".length, valueWidth = 12;

const lines: Record<RowFormat, (row: MeasurementRow) => string> = {
  table: tableLine,
  csv: csvLine,
  json: (row) => `${rowJson(row)}\n`,
};

/** Makes text of rows, the first time with a header where there is one.
 * @param hist whether rows have one */
export function rowWriter(format: RowFormat, hist: boolean): (rows: readonly MeasurementRow[]) => string {
  const line = lines[format];
  let header = {
    table: `${"DATE".padEnd(dateWidth)}  ${"VALUE".padStart(valueWidth)}  PLACE\n`,
    csv: csvHeader(hist),
    json: "",
  }[format];
  return (rows) => {
    const text = header + rows.map(line).join("");
    header = "";
    return text;
  };
}

function tableLine({ date, value, partition, offset }: MeasurementRow): string {
  const place = partition === null || offset === null ? "-" : `${partition}:${offset}`;
  return `${date.padEnd(dateWidth)}  ${String(value).padStart(valueWidth)}  ${place}\n`;
}
