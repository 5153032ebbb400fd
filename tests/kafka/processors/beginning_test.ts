import { assertEquals } from "@std/assert";
import {
  type Beginning,
  beginning,
  type BeginningFacts,
  type Counted,
  covers,
  type OwnBooks,
  type Places,
} from "../../../kafka/processors/beginning.ts";
import { RunningHistogram } from "../../../kafka/processors/histogram.ts";

const edges = [800, 950, 1100], otherEdges = [800, 1100];

interface Made {
  readonly log?: number;
  readonly stored?: Places;
  readonly missed?: number;
  readonly edges?: readonly number[];
}

function counted(positions: Places, { log = 0, missed = 0, edges: bins = edges }: Made = {}): Counted {
  const histogram = RunningHistogram.empty(bins);
  histogram.addMissed(missed);
  return { snapshot: histogram.snapshot(), more: histogram.more(), covered: { log, positions } };
}

function own(positions: Places, made: Made = {}): OwnBooks {
  return { ...counted(positions, made), stored: made.stored ?? positions };
}

interface Case extends Partial<BeginningFacts> {
  readonly what: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** `covered` as log and places; flags that are false, `stored` where it is the same, and nothing missed are left out. */
  readonly wanted: {
    readonly from: Beginning["from"];
    readonly log?: number;
    readonly covered: readonly number[];
    readonly stored?: readonly number[];
    readonly missed?: number;
    readonly recount?: boolean;
    readonly madeAnew?: boolean;
  };
}

const cases: readonly Case[] = [
  {
    what: "a topic that nobody has counted: from its beginning",
    starts: [0, 0],
    ends: [0, 7],
    wanted: { from: "nothing", covered: [0, 0] },
  },
  {
    what: "a topic without partitions yet",
    starts: [],
    ends: [],
    wanted: { from: "nothing", covered: [] },
  },
  {
    what: "nothing known, the log cut: from what there is",
    starts: [5, 0],
    ends: [9, 7],
    wanted: { from: "nothing", covered: [5, 0], missed: 5 },
  },
  {
    what: "nothing in the file, the log whole: counted, not taken over",
    published: counted({ 0: 8 }),
    starts: [0],
    ends: [9],
    wanted: { from: "nothing", covered: [0] },
  },
  {
    what: "nothing in the file, the log cut: taken over, rows from what there is",
    published: counted({ 0: 8, 1: 2 }),
    starts: [5, 0],
    ends: [9, 7],
    wanted: { from: "published", covered: [8, 2], stored: [5, 0] },
  },
  {
    what: "nothing in the file, the log cut behind what was published: what nobody counted is missed",
    published: counted({ 0: 8 }),
    starts: [10],
    ends: [20],
    wanted: { from: "published", covered: [10], missed: 2 },
  },
  {
    what: "nothing in the file, the log cut no further than for the publisher: counted",
    published: counted({ 0: 8 }, { missed: 5 }),
    starts: [5],
    ends: [9],
    wanted: { from: "nothing", covered: [5], missed: 5 },
  },
  {
    what: "the file goes on",
    own: own({ 0: 5, 1: 2 }),
    starts: [0, 0],
    ends: [9, 2],
    wanted: { from: "own", covered: [5, 2] },
  },
  {
    what: "the file goes on although others are further",
    own: own({ 0: 5 }),
    published: counted({ 0: 8 }),
    starts: [5],
    ends: [9],
    wanted: { from: "own", covered: [5] },
  },
  {
    what: "the file goes on with a partition that it does not know",
    own: own({ 0: 5 }),
    starts: [0, 0],
    ends: [9, 4],
    wanted: { from: "own", covered: [5, 0] },
  },
  {
    what: "the file goes on with rows before counts, and counts before rows",
    own: own({ 0: 5, 1: 9 }, { stored: { 0: 7, 1: 4 } }),
    starts: [0, 0],
    ends: [9, 9],
    wanted: { from: "own", covered: [5, 9], stored: [7, 4] },
  },
  {
    what: "rows that cannot be had any more are no reason to take over",
    own: own({ 0: 9 }, { stored: { 0: 4 } }),
    published: counted({ 0: 9 }),
    starts: [6],
    ends: [9],
    wanted: { from: "own", covered: [9], stored: [6] },
  },
  {
    what: "retention was faster than the file, and a record covers it: taken over",
    own: own({ 0: 5 }),
    published: counted({ 0: 12 }),
    starts: [10],
    ends: [20],
    wanted: { from: "published", covered: [12], stored: [10] },
  },
  {
    what: "taken over where the file is further in another partition: counted there again, not stored again",
    own: own({ 0: 5, 1: 9 }),
    published: counted({ 0: 12, 1: 3 }),
    starts: [10, 0],
    ends: [20, 9],
    wanted: { from: "published", covered: [12, 3], stored: [10, 9] },
  },
  {
    what: "retention was faster than the file and all others: missed, and the file goes on",
    own: own({ 0: 5 }),
    starts: [10],
    ends: [20],
    wanted: { from: "own", covered: [10], missed: 5 },
  },
  {
    what: "retention was faster than both: the one with less of a hole",
    own: own({ 0: 5 }),
    published: counted({ 0: 8 }),
    starts: [10],
    ends: [20],
    wanted: { from: "published", covered: [10], missed: 2 },
  },
  {
    what: "each has a hole in another partition, the file's is smaller",
    own: own({ 0: 8, 1: 20 }),
    published: counted({ 0: 10, 1: 15 }),
    starts: [10, 20],
    ends: [20, 20],
    wanted: { from: "own", covered: [10, 20], missed: 2 },
  },
  {
    what: "who published had missed more before than the file misses now",
    own: own({ 0: 5 }),
    published: counted({ 0: 12 }, { missed: 6 }),
    starts: [10],
    ends: [20],
    wanted: { from: "own", covered: [10], missed: 5 },
  },
  {
    what: "the file missed something before that the publisher has counted",
    own: own({ 0: 12 }, { missed: 3 }),
    published: counted({ 0: 11 }, { missed: 2 }),
    starts: [10],
    ends: [20],
    wanted: { from: "published", covered: [11], stored: [12] },
  },
  {
    what: "everything that was counted is gone, nothing came since",
    own: own({ 0: 10 }),
    starts: [10],
    ends: [10],
    wanted: { from: "own", covered: [10] },
  },
  {
    what: "made anew: the log ends before the file's place",
    own: own({ 0: 10 }),
    starts: [0],
    ends: [3],
    wanted: { from: "own", log: 1, covered: [0], madeAnew: true },
  },
  {
    what: "made anew with fewer partitions",
    own: own({ 0: 2, 1: 2 }, { log: 4 }),
    starts: [0],
    ends: [3],
    wanted: { from: "own", log: 5, covered: [0], madeAnew: true },
  },
  {
    what: "made anew: rows were further than counts",
    own: own({ 0: 2 }, { stored: { 0: 4 } }),
    starts: [0],
    ends: [3],
    wanted: { from: "own", log: 1, covered: [0], madeAnew: true },
  },
  {
    what: "made anew, as was seen, though the places fit",
    own: own({ 0: 2 }),
    starts: [0],
    ends: [3],
    isAnew: true,
    wanted: { from: "own", log: 1, covered: [0], madeAnew: true },
  },
  {
    what: "made anew, and retention was there already",
    own: own({ 0: 10 }),
    starts: [2],
    ends: [3],
    wanted: { from: "own", log: 1, covered: [2], missed: 2, madeAnew: true },
  },
  {
    what: "made anew, seen by others before: their totals, their number",
    own: own({ 0: 10 }),
    published: counted({ 0: 2 }, { log: 1 }),
    starts: [0],
    ends: [3],
    wanted: { from: "published", log: 1, covered: [2], stored: [0], madeAnew: true },
  },
  {
    what: "made anew and grown past the file's place, seen by others before",
    own: own({ 0: 10 }),
    published: counted({ 0: 12 }, { log: 2 }),
    starts: [0],
    ends: [30],
    wanted: { from: "published", log: 2, covered: [12], stored: [0], madeAnew: true },
  },
  {
    what: "made anew twice, the last time seen by nobody",
    own: own({ 0: 10 }),
    published: counted({ 0: 12 }, { log: 1 }),
    starts: [0],
    ends: [3],
    wanted: { from: "published", log: 2, covered: [0], madeAnew: true },
  },
  {
    what: "made anew, seen by nobody, and others had counted more of the old log",
    own: own({ 0: 10, 1: 4 }),
    published: counted({ 0: 15, 1: 4 }),
    starts: [0, 0],
    ends: [3, 0],
    wanted: { from: "published", log: 1, covered: [0, 0], madeAnew: true },
  },
  {
    what: "made anew, seen by nobody, each had counted some more of the old log",
    own: own({ 0: 10, 1: 9 }),
    published: counted({ 0: 12, 1: 4 }),
    starts: [0, 0],
    ends: [3, 0],
    wanted: { from: "own", log: 1, covered: [0, 0], missed: 2, madeAnew: true },
  },
  {
    what: "made anew, seen by the file's instance before those who publish",
    own: own({ 0: 2 }, { log: 1 }),
    published: counted({ 0: 10 }),
    starts: [0],
    ends: [3],
    wanted: { from: "own", log: 1, covered: [2] },
  },
  {
    what: "made anew, only what was published tells it",
    own: own({ 0: 2 }),
    published: counted({ 0: 10 }),
    starts: [0],
    ends: [3],
    wanted: { from: "published", log: 1, covered: [0], madeAnew: true },
  },
  {
    what: "nothing in the file, the log another than the published one: the totals go on",
    published: counted({ 0: 10 }),
    starts: [0],
    ends: [3],
    wanted: { from: "published", log: 1, covered: [0] },
  },
  {
    what: "nothing in the file, the log whole but not the first: the totals of those before are taken over",
    published: counted({ 0: 2 }, { log: 1 }),
    starts: [0],
    ends: [3],
    wanted: { from: "published", log: 1, covered: [2], stored: [0] },
  },
  {
    what: "other bins: counted anew from the rows",
    own: own({ 0: 9 }, { edges: otherEdges, stored: { 0: 7 } }),
    starts: [0],
    ends: [9],
    wanted: { from: "own", covered: [7], stored: [7], recount: true },
  },
  {
    what: "other bins, published ones too: nothing is taken over from them",
    own: own({ 0: 5 }, { edges: otherEdges }),
    published: counted({ 0: 12 }, { edges: otherEdges }),
    starts: [10],
    ends: [20],
    wanted: { from: "own", covered: [10], missed: 5, recount: true },
  },
  {
    what: "other bins, which another instance has already",
    own: own({ 0: 5 }, { edges: otherEdges }),
    published: counted({ 0: 4 }),
    starts: [0],
    ends: [20],
    wanted: { from: "published", covered: [4], stored: [5] },
  },
  {
    what: "other bins, which another instance has that missed something",
    own: own({ 0: 5 }, { edges: otherEdges }),
    published: counted({ 0: 4 }, { missed: 1 }),
    starts: [0],
    ends: [20],
    wanted: { from: "own", covered: [5], recount: true },
  },
  {
    what: "other bins in a log that was made anew",
    own: own({ 0: 25 }, { edges: otherEdges }),
    starts: [0],
    ends: [20],
    wanted: { from: "own", log: 1, covered: [0], recount: true, madeAnew: true },
  },
  {
    what: "published bins are others, its log's number holds",
    own: own({ 0: 5 }),
    published: counted({ 0: 12 }, { log: 3, edges: otherEdges }),
    starts: [0],
    ends: [20],
    wanted: { from: "own", log: 3, covered: [0], madeAnew: true },
  },
  {
    what: "nothing in the file, published bins are others",
    published: counted({ 0: 12 }, { log: 3, edges: otherEdges }),
    starts: [4],
    ends: [20],
    wanted: { from: "nothing", log: 3, covered: [4], missed: 4 },
  },
];

for (const { what, wanted, own = null, published = null, ...facts } of cases) {
  Deno.test(`beginning(): ${what}`, () => {
    const { log = 0, covered, stored = covered, missed = 0, recount = false, madeAnew = false } = wanted;
    const source = { own, published, nothing: null }[wanted.from];
    assertEquals(beginning({ edges, own, published, ...facts }), {
      from: wanted.from,
      state: source && { snapshot: source.snapshot, more: source.more },
      covered: { log, positions: { ...covered } },
      stored: { ...stored },
      missed,
      recount,
      madeAnew,
    });
  });
}

Deno.test("covers() holds when no partition is behind, or the log is a later one", () => {
  const rows: readonly (readonly [a: Places, b: Places, wanted: boolean])[] = [
    [{ 0: 5, 1: 5 }, { 0: 5, 1: 4 }, true],
    [{ 0: 5, 1: 5 }, { 0: 6, 1: 4 }, false],
    [{ 0: 5 }, { 0: 5, 1: 0 }, true],
    [{ 0: 5 }, { 0: 5, 1: 1 }, false],
    [{}, {}, true],
    [{ 0: 1 }, {}, true],
  ];
  for (const [a, b, wanted] of rows) {
    assertEquals(covers({ log: 2, positions: a }, { log: 2, positions: b }), wanted);
    assertEquals(covers({ log: 3, positions: a }, { log: 2, positions: b }), true);
    assertEquals(covers({ log: 2, positions: a }, { log: 3, positions: b }), false);
  }
});
