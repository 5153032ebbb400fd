import { assertEquals } from "@std/assert";
import { ClickIds, isClickTime } from "../../../../kafka/processors/windows/click.ts";
import { isVideoId } from "../../../../kafka/windows.ts";

const encoder = new TextEncoder();

Deno.test("ClickIds.read() gives the id, or says why a value is none", () => {
  const ids = new ClickIds();
  const cases: [Uint8Array | null, string | { wrong: string }][] = [
    [encoder.encode("a"), "a"],
    [encoder.encode("ä€😀 b"), "ä€😀 b"],
    [encoder.encode("\uFEFFa"), "\uFEFFa"],
    [encoder.encode("x".repeat(256)), "x".repeat(256)],
    [encoder.encode("x".repeat(257)), { wrong: "too-long" }],
    [encoder.encode("😀".repeat(64)), "😀".repeat(64)],
    [encoder.encode("😀".repeat(65)), { wrong: "too-long" }],
    [null, { wrong: "empty" }],
    [new Uint8Array(0), { wrong: "empty" }],
    [Uint8Array.of(0xff, 0x41), { wrong: "not-utf8" }],
    [Uint8Array.of(0xed, 0xa0, 0x80), { wrong: "not-utf8" }],
    [encoder.encode("a\n"), { wrong: "control" }],
    [encoder.encode("\x00"), { wrong: "control" }],
    [encoder.encode("\x7f"), { wrong: "control" }],
    [encoder.encode("\u0085"), { wrong: "control" }],
  ];
  for (const again of [false, true]) {
    for (const [value, expected] of cases) assertEquals(ids.read(value), expected, `${value}, ${again}`);
  }
});

Deno.test("ClickIds.read() takes for an id what isVideoId() takes for one", () => {
  const ids = new ClickIds();
  for (const id of ["a", "", "a b", "a\tb", "ü".repeat(128), "ü".repeat(129), "\uFFFD", "\u00AD", "\u200B"]) {
    assertEquals(typeof ids.read(encoder.encode(id)) === "string", isVideoId(id), JSON.stringify(id));
  }
});

Deno.test("ClickIds.read() tells ids apart that share a slot, and keeps nothing of the value's memory", () => {
  const ids = new ClickIds(), value = new Uint8Array(8);
  for (let n = 0; n < 100_000; n++) {
    encoder.encodeInto(String(n).padStart(8, "0"), value);
    assertEquals(ids.read(value), String(n).padStart(8, "0"));
  }
  for (let n = 0; n < 100_000; n += 7) {
    assertEquals(ids.read(encoder.encode(String(n).padStart(8, "0"))), String(n).padStart(8, "0"));
  }
});

Deno.test("isClickTime() refuses −1, Kafka's none, and what no date has", () => {
  const times = [0, 1, 8.64e15, -1, -1e12, 8.64e15 + 1, 2 ** 63];
  assertEquals(times.map(isClickTime), [true, true, true, false, false, false, false]);
});
