import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import { driveVehicles } from "../../commands/demo_geo.ts";
import { createFleet, type FleetPosition, members } from "../../commands/demo_fleet.ts";
import { distance, type Place, RoadMap, type Streets } from "../../commands/demo_roads.ts";
import { readConfig } from "../../config.ts";
import { createLogger } from "../../logger.ts";
import streets from "../../static/geo/streets.json" with { type: "json" };
import { JumpingClock } from "./jumping_clock.ts";

const metresPerDegree = 111_195;
const middle = { lat: 52.51, lon: 13.39 };

/** Metres from a middle of our own, so that the projection under test is not used to test it. */
function toPlace({ lat, lon }: { lat: number; lon: number }): Place {
  return {
    x: (lon - middle.lon) * metresPerDegree * Math.cos(middle.lat * Math.PI / 180),
    y: (lat - middle.lat) * metresPerDegree,
  };
}

function distanceToSegment(p: Place, a: Place, b: Place): number {
  const length = distance(a, b) || 1;
  const along = ((p.x - a.x) * (b.x - a.x) + (p.y - a.y) * (b.y - a.y)) / length ** 2;
  const part = Math.max(0, Math.min(1, along));
  return distance(p, { x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part });
}

const segments = (streets as Streets).roads.flatMap((road) => {
  const { junctions } = streets as Streets;
  const line = [junctions[road.from]!, ...(road.via ?? []), junctions[road.to]!]
    .map(([lon = NaN, lat = NaN]) => toPlace({ lat, lon }));
  return line.slice(1).map((place, i) => [line[i]!, place] as const);
});

/** Each vehicle's places of half an hour, a second apart. */
function drive(seed: number, seconds = 1800): FleetPosition[][] {
  const fleet = createFleet(streets, seed);
  return fleet.names.map((_, index) => {
    return Array.from({ length: seconds }, (_, second) => fleet.position(index, second * 1000));
  });
}

const drives = drive(1);
const speeds = drives.map((positions) =>
  positions.slice(1).map((p, i) => distance(toPlace(positions[i]!), toPlace(p)))
);

Deno.test("createFleet() drives the same way for the same seed, however often it is asked", () => {
  const other = createFleet(streets, 1);
  for (const [index, positions] of drives.entries()) {
    assertEquals(other.position(index, 600_000), positions[600]);
    assertEquals(other.position(index, 1_799_000), positions[1799]);
  }
  const elsewhere = createFleet(streets, 2).position(6, 600_000);
  assert(elsewhere.lat !== drives[6]![600]!.lat);
});

Deno.test("createFleet() keeps its vehicles on the road", () => {
  for (const positions of drives) {
    for (const position of positions.filter((_, i) => i % 7 === 0)) {
      const place = toPlace(position);
      const metres = segments.reduce(
        (least, [a, b]) => Math.min(least, distanceToSegment(place, a, b)),
        Infinity,
      );
      assertLess(metres, 8, `${position.name} is ${metres} m off the road`);
    }
  }
});

Deno.test("createFleet() drives at the speed of its kind: no jumps, moving most of the time, standing sometimes", () => {
  for (const [index, perSecond] of speeds.entries()) {
    const { name, kind } = members[index]!;
    const mean = perSecond.reduce((sum, speed) => sum + speed, 0) / perSecond.length;
    const standing = perSecond.filter((speed) => speed < 0.6).length / perSecond.length;
    // A turn on the spot moves it to the other side of the road, once.
    assertLess(Math.max(...perSecond), kind === "bike" ? 12 : 20, name);
    assertGreater(mean * 3.6, kind === "bike" ? 12 : 15, name);
    assertLess(mean * 3.6, kind === "bike" ? 25 : 50, name);
    assertGreater(standing, 0.01, name);
    assertLess(standing, 0.5, name);
  }
});

Deno.test("createFleet() changes speed gently and slows for corners", () => {
  const road = Array.from(
    { length: 20 },
    (_, i) => [`j${i}`, [13 + (i % 2) * 0.004, 52 + Math.floor(i / 2) * 0.003]],
  );
  const zigzag: Streets = {
    junctions: Object.fromEntries(road) as Streets["junctions"],
    roads: road.slice(1).map((_, i) => ({ from: `j${i}`, to: `j${i + 1}`, name: "", class: "major" })),
  };
  const fleet = createFleet(zigzag, 3);
  const taxi = members.findIndex(({ kind }) => kind === "taxi");
  const map = new RoadMap(zigzag);
  const corners = map.junctions.slice(1, -1).map((id) => toPlace(map.toDegrees(map.place(id))));
  let before = toPlace(fleet.position(taxi, 0)), fastest = 0, fastestNearCorner = 0;
  for (let second = 1; second < 600; second++) {
    const place = toPlace(fleet.position(taxi, second * 1000));
    const speed = distance(before, place);
    fastest = Math.max(fastest, speed);
    if (corners.some((corner) => distance(corner, place) < 6)) {
      fastestNearCorner = Math.max(fastestNearCorner, speed);
    }
    before = place;
  }
  assertGreater(fastest, 11);
  assertLess(fastestNearCorner, 11);
});

Deno.test("the fleet's lines lead through junctions that the road graph has", () => {
  const roads = new RoadMap(streets);
  for (const { name, line = [] } of members) {
    for (const id of line) assert(roads.has(id), `${name} stops at ${id}`);
  }
  assertEquals(new Set(members.map(({ name }) => name)).size, members.length);
});

Deno.test("RoadMap.way() is the quickest one, and fails where there is none", () => {
  const map = new RoadMap({
    junctions: { a: [0, 0], b: [0.01, 0], c: [0.02, 0], d: [0.01, 0.004], island: [1, 1] },
    roads: [
      { from: "a", to: "b", name: "slow", class: "minor" },
      { from: "b", to: "c", name: "slow", class: "minor" },
      { from: "a", to: "d", name: "fast", class: "major", via: [[0.005, 0.004]] },
      { from: "c", to: "d", name: "fast", class: "major" },
    ],
  });
  const way = map.way(["a", "c"]);
  assertEquals(way.map(({ junction }) => junction), ["a", null, "d", "c"]);
  assertEquals(map.way(["a", "b", "a"]).map(({ junction }) => junction), ["a", "b", "a"]);
  assertThrows(() => map.way(["a", "island"]), RangeError, "Cannot find a way from a to island");
  assertThrows(() => map.place("nowhere"), RangeError, '"nowhere"');
});

/** Runs the demo for `seconds` of a jumping clock. */
async function runDemo(
  seconds: number,
  send: (record: { key: string; value: string; timestamp: number }, clock: JumpingClock) => Promise<void>,
): Promise<string[]> {
  const startMs = Date.UTC(2024, 4, 1, 12);
  const clock = new JumpingClock(startMs);
  const stop = new AbortController();
  const lines: string[] = [];
  await driveVehicles({
    config: { ...readConfig({}, new Map(), "client"), geoTopic: "geo" },
    clock,
    signal: stop.signal,
    log: createLogger({
      level: "info",
      format: "json",
      write: (line) => void lines.push(JSON.parse(line).message),
    }),
    producer: {
      send: async (topic, record) => {
        assertEquals(topic, "geo");
        if (clock.now() >= startMs + seconds * 1000) stop.abort();
        await send(record as { key: string; value: string; timestamp: number }, clock);
        return { partition: 0, offset: 0 };
      },
    },
  });
  return lines;
}

Deno.test("driveVehicles() reports each vehicle once a second, as a post would be recorded", async () => {
  const times = new Map<string, number[]>();
  await runDemo(5, (record) => {
    const position = JSON.parse(record.value);
    assertEquals(Object.keys(position), ["name", "message_id", "timestamp", "lat", "lon"]);
    assertEquals([record.key, record.timestamp], [position.name, Date.parse(position.timestamp)]);
    times.set(record.key, [...times.get(record.key) ?? [], record.timestamp]);
    return Promise.resolve();
  });
  assertEquals([...times.keys()], members.map(({ name }) => name));
  for (const [name, at] of times) {
    assertGreater(at.length, 4, name);
    for (const [i, ms] of at.slice(1).entries()) {
      assert(Math.abs(ms - at[i]! - 1000) <= 2, `${name}: ${ms - at[i]!}`);
    }
  }
});

Deno.test("driveVehicles() waits while Kafka is away: nothing piles up, two lines are logged, and it goes on", async () => {
  let sends = 0, waiting = 0, most = 0;
  const lines = await runDemo(60, async (_, clock) => {
    sends++;
    const second = Math.floor(clock.now() / 1000) % 60;
    // Ten seconds without an answer, then ten of refusals.
    if (second >= 20 && second < 30) {
      most = Math.max(most, ++waiting);
      await clock.sleep(10_000, new AbortController().signal);
      waiting--;
      throw new Error("away");
    }
    if (second >= 30 && second < 40) throw new Error("away");
  });
  assertEquals(most, members.length, "one report of each vehicle waits, no more");
  assertEquals(lines, ["demo vehicles drive", "demo waits for Kafka", "demo goes on"]);
  assertGreater(sends, 14 * 40);
});
