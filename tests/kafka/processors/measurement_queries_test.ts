import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { StreamError } from "../../../errors.ts";
import type { MeasurementRow, RowQuery, Series } from "../../../kafka/processors/histogram_types.ts";
import type { MeasurementBooks } from "../../../kafka/processors/measurement_store.ts";
import { stepOf } from "../../../kafka/processors/measurement_queries.ts";
import { quickly } from "../../eventually.ts";
import { Random } from "../../random.ts";
import { commitTo, newYearMs, rowAt, rowsAt, withStore } from "./measurement_ground.ts";

/** All pages of a query, one after the other. */
function allPages(books: MeasurementBooks, query: RowQuery): readonly MeasurementRow[][] {
  const pages: MeasurementRow[][] = [];
  let after: string | null | undefined;
  do {
    const page = books.rows(after === undefined ? query : { ...query, after: after! });
    pages.push([...page.rows]);
    after = page.next;
  } while (after !== null);
  return pages;
}

const values = (rows: readonly MeasurementRow[]) => rows.map(({ value }) => value);

Deno.test("MeasurementBooks.rows() goes through all rows in the order of their times, page by page, both ways", () =>
  withStore((store) => {
    const books = store.books("humidity"), random = new Random("rows()");
    // Five of one time, so that pages end between them.
    const rows = Array.from(
      { length: 200 },
      (_, offset) => rowAt(offset, { timeMs: newYearMs + random.between(0, 39) * 1000 }),
    );
    commitTo(books, 200, rows);
    const expected = rows.toSorted((a, b) => a.timeMs - b.timeMs || a.offset - b.offset).map(({ value }) =>
      value
    );
    for (const limit of [1, 7, 199, 200, 201]) {
      const up = allPages(books, { limit });
      assertEquals(values(up.flat()), expected, `limit ${limit}`);
      assertEquals(up.slice(0, -1).every((page) => page.length === limit), true);
      const down = allPages(books, { limit, order: "desc" });
      assertEquals(values(down.flat()), expected.toReversed(), `limit ${limit} from the newest`);
    }
  }));

Deno.test("MeasurementBooks.rows() takes as long for the last page as for the first, both ways", () =>
  withStore((store) => {
    const books = store.books("humidity"), rows = 100_000, limit = 10;
    commitTo(books, rows, rowsAt(0, rows));
    // The rows' ids are 1, 2, … in the order of their times.
    const token = (id: number) => `${newYearMs + (id - 1) * 1000}.${id}`;
    const bounds = { asc: [token(1), token(rows - limit)], desc: [token(rows), token(limit + 1)] } as const;
    for (const order of ["asc", "desc"] as const) {
      const [firstMs, lastMs] = bounds[order].map((after) => {
        const times = Array.from({ length: 10 }, () => {
          const startedMs = performance.now();
          assertEquals(books.rows({ limit, order, after }).rows.length, limit);
          return performance.now() - startedMs;
        });
        return Math.min(...times);
      });
      assert(lastMs! < 10 * firstMs! + 1, `${order}: ${firstMs} ms, then ${lastMs} ms`);
    }
  }));

Deno.test("MeasurementBooks.rows() has what was measured at from or later and before to", () =>
  withStore((store) => {
    const books = store.books("humidity");
    commitTo(books, 20, rowsAt(0, 20));
    const span = { from: newYearMs + 5_000, to: newYearMs + 9_000 };
    assertEquals(values(books.rows({ ...span, limit: 99 }).rows), [5, 6, 7, 8]);
    assertEquals(values(books.rows({ ...span, limit: 99, order: "desc" }).rows), [8, 7, 6, 5]);
    for (const order of ["asc", "desc"] as const) {
      assertEquals(values(allPages(books, { ...span, limit: 3, order }).flat()).length, 4);
    }
    assertEquals(values(books.rows({ from: newYearMs + 17_000.5, limit: 99 }).rows), [18, 19]);
    assertEquals(books.rows({ from: -Infinity, to: Infinity, limit: 99 }).rows.length, 20);
    assertEquals(books.rows({ from: 8.64e15, limit: 99 }).rows, []);
    assertEquals(books.rows({ to: -8.64e15, limit: 99 }).rows, []);
  }));

Deno.test("MeasurementBooks.rows() goes on where it was when rows are stored meanwhile", () =>
  withStore((store) => {
    const books = store.books("humidity");
    commitTo(books, 3, rowsAt(0, 3));
    const { next } = books.rows({ limit: 2 });
    commitTo(books, 5, [rowAt(3, { timeMs: newYearMs }), rowAt(4, { timeMs: newYearMs + 1_000 })]);
    // The one that was stored behind the place, at the place's own time, comes; the one before it does not.
    assertEquals(values(books.rows({ limit: 9, after: next! }).rows), [4, 2]);
  }));

Deno.test("MeasurementBooks.rows() ends a page early when its hist is large", () =>
  withStore((store) => {
    const books = store.books("humidity"), counts = "1234567,".repeat(25_000) + "1";
    commitTo(books, 100, rowsAt(0, 100, { counts }));
    const page = books.rows({ limit: 100, hist: true });
    assertEquals(page.rows.length < 50 && page.rows.length > 30, true);
    assertEquals(
      values(allPages(books, { limit: 100, hist: true }).flat()),
      Array.from({ length: 100 }, (_, i) => i),
    );
    assertEquals(books.rows({ limit: 100 }).rows.length, 100);
    const bins = Array.from({ length: 2_000 }, (_, i) => i + 1 / 3);
    commitTo(books, 401, [...rowsAt(100, 400, { counts }), rowAt(400, { counts: null })], { bins });
    assertEquals(books.rows({ limit: 400, hist: true }).rows.length < 60, true); // the newest has none
    assertEquals("hist" in books.rows({ limit: 1 }).rows[0]!, false);
  }));

Deno.test("MeasurementBooks.rows() refuses an after that is no end of a page", () =>
  withStore((store) => {
    const books = store.books("humidity");
    commitTo(books, 3, rowsAt(0, 3));
    for (const after of ["", "1", "x.1", "1.2.3", "1.-2", "1".repeat(20) + ".1", "1.1 ", "NaN.1"]) {
      const error = assertThrows(() => books.rows({ limit: 1, after }), StreamError);
      assertEquals([error.code, error.status], ["invalid-after", 400], after);
    }
    assertEquals(books.rows({ limit: 1, after: "999999999999999.1" }).rows, []);
    assertEquals(values(books.rows({ limit: 1, after: "-999999999999999.1" }).rows), [0]);
  }));

function columns(series: Series): readonly (readonly number[])[] {
  return [series.time, series.count, series.mean, series.min, series.max];
}

Deno.test("MeasurementBooks.series() has count, mean and bounds of each step that holds rows", () =>
  withStore(async (store) => {
    const books = store.books("humidity");
    assertEquals(await books.series({ points: 10 }), {
      step_ms: 1,
      time: [],
      count: [],
      mean: [],
      min: [],
      max: [],
    });
    commitTo(books, 7, [
      ...rowsAt(0, 5),
      rowAt(5, { timeMs: newYearMs + 20_000 }),
      rowAt(6, { timeMs: newYearMs }),
    ]);
    const series = await books.series({ points: 11 });
    assertEquals(series.step_ms, 2_000);
    assertEquals(columns(series), [
      [newYearMs, newYearMs + 2_000, newYearMs + 4_000, newYearMs + 20_000],
      [3, 2, 1, 1],
      [7 / 3, 2.5, 4, 5],
      [0, 2, 4, 5],
      [6, 3, 4, 5],
    ]);
    const part = await books.series({ from: newYearMs + 1_000, to: newYearMs + 3_000, points: 1 });
    assertEquals([part.step_ms, part.count, part.min, part.max], [5_000, [2], [1], [2]]);
  }));

Deno.test("MeasurementBooks.series() has every row in one step and no more steps than asked for", () =>
  withStore(async (store) => {
    const books = store.books("humidity"), random = new Random("series()");
    const rows = Array.from(
      { length: 500 },
      (_, offset) =>
        rowAt(offset, {
          timeMs: random.between(-3, 7) * 10 ** random.between(0, 12) + random.between(0, 999),
        }),
    );
    commitTo(books, 500, rows);
    for (let i = 0; i < 50; i++) {
      const points = random.between(1, 600);
      const [from, to] = i === 0
        ? [undefined, undefined]
        : [rows[i]!.timeMs, rows[i]!.timeMs + random.between(1, 9) * 10 ** random.between(0, 12)];
      const series = await books.series({ points, ...(from === undefined ? {} : { from, to }) });
      const asked = rows.filter(({ timeMs }) => from === undefined || (timeMs >= from && timeMs < to));
      assertEquals(series.time.length <= points, true);
      assertEquals(series.count.reduce((sum, n) => sum + n, 0), asked.length);
      for (const [step, time] of series.time.entries()) {
        assertEquals(
          86_400_000 % series.step_ms === 0 ? time % series.step_ms === 0 : time % 86_400_000 === 0,
          true,
        );
        const own = asked.filter(({ timeMs }) => timeMs >= time && timeMs < time + series.step_ms);
        assertEquals(series.count[step], own.length);
        assertEquals(series.max[step], Math.max(...own.map(({ value }) => value)));
      }
    }
  }));

Deno.test("MeasurementBooks.series() skips what holds nothing, however long the span is", () =>
  withStore(async (store) => {
    const books = store.books("humidity");
    commitTo(books, 2, rowsAt(0, 2));
    const span = { from: -8.64e15, to: 8.64e15, points: 5_000 };
    const series = await quickly("a series", 2_000, () => books.series(span));
    assertEquals(series.count, [2]);
  }));

Deno.test("MeasurementBooks.series() rejects when the store was closed meanwhile", () =>
  withStore(async (store) => {
    const books = store.books("humidity");
    commitTo(books, 20_000, rowsAt(0, 20_000));
    const series = books.series({ points: 5_000 });
    await Promise.resolve();
    store.close();
    // Either it was done in one piece, or it says so.
    await series.catch((error) => assertEquals(error instanceof Error, true));
    await assertRejects(async () => await books.series({ points: 10 }), Error);
  }));

Deno.test("stepOf() is the shortest round step of which few enough hold the span", () => {
  const hour = 3_600_000, day = 24 * hour;
  for (
    const [from, to, points, step] of [
      [0, 1, 500, 1],
      [0, 500, 500, 1],
      [0, 501, 500, 2],
      [0, 300_000, 500, 1_000],
      [500, 300_500, 300, 2_000], // 301 whole seconds have a part in it
      [0, hour, 500, 10_000],
      [0, day, 500, 300_000],
      [0, 30 * day, 500, 2 * hour],
      [-day, day, 2, day],
      [-4 * day, 4 * day, 2, 7 * day], // weeks begin on Monday; the epoch was a Thursday
    ] as const
  ) {
    assertEquals(stepOf(from, to, points), step, `${from}–${to} in ${points}`);
  }
  assertEquals(stepOf(-8.64e15, 8.64e15, 1) >= 2 * 8.64e15, true);
});
