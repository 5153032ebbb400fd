import { Buffer } from "node:buffer";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { assertEquals } from "@std/assert";
import { decompress } from "../../../kafka/broker/compression.ts";
import { codecs } from "../../../kafka/broker/wire/record_batch.ts";

const text = new TextEncoder();
const repetitive = text.encode(
  "abcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabcabc ".repeat(100),
);

Deno.test("decompress() opens gzip, zstd and nothing", () => {
  assertEquals(decompress(codecs.none, repetitive), repetitive);
  assertEquals(decompress(codecs.gzip, gzipSync(repetitive))?.toHex(), repetitive.toHex());
  assertEquals(decompress(codecs.zstd, zstdCompressSync(repetitive))?.toHex(), repetitive.toHex());
});

Deno.test("decompress() opens raw snappy: literals of all lengths and the three kinds of copies", () => {
  // Length 25; literal "abcd"; copy 1: 4 from 4 back; copy 2: 8 from 8 back; copy 4: 8 from 2 back (overlapping);
  // then a literal whose length takes a byte of its own.
  const hex = "19" + "0c61626364" + "0104" + "1e0800" + "1f02000000" + "f00021";
  const opened = decompress(codecs.snappy, Uint8Array.fromHex(hex));
  assertEquals(new TextDecoder().decode(opened), "abcdabcd" + "abcdabcd" + "cdcdcdcd" + "!");
});

Deno.test("decompress() opens Java's framing of snappy", () => {
  const block = "03" + "08616263"; // "abc"
  const hex = "82534e4150505900" + "00000001" + "00000001" + ("00000005" + block).repeat(2);
  assertEquals(new TextDecoder().decode(decompress(codecs.snappy, Uint8Array.fromHex(hex))), "abcabc");
});

Deno.test("decompress() opens lz4 frames of another encoder", async () => {
  const { lz4Compress } = await import("@platformatic/wasm-utils/bundled");
  const frame = lz4Compress(Buffer.from(repetitive));
  assertEquals(decompress(codecs.lz4, frame)?.toHex(), repetitive.toHex());
});

Deno.test("decompress() gives undefined for what is broken, unknown or grows without end", () => {
  for (const codec of Object.values(codecs).filter((codec) => codec !== codecs.none)) {
    for (const hex of ["", "00", "ff".repeat(30), "04224d18ff", "82534e4150505900000000010000000100ffffff"]) {
      const opened = decompress(codec, Uint8Array.fromHex(hex));
      assertEquals(opened === undefined || opened.byteLength === 0, true, `codec ${codec}: ${hex}`);
    }
  }
  assertEquals(decompress(5, repetitive), undefined);
  assertEquals(decompress(codecs.gzip, gzipSync(new Uint8Array(65 * 1024 * 1024))), undefined);
  const endless = Uint8Array.fromHex("ffffffff0f" + "0061" + "fe0100".repeat(1_100_000)); // 64 bytes a copy
  assertEquals(decompress(codecs.snappy, endless), undefined);
});
