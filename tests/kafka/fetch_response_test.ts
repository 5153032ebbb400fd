import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { codecs } from "../../kafka/codecs.ts";
import { decodeFetch, type FetchedPartition } from "../../kafka/fetch_response.ts";
import { quickly } from "../eventually.ts";
import {
  batchBytes,
  fetchAnswer,
  markerBytes,
  type PartitionAnswer,
  recordBytes,
  varint,
} from "./batches.ts";

/** Reads one partition, from offset `from` on. */
async function decode(
  answer: Omit<PartitionAnswer, "partition">,
  from = 0,
  version = 11,
): Promise<FetchedPartition> {
  const bytes = fetchAnswer(version, [{ partition: 0, ...answer }]);
  const [fetched] = await decodeFetch(bytes, version, [{ partition: 0, offset: from }]);
  return fetched!;
}

function values({ records }: FetchedPartition): (string | undefined)[] {
  return records.map(({ offset, value }) => `${offset}:${value && Buffer.from(value)}`);
}

for (const version of [4, 5, 6, 7, 8, 9, 10, 11]) {
  Deno.test(`decodeFetch() reads version ${version}`, async () => {
    const bytes = fetchAnswer(version, [
      {
        partition: 2,
        batches: [batchBytes({ first: 5, records: [{ key: "k", value: "a" }, { value: "b" }] })],
      },
      { partition: 0, error: 1 },
      { partition: 1, highWatermark: 9, lastStable: 7, aborted: null },
    ]);
    const wants = [2, 0, 1].map((partition) => ({ partition, offset: 5 }));
    const fetched = await decodeFetch(bytes, version, wants);
    assertEquals(fetched.map(({ partition, errorCode, end, next }) => [partition, errorCode, end, next]), [
      [2, 0, 1_000, 7],
      [0, 1, 1_000, 5],
      [1, 0, 7, 5],
    ]);
    assertEquals(values(fetched[0]!), ["5:a", "6:b"]);
    assertEquals(fetched.slice(1).flatMap(({ records, unreadable }) => [...records, ...unreadable]), []);
  });
}

Deno.test("decodeFetch() gives each partition the error of a whole answer", async () => {
  const bytes = fetchAnswer(11, [], { error: 70 });
  const fetched = await decodeFetch(bytes, 11, [{ partition: 3, offset: 8 }, { partition: 4, offset: 9 }]);
  assertEquals(fetched.map(({ partition, errorCode, next }) => [partition, errorCode, next]), [[3, 70, 8], [
    4,
    70,
    9,
  ]]);
});

Deno.test("decodeFetch() reads keys, values, headers and times of a record", async () => {
  const records = [
    {
      key: "käse",
      value: "世界",
      timestampDelta: 12,
      headers: [["unit", "m"], ["a", null], ["a", "1"], ["a", "2"]] as const,
    },
    { key: "", value: "", timestampDelta: -5 },
    { key: null, value: null, headers: [["__proto__", "x"]] as const },
  ];
  const { records: read } = await decode({
    batches: [batchBytes({ first: 3, firstTimestamp: 1_700_000_000_000, records })],
  });
  const text = (value: unknown) => value === null ? null : String(Buffer.from(value as Uint8Array));
  assertEquals(read.map(({ offset, timestamp, key, value }) => [offset, timestamp, text(key), text(value)]), [
    [3, 1_700_000_000_012, "käse", "世界"],
    [4, 1_699_999_999_995, "", ""],
    [5, 1_700_000_000_000, null, null],
  ]);
  const { unit, a } = read[0]!.headers;
  assertEquals([text(unit), (a as Uint8Array[]).map(text)], ["m", [null, "1", "2"]]);
  assertEquals(Object.keys(read[2]!.headers), ["__proto__"]);
});

Deno.test("decodeFetch() takes the broker's time where the topic says so", async () => {
  const { records } = await decode({
    batches: [
      batchBytes({ first: 0, attributes: 8, maxTimestamp: 77, records: [{ timestampDelta: 5 }, {}] }),
    ],
  });
  assertEquals(records.map(({ timestamp }) => timestamp), [77, 77]);
});

Deno.test("decodeFetch() leaves out what a batch holds before the offset asked for", async () => {
  const batch = batchBytes({ first: 0, records: ["a", "b", "c", "d"].map((value) => ({ value })) });
  const fetched = await decode({ batches: [batch] }, 2);
  assertEquals([values(fetched), fetched.next], [["2:c", "3:d"], 4]);
});

Deno.test("decodeFetch() goes on behind the holes that compaction left", async () => {
  const fetched = await decode({
    batches: [
      batchBytes({
        first: 10,
        lastOffsetDelta: 9,
        records: [{ value: "a", offsetDelta: 3 }, { value: "b", offsetDelta: 6 }],
      }),
      batchBytes({ first: 30, lastOffsetDelta: 4, records: [] }),
    ],
  }, 10);
  assertEquals([values(fetched), fetched.next], [["13:a", "16:b"], 35]);
});

Deno.test("decodeFetch() leaves a batch that is cut off for the next fetch", async () => {
  const whole = batchBytes({ first: 0, records: [{ value: "a" }] });
  const cut = batchBytes({ first: 1, records: [{ value: "b".repeat(100) }] });
  for (const length of [0, 1, 11, 12, 16, 17, 60, 61, cut.length - 1]) {
    const fetched = await decode({ batches: [whole, cut.subarray(0, length)] });
    assertEquals([values(fetched), fetched.next, fetched.unreadable], [["0:a"], 1, []], `${length} bytes`);
  }
});

Deno.test("decodeFetch() passes over a batch that it cannot read, and names it", async () => {
  const good = (first: number) => batchBytes({ first, records: [{ value: "good" }] });
  const bad: Record<string, Buffer> = {
    "a codec that nobody knows": batchBytes({ first: 1, attributes: 5, records: [{}, {}, {}] }),
    "gzip that is none": batchBytes({
      first: 1,
      attributes: 1,
      body: Buffer.from("no gzip"),
      records: [{}, {}, {}],
    }),
    "fewer records than it says": batchBytes({
      first: 1,
      records: [{ value: "x" }, {}, {}],
      count: 2 ** 31 - 1,
    }),
    "a record that is too long": batchBytes({ first: 1, body: varint(1_000), records: [{}, {}, {}] }),
    "a record of less than nothing": batchBytes({ first: 1, body: varint(-7), records: [{}, {}, {}] }),
    "a number without end": batchBytes({ first: 1, body: Buffer.alloc(40, 0xff), records: [{}, {}, {}] }),
    "a key that is too long": batchBytes({
      first: 1,
      body: Buffer.concat([varint(6), Buffer.from([0, 0, 0]), varint(5_000), Buffer.from([0])]),
      records: [{}, {}, {}],
    }),
  };
  for (const [what, batch] of Object.entries(bad)) {
    const fetched = await decode({ batches: [good(0), batch, good(4)] });
    assertEquals([values(fetched), fetched.next], [["0:good", "4:good"], 5], what);
    assertEquals(fetched.unreadable.map(({ from, to }) => [from, to]), [[1, 3]], what);
    assert(fetched.unreadable[0]!.cause.length > 10, what);
  }
});

Deno.test("decodeFetch() passes over messages of the formats before Kafka 0.11", async () => {
  const old = Buffer.alloc(12 + 20); // smaller than the header of a batch of today
  old.writeBigInt64BE(1n, 0);
  old.writeInt32BE(20, 8);
  old.writeInt8(1, 16);
  const fetched = await decode({ batches: [old, batchBytes({ first: 2, records: [{ value: "a" }] })] }, 1);
  assertEquals([values(fetched), fetched.next], [["2:a"], 3]);
  assertEquals(fetched.unreadable, [{ from: 1, to: 1, cause: "its format is 1, 2 is read" }]);
});

Deno.test("decodeFetch() leaves out aborted transactions and markers, and keeps the rest", async () => {
  const batch = (first: number, producerId: number, value: string) =>
    batchBytes({ first, producerId, attributes: 16, records: [{ value }] });
  const fetched = await decode({
    aborted: [{ producerId: 7, first: 0 }],
    batches: [
      batch(0, 7, "aborted"),
      batch(1, 8, "committed"),
      batchBytes({ first: 2, producerId: 7, records: [{ value: "outside any transaction" }] }),
      markerBytes(3, 7, "abort"),
      batch(4, 7, "next transaction"),
      markerBytes(5, 8, "commit"),
      markerBytes(6, 7, "commit"),
    ],
  });
  assertEquals(values(fetched), ["1:committed", "2:outside any transaction", "4:next transaction"]);
  assertEquals(fetched.next, 7);
});

Deno.test("decodeFetch() knows transactions that began before the first batch, however many", async () => {
  const batch = (first: number, producerId: number) =>
    batchBytes({ first, producerId, attributes: 16, records: [{ value: `of ${producerId}` }] });
  const fetched = await decode({
    aborted: [{ producerId: 9, first: 60 }, { producerId: 7, first: 50 }, { producerId: 8, first: 55 }],
    batches: [
      batch(100, 9),
      batch(101, 8),
      batch(102, 7),
      batch(103, 6),
      markerBytes(104, 9, "abort"),
      batch(105, 9),
    ],
  }, 100);
  assertEquals(values(fetched), ["103:of 6", "105:of 9"]);
});

Deno.test("decodeFetch() does not take a record for a marker", async () => {
  const fetched = await decode({
    aborted: [{ producerId: 7, first: 0 }],
    batches: [
      batchBytes({
        first: 0,
        producerId: 7,
        attributes: 16,
        records: [{ key: new Uint8Array(4), value: "aborted" }],
      }),
      batchBytes({ first: 1, producerId: 7, attributes: 16, records: [{ value: "aborted too" }] }),
      markerBytes(2, 7, "abort"),
    ],
  });
  assertEquals([values(fetched), fetched.next], [[], 3]);
});

Deno.test("decodeFetch() reads every codec", async () => {
  const records = Array.from(
    { length: 100 },
    (_, n) => ({ key: `key ${n}`, value: `value ${n} `.repeat(20) }),
  );
  for (const [codec, create] of Object.entries(codecs)) {
    const body = await create().compress({ buffer: recordBytes(records) });
    const fetched = await decode({
      batches: [batchBytes({ first: 0, attributes: Number(codec), body, records })],
    });
    assertEquals(fetched.unreadable, []);
    assertEquals(values(fetched), records.map(({ value }, n) => `${n}:${value}`), `codec ${codec}`);
  }
});

Deno.test("decodeFetch() reads a record with very many headers in little time", async () => {
  const headers = Array.from({ length: 200_000 }, () => ["h", null] as const);
  const batch = batchBytes({ first: 0, records: [{ headers }] });
  const { records } = await quickly("reading it", 2_000, () => decode({ batches: [batch] }));
  assertEquals((records[0]!.headers.h as unknown[]).length, 200_000);
});
