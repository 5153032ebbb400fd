import { assertEquals } from "@std/assert";
import { edgesOf } from "../../../kafka/measurements.ts";
import { MeasurementStore } from "../../../kafka/processors/measurement_store.ts";
import { beginning } from "../../../kafka/processors/beginning.ts";
import type { CountingMore } from "../../../kafka/processors/counting.ts";
import { RunningHistogram } from "../../../kafka/processors/histogram.ts";
import { goOnBehindCut, identify } from "../../../kafka/processors/log_identity.ts";
import { eventually } from "../../eventually.ts";
import { checkWhole, Ground, temperature } from "./histogram_ground.ts";

const edges = edgesOf(temperature);

/** Counts of so many records of partition 0 of a log. */
function counted(place: number, topicId: string | undefined, log = 0) {
  const histogram = RunningHistogram.empty(edges);
  for (let n = 0; n < place; n++) histogram.add(1, n);
  const more: CountingMore = { ...histogram.more(), ...(topicId && { topicId }) };
  return {
    snapshot: histogram.snapshot(),
    more,
    covered: { log, positions: { 0: place } },
    stored: { 0: place },
  };
}

Deno.test("identify() believes ids before places, and places where there are no ids", () => {
  const cases: [own: string | undefined, now: string | null, end: number, isSuspected: boolean, string][] = [
    ["a", "a", 10, false, "same"],
    ["a", "a", 10, true, "same"],
    ["a", "b", 10, false, "anew"],
    ["a", "a", 9, true, "cut"],
    [undefined, "a", 10, false, "same"],
    [undefined, "a", 10, true, "anew"],
    ["a", null, 10, true, "anew"],
  ];
  for (const [own, topicId, end, isSuspected, wanted] of cases) {
    const found = identify({ topicId, own: counted(10, own), published: null, ends: [end], isSuspected });
    const said = found.isCut ? "cut" : found.isAnew ? "anew" : "same";
    assertEquals(said, wanted, JSON.stringify([own, topicId, end, isSuspected]));
  }
});

Deno.test("goOnBehindCut() goes on where the log ends, in a log of its own, and counts nothing twice", () => {
  const own = counted(10, "a"), published = counted(12, "a");
  const facts = { topicId: "a", own, published, ends: [7], isSuspected: true };
  const first = beginning({ edges, starts: [2], ...facts, ...identify(facts) });
  const decided = goOnBehindCut(first, facts, [2]);
  assertEquals(decided.covered, { log: 1, positions: { 0: 7 } });
  assertEquals([decided.stored, decided.from, decided.madeAnew], [{ 0: 7 }, "published", true]);
  assertEquals(decided.missed, 0);
});

Deno.test("HistogramService goes on with the total when the topic was made anew and is longer by now", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(30);
  const file = ground.newFile(), published = ground.published();
  {
    await using service = ground.count({ file });
    await ground.counted(service, 30);
    await published.reaches(30);
    await service[Symbol.asyncDispose]();
  }
  await ground.broker.deleteTopic("temperature");
  await ground.broker.createTopic("temperature", 1);
  await ground.send(40);
  const service = ground.count({ file }), other = ground.count();
  const { covered } = await ground.counted(service, 70);
  assertEquals(covered, { log: 1, positions: { 0: 40 } });
  await checkWhole(service, 70);
  await published.reaches(70);
  await ground.counted(other, 70);
});

Deno.test("HistogramService goes on where a log ends that has lost its end", async () => {
  await using ground = await Ground.open();
  await ground.broker.createTopic("temperature", 1);
  await ground.send(30);
  const file = ground.newFile();
  {
    await using service = ground.count({ file });
    await ground.counted(service, 30);
    await service[Symbol.asyncDispose]();
  }
  {
    using store = MeasurementStore.open(file);
    const books = store.books("temperature"), { snapshot, more } = books.load()!;
    const beyond = { 0: 50 };
    books.commit({ snapshot, more, rows: [], covered: { log: 0, positions: beyond }, stored: beyond });
  }
  const service = ground.count({ file });
  await eventually("it waits", async () => (await service.now("temperature")).status.state === "waiting");
  const { covered } = await eventually("it believes it", async () => {
    const now = await service.now("temperature");
    return now.covered.log === 1 && now;
  });
  assertEquals(covered.positions, { 0: 30 });
  await ground.send(5);
  await ground.counted(service, 35);
  await checkWhole(service, 35);
});
