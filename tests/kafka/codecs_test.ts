import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { codecs, maxBatchBytes } from "../../kafka/codecs.ts";
import { Random } from "../random.ts";

const names = { 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd" } as const;

for (const [number, name] of Object.entries(names)) {
  const codec = codecs[Number(number)]!();

  Deno.test(`the ${name} codec reads back what it wrote`, async () => {
    const random = new Random(`${name} codec`);
    const noise = Buffer.from(Array.from({ length: 70_000 }, () => random.between(0, 255)));
    for (
      const plain of [Buffer.from("a"), Buffer.from("größe ".repeat(10_000)), noise, Buffer.alloc(1_000_000)]
    ) {
      const packed = await codec.compress({ buffer: plain });
      const read = await codec.decompress(Buffer.from(packed));
      assert(plain.equals(Buffer.from(read)), `${plain.length} bytes`);
    }
  });

  Deno.test(`the ${name} codec rejects bytes that are none of its`, async () => {
    for (const bytes of [Buffer.from("neither nor"), Buffer.alloc(100, 0xff)]) {
      await assertRejects(() => codec.decompress(bytes));
    }
  });
}

Deno.test("the snappy codec reads Java's framing", async () => {
  // snappy-java 1.1: magic, version 1, compatible version 1, then blocks with their length in front.
  const blocks = ["first block ", "and the second"].map((text) => {
    const block = Buffer.concat([Buffer.from([text.length, (text.length - 1) << 2]), Buffer.from(text)]);
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    return Buffer.concat([length, block]);
  });
  const head = Buffer.from("82534e415050590000000001" + "00000001", "hex");
  const read = await codecs[2]!().decompress(Buffer.concat([head, ...blocks]));
  assertEquals(String(Buffer.from(read)), "first block and the second");
});

Deno.test("no codec gives more than a batch may hold", async () => {
  const bomb = Buffer.alloc(maxBatchBytes + 1);
  await assertRejects(() => codecs[1]!().decompress(gzipSync(bomb)));
  await assertRejects(() => codecs[4]!().decompress(zstdCompressSync(bomb)));
  const { lz4Compress } = await import("@platformatic/wasm-utils/bundled");
  await assertRejects(() => codecs[3]!().decompress(lz4Compress(bomb)), RangeError);
});

Deno.test("the snappy codec believes no length that the bytes cannot hold", async () => {
  const lying = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07, 0, 0x61]); // 2 GiB of one byte
  await assertRejects(() => codecs[2]!().decompress(lying), RangeError, "at most");
  const head = Buffer.from("82534e415050590000000001" + "00000001" + "00000007", "hex");
  await assertRejects(() => codecs[2]!().decompress(Buffer.concat([head, lying])), RangeError, "at most");
  const half = Buffer.from([0x80, 0x80, 0x80, 0x18]); // 48 MiB: one such block is fine, two are too many
  const two = Buffer.from("00000004" + half.toString("hex") + "00000004" + half.toString("hex"), "hex");
  await assertRejects(
    () => codecs[2]!().decompress(Buffer.concat([head.subarray(0, 16), two])),
    RangeError,
    "at most",
  );
});
