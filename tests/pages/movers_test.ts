import { assert, assertAlmostEquals, assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import streets from "../../static/geo/streets.json" with { type: "json" };
import { toLand } from "../../static/geo/lines.js";
import { distance, mercatorX, mercatorY, Movers } from "../../static/geo/movers.js";
import { clockSkew, Meter } from "../../static/shared/meter.js";
import { colorCount, seriesOf, shapes } from "../../static/shared/series.js";

const start = Date.UTC(2026, 0, 1);

function fix(name: string, lat: number, lon: number, at: number) {
  const ids = { message_id: `${name}_1`, timestamp: new Date(at).toISOString() };
  return { topic: "t", partition: 0, offset: 0, name, lat, lon, at, ...ids };
}

Deno.test("mercatorX() and mercatorY() put the world between 0 and 1", () => {
  assertEquals([mercatorX(-180), mercatorX(0), mercatorX(180)], [0, 0.5, 1]);
  assertAlmostEquals(mercatorY(0), 0.5);
  assertAlmostEquals(mercatorY(85.05112878), 0);
  assertAlmostEquals(mercatorY(-90), 1); // beyond the map: at its edge
});

Deno.test("distance() of a degree of latitude is 111.2 km", () => {
  assertAlmostEquals(distance(52, 13, 53, 13), 111_195, 5);
});

Deno.test("Movers.take() knows the speed, glides from where the head is drawn, and offers finished pieces of trail", () => {
  const movers = new Movers();
  movers.take(fix("a", 52, 13, start), 0);
  const mover = movers.take(fix("a", 52.001, 13, start + 10_000), 1_000);
  assertAlmostEquals(mover.speed, 11.12, 0.01);
  assertEquals(movers.fresh.length, 0); // the newest piece still grows
  assertEquals(movers.progress(mover, 1_500), 1); // the first step has no earlier arrival to take its time from
  movers.take(fix("a", 52.002, 13, start + 20_000), 2_000);
  assertEquals(mover.glideMs, 1_000);
  assertEquals(movers.progress(mover, 2_500), 0.5);
  assertEquals(movers.fresh.length, 1);
  movers.take(fix("a", 52.003, 13, start + 30_000), 2_500);
  assertAlmostEquals(mover.fromY, (mercatorY(52.001) + mercatorY(52.002)) / 2, 1e-9);
});

Deno.test("Movers keep memory bounded: a long trail gets coarser at its old end and keeps its span", () => {
  const movers = new Movers();
  for (let i = 0; i < 50_000; i++) movers.take(fix("a", 52 + i / 1e6, 13, start + i * 1000), i * 1000);
  const { trail } = movers.all[0]!;
  assertLessOrEqual(trail.at.length, 8_000);
  assertEquals(trail.at[0], start);
  assertEquals(trail.at.at(-1), start + 49_999_000);
  for (let i = 1; i < trail.at.length; i++) assertLess(trail.at[i - 1]!, trail.at[i]!);
});

Deno.test("Movers drop the names not seen for longest when there are too many", () => {
  const movers = new Movers();
  for (let i = 0; i < 20_500; i++) movers.take(fix(`n${i}`, 0, 0, start + i), i);
  assertLessOrEqual(movers.all.length, 20_000);
  assert(!movers.byName.has("n0"));
  assert(movers.byName.has("n20499"));
  assertEquals(movers.byName.size, movers.all.length);
});

Deno.test("Movers.trim() drops what is older than the cutoff but never the last two points", () => {
  const movers = new Movers();
  for (let i = 0; i < 1_000; i++) movers.take(fix("a", 52, 13, start + i), i);
  const { trail } = movers.all[0]!;
  movers.trim(trail, start + 900);
  assertEquals(trail.at[trail.start], start + 900);
  movers.trim(trail, start + 1e9);
  assertEquals(trail.at.length - trail.start, 2);
});

Deno.test("toLand() goes on beyond the antimeridian, and closes a ring around a pole along the map's edge", () => {
  const island = toLand([[179, 10], [-179, 10], [-179, 12], [179, 12], [179, 10]]);
  assertAlmostEquals(island.land.box[2] - island.land.box[0], 2 / 360, 1e-9);
  const pole = toLand([[-180, -70], [-90, -70], [0, -70], [90, -70], [180, -70]]);
  assertEquals(pole.coast.x.length, 5);
  assertEquals(pole.land.x.length, 7);
  assertLess(1, pole.land.box[3]);
});

Deno.test("seriesOf() is the same for a name every time, and spreads names over colours and shapes", () => {
  assertEquals(seriesOf("Bus 100"), seriesOf("Bus 100"));
  const looks = new Map<string, number>();
  for (let i = 0; i < 5_600; i++) {
    const { color, shape } = seriesOf(`vehicle-${i}`);
    looks.set(`${color}/${shape}`, (looks.get(`${color}/${shape}`) ?? 0) + 1);
  }
  assertEquals(looks.size, colorCount * shapes.length);
  assertLess(Math.max(...looks.values()), 200); // 100 would be even
});

Deno.test("Meter counts records per second and the median delay of the last seconds", () => {
  const meter = new Meter();
  for (let i = 0; i < 300; i++) meter.arrived(start + i * 10);
  assertAlmostEquals(meter.perSecond(start + 3_000), 100, 10);
  assertEquals(meter.perSecond(start + 60_000), 0);
  for (const delay of [5, 1, 9, 7, 3]) meter.drawn(start, delay);
  assertEquals(meter.medianDelay(start + 1_000), 5);
  assertEquals(meter.medianDelay(start + 6_000), null);
});

Deno.test("clockSkew() takes a small difference for the way of the message", () => {
  assertEquals(clockSkew(Date.now() - 40), 0);
  assertAlmostEquals(clockSkew(Date.now() + 60_000), 60_000, 1_000);
});

Deno.test("static/geo/streets.json is one connected graph of existing junctions within the city", () => {
  const { junctions, roads } = streets as unknown as {
    junctions: Record<string, [number, number]>;
    roads: { from: string; to: string; name: string; class: string }[];
  };
  const neighbours = new Map(Object.keys(junctions).map((id) => [id, new Set<string>()]));
  for (const { from, to, name, class: rank } of roads) {
    assert(from in junctions && to in junctions && from !== to, `${name}: ${from}–${to}`);
    assert(rank === "major" || rank === "minor");
    neighbours.get(from)!.add(to);
    neighbours.get(to)!.add(from);
  }
  const seen = new Set([Object.keys(junctions)[0]!]);
  for (const id of seen) for (const next of neighbours.get(id)!) seen.add(next);
  assertEquals(seen.size, neighbours.size);
  for (const [id, near] of neighbours) assert(near.size > 1, `${id} is a dead end`);
  for (const [lon, lat] of Object.values(junctions)) {
    assert(lon > 13.2 && lon < 13.6 && lat > 52.4 && lat < 52.6);
  }
});
