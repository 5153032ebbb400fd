import { assertAlmostEquals, assertEquals } from "@std/assert";
import { headOf, mercatorX, mercatorY } from "../../static/geo/movers.js";
import { closeMs, countUntil, placeAt, readRecording, RecordedMovers } from "../../static/geo/recording.js";

const start = Date.UTC(2026, 0, 1);

/** An answer with one line per name: fixes as [seconds from the start, lon, lat]. */
function answer(lines: Record<string, [seconds: number, lon: number, lat: number][]>, truncated = false) {
  const features = Object.entries(lines).map(([name, fixes]) => {
    const times = fixes.map(([seconds]) => start + seconds * 1000);
    const coordinates = fixes.map(([, lon, lat]) => [lon, lat] as const);
    return {
      type: "Feature" as const,
      geometry: { type: "LineString" as const, coordinates },
      properties: { name, times, last: times.at(-1)!, message_id: `${name}_9` },
    };
  });
  return { features, truncated };
}

/** Where each one is drawn, to a hundred thousandth of a degree. */
function heads(movers: RecordedMovers) {
  return movers.all.map((mover) => {
    const { lon, lat } = headOf(mover);
    return [mover.name, Number(lon.toFixed(5)), Number(lat.toFixed(5))];
  });
}

const at = (seconds: number) => start + seconds * 1000;

Deno.test("countUntil() counts the times that are not after one, also of equal ones", () => {
  const times = [10, 20, 20, 30];
  assertEquals([9, 10, 19, 20, 29, 30, 99].map((time) => countUntil(times, time)), [0, 1, 1, 3, 3, 4, 4]);
  assertEquals(countUntil([], 5), 0);
});

Deno.test("placeAt() is between two close fixes, and at the last one before a long silence", () => {
  const near = { at: [0, closeMs], x: [0.2, 0.4], y: [0.6, 0.5] };
  assertEquals(placeAt(near, 1, 0), { x: 0.2, y: 0.6, at: 0 });
  const { x, y } = placeAt(near, 1, closeMs / 4);
  assertAlmostEquals(x, 0.25);
  assertAlmostEquals(y, 0.575);
  assertEquals(placeAt(near, 1, closeMs / 4, false), { x: 0.2, y: 0.6, at: 0 });
  assertEquals(placeAt(near, 2, closeMs * 9), { x: 0.4, y: 0.5, at: closeMs });
  const far = { at: [0, closeMs + 1], x: [0.2, 0.4], y: [0.6, 0.5] };
  assertEquals(placeAt(far, 1, closeMs), { x: 0.2, y: 0.6, at: 0 });
});

Deno.test("placeAt() does not cross the world to get over the antimeridian", () => {
  const track = { at: [0, 1000], x: [mercatorX(179.9), mercatorX(-179.9)], y: [0.5, 0.5] };
  assertEquals(placeAt(track, 1, 500).x, mercatorX(179.9));
});

Deno.test("readRecording() sorts fixes by time, spans them, and is null without any", () => {
  const recording = readRecording(
    answer({ a: [[20, 3, 0], [0, 1, 0], [10, 2, 0]], b: [[5, 9, 9]] }, true),
    0,
  );
  assertEquals(recording?.tracks[0]?.lon, [1, 2, 3]);
  assertEquals([recording?.from, recording?.to, recording?.isTruncated], [at(0), at(20), true]);
  assertEquals(readRecording(answer({ a: [[0, 1, 0], [30, 2, 0]] }), at(10))?.from, at(10));
  assertEquals(readRecording(answer({ a: [[0, 1, 0]] }), at(10)), null); // all from before the span
  assertEquals(readRecording(answer({}), 0), null);
});

Deno.test("RecordedMovers.seek() shows who had reported by then, where, and the trail of its time", () => {
  const movers = new RecordedMovers();
  movers.load(readRecording(
    answer({
      bus: [[0, 13, 52], [10, 13.01, 52], [20, 13.02, 52], [200, 14, 52]],
      tram: [[15, 13.5, 52.5], [25, 13.5, 52.6]],
    }),
    0,
  ));
  movers.seek(at(-1), 60_000);
  assertEquals(movers.all, []);
  movers.seek(at(5), 60_000);
  assertEquals(heads(movers), [["bus", 13.005, 52]]);
  movers.seek(at(18), 60_000);
  assertEquals(heads(movers).map(([name, lon]) => [name, lon]), [["bus", 13.018], ["tram", 13.5]]);
  const bus = movers.byName.get("bus")!;
  assertEquals(bus.trail.at, [at(0), at(10), at(18)]);
  assertEquals([bus.lon, bus.at, bus.messageId], [13.01, at(10), ""]); // the card tells of the fix, not of a guess
  assertAlmostEquals(bus.speed, 68.5, 0.1);
  movers.seek(at(18), 9_000);
  assertEquals(bus.trail.at, [at(10), at(18)]);
  movers.seek(at(100), 9_000); // silent since: it stays where it was seen
  assertEquals(heads(movers)[0], ["bus", 13.02, 52]);
  assertEquals(bus.trail.at, [at(20), at(20)]);
  movers.seek(at(200), 9_000);
  assertEquals([bus.lon, bus.messageId], [14, "bus_9"]);
});

Deno.test("RecordedMovers.advance() comes to the same as seek(), in any steps, and offers the pieces passed", () => {
  const lines: Parameters<typeof answer>[0] = {};
  for (let n = 0; n < 5; n++) {
    lines[`n${n}`] = Array.from({ length: 40 }, (_, i) => [n * 3 + i * (1 + n), 13 + i / 100, 52 + n / 10]);
  }
  const recording = readRecording(answer(lines), 0)!;
  for (const stepMs of [1, 16, 333, 7_000].map((ms) => ms * 7)) {
    const [played, sought] = [new RecordedMovers(), new RecordedMovers()];
    played.load(recording);
    sought.load(recording);
    played.seek(recording.from, Infinity);
    for (let time = recording.from; time < at(60);) {
      time = Math.min(at(60), time + stepMs);
      played.advance(time);
    }
    sought.seek(at(60), Infinity);
    const state = (movers: RecordedMovers) =>
      movers.all.map(({ name, trail, lon, lat, at, speed }) => ({ name, trail, lon, lat, at, speed }))
        .sort((a, b) => a.name.localeCompare(b.name));
    assertEquals(state(played), state(sought));
    const passed = sought.all.reduce((sum, { trail }) => sum + trail.at.length - 2, 0);
    assertEquals(played.fresh.length, passed);
  }
});

Deno.test("RecordedMovers.extent() holds every fix, headOf() undoes Mercator", () => {
  const movers = new RecordedMovers();
  assertEquals(movers.extent(), null);
  movers.load(readRecording(answer({ a: [[0, -3, 51], [9, 7, 48]], b: [[5, 1, 60]] }), 0));
  assertEquals(movers.extent(), [-3, 48, 7, 60]);
  movers.seek(at(5), 0);
  const { lon, lat } = headOf(movers.byName.get("b")!);
  assertAlmostEquals(lon, 1, 1e-9);
  assertAlmostEquals(lat, 60, 1e-9);
  assertAlmostEquals(mercatorY(lat), mercatorY(60), 1e-12);
});
