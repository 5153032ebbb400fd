import { assertEquals } from "@std/assert";
import { IdWindows } from "../../../../kafka/processors/windows/id_windows.ts";
import {
  ClosedChange,
  forgottenChanges,
  metaChange,
  OpenChange,
  readStateRecord,
  type StateChange,
  type StoredMeta,
} from "../../../../kafka/processors/windows/state_records.ts";

const meta: StoredMeta = {
  v: 1,
  paneMs: 60_000,
  sizes: [60_000, 300_000],
  born: { 300000: 600_000 },
  position: 12,
  frontier: 70_000,
  closedEnd: -5_000,
  highest: 80_000,
  kept: 60,
  sources: {
    0: { log: "log", next: 3, high: 70_000, at: null },
    12: { log: "", next: 0, high: null, at: 1 },
  },
  totals: { counted: 1, late: { 60000: 2 }, wrong: { empty: 3 }, ahead: 4, missed: 5 },
  forgotten: null,
};

function recordOf({ key, value }: StateChange): StateChange {
  return { key, value };
}

Deno.test("state records are read as they were written", () => {
  const owner = new IdWindows("vidéo 1", 2);
  assertEquals(recordOf(new OpenChange(owner)), { key: "ovidéo 1", value: null });
  owner.insert(28_435_202).counts = [0, 1];
  owner.insert(28_435_201).count = 4;
  owner.closed[0]!.insert(1_706_112_060_000, 12, 0, 1);
  owner.closed[0]!.insert(1_706_112_000_000, 1, 7, 0);
  owner.late[1] = 3;
  const open = new OpenChange(owner), closed = new ClosedChange(owner, meta.sizes);
  assertEquals(recordOf(open), { key: "ovidéo 1", value: '{"panes":[[28435201,4],[28435202,[0,1]]]}' });
  assertEquals(
    closed.value,
    '{"windows":{"60000":[[1706112000000,1,7],[1706112060000,12,0,1]]},"late":{"300000":3}}',
  );
  for (const { key, value } of [open, closed, metaChange(meta)]) {
    const parsed = JSON.parse(value!), record = readStateRecord(key, value);
    assertEquals(record?.value, parsed);
    assertEquals(readStateRecord(key, parsed), record);
  }
  assertEquals(readStateRecord("ovidéo 1", null), { kind: "open", id: "vidéo 1", value: null });
  assertEquals(forgottenChanges(owner), []);
  owner.isOpenStored = owner.isClosedStored = true;
  assertEquals(forgottenChanges(owner).map(({ key, value }) => [key, value]), [
    ["ovidéo 1", null],
    ["cvidéo 1", null],
  ]);
});

Deno.test("readStateRecord() passes over what is none of ours, whatever it is", () => {
  const panes = (...each: unknown[]) => ({ panes: each });
  const windows = (...each: unknown[]) => ({ windows: { 60000: each }, late: {} });
  const strange: [string, ...unknown[]][] = [
    ["", null, {}],
    ["z", null, {}],
    ["o", null, panes()],
    [`o${"x".repeat(257)}`, null],
    ["o\n", null],
    [
      "oa",
      undefined,
      "",
      "{",
      7,
      [],
      {},
      { panes: null },
      panes(1),
      panes([1]),
      panes([1, 2, 3]),
      panes([-1, 2]),
    ],
    [
      "oa",
      panes([1.5, 2]),
      panes([1, -2]),
      panes([2, 1], [1, 1]),
      panes([1, []], [1, []]),
      panes([1, [0.5]]),
    ],
    ["oa", panes([1, new Array(9).fill(1)]), panes([2 ** 60, 1]), panes([1, "1"]), panes(["1", 1])],
    ["ca", undefined, {}, { windows: {} }, { windows: [], late: {} }, { windows: { x: [] }, late: {} }],
    [
      "ca",
      { windows: {}, late: { x: -1 } },
      { windows: { 0: [] }, late: {} },
      windows([1, 2, 3]),
      windows([0, 1]),
    ],
    [
      "ca",
      windows([60_000, 1, 0], [0, 1, 0]),
      windows([0, 1, 0, 2]),
      windows([0, 1, 0, 1, 1]),
      windows([0, -1, 0]),
    ],
    ["m", null, {}, { ...meta, v: 2 }, { ...meta, paneMs: "60000" }, { ...meta, sizes: [300_000, 60_000] }],
    ["m", { ...meta, sizes: [90_000] }, { ...meta, frontier: "1" }, { ...meta, closedEnd: undefined }],
    ["m", { ...meta, sources: { x: meta.sources[0] } }, {
      ...meta,
      sources: { 0: { ...meta.sources[0], log: 1 } },
    }],
    ["m", { ...meta, totals: { ...meta.totals, wrong: null } }, { ...meta, born: { 60000: null } }],
    ["m", { ...meta, kept: -1 }, { ...meta, forgotten: 0.5 }],
  ];
  for (const [key, ...values] of strange) {
    for (const value of values) {
      const told = `${JSON.stringify(key)} ${JSON.stringify(value)}`;
      assertEquals(readStateRecord(key, value), null, told);
      if (value !== undefined) assertEquals(readStateRecord(key, JSON.stringify(value)), null, told);
    }
  }
});
