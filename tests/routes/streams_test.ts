import { assertEquals, assertThrows } from "@std/assert";
import type { Context } from "hono";
import { StreamError } from "../../errors.ts";
import type { Hub } from "../../kafka/hub.ts";
import { Heartbeats, readKeys, readStart, refusal, topicOf } from "../../routes/streams.ts";
import { eventually } from "../eventually.ts";

/** The part of a request's context that is read here. */
function context(query = "", topic = "t"): Context {
  const params = new URLSearchParams(query);
  const req = {
    query: (name: string) => params.get(name) ?? undefined,
    queries: (name: string) => params.has(name) ? params.getAll(name) : undefined,
    param: () => topic,
  };
  return { req } as unknown as Context;
}

function refusedBy(work: () => unknown): [code: string, status: number] {
  const { code, status } = assertThrows(work, StreamError);
  return [code, status];
}

const id = "v1.0a1b2c3d.0:4";
const idStart = { kind: "id", text: id, cluster: "0a1b2c3d", positions: [5] } as const;

Deno.test("readStart() begins at the end unless a cursor says otherwise", () => {
  assertEquals(readStart(context()), { start: { kind: "latest" }, fallback: { kind: "latest" } });
  assertEquals(readStart(context("cursor=earliest")).start, { kind: "earliest" });
  assertEquals(readStart(context("cursor=t.5")).start, { kind: "time", ms: 5 });
  assertEquals(readStart(context(`cursor=${id}`)).start, idStart);
});

Deno.test("readStart() lets Last-Event-ID win, with the cursor to fall back to", () => {
  assertEquals(readStart(context("cursor=earliest"), id), { start: idStart, fallback: { kind: "earliest" } });
  assertEquals(
    readStart(context("cursor=earliest"), "").start,
    { kind: "earliest" },
    "a browser that has none yet",
  );
});

Deno.test("readStart() never refuses a Last-Event-ID", () => {
  for (const text of ["nonsense", "latest", "t.5", "v1.x", "x".repeat(100_000)]) {
    assertEquals(readStart(context("cursor=t.7"), text), {
      start: { kind: "time", ms: 7 },
      fallback: { kind: "time", ms: 7 },
      reset: { requested: text.slice(0, 200), reason: "malformed" },
    });
  }
});

Deno.test("readStart() refuses wrong cursors and what this version does not know", () => {
  assertEquals(refusedBy(() => readStart(context("cursor=nonsense"))), ["invalid-cursor", 400]);
  assertEquals(refusedBy(() => readStart(context("cursor=nonsense"), id)), ["invalid-cursor", 400]);
  for (const query of ["until=latest", "speed=1", "policy=latest", "policy=latest-per-key", "policy="]) {
    assertEquals(refusedBy(() => readStart(context(query))), ["unsupported-parameter", 400]);
  }
  readStart(context("policy=lossless"));
});

Deno.test("topicOf() takes names that Kafka takes", () => {
  assertEquals(topicOf(context("", "geo.positions-1_a")), "geo.positions-1_a");
  for (const name of ["", ".", "..", "a b", "größe", "x".repeat(250)]) {
    assertEquals(refusedBy(() => topicOf(context("", name))), ["invalid-topic", 400]);
  }
});

Deno.test("readKeys() lets records with one of the keys through, and none without a key", () => {
  assertEquals(readKeys(context()), undefined);
  const pick = readKeys(context("key=a&key=gr%C3%B6%C3%9Fe"))!;
  const picks = (key: string | null) =>
    pick({
      partition: 0,
      offset: 0,
      timestamp: 0,
      value: null,
      headers: {},
      key: key === null ? null : new TextEncoder().encode(key),
    });
  assertEquals(["a", "größe", "b", "", null].map(picks), [true, true, false, false, false]);
  const empty = readKeys(context("key="))!;
  assertEquals(
    empty({ partition: 0, offset: 0, timestamp: 0, value: null, headers: {}, key: new Uint8Array() }),
    true,
  );
});

Deno.test("refusal() says draining before full, and null while there is room", () => {
  const deps = (size: number, isDraining: boolean) => ({
    hub: { size, isDraining } as Hub,
    heartbeats: undefined as unknown as Heartbeats,
    config: { maxConnections: 2, heartbeatMs: 1 },
  });
  assertEquals(refusal(deps(1, false)), null);
  assertEquals(refusal(deps(2, false)), "full");
  assertEquals(refusal(deps(2, true)), "draining");
});

Deno.test("Heartbeats has one timer for all streams, and none when there is no stream", async () => {
  using heartbeats = new Heartbeats(5);
  const beats = [0, 0];
  const stop = beats.map((_, n) => heartbeats.add(() => beats[n]!++));
  await eventually("both to beat", () => beats.every((count) => count >= 2));
  stop[0]!();
  const [stopped, going] = beats;
  await eventually("the other one to go on", () => beats[1]! >= going! + 2);
  assertEquals(beats[0], stopped);
  stop[1]!();
  stop[1]!();
  const last = heartbeats.add(() => beats[0]!++);
  await eventually("a new one", () => beats[0]! > stopped!);
  last();
});
