import { assertEquals, assertThrows } from "@std/assert";
import { StreamError } from "../../errors.ts";
import { prefers } from "../../routes/accept.ts";
import { readNumber, readSpan, readWord } from "../../routes/measurement_query.ts";

const query = (text: string) => new URLSearchParams(text);

Deno.test("readSpan() takes ms, times in ISO 8601 and dates", () => {
  assertEquals(readSpan(query("")), {});
  const noon = Date.UTC(2026, 0, 31, 12);
  for (
    const text of [
      `t.${noon}`,
      "2026-01-31T12:00:00Z",
      "2026-01-31T12:00:00",
      "2026-01-31 12:00:00.000",
      "2026-01-31T14:00:00%2B02:00",
      "2026-01-31T14:00:00+02:00", // of a query, where the plus is a space
      "2026-01-31T14:00:00+0200",
      "2026-01-31T10:00:00-02:00",
    ]
  ) {
    assertEquals(readSpan(query(`from=${text}`)), { from: noon }, text);
    assertEquals(readSpan(query(`to=${text}`)), { to: noon }, text);
  }
  assertEquals(readSpan(query("from=2026-01-31&to=2026-02-01")), {
    from: Date.UTC(2026, 0, 31),
    to: Date.UTC(2026, 1, 1),
  });
  assertEquals(readSpan(query("from=t.-5&to=t.-5")), { from: -5, to: -5 });
});

Deno.test("readSpan(), readNumber() and readWord() refuse anything else by a 400 of its name", () => {
  const code = (work: () => unknown) => {
    const { code, status, message } = assertThrows(work, StreamError);
    assertEquals([status, message.length < 250], [400, true]);
    return code;
  };
  for (
    const text of ["", "now", "t.", "t.1.5", "2026-02-30", "12:00", "2026-01-31T25:00:00Z", "x".repeat(9_999)]
  ) {
    assertEquals(code(() => readSpan(query(`from=${text}`))), "invalid-from", text);
    assertEquals(code(() => readSpan(query(`to=${text}`))), "invalid-to", text);
  }
  assertEquals(code(() => readSpan(query("from=t.2&to=t.1"))), "invalid-span");
  const bounds = { most: 10, fallback: 3 };
  assertEquals(readNumber(query(""), "points", bounds), 3);
  assertEquals(readNumber(query("points=10"), "points", bounds), 10);
  for (const text of ["0", "11", "-1", "1e1", "", " 1"]) {
    assertEquals(code(() => readNumber(query(`limit=${text}`), "limit", bounds)), "invalid-limit");
  }
  assertEquals(readWord(query(""), "order", ["asc", "desc"]), "asc");
  assertEquals(readWord(query("order=desc"), "order", ["asc", "desc"]), "desc");
  assertEquals(code(() => readWord(query("order="), "order", ["asc", "desc"])), "invalid-order");
});

Deno.test("prefers() ranks by quality and by how specific a range is", () => {
  const csv = (accept?: string) => prefers(accept, "text/csv", "application/json");
  assertEquals(["text/csv", "text/*", "application/json;q=0.5, text/csv"].map(csv), [true, true, true]);
  assertEquals([undefined, "*/*", "", "application/json, text/csv"].map(csv), [false, false, false, false]);
});
