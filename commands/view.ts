/** `tailrace view`: the rows of a measurement in DATA_DIR/measurements.db, oldest first, as a table, CSV or JSON.
 *
 * Only looks, also while a service writes to the file. Left out: what the file holds and how it is asked
 * (kafka/processors/measurement_store.ts); the rows over HTTP (routes/measurement_rows.ts).
 * @module */
import type { Config } from "../config.ts";
import { pause } from "../kafka/pause.ts";
import type { MeasurementRow, RowPage, RowQuery } from "../kafka/processors/histogram_types.ts";
import { type MeasurementBooks, MeasurementStore, StoreBusy } from "../kafka/processors/measurement_store.ts";
import { CommandError, type CommandRun } from "./run.ts";
import type { LineWriter } from "./tail_sink.ts";
import { type RowFormat, rowWriter } from "./view_lines.ts";

/** Which rows, and as what. */
export interface ViewOptions {
  /** The newest so many; null: all. */
  readonly limit: number | null;
  /** Only what was measured then or later, ms since the epoch. */
  readonly since?: number;
  readonly format: RowFormat;
  /** Whether the histogram after each row is told, which a table has no room for. */
  readonly hist: boolean;
}

/** Most rows that `limit` may be, as they are held until they are turned round. */
export const maxViewLimit = 100_000;

const pageRows = 1_000;
/** How long a file that is busy is waited for, ms, and how often it is asked. */
const busyMs = 3_000, retryMs = 100;

/** Prints rows until there are no more, nobody reads stdout any more, or `run.signal` aborts.
 * @throws {CommandError} when the file or the measurement is not there, or cannot be read */
export async function view(
  config: Config,
  measurement: string,
  options: ViewOptions,
  run: CommandRun,
  out: LineWriter = Deno.stdout,
): Promise<void> {
  const path = `${config.dataDir}/measurements.db`;
  try {
    using store = await patiently(() => MeasurementStore.open(path, { readOnly: true }), run.signal);
    const books = await patiently(() => booksOf(store, measurement, path), run.signal);
    const text = rowWriter(options.format, options.hist);
    for await (const rows of pages(books, options, run.signal)) {
      if (run.signal.aborted) return;
      await write(out, text(rows));
    }
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe || run.signal.aborted) return; // as in `tailrace view t | head`
    if (error instanceof CommandError) throw error;
    const reason = error instanceof StoreBusy
      ? `Cannot read ${path}: ${error.message}`
      : (error as Error).message;
    throw new CommandError(reason, { cause: error });
  }
}

/** @throws {CommandError} */
function booksOf(store: MeasurementStore, measurement: string, path: string): MeasurementBooks {
  const names = store.names();
  if (names.includes(measurement)) return store.books(measurement);
  const found = names.length === 0 ? "none yet" : names.join(", ");
  throw new CommandError(`Cannot view ${JSON.stringify(measurement)}: measurements in ${path} are ${found}`);
}

/** Does what a file that is locked for a moment does not allow just now. */
async function patiently<T>(work: () => T, signal: AbortSignal): Promise<T> {
  for (const startedMs = performance.now();;) {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof StoreBusy) || performance.now() - startedMs > busyMs || signal.aborted) {
        throw error;
      }
    }
    await pause(retryMs, signal);
  }
}

/** The rows in the order of their times; there is a page at least, if only an empty one. */
async function* pages(
  books: MeasurementBooks,
  { limit, since, hist }: ViewOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly MeasurementRow[]> {
  const span = { hist, ...(since === undefined ? {} : { from: since }) };
  const read = (after: string, query: Pick<RowQuery, "limit" | "order">) =>
    patiently(() => books.rows({ ...span, ...query, ...(after === "" ? {} : { after }) }), signal);
  if (limit !== null) {
    const newest: MeasurementRow[] = [];
    for (let after: string | null = ""; after !== null && newest.length < limit;) {
      const wanted = { limit: Math.min(pageRows, limit - newest.length), order: "desc" } as const;
      const page: RowPage = await read(after, wanted);
      for (const row of page.rows) newest.push(row);
      after = page.next;
    }
    yield newest.reverse();
    return;
  }
  for (let after: string | null = ""; after !== null;) {
    const page: RowPage = await read(after, { limit: pageRows });
    yield page.rows;
    after = page.next;
  }
}

async function write(out: LineWriter, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += await out.write(bytes.subarray(done));
}
