import { assertEquals } from "@std/assert";
import { Recent, rememberedMeasurements } from "../../../kafka/processors/recent.ts";
import { Random } from "../../random.ts";

Deno.test("Recent.note() tells late and repeated measurements, by partition", () => {
  const recent = new Recent();
  const steps:
    readonly (readonly [partition: number, value: number, timeMs: number, wanted: string | null])[] = [
      [0, 1, 100, null],
      [0, 2, 100, null], // the same time, another value
      [0, 1, 100, "repeated"],
      [0, 1, 200, null],
      [0, 3, 150, "late"],
      [0, 3, 150, "repeated"], // late too, but it has been there
      [0, 0, 200, null],
      [0, -0, 200, "repeated"],
      [3, 1, 100, null], // another partition
      [3, 5, 99, "late"],
      [0, 9, 201, null],
    ];
  for (const [partition, value, timeMs, wanted] of steps) {
    assertEquals(recent.note(partition, value, timeMs), wanted, `${partition}: ${value} at ${timeMs}`);
  }
  assertEquals(recent.newest, { 0: 201, 3: 100 });
});

Deno.test("Recent.note() remembers so many measurements and no more", () => {
  const recent = new Recent();
  for (let i = 0; i < rememberedMeasurements; i++) recent.note(0, i, 1000 + i);
  assertEquals(recent.note(0, 0, 1000), "repeated"); // pushes itself out, and is remembered again
  assertEquals(recent.note(0, 1, 1001), "repeated");
  for (let i = 0; i < rememberedMeasurements; i++) recent.note(0, i, 5000 + i);
  assertEquals(recent.note(0, 1, 1001), "late");
});

Deno.test("Recent goes on as before from its newest times and the log's last measurements", () => {
  const random = new Random("late and repeated");
  const log = Array.from({ length: 3000 }, (_, i) => ({
    partition: random.between(0, 2),
    value: random.between(0, 3),
    timeMs: random.between(0, 9) === 0 ? random.between(0, i) : i - random.between(0, 3),
  }));
  const notesOf = (recent: Recent, records: typeof log) =>
    records.map(({ partition, value, timeMs }) => recent.note(partition, value, timeMs));
  for (const cut of [0, 1, 700, 2000, 2999]) {
    const before = new Recent(), past = log.slice(0, cut), future = log.slice(cut);
    notesOf(before, past);
    const after = new Recent(JSON.parse(JSON.stringify(before.newest)));
    for (const partition of [0, 1, 2]) {
      const last = past.filter((record) => record.partition === partition).slice(-rememberedMeasurements);
      for (const { value, timeMs } of last) after.fill(partition, value, timeMs);
    }
    assertEquals(notesOf(after, future), notesOf(before, future), `cut at ${cut}`);
    assertEquals(after.newest, before.newest);
  }
});

Deno.test("Recent.reset() forgets everything", () => {
  const recent = new Recent({ 1: 500 });
  assertEquals(recent.note(1, 1, 400), "late");
  recent.reset();
  assertEquals(recent.newest, {});
  assertEquals(recent.note(1, 1, 400), null);
});
