import { assertEquals } from "@std/assert";
import {
  finishedBetween,
  newestOpen,
  shownWindows,
  sumTotals,
} from "../../../../kafka/processors/windows/shown.ts";
import { readMeta, type StoredMeta } from "../../../../kafka/processors/windows/state_records.ts";
import { readWindowSize } from "../../../../kafka/windows.ts";

const minute = 60_000, sizes = ["1m", "5m", "10m"].map((name) => readWindowSize(name)!);
const totals = { counted: 3, late: {}, wrong: {}, ahead: 0, missed: 0 };
const meta: StoredMeta = {
  v: 1,
  paneMs: minute,
  sizes: sizes.map(({ ms }) => ms),
  born: {},
  position: 0,
  frontier: null,
  highest: null,
  closedEnd: null,
  kept: 60,
  sources: {},
  totals,
  forgotten: null,
};

function textOf(json: unknown): string {
  return typeof json === "string" ? json : JSON.stringify(json);
}

/** Windows as `size start count`, times in minutes, `*` for finished ones. */
function shown(open: unknown, closed: unknown, of: Partial<StoredMeta> | null = {}): string[] {
  const records = { open: open ? textOf(open) : null, closed: closed ? textOf(closed) : null };
  const known = of === null ? undefined : { ...meta, ...of };
  return shownWindows("a", records, known, { sizes }).flatMap(({ size, windows }) =>
    windows.map(({ window_start, count, final }) =>
      `${size.name} ${window_start / minute} ${count}${final ? "*" : ""}`
    )
  );
}

Deno.test("shownWindows() sums panes into the windows of each size that are open", () => {
  const panes = [[0, 1], [4, [0, 2, 2]], [5, 4], [11, 8]];
  assertEquals(shown({ panes }, null), [
    "1m 0 1",
    "1m 5 4",
    "1m 11 8",
    "5m 0 3",
    "5m 5 4",
    "5m 10 8",
    "10m 0 7",
    "10m 10 8",
  ]);
  assertEquals(shown({ panes }, null, { closedEnd: 10 * minute }), ["1m 11 8", "5m 10 8", "10m 10 8"]);
  assertEquals(shown({ panes }, null, { closedEnd: 5 * minute, born: { [10 * minute]: 10 * minute } }), [
    "1m 5 4",
    "1m 11 8",
    "5m 5 4",
    "5m 10 8",
    "10m 10 8",
  ]);
  assertEquals(
    shown({ panes }, null, { sizes: [5 * minute] }),
    ["5m 0 1", "5m 5 4", "5m 10 8"],
    "others are not counted",
  );
  assertEquals(shown({ panes }, null, null), [], "nobody knows what panes mean");
});

Deno.test("shownWindows() shows a window that the clock closed once, as finished", () => {
  const closed = { windows: { [minute]: [[0, 1, 0, 1]] }, late: {} };
  assertEquals(shown({ panes: [[0, 1], [1, 2]] }, closed), ["1m 0 1*", "1m 1 2", "5m 0 3", "10m 0 3"]);
});

Deno.test("shownWindows() takes what is none of ours as not there", () => {
  for (
    const value of [
      "",
      "nonsense",
      "7",
      "null",
      '{"panes":7}',
      '{"windows":7,"late":{}}',
      '{"panes":[["a",1]]}',
    ]
  ) {
    assertEquals(shown(value, value), []);
    assertEquals(readMeta(new TextEncoder().encode(textOf(value))), null);
  }
});

Deno.test("finishedBetween() tells what is new, and what has more late events, by size", () => {
  const before = { windows: { [minute]: [[0, 1, 0], [minute, 2, 0]] }, late: {} };
  const after = {
    windows: { [minute]: [[minute, 2, 3], [2 * minute, 4, 0]], [5 * minute]: [[0, 7, 0]], 1000: [[0, 1, 0]] },
    late: { [minute]: 3 },
  };
  const told = finishedBetween("a", textOf(before), textOf(after), sizes).map((
    { window, size, isFirst },
  ) => [size.name, window.window_start / minute, window.count, window.late, isFirst]);
  assertEquals(told, [["1m", 1, 2, 3, false], ["1m", 2, 4, 0, true], ["5m", 0, 7, 0, true]]);
  assertEquals(finishedBetween("a", null, textOf(before), sizes).length, 2);
});

Deno.test("newestOpen() is the newest of each size, and sumTotals() adds up partitions", () => {
  const records = { open: textOf({ panes: [[0, 1], [6, 2]] }), closed: null };
  const open = newestOpen(shownWindows("a", records, meta, { sizes }));
  assertEquals(open.map(({ type, window_start }) => [type, window_start / minute]), [
    ["1min", 6],
    ["5min", 5],
    ["10min", 0],
  ]);
  const other = { counted: 4, late: { [minute]: 1 }, wrong: { empty: 2 }, ahead: 1, missed: 5 };
  assertEquals(sumTotals([totals, other, other]), {
    counted: 11,
    late: { [minute]: 2 },
    wrong: { empty: 4 },
    ahead: 2,
    missed: 10,
  });
});
