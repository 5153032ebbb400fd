import { assertEquals, assertLess } from "@std/assert";
import type { Clock } from "../../commands/clock.ts";
import { Schedule } from "../../commands/video_schedule.ts";

/** A clock on which only sleeping takes time, and always a little longer than was asked for. */
class LateClock implements Clock {
  constructor(public nowMs: number, readonly lateMs = 0) {}

  now(): number {
    return this.nowMs;
  }

  sleep(ms: number): Promise<void> {
    this.nowMs += ms + this.lateMs;
    return Promise.resolve();
  }
}

const startMs = Date.UTC(2024, 4, 1, 12);
const { signal } = new AbortController();

Deno.test("Schedule.due() does not drift in an hour, though every frame is late", async () => {
  for (const fps of [24, 25, 30_000 / 1001, 60]) {
    const clock = new LateClock(startMs, 3.7), schedule = new Schedule({ fps, clock });
    const frames = Math.round(3600 * fps);
    for (let index = 0; index <= frames; index++) {
      const dueMs = await schedule.due(index, signal);
      const exactMs = startMs + index * 1000 / fps;
      assertLess(Math.abs(dueMs - exactMs), 0.6, `frame ${index} at ${fps} fps`);
      assertLess(clock.now() - exactMs, 3.8);
    }
    assertLess(
      Math.abs(clock.now() - startMs - 3_600_000),
      1000 / fps,
      `${fps} fps: less than a frame in an hour`,
    );
  }
});

Deno.test("Schedule.due() gives even times where sending takes its time, and begins anew after a second", async () => {
  const clock = new LateClock(startMs), schedule = new Schedule({ fps: 10, clock });
  assertEquals(await schedule.due(0, signal) - startMs, 0);
  clock.nowMs += 950;
  const times = [];
  for (let index = 1; index <= 12; index++) times.push(await schedule.due(index, signal) - startMs);
  assertEquals(times, [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200]);
  clock.nowMs += 30_000;
  assertEquals(await schedule.due(13, signal) - startMs, 31_200);
  assertEquals(await schedule.due(14, signal) - startMs, 31_300);
  assertEquals(clock.now() - startMs, 31_300);
});

Deno.test("Schedule.due() with a start that is over waits for nothing until it has caught up", async () => {
  const clock = new LateClock(startMs),
    schedule = new Schedule({ fps: 25, clock, startMs: startMs - 600_000 });
  for (let index = 0; index < 15_000; index++) {
    assertEquals(await schedule.due(index, signal), startMs - 600_000 + index * 40);
  }
  assertEquals(clock.now(), startMs);
  assertEquals(await schedule.due(15_001, signal), startMs + 40);
  assertEquals(clock.now(), startMs + 40);
  clock.nowMs += 5000;
  assertEquals(await schedule.due(15_002, signal), startMs + 5040, "from then on as without a start");
});

Deno.test("Schedule.due() without a rate is now", async () => {
  const clock = new LateClock(startMs), schedule = new Schedule({ fps: null, clock });
  assertEquals(await schedule.due(0, signal), startMs);
  clock.nowMs += 1234;
  assertEquals(await schedule.due(1, signal), startMs + 1234);
});
