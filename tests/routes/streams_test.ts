import { assertEquals, assertThrows } from "@std/assert";
import { StreamError } from "../../errors.ts";
import type { Hub } from "../../kafka/hub.ts";
import { silentLogger } from "../../logger.ts";
import { positionFeed } from "../../routes/geo.ts";
import { type AskedStream, isOver, readAsked, readKeys, refusal, topicOf } from "../../routes/streams.ts";
import { Connections, Heartbeats } from "../../routes/streams.ts";
import { eventually } from "../eventually.ts";

function query(text = ""): URLSearchParams {
  return new URLSearchParams(text);
}

function refusedBy(work: () => unknown): [code: string, status: number] {
  const { code, status } = assertThrows(work, StreamError);
  return [code, status];
}

const id = "v1.0a1b2c3d.0:4";
const idStart = { kind: "id", text: id, cluster: "0a1b2c3d", positions: [5] } as const;

Deno.test("readAsked() begins at the end unless a cursor says otherwise", () => {
  assertEquals(readAsked(query()), { start: { kind: "latest" }, fallback: { kind: "latest" } });
  assertEquals(readAsked(query("cursor=earliest")).start, { kind: "earliest" });
  assertEquals(readAsked(query("cursor=t.5")).start, { kind: "time", ms: 5 });
  assertEquals(readAsked(query(`cursor=${id}`)).start, idStart);
});

Deno.test("readAsked() lets Last-Event-ID win, with the cursor to fall back to", () => {
  assertEquals(readAsked(query("cursor=earliest"), id), { start: idStart, fallback: { kind: "earliest" } });
  assertEquals(
    readAsked(query("cursor=earliest"), "").start,
    { kind: "earliest" },
    "a browser that has none yet",
  );
});

Deno.test("readAsked() never refuses a Last-Event-ID", () => {
  for (const text of ["nonsense", "latest", "t.5", "v1.x", "x".repeat(100_000)]) {
    assertEquals(readAsked(query("cursor=t.7"), text), {
      start: { kind: "time", ms: 7 },
      fallback: { kind: "time", ms: 7 },
      reset: { requested: text.slice(0, 200), reason: "malformed" },
    });
  }
});

Deno.test("readAsked() refuses wrong cursors, ends, speeds and policies", () => {
  assertEquals(refusedBy(() => readAsked(query("cursor=nonsense"))), ["invalid-cursor", 400]);
  assertEquals(refusedBy(() => readAsked(query("cursor=nonsense"), id)), ["invalid-cursor", 400]);
  const wrong = {
    "invalid-until": ["until=", "until=earliest", "until=t.", "until=1"],
    "invalid-speed": ["speed=", "speed=0", "speed=-1", "speed=1001", "speed=fast", "speed=NaN"],
    "invalid-policy": ["policy=", "policy=newest"],
  };
  for (const [code, texts] of Object.entries(wrong)) {
    for (const text of texts) assertEquals(refusedBy(() => readAsked(query(text))), [code, 400], text);
  }
});

Deno.test("readAsked() reads where a stream ends, its pace and its policy", () => {
  const latest = { start: { kind: "latest" }, fallback: { kind: "latest" } } as const;
  assertEquals(readAsked(query("until=latest")), { ...latest, until: { kind: "latest" } });
  assertEquals(readAsked(query("until=t.7&speed=2.5")), {
    ...latest,
    until: { kind: "time", ms: 7 },
    speed: 2.5,
  });
  assertEquals(readAsked(query("policy=latest-per-key")), { ...latest, policy: "latest-per-key" });
  assertEquals(readAsked(query("policy=lossless")), latest);
});

Deno.test("topicOf() takes names that Kafka takes", () => {
  assertEquals(topicOf("geo.positions-1_a"), "geo.positions-1_a");
  for (const name of ["", ".", "..", "a b", "größe", "x".repeat(250)]) {
    assertEquals(refusedBy(() => topicOf(name)), ["invalid-topic", 400]);
  }
});

Deno.test("readKeys() lets records with one of the keys through, and none without a key", () => {
  assertEquals(readKeys(query()), undefined);
  const pick = readKeys(query("key=a&key=gr%C3%B6%C3%9Fe"))!;
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
  const empty = readKeys(query("key="))!;
  assertEquals(
    empty({ partition: 0, offset: 0, timestamp: 0, value: null, headers: {}, key: new Uint8Array() }),
    true,
  );
});

Deno.test("refusal() says draining before full, and null while there is room", () => {
  const connections = new Connections();
  const deps = (isDraining: boolean) => ({
    hub: { isDraining } as Hub,
    heartbeats: undefined as unknown as Heartbeats,
    connections,
    log: silentLogger,
    config: { maxConnections: 2, heartbeatMs: 1 },
  });
  const leave = connections.add(() => {});
  assertEquals(refusal(deps(false)), null);
  connections.add(() => {});
  assertEquals(refusal(deps(false)), "full");
  assertEquals(refusal(deps(true)), "draining");
  leave();
  leave();
  assertEquals(refusal(deps(false)), null);
});

Deno.test("Connections.drain() ends those that are open", () => {
  const connections = new Connections();
  const ended: string[] = [];
  const add = (name: string) => {
    const leave = connections.add(() => {
      ended.push(name);
      leave();
    });
    return leave;
  };
  const leaveFirst = add("first");
  add("second");
  add("third");
  leaveFirst();
  connections.drain();
  assertEquals([ended, connections.size], [["second", "third"], 0]);
});

Deno.test("isOver() only for the id of an end that came back with a bounded request", () => {
  const stream = (asked: ReturnType<typeof readAsked>) => ({ topic: "t", feed: positionFeed, asked });
  const over = (text: string, lastEventId?: string) =>
    isOver(stream(readAsked(query(text), lastEventId)) as unknown as AskedStream, lastEventId);
  assertEquals(over("until=latest", `${id}.end`), true);
  assertEquals(over("until=latest", id), false);
  assertEquals(over("", `${id}.end`), false);
  assertEquals(over(`until=latest&cursor=${id}.end`), false, "a cursor is a place like any other");
  assertEquals(over(`until=latest&cursor=${id}.end`, id), false);
  assertEquals(over("until=latest", "nonsense.end"), false);
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
