/** Who is idle, as a table of what is known; and where sources end, as a broker tells it. @module */
import { assertEquals } from "@std/assert";
import {
  Arrivals,
  askEnds,
  hasBacklog,
  lowestHigh,
  type SourceEnds,
} from "../../../../kafka/processors/windows/sources.ts";
import type { SourceRecord } from "../../../../kafka/processors/windows/types.ts";
import { createProducer } from "../../../../kafka/producer.ts";
import { topicIdOf } from "../../../../kafka/topic_id.ts";
import { silentLogger } from "../../../../logger.ts";
import { BrokerProxy, listOffsetsApi } from "../../broker_proxy.ts";
import { connect, TestBroker } from "../../test_broker.ts";

const graceMs = 10_000, start = 1_000_000;

function source(next: number, high: number | null, log = "a"): SourceRecord {
  return { log, next, high, at: null };
}
function ends(...partitions: SourceEnds["partitions"]): SourceEnds {
  return { log: "a", partitions };
}

Deno.test("Arrivals: a source is quiet a grace after it was heard of, counted from when its newest record was read", () => {
  const arrivals = new Arrivals(graceMs);
  const quiet = (ms: number) => [0, 1, 2, 3].filter((source) => arrivals.isQuiet(source, ms));
  assertEquals(quiet(0), [0, 1, 2, 3], "of whom nobody has heard");
  const now = { clockMs: start, steadyMs: 500 };
  const hear = (source: number, at: number | null, moment = now, high: number | null = 5, isLive = false) =>
    arrivals.hear({ source, at, high }, moment, isLive);
  hear(0, start);
  hear(1, start - 4_000);
  hear(2, start - 3_600_000); // a backlog that is read now
  hear(3, start + 3_600_000); // by a clock that is an hour ahead
  assertEquals(quiet(500), [2]);
  assertEquals(arrivals.nextQuiet(500), 6_500);
  assertEquals(quiet(6_499), [2]);
  assertEquals(quiet(6_500), [1, 2]);
  assertEquals(quiet(10_499), [1, 2]);
  assertEquals(quiet(10_500), [0, 1, 2, 3]);
  assertEquals(arrivals.nextQuiet(10_500), Infinity);
  // What comes later never makes it quiet earlier; records without a time are no sign of life.
  hear(0, start, { clockMs: start, steadyMs: 20_000 });
  hear(0, start - 9_000, { clockMs: start, steadyMs: 20_001 });
  hear(0, start, { clockMs: start, steadyMs: 25_000 }, null);
  hear(1, null, { clockMs: start, steadyMs: 25_000 }, null);
  assertEquals([arrivals.isQuiet(0, 29_999), arrivals.isQuiet(0, 30_000)], [false, true]);
  assertEquals(arrivals.isQuiet(1, 25_000), true);
  // Written just now, by a clock that is an hour behind.
  hear(2, start - 3_600_000, { clockMs: start, steadyMs: 30_000 }, 5, true);
  assertEquals([arrivals.isQuiet(2, 39_999), arrivals.isQuiet(2, 40_000)], [false, true]);
});

Deno.test("Arrivals.restore() makes nobody idle who would not be without the restart", () => {
  const arrivals = new Arrivals(graceMs);
  const known = new Map([[0, { ...source(5, 5), at: start - 1_000 }], [1, source(5, 5)]]);
  arrivals.restore(known, { clockMs: start, steadyMs: 0 });
  assertEquals([arrivals.isQuiet(0, 8_999), arrivals.isQuiet(0, 9_000)], [false, true]);
  assertEquals(arrivals.isQuiet(1, 0), true);
});

Deno.test("lowestHigh() leaves out who is quiet and has no backlog, and holds everything for one that has told no time", () => {
  const all = () => true, none = () => false, only = (...loud: number[]) => (p: number) => !loud.includes(p);
  const known = new Map([[0, source(10, 700)], [1, source(4, 300)]]);
  const lowest = (facts: Omit<Parameters<typeof lowestHigh>[0], "isAllRead">, except?: number) =>
    lowestHigh({ ...facts, isAllRead: true }, except);
  const cases: [string, number, number][] = [
    ["nobody is quiet", lowest({ known, isQuiet: none, ends: null }), 300],
    ["it was not asked", lowest({ known, isQuiet: all, ends: null }), 300],
    ["all are read", lowest({ known, isQuiet: all, ends: ends([0, 10], [0, 4]) }), Infinity],
    ["one comes on", lowest({ known, isQuiet: only(0), ends: ends([0, 10], [0, 4]) }), 700],
    ["the other is behind", lowest({ known, isQuiet: only(0), ends: ends([0, 10], [0, 5]) }), 300],
    ["both are", lowest({ known, isQuiet: all, ends: ends([0, 11], [0, 5]) }), 300],
    ["not known where it ends", lowest({ known, isQuiet: only(0), ends: ends([0, 10], null) }), 300],
    [
      "a third is unheard of",
      lowest({ known, isQuiet: none, ends: ends([0, 9], [0, 4], [0, 1]) }),
      -Infinity,
    ],
    ["it is empty", lowest({ known, isQuiet: only(0), ends: ends([0, 10], [0, 4], [7, 7]) }), 700],
    ["the topic has less", lowest({ known, isQuiet: only(0), ends: ends([0, 10]) }), 700],
    ["there is no topic", lowest({ known, isQuiet: all, ends: ends() }), Infinity],
    ["without one of them", lowest({ known, isQuiet: none, ends: null }, 1), 700],
    [
      "nor itself unheard of",
      lowest({ known, isQuiet: none, ends: ends([0, 10], [0, 4], [0, 1]) }, 2),
      300,
    ],
    [
      "made anew",
      lowest({ known, isQuiet: all, ends: { log: "b", partitions: [[0, 2], [0, 0]] } }),
      -Infinity,
    ],
  ];
  for (const [what, found, wanted] of cases) assertEquals(found, wanted, what);
});

Deno.test("hasBacklog() goes by what is still there, and by the same log", () => {
  const has = (source: SourceRecord | undefined, place: readonly [number, number], isAllRead = true) =>
    hasBacklog(0, source, ends(place), isAllRead);
  assertEquals(has(source(4, null), [0, 4]), false);
  assertEquals(has(source(4, null), [0, 5]), true);
  assertEquals(has(source(4, null), [9, 9]), false, "retention took it");
  assertEquals(has(source(4, null), [9, 9], false), true, "after it was folded, perhaps");
  assertEquals(has(undefined, [0, 1]), true);
  assertEquals(has(undefined, [3, 3]), false);
  assertEquals(has(undefined, [0, 0], false), false);
  assertEquals(has(source(4, null, "b"), [0, 3]), true, "another topic's places mean nothing");
  assertEquals(has(source(4, null, ""), [0, 3]), false, "where topics have no ids");
  assertEquals(has(source(4, null, "a~1"), [0, 3]), false, "the same, after it lost its end");
});

Deno.test("askEnds() tells the ends of all partitions, null for one whose leader refuses, and nothing of a topic that is missing", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("clicks", 3);
  await using proxy = new BrokerProxy({ hostname: "127.0.0.1", port: broker.broker.port });
  await using kafka = connect(proxy.bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  await producer.sendAll("clicks", ["a", "b", "c"].map((value) => ({ value, partition: 1 })));
  await using connection = kafka.connect();
  const log = await topicIdOf(connection, "clicks") ?? "";
  assertEquals(await askEnds(connection, "clicks"), { log, partitions: [[0, 0], [0, 3], [0, 0]] });
  assertEquals(await askEnds(connection, "others"), { log: "", partitions: [] });
  proxy.onRequest = ({ api }) => api === listOffsetsApi ? "cut" : "pass";
  assertEquals((await askEnds(connection, "clicks")).partitions, [null, null, null]);
});
