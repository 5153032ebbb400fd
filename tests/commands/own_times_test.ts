import { assertEquals } from "@std/assert";
import { OwnTimes } from "../../commands/own_times.ts";
import { JumpingClock } from "./jumping_clock.ts";

const signal = new AbortController().signal;

/** When records of these times are due, ms after the first. */
async function dues(
  times: readonly number[],
  speed: number,
  pass: (i: number, clock: JumpingClock) => void = () => {},
) {
  const clock = new JumpingClock(5_000), pace = new OwnTimes(speed, clock), at: number[] = [];
  for (const [i, timeMs] of times.entries()) {
    await pace.due(timeMs, signal);
    at.push(clock.now() - 5_000);
    pass(i, clock);
  }
  return at;
}

Deno.test("OwnTimes.due() keeps the distances of times, n times as fast, and a time that goes back is due at once", async () => {
  const times = [1_000_000, 1_001_000, 1_000_500, 1_001_000, 1_004_000];
  assertEquals(await dues(times, 1), [0, 1000, 1000, 1000, 4000]);
  assertEquals(await dues(times, 10), [0, 100, 100, 100, 400]);
});

Deno.test("OwnTimes.due() waits through a hole of months", async () => {
  const yearMs = 365 * 86_400_000;
  assertEquals(await dues([0, yearMs, yearMs + 1], 1), [0, yearMs, yearMs + 1]);
});

Deno.test("OwnTimes.due() makes up for a short delay, and for a long one not", async () => {
  const times = [0, 1000, 2000, 3000];
  assertEquals(await dues(times, 1, (i, clock) => i === 1 && clock.pass(1500)), [0, 1000, 2500, 3000]);
  assertEquals(await dues(times, 1, (i, clock) => i === 1 && clock.pass(60_000)), [0, 1000, 61_000, 62_000]);
});

Deno.test("OwnTimes.due() ends when it is told to", async () => {
  const stop = new AbortController(), pace = new OwnTimes(1);
  await pace.due(0, stop.signal);
  const due = pace.due(1e12, stop.signal);
  stop.abort();
  await due;
});
