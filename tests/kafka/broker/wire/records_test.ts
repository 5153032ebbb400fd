import { assertEquals } from "@std/assert";
import { BATCH_HEADER_BYTES } from "../../../../kafka/broker/wire/record_batch.ts";
import { walkRecords } from "../../../../kafka/broker/wire/records.ts";
import { batchOf } from "../batches.ts";

// One record, key "k", value "v", header h=null, of a Kafka producer's shape, put together by hand.
const GOLDEN = "0000000000000000" + "0000003e" + "ffffffff" + "02" + "deadbeef" + "0000" + "00000000" +
  "0000018bcfe56800" + "0000018bcfe56800" + "ffffffffffffffff" + "ffff" + "ffffffff" + "00000001" +
  "16" + "00" + "00" + "00" + "026b" + "0276" + "02" + "0268" + "01";

Deno.test("walkRecords() visits each record and stops when told", () => {
  const batch = batchOf([
    { key: null, value: null, timestamp: 100 },
    { key: "key", value: "x".repeat(300), timestamp: 40, headers: [["a", "1"], ["a", null]] },
    { value: "", timestamp: 2 ** 41 },
  ]);
  const seen: number[][] = [];
  const records = batch.subarray(BATCH_HEADER_BYTES);
  assertEquals(
    walkRecords(
      records,
      3,
      (record) =>
        void seen.push([record.offsetDelta, record.timestampDelta, record.keyLength, record.valueLength]),
    ),
    true,
  );
  assertEquals(seen, [[0, 0, -1, -1], [1, -60, 3, 300], [2, 2 ** 41 - 100, -1, 0]]);
  assertEquals(walkRecords(records, 3, ({ offsetDelta }) => offsetDelta === 1), true);
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
