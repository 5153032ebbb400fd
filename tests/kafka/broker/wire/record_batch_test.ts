import { assertEquals } from "@std/assert";
import {
  assignOffset,
  BATCH_HEADER_BYTES,
  hasValidCrc,
  readBatchHeader,
  stampAppendTime,
  walkRecords,
} from "../../../../kafka/broker/wire/record_batch.ts";
import { batchOf } from "../batches.ts";

// One record, key "k", value "v", header h=null, of a Kafka producer's shape, put together by hand.
const GOLDEN = "0000000000000000" + "0000003e" + "ffffffff" + "02" + "deadbeef" + "0000" + "00000000" +
  "0000018bcfe56800" + "0000018bcfe56800" + "ffffffffffffffff" + "ffff" + "ffffffff" + "00000001" +
  "16" + "00" + "00" + "00" + "026b" + "0276" + "02" + "0268" + "01";

Deno.test("readBatchHeader() reads every field at its place", () => {
  assertEquals(readBatchHeader(Uint8Array.fromHex(GOLDEN)), {
    baseOffset: 0,
    size: 74,
    magic: 2,
    codec: 0,
    isLogAppendTime: false,
    isTransactional: false,
    isControl: false,
    lastOffsetDelta: 0,
    baseTimestamp: 1_700_000_000_000,
    maxTimestamp: 1_700_000_000_000,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    recordCount: 1,
  });
  const header = readBatchHeader(batchOf([{}], { attributes: 0x3c, producerId: 9, epoch: 3, sequence: 4 }));
  assertEquals(
    [header.codec, header.isLogAppendTime, header.isTransactional, header.isControl],
    [4, true, true, true],
  );
  assertEquals([header.producerId, header.producerEpoch, header.baseSequence], [9, 3, 4]);
});

Deno.test("assignOffset() changes nothing that the checksum covers", () => {
  const batch = batchOf([{ value: "a", timestamp: 5 }]);
  assignOffset(batch, 2 ** 40 + 3, 0);
  assertEquals(readBatchHeader(batch).baseOffset, 2 ** 40 + 3);
  assertEquals(hasValidCrc(batch), true);
  batch[batch.byteLength - 1] = 9;
  assertEquals(hasValidCrc(batch), false);
});

Deno.test("stampAppendTime() sets flag and time and makes the checksum true again", () => {
  const batch = batchOf([{ value: "a", timestamp: 5 }], { attributes: 1 });
  stampAppendTime(batch, 1_700_000_000_123);
  const header = readBatchHeader(batch);
  assertEquals([header.isLogAppendTime, header.codec, header.maxTimestamp], [true, 1, 1_700_000_000_123]);
  assertEquals(hasValidCrc(batch), true);
});

Deno.test("walkRecords() visits each record and stops when told", () => {
  const batch = batchOf([
    { key: null, value: null, timestamp: 100 },
    { key: "key", value: "x".repeat(300), timestamp: 40, headers: [["a", "1"], ["a", null]] },
    { value: "", timestamp: 2 ** 41 },
  ]);
  const seen: number[][] = [];
  const records = batch.subarray(BATCH_HEADER_BYTES);
  assertEquals(walkRecords(records, 3, (offset, timestamp) => void seen.push([offset, timestamp])), true);
  assertEquals(seen, [[0, 0], [1, -60], [2, 2 ** 41 - 100]]);
  assertEquals(walkRecords(records, 3, (offset) => offset === 1), true);
  assertEquals(walkRecords(Uint8Array.fromHex(GOLDEN).subarray(BATCH_HEADER_BYTES), 1, () => {}), true);
});

Deno.test("walkRecords() finds broken records", () => {
  const records = batchOf([{ key: "k", value: "value", headers: [["h", "x"]] }]).slice(BATCH_HEADER_BYTES);
  assertEquals(walkRecords(records, 2, () => {}), false, "fewer records than promised");
  assertEquals(walkRecords(records, 0, () => {}), false, "bytes left over");
  for (let length = 0; length < records.byteLength; length++) {
    assertEquals(walkRecords(records.subarray(0, length), 1, () => {}), false, `cut at ${length}`);
  }
  for (
    const [at, name] of [[0, "record"], [4, "key"], [6, "value"], [12, "headers"], [
      13,
      "header key",
    ]] as const
  ) {
    for (const byte of [0x7e, 0xff, 0x03]) {
      const broken = records.slice();
      broken[at] = byte;
      assertEquals(walkRecords(broken, 1, () => {}), false, `${name} length ${byte}`);
    }
  }
});
