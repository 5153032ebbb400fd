/** The tables of the measurements: one for each topic, of its name, made for people to read too.
 *
 *     date TEXT, value REAL, hist, partition, "offset", counts, id
 *
 * `hist` is what the seed's tables have, JSON of the histogram after the row; it is put together when it is read, so that the edges are
 * in the file once. When the bins change, rows before keep the edges that they were counted with. A table whose name another one needs
 * (of another Kafka cluster, of a topic that differs in case, of another program) is set aside under a name with a colon.
 * @module */
import { type MeasurementFile, quoted } from "./measurement_file.ts";

/** Changes of the bins that rows are told with; the hist of those before is NULL. */
const maxBins = 8;

/** What a table is made for. */
export interface TableOwner {
  /** Of its row in "tailrace:books". */
  readonly number: number;
  readonly topic: string;
}

/** Bins from a row on. */
interface Bins {
  readonly firstId: number;
  /** JSON of the edges. */
  readonly edges: string;
}

/** What {@linkcode ensureTable} did. */
export interface TableMade {
  readonly isNew: boolean;
  /** The name that a table of another program has been set aside under. */
  readonly foreign?: string;
}

/** Gives a topic the table of its name: its own one, set aside before, or a new one; inside a transaction only. */
export function ensureTable(file: MeasurementFile, { number, topic }: TableOwner): TableMade {
  const own = String(
    file.get('SELECT table_name FROM "tailrace:books" WHERE number = ?', number)?.table_name,
  );
  const isThere = hasTable(file, own);
  if (own === topic && isThere) return { isNew: false };
  let foreign: string | undefined;
  for (const { name } of file.all("SELECT name FROM sqlite_schema WHERE name = ? COLLATE NOCASE", topic)) {
    foreign = setAside(file, String(name)) ?? foreign;
  }
  if (isThere) file.once(`ALTER TABLE ${quoted(own)} RENAME TO ${quoted(topic)}`);
  else makeTable(file, { number, topic });
  const rows = isThere ? "rows" : "0"; // none of a table that somebody has dropped
  file.run(`UPDATE "tailrace:books" SET table_name = ?, rows = ${rows} WHERE number = ?`, topic, number);
  file.forgetStatements();
  return foreign === undefined ? { isNew: !isThere } : { isNew: !isThere, foreign };
}

/** Sets the tables of all topics aside which are under their own names.
 * @param cluster of which Kafka cluster */
export function setClusterAside(file: MeasurementFile, cluster: string): void {
  const sql = 'SELECT table_name FROM "tailrace:books" WHERE cluster = ? AND table_name = topic';
  for (const row of file.all(sql, cluster)) {
    const name = String(row.table_name);
    if (hasTable(file, name)) setAside(file, name);
  }
}

/** Notes that the rows from `firstId` on are counted with these edges; inside a transaction only.
 * @param edges JSON */
export function addBins(file: MeasurementFile, number: number, firstId: number, edges: string): void {
  file.run('DELETE FROM "tailrace:bins" WHERE book = ? AND first_id >= ?', number, firstId);
  file.run('INSERT INTO "tailrace:bins" VALUES (?, ?, ?)', number, firstId, edges);
  file.run(
    `DELETE FROM "tailrace:bins" WHERE book = ?1 AND first_id NOT IN
       (SELECT first_id FROM "tailrace:bins" WHERE book = ?1 ORDER BY first_id DESC LIMIT ${maxBins})`,
    number,
  );
}

/** Makes `hist` of a table anew, after {@linkcode addBins}; inside a transaction only. */
export function renewHist(file: MeasurementFile, { number, topic }: TableOwner): void {
  const columns = file.all("SELECT name FROM pragma_table_xinfo(?) WHERE name = 'hist'", topic);
  if (columns.length > 0) file.once(`ALTER TABLE ${quoted(topic)} DROP COLUMN hist`);
  file.once(`ALTER TABLE ${quoted(topic)} ADD COLUMN ${histColumn(binsOf(file, number))}`);
  file.forgetStatements();
}

/** JSON of the edges that rows are counted with now. */
export function edgesOf(file: MeasurementFile, number: number): string | undefined {
  return binsOf(file, number)[0]?.edges;
}

function binsOf(file: MeasurementFile, number: number): Bins[] {
  const sql = 'SELECT first_id, edges FROM "tailrace:bins" WHERE book = ? ORDER BY first_id DESC';
  return file.all(sql, number).map((row) => ({ firstId: Number(row.first_id), edges: String(row.edges) }));
}

function makeTable(file: MeasurementFile, { number, topic }: TableOwner): void {
  file.once(
    `CREATE TABLE ${quoted(topic)} (
       date TEXT NOT NULL, value REAL NOT NULL, ${histColumn(binsOf(file, number))},
       partition INTEGER, "offset" INTEGER, counts TEXT, id INTEGER PRIMARY KEY, UNIQUE (partition, "offset"))`,
  );
  // In the order of pages of rows, with all that a series asks for.
  file.once(
    `CREATE INDEX IF NOT EXISTS ${quoted(`tailrace:date:${number}`)} ON ${quoted(topic)} (date, id, value)`,
  );
}

/** The edges are numbers in JSON, so they hold no quote that would end the text. */
function histColumn(bins: readonly Bins[]): string {
  const cases = bins.map(({ firstId, edges }) =>
    `WHEN id >= ${firstId} THEN '{"hist":['||counts||'],"bin_edges":${edges}}'`
  );
  return `hist TEXT GENERATED ALWAYS AS (${
    cases.length > 0 ? `CASE ${cases.join(" ")} END` : "NULL"
  }) VIRTUAL`;
}

/** @returns the new name of a table that is not ours */
function setAside(file: MeasurementFile, name: string): string | undefined {
  const book = file.get('SELECT number, topic FROM "tailrace:books" WHERE table_name = ?', name);
  const aside = book === undefined ? freeName(file, `${name}:before`) : `${book.topic}:${book.number}`;
  const row = file.get("SELECT type FROM sqlite_schema WHERE name = ?", name);
  if (row?.type !== "table") {
    throw new Error(`Cannot store ${name} as the file has a ${row?.type} of that name`);
  }
  file.once(`ALTER TABLE ${quoted(name)} RENAME TO ${quoted(aside)}`);
  file.forgetStatements();
  if (book === undefined) return aside;
  file.run('UPDATE "tailrace:books" SET table_name = ? WHERE number = ?', aside, Number(book.number));
  return undefined;
}

function freeName(file: MeasurementFile, wanted: string): string {
  for (let n = 1;; n++) {
    const name = n === 1 ? wanted : `${wanted}-${n}`;
    if (!hasTable(file, name)) return name;
  }
}

/** Whether there is a table, an index or a view of exactly this name. */
function hasTable(file: MeasurementFile, name: string): boolean {
  return file.get("SELECT 1 FROM sqlite_schema WHERE name = ?", name) !== undefined;
}
