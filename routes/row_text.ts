/** A row of measurements as a line of CSV and as JSON: the same in a download and in the terminal.
 *
 * Left out: which rows (measurement_rows.ts, commands/view.ts).
 * @see {@link https://www.rfc-editor.org/rfc/rfc4180} for CSV
 * @module */
import type { MeasurementRow } from "../kafka/processors/histogram_types.ts";

/** The first line of a table.
 * @param hist whether its rows have their histograms */
export function csvHeader(hist: boolean): string {
  return `date,value,partition,offset${hist ? ",hist" : ""}\r\n`;
}

/** Nothing but the histogram, which is JSON text, needs quotes; what is null is empty. */
export function csvLine({ date, value, partition, offset, hist }: MeasurementRow): string {
  const place = `${partition ?? ""},${offset ?? ""}`;
  const more = hist === undefined ? "" : hist === null ? "," : `,"${hist.replaceAll('"', '""')}"`;
  return `${date},${value},${place}${more}\r\n`;
}

/** One line without its end; the histogram is JSON text already. */
export function rowJson({ date, value, partition, offset, hist }: MeasurementRow): string {
  const more = hist === undefined ? "" : `,"hist":${hist}`;
  return `{"date":${
    JSON.stringify(date)
  },"value":${value},"partition":${partition},"offset":${offset}${more}}`;
}
