import { assert, assertEquals } from "@std/assert";
import { eachPartition, type Member, wholeTopics } from "../../kafka/assignors.ts";
import { Random } from "../random.ts";

/** A member that wants the letters of `topics`, and had those of `owned`. */
function member(id: string, topics: string, owned = "", generation = owned === "" ? -1 : 1): Member {
  return { id, topics: [...topics], owned: new Map([...owned].map((topic) => [topic, [0]])), generation };
}

/** Who has which letters. */
function deal(...members: Member[]): Record<string, string> {
  const dealt = wholeTopics.assign(members, new Map());
  return Object.fromEntries([...dealt].map(([id, topics]) => [id, [...topics.keys()].join("")]));
}

const cases: Record<string, [members: Member[], dealt: Record<string, string>]> = {
  "alone it has everything": [[member("a", "xyz")], { a: "xyz" }],
  "two share": [[member("a", "xyz"), member("b", "xyz")], { a: "xz", b: "y" }],
  "the order of the members does not matter": [[member("b", "xyz"), member("a", "xyz")], { a: "xz", b: "y" }],
  "topics stay where they were": [[member("a", "xyz"), member("b", "xyz", "xz")], { a: "y", b: "xz" }],
  "a newcomer gets no more than its share": [
    [member("a", "vwxyz", "vwx"), member("b", "vwxyz", "yz"), member("c", "vwxyz")],
    { a: "wx", b: "yz", c: "v" },
  ],
  "who is left takes over what is free, and keeps the rest": [
    [member("a", "wxyz", "w"), member("b", "wxyz", "yz")],
    { a: "wx", b: "yz" },
  ],
  "of two that say they had it, the later one did": [
    [member("a", "xy", "xy", 3), member("b", "xy", "y", 7)],
    { a: "x", b: "y" },
  ],
  "what nobody else wants stays, however uneven": [[member("a", "wxyz"), member("b", "w")], {
    a: "xyz",
    b: "w",
  }],
  "topics pass through others where wishes differ": [
    [member("a", "xy", "xy"), member("b", "yz", "z"), member("c", "z")],
    { a: "x", b: "y", c: "z" },
  ],
  "a topic that was owned is given up with the wish for it": [
    [member("a", "x", "xy"), member("b", "xy", "", 1)],
    { a: "x", b: "y" },
  ],
  "who wants nothing gets nothing": [[member("a", ""), member("b", "x")], { a: "", b: "x" }],
};

for (const [claim, [members, dealt]] of Object.entries(cases)) {
  Deno.test(`wholeTopics: ${claim}`, () => assertEquals(deal(...members), dealt));
}

Deno.test("wholeTopics gives a topic with all its partitions, and one that does not exist with none", () => {
  const dealt = wholeTopics.assign([member("a", "xy")], new Map([["x", [0, 1, 2]], ["y", []]]));
  assertEquals(dealt.get("a"), new Map([["x", [0, 1, 2]], ["y", []]]));
});

Deno.test("wholeTopics is even, keeps what it can and settles, whatever the members are (500 groups)", () => {
  const random = new Random("wholeTopics");
  for (let n = 0; n < 500; n++) {
    const names = [..."abcdefghijkl"].slice(0, random.between(1, 12));
    const everybodyWants = random.between(0, 1) === 0;
    const members = Array.from({ length: random.between(1, 5) }, (_, id) => {
      const wants = names.filter(() => everybodyWants || random.between(1, 10) <= 6).join("");
      return member(
        `m${id}`,
        wants,
        names.filter(() => random.between(1, 10) <= 3).join(""),
        random.between(0, 3),
      );
    });
    const dealt = deal(...members);
    const given = Object.values(dealt).join("");
    const wanted = new Set(members.flatMap(({ topics }) => topics));
    assertEquals([...given].sort(), [...wanted].sort(), "each topic that somebody wants has one owner");
    for (const { id, topics } of members) assert([...dealt[id]!].every((topic) => topics.includes(topic)));
    const sizes = Object.values(dealt).map((topics) => topics.length);
    if (everybodyWants) assert(Math.max(...sizes) - Math.min(...sizes) <= 1, `as even as can be: ${sizes}`);
    const again = members.map(({ id, topics }) => member(id, topics.join(""), dealt[id], 9));
    assertEquals(deal(...again), dealt, "nothing moves when nothing has changed");
  }
});

/** A member that wants the letters of `topics`, and had partitions such as `x0`. */
function partMember(id: string, topics: string, owned = "", generation = owned === "" ? -1 : 1): Member {
  const had = Map.groupBy(owned.split(" ").filter(Boolean), (name) => name[0]!);
  const numbers = [...had].map(([topic, names]) =>
    [topic, names.map((name) => Number(name.slice(1)))] as const
  );
  return { id, topics: [...topics], owned: new Map(numbers), generation };
}

/** Who has which of the partitions, of which there are as many as `counts` says. */
function dealEach(counts: Record<string, number>, ...members: Member[]): Record<string, string> {
  const partitions = new Map(
    Object.entries(counts).map(([topic, count]) => [topic, Array.from({ length: count }, (_, n) => n)]),
  );
  const dealt = eachPartition("sizes 60000").assign(members, partitions);
  return Object.fromEntries([...dealt].map(([id, topics]) => {
    return [id, [...topics].flatMap(([topic, numbers]) => numbers.map((n) => `${topic}${n}`)).join(" ")];
  }));
}

const partCases: Record<
  string,
  [counts: Record<string, number>, members: Member[], dealt: Record<string, string>]
> = {
  "alone it has everything": [{ x: 3 }, [partMember("a", "x")], { a: "x0 x1 x2" }],
  "two share a topic": [{ x: 3 }, [partMember("a", "x"), partMember("b", "x")], { a: "x0 x2", b: "x1" }],
  "partitions stay where they were": [
    { x: 4 },
    [partMember("a", "x", "x3"), partMember("b", "x", "x0 x2")],
    { a: "x1 x3", b: "x0 x2" },
  ],
  "a newcomer gets no more than its share": [
    { x: 4 },
    [partMember("a", "x", "x0 x1 x2 x3"), partMember("b", "x")],
    { a: "x2 x3", b: "x0 x1" },
  ],
  "partitions that came are dealt out": [
    { x: 4 },
    [partMember("a", "x", "x0"), partMember("b", "x", "x1")],
    { a: "x0 x2", b: "x1 x3" },
  ],
  "partitions that went are given to nobody": [{ x: 1 }, [partMember("a", "x", "x0 x1 x7")], { a: "x0" }],
  "of two that say they had it, the later one did": [
    { x: 2 },
    [partMember("a", "x", "x0 x1", 3), partMember("b", "x", "x1", 7)],
    { a: "x0", b: "x1" },
  ],
  "who is one too many has nothing": [
    { x: 1 },
    [partMember("a", "x"), partMember("b", "x", "x0")],
    { a: "", b: "x0" },
  ],
  "a topic that does not exist is given to nobody": [{}, [partMember("a", "x")], { a: "" }],
  "who wants nothing gets nothing": [
    { x: 2 },
    [partMember("a", ""), partMember("b", "x")],
    { a: "", b: "x0 x1" },
  ],
  "several topics are one deal": [
    { x: 2, y: 2 },
    [partMember("a", "xy"), partMember("b", "y"), partMember("c", "x", "x0 x1")],
    { a: "y0", b: "y1", c: "x0 x1" },
  ],
};

for (const [claim, [counts, members, dealt]] of Object.entries(partCases)) {
  Deno.test(`eachPartition: ${claim}`, () => assertEquals(dealEach(counts, ...members), dealt));
}

Deno.test("eachPartition has the name it is given, and nobody to give to is no failure", () => {
  assertEquals(eachPartition("one").name, "one");
  assertEquals(eachPartition("one").assign([], new Map([["x", [0, 1]]])), new Map());
});

Deno.test("eachPartition gives each partition to one, is even, keeps what it can and settles (500 groups)", () => {
  const random = new Random("eachPartition");
  for (let n = 0; n < 500; n++) {
    const counts = { x: random.between(0, 12), y: random.between(0, 3) };
    const all = Object.entries(counts).flatMap(([topic, count]) =>
      Array.from({ length: count }, (_, partition) => `${topic}${partition}`)
    );
    const everybodyWants = random.between(0, 1) === 0;
    const members = Array.from({ length: random.between(1, 5) }, (_, id) => {
      const wants = everybodyWants ? "xy" : ["x", "y", "xy"][random.between(0, 2)]!;
      const owned = [...all, "x99"].filter(() => random.between(1, 10) <= 3).join(" ");
      return partMember(`m${id}`, wants, owned, random.between(0, 3));
    });
    const dealt = dealEach(counts, ...members);
    const given = Object.values(dealt).join(" ").split(" ").filter(Boolean);
    const wanted = all.filter((name) => members.some(({ topics }) => topics.includes(name[0]!)));
    assertEquals(given.toSorted(), wanted.toSorted(), "each partition that somebody wants has one owner");
    const sizes = Object.values(dealt).map((names) => names.split(" ").filter(Boolean).length);
    if (everybodyWants) assert(Math.max(...sizes) - Math.min(...sizes) <= 1, `as even as can be: ${sizes}`);
    const again = members.map(({ id, topics }) => partMember(id, topics.join(""), dealt[id], 9));
    assertEquals(dealEach(counts, ...again), dealt, "nothing moves when nothing has changed");
  }
});
