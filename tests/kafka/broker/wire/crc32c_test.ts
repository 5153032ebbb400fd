import { assertEquals } from "@std/assert";
import { crc32c } from "../../../../kafka/broker/wire/crc32c.ts";
import { slowCrc32c } from "../batches.ts";

Deno.test("crc32c() gives the check values of RFC 3720", () => {
  assertEquals(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assertEquals(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assertEquals(crc32c(new Uint8Array(32).fill(255)), 0x62a8ab43);
  assertEquals(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assertEquals(crc32c(new Uint8Array(0)), 0);
});

Deno.test("crc32c() agrees with the bitwise checksum at every length and alignment", () => {
  const bytes = Uint8Array.from({ length: 70 }, (_, i) => (i * 151 + 7) & 255);
  for (let from = 0; from < 8; from++) {
    for (let to = from; to <= bytes.byteLength; to++) {
      assertEquals(crc32c(bytes.subarray(from, to)), slowCrc32c(bytes.subarray(from, to)));
    }
  }
});
