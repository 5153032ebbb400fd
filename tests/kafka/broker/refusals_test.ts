import { assertEquals } from "@std/assert";
import { Refusals } from "../../../kafka/broker/refusals.ts";

Deno.test("Refusals writes a line each, then one for the rest, and counts them all", () => {
  let nowMs = 0;
  const lines: string[] = [];
  const warn = (message: string, fields?: Record<string, unknown>): void => {
    lines.push([message, ...Object.values(fields ?? {})].join(" "));
  };
  const refusals = new Refusals({ debug() {}, info() {}, warn, error() {} }, () => nowMs);
  for (let i = 0; i < 1000; i++) refusals.add("sasl", `10.0.0.1:${i}`, "wrong password");
  assertEquals(lines.length, 20);
  assertEquals(lines[0], "connection refused sasl 10.0.0.1:0 wrong password");
  refusals.add("tls", "10.0.0.2:1", "found no TLS");
  assertEquals(lines.pop(), "connection refused tls 10.0.0.2:1 found no TLS");
  nowMs = 9_999;
  refusals.flush();
  assertEquals(lines.length, 20);
  nowMs = 10_000;
  refusals.flush();
  assertEquals(lines.slice(20), ["more connections refused than have lines sasl 980"]);
  refusals.add("sasl", "10.0.0.1:1", "wrong password");
  assertEquals(lines.length, 22);
  nowMs = 30_000;
  refusals.flush();
  assertEquals(lines.length, 22);
  assertEquals(refusals.snapshot(), [
    { kind: "limit", count: 0 },
    { kind: "tls", count: 1 },
    { kind: "sasl", count: 1001 },
    { kind: "protocol", count: 0 },
    { kind: "slow", count: 0 },
  ]);
});
