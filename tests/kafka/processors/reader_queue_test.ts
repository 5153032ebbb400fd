import { assertEquals } from "@std/assert";
import type { FetchedPartition, KafkaRecord } from "../../../kafka/fetch_response.ts";
import { ReaderQueue } from "../../../kafka/processors/reader_queue.ts";
import { pause } from "../../eventually.ts";

function fetched(records: number, offsetOf: (n: number) => number): FetchedPartition {
  const rest = { partition: 3, timestamp: 0, key: null, value: null, headers: {} };
  const all: KafkaRecord[] = Array.from({ length: records }, (_, n) => ({ ...rest, offset: offsetOf(n) }));
  return { partition: 3, errorCode: 0, end: 100_000, records: all, next: 90_000, unreadable: [] };
}

Deno.test("ReaderQueue gives an answer of very many records in pieces that go on from each other, and holds the reader up until the last", async () => {
  using queue = new ReaderQueue();
  const answer = fetched(10_001, (n) => 2 * n); // compaction left holes
  let isTaken = false;
  const told = Promise.resolve(queue.events(() => {}).records(answer)).then(() => isTaken = true);
  const offsets: number[] = [], ends: number[] = [];
  for (let turn = 1; ends.at(-1) !== 90_000; turn++) {
    assertEquals(isTaken, false);
    for (const read of (await queue.take(1))!) {
      if (read.kind !== "records") throw new Error(read.kind);
      const { records, next, partition, end } = read.fetched;
      assertEquals([partition, end], [3, 100_000]);
      assertEquals(records.length <= 4_000 && records.every(({ offset }) => offset < next), true);
      assertEquals(records[0]!.offset, ends.at(-1) ?? 0);
      offsets.push(...records.map(({ offset }) => offset));
      ends.push(next);
    }
    if (ends.at(-1) !== 90_000) await pause(0);
  }
  await told;
  assertEquals(offsets, answer.records.map(({ offset }) => offset));
  assertEquals(ends, [8_000, 16_000, 90_000]);
});

Deno.test("ReaderQueue lets the reader go when it is closed with pieces in it", async () => {
  const queue = new ReaderQueue(), events = queue.events(() => {});
  const told = events.records(fetched(10_000, (n) => n));
  await queue.take(1);
  queue[Symbol.dispose]();
  await told;
  assertEquals(await queue.take(1), null);
  assertEquals(events.records(fetched(10_000, (n) => n)), undefined);
});

Deno.test("ReaderQueue.take() waits no longer than it is told, and takes what comes meanwhile", async () => {
  const queue = new ReaderQueue();
  assertEquals(await queue.take(10, 5), []);
  const soon = queue.take(10, 60_000);
  queue.again();
  assertEquals(await soon, [{ kind: "again" }]);
  const last = queue.take(10, 60_000);
  queue[Symbol.dispose]();
  assertEquals(await last, null);
});
