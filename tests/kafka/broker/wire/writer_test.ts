import { assertEquals } from "@std/assert";
import { WireReader } from "../../../../kafka/broker/wire/reader.ts";
import { WireWriter } from "../../../../kafka/broker/wire/writer.ts";

function written(flexible: boolean, write: (out: WireWriter) => void): string {
  const out = new WireWriter(flexible);
  write(out);
  return out.finish().toHex();
}

Deno.test("WireWriter writes fixed-size fields", () => {
  const hex = written(false, (out) => {
    out.int8(-1);
    out.int16(-32768);
    out.int32(-2);
    out.uint32(4294967294);
    out.int64(Number.MAX_SAFE_INTEGER);
    out.int64(-2);
    out.bool(true);
    out.uuid("00112233445566778899aabbccddeeff");
  });
  assertEquals(
    hex,
    "ff" + "8000" + "fffffffe" + "fffffffe" + "001fffffffffffff" + "fffffffffffffffe" + "01" +
      "00112233445566778899aabbccddeeff",
  );
});

Deno.test("WireWriter writes both encodings of strings, bytes, arrays and structs", () => {
  const all = (out: WireWriter): void => {
    out.string("é");
    out.nullableString(null);
    out.bytes(Uint8Array.of(1, 2));
    out.nullableBytes(null);
    out.joinedBytes([Uint8Array.of(1), Uint8Array.of(2, 3)]);
    out.array([1, 2], (v) => out.int8(v));
    out.nullableArray(null, () => {});
    out.structs([7], (v) => out.int8(v));
    out.nullableStructs(null, () => {});
    out.tags();
  };
  assertEquals(
    written(false, all),
    "0002c3a9" + "ffff" + "000000020102" + "ffffffff" + "00000003010203" + "000000020102" + "ffffffff" +
      "0000000107" + "ffffffff",
  );
  assertEquals(
    written(true, all),
    "03c3a9" + "00" + "030102" + "00" + "04010203" + "030102" + "00" + "020700" + "00" + "00",
  );
});

Deno.test("WireWriter.uvarint() and varint() are what WireReader reads", () => {
  for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 32 - 1]) {
    const bytes = Uint8Array.fromHex(written(true, (out) => out.uvarint(value)));
    assertEquals(new WireReader(bytes, true).uvarint(), value);
  }
  for (const value of [0, -1, 1, 63, -64, 2 ** 31 - 1, -(2 ** 31)]) {
    const bytes = Uint8Array.fromHex(written(true, (out) => out.varint(value)));
    assertEquals(new WireReader(bytes, true).varint(), value);
  }
});

Deno.test("WireWriter keeps every field whole while its buffer grows", () => {
  for (let capacity = 1; capacity < 40; capacity++) {
    const out = new WireWriter(true, capacity);
    const all = (): void => {
      out.int64(1);
      out.string("abcdefgh");
      out.uvarint(300);
      out.int16(2);
      out.tags();
      out.uuid("ab".repeat(16));
    };
    all();
    all();
    const once = "0000000000000001" + "096162636465666768" + "ac02" + "0002" + "00" + "ab".repeat(16);
    assertEquals(out.finish().toHex(), once + once);
  }
});

Deno.test("WireWriter passes big bytes on by reference and keeps the order", () => {
  const big = new Uint8Array(100_000).fill(5);
  const out = new WireWriter(false);
  out.int32(0);
  out.bytes(big);
  out.int16(9);
  assertEquals(out.size, 4 + 4 + 100_000 + 2);
  const chunks = out.chunks(true);
  assertEquals(chunks.some((chunk) => chunk === big), true);
  assertEquals(chunks[0]?.toHex(), "000186a6" + "000186a0"); // the frame length counts all but itself
  assertEquals(out.finish().subarray(-2).toHex(), "0009");
});

Deno.test("WireWriter.firstError remembers the first error code that is not 0", () => {
  const out = new WireWriter(false);
  out.errorCode(0);
  out.errorCode(3);
  out.errorCode(-1);
  assertEquals(out.firstError, 3);
  assertEquals(out.finish().toHex(), "00000003ffff");
});
