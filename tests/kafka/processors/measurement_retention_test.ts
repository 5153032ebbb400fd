import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type Limits, MeasurementStore, StoreBusy } from "../../../kafka/processors/measurement_store.ts";
import { commitTo, rowsAt, withFile, withStore } from "./measurement_ground.ts";

const hour = 3_600_000;
const noLimit: Limits = { ms: -1, bytes: -1 };

/** A clock that the test moves. */
class Clock {
  ms = Date.UTC(2025, 0, 1);
  readonly now = () => this.ms;
}

/** All that there is to do now. @returns in how many pieces */
function sweepAll(store: MeasurementStore, limits: Limits): number {
  for (let pieces = 1; pieces < 10_000; pieces++) {
    if (!store.sweep(limits)) return pieces;
  }
  throw new Error("Cannot end the sweep: 10,000 pieces and there is more");
}

/** The offsets of the rows that are there. */
function offsetsOf(store: MeasurementStore, name: string): (number | null)[] {
  return store.books(name).rows({ limit: 100_000 }).rows.map(({ offset }) => offset);
}

const from = (begin: number, end: number) => Array.from({ length: end - begin }, (_, i) => begin + i);

Deno.test("MeasurementStore.sweep() removes what was stored too long ago, whenever it was measured", () => {
  const clock = new Clock(), limits = { ms: 24 * hour, bytes: -1 };
  return withStore((store) => {
    const books = store.books("humidity");
    commitTo(books, 10, rowsAt(0, 10, { timeMs: Date.UTC(1990, 0, 1) })); // of 1990, stored now
    sweepAll(store, limits);
    clock.ms += 12 * hour;
    commitTo(books, 20, rowsAt(10, 20, { timeMs: Date.UTC(1980, 0, 1) }));
    sweepAll(store, limits);
    assertEquals(books.rowCount(), 20);
    clock.ms += 12 * hour;
    sweepAll(store, limits);
    assertEquals([books.rowCount(), offsetsOf(store, "humidity")], [10, from(10, 20)]);
    clock.ms += 12 * hour;
    sweepAll(store, limits);
    assertEquals([books.rowCount(), offsetsOf(store, "humidity")], [0, []]);
    assertEquals(books.load()?.snapshot.count, 20); // what was counted stays counted
    commitTo(books, 21, rowsAt(20, 21));
    clock.ms += 23 * hour;
    sweepAll(store, limits);
    assertEquals(offsetsOf(store, "humidity"), [20]);
  }, { now: clock.now });
});

Deno.test("MeasurementStore.sweep() removes by age within a 24th of it, also over restarts", () =>
  withFile((path) => {
    const clock = new Clock(), limits = { ms: 24_000, bytes: -1 };
    for (let second = 0; second < 100; second++) {
      using store = MeasurementStore.open(path, { now: clock.now });
      commitTo(
        store.books("humidity"),
        (store.books("humidity").load(), second + 1),
        rowsAt(second, second + 1),
      );
      sweepAll(store, limits);
      const [first] = offsetsOf(store, "humidity");
      assertEquals(
        first! >= second - 26 && first! <= Math.max(0, second - 23),
        true,
        `${first} at ${second}`,
      );
      clock.ms += 1_000;
    }
  }));

Deno.test("MeasurementStore.sweep() removes the oldest stored rows of all measurements until the file is small enough", () => {
  const clock = new Clock();
  return withStore((store) => {
    const wide = { counts: "1".repeat(1_000) };
    for (let hours = 0; hours < 10; hours++) {
      for (const name of ["humidity", "pressure"]) {
        commitTo(store.books(name), (hours + 1) * 100, rowsAt(hours * 100, (hours + 1) * 100, wide));
      }
      sweepAll(store, noLimit);
      clock.ms += hour;
    }
    const bytes = Math.round(store.usedBytes() / 2);
    sweepAll(store, { ms: -1, bytes });
    assertEquals(store.usedBytes() <= bytes, true);
    const left = ["humidity", "pressure"].map((name) => offsetsOf(store, name));
    for (const offsets of left) {
      assertEquals(offsets.length > 300 && offsets.length < 600, true, `${offsets.length} rows are left`);
      assertEquals(offsets, from(1_000 - offsets.length, 1_000));
    }
    assertEquals(
      left.map((offsets) => offsets.length),
      ["humidity", "pressure"].map((name) => store.books(name).rowCount()),
    );
    sweepAll(store, { ms: -1, bytes: 0 }); // ends, whatever is asked
    assertEquals(offsetsOf(store, "humidity"), []);
  }, { now: clock.now });
});

Deno.test("MeasurementStore.sweep() makes the file smaller, in pieces", () =>
  withStore((store, path) => {
    commitTo(store.books("humidity"), 20_000, rowsAt(0, 20_000, { counts: "1".repeat(500) }));
    const full = new DatabaseSync(path);
    full.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const before = Deno.statSync(path).size;
    const pieces = sweepAll(store, { ms: -1, bytes: 1_000_000 });
    full.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    full.close();
    assertEquals([before > 10_000_000, Deno.statSync(path).size < 4_000_000], [true, true]);
    assertEquals(pieces > 10, true);
  }));

Deno.test("MeasurementStore.sweep() removes rows of another cluster's tables too", () => {
  const clock = new Clock(), limits = { ms: hour, bytes: -1 };
  return withStore((store) => {
    store.useCluster("A");
    commitTo(store.books("humidity"), 3, rowsAt(0, 3));
    sweepAll(store, limits);
    store.useCluster("B");
    store.books("humidity").load();
    clock.ms += 2 * hour;
    commitTo(store.books("humidity"), 2, rowsAt(0, 2));
    sweepAll(store, limits);
    assertEquals(store.books("humidity").rowCount(), 2);
    store.useCluster("A");
    assertEquals([store.books("humidity").rowCount(), offsetsOf(store, "humidity")], [0, []]);
  }, { now: clock.now });
});

Deno.test("MeasurementStore.sweep() takes the places of rows of an old log, piece by piece", () =>
  withStore((store, path) => {
    const books = store.books("humidity");
    commitTo(books, 30_000, rowsAt(0, 30_000));
    commitTo(books, 1, rowsAt(0, 1), { log: 1 });
    assertEquals(sweepAll(store, noLimit) > 3, true);
    const db = new DatabaseSync(path);
    assertEquals(db.prepare("SELECT count(*) AS n FROM humidity WHERE partition IS NOT NULL").get()?.n, 1);
    db.close();
    assertEquals(sweepAll(store, noLimit), 1);
    commitTo(books, 3, rowsAt(1, 3), { log: 1 });
    assertEquals(books.rows({ limit: 1, order: "desc" }).rows[0]?.partition, null); // measured last, in the old log
    assertEquals(books.rowCount(), 30_003);
  }));

Deno.test("MeasurementStore.sweep() is StoreBusy while another program writes, and writes nothing when there is nothing to do", () => {
  const clock = new Clock();
  return withStore((store, path) => {
    commitTo(store.books("humidity"), 3, rowsAt(0, 3));
    sweepAll(store, { ms: 1_000, bytes: -1 });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    sweepAll(store, { ms: 1_000, bytes: 1e9 });
    clock.ms += hour;
    assertThrows(() => store.sweep({ ms: 1_000, bytes: -1 }), StoreBusy);
    other.exec("COMMIT");
    other.close();
    sweepAll(store, { ms: 1_000, bytes: -1 });
    assertEquals(store.books("humidity").rowCount(), 0);
  }, { now: clock.now });
});

Deno.test("MeasurementStore.sweep() of one writer is no conflict for another", () => {
  const clock = new Clock();
  return withStore((store, path) => {
    using other = MeasurementStore.open(path, { now: clock.now });
    const books = store.books("humidity");
    commitTo(books, 3, rowsAt(0, 3));
    sweepAll(other, { ms: 1_000, bytes: -1 });
    clock.ms += hour;
    sweepAll(other, { ms: 1_000, bytes: -1 });
    assertEquals(commitTo(books, 5, rowsAt(3, 5)), "committed");
    assertEquals([books.rowCount(), offsetsOf(store, "humidity")], [2, [3, 4]]);
  }, { now: clock.now });
});
