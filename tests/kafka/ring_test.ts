import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { parseCursor } from "../../kafka/cursor.ts";
import { defineFeed, defineWire } from "../../kafka/feed.ts";
import type { KafkaRecord } from "../../kafka/fetch_response.ts";
import { chunkCharacters, Ring } from "../../kafka/ring.ts";
import { Random } from "../random.ts";

const cluster = "0a1b2c3d";
const encoder = new TextEncoder(), decoder = new TextDecoder();
let decoded = 0;

/** Shows every value but `junk`. */
const feed = defineFeed("record", ({ partition, offset, value }) => {
  decoded++;
  const text = decoder.decode(value!);
  return text === "junk" ? null : { partition, offset, text };
});
const lines = defineWire("\n", (name, json, id) => `${name} ${id} ${json}`);
const singles = defineWire(null, (name, json) => name === "record" ? json : null);

function newRing(maxBytes = 1e6): Ring & { passedOver: number } {
  const ring = new Ring({ topic: "t", cluster, maxBytes, onPassedOver: () => ring.passedOver++ }) as Ring & {
    passedOver: number;
  };
  ring.passedOver = 0;
  return ring;
}

/** What a reader hands over: `values` from `offset` on, one after the other. */
function fetched(
  partition: number,
  offset: number,
  values: readonly string[],
  next = offset + values.length,
) {
  const records = values.map((value, i): KafkaRecord => ({
    partition,
    offset: offset + i,
    timestamp: 0,
    key: null,
    value: encoder.encode(value),
    headers: {},
  }));
  return { partition, errorCode: 0, end: next, records, next, unreadable: [] };
}

/** Everything from `place` on, as a viewer gets it. */
function readAll(ring: Ring, place: number, wire = lines): { texts: string[]; ids: (string | undefined)[] } {
  const texts: string[] = [], ids: (string | undefined)[] = [];
  while (place < ring.head) {
    const chunk = ring.chunk(feed, wire, place);
    assert(chunk.to > place, "it goes on");
    if (chunk.text !== "") texts.push(...chunk.text.split("\n"));
    ids.push(chunk.id);
    place = chunk.to;
  }
  return { texts, ids };
}

Deno.test("Ring keeps the order of reading and gives each record the id of the place after it", () => {
  const ring = newRing();
  ring.extend([10, 0]);
  ring.append(fetched(0, 10, ["a", "b"]));
  ring.append(fetched(1, 0, ["c"]));
  ring.append(fetched(0, 12, ["d"]));
  assertEquals(readAll(ring, 0).texts, [
    `record v1.${cluster}.0:10,1:-1 {"partition":0,"offset":10,"text":"a"}`,
    `record v1.${cluster}.0:11,1:-1 {"partition":0,"offset":11,"text":"b"}`,
    `record v1.${cluster}.0:11,1:0 {"partition":1,"offset":0,"text":"c"}`,
    `record v1.${cluster}.0:12,1:0 {"partition":0,"offset":12,"text":"d"}`,
  ]);
  assertEquals([ring.positions, ring.basePositions], [[13, 1], [10, 0]]);
});

Deno.test("Ring's ids pass holes of compaction and what holds no record", () => {
  const ring = newRing();
  ring.extend([0]);
  ring.append(fetched(0, 5, ["a"], 9)); // 0–4 and 6–8 are gone
  ring.append(fetched(0, 9, [], 12)); // an aborted transaction
  ring.append(fetched(0, 12, ["b"]));
  assertEquals(readAll(ring, 0).texts.map((text) => text.split(" ")[1]), [
    `v1.${cluster}.0:8`,
    `v1.${cluster}.0:12`,
  ]);
  assertEquals(ring.positions, [13]);
});

Deno.test("Ring tells a gap in its place, to every kind of viewer that is told such", () => {
  const ring = newRing();
  ring.extend([0]);
  ring.append(fetched(0, 0, ["a"]));
  ring.appendGap({ partition: 0, from: 1, to: 7, skipped: 6, reason: "retention" });
  ring.append(fetched(0, 7, ["b"]));
  assertEquals(readAll(ring, 0).texts.map((text) => text.split(" ").slice(0, 2)), [
    ["record", `v1.${cluster}.0:0`],
    ["gap", `v1.${cluster}.0:6`],
    ["record", `v1.${cluster}.0:7`],
  ]);
  assertEquals(readAll(ring, 0, singles).texts.length, 2);
});

Deno.test("Ring.chunk() is made once for all viewers at a place, and its bytes too", () => {
  const ring = newRing();
  ring.extend([0]);
  ring.append(fetched(0, 0, ["ä", "b", "c"]));
  decoded = 0;
  const chunk = ring.chunk(feed, lines, 0);
  assertStrictEquals(ring.chunk(feed, lines, 0), chunk);
  assertStrictEquals(chunk.bytes(), chunk.bytes());
  assertEquals(decoder.decode(chunk.bytes()), chunk.text);
  assertEquals([chunk.records, chunk.to], [3, 3]);
  ring.chunk(feed, singles, 0);
  ring.chunk(feed, lines, 1);
  assertEquals(decoded, 3, "each record is decoded once, whatever the wires and places");
  ring.append(fetched(0, 3, ["d"]));
  assertEquals(ring.chunk(feed, lines, 0).records, 4, "a chunk that may be longer now is made anew");
});

Deno.test("Ring.chunk() with a filter shows what is picked, and moves past the rest", () => {
  const ring = newRing();
  ring.extend([0]);
  ring.append(fetched(0, 0, ["a", "b", "junk", "c"]));
  const chunk = ring.chunk(feed, lines, 0, ({ text }) => text === "b");
  assertEquals(chunk.text.split("\n").map((text) => text.split(" ")[1]), [`v1.${cluster}.0:1`]);
  assertEquals([chunk.records, chunk.to, chunk.id], [1, 4, `v1.${cluster}.0:3`]);
  assertEquals(ring.chunk(feed, lines, 0).records, 3, "others see all");
});

Deno.test("Ring.chunk() passes over what a feed does not show, and tells it once", () => {
  const ring = newRing();
  ring.extend([0]);
  ring.append(fetched(0, 0, ["junk", "junk"]));
  for (let viewers = 0; viewers < 3; viewers++) {
    const chunk = ring.chunk(feed, lines, 0);
    assertEquals([chunk.text, chunk.records, chunk.to, chunk.id], ["", 0, 2, `v1.${cluster}.0:1`]);
  }
  assertEquals(ring.passedOver, 2);
});

Deno.test("Ring.chunk() holds one event where the wire wants it so", () => {
  const ring = newRing();
  ring.extend([0]);
  ring.append(fetched(0, 0, ["a", "junk", "b"]));
  const first = ring.chunk(feed, singles, 0), second = ring.chunk(feed, singles, first.to);
  assertEquals([first.text, first.to], ['{"partition":0,"offset":0,"text":"a"}', 1]);
  assertEquals([second.text, second.to], ['{"partition":0,"offset":2,"text":"b"}', 3]);
});

Deno.test("Ring.chunk() is bounded, and a record that is larger leaves alone", () => {
  const ring = newRing();
  ring.extend([0]);
  const large = "x".repeat(chunkCharacters + 1), small = "y".repeat(1_000);
  ring.append(fetched(0, 0, [large, ...Array.from({ length: 100 }, () => small)]));
  const first = ring.chunk(feed, lines, 0), second = ring.chunk(feed, lines, first.to);
  assertEquals(first.records, 1);
  assert(second.text.length < chunkCharacters + 2_000 && second.records > 12, `${second.text.length}`);
});

Deno.test("Ring evicts the oldest, and knows from where on it has everything", () => {
  const ring = newRing(40_000);
  ring.extend([0, 0]);
  for (let n = 0; n < 5_000; n++) ring.append(fetched(n % 2, n >> 1, [`value ${n}`]));
  const { texts } = readAll(ring, ring.base);
  assertEquals(texts.length, ring.head - ring.base);
  assert(texts.length > 10 && texts.length < 30, `${texts.length} are kept`);
  assertEquals(ring.head, 5_000);
  assertEquals(ring.positions, [2_500, 2_500]);
  const kept = texts.map((text) => JSON.parse(text.slice(text.indexOf("{"))));
  for (const partition of [0, 1]) {
    assertEquals(kept.find((record) => record.partition === partition).offset, ring.basePositions[partition]);
  }
});

Deno.test("Ring does not keep a record that is larger than itself", () => {
  const ring = newRing(1_000);
  ring.extend([0]);
  ring.append(fetched(0, 0, ["x".repeat(10_000)]));
  assertEquals([ring.base, ring.head, ring.basePositions], [1, 1, [1]]);
});

Deno.test("Ring takes in partitions that are added later", () => {
  const ring = newRing();
  ring.extend([4]);
  ring.append(fetched(0, 4, ["a"]));
  ring.extend([99, 0]);
  ring.append(fetched(1, 0, ["b"]));
  assertEquals([ring.positions, ring.basePositions], [[5, 1], [4, 0]]);
  assertEquals(ring.at(1).id, `v1.${cluster}.0:4,1:0`);
});

Deno.test("Ring.entrance() finds what a viewer lacks, and from where on it lacks everything", () => {
  const ring = newRing();
  ring.extend([0, 0]);
  ring.append(fetched(0, 0, ["a0", "a1"])); // places 0, 1
  ring.append(fetched(1, 0, ["b0", "b1"])); // 2, 3
  ring.append(fetched(0, 2, ["a2"])); // 4
  assertEquals(ring.entrance([0, 0]), { place: 0, mergeUntil: 0 });
  assertEquals(ring.entrance([3, 2]), { place: 5, mergeUntil: 5 }, "nothing");
  assertEquals(ring.entrance([2, 0]), { place: 2, mergeUntil: 2 });
  assertEquals(ring.entrance([0, 2]), { place: 0, mergeUntil: 4 }, "b0 and b1 are left out on the way");
  assertEquals(ring.entrance([1, 1]), { place: 1, mergeUntil: 3 });
});

Deno.test("Ring.entrance(): a record whose transaction ends behind it is had at once, a gap only as far as the place", () => {
  const ring = newRing();
  ring.extend([0]);
  ring.append(fetched(0, 0, ["a0", "a1"], 3)); // the end of the transaction is at 2
  assertEquals(ring.entrance([2]), { place: 2, mergeUntil: 2 });
  ring.appendGap({ partition: 0, from: 3, to: 9, skipped: 6, reason: "retention" });
  ring.append(fetched(0, 9, ["a9"]));
  assertEquals(ring.entrance([3]), { place: 2, mergeUntil: 2 });
  assertEquals(ring.entrance([5]), { place: 2, mergeUntil: 3 }, "some of the gap was had");
  assertEquals(ring.entrance([9]), { place: 3, mergeUntil: 3 });
});

Deno.test("Ring takes in the place of a partition that was unknown, and says nothing of it before", () => {
  const ring = newRing();
  ring.extend([4, -1]);
  assertEquals([ring.positions, ring.basePositions], [[4, -1], [4, -1]]);
  ring.append(fetched(0, 4, ["a"]));
  ring.extend([4, 7]);
  assertEquals([ring.positions, ring.basePositions], [[5, 7], [4, 7]]);
  ring.append(fetched(1, 7, ["b"]));
  ring.extend([4, 7]);
  assertEquals([0, 1].map((place) => ring.at(place).id), [`v1.${cluster}.0:4,1:-1`, `v1.${cluster}.0:4,1:7`]);
});

Deno.test("Ring.entrance() merges without end as long as the viewer is ahead of the ring", () => {
  const ring = newRing();
  ring.extend([0, 0]);
  ring.append(fetched(0, 0, ["a0"]));
  assertEquals(ring.entrance([3, 0]), { place: 1, mergeUntil: Infinity }, "a1 and a2 are to come, and known");
  assertEquals(ring.entrance([0, 0, 1]), { place: 0, mergeUntil: Infinity }, "so is a whole partition");
  ring.append(fetched(0, 1, ["a1", "a2"]));
  assertEquals(ring.entrance([3, 0]), { place: 3, mergeUntil: 3 });
});

Deno.test("Ring gives each entry an id up to 16 partitions, above only now and then and at each end", () => {
  for (const partitions of [16, 17]) {
    const ring = newRing();
    ring.extend(Array.from({ length: partitions }, () => 0));
    ring.append(fetched(3, 0, Array.from({ length: 150 }, () => "a")));
    const ids = Array.from({ length: 150 }, (_, place) => ring.at(place).id);
    const wanted = partitions === 16 ? 150 : 3;
    assertEquals(ids.filter((id) => id !== null).length, wanted);
    const { ids: told } = readAll(ring, 0);
    const start = parseCursor(told.at(-1)!);
    assertEquals(start.kind === "id" && start.positions, ring.positions);
  }
});

Deno.test("a chunk ends at an entry with an id, whatever the number of partitions", () => {
  const ring = newRing();
  ring.extend(Array.from({ length: 40 }, () => 0));
  const random = new Random("chunks of many partitions");
  const next = Array.from({ length: 40 }, () => 0);
  for (let n = 0; n < 50; n++) {
    const partition = random.between(0, 39), count = random.between(0, 200);
    ring.append(fetched(partition, next[partition]!, Array.from({ length: count }, () => "x".repeat(300))));
    next[partition]! += count;
  }
  const seen = [...ring.basePositions];
  for (let place = ring.base; place < ring.head;) {
    const chunk = ring.chunk(feed, lines, place);
    for (; place < chunk.to; place++) seen[ring.at(place).partition] = ring.at(place).after;
    const start = parseCursor(chunk.id!);
    assertEquals(start.kind === "id" && start.positions, seen, "the id is the place after the chunk");
  }
});
