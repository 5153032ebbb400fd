/** Batches as no proper client sends them, and what a broker says of each: the table of strict_batches_test.ts.
 *
 * Built from batches.ts, patched, and compressed by node:zlib and encoders.ts.
 * Left out: what depends on batches before (sequences, transactions). @module */
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type BatchFields, batchOf, slowCrc32c, type TestRecord } from "../kafka/broker/batches.ts";
import { concat, hex, lz4Stored, snappyStored, xerial } from "../kafka/broker/encoders.ts";
import { hex16, hex32, type RawClient, str } from "../kafka/broker/raw_client.ts";

/** What Produce v8 says of a batch. */
export interface Verdict {
  readonly error: number;
  /** Places of the records that were found wrong, when the broker names them. */
  readonly records: readonly number[];
  /** Offset it was given, −1 with an error. */
  readonly offset: number;
}

/** One batch with what is to be said of it. */
export interface StrictCase {
  readonly name: string;
  readonly batch: Uint8Array;
  /** Error code of the embedded broker. */
  readonly error: number;
  /** That of Apache Kafka, where it is another one. */
  readonly kafka?: number;
  /** Places of the wrong records; none by default. */
  readonly records?: readonly number[];
  /** Of the Produce request; 8. */
  readonly version?: number;
  readonly topic?: "plain" | "compact" | "bounded" | "append";
}

/** Settings of the topics by the name a case uses. */
export const strictTopics: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: {},
  compact: { "cleanup.policy": "compact" },
  bounded: { "message.timestamp.before.max.ms": "3600000", "message.timestamp.after.max.ms": "3600000" },
  append: { "message.timestamp.type": "LogAppendTime", "message.timestamp.before.max.ms": "1000" },
};

const CORRUPT = 2, TOO_LARGE = 10, UNKNOWN = -1, BAD_TIME = 32, BAD_CODEC = 76, INVALID = 87;
const GZIP = 1, ZSTD = 4;
/** A broker may see it minutes later: times are half an hour and more from each bound. */
const now = Date.now();
const text = new TextEncoder();
const three: TestRecord[] = ["a", "b", "c"].map((value) => ({ key: "k", value, timestamp: now }));

/** A right batch, changed, with the checksum that belongs to it then. */
function patched(
  change: (view: DataView) => void,
  records: readonly TestRecord[] = three,
): Uint8Array<ArrayBuffer> {
  const batch = batchOf(records);
  const view = new DataView(batch.buffer);
  change(view);
  view.setUint32(17, slowCrc32c(batch.subarray(21)));
  return batch;
}

/** A batch of records given as bytes. */
function raw(count: number, body: Uint8Array, attributes = 0): Uint8Array<ArrayBuffer> {
  return batchOf([{ timestamp: now }], {
    count,
    lastOffsetDelta: count - 1,
    attributes,
    compress: () => body,
  });
}

/** The body of a batch, uncompressed. */
function bodyOf(records: readonly TestRecord[]): Uint8Array {
  return batchOf(records).slice(61);
}

const zip = {
  gzip: (bytes: Uint8Array): Uint8Array => gzipSync(bytes),
  snappy: (bytes: Uint8Array): Uint8Array => xerial(snappyStored(bytes)),
  lz4: (bytes: Uint8Array): Uint8Array => lz4Stored(bytes),
  zstd: (bytes: Uint8Array): Uint8Array => zstdCompressSync(bytes),
};
const codecCases = Object.entries(zip).map(([name, compress], i) => ({ name, compress, codec: i + 1 }));
const BOMB = 80 * 1024 * 1024;

/** A record: length, attributes, timestamp delta, offset delta, then as given. */
const fine = "10" + "00" + "00" + "00" + "026b" + "0276" + "00"; // key "k", value "v", no headers

/** Record bodies that are broken, for each codec and none. */
const bodies: readonly [
  name: string,
  count: number,
  body: Uint8Array,
  error: number,
  /** What Kafka says of it uncompressed, and compressed, where that is another code. */
  kafka?: readonly [plain: number, compressed: number],
][] = [
  ["a body that is right", 1, hex(fine), 0],
  ["more records than counted", 1, hex(fine, "10" + "00" + "00" + "02" + "026b" + "0276" + "00"), INVALID],
  ["fewer records than counted", 2, hex(fine), INVALID],
  ["bytes behind the last record", 1, hex(fine, "00"), INVALID],
  ["an offset delta that repeats", 2, hex(fine, fine), INVALID, [0, UNKNOWN]],
  ["an offset delta that jumps", 2, hex(fine, "10" + "00" + "00" + "06" + "026b" + "0276" + "00"), INVALID, [
    0,
    UNKNOWN,
  ]],
  [
    "a first offset delta that is not 0",
    1,
    hex("10" + "00" + "00" + "02" + "026b" + "0276" + "00"),
    INVALID,
    [0, UNKNOWN],
  ],
  ["a negative offset delta", 1, hex("10" + "00" + "00" + "01" + "026b" + "0276" + "00"), INVALID, [
    0,
    UNKNOWN,
  ]],
  ["a record longer than the batch", 1, hex("7e" + fine.slice(2)), INVALID, [INVALID, 0]],
  ["a record shorter than its fields", 1, hex("0c" + fine.slice(2)), INVALID, [INVALID, 0]],
  ["a record longer than its fields", 1, hex("12" + fine.slice(2) + "00"), INVALID],
  ["a record of a negative length", 1, hex("01" + fine.slice(2)), INVALID, [INVALID, 0]],
  ["a key that is too long", 1, hex("10" + "00" + "00" + "00" + "7e6b" + "0276" + "00"), INVALID],
  ["a key length of -2", 1, hex("0e" + "00" + "00" + "00" + "03" + "0276" + "00"), INVALID, [0, 0]],
  ["a value that is too long", 1, hex("10" + "00" + "00" + "00" + "026b" + "7e76" + "00"), INVALID],
  ["a negative number of headers", 1, hex("10" + "00" + "00" + "00" + "026b" + "0276" + "01"), INVALID],
  ["more headers than there are", 1, hex("10" + "00" + "00" + "00" + "026b" + "0276" + "04"), INVALID],
  [
    "a header without a key",
    1,
    hex("14" + "00" + "00" + "00" + "026b" + "0276" + "02" + "01" + "01"),
    INVALID,
  ],
  ["a varint without end", 1, hex("ffffffffffffffffffff01"), INVALID, [UNKNOWN, INVALID]],
  ["record attributes", 1, hex("10" + "ff" + "00" + "00" + "026b" + "0276" + "00"), 0],
  ["no bytes at all", 1, new Uint8Array(), INVALID],
];

function bodyCases(): StrictCase[] {
  const all = [{ name: "none", codec: 0, compress: (bytes: Uint8Array) => bytes }, ...codecCases];
  return all.flatMap(({ name, codec, compress }) =>
    bodies.map(([what, count, body, error, kafka]) => ({
      name: `${name}: ${what}`,
      batch: raw(count, compress(body), codec),
      error,
      ...(kafka !== undefined && { kafka: kafka[codec === 0 ? 0 : 1] }),
    }))
  );
}

function compressed(codec: number, body: Uint8Array, fields: BatchFields = {}): Uint8Array<ArrayBuffer> {
  return batchOf(three, { ...fields, attributes: codec, compress: () => body });
}

const zeros = (count: number): TestRecord[] => [{ key: "k", value: new Uint8Array(count), timestamp: now }];

function codecsCases(): StrictCase[] {
  const body = bodyOf(three);
  const [first, second] = [body.subarray(0, 10), body.subarray(10)];
  return [
    ...codecCases.flatMap(({ name, codec, compress }): StrictCase[] => [
      { name: `${name}: three records`, batch: compressed(codec, compress(body)), error: 0 },
      { name: `${name}: cut short`, batch: compressed(codec, compress(body).slice(0, -9)), error: UNKNOWN },
      {
        name: `${name}: not that format`,
        batch: compressed(codec, text.encode("no such thing")),
        error: UNKNOWN,
      },
      {
        name: `${name}: nothing`,
        batch: compressed(codec, new Uint8Array()),
        error: codec === ZSTD ? INVALID : UNKNOWN,
      },
      {
        name: `${name}: bytes behind it`,
        batch: compressed(codec, concat(compress(body), hex("0102"))),
        error: codec === ZSTD || codec === GZIP ? UNKNOWN : 0,
        ...(codec === GZIP && { kafka: 0 }),
      },
    ]),
    { name: "gzip: two members", batch: compressed(1, concat(gzipSync(first), gzipSync(second))), error: 0 },
    { name: "snappy: raw", batch: compressed(2, snappyStored(body)), error: 0 },
    {
      name: "snappy: two blocks",
      batch: compressed(2, xerial(snappyStored(first), snappyStored(second))),
      error: 0,
    },
    {
      name: "snappy: another length",
      batch: compressed(2, xerial(snappyStored(body, 1000))),
      error: UNKNOWN,
    },
    { name: "lz4: linked blocks", batch: compressed(3, lz4Stored(body, { flags: 0x40 })), error: UNKNOWN },
    {
      name: "lz4: a wrong descriptor",
      batch: compressed(3, lz4Stored(body, { checksum: 1 })),
      error: UNKNOWN,
    },
    { name: "lz4: no end", batch: compressed(3, lz4Stored(body, { end: false })), error: UNKNOWN },
    { name: "lz4: version 2", batch: compressed(3, lz4Stored(body, { flags: 0xa0 })), error: UNKNOWN },
    {
      name: "zstd: two frames",
      batch: compressed(4, concat(zstdCompressSync(first), zstdCompressSync(second))),
      error: 0,
    },
    { name: "zstd below v7", batch: compressed(4, zstdCompressSync(body)), version: 6, error: BAD_CODEC },
    ...[5, 6, 7].map((codec) => ({
      name: `codec ${codec}`,
      batch: compressed(codec, body),
      error: BAD_CODEC,
      kafka: UNKNOWN,
    })),
  ];
}

function headerCases(): StrictCase[] {
  const good = batchOf(three);
  const at = (timestamp: number, value = "x"): TestRecord => ({ key: "k", value, timestamp });
  return [
    { name: "a right batch", batch: good, error: 0 },
    { name: "less than a header", batch: good.slice(0, 60), error: INVALID },
    { name: "less than its length", batch: good.slice(0, 16), error: INVALID },
    { name: "nothing", batch: new Uint8Array(), error: INVALID },
    { name: "a byte short", batch: good.slice(0, -1), error: INVALID },
    {
      name: "a wrong checksum",
      batch: good.map((byte, i) => i === good.length - 1 ? byte ^ 1 : byte),
      error: CORRUPT,
    },
    { name: "two batches", batch: concat(good, good), error: INVALID },
    { name: "bytes behind the batch", batch: concat(good, hex("00010203")), error: 0 },
    { name: "a length of 0", batch: patched((view) => view.setInt32(8, 0)), error: CORRUPT },
    { name: "a negative length", batch: patched((view) => view.setInt32(8, -1)), error: CORRUPT },
    { name: "a length below a header", batch: patched((view) => view.setInt32(8, 40)), error: CORRUPT },
    { name: "a length above the bytes", batch: patched((view) => view.setInt32(8, 5000)), error: INVALID },
    ...[0, 1, 3, -1].map((magic) => ({
      name: `magic ${magic}`,
      batch: patched((view) => view.setInt8(16, magic)),
      error: magic === 0 || magic === 1 ? INVALID : CORRUPT,
    })),
    { name: "base offset 7", batch: patched((view) => view.setBigInt64(0, 7n)), error: INVALID },
    { name: "base offset -1", batch: patched((view) => view.setBigInt64(0, -1n)), error: INVALID },
    { name: "leader epoch 9", batch: patched((view) => view.setInt32(12, 9)), error: 0 },
    { name: "control", batch: patched((view) => view.setInt16(21, 0x20)), error: INVALID },
    { name: "delete horizon", batch: patched((view) => view.setInt16(21, 0x40)), error: 0 },
    { name: "unknown attributes", batch: patched((view) => view.setInt16(21, 0x7f80)), error: 0 },
    { name: "count 0", batch: batchOf([], { lastOffsetDelta: -1 }), error: INVALID },
    { name: "count 0, last offset 0", batch: batchOf([], { lastOffsetDelta: 0 }), error: INVALID },
    { name: "count -1", batch: patched((view) => view.setInt32(57, -1)), error: INVALID },
    { name: "count above the last offset", batch: patched((view) => view.setInt32(23, 1)), error: INVALID },
    { name: "count below the last offset", batch: patched((view) => view.setInt32(23, 5)), error: INVALID },
    { name: "a last offset below 0", batch: patched((view) => view.setInt32(23, -1)), error: INVALID },
    {
      name: "a max timestamp too low",
      batch: patched((view) => view.setBigInt64(35, BigInt(now - 5))),
      error: 0,
    },
    {
      name: "a max timestamp too high",
      batch: patched((view) => view.setBigInt64(35, BigInt(now + 5))),
      error: 0,
    },
    {
      name: "a max timestamp of the far future",
      batch: patched((view) => view.setBigInt64(35, 2n ** 62n)),
      error: 0,
    },
    {
      name: "producer without a sequence",
      batch: batchOf(three, { producerId: 5, epoch: 0 }),
      error: INVALID,
    },
    {
      name: "producer without an epoch",
      batch: batchOf(three, { producerId: 5, sequence: 0 }),
      error: INVALID,
      kafka: 0,
    },
    { name: "too large", batch: batchOf(zeros(1_100_000)), error: TOO_LARGE },
    { name: "too large and broken", batch: batchOf(zeros(1_100_000)).fill(1, 100), error: TOO_LARGE },
    {
      name: "append time set by the client",
      batch: patched((view) => view.setInt16(21, 8)),
      error: 0,
    },
    {
      name: "two hours ahead",
      batch: batchOf([at(now), at(now + 7_200_000)]),
      error: BAD_TIME,
      records: [1],
    },
    { name: "no time", batch: batchOf([at(-1)]), error: 0 },
    { name: "a time of -2", batch: batchOf([at(-2)]), error: 0 },
    { name: "long ago", batch: batchOf([at(1)]), error: 0 },
    {
      name: "within the bounds",
      topic: "bounded",
      batch: batchOf([at(now - 1_800_000), at(now + 1_800_000)]),
      error: 0,
    },
    {
      name: "too long ago",
      topic: "bounded",
      batch: batchOf([at(now), at(now - 5_400_000), at(1)]),
      error: BAD_TIME,
      records: [1, 2],
    },
    {
      name: "too far ahead",
      topic: "bounded",
      batch: batchOf([at(now + 5_400_000), at(now)]),
      error: BAD_TIME,
      records: [0],
    },
    { name: "no time, bounded", topic: "bounded", batch: batchOf([at(-1)]), error: 0 },
    {
      name: "too long ago, gzip",
      topic: "bounded",
      batch: batchOf([at(now), at(1)], { attributes: 1, compress: zip.gzip }),
      error: BAD_TIME,
      records: [1],
    },
    { name: "long ago, append time", topic: "append", batch: batchOf([at(1)]), error: 0 },
    { name: "far ahead, append time", topic: "append", batch: batchOf([at(now + 1e9)]), error: 0 },
    {
      name: "append time set by the client, append time",
      topic: "append",
      batch: patched((view) => view.setInt16(21, 8)),
      error: BAD_TIME,
      records: [0, 1, 2],
    },
    {
      name: "gzip with append time",
      topic: "append",
      batch: compressed(1, gzipSync(bodyOf(three))),
      error: 0,
    },
    { name: "keys, compacted", topic: "compact", batch: good, error: 0 },
    {
      name: "an empty key, compacted",
      topic: "compact",
      batch: batchOf([{ key: "", timestamp: now }]),
      error: 0,
    },
    {
      name: "no keys, compacted",
      topic: "compact",
      batch: batchOf([{ timestamp: now }, at(now), { timestamp: now }]),
      error: INVALID,
      records: [0, 2],
    },
    {
      name: "no key, compacted, zstd",
      topic: "compact",
      batch: batchOf([at(now), { timestamp: now }], { attributes: 4, compress: zip.zstd }),
      error: INVALID,
      records: [1],
    },
    {
      name: "no key and too far ahead, compacted",
      topic: "compact",
      batch: batchOf([at(now + 1e8), { timestamp: now }]),
      error: BAD_TIME,
      records: [0, 1],
    },
  ];
}

/** All cases. */
export function strictCases(): StrictCase[] {
  return [...headerCases(), ...bodyCases(), ...codecsCases()];
}

/** Batches that decompress to far more than any topic takes; a broker may take them, but must not fall over. */
export function bombs(): { name: string; batch: Uint8Array }[] {
  const body = bodyOf(zeros(BOMB));
  return [
    { name: "gzip", batch: batchOf(zeros(1), { attributes: 1, compress: () => gzipSync(body) }) },
    { name: "zstd", batch: batchOf(zeros(1), { attributes: 4, compress: () => zstdCompressSync(body) }) },
  ];
}

/** Produces one batch to partition 0. */
export async function verdictOn(
  client: RawClient,
  topic: string,
  { batch, version = 8 }: { batch: Uint8Array; version?: number },
): Promise<Verdict> {
  const body = "ffff" + "ffff" + hex32(30_000) + hex32(1) + str(topic) + hex32(1) + hex32(0) +
    hex32(batch.byteLength) + batch.toHex();
  const bytes = Uint8Array.fromHex(await client.ask({ key: 0, version, body }));
  const view = new DataView(bytes.buffer);
  const at = 4 + 2 + topic.length + 4 + 4;
  const error = view.getInt16(at);
  const offset = Number(view.getBigInt64(at + 2));
  const records: number[] = [];
  let place = at + 30;
  for (let left = version >= 8 ? view.getInt32(at + 26) : 0; left > 0; left--) {
    records.push(view.getInt32(place));
    place += 6 + Math.max(view.getInt16(place + 4), 0);
  }
  return { error, offset, records };
}

/** Makes a topic of one partition through the protocol and waits until it can be written to. */
export async function makeStrictTopic(
  client: RawClient,
  name: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  const set = Object.entries(configs);
  const body = hex32(1) + str(name) + hex32(1) + hex16(1) + hex32(0) + hex32(set.length) +
    set.map(([key, value]) => str(key) + str(value)).join("") + hex32(30_000) + "00";
  await client.ask({ key: 19, version: 4, body });
  for (let tries = 0; tries < 100; tries++) {
    const { error } = await verdictOn(client, name, { batch: batchOf(three) });
    if (error === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Cannot write to ${name}`);
}
