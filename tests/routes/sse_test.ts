import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { SseClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { placeOf } from "../kafka/hub_viewer.ts";
import { RawSocket } from "./raw_socket.ts";
import { position, problem, TestService } from "./test_service.ts";

/** Sums up the bytes of a stream as they come, without an SSE parser in between. */
async function firstText(response: Response, until: string): Promise<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes(until)) text += (await reader.read()).value ?? "";
  await reader.cancel();
  return text;
}

Deno.test("an SSE answer has its headers, and its first bytes before Kafka answers", async () => {
  await using service = await TestService.open();
  service.proxy.onAnswer = () => "drop";
  const response = await fetch(`${service.url}/geo/t/events`);
  assertEquals(response.status, 200);
  const header = (name: string) => response.headers.get(name);
  assertEquals(header("content-type"), "text/event-stream");
  assertEquals(header("cache-control"), "no-cache, no-transform");
  assertEquals(header("x-accel-buffering"), "no");
  const text = await firstText(response, "retry:");
  assertMatch(text, /^: tailrace\n\nretry: \d+\n\n$/);
  service.proxy.onAnswer = () => "pass";
  service.proxy.cutAll();
});

Deno.test("an SSE stream begins with retry, then ready with its place as id, then positions in one line each", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t");
  await using viewer = await SseClient.open(`${service.url}/geo/t/events`);
  const ready = await viewer.first("ready");
  assertEquals(Object.keys(ready).toSorted(), [
    "reason",
    "requested",
    "resume",
    "serverTime",
    "skipped",
    "start",
  ]);
  assertEquals([ready.resume, ready.reason, ready.requested, ready.skipped], ["fresh", null, "latest", 0]);
  assertEquals(viewer.events[0]!.id, ready.start);
  assertMatch(ready.start, /^v1\.[0-9a-f]{8}\.0:-1$/);
  assert(viewer.retryMs! >= 2_000 && viewer.retryMs! <= 5_000);

  await service.send("t", [{
    ...position("tram", 1.5, -2.5),
    message_id: "m",
    timestamp: "2024-01-01T00:00:00Z",
  }], {
    timestamp: 1_700_000_000_123,
  });
  assertEquals(await viewer.first("position"), {
    topic: "t",
    partition: 0,
    offset: 0,
    name: "tram",
    message_id: "m",
    timestamp: "2024-01-01T00:00:00Z",
    at: 1_700_000_000_123,
    lat: 1.5,
    lon: -2.5,
  });
  assertEquals(placeOf(viewer.events.at(-1)!.id), [1]);
});

Deno.test("Last-Event-ID wins over cursor; one that cannot be read is a 200 that says reset", async () => {
  await using service = await TestService.open();
  await service.send("t", [position("a", 1), position("a", 2), position("a", 3)]);
  const url = `${service.url}/geo/t/events`;
  await using all = await SseClient.open(`${url}?cursor=earliest`);
  await eventually("3 positions", () => all.all("position").length === 3);
  const second = all.events.filter(({ event }) => event === "position")[1]!.id;

  await using resumed = await SseClient.open(`${url}?cursor=earliest`, { lastEventId: second });
  assertEquals((await resumed.first("ready")).resume, "exact");
  assertEquals((await resumed.first("position")).lat, 3);

  for (
    const [lastEventId, reason] of [
      ["nonsense", "malformed"],
      ["v1.zzz", "malformed"],
      ["t.1", "malformed"],
      ["x".repeat(5_000), "malformed"],
      ["v1.00000000.0:1", "foreign-cluster"],
      [second.replace(/0:1$/, "0:999"), "ahead-of-log"],
    ] as const
  ) {
    await using viewer = await SseClient.open(`${url}?cursor=earliest`, { lastEventId });
    assertEquals(viewer.response.status, 200);
    const ready = await viewer.first("ready");
    assertEquals([ready.resume, ready.reason], ["reset", reason], lastEventId.slice(0, 40));
    assertEquals(ready.requested, lastEventId.slice(0, 200));
    assertEquals((await viewer.first("position")).lat, 1, "from where the cursor says");
  }
});

Deno.test("a malformed cursor is a 400 problem, and so is a wrong end, speed or policy", async () => {
  await using service = await TestService.open();
  const url = `${service.url}/geo/t/events`;
  for (const cursor of ["nonsense", "t.x", "v1.00000000", "", "v1.00000000.0:1%0Aid:2"]) {
    await problem(await fetch(`${url}?cursor=${cursor}`), 400, "invalid-cursor");
  }
  for (const name of ["until", "speed", "policy"]) {
    await problem(await fetch(`${url}?${name}=nonsense`), 400, `invalid-${name}`);
  }
  await using viewer = await SseClient.open(`${url}?policy=lossless`);
  await viewer.first("ready");
});

Deno.test("topic names that are none are a 400 problem before Kafka is asked", async () => {
  await using service = await TestService.open();
  const asked = service.proxy.requests.length;
  for (const topic of ["a%20b", "a%2Fb", "%2E%2E%2Fx", "x".repeat(250), "gr%C3%B6%C3%9Fe", "a%00b", "%FF"]) {
    for (const path of [`geo/${topic}/events`, `geo/${topic}/tracks`]) {
      await problem(await fetch(`${service.url}/${path}`), 400, "invalid-topic");
    }
  }
  assertEquals(service.proxy.requests.length, asked);
});

Deno.test("HEAD of a stream has its headers and no body, and leaves no viewer", async () => {
  await using service = await TestService.open();
  const response = await fetch(`${service.url}/geo/t/events`, { method: "HEAD" });
  assertEquals([response.status, response.headers.get("content-type")], [200, "text/event-stream"]);
  assertEquals(await response.text(), "");
  assertEquals(service.hub.size, 0);
});

Deno.test("heartbeats come while nothing else does, and move the id past what a filter left out", async () => {
  await using service = await TestService.open({ heartbeatMs: 30 });
  await service.broker.createTopic("t");
  await using viewer = await SseClient.open(`${service.url}/geo/t/events?key=wanted`);
  await viewer.first("ready");
  await eventually("heartbeats", () => viewer.comments.filter((comment) => comment === "hb").length >= 3);
  await service.send("t", [position("other", 1), position("other", 2)]);
  await eventually("the id", () => viewer.lastEventId.endsWith(".0:1"), 30_000, () => viewer.lastEventId);
  assertEquals(viewer.all("position"), []);
  await using resumed = await SseClient.open(`${service.url}/geo/t/events`, {
    lastEventId: viewer.lastEventId,
  });
  assertEquals((await resumed.first("ready")).resume, "exact");
});

Deno.test("full: 200, a long retry, bye, and the end; there is room again when someone leaves", async () => {
  await using service = await TestService.open({ maxConnections: 1 });
  const url = `${service.url}/geo/t/events`;
  const first = await SseClient.open(url);
  await first.first("ready");
  await using second = await SseClient.open(url);
  await second.end();
  assertEquals([second.response.status, second.retryMs, second.ended], [200, 10_000, "clean"]);
  assertEquals(second.all("bye"), [{ reason: "full" }]);
  assertEquals(second.response.headers.get("content-type"), "text/event-stream");
  await first[Symbol.asyncDispose]();
  await eventually("its connection to go", () => service.connections === 0);
  await using third = await SseClient.open(url);
  await third.first("ready");
});

Deno.test("draining: streams get bye and end, new ones are told so at once", async () => {
  await using service = await TestService.open();
  const url = `${service.url}/geo/t/events`;
  await using viewer = await SseClient.open(url);
  await viewer.first("ready");
  service.drain();
  await viewer.end();
  assertEquals([viewer.ended, viewer.all("bye")], ["clean", [{ reason: "draining" }]]);
  await using late = await SseClient.open(url);
  await late.end();
  assertEquals([late.all("bye"), late.retryMs], [[{ reason: "draining" }], 10_000]);
});

Deno.test("Kafka away: 200, status, and everything else when it is back", async () => {
  await using service = await TestService.open();
  await service.send("t", [position("a", 1)]);
  await service.proxy.stop();
  await using viewer = await SseClient.open(`${service.url}/geo/t/events?cursor=earliest`);
  assertEquals(viewer.response.status, 200);
  assertEquals(await viewer.first("status"), { kafka: "down" });
  service.proxy.start();
  await viewer.first("position");
  assertEquals(viewer.all("status"), [{ kafka: "down" }, { kafka: "up" }]);
});

Deno.test("a client that stalls costs little memory, holds nobody up, and loses nothing when it reads on", async () => {
  await using service = await TestService.open({ ringBytes: 600_000 });
  await service.broker.createTopic("t");
  using stalled = await RawSocket.open(service.port);
  await stalled.request("GET /geo/t/events HTTP/1.0\r\n\r\n");
  await using other = await SseClient.open(`${service.url}/geo/t/events`);
  await other.first("ready");
  await eventually("both viewers", () => service.hub.size === 2);
  const count = 30_000, name = "n".repeat(150); // some 15 MB of events: more than sockets hold
  const before = Deno.memoryUsage().rss;
  for (let n = 0; n < count; n += 5_000) {
    await service.send("t", Array.from({ length: 5_000 }, (_, i) => position(name, (n + i) / count)));
  }
  await eventually(
    "the other one's positions",
    () => other.events.length > count,
    30_000,
    () => other.events.length,
  );
  assertLess(Deno.memoryUsage().rss - before, 400 * 1024 * 1024);
  let rest = "", offsets = 0;
  const decoder = new TextDecoder();
  while (offsets < count) {
    const blocks = (rest + decoder.decode((await stalled.chunk())!, { stream: true })).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const data = block.match(/^event: position\n.*\ndata: (.*)$/)?.[1];
      if (data) assertEquals(JSON.parse(data).offset, offsets++);
    }
  }
  assertEquals(offsets, count);
});

Deno.test("viewers that go leave nothing behind, whatever they were doing", async () => {
  await using service = await TestService.open();
  await service.send("t", Array.from({ length: 2_000 }, (_, n) => position("a", n / 2_000)));
  const url = `${service.url}/geo/t/events?cursor=earliest`;
  for (const take of [0, 1, 500, 2_000]) {
    const viewers = await Promise.all(Array.from({ length: 5 }, () => SseClient.open(url)));
    await eventually("some", () => viewers.every((viewer) => viewer.all("position").length >= take));
    await Promise.all(viewers.map((viewer) => viewer[Symbol.asyncDispose]()));
    await eventually("all viewers to go", () => service.hub.size === 0);
  }
  const metrics = await service.metrics.snapshot();
  assertEquals(metrics.viewers, { sse: 0, websocket: 0, mjpeg: 0 });
});
