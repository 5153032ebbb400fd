import { assertEquals } from "@std/assert";
import { CsvParser, type CsvRow, maxRowLength } from "../../commands/csv.ts";

/** The rows of a text that comes in pieces of `size`. */
function rows(
  text: string,
  { size = text.length, delimiter }: { size?: number; delimiter?: string } = {},
): CsvRow[] {
  const parser = new CsvParser(delimiter), found: CsvRow[] = [];
  for (let at = 0; at < text.length; at += size) found.push(...parser.push(text.slice(at, at + size)));
  found.push(...parser.push("", true));
  return found;
}

const cells = (text: string, delimiter?: string) =>
  rows(text, delimiter ? { delimiter } : {}).map((row) => row.cells);

Deno.test("CsvParser reads rows as RFC 4180 has them", () => {
  const cases: [text: string, cells: (string[] | null)[]][] = [
    ["", []],
    ["a,b\r\n1,2\r\n", [["a", "b"], ["1", "2"]]],
    ["a,b\n1,2", [["a", "b"], ["1", "2"]]],
    ["\uFEFFa,b\n", [["a", "b"]]],
    ["a,,\n,\n", [["a", "", ""], ["", ""]]],
    ['"a,1","b ""x""","c\r\nd"\r\ne,f,g\r\n', [["a,1", 'b "x"', "c\r\nd"], ["e", "f", "g"]]],
    ['"",""\n""\n', [["", ""], [""]]],
    ['a,"b"\r\n', [["a", "b"]]],
    ['a,"b"\r', [["a", "b"]]],
    ['"a",b\r\n', [["a", "b"]]],
    ['5" pipe,x\n', [['5" pipe', "x"]]],
    ["a\n\r\n\n b \n", [["a"], [" b "]]],
  ];
  for (const [text, wanted] of cases) {
    assertEquals(cells(text), wanted, JSON.stringify(text));
    for (let size = 1; size < text.length; size++) {
      assertEquals(rows(text, { size }), rows(text), `${JSON.stringify(text)} in pieces of ${size}`);
    }
  }
});

Deno.test("CsvParser finds the delimiter in the first line, where none is given", () => {
  assertEquals(cells("a;b,c;d\n1;2,5;3\n"), [["a", "b,c", "d"], ["1", "2,5", "3"]]);
  assertEquals(cells("a\tb\n1\t2\n"), [["a", "b"], ["1", "2"]]);
  assertEquals(cells('"a;b;c",d\n'), [["a;b;c", "d"]]);
  assertEquals(cells("a;b,c\n", ","), [["a;b", "c"]]);
});

Deno.test("CsvParser loses a broken line and no other, and counts lines over quoted line feeds", () => {
  const text = 'a,b\n"x\ny\nz",1\n"bad"x,2\n3,4\n"open,5\n6,7\n';
  const wanted: CsvRow[] = [
    { line: 1, cells: ["a", "b"] },
    { line: 2, cells: ["x\ny\nz", "1"] },
    { line: 5, cells: null, broken: "text behind a closing quote" },
    { line: 6, cells: ["3", "4"] },
    { line: 7, cells: null, broken: "a quote that is not closed" },
    { line: 8, cells: ["6", "7"] },
  ];
  for (let size = 1; size <= text.length; size++) {
    assertEquals(rows(text, { size }), wanted, `pieces of ${size}`);
  }
});

Deno.test("CsvParser holds no more than one row of the longest kind", () => {
  const long = "x".repeat(3 * maxRowLength);
  for (const size of [1000, 4 * maxRowLength]) {
    const found = rows(`a,b\n${long}\n1,2\n"${long}\n3,4\n`, { size });
    assertEquals(found.map(({ line, cells }) => [line, cells?.length ?? null]), [
      [1, 2],
      [2, null],
      [3, 2],
      [4, null],
      [5, 2],
    ], `pieces of ${size}`);
  }
  const open = rows(`a,b\n"\n${"1,2\n".repeat(maxRowLength)}`, { size: 65_536 });
  assertEquals([open.length, open[1]!.cells], [maxRowLength + 2, null]);
});
