/** The SQLite file of the measurements: opening it, its schema, its transactions, and what its failures mean.
 *
 * Tables whose names have a colon are the program's own (no topic's name has one); every measurement has a table of its topic's name
 * (measurement_tables.ts). Two traps: only statements tell the code of a failure, `exec()` keeps it to itself; and nothing here waits
 * for a lock, since the thread that asks has more to do. Left out: what the rows mean (measurement_store.ts), when old ones go
 * (measurement_retention.ts).
 * @see {@link https://www.sqlite.org/wal.html}
 * @module */
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

/** The file does not take what is written, or does not say what is in it, for the time being: locked, disk full, a failing disk, damaged.
 * Nothing of it happened; the same may work later. The message is the reason, one line. */
export class StoreBusy extends Error {
  override readonly name = "StoreBusy";
  /** Whether another program holds it, which may be over at any moment. */
  readonly isLocked: boolean;

  constructor(message: string, { isLocked = false, ...options }: ErrorOptions & { isLocked?: boolean } = {}) {
    super(message, options);
    this.isLocked = isLocked;
  }
}

/** For how long a write tells that the file takes more, and a refusal that it does not, ms. */
const writableMs = 5_000, refusedMs = 2_000;
const schemaVersion = 1;
// Of a book: version counts the commits, so that of two writers the later one notices. The next id is kept here, not taken from the rows:
// ids must never come again, as bins and marks begin at one. Rows before old_before are of logs that are no more; those before
// cleared_before have lost their places already.
const schema = [
  `CREATE TABLE "tailrace:meta" (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE "tailrace:books" (
     number INTEGER PRIMARY KEY, cluster TEXT NOT NULL, topic TEXT NOT NULL, table_name TEXT NOT NULL,
     version INTEGER NOT NULL, rows INTEGER NOT NULL, next_id INTEGER NOT NULL, old_before INTEGER NOT NULL,
     cleared_before INTEGER NOT NULL, covered TEXT NOT NULL, stored TEXT NOT NULL, more TEXT NOT NULL,
     snapshot TEXT NOT NULL, UNIQUE (cluster, topic))`,
  `CREATE TABLE "tailrace:bins" (
     book INTEGER NOT NULL, first_id INTEGER NOT NULL, edges TEXT NOT NULL, PRIMARY KEY (book, first_id))`,
  `CREATE TABLE "tailrace:marks" (
     book INTEGER NOT NULL, first_id INTEGER NOT NULL, stored_ms INTEGER NOT NULL,
     PRIMARY KEY (book, first_id)) WITHOUT ROWID`,
];

/** The open database. Statements are prepared once, by their text. */
export class MeasurementFile {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #writtenMs = -Infinity;
  #refused: { readonly error: StoreBusy; readonly atMs: number } | null = null;

  private constructor(db: DatabaseSync, readonly path: string, readonly isReadOnly: boolean) {
    this.#db = db;
  }

  /** Opens the file; unless it is only read, it and its folder are made when missing.
   * @throws {StoreBusy} if it cannot be opened now
   * @throws {Error} one line: missing, no database, or of another make */
  static open(path: string, isReadOnly: boolean): MeasurementFile {
    let db: DatabaseSync | undefined;
    try {
      if (isReadOnly) Deno.statSync(path);
      else Deno.mkdirSync(dirname(path), { recursive: true });
      db = new DatabaseSync(path, { timeout: 0, readOnly: isReadOnly });
      const file = new MeasurementFile(db, path, isReadOnly);
      file.#prepare();
      return file;
    } catch (error) {
      db?.close();
      const busy = busyOf(error);
      if (busy !== null) throw busy;
      throw new Error(`Cannot open ${path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** The statement of this text. Statements of tables that are renamed stay right: they are compiled again. */
  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#db.prepare(sql));
    return statement;
  }

  /** Forgets statements, which would pile up where tables change. */
  forgetStatements(): void {
    this.#statements.clear();
  }

  /** @throws {StoreBusy} as everything here */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#told(() => Number(this.statement(sql).run(...values).changes));
  }

  get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#told(() => this.statement(sql).get(...values));
  }

  all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#told(() => this.statement(sql).all(...values));
  }

  /** A statement that is used once, such as one that changes tables. */
  once(sql: string): void {
    this.#told(() => this.#db.prepare(sql).run());
  }

  pragma(name: string): number {
    return Number(this.get(`PRAGMA ${name}`)?.[name] ?? 0);
  }

  /** Runs `work` in one transaction, which no other writer comes between; what it throws takes everything back.
   * @throws {StoreBusy} if the file does not take it: nothing of it happened */
  transaction<T>(work: () => T): T {
    return this.#told(() => {
      try {
        this.statement("BEGIN IMMEDIATE").run();
        const result = work();
        this.statement("COMMIT").run();
        this.#writtenMs = performance.now();
        this.#refused = null;
        return result;
      } catch (error) {
        this.#writtenMs = -Infinity;
        this.#rollBack();
        const busy = busyOf(error);
        if (busy !== null && !busy.isLocked) this.#refused = { error: busy, atMs: performance.now() };
        throw error;
      }
    });
  }

  /** Returns if the file takes what is written, as far as the last writes tell, or else a small one that is tried. A full disk may still
   * take that: for a while the refusal of a larger one tells more.
   * @throws {StoreBusy} if it does not */
  checkWritable(): void {
    const nowMs = performance.now();
    if (this.#refused !== null && nowMs - this.#refused.atMs < refusedMs) throw this.#refused.error;
    if (nowMs - this.#writtenMs < writableMs) return;
    this.transaction(() =>
      this.run(`INSERT OR REPLACE INTO "tailrace:meta" VALUES ('probed', ?)`, String(Date.now()))
    );
  }

  /** Bytes of the file that hold data; free pages are left out. */
  usedBytes(): number {
    return (this.pragma("page_count") - this.pragma("freelist_count")) * this.pragma("page_size");
  }

  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #rollBack(): void {
    try {
      if (this.#db.isTransaction) this.#db.prepare("ROLLBACK").run();
    } catch { /* SQLite has rolled back by itself */ }
  }

  #told<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw busyOf(error) ?? error;
    }
  }

  #prepare(): void {
    if (this.isReadOnly) {
      this.once("PRAGMA busy_timeout = 0"); // the runtime forgets `timeout` where it only reads, and waits for 5 s
      if (this.#version() === 0) throw new Error("it holds no measurements");
      return;
    }
    const isNew = this.#version() === 0;
    if (isNew) {
      this.once("PRAGMA page_size = 8192");
      this.once("PRAGMA auto_vacuum = INCREMENTAL");
    }
    this.get("PRAGMA journal_mode = WAL");
    this.once("PRAGMA synchronous = NORMAL");
    this.once("PRAGMA cache_size = -16384"); // KiB
    this.once("PRAGMA journal_size_limit = 67108864");
    // A view that somebody has put over a table neither follows it when it is set aside nor stops that.
    this.once("PRAGMA legacy_alter_table = ON");
    if (!isNew) return; // and nothing is written: a full disk can still be read from
    this.transaction(() => {
      if (this.#version() !== 0) return; // another one was faster
      for (const table of schema) this.once(table);
      this.once(`PRAGMA user_version = ${schemaVersion}`);
    });
  }

  /** 0 if nothing of ours is in it. */
  #version(): number {
    const version = this.pragma("user_version");
    if (version > schemaVersion) {
      throw new Error(`its schema is version ${version}, this program knows ${schemaVersion}`);
    }
    const own = this.get("SELECT 1 FROM sqlite_schema WHERE name = 'tailrace:books'");
    if (version > 0 && own === undefined) throw new Error("it is a database of another program");
    return version;
  }
}

/** The Kafka cluster whose books are the present ones; empty when the file was never told. */
export function clusterOf(file: MeasurementFile): string {
  return String(file.get(`SELECT value FROM "tailrace:meta" WHERE name = 'cluster'`)?.value ?? "");
}

/** A name as SQL has it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const lockedCode = 5;
/** Primary result codes of SQLite that pass by, or that somebody has to see to, with what people are told.
 * @see {@link https://www.sqlite.org/rescode.html} */
const passing: ReadonlyMap<number, string> = new Map([
  [lockedCode, "the file is locked by another program"],
  [8, "the file may not be written"],
  [10, "the disk failed"],
  [11, "the file is damaged"],
  [13, "the disk is full"],
  [14, "the file cannot be opened"],
]);

/** The error as the caller's reason to wait, null if waiting does not help. */
function busyOf(error: unknown): StoreBusy | null {
  if (error instanceof StoreBusy) return error;
  const code = (error as { errcode?: unknown } | null)?.errcode;
  const primary = typeof code === "number" ? code & 0xff : 0, reason = passing.get(primary);
  if (reason === undefined) return null;
  return new StoreBusy(`${reason} (${reasonOf(error)})`, { cause: error, isLocked: primary === lockedCode });
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
}
