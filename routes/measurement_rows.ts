/** `GET /histograms/{measurement}/measurements`: what the file keeps, as pages of JSON, or all of it as CSV.
 *
 * CSV is read page by page, as fast as the client takes it, so that a download of any size needs the memory of a few pages. It ends
 * where there is no more at that moment. Left out: the file itself (kafka/processors/measurement_store.ts), what a row
 * is as text (row_text.ts).
 * @see {@link https://www.rfc-editor.org/rfc/rfc8288} for `Link`
 * @module */
import type { Context } from "hono";
import type { Histograms, RowPage, RowQuery } from "../kafka/processors/histogram_types.ts";
import { prefers } from "./accept.ts";
import { readNumber, readSpan, readWord } from "./measurement_query.ts";
import { csvHeader, csvLine, rowJson } from "./row_text.ts";

/** What rows are read from. */
export interface RowsDeps {
  readonly histograms: Histograms;
}

/** Rows of one page, at most, and when nobody says; a row with its histogram may be some hundred times as large. */
const pages = { most: 10_000, fallback: 1_000 }, histPages = { most: 1_000, fallback: 100 };
/** Rows of a download, at most, and when nobody says. */
const downloads = { most: 1e12, fallback: Infinity };

/** Answers with the rows of one measurement.
 * @throws {StreamError} 400 for what cannot be used of the query, 503 `measurements-unavailable` */
export async function rowsResponse(c: Context, deps: RowsDeps, measurement: string): Promise<Response> {
  const query = new URL(c.req.url).searchParams;
  const hist = readWord(query, "hist", ["0", "1"]) === "1", bounds = hist ? histPages : pages;
  const after = query.get("after");
  const wanted = {
    ...readSpan(query),
    ...(after !== null && { after }),
    order: readWord(query, "order", ["asc", "desc"]),
    hist,
  };
  if (isCsvWanted(c, query)) {
    const limit = readNumber(query, "limit", downloads);
    return await csvResponse(deps, measurement, { ...wanted, limit }, bounds.most);
  }
  const limit = readNumber(query, "limit", bounds);
  const { rows, next } = await deps.histograms.rows(measurement, { ...wanted, limit });
  const body = `{"measurement":${JSON.stringify(measurement)},"measurements":[${
    rows.map(rowJson).join(",")
  }],"next":${JSON.stringify(next)}}`;
  return c.body(body, 200, {
    "content-type": "application/json",
    ...headers,
    ...(next !== null && { link: linkToNext(c, query, next) }),
  });
}

const headers = { "cache-control": "no-store", "vary": "Accept" };

/** `format=` wins over `Accept`, which a link cannot say. */
function isCsvWanted(c: Context, query: URLSearchParams): boolean {
  if (query.has("format")) return readWord(query, "format", ["json", "csv"]) === "csv";
  return prefers(c.req.header("accept"), "text/csv", "application/json");
}

/** The same request, from the place after the page on. */
function linkToNext(c: Context, query: URLSearchParams, after: string): string {
  const next = new URLSearchParams(query);
  next.set("after", after);
  return `<${c.req.path}?${next}>; rel="next"`;
}

/** The first page is read before anything is answered, so that a file that cannot be read is a problem and no half table. */
async function csvResponse(
  deps: RowsDeps,
  measurement: string,
  query: RowQuery,
  pageSize: number,
): Promise<Response> {
  const read = (left: number, after = query.after) =>
    deps.histograms.rows(measurement, {
      ...query,
      limit: Math.min(left, pageSize),
      ...(after !== undefined && { after }),
    });
  const first = await read(query.limit);
  return new Response(ReadableStream.from(csvPages(first, query, read)), {
    headers: {
      "content-type": "text/csv; charset=utf-8; header=present",
      "content-disposition": `attachment; filename="${measurement}.csv"`,
      ...headers,
    },
  });
}

/** The table in pieces of a page each; one that cannot be read breaks the answer off, so that nobody takes a part for the whole. */
async function* csvPages(
  first: RowPage,
  { limit, hist }: RowQuery,
  read: (left: number, after: string) => Promise<RowPage>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let text = csvHeader(hist === true), page = first, left = limit;
  while (true) {
    for (const row of page.rows) text += csvLine(row);
    yield encoder.encode(text);
    left -= page.rows.length;
    if (page.next === null || left <= 0) return;
    text = "";
    page = await read(left, page.next);
  }
}
