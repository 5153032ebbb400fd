import { assert, assertEquals } from "@std/assert";
import { parseCursor, type StartAt } from "../../kafka/cursor.ts";
import { eventually } from "../eventually.ts";
import { HubGround, numbers } from "./hub_ground.ts";
import { HubViewer, placeOf } from "./hub_viewer.ts";

const earliest = { kind: "earliest" } as const, latest = { kind: "latest" } as const;

Deno.test("Viewer.seek() goes back, to an id, to a time and to the end, each time with a ready", async () => {
  await using ground = await HubGround.open({ ringBytes: 20_000 });
  await ground.broker.createTopic("t", 2);
  for (const partition of [0, 1]) {
    const records = numbers(30).map((value) => ({ value, partition, timestamp: 1_000 + Number(value) }));
    await ground.producer.sendAll("t", records);
  }
  const viewer = new HubViewer(ground.hub, "t");
  await viewer.event("ready");
  await ground.send("t", ["live"], { partition: 0 });
  await viewer.records(1);
  const id = viewer.lastId;

  viewer.viewer.seek(earliest);
  assertEquals(placeOf((await viewer.event("ready", 2)).start), [0, 0]);
  await viewer.records(1 + 61);
  viewer.viewer.seek({ kind: "time", ms: 1_020 });
  assertEquals(placeOf((await viewer.event("ready", 3)).start), [20, 20]);
  await viewer.records(62 + 21);
  viewer.viewer.seek(parseCursor(id));
  const exact = await viewer.event("ready", 4);
  assertEquals([exact.resume, exact.requested, exact.start], ["exact", id, id]);
  viewer.viewer.seek(parseCursor(`v1.00000000.0:1`));
  const reset = await viewer.event("ready", 5);
  assertEquals([reset.resume, reset.reason, placeOf(reset.start)], ["reset", "foreign-cluster", [31, 30]]);
  viewer.viewer.seek(latest);
  await viewer.event("ready", 6);
  await ground.send("t", ["end"], { partition: 1 });
  await viewer.records(84);
  assertEquals([viewer.texts.at(-1), placeOf(viewer.lastId)], ["end", [31, 31]]);
});

Deno.test("Viewer.seek() of a viewer that takes nothing: ready is told, records wait", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 1);
  await ground.send("t", numbers(5));
  for (const start of [earliest, latest]) {
    const viewer = new HubViewer(ground.hub, "t", { start, room: 1 });
    await viewer.event("ready");
    viewer.viewer.seek(earliest);
    await viewer.event("ready", 2);
    assertEquals(viewer.texts, []);
    viewer.give(Infinity);
    await viewer.records(5);
    viewer.checkWhole([5]);
  }
});

Deno.test("of many seeks at once the newest wins, and nothing of the others is shown behind its ready", async () => {
  await using ground = await HubGround.open({ ringBytes: 9_000 });
  await ground.broker.createTopic("t", 1);
  await ground.producer.sendAll("t", numbers(300).map((value) => ({ value, timestamp: 1 + Number(value) })));
  const viewer = new HubViewer(ground.hub, "t", { start: earliest });
  await eventually("its first records", () => viewer.texts.length > 0);
  for (let n = 0; n < 1_000; n++) viewer.viewer.seek({ kind: "time", ms: 1 + n % 300 });
  viewer.viewer.seek({ kind: "time", ms: 291 });
  const last = () => viewer.events.findLastIndex(({ event }) => event === "ready");
  await eventually("the last ready", () => viewer.events[last()]!.data.requested === "t.291");
  await eventually("its records", () => viewer.texts.at(-1) === "299");
  const shown = viewer.events.slice(last() + 1).map(({ data }) => data.text);
  assertEquals(shown, numbers(10, 290));
  assert(viewer.all("ready").length < 20, `${viewer.all("ready").length} ready`);
});

Deno.test("Viewer.seek() before the first ready, while Kafka is away, and after the end", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 1);
  await ground.send("t", numbers(3));
  const early = new HubViewer(ground.hub, "t");
  early.viewer.seek(earliest);
  await early.records(3);
  assertEquals(early.all("ready").map(({ requested }) => requested), ["earliest"]);
  await ground.proxy.stop();
  await early.event("status");
  early.viewer.seek({ kind: "time", ms: 0 });
  ground.proxy.start();
  await early.event("ready", 2);
  await early.records(6);
  early.viewer.close();
  early.viewer.seek(earliest);
  early.viewer.setSpeed(2);
  assertEquals(ground.hub.size, 0);
});

Deno.test("a start that is known later: the viewer waits for it, a null means the other start, a seek wins over it", async () => {
  await using ground = await HubGround.open();
  await ground.broker.createTopic("t", 1);
  await ground.send("t", numbers(5));
  const open = () => {
    const { promise, resolve } = Promise.withResolvers<StartAt | null>();
    return { viewer: new HubViewer(ground.hub, "t", { start: earliest, laterStart: promise }), resolve };
  };
  const placed = open(), unplaced = open(), sought = open();
  const other = new HubViewer(ground.hub, "t");
  const { start } = await other.event("ready");
  sought.viewer.viewer.seek(latest);
  assertEquals([placed, unplaced, sought].map(({ viewer }) => viewer.events.length), [0, 0, 0]);
  placed.resolve(parseCursor(start.replace(/\d+$/, "2")));
  unplaced.resolve(null);
  sought.resolve(parseCursor(start.replace(/\d+$/, "0")));
  assertEquals((await placed.viewer.event("ready")).resume, "exact");
  await placed.viewer.records(2);
  assertEquals(placed.viewer.texts, ["3", "4"]);
  await unplaced.viewer.records(5);
  assertEquals((await sought.viewer.event("ready")).requested, "latest");
  await ground.send("t", ["5"]);
  await sought.viewer.records(1);
  assertEquals(sought.viewer.texts, ["5"]);

  await ground.broker.deleteTopic("t");
  await ground.broker.createTopic("t", 1);
  const reset = await placed.viewer.event("ready", 2);
  assertEquals([reset.resume, reset.reason], ["reset", "topic-recreated"]);
});
