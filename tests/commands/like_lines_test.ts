import { assertEquals } from "@std/assert";
import { LikeLines } from "../../commands/like_lines.ts";

function read(text: string) {
  return new LikeLines().push(text, true);
}

Deno.test("LikeLines.push() reads an id on each line, and its time where there is one", () => {
  assertEquals(read('a\r\n\n b \n"c,d"\né'), [
    { video: "a", timeMs: null },
    { video: "b", timeMs: null },
    { video: "c,d", timeMs: null },
    { video: "é", timeMs: null },
  ]);
  const timed = "x;2026-01-31T12:00:00.5Z\nx;1770000000\nx;1770000000123\nx;1970-01-01\nx;\nx";
  assertEquals(read(timed).map((like) => "timeMs" in like && like.timeMs), [
    Date.UTC(2026, 0, 31, 12, 0, 0, 500),
    1_770_000_000_000,
    1_770_000_000_123,
    0,
    null,
    null,
  ]);
});

Deno.test("LikeLines.push() passes over names of columns, in the first line only", () => {
  assertEquals(read("video_id,time\na\n"), [{ video: "a", timeMs: null }]);
  assertEquals(read("a\nid\n"), [{ video: "a", timeMs: null }, { video: "id", timeMs: null }]);
});

Deno.test("LikeLines.push() tells each line that holds no like, and reads the others", () => {
  const long = "x".repeat(257);
  assertEquals(read(`,5\na,yesterday\na,1969-12-31\na,2026-01-31,b\n${long}\n\u0007\n"a\nb`), [
    { line: 1, reason: 'found "" as id, wanted 1 to 256 bytes of UTF-8 without control characters' },
    { line: 2, reason: 'found "yesterday" as time' },
    { line: 3, reason: 'found "1969-12-31" as time' },
    { line: 4, reason: "found 3 cells" },
    {
      line: 5,
      reason: `found "${"x".repeat(40)}…" as id, wanted 1 to 256 bytes of UTF-8 without control characters`,
    },
    { line: 6, reason: 'found "\\u0007" as id, wanted 1 to 256 bytes of UTF-8 without control characters' },
    { line: 7, reason: "found a quote that is not closed" },
    { video: "b", timeMs: null },
  ]);
});

Deno.test("LikeLines.push() reads lines that come in pieces", () => {
  const lines = new LikeLines(), text = "id\nfirst,1770000000\nsecond\n";
  const found = [...text].flatMap((letter) => lines.push(letter));
  assertEquals([...found, ...lines.push("", true)], [
    { video: "first", timeMs: 1_770_000_000_000 },
    { video: "second", timeMs: null },
  ]);
});
