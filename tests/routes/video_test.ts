/** Which topics hold video, what is kept of one, and single frames of it. Left out: streams of frames (mjpeg_test.ts, tests of the sockets). @module */
import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import type { OutRecord } from "../../kafka/producer.ts";
import { plainKafka } from "../clients.ts";
import { eventually, quickly } from "../eventually.ts";
import { numberedJpeg, numberOf } from "../jpegs.ts";
import { fetchApi } from "../kafka/broker_proxy.ts";
import { problem, TestService } from "./test_service.ts";

const start = 1_700_000_000_000;

/** Frame `n`, captured 40 ms after the one before. */
function frame(n: number, more: Partial<OutRecord> = {}): OutRecord {
  const timestamp = start + 40 * n;
  const headers = { "content-type": "image/jpeg", "captured-at": String(timestamp), source: "test" };
  return { key: "cam", value: numberedJpeg(n), timestamp, headers, partition: 0, ...more };
}

async function send(service: TestService, topic: string, records: readonly OutRecord[]): Promise<void> {
  for (const record of records) await service.producer.send(topic, record); // a batch each, as frames come
}

/** The number of the frame that is answered, or the code of the problem. */
async function snapshot(service: TestService, topic: string, query = ""): Promise<number | string> {
  const response = await fetch(`${service.url}/video/${topic}/snapshot.jpg${query}`);
  if (!response.ok) return (await response.json()).code;
  const jpeg = await response.bytes();
  assertEquals(response.headers.get("content-type"), "image/jpeg");
  assertEquals(response.headers.get("content-length"), `${jpeg.length}`);
  return numberOf(jpeg) ?? "no numbered frame";
}

// deno-lint-ignore no-explicit-any
async function json(service: TestService, path: string): Promise<any> {
  const response = await fetch(`${service.url}${path}`, { headers: { accept: "application/json" } });
  assertEquals(response.status, 200);
  return await response.json();
}

Deno.test("snapshot.jpg is the newest frame, with its place, its times and its name", async () => {
  await using service = await TestService.open();
  await send(service, "t", [0, 1, 2].map((n) => frame(n)));
  const response = await fetch(`${service.url}/video/t/snapshot.jpg`);
  assertEquals([...await response.bytes()], [...numberedJpeg(2)]);
  const names = ["etag", "last-modified", "x-frame-id", "x-timestamp", "x-frame-name", "cache-control"];
  assertEquals(names.map((name) => response.headers.get(name)), [
    '"0:2"',
    new Date(start + 80).toUTCString(),
    "0:2",
    "1700000000.080",
    "cam",
    "no-cache",
  ]);
  const head = await fetch(`${service.url}/video/t/snapshot.jpg`, { method: "HEAD" });
  assertEquals([head.status, head.headers.get("etag")], [200, '"0:2"']);
  assertEquals(head.headers.get("content-length"), `${numberedJpeg(2).length}`);
  assertEquals((await head.bytes()).length, 0);
});

Deno.test("snapshot.jpg is answered 304 to who has it, by its tag or its time", async () => {
  await using service = await TestService.open();
  await send(service, "t", [0, 1].map((n) => frame(25 * n)));
  const status = async (headers: Record<string, string>) => {
    const response = await fetch(`${service.url}/video/t/snapshot.jpg`, { headers });
    const body = await response.bytes();
    assertEquals(body.length > 0, response.status === 200);
    assertEquals(response.headers.get("etag"), '"0:1"');
    return response.status;
  };
  for (const tags of ['"0:1"', 'W/"0:1"', '"0:0", W/"0:1"', '"a,b" ,"0:1"', "*", " * "]) {
    assertEquals(await status({ "if-none-match": tags }), 304, tags);
  }
  for (const tags of ['"0:0"', "0:1", '"0:11"', '"1:1"', "", '"*"']) {
    assertEquals(await status({ "if-none-match": tags }), 200, tags);
  }
  const at = (ms: number) => new Date(start + ms).toUTCString();
  assertEquals(await status({ "if-modified-since": at(1_000) }), 304);
  assertEquals(await status({ "if-modified-since": at(5_000) }), 304);
  assertEquals(await status({ "if-modified-since": at(0) }), 200);
  assertEquals(await status({ "if-modified-since": "yesterday" }), 200);
  assertEquals(await status({ "if-none-match": '"0:0"', "if-modified-since": at(5_000) }), 200);
});

Deno.test("snapshot.jpg goes by time, and step by step within a partition", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 2);
  // Even numbers in partition 0, odd ones in partition 1.
  await send(service, "t", Array.from({ length: 10 }, (_, n) => frame(n, { partition: n % 2 })));
  const at = async (query: string) => await snapshot(service, "t", query);
  assertEquals(await at("?cursor=latest"), 9);
  assertEquals(await at("?cursor=earliest"), 0);
  assertEquals(await at(`?cursor=t.${start}`), 0);
  assertEquals(await at(`?cursor=t.${start + 81}`), 3);
  assertEquals(await at(`?cursor=t.${start + 360}`), 9);
  assertEquals(await at(`?cursor=t.${start + 361}`), "no-frame");
  assertEquals(await at("?before=0:2"), 2);
  assertEquals(await at("?after=0:2"), 6);
  assertEquals(await at("?before=1:2"), 3);
  assertEquals(await at("?before=1:99999"), 9);
  assertEquals(await at("?before=0:0"), "no-frame");
  assertEquals(await at("?after=0:4"), "no-frame");
  assertEquals(await at("?after=2:0"), "no-frame");
});

Deno.test("snapshot.jpg takes frames of one name only, and passes over what is no JPEG", async () => {
  await using service = await TestService.open();
  const other = (n: number) => frame(n, { value: `${n}`, key: n % 2 ? "cam" : null });
  const names = ["cam", "door", "cam", "door", "gate"];
  await send(service, "t", [
    other(0),
    ...names.map((key, i) => frame(i + 1, { key })),
    other(6),
    frame(7, { value: null }),
    frame(8, { value: numberedJpeg(8).subarray(0, 60) }),
  ]);
  const at = async (query: string) => await snapshot(service, "t", query);
  assertEquals(await at(""), 5);
  assertEquals(await at("?key=door"), 4);
  assertEquals(await at("?key=door&key=cam"), 4);
  assertEquals(await at("?key=cam&cursor=earliest"), 1);
  assertEquals(await at(`?key=door&cursor=t.${start}`), 2);
  assertEquals(await at("?key=cam&before=0:3"), 1);
  assertEquals(await at("?key=door&after=0:2"), 4);
  assertEquals(await at("?key=door&after=0:4"), "no-frame");
  assertEquals(await at("?key=nobody"), "no-frame");
});

Deno.test("snapshot.jpg names only what a header can hold", async () => {
  await using service = await TestService.open();
  await send(service, "t", [frame(0, { key: "Tür\n" }), frame(1, { key: null })]);
  for (const query of ["", "?before=0:1"]) {
    const response = await fetch(`${service.url}/video/t/snapshot.jpg${query}`);
    await response.body?.cancel();
    assertEquals([response.status, response.headers.get("x-frame-name")], [200, null]);
  }
});

Deno.test("snapshot.jpg of a clock that is ahead is not modified in the future", async () => {
  await using service = await TestService.open();
  await send(service, "t", [frame(0, { headers: { "captured-at": "999999999999999" } })]);
  const response = await fetch(`${service.url}/video/t/snapshot.jpg`);
  await response.body?.cancel();
  assertLess(Date.parse(response.headers.get("last-modified")!), Date.now() + 1);
  assertEquals(response.headers.get("x-timestamp"), "999999999999.999");
});

Deno.test("snapshot.jpg refuses places that are none", async () => {
  await using service = await TestService.open();
  await send(service, "t", [frame(0)]);
  const at = (query: string) => fetch(`${service.url}/video/t/snapshot.jpg?${query}`);
  for (const query of ["before=1", "after=", "before=0:-1", "after=0:99999999999999999", "before=a:b"]) {
    await problem(await at(query), 400, "invalid-frame");
  }
  await problem(await at("before=0:1&cursor=earliest"), 400, "invalid-frame");
  await problem(await at("cursor=now"), 400, "invalid-cursor");
  await problem(await at("cursor=v1.00000000.0:1"), 400, "invalid-cursor");
  await problem(await fetch(`${service.url}/video/a%20b/snapshot.jpg`), 400, "invalid-topic");
  await problem(
    await fetch(`${service.url}/video/t/snapshot.jpg`, { method: "POST" }),
    405,
    "method-not-allowed",
  );
});

Deno.test("snapshot.jpg and /video/{topic} tell of topics without frames", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("empty", 3);
  for (const topic of ["missing", "empty"]) {
    await problem(await fetch(`${service.url}/video/${topic}/snapshot.jpg`), 404, "no-frame");
    const { exists, partitions, frames, first, last } = await json(service, `/video/${topic}`);
    const wanted = topic === "empty" ? [true, 3] : [false, 0];
    assertEquals([exists, partitions, frames, first, last], [...wanted, 0, null, null]);
  }
  assertEquals(service.broker.broker.state.log.topics.byName("missing"), undefined);
});

Deno.test("/video/{topic} tells what is kept, over all partitions", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 3);
  await send(service, "t", Array.from({ length: 6 }, (_, n) => frame(n, { partition: 2 - n % 2 })));
  const response = await fetch(`${service.url}/video/t`);
  assertEquals(["vary", "cache-control"].map((name) => response.headers.get(name)), ["Accept", "no-store"]);
  const info = (n: number, place: string) => ({
    partition: Number(place[0]),
    offset: Number(place[2]),
    frame: place,
    timestamp: start + 40 * n,
    capturedAt: start + 40 * n,
    name: "cam",
    source: "test",
    bytes: numberedJpeg(n).length,
    width: 64,
    height: 48,
  });
  assertEquals(await response.json(), {
    topic: "t",
    exists: true,
    partitions: 3,
    frames: 6,
    first: info(0, "2:0"),
    last: info(5, "1:2"),
    maxFrameBytes: 900 * 1024,
  });
  await problem(await fetch(`${service.url}/video/a%20b`), 400, "invalid-topic");
});

Deno.test("what retention removed is no frame any more", async () => {
  await using service = await TestService.open();
  await send(service, "t", Array.from({ length: 10 }, (_, n) => frame(n)));
  const admin = plainKafka(service.broker.bootstrap).admin();
  await admin.connect();
  await admin.fetchTopicOffsets("t"); // so that it knows the topic
  await admin.deleteTopicRecords({ topic: "t", partitions: [{ partition: 0, offset: "6" }] });
  await admin.disconnect();
  await eventually(
    "the log begins anew",
    async () => (await snapshot(service, "t", "?cursor=earliest")) === 6,
  );
  assertEquals(await snapshot(service, "t", `?cursor=t.${start}`), 6);
  assertEquals(await snapshot(service, "t", "?after=0:2"), 6);
  assertEquals(await snapshot(service, "t", "?before=0:6"), "no-frame");
  const { first, frames } = await eventually("news of the topic", async () => {
    const info = await json(service, "/video/t");
    return info.frames === 4 && info;
  });
  assertEquals([first.frame, frames], ["0:6", 4]);
});

Deno.test("frames are found across the holes of a compacted topic", async () => {
  await using service = await TestService.open();
  const configs = { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0" };
  await service.broker.createTopic("t", 1, configs);
  await send(service, "t", [frame(0, { key: "first" })]);
  await send(service, "t", Array.from({ length: 60 }, (_, n) => frame(n + 1)));
  await send(service, "t", [frame(61, { value: "no picture", key: "other" })]);
  await service.broker.broker.sweep();
  const page = await json(service, "/topics/t/records");
  assertLess(page.records.length, 10);
  const at = async (query: string) => await snapshot(service, "t", query);
  assertEquals([await at(""), await at("?after=0:0"), await at("?before=0:60")], [60, 60, 0]);
});

Deno.test("a topic full of other records is not read to its other end", async () => {
  await using service = await TestService.open();
  await send(service, "t", [frame(0)]);
  const value = "x".repeat(10_000);
  for (let n = 0; n < 40; n++) {
    await service.producer.sendAll(
      "t",
      Array.from({ length: 100 }, () => ({ key: null, value, partition: 0 })),
    );
  }
  const before = service.proxy.count(fetchApi);
  const response = await fetch(`${service.url}/video/t/snapshot.jpg`);
  const { detail } = await problem(response, 404, "no-frame");
  assertMatch(detail, /as many records as one request may go through/);
  assertLess(service.proxy.count(fetchApi) - before, 60);
  assertEquals(await snapshot(service, "t", "?cursor=earliest"), 0);
  await problem(await fetch(`${service.url}/video/t/snapshot.jpg?after=0:0`), 404, "no-frame");
});

Deno.test("GET /video lists the usual topic and every other one whose newest record is a JPEG", async () => {
  await using service = await TestService.open();
  assertEquals((await json(service, "/video")).topics, [{ topic: "video", frames: 0, newest: null }]);
  await service.broker.createTopic("empty", 1);
  await send(service, "cam", [frame(0), frame(1)]);
  await service.producer.send("words", { key: null, value: "no picture" });
  await send(service, "gone", [frame(0), frame(1, { value: "no picture" })]);
  const list = await eventually("the new topics", async () => {
    const found = await json(service, "/video");
    return found.topics.length > 1 && found;
  });
  assertEquals(list.topic, "video");
  // deno-lint-ignore no-explicit-any
  const told = list.topics.map(({ topic, frames, newest }: any) => [topic, frames, newest?.frame ?? null]);
  assertEquals(told, [["video", 0, null], ["cam", 2, "0:1"], ["gone", 2, "0:0"]]);
  await send(service, "cam", [frame(2)]);
  await eventually("the newer frame", async () => {
    const { topics } = await json(service, "/video");
    return topics[1].newest.frame === "0:2" && topics[1].newest.timestamp === start + 80;
  });
});

Deno.test("GET /video gives a viewer without an id one, and tells whose positions it keeps", async () => {
  await using service = await TestService.open();
  const first = await fetch(`${service.url}/video`);
  const { viewer } = await first.json();
  assertMatch(viewer, /^[A-Za-z0-9_-]{22}$/);
  const cookie = first.headers.get("set-cookie")!;
  assertEquals(cookie.split(";")[0], `viewer=${viewer}`);
  const again = await fetch(`${service.url}/video`, { headers: { cookie: `viewer=${viewer}` } });
  assertEquals([(await again.json()).viewer, again.headers.get("set-cookie")], [viewer, null]);
  assertEquals((await json(service, "/video?viewer=bob")).viewer, "bob");
  assertEquals((await json(service, "/video?viewer=")).viewer, null);
  await problem(await fetch(`${service.url}/video?viewer=a%20b`), 400, "invalid-viewer");
});

Deno.test("GET /video answers for a hundred topics, and many who poll it, without much ado", async () => {
  await using service = await TestService.open();
  for (let n = 0; n < 100; n++) {
    const topic = `t${String(n).padStart(2, "0")}`;
    await service.producer.send(topic, n % 2 ? frame(n) : { key: null, value: `${n}` });
  }
  const ask = () => Promise.all(Array.from({ length: 50 }, () => json(service, "/video")));
  const answers = await ask();
  assertLess(service.proxy.count(fetchApi), 400);
  await quickly("the answers", 5_000, ask);
  const list = await eventually("all topics", async () => {
    const found = await json(service, "/video");
    return found.topics.length === 51 && found;
  });
  assertEquals(list.topics[1].topic, "t01");
  for (const { topics } of answers) assert(topics.length <= 51);
});

Deno.test("the routes of video answer 503 while Kafka is away", async () => {
  await using service = await TestService.open();
  await send(service, "t", [frame(0)]);
  assertEquals(await snapshot(service, "t"), 0);
  await service.proxy.stop();
  const paths = ["/video/t/snapshot.jpg", "/video/t", "/video"];
  await Promise.all(paths.map(async (path) => {
    const response = await fetch(`${service.url}${path}`);
    assertEquals(response.headers.get("retry-after"), "1");
    await problem(response, 503, "kafka-unavailable");
  }));
  service.proxy.start();
  await eventually("Kafka again", async () => (await snapshot(service, "t")) === 0);
});
