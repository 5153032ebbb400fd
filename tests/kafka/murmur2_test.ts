import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import ofLibrary from "kafkajs/src/producer/partitioners/default/murmur2.js";
import { murmur2 } from "../../kafka/murmur2.ts";
import { Random } from "../random.ts";

Deno.test("murmur2() gives what Java's clients give", () => {
  // From Kafka's own UtilsTest.
  const known: [string, number][] = [
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ];
  for (const [text, hash] of known) assertEquals(murmur2(new TextEncoder().encode(text)), hash);
});

Deno.test("murmur2() gives what the client library gives, whatever the bytes are", () => {
  const random = new Random("murmur2");
  for (let length = 0; length < 600; length++) {
    const bytes = Buffer.from(Array.from({ length: length % 67 }, () => random.between(0, 255)));
    assertEquals(murmur2(bytes), ofLibrary(bytes), bytes.toString("hex"));
  }
});
