import { assert, assertEquals } from "@std/assert";
import { countSteps, readable } from "../../static/histograms/chart_look.js";
import { Course, loneOf } from "../../static/histograms/course.js";
import { whenOf } from "../../static/histograms/facts.js";
import { plain, writerFor } from "../../static/histograms/numbers.js";
import { timeOfDay } from "../../static/shared/format.js";

function course(time: number[], value: (i: number) => number, step_ms = 1_000): Course {
  const values = time.map((_, i) => value(i));
  const made = new Course();
  made.load({ step_ms, time, count: time.map(() => 1), mean: values, min: values, max: values });
  return made;
}

Deno.test("Course.add() goes on in the newest step, then in those after it, on the service's grid", () => {
  const made = course([10_500, 11_500], (i) => i);
  made.add(12_499, 5);
  assertEquals([made.time, made.count, made.mean, made.min, made.max], [
    [10_500, 11_500],
    [1, 2],
    [0, 3],
    [0, 1],
    [0, 5],
  ]);
  made.add(15_700, 7);
  assertEquals([made.time.at(-1), made.count.at(-1), made.mean.at(-1)], [15_500, 1, 7]);
});

Deno.test("Course.add() leaves what is older than the newest step to the service", () => {
  const made = course([10_000, 11_000], () => 1);
  const { version } = made;
  assert(!made.isThinned);
  made.add(10_500, 9);
  assertEquals([made.count, made.version, made.isThinned], [[1, 1], version, true]);
  made.load({ step_ms: 1_000, time: [], count: [], mean: [], min: [], max: [] });
  assert(!made.isThinned);
  made.add(7, 3); // the first of all
  assertEquals([made.time, made.mean], [[7], [3]]);
});

Deno.test("Course.columns() breaks the line where nothing was measured for long, and only there", () => {
  const times = Array.from({ length: 20 }, (_, i) => i * 5_000);
  const made = course([...times, 200_000, 205_000], (i) => i);
  const [seconds, mean, max, min] = made.columns();
  assertEquals(mean.filter((value) => value === null).length, 1);
  assertEquals([mean[20], max[20], min[20]], [null, null, null]);
  assert(seconds.every((second, i) => i === 0 || second > seconds[i - 1]!));
  assertEquals(made.indexAt(seconds[21]!), 20);
  assertEquals(made.indexAt(seconds[20]!), -1);
  assert(made.columns() === made.columns(), "made once");
});

Deno.test("Course.forgetBefore() keeps the step from which the line comes in", () => {
  const made = course(Array.from({ length: 500 }, (_, i) => i * 1_000), (i) => i);
  made.forgetBefore(300_500);
  assertEquals([made.time[0], made.mean[0], made.time.length], [300_000, 300, 200]);
});

Deno.test("loneOf() finds the values that no line goes through", () => {
  assertEquals(loneOf([1, null, 2, 3, null, 4, null, null, 5]), [0, 5, 8]);
  assertEquals([loneOf([]), loneOf([7]), loneOf([null, null]), loneOf([1, 2])], [[], [0], [], []]);
});

Deno.test("whenOf() calls a time now that a clock is a little behind of", () => {
  assertEquals([whenOf(999, 1_000), whenOf(1_500, 1_000), whenOf(1_000, 63_500)], [
    "now",
    "now",
    "1 min ago",
  ]);
  assertEquals(
    whenOf(Date.UTC(2026, 0, 1, 12), Date.UTC(2026, 0, 1, 11)),
    timeOfDay(Date.UTC(2026, 0, 1, 12)),
  );
});

Deno.test("countSteps has no halves, and enough for any count", () => {
  assertEquals(countSteps.slice(0, 9), [1, 2, 5, 10, 20, 25, 50, 100, 200]);
  assert(countSteps.at(-1)! >= 1e15);
});

Deno.test("writerFor() and plain() tell how large a very large number is", () => {
  const { value, derived } = writerFor(1);
  assertEquals([value(-Number.MAX_VALUE), derived(1.5e9)], ["−1.798E308", "1.5E9"]);
  assertEquals([value(99_999_999), derived(-1234567)], ["99,999,999", "−1,234,567.00"]);
  assertEquals([value(123_456_789), derived(-1.23456789e99)], ["1.23457E8", "−1.23457E99"]);
  assertEquals([plain(-1e308), plain(2.5e6), plain(1100)], ["−1E308", "2.5M", "1,100"]);
});

Deno.test("writerFor() gives as many digits as the step is worth", () => {
  const write = (step: number, n: number | null) => {
    const { value, derived } = writerFor(step);
    return [value(n), derived(n)];
  };
  assertEquals(write(1, 20), ["20", "20.00"]);
  assertEquals(write(1, -0.4567), ["−0.46", "−0.46"]);
  assertEquals(write(0.1, 0.30000000000000004), ["0.3", "0.300"]);
  assertEquals(write(100, 957.26), ["957.3", "957.3"]);
  assertEquals(write(1, null), ["–", "–"]);
  assertEquals(write(1, -0), ["0", "0.00"]);
});

Deno.test("readable() leaves what can be seen, and changes what cannot", () => {
  assertEquals(readable("#0072b2", "#ffffff"), "#0072b2");
  assert(readable("#f0e442", "#ffffff") !== "#f0e442");
  assertEquals(readable("#f0e442", "#171b20"), "#f0e442");
  assertEquals(readable("#111111", "#171b20").length, 7);
});
