import { assert, assertEquals } from "@std/assert";
import type { Page } from "../../kafka/history.ts";
import { PageCache } from "../../kafka/page_cache.ts";
import { Random } from "../random.ts";

/** A page of records of `bytes` bytes each. */
function page(from: number, next: number, bytes = 100): Page {
  const records = Array.from({ length: next - from }, (_, i) => ({
    partition: 0,
    offset: from + i,
    timestamp: 0,
    key: null,
    value: new Uint8Array(bytes),
    headers: {},
  }));
  return { from, next, records, shared: [], end: next };
}

Deno.test("PageCache.find() gives a page that holds the offset, of the same partition, and keep() replaces", () => {
  const cache = new PageCache(10_000_000);
  const kept = [page(0, 10), page(20, 30), page(5, 8), page(10, 20)];
  for (const each of kept) cache.keep("t", 0, each);
  assertEquals(cache.find("t", 0, 9), kept[0], "though another page begins nearer");
  assertEquals([10, 19, 20, 29].map((at) => cache.find("t", 0, at)?.from), [10, 10, 20, 20]);
  assertEquals([cache.find("t", 0, 30), cache.find("t", 1, 5), cache.find("u", 0, 5)], [
    undefined,
    undefined,
    undefined,
  ]);
  const before = cache.bytes, longer = page(20, 40);
  cache.keep("t", 0, longer);
  assertEquals([cache.find("t", 0, 25), cache.find("t", 0, 39)], [longer, longer]);
  assert(cache.bytes > before);
  cache.keep("t", 0, page(50, 50));
  assertEquals(cache.find("t", 0, 50), undefined, "an empty page is the end, which may have grown");
  cache.keep("tt", 0, page(0, 1));
  cache.forget("t");
  assertEquals([cache.find("t", 0, 5), cache.find("tt", 0, 0)?.next], [undefined, 1]);
  cache.forget("tt");
  assertEquals(cache.bytes, 0);
});

Deno.test("PageCache stays within its bytes: pages used last stay (random)", () => {
  const chance = new Random("PageCache");
  const maxBytes = 2_000_000, cache = new PageCache(maxBytes);
  let hits = 0;
  for (let n = 0; n < 5_000; n++) {
    const topic = `t${chance.between(0, 3)}`,
      partition = chance.between(0, 2),
      from = 10 * chance.between(0, 50);
    const found = cache.find(topic, partition, from + chance.between(0, 9));
    if (found) hits++;
    if (found) assertEquals(found.from, from);
    else cache.keep(topic, partition, page(from, from + 10, chance.between(0, 1_000)));
    assert(cache.bytes <= maxBytes && cache.bytes >= 0);
    assert(cache.find(topic, partition, from), "what was just used is there");
    if (n % 500 === 499) cache.forget(topic);
  }
  assert(hits > 100 && hits < 4_900, `${hits} of 5,000`);
  for (const topic of ["t0", "t1", "t2", "t3"]) cache.forget(topic);
  assertEquals(cache.bytes, 0);
});
