/** The measurements' file, `measurements.db`: rows, histograms and the places in the topics, always of one moment.
 *
 *     worker.ts → histogram_processor.ts → MeasurementStore.books(name).commit(…) → one SQLite transaction
 *
 * Positions are in the transaction of what they cover, so a killed process has neither lost nor doubled anything; after a power cut the
 * newest transactions may be missing, and their records are read again. Several writers may share a file: each commit builds on the
 * state that its writer has loaded, else it is a conflict and nothing happens. Every Kafka cluster has books of its own. Left out:
 * waiting for a file that is busy (the caller's; nothing here waits), what a histogram is (histogram.ts).
 *
 * measurement_file.ts opens, measurement_tables.ts shapes the tables, measurement_rows.ts fills them, measurement_queries.ts asks,
 * measurement_retention.ts deletes.
 * @module */
import { type Logger, silentLogger } from "../../logger.ts";
import { MeasurementBooks } from "./measurement_books.ts";
import { clusterOf, MeasurementFile } from "./measurement_file.ts";
import { type Limits, Retention } from "./measurement_retention.ts";
import { ensureTable, setClusterAside } from "./measurement_tables.ts";

export { MeasurementBooks, type NewBooks, type StoredBooks } from "./measurement_books.ts";
export { StoreBusy } from "./measurement_file.ts";
export type { Limits } from "./measurement_retention.ts";
export type { NewRow } from "./measurement_rows.ts";

/** How a file is opened. */
export interface MeasurementStoreOptions {
  /** For who only looks; a missing file is an error then. */
  readonly readOnly?: boolean;
  readonly log?: Logger;
  /** ms since the epoch; for tests. */
  readonly now?: () => number;
}

/** The file. Open it with {@linkcode MeasurementStore.open}. Everything throws {@linkcode StoreBusy} when the file is locked, the disk
 * full or failing: nothing of it happened then. */
export class MeasurementStore implements Disposable {
  /** The database behind it, for its own parts and tests. */
  readonly file: MeasurementFile;
  readonly #log: Logger;
  readonly #books = new Map<string, MeasurementBooks>();
  readonly #retention: Retention;
  /** What Kafka told; undefined until then. */
  #cluster: string | undefined;

  private constructor(
    file: MeasurementFile,
    { log = silentLogger, now = Date.now }: MeasurementStoreOptions,
  ) {
    this.file = file;
    this.#log = log;
    this.#retention = new Retention(file, now);
  }

  /** Opens the file; unless it is only read, it and its folder are made when missing.
   * @throws {StoreBusy} if it cannot be opened now: the caller waits and opens again
   * @throws {Error} one line: it is missing, no database, of a newer version */
  static open(path: string, options: MeasurementStoreOptions = {}): MeasurementStore {
    return new MeasurementStore(MeasurementFile.open(path, options.readOnly ?? false), options);
  }

  /** Tells which Kafka cluster the topics are of. When the file's books are of another one, its tables are set aside under names with a
   * colon, and those of this one come back; all books are to be loaded again then. Until it is called the file's newest cluster is
   * meant. */
  useCluster(id: string): void {
    const { file } = this, before = clusterOf(file);
    if (before !== id) this.#changeCluster(id);
    this.#cluster = id;
    if (before !== "" && before !== id) {
      this.#log.warn("the file of measurements is of another cluster", { before, cluster: id });
    }
  }

  /** The measurements that the file has books of, in the order of their names. */
  names(): string[] {
    const sql = 'SELECT topic FROM "tailrace:books" WHERE cluster = ? ORDER BY topic';
    return this.file.all(sql, clusterOf(this.file)).map((row) => String(row.topic));
  }

  /** The books of a measurement, the same each time; nothing is read or written yet. */
  books(topic: string): MeasurementBooks {
    let books = this.#books.get(topic);
    if (books === undefined) {
      books = new MeasurementBooks(this.file, topic, () => this.#cluster, this.#log);
      this.#books.set(topic, books);
    }
    return books;
  }

  /** One piece of housekeeping, of some ms: what is too old or too much goes, and the file becomes smaller.
   * @returns whether there is more to do now; otherwise a minute or so is soon enough */
  sweep(limits: Limits): boolean {
    return this.#retention.sweep(limits);
  }

  /** Bytes of the file that hold data. */
  usedBytes(): number {
    return this.file.usedBytes();
  }

  /** Returns if the file takes what is written; tries it when the last write was a while ago.
   * @throws {StoreBusy} if it does not */
  checkWritable(): void {
    this.file.checkWritable();
  }

  close(): void {
    this.file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #changeCluster(id: string): void {
    const { file } = this;
    file.transaction(() => {
      const now = clusterOf(file);
      if (now === id) return;
      if (now === "") file.run(`UPDATE "tailrace:books" SET cluster = ? WHERE cluster = ''`, id);
      else setClusterAside(file, now);
      file.run(`INSERT OR REPLACE INTO "tailrace:meta" VALUES ('cluster', ?)`, id);
      for (const row of file.all('SELECT number, topic FROM "tailrace:books" WHERE cluster = ?', id)) {
        ensureTable(file, { number: Number(row.number), topic: String(row.topic) });
      }
    });
  }
}
