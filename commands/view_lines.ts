/** Rows of a measurement as lines of text. CSV and JSON are as `GET /histograms/{m}/measurements` gives them.
 * @see {@link https://www.rfc-editor.org/rfc/rfc4180} for CSV
 * @module */
import type { MeasurementRow } from "../kafka/processors/histogram_types.ts";

export type RowFormat = "table" | "csv" | "json";

const dateWidth = "2026-01-31T12:00:00.000Z".length, valueWidth = 12;

const lines: Record<RowFormat, (row: MeasurementRow) => string> = {
  table: tableLine,
  csv: csvLine,
  json: jsonLine,
};

/** Makes text of rows, the first time with a header where there is one.
 * @param hist whether rows have one */
export function rowWriter(format: RowFormat, hist: boolean): (rows: readonly MeasurementRow[]) => string {
  const line = lines[format];
  let header = {
    table: `${"DATE".padEnd(dateWidth)}  ${"VALUE".padStart(valueWidth)}  PLACE\n`,
    csv: `date,value,partition,offset${hist ? ",hist" : ""}\r\n`,
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

/** Nothing but the histogram, which is JSON text, needs quotes; what is null is empty. */
function csvLine({ date, value, partition, offset, hist }: MeasurementRow): string {
  const more = hist === undefined ? "" : hist === null ? "," : `,"${hist.replaceAll('"', '""')}"`;
  return `${date},${value},${partition ?? ""},${offset ?? ""}${more}\r\n`;
}

function jsonLine({ hist, ...row }: MeasurementRow): string {
  const json = JSON.stringify(row);
  return `${hist === undefined ? json : `${json.slice(0, -1)},"hist":${hist}}`}\n`;
}
