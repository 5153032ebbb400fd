import { assert, assertEquals } from "@std/assert";
import { type Member, wholeTopics } from "../../kafka/assignors.ts";
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
