import { assertEquals } from "@std/assert";
import { beginFold, type FoldFacts } from "../../../../kafka/processors/windows/fold_beginning.ts";

const id = "0123456789abcdef0123456789abcdef", other = "f".repeat(32);
const nothing: FoldFacts = { topicId: id, end: 100, committed: null, covered: null };

Deno.test("beginFold() goes on where its group is, or where clicks are counted, or at 0", () => {
  const cases: [claim: string, facts: Partial<FoldFacts>, log: string, from: number][] = [
    ["nothing is known", {}, id, 0],
    ["a committed offset", { committed: { offset: 40, metadata: id } }, id, 40],
    ["at the very end", { committed: { offset: 100, metadata: id } }, id, 100],
    ["after a cut", { committed: { offset: 40, metadata: `${id}~2` } }, `${id}~2`, 40],
    ["of another topic", { committed: { offset: 40, metadata: other } }, id, 0],
    ["of another topic that was cut", { committed: { offset: 400, metadata: `${other}~1` } }, id, 0],
    ["no group", { covered: { log: id, next: 30 } }, id, 30],
    ["no group, after a cut", { covered: { log: `${id}~1`, next: 30 } }, `${id}~1`, 30],
    ["no group, another topic", { covered: { log: other, next: 30 } }, id, 0],
    ["set by people, nothing counted", { committed: { offset: 40, metadata: "" } }, id, 40],
    [
      "set by people to what is counted",
      { committed: { offset: 10, metadata: "" }, covered: { log: `${id}~1`, next: 30 } },
      `${id}~1`,
      30,
    ],
    [
      "set by people to skip",
      { committed: { offset: 50, metadata: "by hand" }, covered: { log: id, next: 30 } },
      id,
      50,
    ],
    [
      "set by people in a new topic",
      { committed: { offset: 50, metadata: "" }, covered: { log: other, next: 70 } },
      id,
      50,
    ],
    ["no ids", { topicId: null, committed: { offset: 40, metadata: "" } }, "", 40],
    [
      "no ids, after a cut",
      { topicId: null, committed: { offset: 40, metadata: "~1" } },
      "~1",
      40,
    ],
    ["no ids any more", { topicId: null, committed: { offset: 40, metadata: id } }, "", 0],
    ["no ids before", { committed: { offset: 40, metadata: "" }, covered: { log: "", next: 40 } }, id, 40],
  ];
  for (const [claim, facts, log, from] of cases) {
    assertEquals(beginFold({ ...nothing, ...facts }), { log, from, isCut: false }, claim);
  }
});

Deno.test("beginFold() goes on at the end of a log that has lost its end, by another name as offsets come again", () => {
  const cases: [facts: Partial<FoldFacts>, log: string, from: number][] = [
    [{ committed: { offset: 101, metadata: id } }, `${id}~1`, 100],
    [{ committed: { offset: 900, metadata: `${id}~9` } }, `${id}~10`, 100],
    [{ covered: { log: id, next: 101 } }, `${id}~1`, 100],
    [{ committed: { offset: 101, metadata: "" } }, `${id}~1`, 100],
    [{ topicId: null, committed: { offset: 101, metadata: "" } }, "~1", 0],
    [{ topicId: null, committed: { offset: 101, metadata: "~1" } }, "~2", 0],
  ];
  for (const [facts, log, from] of cases) {
    assertEquals(beginFold({ ...nothing, ...facts }), { log, from, isCut: true }, JSON.stringify(facts));
  }
});
