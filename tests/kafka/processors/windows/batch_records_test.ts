import { assert, assertEquals } from "@std/assert";
import { batchRecords, readFoldBatch } from "../../../../kafka/processors/windows/batch_records.ts";
import type { FoldBatch, PaneCount } from "../../../../kafka/processors/windows/types.ts";

const encoder = new TextEncoder();
const batch: FoldBatch = {
  v: 1,
  source: 2,
  log: "0123456789abcdef",
  from: 10,
  next: 20,
  part: 0,
  parts: 1,
  high: 1_779_008_400_000,
  at: 1_779_008_400_123,
  paneMs: 60_000,
  sizes: [60_000, 300_000],
  counts: [["a", [[29_650_140, 3], [29_650_141, 1, 2]]], ['"ä" \\ 😀', [[29_650_140, 1]]]],
  wrong: { empty: 2 },
  ahead: 1,
  missed: 3,
};

function valueOf(record: { value?: unknown }): Uint8Array {
  return encoder.encode(record.value as string);
}

Deno.test("batchRecords() writes a batch to each partition of ids, readFoldBatch() reads it again", () => {
  const quiet = {
    ...batch,
    high: null,
    at: null,
    counts: [],
    wrong: undefined,
    ahead: undefined,
    missed: undefined,
  };
  const records = batchRecords("by-id", [batch, quiet as unknown as FoldBatch]);
  assertEquals(records.map(({ topic, partition, key }) => [topic, partition, key]), [
    ["by-id", 0, undefined],
    ["by-id", 1, undefined],
  ]);
  assertEquals(readFoldBatch(valueOf(records[0]!)), batch);
  const { wrong: _, ahead: __, missed: ___, ...rest } = batch;
  assertEquals(readFoldBatch(valueOf(records[1]!)), { ...rest, high: null, at: null, counts: [] });
});

Deno.test("batchRecords() divides what is large, an id with very many panes too; what is told comes once", () => {
  const counts = Array.from({ length: 20_000 }, (_, n): [string, PaneCount[]] => [
    `${n}`.padStart(36, "-"),
    [[29_650_140, n + 1], [29_650_141, 1, 2]],
  ]);
  const many = Array.from({ length: 50_000 }, (_, n): PaneCount => [n, 1_000_000, 3]);
  counts.splice(7_000, 0, ["many", many]);
  const records = batchRecords("by-id", [{ ...batch, counts }]);
  assert(records.length > 4);
  const read = records.map((record) => {
    assert(valueOf(record).length <= 410_000, `${valueOf(record).length}`);
    return readFoldBatch(valueOf(record))!;
  });
  assertEquals(read.map(({ part, parts }) => [part, parts]), read.map((_, part) => [part, read.length]));
  assertEquals(read.map(({ wrong, ahead, missed }) => [wrong, ahead, missed]), [
    [{ empty: 2 }, 1, 3],
    ...read.slice(1).map(() => [undefined, undefined, undefined]),
  ]);
  const joined = read.flatMap(({ counts }) => counts);
  assertEquals(joined.filter(([id]) => id === "many").flatMap(([, panes]) => panes), many);
  assertEquals(joined.filter(([id]) => id !== "many"), counts.filter(([id]) => id !== "many"));
  for (const { from, next, high, at } of read) {
    assertEquals([from, next, high, at], [batch.from, batch.next, batch.high, batch.at]);
  }
});

Deno.test("readFoldBatch() gives null for what others wrote", () => {
  const texts = ["", "a", "null", "1", "[]", "{}", '{"v":1}', '"v"'];
  const wrong: [keyof FoldBatch, unknown[]][] = [
    ["v", [2, "1", null]],
    ["source", [-1, 1.5, "0", null]],
    ["log", [null, 1]],
    ["from", [-1, 21, "x"]],
    ["next", [9, 1e300, null]],
    ["part", [1, -1]],
    ["parts", [0, 0.5]],
    ["high", ["", -1, 1e16, undefined]],
    ["at", [true, -1]],
    ["paneMs", [0, 7, "60000"]],
    ["sizes", [[], null, [300_000, 60_000], [60_000, 60_000], [90_000], Array(9).fill(60_000), [1e12]]],
    ["wrong", [3, null, { empty: -1 }, { empty: "1" }]],
    ["ahead", [-1, "1"]],
    ["missed", [0.5]],
    ["counts", [null, {}, [1], [["a"]], [["a", null]], [["", []]], [["\n", []]], [["x".repeat(257), []]], [[
      1,
      [],
    ]]]],
    [
      "counts",
      [[1], [1, 0], [1, -1], [-1, 1], [0.5, 1], ["1", 1], [1, 1, 4], [1, 1, -1], [1, 1, 1, 1], [2e11, 1]].map(
        (pane) => [["a", [pane]]],
      ),
    ],
  ];
  for (const [field, values] of wrong) {
    for (const value of values) texts.push(JSON.stringify({ ...batch, [field]: value }));
  }
  for (const text of texts) assertEquals(readFoldBatch(encoder.encode(text)), null, text.slice(0, 400));
  assertEquals(readFoldBatch(null), null);
  assertEquals(readFoldBatch(Uint8Array.of(0xff)), null);
  assert(readFoldBatch(encoder.encode(JSON.stringify(batch))));
});
