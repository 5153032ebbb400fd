/** Retention of the measurements' file: rows go when they were stored too long ago, or when the file is too large, oldest stored first.
 *
 * When a row was measured says nothing of its age here: what was imported from years ago stays as long as what is measured now. Marks
 * say which rows were there at a time. All tables count, those set aside for another cluster too. Works in pieces of some ms, which the
 * caller spreads.
 * @module */
import { type MeasurementFile, quoted } from "./measurement_file.ts";

/** What the file may hold; negative or Infinity for no limit. */
export interface Limits {
  /** Since a row was stored. */
  readonly ms: number;
  /** Of the pages that hold data, about. */
  readonly bytes: number;
}

interface Book {
  readonly number: number;
  readonly table: string;
  readonly rows: number;
  readonly nextId: number;
  /** Rows before it are of logs that are no more; the places of those before `clearedBefore` are forgotten. */
  readonly oldBefore: number;
  readonly clearedBefore: number;
}

/** How long one piece should take, ms. */
const pieceMs = 8;
const leastRows = 50, mostRows = 20_000;
/** Free pages that are given back at once, and the part of the file that may stay free: new rows need them soon. */
const pagesAtOnce = 256, spareShare = 1 / 8;
const longestMarkMs = 3_600_000, shortestMarkMs = 1_000;
/** Marks within the time that rows are kept, at least. */
const marksPerLife = 24;

/** Housekeeping of one file. */
export class Retention {
  readonly #file: MeasurementFile;
  readonly #now: () => number;
  #rows = 1_000;

  constructor(file: MeasurementFile, now: () => number) {
    this.#file = file;
    this.#now = now;
  }

  /** One piece. @returns whether there is more to do */
  sweep({ ms, bytes }: Limits): boolean {
    const maxMs = ms < 0 ? Infinity : ms, maxBytes = bytes < 0 ? Infinity : bytes;
    const books = this.#books();
    for (const book of books) this.#mark(book, maxMs);
    return books.some((book) => this.#forgetPlaces(book)) ||
      books.some((book) => this.#expire(book, maxMs)) ||
      this.#shrink(books, maxBytes) || this.#giveBack();
  }

  #books(): Book[] {
    const sql = `SELECT number, table_name, rows, next_id, old_before, cleared_before FROM "tailrace:books"
      WHERE table_name IN (SELECT name FROM sqlite_schema)`;
    return this.#file.all(sql).map((row) => ({
      number: Number(row.number),
      table: String(row.table_name),
      rows: Number(row.rows),
      nextId: Number(row.next_id),
      oldBefore: Number(row.old_before),
      clearedBefore: Number(row.cleared_before),
    }));
  }

  /** Notes now and then which rows are there. */
  #mark({ number, rows, nextId }: Book, maxMs: number): void {
    if (rows === 0) return;
    const sql =
      'SELECT first_id, stored_ms FROM "tailrace:marks" WHERE book = ? ORDER BY first_id DESC LIMIT 1';
    const newest = this.#file.get(sql, number), now = this.#now();
    const intervalMs = Math.min(Math.max(maxMs / marksPerLife, shortestMarkMs), longestMarkMs);
    const isSoon = newest !== undefined && Math.abs(now - Number(newest.stored_ms)) < intervalMs;
    if (isSoon || Number(newest?.first_id) === nextId) return;
    this.#file.transaction(() =>
      this.#file.run('INSERT OR REPLACE INTO "tailrace:marks" VALUES (?, ?, ?)', number, nextId, now)
    );
  }

  /** Rows of logs that are no more have no places; commits see to those that are in their way. */
  #forgetPlaces({ number, table, oldBefore, clearedBefore }: Book): boolean {
    if (clearedBefore >= oldBefore) return false;
    const file = this.#file;
    this.#timed((rows) => {
      const first = Number(
        file.get(`SELECT min(id) AS id FROM ${quoted(table)} WHERE id >= ?`, clearedBefore)?.id ?? oldBefore,
      );
      const end = Math.min(first + rows, oldBefore);
      file.run(
        `UPDATE ${quoted(table)} SET partition = NULL, "offset" = NULL
           WHERE id >= ? AND id < ? AND partition IS NOT NULL`,
        first,
        end,
      );
      file.run('UPDATE "tailrace:books" SET cleared_before = ? WHERE number = ?', end, number);
    });
    return true;
  }

  /** Rows that were there long ago. */
  #expire(book: Book, maxMs: number): boolean {
    if (maxMs === Infinity) return false;
    const sql = 'SELECT max(first_id) AS id FROM "tailrace:marks" WHERE book = ? AND stored_ms <= ?';
    const { id } = this.#file.get(sql, book.number, this.#now() - maxMs) ?? {};
    return typeof id === "number" && this.#delete(book, id);
  }

  /** Rows of the table whose oldest ones were stored first, no more than are too much. */
  #shrink(books: readonly Book[], maxBytes: number): boolean {
    const bytes = this.#file.usedBytes();
    if (bytes <= maxBytes) return false;
    const sql = 'SELECT first_id, stored_ms FROM "tailrace:marks" WHERE book = ? ORDER BY first_id LIMIT 1';
    const [oldest] = books.filter(({ rows }) => rows > 0).map((book) => {
      const mark = this.#file.get(sql, book.number);
      return { book, before: Number(mark?.first_id ?? book.nextId), ms: Number(mark?.stored_ms ?? Infinity) };
    }).toSorted((a, b) => a.ms === b.ms ? b.book.rows - a.book.rows : a.ms - b.ms);
    if (oldest === undefined) return false;
    const all = books.reduce((sum, { rows }) => sum + rows, 0);
    this.#delete(oldest.book, oldest.before, Math.ceil((bytes - maxBytes) / bytes * all));
    return true;
  }

  /** Deletes the oldest rows before an id, as many as a piece has. @returns whether there may be more */
  #delete({ number, table, nextId }: Book, before: number, most = Infinity): boolean {
    const file = this.#file, name = quoted(table);
    let isMore = false;
    this.#timed((rows) => {
      const next = file.get(`SELECT id FROM ${name} ORDER BY id LIMIT 1 OFFSET ?`, Math.min(rows, most))?.id;
      const end = Math.min(before, Number(next ?? before));
      const deleted = file.run(`DELETE FROM ${name} WHERE id < ?`, end);
      isMore = end < before;
      // All are gone then, also if somebody has deleted some by hand.
      const left = next === undefined && end >= nextId ? "0" : "rows - ?1";
      file.run(`UPDATE "tailrace:books" SET rows = ${left} WHERE number = ?2`, deleted, number);
      file.run('DELETE FROM "tailrace:marks" WHERE book = ? AND first_id <= ?', number, end);
    });
    return isMore;
  }

  /** Some free pages at the end of the file. */
  #giveBack(): boolean {
    const file = this.#file, free = file.pragma("freelist_count");
    if (free <= Math.max(pagesAtOnce, file.pragma("page_count") * spareShare)) return false;
    file.all(`PRAGMA incremental_vacuum(${pagesAtOnce})`);
    return file.pragma("freelist_count") < free;
  }

  /** A transaction whose time sets how many rows the next one has. */
  #timed(work: (rows: number) => void): void {
    const startedMs = performance.now();
    this.#file.transaction(() => work(this.#rows));
    const factor = Math.min(Math.max(pieceMs / (performance.now() - startedMs), 0.25), 2);
    this.#rows = Math.round(Math.min(Math.max(this.#rows * factor, leastRows), mostRows));
  }
}
