/** The books of one measurement: its state and its rows, read and written together. A part of measurement_store.ts.
 * @module */
import type { Logger } from "../../logger.ts";
import type {
  Covered,
  HistogramSnapshot,
  RowPage,
  RowQuery,
  Series,
  SeriesQuery,
} from "./histogram_types.ts";
import { clusterOf, type MeasurementFile, quoted, StoreBusy } from "./measurement_file.ts";
import { rowPage, seriesOf, type TableNow } from "./measurement_queries.ts";
import { clearPlaces, insertRows, type NewRow } from "./measurement_rows.ts";
import { addBins, edgesOf, ensureTable, renewHist } from "./measurement_tables.ts";

/** What a commit makes of the books. */
export interface NewBooks {
  /** How far is counted. Another `log` than before: the rows that are there are of a log that is no more, and lose their places. */
  readonly covered: Covered;
  /** How far rows are stored, in the same log: the next offset of each partition. Behind `covered` after counts of another instance were
   * taken over. */
  readonly stored: Readonly<Record<number, number>>;
  /** In the order in which they were counted. One whose place is in the file already is passed over. */
  readonly rows: readonly NewRow[];
  /** Other edges than before: earlier rows keep theirs in `hist`. */
  readonly snapshot: HistogramSnapshot;
  /** What counting needs beside the snapshot, as JSON. */
  readonly more: unknown;
}

/** What was committed last. */
export interface StoredBooks extends Omit<NewBooks, "rows"> {
  /** In the table, after retention. */
  readonly rows: number;
}

/** What a writer believes to be in the file: it may only write if that is so. */
interface Known {
  /** Of the row in "tailrace:books"; 0 for none. */
  readonly number: number;
  readonly version: number;
  readonly log: number;
  readonly edges: readonly number[];
  /** Whether the table has been looked at since. */
  readonly isTableReady: boolean;
}

/** The books' row as a commit finds it. */
interface Head {
  readonly number: number;
  readonly version: number;
  /** The present name of the table. */
  readonly table: string;
  readonly nextId: number;
  readonly oldBefore: number;
}

const nothing: Known = { number: 0, version: 0, log: 0, edges: [], isTableReady: false };
/** Rows of one piece of {@linkcode MeasurementBooks.values}. */
const valuesAtOnce = 20_000;

/** One measurement in the file. */
export class MeasurementBooks {
  readonly #file: MeasurementFile;
  readonly #cluster: () => string | undefined;
  readonly #log: Logger;
  #known = nothing;

  /** @param cluster what Kafka told; undefined: that of the file */
  constructor(file: MeasurementFile, readonly topic: string, cluster: () => string | undefined, log: Logger) {
    this.#file = file;
    this.#cluster = cluster;
    this.#log = log;
  }

  /** What was committed last, null when there are no books yet. The next commit builds on it. */
  load(): StoredBooks | null {
    const row = this.#row("*");
    if (row === undefined) {
      this.#known = nothing;
      return null;
    }
    const covered: Covered = JSON.parse(String(row.covered));
    const snapshot: HistogramSnapshot = JSON.parse(String(row.snapshot));
    const { log } = covered, edges = snapshot.bin_edges;
    this.#known = {
      number: Number(row.number),
      version: Number(row.version),
      log,
      edges,
      isTableReady: false,
    };
    const stored = JSON.parse(String(row.stored)), more = JSON.parse(String(row.more));
    return { covered, stored, snapshot, more, rows: Number(row.rows) };
  }

  /** Writes rows, counts and places in one transaction.
   * @returns `conflict` when another writer was here since `load()` or the last commit: nothing happened, and nothing will until the next
   * `load()`
   * @throws {StoreBusy} if the file does not take it now: the same may be committed later */
  commit(books: NewBooks): "committed" | "conflict" {
    const file = this.#file, known = this.#known;
    let foreign: string | undefined;
    const number = file.transaction(() => {
      const cluster = this.#checkedCluster();
      const found = this.#head(cluster);
      if ((found?.number ?? 0) !== known.number || (found?.version ?? 0) !== known.version) return null;
      const head = found ?? this.#begin(cluster);
      foreign = this.#shape(head, books.snapshot.bin_edges);
      this.#write(head, books);
      return head.number;
    });
    if (number === null) return "conflict";
    if (foreign !== undefined) {
      this.#log.warn("a table of another program was set aside", { table: this.topic, now: foreign });
    }
    const { covered: { log }, snapshot: { bin_edges: edges } } = books;
    this.#known = { number, version: known.version + 1, log, edges, isTableReady: true };
    return "committed";
  }

  /** Rows in the table, after retention. */
  rowCount(): number {
    return Number(this.#row("rows")?.rows ?? 0);
  }

  /** A page of rows. It may end before its limit when their `hist` is large; `next` tells.
   * @throws {StreamError} 400 `invalid-after` */
  rows(query: RowQuery): RowPage {
    return rowPage(this.#file, this.#table(), query);
  }

  /** The course in steps; the loop is given back between pieces. */
  series(query: SeriesQuery): Promise<Series> {
    return seriesOf(this.#file, this.#table(), query);
  }

  /** All rows in the order in which they were stored, in pieces, between which others may have their turn. */
  *values(): Generator<{ readonly value: number; readonly timeMs: number }[]> {
    for (let after = 0;;) {
      const { name } = this.#table();
      if (name === null) return;
      const sql = `SELECT value, date, id FROM ${
        quoted(name)
      } WHERE id > ? ORDER BY id LIMIT ${valuesAtOnce}`;
      const rows = this.#file.all(sql, after);
      if (rows.length === 0) return;
      after = Number(rows.at(-1)!.id);
      yield rows.map(({ value, date }) => ({ value: Number(value), timeMs: Date.parse(String(date)) }));
    }
  }

  /** Another process may have put the books of another cluster into the file. */
  #checkedCluster(): string {
    const found = clusterOf(this.#file), wanted = this.#cluster() ?? found;
    if (found !== wanted) {
      throw new StoreBusy(`the file is in use for another Kafka cluster, ${found || "none"}`);
    }
    return found;
  }

  #head(cluster: string): Head | undefined {
    const sql = `SELECT number, version, table_name, next_id, old_before FROM "tailrace:books"
      WHERE cluster = ? AND topic = ?`;
    const row = this.#file.get(sql, cluster, this.topic);
    if (row === undefined) return;
    return {
      number: Number(row.number),
      version: Number(row.version),
      table: String(row.table_name),
      nextId: Number(row.next_id),
      oldBefore: Number(row.old_before),
    };
  }

  /** @returns new books */
  #begin(cluster: string): Head {
    this.#file.run(
      `INSERT INTO "tailrace:books" VALUES (NULL, ?1, ?2, '', 0, 0, 1, 0, 0, '', '', '', '')`,
      cluster,
      this.topic,
    );
    return this.#head(cluster)!;
  }

  /** Sees to the table and to the edges of its `hist`. @returns as {@linkcode ensureTable} */
  #shape({ number, table, nextId }: Head, edges: readonly number[]): string | undefined {
    const { isTableReady, edges: before } = this.#known, file = this.#file;
    // Another process may have set the table aside for a topic that differs in case.
    if (isTableReady && table === this.topic && isSame(edges, before)) return;
    const text = JSON.stringify(edges), isOther = edgesOf(file, number) !== text;
    if (isOther) addBins(file, number, nextId, text);
    const { isNew, foreign } = ensureTable(file, { number, topic: this.topic });
    if (isOther && !isNew) renewHist(file, { number, topic: this.topic });
    return foreign;
  }

  #write({ number, nextId, oldBefore: before }: Head, books: NewBooks): void {
    const { covered, stored, rows, snapshot, more } = books, file = this.#file;
    const isAnew = this.#known.number !== 0 && covered.log !== this.#known.log;
    const oldBefore = isAnew ? nextId : before;
    if (oldBefore > 0 && rows.length > 0) clearPlaces(file, this.topic, rows, oldBefore);
    const added = insertRows(file, this.topic, rows, nextId);
    file.run(
      `UPDATE "tailrace:books" SET version = version + 1, rows = rows + ?, next_id = ?, old_before = ?,
         covered = ?, stored = ?, more = ?, snapshot = ? WHERE number = ?`,
      added,
      nextId + rows.length,
      oldBefore,
      JSON.stringify(covered),
      JSON.stringify(stored),
      JSON.stringify(more ?? null),
      JSON.stringify(snapshot),
      number,
    );
  }

  /** Columns of the books' row. */
  #row(columns: string): Record<string, unknown> | undefined {
    const cluster = this.#cluster() ?? clusterOf(this.#file);
    const sql = `SELECT ${columns} FROM "tailrace:books" WHERE cluster = ? AND topic = ?`;
    return this.#file.get(sql, cluster, this.topic);
  }

  #table(): TableNow {
    const row = this.#row("table_name, old_before");
    return {
      name: row === undefined ? null : String(row.table_name),
      oldBefore: Number(row?.old_before ?? 0),
    };
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((edge, i) => edge === b[i]));
}
