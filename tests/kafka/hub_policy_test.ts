import { assert, assertEquals } from "@std/assert";
import { parseCursor } from "../../kafka/cursor.ts";
import { eventually } from "../eventually.ts";
import { HubGround, numbers } from "./hub_ground.ts";
import { HubViewer, type Line, placeOf, singleWire } from "./hub_viewer.ts";

const earliest = { kind: "earliest" } as const, latest = { kind: "latest" } as const;

/** Fails unless every record of each partition was shown, or lies in a range that a gap event told before the next record. */
function checkAccounted(
  viewer: HubViewer,
  ends: readonly number[],
  from: readonly number[] = ends.map(() => 0),
): void {
  const next = [...from];
  for (const { event, data } of viewer.events) {
    if (event === "gap") {
      assertEquals([data.from, data.skipped], [next[data.partition], data.to - data.from]);
      next[data.partition] = data.to;
    } else if (event === "record") {
      assertEquals(data.offset, next[data.partition], `in partition ${data.partition}`);
      next[data.partition]!++;
    }
  }
  assertEquals(next, ends);
}

for (const wire of [undefined, singleWire]) {
  Deno.test(`policy=latest${wire ? ", one event a write" : ""}: who lags is brought to the newest of each partition, and told what it was passed over with`, async () => {
    await using ground = await HubGround.open();
    await ground.broker.createTopic("t", 2);
    const how = { policy: "latest" as const, room: 1, ...(wire && { wire }) };
    const viewer = new HubViewer(ground.hub, "t", how);
    await viewer.event("ready");
    const records = numbers(900).map((value) => ({
      value: value.padEnd(100),
      partition: Number(value) % 3 % 2,
    }));
    await ground.producer.sendAll("t", records);
    const whole = new HubViewer(ground.hub, "t", { start: earliest });
    await whole.records(900);
    const ends = placeOf(whole.lastId);
    viewer.give(Infinity);
    await viewer.records(2);
    assertEquals(
      viewer.all("record").map(({ offset }: Line) => offset).sort(),
      ends.map((end) => end - 1).sort(),
    );
    checkAccounted(viewer, ends);
    viewer.checkIds();
    await ground.send("t", ["next"], { partition: 0 });
    await viewer.records(3);
    assertEquals([viewer.texts.at(-1), viewer.all("gap").length], ["next", 2]);
    const text = await ground.metrics.text();
    assert(/^tailrace_gaps_total\{reason="policy"\} 2$/m.test(text), text);
    for (const { id } of viewer.events) {
      const rest = new HubViewer(ground.hub, "t", { start: parseCursor(id!) });
      const had = placeOf(id!).reduce((sum, next) => sum + next, 0);
      await rest.records(901 - had);
      rest.viewer.close();
    }
  });
}

Deno.test("policy=latest: what one write takes is shown whole", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 2);
  const viewer = new HubViewer(ground.hub, "t", { policy: "latest", room: 1 });
  await viewer.event("ready");
  await ground.producer.sendAll("t", numbers(50).map((value) => ({ value, partition: Number(value) % 2 })));
  const other = new HubViewer(ground.hub, "t", { start: earliest });
  await other.records(50);
  viewer.give(1);
  await viewer.records(50);
  viewer.checkWhole([25, 25]);
});

Deno.test("policy=latest from a place before memory: the newest of each partition, without going through the past", async () => {
  await using ground = await HubGround.open({ ringBytes: 9_000 });
  await ground.broker.createTopic("t", 3);
  for (const partition of [0, 1]) {
    const records = numbers(500).map((value) => ({
      value,
      partition,
      timestamp: 1_000 + 2 * Number(value) + partition,
    }));
    await ground.producer.sendAll("t", records);
  }
  const viewer = new HubViewer(ground.hub, "t", { policy: "latest", start: earliest });
  await viewer.records(2);
  assertEquals(viewer.events.map(({ event }) => event), ["ready", "gap", "record", "gap", "record"]);
  assertEquals(viewer.texts, ["499", "499"]);
  checkAccounted(viewer, [500, 500, 0]);
  const odd = new HubViewer(ground.hub, "t", {
    policy: "latest",
    start: earliest,
    pick: ({ text }: Line) => text.endsWith("77"),
  });
  await odd.records(2);
  assertEquals(odd.texts, ["477", "477"]);
  const bounded = new HubViewer(ground.hub, "t", {
    policy: "latest",
    start: earliest,
    until: { kind: "time", ms: 1_401 },
  });
  await bounded.event("end");
  assertEquals(
    bounded.texts,
    ["199", "200"].toSorted((a, b) => Number(a) - Number(b)).slice(0, 1).concat("200"),
  );
  assertEquals(placeOf(bounded.events.at(-1)!.data.cursor), [201, 200, 0]);

  await ground.send("t", ["live"], { partition: 2 });
  for (const each of [viewer]) await each.records(3);
  assertEquals(viewer.texts.at(-1), "live");
  viewer.room = 0;
  await ground.producer.sendAll("t", numbers(60).map((value) => ({ value, partition: Number(value) % 2 })));
  const end = new HubViewer(ground.hub, "t", { start: { kind: "time", ms: Date.now() - 60_000 } });
  await end.records(61);
  viewer.give(Infinity);
  await eventually(
    "the newest",
    () => placeOf(viewer.lastId)[0] === 530 && placeOf(viewer.lastId)[1] === 530,
  );
  checkAccounted(viewer, [530, 530, 1]);
  viewer.checkIds();
});

/** 600 records of 30 keys over 3 partitions; the newest offset of each key. */
async function sendKeyed(ground: HubGround): Promise<{ newest: Map<string, number>; ends: number[] }> {
  const newest = new Map<string, number>(), ends = [0, 0, 0];
  const records = numbers(600).map((_, n) => {
    const key = `k${n * n % 31}`, partition = n * n % 31 % 3;
    newest.set(`${partition}/${key}`, ends[partition]!++);
    return { key, partition, value: `${key} ${n}`, timestamp: 1_000 + n };
  });
  await ground.producer.sendAll("t", records);
  return { newest, ends };
}

const perKey = { policy: "latest-per-key" } as const;

/** `partition/key offset` of the records. */
function shownKeys(viewer: HubViewer): string[] {
  return (viewer.all("record") as Line[]).map(({ partition, offset, text }) =>
    `${partition}/${text.split(" ")[0]} ${offset}`
  ).sort();
}

for (const wire of [undefined, singleWire]) {
  Deno.test(`policy=latest-per-key${wire ? ", one event a write" : ""}: a snapshot of the newest of each key, then live; every id resumes it`, async () => {
    await using ground = await HubGround.open();
    await ground.broker.createTopic("t", 3);
    const { newest, ends } = await sendKeyed(ground);
    const wanted = [...newest].map(([key, offset]) => `${key} ${offset}`).sort();
    const how = { ...perKey, ...(wire && { wire }) };
    const viewer = new HubViewer(ground.hub, "t", how);
    const ready = await viewer.event("ready");
    assertEquals([ready.resume, placeOf(ready.start)], ["fresh", [0, 0, 0]]);
    await viewer.records(wanted.length);
    await eventually("it to be live", () => viewer.viewer.phase === "live");
    assertEquals(shownKeys(viewer), wanted);
    const skipped = viewer.all("gap").reduce((sum, gap) => sum + gap.skipped, 0);
    assertEquals(skipped, 600 - wanted.length);
    for (const { from, to, skipped, reason } of viewer.all("gap")) {
      assert(reason === "policy" && skipped <= to - from);
    }
    viewer.checkIds();
    await ground.send("t", ["k1 live", "k1 again"], { partition: 1, key: "k1" });
    await viewer.records(wanted.length + 2);
    assertEquals(placeOf(viewer.lastId), [ends[0]!, ends[1]! + 2, ends[2]!]);

    // The key has been overwritten since: whoever comes back before it gets its newest one only.
    const now = new Map(newest).set("1/k1", ends[1]! + 1);
    for (const [n, { id }] of viewer.events.entries()) {
      const place = placeOf(id!);
      const left = [...now].filter(([key, offset]) => offset >= place[Number(key[0])]!);
      const rest = new HubViewer(ground.hub, "t", { ...how, start: parseCursor(id!) });
      assertEquals((await rest.event("ready")).resume, "exact");
      await rest.records(left.length);
      await eventually("it to be live", () => rest.viewer.phase === "live");
      const seen = new Set(shownKeys(rest));
      for (const [key, offset] of left) assert(seen.has(`${key} ${offset}`), `${key} after event ${n}`);
      rest.viewer.close();
    }
  });
}

Deno.test("policy=latest-per-key from earliest, a time and with a filter; a tombstone is a record", async () => {
  await using ground = await HubGround.open({ ringBytes: 9_000 });
  await ground.broker.createTopic("t", 3);
  const { newest } = await sendKeyed(ground);
  await ground.producer.sendAll("t", [
    { key: "k0", partition: 0, value: null as unknown as string, timestamp: 1_600 },
    { key: null as unknown as string, partition: 0, value: "nobody 1", timestamp: 1_601 },
    { key: null as unknown as string, partition: 0, value: "nobody 2", timestamp: 1_602 },
  ]);
  const all = new HubViewer(ground.hub, "t", { ...perKey, start: earliest });
  await all.records(newest.size + 1);
  await eventually("it to be live", () => all.viewer.phase === "live");
  assertEquals(all.texts.length, newest.size + 1);
  assertEquals(all.texts.slice(-2), ["", "nobody 2"]);
  assert(!all.texts.some((text) => text.startsWith("k0 ") || text === "nobody 1"));
  const late = new HubViewer(ground.hub, "t", { ...perKey, start: { kind: "time", ms: 1_590 } });
  await eventually("it to be live", () => late.viewer.phase === "live");
  const fromThere = all.texts.filter((text) => Number(text.split(" ")[1]) >= 590 || !text.startsWith("k"));
  assertEquals(late.texts.toSorted(), fromThere.toSorted());
  const pick = ({ text }: Line) => text.startsWith("k5 ");
  const one = new HubViewer(ground.hub, "t", { ...perKey, pick });
  await eventually("it to be live", () => one.viewer.phase === "live");
  assertEquals(one.texts.length, 1);
});

Deno.test("policy=latest-per-key until=latest: a snapshot that ends; keys that are written meanwhile are in it all the same", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 3);
  const { newest, ends } = await sendKeyed(ground);
  const viewer = new HubViewer(ground.hub, "t", { ...perKey, until: latest, room: 1 });
  const live = new HubViewer(ground.hub, "t");
  await viewer.event("ready");
  await live.event("ready");
  await ground.send("t", ["k1 later"], { partition: 1, key: "k1" });
  await live.records(1);
  viewer.give(Infinity);
  await viewer.event("end");
  const shown = new Set(shownKeys(viewer));
  for (const [key, offset] of newest) assert(shown.has(`${key} ${offset}`), `${key} ${offset}`);
  assertEquals(placeOf(viewer.events.at(-1)!.data.cursor), ends);
});

Deno.test("policy=latest-per-key: who lags is shown the newest of each key only", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 3);
  const viewer = new HubViewer(ground.hub, "t", { ...perKey, room: 1 });
  const live = new HubViewer(ground.hub, "t");
  await viewer.event("ready");
  await live.event("ready");
  const { newest, ends } = await sendKeyed(ground);
  await live.records(600);
  viewer.give(Infinity);
  await eventually("the end", () => placeOf(viewer.viewer.passedId!).every((next, p) => next === ends[p]));
  assertEquals(shownKeys(viewer), [...newest].map(([key, offset]) => `${key} ${offset}`).sort());
});
