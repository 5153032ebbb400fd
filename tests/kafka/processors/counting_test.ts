import { assertEquals } from "@std/assert";
import { Counting } from "../../../kafka/processors/counting.ts";
import type { KafkaRecord } from "../../../kafka/record_batch.ts";

const edges = [0, 10, 20];
const nothing = { snapshot: null, more: null, covered: { log: 0, positions: {} }, stored: {} };

function record(offset: number, value: string | null, partition = 0): KafkaRecord {
  const bytes = value === null ? null : new TextEncoder().encode(value);
  return { partition, offset, timestamp: 0, key: null, value: bytes, headers: {} };
}

function measured(offset: number, measurement: number, second = offset): KafkaRecord {
  const measurement_time = new Date(Date.UTC(2026, 0, 1) + second * 1_000).toISOString();
  return record(offset, JSON.stringify({ measurement, measurement_time }));
}

Deno.test("Counting counts records and gives their rows, with the counts after each", () => {
  const counting = new Counting(nothing, edges);
  counting.take({ partition: 0, records: [measured(0, 5), record(1, "?"), measured(2, 15)], next: 4 });
  assertEquals(counting.takeRows().map(({ offset, counts }) => [offset, counts]), [[0, "1,0"], [2, "1,1"]]);
  assertEquals(counting.takeRows(), []);
  assertEquals(counting.snapshot.wrong, { json: 1 });
  assertEquals([counting.covered, counting.stored], [{ log: 0, positions: { 0: 4 } }, { 0: 4 }]);
});

Deno.test("Counting passes over what is counted, stores what is not stored, and knows repeats of both", () => {
  const covered = { log: 3, positions: { 0: 4 } };
  const counting = new Counting({ ...nothing, covered, stored: { 0: 2 } }, edges);
  const records = [0, 1, 2, 3].map((offset) => measured(offset, 5));
  counting.take({ partition: 0, records: [...records, measured(4, 5, 1), measured(5, 6, 2)], next: 6 });
  assertEquals(
    counting.takeRows().map(({ offset, counts }) => [offset, counts]),
    [[2, null], [3, null], [4, "1,0"], [5, "2,0"]],
  );
  const { count, repeated, late } = counting.snapshot;
  assertEquals({ count, repeated, late }, { count: 2, repeated: 1, late: 1 });
  assertEquals([counting.covered, counting.stored], [{ log: 3, positions: { 0: 6 } }, { 0: 6 }]);
});

Deno.test("Counting never goes back, whatever is told to it again", () => {
  const counting = new Counting(nothing, edges);
  const records = [measured(0, 5), measured(1, 5)];
  for (let n = 0; n < 2; n++) counting.take({ partition: 0, records, next: 2 });
  counting.take({ partition: 0, records: records.slice(0, 1), next: 1 });
  counting.skipUnreadable(0, 0, 2);
  counting.passOver(0, 1);
  assertEquals([counting.snapshot.count, counting.takeRows().length], [2, 2]);
  assertEquals([counting.snapshot.wrong, counting.placeOf(0)], [{}, 2]);
  counting.skipUnreadable(0, 1, 5);
  assertEquals([counting.snapshot.wrong, counting.placeOf(0)], [{ unreadable: 3 }, 5]);
});

Deno.test("Counting goes on from its own snapshot as if there had been no break", () => {
  const records = Array.from({ length: 200 }, (_, n) => measured(n, (n * 7.3) % 25, n % 50));
  const whole = new Counting(nothing, edges), first = new Counting(nothing, edges);
  whole.take({ partition: 0, records, next: 200 });
  first.take({ partition: 0, records: records.slice(0, 90), next: 90 });
  const { snapshot, more, covered, stored } = structuredClone({
    snapshot: first.snapshot,
    more: first.more,
    covered: first.covered,
    stored: first.stored,
  });
  const second = new Counting({ snapshot, more, covered, stored }, edges);
  second.take({ partition: 0, records, next: 200 }); // with those before its place, which are looked at again
  assertEquals(second.snapshot, whole.snapshot);
  assertEquals(second.more, whole.more);
});
