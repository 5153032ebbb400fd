import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { partitionOf } from "../../../../kafka/connection.ts";
import { Fold, type FoldOptions } from "../../../../kafka/processors/windows/fold.ts";
import type { FoldBatch } from "../../../../kafka/processors/windows/types.ts";
import { readWindowSize } from "../../../../kafka/windows.ts";
import { Random } from "../../../random.ts";

const second = 1_000, minute = 60_000, hour = 3_600_000;
/** 2026-05-17T09:00:00Z, the start of windows of all sizes. */
const nine = Date.UTC(2026, 4, 17, 9);
const now = nine + hour;
const sizes = ["1m", "5m", "10m"].map((name) => readWindowSize(name)!);

function open(options: Partial<FoldOptions> = {}): Fold {
  const settings = { sizes, graceMs: 10 * second };
  return new Fold({ source: 0, log: "log", from: 0, settings, partitions: 1, ...options });
}

function click(offset: number, timestamp: number, id: string | null = "a") {
  return { offset, timestamp, value: id === null ? null : new TextEncoder().encode(id) };
}

/** Adds clicks with consecutive offsets, each a time after nine and perhaps an id. */
function fill(fold: Fold, clicks: readonly (number | [number, string])[]): Fold {
  for (const each of clicks) {
    const [ms, id] = typeof each === "number" ? [each, "a"] : each;
    fold.add(click(fold.next, nine + ms, id), now);
  }
  return fold;
}

/** Panes after nine. */
function countsOf({ counts, paneMs }: FoldBatch): Record<string, (number | undefined)[][]> {
  return Object.fromEntries(
    counts.map(([id, panes]) => [id, panes.map(([pane, ...rest]) => [pane - nine / paneMs, ...rest])]),
  );
}

Deno.test("Fold counts clicks by id and pane, and says what the batch covers", () => {
  const fold = open({ source: 3, from: 40 });
  fill(fold, [0, 59_999, 60_000, [1_000, "b"], 61_000, 5_000]);
  assertEquals([fold.next, fold.panes, fold.isEmpty], [46, 3, false]);
  const [batch, ...others] = fold.take();
  assertEquals(others, []);
  const { counts: _, ...head } = batch!;
  assertEquals(head, {
    v: 1,
    source: 3,
    log: "log",
    from: 40,
    next: 46,
    part: 0,
    parts: 1,
    high: nine + 61_000,
    at: now,
    paneMs: minute,
    sizes: [minute, 5 * minute, 10 * minute],
  });
  assertEquals(countsOf(batch!), { a: [[0, 3], [1, 2]], b: [[0, 1]] });
  assertEquals([fold.panes, fold.isEmpty, fold.next], [0, true, 46]);
});

Deno.test("Fold.take() begins anew behind what was taken, and forgets nothing of how far the source is", () => {
  const fold = fill(open(), [minute, 0]);
  fold.take();
  fill(fold, [71_000, 0]);
  const [second] = fold.take();
  assertEquals([second!.from, second!.next, second!.high], [2, 4, nine + 71_000]);
  assertEquals(countsOf(second!), { a: [[1, 1], [0, 1, 1]] });
  fill(fold, [30_000]);
  const [third] = fold.take();
  assertEquals(third!.high, nine + 30_000, "the highest of the batch");
  assertEquals(countsOf(third!), { a: [[0, 1, 1]] });
});

Deno.test("Fold marks an event for each size whose window its source has left, grace included, before it", () => {
  const cases: [high: number, time: number, behind: number | undefined][] = [
    [69_999, 0, undefined],
    [70_000, 0, 1],
    [70_000, 59_999, 1],
    [70_000, 60_000, undefined],
    [309_999, 0, 1],
    [310_000, 0, 3],
    [610_000, 299_999, 7],
    [610_000, 300_000, 1 | 2 | 4],
    [609_999, 300_000, 1],
    [hour - 1, 0, 7],
  ];
  for (const [high, time, behind] of cases) {
    const [batch] = fill(open(), [high, [time, "b"]]).take();
    assertEquals(countsOf(batch!).b![0]![2], behind, `${time} after ${high}`);
  }
});

Deno.test("Fold keeps events of one pane apart that are marked differently", () => {
  const [batch] = fill(open(), [0, 70_000, 1, 2, 310_000, 3, 4, 5]).take();
  assertEquals(countsOf(batch!), { a: [[0, 1], [1, 1], [0, 2, 1], [5, 1], [0, 3, 3]] });
});

Deno.test("Fold counts an event from far ahead, which does not move how far the source is", () => {
  const fold = open();
  fold.add(click(0, nine), now);
  fold.add(click(1, now + hour), now);
  fold.add(click(2, now + hour + 1), now);
  fold.add(click(3, now + 365 * 24 * hour), now);
  fold.add(click(4, now + hour), now);
  const [batch] = fold.take();
  assertEquals([batch!.high, batch!.ahead], [now + hour, 2]);
  assertEquals(batch!.counts[0]![1].map(([, count]) => count), [1, 3, 1]);
  fold.add(click(5, now + 365 * 24 * hour), now);
  const [alone] = fold.take();
  assertEquals([alone!.high, alone!.ahead, alone!.at], [null, 1, now]);
});

Deno.test("Fold counts what is no click by kind, and tells one partition of ids", () => {
  const fold = open({ source: 5, partitions: 3 });
  fold.add(click(0, nine, null), now);
  fold.add(click(1, nine, ""), now);
  fold.add(click(2, -1, "a"), now);
  fold.add({ offset: 3, timestamp: nine, value: Uint8Array.of(0xff) }, now);
  fold.add(click(4, nine, "\n"), now);
  fold.add(click(5, nine, "x".repeat(300)), now);
  fold.skipUnreadable(10);
  fold.miss(17);
  const batches = fold.take();
  const wrong = { empty: 2, "no-time": 1, "not-utf8": 1, control: 1, "too-long": 1, unreadable: 4 };
  assertEquals(batches.map(({ wrong }) => wrong), [undefined, undefined, wrong]);
  assertEquals(batches.map(({ missed }) => missed), [undefined, undefined, 7]);
  assertEquals(batches.map(({ next, high, counts }) => [next, high, counts]), Array(3).fill([17, null, []]));
  fill(fold, [0]);
  assertEquals(
    fold.take().map(({ wrong, missed }) => [wrong, missed]),
    Array(3).fill([undefined, undefined]),
  );
});

Deno.test("Fold passes over what it has counted, and offsets without records", () => {
  const fold = open({ from: 10 });
  fold.add(click(9, nine), now);
  assert(fold.isEmpty);
  fold.goOn(10);
  fold.miss(8);
  fold.skipUnreadable(9);
  assert(fold.isEmpty);
  fold.add(click(12, nine), now);
  fold.add(click(12, nine), now);
  fold.goOn(20);
  fold.add(click(19, nine), now);
  const [batch] = fold.take();
  assertEquals([batch!.from, batch!.next, batch!.wrong, batch!.missed], [10, 20, undefined, undefined]);
  assertEquals(countsOf(batch!), { a: [[0, 1]] });
  fold.goOn(21);
  assert(!fold.isEmpty);
  const [marker] = fold.take();
  assertEquals([marker!.from, marker!.next, marker!.at, marker!.high, marker!.counts], [
    20,
    21,
    null,
    null,
    [],
  ]);
});

Deno.test("Fold puts each id where Java's clients would, and nothing is lost or doubled on the way", () => {
  const random = new Random("fold"), partitions = 5, fold = open({ partitions });
  const truth = new Map<string, number>(), found = new Map<string, number>();
  for (let batch = 0; batch < 10; batch++) {
    for (let n = 0; n < 2_000; n++) {
      const id = `id ${random.between(0, 299)}`, ms = random.between(-2 * hour, 2 * hour);
      fold.add(click(fold.next, nine + ms, id), now);
      const key = `${id} ${Math.floor((nine + ms) / minute)}`;
      truth.set(key, (truth.get(key) ?? 0) + 1);
    }
    const batches = fold.take();
    assertEquals(batches.length, partitions);
    batches.forEach(({ counts }, q) => {
      for (const [id, panes] of counts) {
        assertEquals(partitionOf(Buffer.from(id), partitions), q);
        for (const [pane, count] of panes) {
          found.set(`${id} ${pane}`, (found.get(`${id} ${pane}`) ?? 0) + count);
        }
      }
    });
  }
  assertEquals(found.size, truth.size);
  for (const [key, count] of truth) assertEquals(found.get(key), count, key);
});
