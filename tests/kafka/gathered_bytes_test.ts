import { assertEquals, assertLess } from "@std/assert";
import { GatheredBytes } from "../../kafka/gathered_bytes.ts";
import { Random } from "../random.ts";

Deno.test("GatheredBytes holds what was added, in order, until it is taken or dropped", () => {
  const random = new Random("GatheredBytes"), gathered = new GatheredBytes();
  let held: number[] = [];
  for (let n = 0; n < 3_000; n++) {
    const piece = Uint8Array.from({ length: random.between(0, 100) }, () => random.between(0, 255));
    gathered.add(piece);
    held.push(...piece);
    const count = random.between(0, n % 50 === 0 ? held.length : 60);
    if (n % 2 === 0 && count <= held.length) assertEquals([...gathered.take(count)], held.slice(0, count));
    else if (count <= held.length) gathered.drop(count);
    else continue;
    held = held.slice(count);
    assertEquals(gathered.length, held.length);
  }
  assertEquals([...gathered.bytes], held);
});

Deno.test("GatheredBytes hands out bytes that later pieces do not change", () => {
  const gathered = new GatheredBytes(), piece = Uint8Array.of(1, 2, 3);
  gathered.add(piece);
  const taken = gathered.take(2);
  piece.fill(9);
  gathered.add(Uint8Array.of(4));
  assertEquals([[...taken], [...gathered.bytes], taken.buffer.byteLength], [[1, 2], [3, 4], 2]);
});

Deno.test("GatheredBytes keeps to the memory that it needs while bytes come and go", () => {
  const gathered = new GatheredBytes(), piece = new Uint8Array(1_000);
  gathered.add(new Uint8Array(100_000));
  for (let n = 0; n < 100_000; n++) {
    gathered.add(piece);
    gathered.drop(piece.length);
  }
  assertLess(gathered.bytes.buffer.byteLength, 400_000);
});
