import { assertEquals } from "@std/assert";
import {
  assignOffset,
  correctTimes,
  hasValidCrc,
  readBatchHeader,
  stampAppendTime,
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

Deno.test("correctTimes() sets the newest time, takes the append time away and makes the checksum true again", () => {
  const batch = batchOf([{ value: "a", timestamp: 5 }], { attributes: 0x19 });
  correctTimes(batch, 2 ** 41);
  const header = readBatchHeader(batch);
  assertEquals([header.isLogAppendTime, header.codec, header.isTransactional, header.maxTimestamp], [
    false,
    1,
    true,
    2 ** 41,
  ]);
  assertEquals(hasValidCrc(batch), true);
});
