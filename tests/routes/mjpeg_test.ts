import { assert, assertEquals, assertMatch } from "@std/assert";
import type { OutRecord } from "../../kafka/producer.ts";
import { eventually, pause } from "../eventually.ts";
import { numberedJpeg } from "../jpegs.ts";
import { MjpegClient, type MjpegOptions } from "../mjpeg_client.ts";
import { plainKafka } from "../clients.ts";
import { RawSocket } from "./raw_socket.ts";
import { problem, TestService } from "./test_service.ts";

const offsetFetchApi = 9;

/** Frames `from` … `from + count − 1` of a topic, `everyMs` apart from `startMs` on. */
async function publish(
  service: TestService,
  { topic = "cam", from = 0, count = 1, startMs = 1_700_000_000_000, everyMs = 20, bytes, ...more }: {
    topic?: string;
    from?: number;
    count?: number;
    startMs?: number;
    everyMs?: number;
    bytes?: number;
  } & Partial<OutRecord>,
): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => {
    const at = startMs + (from + i) * everyMs;
    const value = numberedJpeg(from + i, bytes === undefined ? {} : { bytes });
    return { key: topic, value, timestamp: at, headers: { "captured-at": String(at) }, ...more };
  });
  await service.producer.sendAll(topic, records);
}

function watch(service: TestService, query = "", options: MjpegOptions = {}): Promise<MjpegClient> {
  return MjpegClient.open(`${service.url}/video/cam/mjpeg${query}`, options);
}

/** Ends a connection and waits until the service has seen it, and Kafka has the position. */
async function leave(service: TestService, client: MjpegClient): Promise<void> {
  const { connections } = service;
  await client[Symbol.asyncDispose]();
  await eventually("the connection to be gone", () => service.connections < connections);
  await service.positions.flush();
}

/** The committed position of a viewer, by partition. */
function committed(service: TestService, viewer: string): number[] {
  return service.broker.broker.state.offsets.fetchAll(`viewer-${viewer}`).map(({ offset }) => offset);
}

function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, n) => from + n);
}

Deno.test("mjpeg: the answer's bytes are the parts and nothing else, the boundary with each frame", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 2, startMs: 1_700_000_000_007, everyMs: 40 });
  using raw = await RawSocket.open(service.port);
  const head = await raw.request("GET /video/cam/mjpeg?viewer=a HTTP/1.0\r\n\r\n"); // 1.0: no chunks
  assertMatch(head, /^HTTP\/1.0 200 OK\r\n/);
  assertMatch(head, /\r\ncontent-type: multipart\/x-mixed-replace; boundary=frame\r\n/);
  assertMatch(head, /\r\ncache-control: no-store, no-transform\r\n/);
  assertMatch(head, /\r\nx-accel-buffering: no\r\n/);
  const part = (n: number, timestamp: string) => [
    `Content-Type: image/jpeg\r\nContent-Length: ${numberedJpeg(n).length}\r\n` +
    `X-Frame-Id: 0:${n}\r\nX-Timestamp: ${timestamp}\r\n\r\n`,
    numberedJpeg(n),
    "\r\n--frame\r\n",
  ];
  const wanted = await new Blob([
    "--frame\r\n",
    ...part(0, "1700000000.007"),
    ...part(1, "1700000000.047"),
  ]).bytes();
  const found: number[] = [];
  while (found.length < wanted.length) found.push(...(await raw.chunk())!);
  assertEquals(new Uint8Array(found), wanted);
});

Deno.test("mjpeg: a browser gets pictures with the head of the next one behind each, a program gets parts", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 2 });
  const picture = "--frame\r\nContent-Type: image/jpeg\r\n\r\n", part = "--frame\r\n";
  const chromium = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
  for (
    const [header, beginning] of [
      ["Sec-Fetch-Dest: image", picture],
      ["Sec-Fetch-Dest: document", picture],
      [`Accept: ${chromium}`, picture],
      ["Accept: text/html,*/*;q=0.8", picture],
      [`Sec-Fetch-Dest: empty\r\nAccept: ${chromium}`, part],
      ["Accept: */*", part],
      ["Accept: image/jpeg", part],
    ] as const
  ) {
    using raw = await RawSocket.open(service.port);
    await raw.request(`GET /video/cam/mjpeg?viewer= HTTP/1.0\r\n${header}\r\n\r\n`);
    const rest = beginning === picture
      ? [numberedJpeg(0), `\r\n${picture}`, numberedJpeg(1), `\r\n${picture}`]
      : ["Content-Type: image/jpeg\r\nContent-Length: "];
    const wanted = await new Blob([beginning, ...rest]).bytes();
    const found: number[] = [];
    while (found.length < wanted.length) found.push(...(await raw.chunk())!);
    assertEquals(new Uint8Array(found.slice(0, wanted.length)), wanted, header);
  }
});

Deno.test("mjpeg: the answer begins before there is a frame, a topic, or Kafka", async () => {
  await using service = await TestService.open();
  service.proxy.onAnswer = () => "drop";
  using raw = await RawSocket.open(service.port);
  await raw.request("GET /video/cam/mjpeg?viewer=a HTTP/1.0\r\n\r\n");
  assertEquals(new TextDecoder().decode((await raw.chunk())!), "--frame\r\n");
  service.proxy.onAnswer = () => "pass";
  service.proxy.cutAll();
});

Deno.test("mjpeg: a new viewer gets an id in a cookie, begins at the beginning, and goes on after a refresh at the next frame", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 5 });
  const first = await watch(service);
  await first.count(5);
  assertEquals(first.ids, ["0:0", "0:1", "0:2", "0:3", "0:4"]);
  assertEquals(first.numbers, upTo(5));
  assertEquals(first.frames[1]!.timestamp, "1700000000.020");
  const { cookie } = first;
  assertMatch(cookie!, /^viewer=[A-Za-z0-9_-]{22}$/);
  await leave(service, first);
  assertEquals(committed(service, cookie!.slice("viewer=".length)), [5]);

  await publish(service, { from: 5, count: 5 });
  const second = await watch(service, "?speed=1000", { cookie });
  assertEquals(second.cookie, null, "it has one");
  await second.count(5);
  assertEquals(second.numbers, upTo(5, 5));
  await leave(service, second);
  const third = await watch(service, "", { cookie });
  await publish(service, { from: 10 });
  await third.count(1);
  assertEquals(third.numbers, [10]);
  await leave(service, third);
});

Deno.test("mjpeg: a refresh within a recording goes on at the next frame, ten times", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 100, everyMs: 100 });
  const seen: (number | null)[] = [];
  for (let n = 0; n < 10; n++) {
    const client = await watch(service, "?viewer=a");
    await client.count(1 + n % 3);
    seen.push(...client.numbers);
    // As a browser does: it cuts the one connection and opens the other at once.
    await client[Symbol.asyncDispose]();
  }
  assertEquals(seen, upTo(seen.length));
  await eventually("the connections to be gone", () => service.connections === 0);
});

Deno.test("mjpeg: ?viewer= names the viewer, an empty one keeps no position, a bad one is a 400", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 3 });
  for (let n = 0; n < 2; n++) {
    const client = await watch(service, "?viewer=", { cookie: "viewer=b" });
    await client.count(3);
    assertEquals([client.numbers, client.cookie], [upTo(3), null]);
    await leave(service, client);
  }
  const named = await watch(service, "?viewer=a", { cookie: "viewer=b" });
  await named.count(3);
  assertEquals(named.cookie, null);
  await leave(service, named);
  assertEquals([committed(service, "a"), committed(service, "b")], [[3], []]);
  await problem(await fetch(`${service.url}/video/cam/mjpeg?viewer=a/b`), 400, "invalid-viewer");
  const replaced = await watch(service, "", { cookie: "viewer=a/b" });
  assertMatch(replaced.cookie!, /^viewer=[A-Za-z0-9_-]{22}$/);
  await leave(service, replaced);
  const foreign = await watch(service, "", { headers: { "sec-fetch-site": "cross-site" } });
  assertEquals(foreign.cookie, null);
  await leave(service, foreign);
});

Deno.test("mjpeg: cursor= is where a new viewer begins, and no other", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 5, everyMs: 100 });
  const seen = async (query: string, frames: number) => {
    const client = await watch(service, query);
    await client.count(frames);
    const { numbers } = client;
    await leave(service, client);
    return numbers;
  };
  assertEquals(await seen("?viewer=a&speed=1000&cursor=t.1700000000250", 2), [3, 4]);
  await publish(service, { from: 5 });
  assertEquals(await seen("?viewer=a&cursor=earliest", 1), [5]);
  const latest = await watch(service, "?viewer=b&cursor=latest");
  await eventually("the viewer to follow", () => service.hub.size === 1);
  await pause(100);
  await publish(service, { from: 6 });
  await latest.count(1);
  assertEquals(latest.numbers, [6]);
  await leave(service, latest);
  await problem(await fetch(`${service.url}/video/cam/mjpeg?viewer=a&cursor=x`), 400, "invalid-cursor");
});

Deno.test("mjpeg: frames come in the pace of their times; speed= changes it, a hole is cut short", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 10, everyMs: 100 });
  await publish(service, { from: 10, count: 2, everyMs: 100, startMs: 1_700_000_600_000 });
  const client = await watch(service, "?viewer=");
  await client.count(12);
  const times = client.frames.map(({ atMs }) => atMs - client.frames[0]!.atMs);
  for (let n = 1; n < 10; n++) {
    assert(times[n]! >= n * 100 - 15 && times[n]! < n * 100 + 150, `frame ${n} after ${times[n]} ms`);
  }
  assert(times[10]! > 2_500 && times[10]! < 3_500, `behind a hole of ten minutes: ${times[10]} ms`);
  await leave(service, client);

  const fast = await watch(service, "?viewer=&speed=10");
  await fast.count(10);
  const tookMs = fast.frames[9]!.atMs - fast.frames[0]!.atMs;
  assert(tookMs > 70 && tookMs < 500, `${tookMs} ms`);
  await leave(service, fast);
});

Deno.test("mjpeg: fps=, key= and until= choose frames; the stream ends where it is to end", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 10, everyMs: 100 });
  await publish(service, { from: 10, everyMs: 100, key: "other" });
  const whole = async (query: string) => {
    await using client = await watch(service, `?viewer=&speed=1000&until=latest${query}`);
    await client.end();
    assertEquals(client.ended, "clean");
    return client.numbers;
  };
  assertEquals(await whole(""), upTo(11));
  assertEquals(await whole("&fps=2"), [0, 5, 10]);
  assertEquals(await whole("&key=other"), [10]);
  assertEquals(await whole("&key=cam&until=t.1700000000300"), upTo(10), "the first until counts");
  for (const [name, value] of [["fps", "x"], ["speed", "0"], ["until", "x"], ["live", "2"]]) {
    await problem(await fetch(`${service.url}/video/cam/mjpeg?${name}=${value}`), 400, `invalid-${name}`);
  }
});

Deno.test("mjpeg: records that are no JPEG are passed over, and the position with them", async () => {
  await using service = await TestService.open();
  await publish(service, {});
  await service.producer.sendAll("cam", [{ value: "no picture" }, { value: null }, { value: "{}" }]);
  await publish(service, { from: 1 });
  const client = await watch(service, "?viewer=a&speed=1000");
  await client.count(2);
  assertEquals([client.ids, client.numbers], [["0:0", "0:4"], [0, 1]]);
  await leave(service, client);
  assertEquals(committed(service, "a"), [5]);
});

Deno.test("mjpeg: live=1 begins with the newest frame, also when none comes any more", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam", 2);
  await publish(service, { count: 50, partition: 0 });
  await publish(service, { from: 50, count: 5, partition: 1 });
  const client = await watch(service, "?viewer=a&live=1");
  await client.count(2);
  assertEquals(client.ids, ["0:49", "1:4"]);
  await publish(service, { from: 55, partition: 0 });
  await client.count(3);
  await leave(service, client);
  assertEquals(committed(service, "a"), [51, 5], "its position is kept, too");
  assertMatch(await service.metrics.text(), /^tailrace_skipped_records_total\{reason="policy"\} 0$/m);
});

Deno.test("mjpeg: live=1 drops what a stalled client is late for, counts it, and shows the newest", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam");
  const client = await watch(service, "?viewer=a&live=1", { frames: 1 });
  await publish(service, {});
  await client.count(1);
  const count = 60;
  for (let n = 1; n < count; n++) await publish(service, { from: n, bytes: 300_000 });
  client.readAll();
  const seen = () => client.ids.at(-1);
  await eventually("the newest frame", () => seen() === `0:${count - 1}`, 10_000, seen);
  const text = await service.metrics.text();
  const dropped = Number(text.match(/^tailrace_skipped_records_total\{reason="policy"\} (\d+)$/m)![1]);
  assert(dropped > 10, `${dropped}`);
  assertEquals(client.frames.length + dropped, count);
  await leave(service, client);
  assertEquals(committed(service, "a"), [count]);
});

Deno.test("mjpeg: who reads nothing is sent little ahead, and goes on at what was not sent", async () => {
  await using service = await TestService.open();
  const count = 60, bytes = 300_000;
  for (let n = 0; n < count; n++) await publish(service, { from: n, bytes });
  const stalled = await watch(service, "?viewer=a&speed=1000", { frames: 1 });
  await stalled.count(1);
  await pause(500);
  await leave(service, stalled);
  const [next] = committed(service, "a");
  assert(next! >= 1 && next! < 40, `${next} frames were sent to a client that read one`);
  await using goesOn = await watch(service, "?viewer=a&speed=1000&until=latest");
  await goesOn.end();
  assertEquals(goesOn.numbers, upTo(count - next!, next!));
});

Deno.test("mjpeg: two connections of one viewer play on their own; the one opened last keeps the position", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 3 });
  const first = await watch(service, "?viewer=a");
  await first.count(3);
  await eventually("the commit", () => committed(service, "a")[0] === 3);
  const second = await watch(service, "?viewer=a");
  await publish(service, { from: 3, count: 2 });
  await Promise.all([first.count(5), second.count(2)]);
  assertEquals([first.numbers, second.numbers], [upTo(5), [3, 4]]);
  await leave(service, second);
  assertEquals(committed(service, "a"), [5]);
  await publish(service, { from: 5 });
  await first.count(6);
  await leave(service, first);
  assertEquals(committed(service, "a"), [6]);
});

Deno.test("mjpeg: while Kafka is away a stream opens, waits, and goes on where its viewer was", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 3 });
  const before = await watch(service, "?viewer=a");
  await before.count(3);
  await leave(service, before);
  await service.proxy.stop();
  const client = await watch(service, "?viewer=a");
  const fresh = await watch(service, "?viewer=b");
  await publish(service, { from: 3, count: 2 }); // straight to the broker
  await pause(300);
  assertEquals([client.frames, client.ended, fresh.frames], [[], null, []]);
  service.proxy.start();
  await client.count(2);
  await fresh.count(5);
  assertEquals([client.numbers, fresh.numbers], [[3, 4], upTo(5)]);

  await service.proxy.stop();
  await pause(100);
  await publish(service, { from: 5, count: 2 });
  service.proxy.start();
  await client.count(4);
  assertEquals(client.numbers, upTo(4, 3));
  await leave(service, client);
  await leave(service, fresh);
  assertEquals([committed(service, "a"), committed(service, "b").length], [[7], 1]);
});

Deno.test("mjpeg: who leaves while Kafka is away leaves nothing behind", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam");
  service.proxy.onRequest = ({ api }) => api === offsetFetchApi ? "drop" : "pass";
  const client = await watch(service, "?viewer=a");
  await eventually("the question", () => service.proxy.count(offsetFetchApi) > 0);
  await leave(service, client);
  assertEquals([service.connections, service.hub.size, service.positions.size], [0, 0, 0]);
  service.proxy.onRequest = () => "pass";
});

Deno.test("mjpeg: a topic that does not exist is waited for", async () => {
  await using service = await TestService.open();
  await using client = await watch(service, "?viewer=a");
  await pause(100);
  await publish(service, { count: 2 });
  await client.count(2);
  assertEquals(client.numbers, upTo(2));
});

Deno.test("mjpeg: a viewer goes on at the first frame that retention left", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 3 });
  const before = await watch(service, "?viewer=a");
  await before.count(3);
  await leave(service, before);
  await publish(service, { from: 3, count: 10 });
  const admin = plainKafka(service.broker.bootstrap).admin();
  await admin.connect();
  await admin.fetchTopicOffsets("cam"); // so that it knows the topic
  await admin.deleteTopicRecords({ topic: "cam", partitions: [{ partition: 0, offset: "8" }] });
  await admin.disconnect();
  const client = await watch(service, "?viewer=a&speed=1000");
  await client.count(5);
  assertEquals(client.numbers, upTo(5, 8));
  await leave(service, client);
});

Deno.test("mjpeg: a position ahead of the topic, which was made anew, is its beginning", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 3 });
  const ahead = service.positions.open("a", "cam");
  await ahead.start;
  ahead.moved([50]);
  ahead.close();
  await service.positions.flush();
  const client = await watch(service, "?viewer=a&speed=1000");
  await client.count(3);
  assertEquals(client.numbers, upTo(3));
  await service.broker.deleteTopic("cam");
  await publish(service, { from: 100, count: 2 });
  await client.count(5);
  assertEquals(client.numbers, [0, 1, 2, 100, 101]);
  await leave(service, client);
  assertEquals(committed(service, "a"), [2]);
});

Deno.test("mjpeg: HEAD has the headers alone; what is not served is a 503 that says when to come back", async () => {
  await using service = await TestService.open({ maxConnections: 1 });
  const head = await fetch(`${service.url}/video/cam/mjpeg?viewer=a`, { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
  assertEquals(head.headers.get("content-type"), "multipart/x-mixed-replace; boundary=frame");
  assertEquals(service.connections, 0);
  await problem(await fetch(`${service.url}/video/a%20b/mjpeg`), 400, "invalid-topic");

  await publish(service, { count: 2 });
  const client = await watch(service, "?viewer=a");
  const full = await fetch(`${service.url}/video/cam/mjpeg`);
  assertEquals(full.headers.get("retry-after"), "10");
  await problem(full, 503, "too-many-connections");
  await client.count(2);
  service.drain();
  await client.end();
  assertEquals(client.ended, "clean");
  await service.positions.flush();
  assertEquals(committed(service, "a"), [2], "where it was when the service went");
  const draining = await fetch(`${service.url}/video/cam/mjpeg`);
  assertEquals(draining.headers.get("retry-after"), "10");
  await problem(draining, 503, "draining");
});
