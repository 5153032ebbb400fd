import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { MeasurementStore, StoreBusy } from "../../../kafka/processors/measurement_store.ts";
import { quickly } from "../../eventually.ts";
import {
  commitTo,
  edges,
  newYearMs,
  placesOf,
  rowAt,
  rowsAt,
  snapshotOf,
  withFile,
  withStore,
} from "./measurement_ground.ts";

function everything(path: string, table: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path);
  try {
    return db.prepare(`SELECT * FROM "${table}" ORDER BY id`).all().map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

Deno.test("MeasurementBooks.load() has after another opening what commit() has written", () =>
  withFile((path) => {
    const more = { m2: 1 / 3 };
    const state = {
      covered: { log: 0, positions: { 0: 2, 5: 7 } },
      stored: { 0: 2, 5: 6 },
      snapshot: snapshotOf(2),
      more,
    };
    {
      using store = MeasurementStore.open(path);
      const books = store.books("humidity");
      assertEquals(books.load(), null);
      assertEquals(books.rows({ limit: 10 }), { rows: [], next: null });
      assertEquals(books.commit({ ...state, rows: rowsAt(0, 2) }), "committed");
    }
    using store = MeasurementStore.open(path);
    assertEquals(store.names(), ["humidity"]);
    const books = store.books("humidity");
    assertEquals(books.load(), { ...state, rows: 2 });
    assertEquals(books.rowCount(), 2);
    assertEquals(placesOf(books), [[0, 0, 0], [0, 1, 1]]);
  }));

Deno.test("MeasurementBooks.commit() makes a table that reads as the seed's, with hist of the row", () =>
  withStore((store, path) => {
    const name = "room-1.humidity";
    commitTo(store.books(name), 2, [rowAt(0), rowAt(1, { counts: null, value: 1.5 })]);
    assertEquals(everything(path, name), [
      {
        date: "2024-01-01T00:00:00.000Z",
        value: 0,
        hist: '{"hist":[1,0],"bin_edges":[0,10,20]}',
        partition: 0,
        offset: 0,
        counts: "1,0",
        id: 1,
      },
      {
        date: "2024-01-01T00:00:01.000Z",
        value: 1.5,
        hist: null,
        partition: 0,
        offset: 1,
        counts: null,
        id: 2,
      },
    ]);
    const columns = everything(path, name).map((row) => Object.keys(row).slice(0, 3));
    assertEquals(columns[0], ["date", "value", "hist"]);
  }));

Deno.test("MeasurementBooks.commit() of many rows keeps them all, also of 50 at once and the rest", () =>
  withStore((store) => {
    const books = store.books("humidity");
    assertEquals(commitTo(books, 137, rowsAt(0, 137)), "committed");
    assertEquals(placesOf(books), Array.from({ length: 137 }, (_, i) => [0, i, i]));
    assertEquals(books.rowCount(), 137);
  }));

Deno.test("MeasurementBooks.commit() without rows moves the places", () =>
  withStore((store) => {
    const books = store.books("humidity");
    assertEquals(commitTo(books, 0, []), "committed");
    assertEquals(commitTo(books, 5, []), "committed");
    assertEquals(books.load()?.covered, { log: 0, positions: { 0: 5 } });
    assertEquals(books.rowCount(), 0);
  }));

Deno.test("MeasurementBooks.commit() passes over rows whose places are stored", () =>
  withStore((store) => {
    const books = store.books("humidity");
    commitTo(books, 60, rowsAt(0, 60));
    commitTo(books, 120, rowsAt(30, 120, { value: 7 }));
    assertEquals(books.rowCount(), 120);
    assertEquals(placesOf(books).filter(([, , value]) => value === 7).length, 61); // one is offset 7 itself
  }));

Deno.test("MeasurementBooks.commit() is a conflict for the writer that did not see the other's commit", () =>
  withFile((path) => {
    using one = MeasurementStore.open(path);
    using two = MeasurementStore.open(path);
    const first = one.books("humidity"), second = two.books("humidity");
    assertEquals([first.load(), second.load()], [null, null]);
    assertEquals(commitTo(first, 1, rowsAt(0, 1)), "committed");
    assertEquals(commitTo(second, 1, rowsAt(0, 1)), "conflict");
    assertEquals(commitTo(second, 1, rowsAt(0, 1)), "conflict");
    assertEquals(second.load()?.covered.positions, { 0: 1 });
    assertEquals(commitTo(second, 3, rowsAt(1, 3)), "committed");
    assertEquals(commitTo(first, 3, rowsAt(1, 3)), "conflict");
    first.load();
    assertEquals(commitTo(first, 4, rowsAt(3, 4)), "committed");
    assertEquals(placesOf(second), [[0, 0, 0], [0, 1, 1], [0, 2, 2], [0, 3, 3]]);
    assertEquals(second.rowCount(), 4);
  }));

Deno.test("MeasurementBooks.commit() of another log takes the older rows' places and stores the same ones anew", () =>
  withStore((store, path) => {
    const books = store.books("humidity");
    commitTo(books, 4, rowsAt(0, 4));
    assertEquals(commitTo(books, 2, rowsAt(0, 2, { timeMs: newYearMs + 60_000 }), { log: 1 }), "committed");
    assertEquals(books.rowCount(), 6);
    const expected = [[null, null, 0], [null, null, 1], [null, null, 2], [null, null, 3], [0, 0, 0], [
      0,
      1,
      1,
    ]];
    assertEquals(placesOf(books), expected);
    while (store.sweep({ ms: -1, bytes: -1 }));
    const stored = everything(path, "humidity").map((
      { partition, offset, value },
    ) => [partition, offset, value]);
    assertEquals(stored, expected);
    assertEquals(books.load()?.covered, { log: 1, positions: { 0: 2 } });
    commitTo(books, 3, rowsAt(2, 3), { log: 1 });
    assertEquals(placesOf(books).filter(([partition]) => partition === 0).length, 3);
  }));

Deno.test("MeasurementBooks.commit() with other edges leaves the older rows the edges they were counted with", () =>
  withStore((store) => {
    const books = store.books("humidity");
    commitTo(books, 1, rowsAt(0, 1));
    commitTo(books, 2, [rowAt(1, { counts: "1,2,3" })], { bins: [0, 1, 2, 3] });
    commitTo(books, 3, [rowAt(2, { counts: "1,2,4" })], { bins: [0, 1, 2, 3] });
    commitTo(books, 4, [rowAt(3)]);
    assertEquals(books.rows({ limit: 9, hist: true }).rows.map(({ hist }) => hist), [
      '{"hist":[1,0],"bin_edges":[0,10,20]}',
      '{"hist":[1,2,3],"bin_edges":[0,1,2,3]}',
      '{"hist":[1,2,4],"bin_edges":[0,1,2,3]}',
      '{"hist":[4,0],"bin_edges":[0,10,20]}',
    ]);
    for (let i = 4; i < 24; i++) commitTo(books, i + 1, [rowAt(i)], { bins: [i, i + 1, i + 2] });
    const { rows } = books.rows({ limit: 99, hist: true });
    assertEquals(rows.map(({ hist }) => hist !== null), rows.map((_, i) => i >= 16));
    assertEquals(books.load()?.snapshot.bin_edges, [23, 24, 25]);
  }));

Deno.test("MeasurementBooks.values() has all rows in the order in which they were stored", () =>
  withStore((store) => {
    const books = store.books("humidity");
    assertEquals([...books.values()], []);
    commitTo(books, 2, [rowAt(0, { timeMs: newYearMs + 5 }), rowAt(1, { timeMs: newYearMs, counts: null })]);
    assertEquals([...books.values()], [[{ value: 0, timeMs: newYearMs + 5 }, {
      value: 1,
      timeMs: newYearMs,
    }]]);
    commitTo(books, 25_000, rowsAt(2, 25_000));
    assertEquals([...books.values()].map((piece) => piece.length), [20_000, 5_000]);
  }));

Deno.test("MeasurementBooks.commit() throws StoreBusy while another program writes, and works after it", () =>
  withStore(async (store, path) => {
    const books = store.books("humidity");
    commitTo(books, 1, rowsAt(0, 1));
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await quickly("the refusals", 1_000, () => {
      const error = assertThrows(() => commitTo(books, 2, rowsAt(1, 2)), StoreBusy);
      assertEquals(error.message, "the file is locked by another program (database is locked)");
      assertThrows(() => store.checkWritable(), StoreBusy);
    });
    assertEquals(placesOf(books), [[0, 0, 0]]); // reads go on
    other.exec("ROLLBACK");
    store.checkWritable();
    assertEquals(commitTo(books, 2, rowsAt(1, 2)), "committed");
    other.close();
    assertEquals(placesOf(books), [[0, 0, 0], [0, 1, 1]]);
  }));

Deno.test("MeasurementBooks.commit() takes everything back when the disk is full, and works after it", () =>
  withStore((store) => {
    const books = store.books("humidity");
    commitTo(books, 1, rowsAt(0, 1));
    store.file.get(`PRAGMA max_page_count = ${store.file.pragma("page_count") + 4}`);
    const error = assertThrows(() => commitTo(books, 20_000, rowsAt(1, 20_000)), StoreBusy);
    assertStringIncludes(error.message, "the disk is full");
    assertEquals(books.rowCount(), 1);
    assertThrows(() => store.checkWritable(), StoreBusy, "the disk is full"); // though it would take a little
    store.file.get("PRAGMA max_page_count = 4294967294");
    assertEquals(commitTo(books, 20_000, rowsAt(1, 20_000)), "committed");
    assertEquals(books.rowCount(), 20_000);
    store.checkWritable();
  }));

Deno.test("MeasurementBooks.commit() to a file that is damaged throws StoreBusy, and says so", () =>
  withFile((path) => {
    {
      using store = MeasurementStore.open(path);
      commitTo(store.books("humidity"), 20_000, rowsAt(0, 20_000));
    }
    const bytes = Deno.readFileSync(path);
    Deno.writeFileSync(path, bytes.fill(0xa5, 12 * 8192)); // behind the schema and the books
    using store = MeasurementStore.open(path);
    const books = store.books("humidity");
    assertEquals(books.load()?.rows, 20_000);
    assertThrows(() => commitTo(books, 20_010, rowsAt(20_000, 20_010)), StoreBusy, "the file is damaged");
    assertThrows(() => store.checkWritable(), StoreBusy, "the file is damaged");
    assertThrows(() => books.rows({ limit: 10_000 }), StoreBusy, "the file is damaged");
  }));

Deno.test("MeasurementBooks.commit() refuses a time that the table cannot hold, and takes everything back", () =>
  withStore((store) => {
    const books = store.books("humidity");
    assertThrows(() => commitTo(books, 2, [rowAt(0), rowAt(1, { timeMs: Date.UTC(10_000, 0) })]), RangeError);
    assertEquals(store.names(), []);
    assertEquals(commitTo(books, 1, [rowAt(0, { timeMs: Date.parse("0000-12-31T23:00:00Z") })]), "committed");
  }));

Deno.test("MeasurementStore.useCluster() sets the tables of another cluster aside, and they come back with it", () =>
  withFile((path) => {
    {
      using store = MeasurementStore.open(path);
      commitTo(store.books("humidity"), 1, rowsAt(0, 1)); // nobody has told yet
      store.useCluster("A");
      commitTo(store.books("humidity"), 2, rowsAt(0, 2));
      assertEquals(store.books("humidity").load()?.rows, 2);
    }
    using store = MeasurementStore.open(path), stale = MeasurementStore.open(path);
    const books = store.books("humidity");
    stale.useCluster("A");
    stale.books("humidity").load();
    books.load();
    store.useCluster("B");
    assertEquals([store.names(), books.rowCount()], [[], 0]);
    assertEquals(commitTo(books, 9, rowsAt(0, 9)), "conflict");
    assertEquals(books.load(), null);
    assertEquals(commitTo(books, 3, rowsAt(0, 3)), "committed");
    assertEquals(everything(path, "humidity").length, 3);
    assertEquals(everything(path, "humidity:1").length, 2);
    const error = assertThrows(() => commitTo(stale.books("humidity"), 3, rowsAt(2, 3)), StoreBusy);
    assertEquals(error.message, "the file is in use for another Kafka cluster, B");
    store.useCluster("A");
    assertEquals(books.load()?.covered.positions, { 0: 2 });
    assertEquals(everything(path, "humidity").length, 2);
    assertEquals(everything(path, "humidity:2").length, 3);
    assertEquals(commitTo(books, 4, rowsAt(2, 4)), "committed");
    assertEquals(placesOf(books).length, 4);
  }));

Deno.test("MeasurementStore keeps topics apart that differ in case only", () =>
  withStore((store) => {
    const upper = store.books("Humidity"), lower = store.books("humidity");
    commitTo(upper, 1, rowsAt(0, 1));
    commitTo(lower, 2, rowsAt(0, 2));
    assertEquals([upper.load()?.rows, lower.load()?.rows], [1, 2]);
    assertEquals(commitTo(upper, 4, rowsAt(1, 4)), "committed");
    assertEquals([placesOf(upper).length, placesOf(lower).length], [4, 2]);
    assertEquals(commitTo(lower, 3, rowsAt(2, 3)), "committed"); // not loaded again
    assertEquals([placesOf(upper).length, placesOf(lower).length], [4, 3]);
  }));

Deno.test("MeasurementStore sets a table of another program aside, and views over it stay", () =>
  withFile((path) => {
    const db = new DatabaseSync(path);
    db.exec(
      "CREATE TABLE humidity (date DATETIME, value INTEGER, hist JSON); INSERT INTO humidity VALUES (1, 2, 3)",
    );
    db.exec("CREATE VIEW newest AS SELECT hist FROM humidity");
    db.close();
    const lines: unknown[] = [];
    const log = { warn: (message: string, fields?: unknown) => void lines.push([message, fields]) };
    using store = MeasurementStore.open(path, { log: log as never });
    const books = store.books("humidity");
    commitTo(books, 1, rowsAt(0, 1));
    commitTo(books, 2, rowsAt(1, 2), { bins: [1, 2, 3] }); // the view is in nobody's way
    assertEquals(lines, [["a table of another program was set aside", {
      table: "humidity",
      now: "humidity:before",
    }]]);
    assertEquals(store.books("humidity").rowCount(), 2);
    const look = new DatabaseSync(path);
    assertEquals(look.prepare('SELECT value FROM "humidity:before"').all().map(({ value }) => value), [2]);
    assertEquals(look.prepare("SELECT hist FROM newest").all().length, 2);
    look.close();
  }));

Deno.test("MeasurementStore begins a table anew that somebody has dropped, and keeps the counts", () =>
  withStore((store, path) => {
    const books = store.books("humidity");
    commitTo(books, 3, rowsAt(0, 3));
    const db = new DatabaseSync(path);
    db.exec("DROP TABLE humidity");
    db.close();
    assertEquals(books.load()?.snapshot.count, 3);
    commitTo(books, 4, rowsAt(3, 4));
    assertEquals(books.rowCount(), 1);
    assertEquals(books.rows({ limit: 9, hist: true }).rows[0]?.hist, '{"hist":[4,0],"bin_edges":[0,10,20]}');
  }));

Deno.test("MeasurementStore.open() says in one line what is wrong with a file", () =>
  withFile(async (path) => {
    const folder = path.slice(0, path.lastIndexOf("/"));
    const messageOf = (file: string, readOnly = false) =>
      assertThrows(() => MeasurementStore.open(file, { readOnly }), Error).message;
    assertEquals(messageOf(path, true), `Cannot open ${path}: no such file`);
    await Deno.writeTextFile(path, "this is no database, however long it may be. ".repeat(100));
    assertEquals(messageOf(path), `Cannot open ${path}: file is not a database`);
    assertEquals(messageOf(path, true), `Cannot open ${path}: file is not a database`);
    assertStringIncludes(messageOf(`${path}/x.db`), `Cannot open ${path}/x.db: `);
    const other = new DatabaseSync(`${folder}/other.db`);
    other.exec("CREATE TABLE t (v)");
    assertEquals(
      messageOf(`${folder}/other.db`, true),
      `Cannot open ${folder}/other.db: it holds no measurements`,
    );
    other.exec("PRAGMA user_version = 1");
    const foreign = `Cannot open ${folder}/other.db: it is a database of another program`;
    assertEquals(messageOf(`${folder}/other.db`), foreign);
    other.exec("PRAGMA user_version = 99");
    assertStringIncludes(messageOf(`${folder}/other.db`), "its schema is version 99, this program knows 1");
    other.close();
  }));

Deno.test("MeasurementStore.open() of a file that another program is writing for the first time is StoreBusy", () =>
  withFile((path) => {
    const other = new DatabaseSync(path);
    other.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (v); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
    assertThrows(() => MeasurementStore.open(path), StoreBusy);
    other.exec("COMMIT");
    MeasurementStore.open(path).close();
    other.exec("BEGIN IMMEDIATE"); // a file that is ready is opened whatever is written
    MeasurementStore.open(path).close();
    other.exec("COMMIT");
    other.close();
  }));

Deno.test("MeasurementStore.open() with readOnly reads beside a writer and refuses to write", () =>
  withStore((store, path) => {
    commitTo(store.books("humidity"), 1, rowsAt(0, 1));
    using view = MeasurementStore.open(path, { readOnly: true });
    const books = view.books("humidity");
    assertEquals([view.names(), books.load()?.snapshot.bin_edges], [["humidity"], edges]);
    commitTo(store.books("humidity"), 2, rowsAt(1, 2));
    assertEquals(placesOf(books).length, 2);
    assertEquals(books.load()?.rows, 2);
    assertThrows(() => commitTo(books, 3, rowsAt(2, 3)), StoreBusy, "the file may not be written");
  }));
