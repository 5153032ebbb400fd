import { assert, assertEquals, assertMatch } from "@std/assert";
import { plainKafka } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { committed, leave, publish, upTo, watch } from "./mjpeg_ground.ts";
import { problem, TestService } from "./test_service.ts";

const offsetFetchApi = 9;

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
  await publish(service, { count: 100, everyMs: 1_000 }); // time enough to leave before the next one is sent
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
  let number = 6; // nothing tells when a viewer is at the end
  for (; latest.numbers.length === 0; number++) {
    await publish(service, { from: number });
    await pause(20);
  }
  const [first] = latest.numbers as [number];
  assert(first > 5, `it began with ${first}`);
  await latest.count(number - first);
  assertEquals(latest.numbers, upTo(number - first, first));
  await leave(service, latest);
  await problem(await fetch(`${service.url}/video/cam/mjpeg?viewer=a&cursor=x`), 400, "invalid-cursor");
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
