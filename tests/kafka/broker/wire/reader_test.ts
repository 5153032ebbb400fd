import { assertEquals, assertThrows } from "@std/assert";
import { WireError, WireReader } from "../../../../kafka/broker/wire/reader.ts";

function old(hex: string): WireReader {
  return new WireReader(Uint8Array.fromHex(hex), false);
}

function flexible(hex: string): WireReader {
  return new WireReader(Uint8Array.fromHex(hex), true);
}

Deno.test("WireReader reads fixed-size fields in order", () => {
  const reader = old(
    "ff" + "8000" + "fffffffe" + "fffffffe" + "001fffffffffffff" + "ffffffffffffffff" + "01",
  );
  assertEquals(
    [
      reader.int8(),
      reader.int16(),
      reader.int32(),
      reader.uint32(),
      reader.int64(),
      reader.int64(),
      reader.bool(),
    ],
    [-1, -32768, -2, 4294967294, Number.MAX_SAFE_INTEGER, -1, true],
  );
  assertEquals(reader.remaining, 0);
});

Deno.test("WireReader.int64() refuses what a number cannot hold; clampedInt64() clamps it", () => {
  assertThrows(() => old("7fffffffffffffff").int64(), WireError, "beyond 2^53");
  assertEquals(old("7fffffffffffffff").clampedInt64(), Number.MAX_SAFE_INTEGER);
  assertEquals(old("8000000000000000").clampedInt64(), Number.MIN_SAFE_INTEGER);
});

Deno.test("WireReader reads strings of both encodings", () => {
  assertEquals(old("0003616263").string(), "abc");
  assertEquals(old("ffff").nullableString(), null);
  assertEquals(old("0000").string(), "");
  assertEquals(flexible("04616263").string(), "abc");
  assertEquals(flexible("00").nullableString(), null);
  assertEquals(flexible("01").string(), "");
  assertEquals(flexible("0002c3a9").oldNullableString(), "é");
});

Deno.test("WireReader reads bytes of both encodings as views", () => {
  assertEquals(old("00000002beef").bytes().toHex(), "beef");
  assertEquals(old("ffffffff").nullableBytes(), null);
  assertEquals(flexible("03beef").bytes().toHex(), "beef");
  const whole = Uint8Array.fromHex("03beef");
  assertEquals(new WireReader(whole, true).bytes().buffer === whole.buffer, true);
});

Deno.test("WireReader reads arrays, and the tagged fields of structs when flexible", () => {
  const plain = old("00000002" + "0001" + "0002");
  assertEquals(plain.structs(() => plain.int16()), [1, 2]);
  const tagged = flexible("03" + "0001" + "00" + "0002" + "01" + "05" + "02" + "beef" + "07");
  assertEquals(tagged.structs(() => tagged.int16()), [1, 2]);
  assertEquals(tagged.int8(), 7);
  assertEquals(old("ffffffff").nullableArray(() => 0), null);
  assertEquals(flexible("00").nullableArray(() => 0), null);
});

Deno.test("WireReader reads varints, zigzag ones and ids", () => {
  assertEquals(flexible("ffffffff0f").uvarint(), 4294967295);
  assertEquals(flexible("8001").uvarint(), 128);
  assertEquals([flexible("00").varint(), flexible("01").varint(), flexible("02").varint()], [0, -1, 1]);
  assertEquals(flexible("ffffffff0f").varint(), -2147483648);
  assertEquals(flexible("00112233445566778899aabbccddeeff").uuid(), "00112233445566778899aabbccddeeff");
});

const malformed: [claim: string, reader: WireReader, read: (reader: WireReader) => unknown][] = [
  ["a field beyond the end", old("0001"), (r) => r.int32()],
  ["a string beyond the end", old("7fff61"), (r) => r.string()],
  ["a string of a negative length", old("fffe"), (r) => r.nullableString()],
  ["a null where none may be", old("ffff"), (r) => r.string()],
  ["a string that is not UTF-8", old("0001ff"), (r) => r.string()],
  ["a compact string above 32767 bytes", flexible("818002" + "61".repeat(32_768)), (r) => r.string()],
  ["bytes beyond the end", old("7fffffff00"), (r) => r.bytes()],
  ["bytes of a negative length", old("fffffffe"), (r) => r.nullableBytes()],
  ["an array longer than what is left", old("7fffffff00"), (r) => r.array(() => r.int8())],
  ["an array of a negative length", old("fffffffe"), (r) => r.nullableArray(() => r.int8())],
  ["an array of too many elements", old("000186a1" + "00".repeat(100_001)), (r) => r.array(() => r.int8())],
  [
    "arrays of too many elements together",
    old(("00000800" + "00".repeat(2_048)).repeat(49)),
    (r) => {
      while (r.remaining > 0) r.array(() => r.int8());
    },
  ],
  ["a varint of more than 32 bits", flexible("ffffffff1f"), (r) => r.uvarint()],
  ["a varint without an end", flexible("ffffffffffffff"), (r) => r.uvarint()],
  ["tagged fields beyond the end", flexible("0100ff01"), (r) => r.tags()],
];

for (const [claim, reader, read] of malformed) {
  Deno.test(`WireReader refuses ${claim}`, () => {
    assertThrows(() => read(reader), WireError);
  });
}
