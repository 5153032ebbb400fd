import { assertEquals } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { batchOf } from "../batches.ts";
import { fetch, makeTopic, produce, produceBody, producedIn, withBroker } from "../harness.ts";
import { compact, hex16, hex32, hex64, str, uvarint } from "../raw_client.ts";

const NOW = 1_700_000_000_000;
const at = { now: () => NOW };

function flexibleBody(topic: string, batch: Uint8Array): string {
  return "00" + "ffff" + hex32(1000) + "02" + compact(topic) + "02" + hex32(0) +
    uvarint(batch.byteLength + 1) + batch.toHex() + "00" + "00" + "00";
}

Deno.test("Produce answers v3 to v11, each in its format", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const batch = batchOf([{ value: "a", timestamp: NOW }]);
    let offset = 0;
    for (let version = 3; version <= 8; version++) {
      const answer = await client.ask({ key: 0, version, body: produceBody("t", batch) });
      const expected = hex32(1) + str("t") + hex32(1) + hex32(0) + "0000" + hex64(offset++) + hex64(-1) +
        (version >= 5 ? hex64(0) : "") + (version >= 8 ? hex32(0) + "ffff" : "") + hex32(0);
      assertEquals(answer, expected, `v${version}`);
    }
    for (let version = 9; version <= 11; version++) {
      const answer = await client.ask({ key: 0, version, flexible: true, body: flexibleBody("t", batch) });
      const expected = "02" + compact("t") + "02" + hex32(0) + "0000" + hex64(offset++) + hex64(-1) +
        hex64(0) +
        "01" + "00" + "00" + "00" + hex32(0) + "00";
      assertEquals(answer, expected, `v${version}`);
    }
  }, at));

Deno.test("Produce v8 says why a batch was refused, per partition; the others are taken", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { partitions: 2 });
    const batch = batchOf([{ value: "a", timestamp: NOW }]);
    const records = hex32(batch.byteLength) + batch.toHex();
    const body = "ffff" + "0001" + hex32(1000) + hex32(1) + str("t") + hex32(3) +
      hex32(0) + records + hex32(7) + records + hex32(1) + records;
    const message = "This server does not host this topic-partition";
    const answer = await client.ask({ key: 0, version: 8, body });
    const taken = (index: number) =>
      hex32(index) + "0000" + hex64(0) + hex64(-1) + hex64(0) + hex32(0) + "ffff";
    const refused = hex32(7) + "0003" + hex64(-1) + hex64(-1) + hex64(-1) + hex32(0) + str(message);
    assertEquals(answer, hex32(1) + str("t") + hex32(3) + taken(0) + refused + taken(1) + hex32(0));
  }, at));

function patched(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array<ArrayBuffer> {
  const batch = batchOf([{ value: "abc", timestamp: NOW }]);
  change(new DataView(batch.buffer), batch);
  return batch;
}

function twice(batch: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(batch.byteLength * 2);
  both.set(batch);
  both.set(batch, batch.byteLength);
  return both;
}

const good = batchOf([{ value: "abc", timestamp: NOW }]);
const refusals: [claim: string, batch: Uint8Array, error: number][] = [
  ["a batch above max.message.bytes", batchOf([{ value: "x".repeat(1000), timestamp: NOW }]), 10],
  ["a batch shorter than its header", good.slice(0, 60), 87],
  ["a batch shorter than it says", good.slice(0, -1), 87],
  ["a batch that says it is shorter than its header", patched((view) => view.setInt32(8, 10)), 2],
  ["a batch of a negative length", patched((view) => view.setInt32(8, -100)), 2],
  ["a wrong checksum", patched((_view, bytes) => bytes.fill(1, 65)), 2],
  ["two batches", twice(good), 87],
  ["magic 1", patched((view) => view.setInt8(16, 1)), 87],
  ["magic 0", patched((view) => view.setInt8(16, 0)), 87],
  ["a base offset", batchOf([{ value: "a", timestamp: NOW }], { baseOffset: 5 }), 87],
  ["no records", batchOf([], { lastOffsetDelta: -1 }), 87],
  ["a count unlike the last offset", batchOf([{}, {}], { lastOffsetDelta: 2 }), 87],
  ["a count unlike the records", batchOf([{}, {}], { count: 3, lastOffsetDelta: 2 }), 87],
  ["fewer records than there are", batchOf([{}, {}], { count: 1, lastOffsetDelta: 0 }), 87],
  ["broken records", batchOf([{}], { compress: () => Uint8Array.of(9, 9, 9) }), 87],
  ["a control batch", batchOf([{}], { attributes: 0x20 }), 87],
  [
    "a transactional batch without a transactional id",
    batchOf([{}], { attributes: 0x10, producerId: 1, epoch: 0, sequence: 0 }),
    53,
  ],
  ["a producer without a sequence", batchOf([{}], { producerId: 1, epoch: 0, sequence: -1 }), 87],
  ["a codec that does not exist", batchOf([{}], { attributes: 5 }), 76],
  ["a time too far ahead", batchOf([{ timestamp: NOW + 3_600_001 }]), 32],
  ["a time beyond all clocks", batchOf([{ timestamp: 2 ** 60 }]), 32],
];
for (const [claim, batch, error] of refusals) {
  Deno.test(`Produce refuses ${claim}`, () =>
    withBroker(async (broker, client) => {
      await makeTopic(broker, "t", { configs: { "max.message.bytes": "500" } });
      assertEquals(await produce(client, "t", batch), {
        error,
        baseOffset: -1,
        appendTimeMs: -1,
        logStart: 0,
      });
      assertEquals((await fetch(client, "t", { offset: 0 }))[0]?.highWatermark, 0);
    }, at));
}

Deno.test("Produce takes a time just within the limit, and compressed batches as they are", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    assertEquals((await produce(client, "t", batchOf([{ timestamp: NOW + 3_600_000 }]))).error, 0);
    const gzipped = batchOf([{ value: "a", timestamp: NOW }], { attributes: 1, compress: gzipSync });
    assertEquals((await produce(client, "t", gzipped)).baseOffset, 1);
    const [found] = await fetch(client, "t", { offset: 1 });
    assertEquals(found?.records.subarray(17).toHex(), gzipped.subarray(17).toHex());
  }, at));

Deno.test("Produce refuses acks, missing batches and zstd below v7 in the right words", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const batch = batchOf([{ timestamp: NOW }]);
    const error = async (version: number, body: string) =>
      parseInt((await client.ask({ key: 0, version, body })).slice(8 + 6 + 8 + 8, 8 + 6 + 8 + 8 + 4), 16);
    assertEquals(await error(3, produceBody("t", batch, { acks: 2 })), 21);
    assertEquals(await error(3, produceBody("t", batch, { acks: -2 })), 21);
    assertEquals(
      await error(3, str("tx") + produceBody("t", batch).slice(4)),
      0,
      "not transactional: as any",
    );
    assertEquals(await error(3, produceBody("t", null)), 87);
    assertEquals(await error(3, produceBody("t", new Uint8Array(0))), 87);
    assertEquals(await error(6, produceBody("t", batchOf([{ timestamp: NOW }], { attributes: 4 }))), 76);
    const zstd = batchOf([{ timestamp: NOW }], {
      attributes: 4,
      compress: (records) => zstdCompressSync(records),
    });
    assertEquals(await error(7, produceBody("t", zstd)), 0);
    assertEquals(await error(3, produceBody("u", batch)), 3);
    assertEquals(await error(3, produceBody("t", batch, { partition: -1 })), 3);
    assertEquals(await error(3, "ffff" + hex16(1) + hex32(0) + hex32(0)), NaN); // no topics: an empty answer
  }, at));

Deno.test("Produce v8 and v9 name the records that a batch is refused for", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t", { configs: { "cleanup.policy": "compact" } });
    const batch = batchOf([{ timestamp: NOW }, { key: "k", timestamp: NOW }, { timestamp: NOW }]);
    const message = "A compacted topic cannot take a record without a key";
    const refused = hex32(0) + "0057" + hex64(-1) + hex64(-1) + hex64(0);
    assertEquals(
      await client.ask({ key: 0, version: 8, body: produceBody("t", batch) }),
      hex32(1) + str("t") + hex32(1) + refused + hex32(2) + hex32(0) + str(message) + hex32(2) +
        str(message) +
        str(message) + hex32(0),
    );
    assertEquals(
      await client.ask({ key: 0, version: 9, flexible: true, body: flexibleBody("t", batch) }),
      "02" + compact("t") + "02" + refused + "03" + hex32(0) + compact(message) + "00" + hex32(2) +
        compact(message) + "00" + compact(message) + "00" + "00" + hex32(0) + "00",
    );
  }, at));

Deno.test("Produce keeps the order of one partition when a big batch takes longer to check", () =>
  withBroker(async (broker, client) => {
    await makeTopic(broker, "t");
    const sequenced = (sequence: number, value: string | Uint8Array) =>
      batchOf([{ value, timestamp: NOW }], {
        producerId: 7,
        epoch: 0,
        sequence,
        attributes: 1,
        compress: (records) => gzipSync(records),
      });
    const small = sequenced(1, "small");
    await client.send({
      key: 0,
      version: 7,
      body: produceBody("t", sequenced(0, new Uint8Array(20_000_000))),
    });
    await client.send({ key: 0, version: 7, body: produceBody("t", small) });
    await client.send({ key: 0, version: 7, body: produceBody("t", sequenced(2, "last")) });
    for (const offset of [0, 1, 2]) {
      const { error, baseOffset } = producedIn(await client.answer(false, offset + 1), "t");
      assertEquals([error, baseOffset], [0, offset]);
    }
  }, at));
