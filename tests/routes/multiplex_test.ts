import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { concurrently, SseClient, type SseEvent, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { composeId, readComposedId } from "../../routes/multiplex.ts";
import { RawSocket } from "./raw_socket.ts";
import { position, problem, TestService } from "./test_service.ts";

function streamsUrl(service: TestService, streams: readonly string[], more = ""): string {
  return `${service.url}/streams?${
    streams.map((stream) => `s=${encodeURIComponent(stream)}`).join("&")
  }${more}`;
}

/** What events of one stream hold. */
// deno-lint-ignore no-explicit-any
function dataOf(events: readonly SseEvent[], stream: string, name?: string): any[] {
  return events
    .filter(({ event }) => name === undefined || event === name)
    .map(({ data }) => JSON.parse(data))
    .filter((each) => each.stream === stream)
    .map(({ data }) => data);
}

Deno.test("readComposedId() takes back what composeId() made, for as many streams", () => {
  const ids = ["v1.0a1b2c3d.0:1,1:2", "", "v1.0a1b2c3d.0:-1.end"];
  assertEquals(readComposedId(composeId(ids), 3), ids);
  assertEquals(readComposedId(composeId(ids), 2), null);
  assertEquals(readComposedId(composeId([""]), 1), [""]);
  assertEquals(readComposedId("v1.0a1b2c3d.0:1", 1), null);
});

Deno.test("/streams refuses what it cannot open", async () => {
  await using service = await TestService.open();
  const get = (streams: readonly string[], more = "") => fetch(streamsUrl(service, streams, more));
  await problem(await get([]), 400, "invalid-streams");
  const many = Array.from({ length: 33 }, (_, n) => `/geo/t${n}/events`);
  await problem(await get(many), 400, "invalid-streams");
  await problem(await get(["/geo/t/events", "/geo/t/events"]), 400, "invalid-streams");
  const unknown = [
    "/nowhere/t/events",
    "/geo/t",
    "http://elsewhere/geo/t/events",
    "//elsewhere/geo/t/events",
    "",
  ];
  for (const address of [...unknown, `/geo/t/events?key=${"x".repeat(5_000)}`]) {
    await problem(await get(["/geo/t/events", address]), 400, "unknown-stream");
  }
  await problem(await get(["/geo/a%20b/events"]), 400, "invalid-topic");
  await problem(await get(["/geo/t/events?cursor=nonsense"]), 400, "invalid-cursor");
  await problem(await get(["/geo/t/events?until=soon"]), 400, "invalid-until");
  for (const cursor of ["earliest", "nonsense", "v1.00000000.0:1"]) {
    await problem(await get(["/geo/t/events"], `&cursor=${cursor}`), 400, "invalid-cursor");
  }
  await problem(await get(["/geo/t/events", "/topics/missing/events"]), 404, "unknown-topic");
  assertEquals([service.hub.size, service.connections], [0, 0]);
});

Deno.test("/streams tells whose each event is, with the place in all streams", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("a");
  await service.broker.createTopic("b", 2);
  const [a, b] = ["/geo/a/events", "/geo/b/events?bbox=0,0,10,10"] as const;
  await using viewer = await SseClient.open(streamsUrl(service, [a, b]));
  await eventually("both to be ready", () => viewer.all("ready").length === 2);
  assert(viewer.retryMs! >= 2_000 && viewer.retryMs! <= 5_000);
  assertEquals(viewer.response.headers.get("content-type"), "text/event-stream");
  const [first, second] = viewer.events as [SseEvent, SseEvent];
  const starts = [a, b].map((stream) => dataOf(viewer.events, stream, "ready")[0].start);
  assert([composeId([starts[0]!, ""]), composeId(["", starts[1]!])].includes(first.id), first.id);
  assertEquals(second.id, composeId(starts));

  await service.send("a", [position("tram", 1)]);
  const { stream, data } = await viewer.first("position");
  assertEquals([stream, data.name, data.offset], [a, "tram", 0]);
  assertMatch(viewer.events.at(-1)!.id, /^m1\.v1\.[0-9a-f]{8}\.0:0;v1\.[0-9a-f]{8}\.0:-1,1:-1$/);
  await service.send("b", [position("bus", 50), position("bus", 5)], { partition: 1 });
  await eventually("the bus", () => dataOf(viewer.events, b, "position").length === 1);
  assertMatch(viewer.events.at(-1)!.id, /^m1\.v1\.[0-9a-f]{8}\.0:0;v1\.[0-9a-f]{8}\.0:-1,1:1$/);
  assertEquals(service.connections, 1, "a connection counts once");
  assertEquals(service.hub.size, 2);
});

Deno.test("/streams cut after any event and resumed: nothing is lost, nothing comes twice", async () => {
  await using service = await TestService.open({ maxConnections: 100 });
  const topics = ["a", "b"], partitions = 3, perPartition = 12;
  const names = ["tram", "bus"];
  for (const topic of topics) {
    await service.broker.createTopic(topic, partitions);
    for (let partition = 0; partition < partitions; partition++) {
      const records = Array.from({ length: perPartition }, (_, n) => position(names[n % 2]!, n, partition));
      await service.send(topic, records, { partition });
    }
  }
  const streams = ["/geo/a/events", "/geo/b/events", "/geo/a/events?key=bus"]
    .map((stream) => stream + (stream.includes("?") ? "&" : "?") + "cursor=earliest");
  const total = perPartition * partitions * 2.5;
  const records = (events: readonly SseEvent[]) =>
    events.filter(({ event }) => event === "position").map(({ data }) => {
      const { stream, data: { topic, partition, offset } } = JSON.parse(data);
      return `${stream} ${topic} ${partition} ${String(offset).padStart(5)}`;
    });
  await using whole = await SseClient.open(streamsUrl(service, streams));
  await eventually("everything", () => records(whole.events).length === total);
  const all = records(whole.events);
  assertEquals(new Set(all).size, total);

  await concurrently(whole.events, 8, async ({ id }, index) => {
    const seen = records(whole.events.slice(0, index + 1));
    await using resumed = await SseClient.open(streamsUrl(service, streams), { lastEventId: id });
    await eventually(
      `the rest after event ${index}`,
      () => seen.length + records(resumed.events).length >= total && resumed.all("ready").length === 3,
    );
    // The last records of all partitions are there, and they come in order: what would come twice has come by now.
    const got = [...seen, ...records(resumed.events)];
    assertEquals(got.toSorted(), all.toSorted(), `cut after event ${index}: ${id}`);
    for (const stream of streams) {
      for (const topic of topics) {
        for (let partition = 0; partition < partitions; partition++) {
          const own = got.filter((each) => each.startsWith(`${stream} ${topic} ${partition} `));
          assertEquals(own, own.toSorted(), "offsets ascend");
        }
      }
    }
  });
  await eventually("all viewers to go", () => service.hub.size === streams.length);
});

Deno.test("/streams cut again and again while records come and Kafka goes: nothing is lost, nothing comes twice", async () => {
  await using service = await TestService.open({ ringBytes: 100_000 });
  for (const topic of ["a", "b"]) await service.broker.createTopic(topic, 3);
  const streams = ["/geo/a/events", "/geo/b/events", "/geo/a/events?key=tram"];
  const seen: SseEvent[] = [];
  let lastEventId: string | undefined;
  const count = 600;
  const sending = (async () => {
    for (let n = 0; n < count; n++) {
      const name = n % 3 === 0 ? "tram" : "bus";
      await service.send(n % 2 === 0 ? "a" : "b", [position(name, n / count)], { partition: n % 3 });
    }
  })();
  const wanted = 0.5 * count + 0.5 * count + count / 6;
  const positions = () => seen.filter(({ event }) => event === "position").length;
  const deadline = performance.now() + 30_000;
  for (let cut = 0; positions() < wanted && performance.now() < deadline; cut++) {
    const viewer = await SseClient.open(
      streamsUrl(service, streams.map((s) => s + (s.includes("?") ? "&" : "?") + "cursor=earliest")),
      lastEventId === undefined ? {} : { lastEventId },
    );
    const enough = cut % 7 + (cut === 0 ? 3 : 4);
    await eventually(
      "some events",
      () => viewer.events.length >= enough || positions() + viewer.all("position").length >= wanted,
    );
    await viewer[Symbol.asyncDispose]();
    seen.push(...viewer.events);
    if (cut % 5 === 4) service.proxy.cutAll(); // Kafka is away for a moment, too
    for (const { data } of viewer.events.filter(({ event }) => event === "ready")) {
      assert(["fresh", "exact"].includes(JSON.parse(data).data.resume), data);
    }
    lastEventId = viewer.events.at(-1)!.id;
  }
  await sending;
  const texts = seen.filter(({ event }) => event === "position").map(({ data }) => {
    const { stream, data: { topic, partition, offset } } = JSON.parse(data);
    return `${stream} ${topic} ${partition} ${offset}`;
  });
  assertEquals([new Set(texts).size, texts.length], [wanted, wanted]);
});

Deno.test("Last-Event-ID of /streams that is none, or of another number of streams, is a 200 that resets all", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await service.send(topic, [position("x", 1), position("x", 2)]);
  const streams = ["/geo/a/events?cursor=earliest", "/geo/b/events?cursor=earliest"];
  await using viewer = await SseClient.open(streamsUrl(service, streams));
  await eventually("all", () => viewer.all("position").length === 4);
  const id = viewer.lastEventId;
  for (const lastEventId of ["nonsense", `${id};`, id.split(";")[0]!, "m1.", "v1.00000000.0:1"]) {
    await using resumed = await SseClient.open(streamsUrl(service, streams), { lastEventId });
    assertEquals(resumed.response.status, 200);
    await eventually("both", () => resumed.all("ready").length === 2);
    for (const { data } of resumed.all("ready")) {
      assertEquals([data.resume, data.reason, data.requested], ["reset", "malformed", lastEventId]);
    }
    await eventually("all again", () => resumed.all("position").length === 4);
  }
  // One part that is no place resets its own stream only.
  const half = composeId([readComposedId(id, 2)![0]!, "nonsense"]);
  await using resumed = await SseClient.open(streamsUrl(service, streams), { lastEventId: half });
  await eventually("both", () => resumed.all("ready").length === 2);
  assertEquals(streams.map((stream) => dataOf(resumed.events, stream, "ready")[0].resume), [
    "exact",
    "reset",
  ]);
  // As a cursor it resumes too.
  await using again = await SseClient.open(streamsUrl(service, streams, `&cursor=${id}`));
  await eventually("both", () => again.all("ready").length === 2);
  assertEquals(again.all("ready").map(({ data }) => data.resume), ["exact", "exact"]);
});

Deno.test("a stream that is not ready yet keeps its place in the id of the others' events", async () => {
  await using service = await TestService.open();
  await service.send("a", [position("x", 1)]);
  await service.broker.createTopic("b");
  const streams = ["/geo/a/events", "/geo/b/events"];
  await using first = await SseClient.open(streamsUrl(service, streams));
  await eventually("both", () => first.all("ready").length === 2);
  const [place, other] = readComposedId(first.lastEventId, 2)!;
  const foreign = "v1.00000000.0:7";
  await using resumed = await SseClient.open(streamsUrl(service, streams), {
    lastEventId: composeId([place!, foreign]),
  });
  await eventually("both", () => resumed.all("ready").length === 2);
  const own = resumed.events.find(({ data }) => JSON.parse(data).stream === streams[0])!;
  assert([composeId([place!, foreign]), composeId([place!, other!])].includes(own.id), own.id);
});

Deno.test("an id that is long is told once a write, and still resumes", async () => {
  await using service = await TestService.open();
  const streams = ["a", "b"].map((topic) => `/geo/${topic}/events?cursor=earliest`);
  for (const topic of ["a", "b"]) {
    await service.broker.createTopic(topic, 60);
    for (let partition = 0; partition < 60; partition++) {
      await service.send(topic, [position("x", 1), position("x", 2)], { partition });
    }
  }
  await using viewer = await SseClient.open(streamsUrl(service, streams));
  await eventually("all", () => viewer.all("position").length === 240);
  await eventually(
    "the id",
    () => viewer.lastEventId.split(":1").length > 120,
    30_000,
    () => viewer.lastEventId,
  );
  const repeated = viewer.events.filter(({ id }, i) => id !== viewer.events[i - 1]?.id).length;
  assertLess(repeated, 30);
  await using resumed = await SseClient.open(streamsUrl(service, streams), {
    lastEventId: viewer.lastEventId,
  });
  await eventually("both", () => resumed.all("ready").length === 2);
  await service.send("b", [position("x", 3)], { partition: 59 });
  assertEquals((await resumed.first("position")).data.lat, 3);
});

Deno.test("heartbeats move the place in all streams past what filters left out", async () => {
  await using service = await TestService.open({ heartbeatMs: 30 });
  for (const topic of ["a", "b"]) await service.broker.createTopic(topic);
  const streams = ["/geo/a/events?key=wanted", "/geo/b/events"];
  await using viewer = await SseClient.open(streamsUrl(service, streams));
  await eventually("both", () => viewer.all("ready").length === 2);
  await service.send("b", [position("x", 1)]);
  await service.send("a", [position("other", 1), position("other", 2)]);
  await eventually("the id", () => /0:1;.*0:0$/.test(viewer.lastEventId), 30_000, () => viewer.lastEventId);
  await eventually("heartbeats", () => viewer.comments.filter((comment) => comment === "hb").length >= 5);
  assertEquals(dataOf(viewer.events, streams[0]!, "position"), []);
});

Deno.test("heartbeats move the place through a past in which a filter wants nothing", async () => {
  await using service = await TestService.open({ heartbeatMs: 20, ringBytes: 10_000 });
  const count = 20_000;
  for (let n = 0; n < count; n += 5_000) {
    await service.send("a", Array.from({ length: 5_000 }, () => position("other", 1)));
  }
  const streams = ["/geo/a/events?key=wanted&cursor=earliest"];
  const end = new RegExp(`^m1\\.v1\\.[0-9a-f]{8}\\.0:${count - 1}$`);
  let lastEventId: string | undefined, cuts = 0;
  // However soon it is cut, it comes to the end: a place that was passed is not looked at again.
  for (; !end.test(lastEventId ?? "") && cuts < 200; cuts++) {
    const viewer = await SseClient.open(
      streamsUrl(service, streams),
      lastEventId === undefined ? {} : { lastEventId },
    );
    const ready = await viewer.first("ready");
    const start = composeId([ready.data.start]);
    await eventually("a heartbeat with an id", () => viewer.lastEventId !== start || end.test(start));
    await viewer[Symbol.asyncDispose]();
    assertEquals(ready.data.resume, lastEventId === undefined ? "fresh" : "exact");
    lastEventId = viewer.lastEventId;
  }
  assertMatch(lastEventId!, end);
});

Deno.test("/streams when full, when draining, and by HEAD", async () => {
  await using service = await TestService.open({ maxConnections: 1 });
  const url = streamsUrl(service, ["/geo/a/events", "/geo/b/events"]);
  const head = await fetch(url, { method: "HEAD" });
  assertEquals([head.status, head.headers.get("content-type"), await head.text()], [
    200,
    "text/event-stream",
    "",
  ]);
  assertEquals([service.hub.size, service.connections], [0, 0]);
  await using viewer = await SseClient.open(url);
  await eventually("both", () => viewer.all("ready").length === 2);
  await using late = await SseClient.open(url);
  await late.end();
  assertEquals([late.all("bye"), late.retryMs], [[{ reason: "full" }], 10_000]);
  service.drain();
  await viewer.end();
  assertEquals([viewer.ended, viewer.all("bye")], ["clean", [{ reason: "draining" }]]);
  assertEquals([service.hub.size, service.connections], [0, 0]);
});

Deno.test("a busy stream does not keep a quiet one back, however slowly its client reads", async () => {
  await using service = await TestService.open({ ringBytes: 600_000 });
  await service.broker.createTopic("quiet");
  const count = 40_000, name = "n".repeat(200); // some 20 MB of events: more than sockets hold
  for (let n = 0; n < count; n += 5_000) {
    await service.send("busy", Array.from({ length: 5_000 }, (_, i) => position(name, (n + i) / count)));
  }
  using slow = await RawSocket.open(service.port);
  const query = ["/geo/busy/events?cursor=earliest", "/geo/quiet/events"]
    .map((stream) => `s=${encodeURIComponent(stream)}`).join("&");
  await slow.request(`GET /streams?${query} HTTP/1.0\r\n\r\n`);
  const delivered = async () => (await service.metrics.snapshot()).deliveries;
  let now = 0, times = 0;
  await eventually("the client's stalling to have reached the server", async () => {
    const before = now;
    now = await delivered();
    times = now > 0 && now === before ? times + 1 : 0;
    return times === 20;
  });
  assertLess(now, count * 0.8, "the test needs a backlog that sockets do not hold");
  await service.send("quiet", [position("me", 1)]);
  let text = "", busyFirst: number | undefined;
  const decoder = new TextDecoder();
  for (let busy = 0; busy < count;) {
    text += decoder.decode((await slow.chunk())!, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      if (block.includes('"name":"me"')) busyFirst = busy;
      else if (block.startsWith("event: position")) busy++;
    }
  }
  assertLess(busyFirst!, now + 1_000, "it leaves after what was under way already");
});

Deno.test("a stalled connection of many streams costs little memory, and loses nothing", async () => {
  await using service = await TestService.open({ ringBytes: 600_000 });
  const topics = Array.from({ length: 8 }, (_, n) => `t${n}`);
  for (const topic of topics) await service.broker.createTopic(topic);
  using stalled = await RawSocket.open(service.port);
  const query = topics.map((topic) => `s=${encodeURIComponent(`/geo/${topic}/events`)}`).join("&");
  await stalled.request(`GET /streams?${query} HTTP/1.0\r\n\r\n`);
  await eventually("all viewers", () => service.hub.size === topics.length);
  const count = 5_000, name = "n".repeat(200);
  const before = Deno.memoryUsage().rss;
  for (const topic of topics) {
    await service.send(topic, Array.from({ length: count }, (_, n) => position(name, n / count)));
  }
  assertLess(Deno.memoryUsage().rss - before, 400 * 1024 * 1024);
  const next = new Map(topics.map((topic) => [topic, 0]));
  let text = "", total = 0;
  const decoder = new TextDecoder();
  while (total < count * topics.length) {
    text += decoder.decode((await stalled.chunk())!, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const json = block.match(/^event: position\n(?:id: .*\n)?data: (.*)$/)?.[1];
      if (!json) continue;
      const { data: { topic, offset } } = JSON.parse(json);
      assertEquals(offset, next.get(topic));
      next.set(topic, offset + 1);
      total++;
    }
  }
});

Deno.test("/streams as a WebSocket carries its streams as subscriptions", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await service.send(topic, [position("x", 1)]);
  const streams = ["/geo/a/events?cursor=earliest", "/geo/b/events"];
  await using viewer = await WsClient.open(streamsUrl(service, streams), ["tailrace.v1.json"]);
  assertEquals(viewer.socket.protocol, "tailrace.v1.json");
  await viewer.first("the position", ({ type, stream }) => type === "position" && stream === streams[0]);
  await eventually("both", () => viewer.all("ready").length === 2);
  assertEquals(viewer.all("ready").map(({ stream }) => stream).toSorted(), streams);
  assertEquals(service.connections, 1);
});
