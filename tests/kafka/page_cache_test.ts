import { assert, assertEquals } from "@std/assert";
import { SharedRecord } from "../../kafka/feed.ts";
import type { Page } from "../../kafka/history.ts";
import { PageCache } from "../../kafka/page_cache.ts";
import { Random } from "../random.ts";

/** A page of records of `bytes` bytes each. */
function page(from: number, next: number, bytes = 100, end = next): Page {
  const records = Array.from({ length: next - from }, (_, i) => ({
    partition: 0,
    offset: from + i,
    timestamp: 0,
    key: null,
    value: new Uint8Array(bytes),
    headers: {},
  }));
  return { from, next, records, shared: records.map((each) => new SharedRecord("t", each, null)), end };
}

Deno.test("PageCache: kept pages share no offset, and each offset that was kept is found", () => {
  const cache = new PageCache(10_000_000);
  cache.keep("t", 0, page(0, 10));
  cache.keep("t", 0, page(20, 30));
  cache.keep("t", 0, page(5, 25));
  cache.keep("t", 0, page(2, 8)); // nothing of its own
  const spans = [0, 9, 10, 19, 20, 29].map((at) => cache.find("t", 0, at)).map((found) => [
    found?.from,
    found?.next,
    found?.records.length,
    found?.shared.length,
  ]);
  assertEquals(
    spans,
    [[0, 10], [0, 10], [10, 20], [10, 20], [20, 30], [20, 30]].map((span) => [...span, 10, 10]),
  );
  assertEquals(cache.find("t", 0, 10)?.records[0]?.offset, 10);
  assertEquals([cache.find("t", 0, 30), cache.find("t", 1, 5), cache.find("u", 0, 5)], [
    undefined,
    undefined,
    undefined,
  ]);
  cache.keep("t", 0, page(50, 50));
  assertEquals(cache.find("t", 0, 50), undefined, "an empty page is the end, which may have grown");
  cache.keep("tt", 0, page(0, 1));
  cache.forget("t");
  assertEquals([cache.find("t", 0, 5), cache.find("tt", 0, 0)?.next], [undefined, 1]);
  cache.forget("tt");
  assertEquals(cache.bytes, 0);
});

Deno.test("PageCache.beginning() is round for a start anywhere, and exact behind a page that ends there", () => {
  const cache = new PageCache(10_000_000);
  assertEquals(cache.beginning("t", 0, 777), 777, "nothing is known of the topic");
  cache.keep("t", 0, page(0, 100, 10, 1_000)); // a full page of 100 offsets: round is 64
  assertEquals([777, 768, 100, 101, 128].map((at) => cache.beginning("t", 0, at)), [768, 768, 100, 100, 128]);
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
