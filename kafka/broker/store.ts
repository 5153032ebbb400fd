/** The broker's one SQLite file, `broker.db`, behind a group commit: what is written while the loop is busy shares one
 * transaction and one fsync. Owns the data folder through a lock, the schema of topics, partitions and batches, and
 * the few values of the `meta` table. What the rows mean is said by their owners (log.ts, producers.ts, offsets.ts).
 * Left out: any second connection; all of the broker's reads and writes happen in one thread.
 * @see {@link https://www.sqlite.org/wal.html} @module */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { Histogram } from "./histogram.ts";
import type { BrokerLogger } from "./logger.ts";

/** A write that did not reach the disk: a full disk or an I/O error. Nothing of it happened. */
export class StorageError extends Error {
  override readonly name = "StorageError";
}

/** How a store is opened. */
export interface StoreOptions {
  /** Folder of `broker.db` and `broker.lock`; made when missing. */
  readonly dataDir: string;
  /** `full`: what is acknowledged survives a power cut; `normal`: it survives a killed process. */
  readonly sync: "full" | "normal";
  readonly logger: BrokerLogger;
}

interface Write {
  readonly apply: () => unknown;
  readonly undo: (() => unknown) | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Applied {
  readonly write: Write;
  readonly value: unknown;
}

/** Bounds of the commit time histogram, in seconds. */
const COMMIT_SECONDS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

const SCHEMA_VERSION = 1;
// Batches carry the running maximum of the timestamps of their partition (top_ts): it only grows with the offset, so
// a timestamp is found by bisection over the primary key without an index of its own. The bytes come last, so that
// reading the other columns of a big row never touches its overflow pages. Batches are no WITHOUT ROWID table: SQLite
// reads the whole of a big row each time it compares its key there.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS topic_configs (
    topic INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (topic, name)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS partitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, number INTEGER NOT NULL,
    log_start INTEGER NOT NULL, bytes INTEGER NOT NULL, UNIQUE (topic, number));
  CREATE TABLE IF NOT EXISTS batches (
    partition INTEGER NOT NULL, base INTEGER NOT NULL, last INTEGER NOT NULL, max_ts INTEGER NOT NULL,
    top_ts INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (partition, base));
  CREATE TABLE IF NOT EXISTS dead_partitions (partition INTEGER PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS producers (
    partition INTEGER NOT NULL, producer INTEGER NOT NULL, epoch INTEGER NOT NULL, seen_ms INTEGER NOT NULL,
    batches TEXT NOT NULL, PRIMARY KEY (partition, producer)) WITHOUT ROWID;
`;

/** The database and its group commit. Open it with {@link Store.open}. */
export class Store implements AsyncDisposable {
  /** For prepared reads, and for writes inside `write()` only. */
  readonly db: DatabaseSync;
  /** Seconds a commit took, from BEGIN to the end of COMMIT. */
  readonly commitSeconds = new Histogram(COMMIT_SECONDS);
  readonly #lock: Deno.FsFile;
  readonly #logger: BrokerLogger;
  readonly #beforeCommit: (() => void)[] = [];
  #queue: Write[] = [];
  #scheduled = false;
  #closed = false;
  #writable = true;
  #lastFailureMs = -Infinity;

  /** @param dataDir the folder of the database, as it was given */
  private constructor(db: DatabaseSync, readonly dataDir: string, lock: Deno.FsFile, logger: BrokerLogger) {
    this.db = db;
    this.#lock = lock;
    this.#logger = logger;
  }

  /** Locks the folder, opens or makes the database.
   * @throws {Error} one line: the folder is in use, cannot be written, or holds a database of another make */
  static async open(options: StoreOptions): Promise<Store> {
    const { dataDir } = options;
    const lock = await lockFolder(dataDir);
    let db: DatabaseSync | undefined;
    try {
      if (options.sync === "full") syncFiles(dataDir);
      db = new DatabaseSync(`${dataDir}/broker.db`, { timeout: 0 });
      prepareDatabase(db, options.sync);
      return new Store(db, dataDir, lock, options.logger);
    } catch (error) {
      db?.close();
      lock.close();
      throw new Error(`Cannot open ${dataDir}/broker.db: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Runs `apply` inside the next group commit.
   *
   * `apply` is synchronous and sees what earlier writes of the same group did. If it throws, only its own changes are
   * taken back and only this call rejects.
   * @param undo takes back what `apply` changed in memory; called when `apply` returned but its changes
   * did not reach the disk, later writes first
   * @returns what `apply` returned, once that is on disk
   * @throws {StorageError} if the commit failed */
  write<T>(apply: () => T, undo?: () => unknown): Promise<T> {
    if (this.#closed) return Promise.reject(new StorageError("Cannot write as the store is closed"));
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ apply, undo, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Registers work that joins every transaction just before its COMMIT: rows that many writes of a group touch are
   * written once there. It must be repeatable: after a failed commit it is asked again. */
  beforeCommit(work: () => void): void {
    this.#beforeCommit.push(work);
  }

  /** Resolves if the disk takes writes: at once when the last commit did, else by trying one.
   * @throws {StorageError} if it does not */
  async checkWritable(): Promise<void> {
    if (this.#closed || !this.#writable) await this.write(() => this.setMeta("probed", String(Date.now())));
  }

  /** A value that outlives the process, such as the cluster id. */
  meta(name: string): string | undefined {
    const row = this.db.prepare("SELECT value FROM meta WHERE name = ?").get(name);
    return row === undefined ? undefined : String(row.value);
  }

  /** Sets a value; inside `write()` only. */
  setMeta(name: string, value: string): void {
    this.db.prepare("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")
      .run(name, value);
  }

  /** Bytes of the database file that hold data, free pages left out. */
  usedBytes(): number {
    const pragma = (name: string): number => Number(this.db.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
    return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
  }

  /** Commits what waits, folds the write-ahead log into the database, closes it and gives the folder free. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    await this.write(() => {}).catch(() => {});
    this.#closed = true;
    try {
      this.db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      this.#logger.warn("cannot checkpoint the log", { error: messageOf(error) });
    }
    this.db.close();
    this.#lock.close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the sockets were polled: whatever came in together is committed together, without a timer.
    setImmediate(() => {
      this.#scheduled = false;
      const group = this.#queue;
      this.#queue = [];
      if (group.length > 0) this.#commit(group);
    });
  }

  #commit(group: Write[]): void {
    const started = performance.now();
    const applied: Applied[] = [];
    try {
      this.db.exec("BEGIN IMMEDIATE");
      for (const write of group) this.#apply(write, applied, group.length > 1);
      if (applied.length > 0) { for (const work of this.#beforeCommit) work(); }
      this.db.exec(applied.length > 0 ? "COMMIT" : "ROLLBACK");
    } catch (error) {
      this.#fail(group, applied, error);
      return;
    }
    this.#writable ||= applied.length > 0;
    this.commitSeconds.observe((performance.now() - started) / 1000);
    for (const { write, value } of applied) write.resolve(value);
  }

  /** A throw of `apply` rejects its caller alone, unless SQLite gave the transaction up: then the group fails. */
  #apply(write: Write, applied: Applied[], shared: boolean): void {
    if (shared) this.db.exec("SAVEPOINT caller");
    try {
      applied.push({ write, value: write.apply() });
    } catch (error) {
      if (!this.db.isTransaction) throw error;
      if (shared) this.db.exec("ROLLBACK TO caller");
      write.reject(isSqliteError(error) ? storageError(error) : error);
      if (isSqliteError(error)) {
        this.#writable = false;
        this.#logFailure(error);
      }
    }
    if (shared) this.db.exec("RELEASE caller");
  }

  #fail(group: Write[], applied: Applied[], cause: unknown): void {
    try {
      if (this.db.isTransaction) this.db.exec("ROLLBACK");
    } catch { /* SQLite has rolled back by itself */ }
    for (const { write } of applied.reverse()) write.undo?.();
    const error = storageError(cause);
    this.#writable = false;
    this.#logFailure(cause);
    for (const write of group) write.reject(error); // those that were rejected by their own throw stay so
  }

  /** At most one line a second: a full disk fails every commit. */
  #logFailure(error: unknown): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastFailureMs < 1000) return;
    this.#lastFailureMs = nowMs;
    this.#logger.error("cannot write to the log", { error: messageOf(error) });
  }
}

/** A statement that is prepared when it is first used, so that owners can name theirs before tables exist. */
export function lazyStatement(db: DatabaseSync, sql: string): () => StatementSync {
  let statement: StatementSync | undefined;
  return () => statement ??= db.prepare(sql);
}

async function lockFolder(dataDir: string): Promise<Deno.FsFile> {
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(dataDir, { recursive: true });
    file = await Deno.open(`${dataDir}/broker.lock`, { create: true, read: true, write: true });
  } catch (error) {
    throw new Error(`Cannot use data folder ${dataDir}: ${messageOf(error)}`, { cause: error });
  }
  if (await file.tryLock(true)) return file;
  file.close();
  throw new Error(`Cannot use data folder ${dataDir} as another broker is running on it`);
}

/** A killed broker may have written a commit and not have reached its fsync. SQLite takes that commit for done, and so will
 * whoever is answered from now on ("this batch was here already"): so it is put on the disk first. */
function syncFiles(dataDir: string): void {
  for (const name of ["broker.db-wal", "broker.db"]) {
    try {
      using file = Deno.openSync(`${dataDir}/${name}`);
      file.syncDataSync();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function prepareDatabase(db: DatabaseSync, sync: "full" | "normal"): void {
  // First of all: then the index of the write-ahead log lives in memory and needs no room on the disk.
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  db.exec("PRAGMA page_size = 16384");
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(`PRAGMA synchronous = ${sync === "full" ? "FULL" : "NORMAL"}`);
  db.exec("PRAGMA journal_size_limit = 67108864");
  db.exec("PRAGMA cache_size = -16384"); // KiB: a usual group commit, which would be written twice if it did not fit
  const version = Number(db.prepare("PRAGMA user_version").get()?.user_version ?? 0);
  if (version > SCHEMA_VERSION) {
    throw new Error(`its schema is version ${version}, this program knows ${SCHEMA_VERSION}`);
  }
  if (version === SCHEMA_VERSION) return; // and nothing is written: a full disk can still be read from
  db.exec(SCHEMA);
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}

function storageError(cause: unknown): StorageError {
  return cause instanceof StorageError ? cause : new StorageError(messageOf(cause), { cause });
}

function isSqliteError(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "ERR_SQLITE_ERROR";
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
