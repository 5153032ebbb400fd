import { assert, assertEquals } from "@std/assert";
import { SseClient, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { composeId, readComposedId } from "../../routes/multiplex.ts";
import { position, problem, TestService } from "./test_service.ts";

function streamsUrl(service: TestService, streams: readonly string[]): string {
  return `${service.url}/streams?${streams.map((stream) => `s=${encodeURIComponent(stream)}`).join("&")}`;
}

Deno.test("a bounded read ends with end, whose id is answered 204 when it comes back", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 3);
  for (let n = 0; n < 30; n++) await service.send("t", [position("x", n)], { partition: n % 3 });
  const url = `${service.url}/geo/t/events?cursor=earliest&until=latest`;
  await using viewer = await SseClient.open(url);
  await viewer.end();
  assertEquals([viewer.ended, viewer.all("position").length], ["clean", 30]);
  const end = viewer.events.at(-1)!;
  const place = end.id.replace(/\.end$/, "");
  assertEquals([end.event, end.id, JSON.parse(end.data)], ["end", `${place}.end`, { cursor: place }]);
  assertEquals(viewer.lastEventId, end.id);
  await eventually("its viewer to go", () => service.hub.size === 0 && service.connections === 0);

  for (const method of ["GET", "HEAD"]) {
    const again = await fetch(url, { method, headers: { "last-event-id": end.id } });
    assertEquals([again.status, await again.text()], [204, ""]);
  }
  assertEquals([service.hub.size, service.connections], [0, 0]);

  // Without `until` it is a place like any other, and so it is as a cursor.
  await using on = await SseClient.open(`${service.url}/geo/t/events`, { lastEventId: end.id });
  assertEquals([on.response.status, (await on.first("ready")).resume], [200, "exact"]);
  await service.send("t", [position("x", 31)], { partition: 0 });
  await on.first("position", ({ lat }) => lat === 31);
  await using more = await SseClient.open(`${service.url}/geo/t/events?cursor=${end.id}&until=latest`);
  await more.end();
  assertEquals([more.response.status, more.all("position").map(({ lat }) => lat)], [200, [31]]);
  assert(more.lastEventId.endsWith(".end") && more.lastEventId !== end.id);
});

Deno.test("a bounded read that is cut on its way is resumed to the same end, and never a non-200", async () => {
  await using service = await TestService.open();
  await service.send("t", Array.from({ length: 20 }, (_, n) => position("x", n)));
  const url = `${service.url}/geo/t/events?cursor=earliest&until=latest`;
  await using whole = await SseClient.open(url);
  await whole.end();
  const tenth = whole.events.filter(({ event }) => event === "position")[9]!.id;
  await using rest = await SseClient.open(url, { lastEventId: tenth });
  await rest.end();
  assertEquals(rest.all("position").map(({ lat }) => lat), Array.from({ length: 10 }, (_, n) => n + 10));
  for (const lastEventId of ["nonsense", "nonsense.end", "v1.00000000.0:1", `${tenth}.ende`]) {
    await using reset = await SseClient.open(url, { lastEventId });
    await reset.end();
    assertEquals([reset.response.status, (await reset.first("ready")).resume], [200, "reset"], lastEventId);
    assertEquals(reset.all("position").length, 20);
  }
});

Deno.test("an empty bounded read has its end at once", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t");
  for (const query of ["cursor=earliest&until=latest", "until=latest", "cursor=earliest&until=t.1"]) {
    await using viewer = await SseClient.open(`${service.url}/geo/t/events?${query}`);
    await viewer.end();
    assertEquals(viewer.events.map(({ event }) => event), ["ready", "end"], query);
  }
});

Deno.test("a bounded read over a WebSocket ends with end and 1000, and does not mind an ended cursor", async () => {
  await using service = await TestService.open();
  await service.send("t", [position("x", 1), position("x", 2)]);
  const url = `${service.url}/geo/t/socket?until=latest&cursor=`;
  await using viewer = await WsClient.open(`${url}earliest`);
  assertEquals(await viewer.end(), { code: 1000, reason: "done" });
  assertEquals(viewer.all("position").length, 2);
  const end = viewer.messages.at(-1);
  assertEquals([end.type, end.cursor], ["end", `${viewer.all("position").at(-1).cursor}.end`]);
  await using again = await WsClient.open(url + end.cursor);
  assertEquals((await again.end()).code, 1000);
  assertEquals(again.messages.map(({ type }) => type), ["ready", "end"]);
});

Deno.test("/streams with bounded streams ends when all have ended, and is not opened again", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await service.send(topic, [position("x", 1), position("x", 2)]);
  const [a, b] = ["a", "b"].map((topic) => `/geo/${topic}/events?cursor=earliest&until=latest`) as [
    string,
    string,
  ];
  await using viewer = await SseClient.open(streamsUrl(service, [a, b]));
  await viewer.end();
  assertEquals(viewer.all("position").length, 4);
  assertEquals(viewer.all("end").map(({ stream }) => stream).toSorted(), [a, b]);
  const ids = readComposedId(viewer.lastEventId, 2)!;
  assert(ids.every((id) => id.endsWith(".end")), viewer.lastEventId);
  const again = await fetch(streamsUrl(service, [a, b]), {
    headers: { "last-event-id": viewer.lastEventId },
  });
  assertEquals([again.status, await again.text()], [204, ""]);

  // One of them has ended: only the other one goes on.
  const half = composeId([ids[0]!, ids[1]!.replace(/0:1\.end$/, "0:0")]);
  await using rest = await SseClient.open(streamsUrl(service, [a, b]), { lastEventId: half });
  await rest.end();
  assertEquals(rest.events.map(({ event, data }) => [event, JSON.parse(data).stream]), [
    ["ready", b],
    ["position", b],
    ["end", b],
  ]);
  assertEquals(rest.lastEventId, viewer.lastEventId);

  // Beside one without an end it stays open.
  await using mixed = await SseClient.open(streamsUrl(service, [a, "/geo/b/events"]));
  await mixed.first("end");
  await service.send("b", [position("x", 3)]);
  const { stream } = await mixed.first("position", ({ data }) => data.lat === 3);
  assertEquals([stream, mixed.ended], ["/geo/b/events", null]);
  const [ended] = readComposedId(mixed.lastEventId, 2)!;
  assert(ended!.endsWith(".end"), mixed.lastEventId);
});

Deno.test("a socket whose address names bounded streams closes with the last of them; a bounded subscription just ends", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await service.send(topic, [position("x", 1)]);
  const bounded = ["a", "b"].map((topic) => `/geo/${topic}/events?cursor=earliest&until=latest`);
  const query = bounded.map((stream) => `s=${encodeURIComponent(stream)}`).join("&");
  await using named = await WsClient.open(`${service.url}/streams?${query}`);
  assertEquals(await named.end(), { code: 1000, reason: "done" });
  assertEquals(named.all("end").map(({ stream }) => stream).toSorted(), bounded);

  await using open = await WsClient.open(`${service.url}/streams`);
  open.socket.send(JSON.stringify({ type: "subscribe", stream: bounded[0] }));
  const end = await open.first("the end", ({ type }) => type === "end");
  assertEquals([end.stream, end.cursor.endsWith(".end")], [bounded[0], true]);
  open.socket.send(JSON.stringify({ type: "subscribe", stream: bounded[0] }));
  await eventually("its end again", () => open.all("end").length === 2);
  assertEquals([open.closed, open.all("error")], [null, []]);
});

Deno.test("a generic stream of a topic that does not exist: 404, over a WebSocket error and 4503", async () => {
  await using service = await TestService.open();
  const url = `${service.url}/topics/missing`;
  await problem(await fetch(`${url}/events`), 404, "unknown-topic");
  await problem(
    await fetch(`${url}/events`, { headers: { "last-event-id": "nonsense" } }),
    404,
    "unknown-topic",
  );
  assertEquals((await fetch(`${url}/events`, { method: "HEAD" })).status, 404);
  await using viewer = await WsClient.open(`${url}/socket`);
  assertEquals(await viewer.end(), { code: 4503, reason: "unknown-topic" });
  assertEquals(viewer.all("error").map(({ code, stream }) => [code, stream]), [["unknown-topic", undefined]]);

  await using socket = await WsClient.open(`${service.url}/streams`);
  const stream = "/topics/missing/events";
  socket.socket.send(JSON.stringify({ type: "subscribe", stream }));
  const error = await socket.first("the error", ({ type }) => type === "error");
  assertEquals([error.stream, error.code, socket.closed], [stream, "unknown-topic", null]);
  await service.broker.createTopic("missing");
  socket.socket.send(JSON.stringify({ type: "subscribe", stream }));
  await socket.first("the stream", ({ type }) => type === "ready");
  await using found = await SseClient.open(`${url}/events`);
  await found.first("ready");
});

Deno.test("Kafka away: a generic stream opens, and ends when its topic turns out to be missing", async () => {
  await using service = await TestService.open();
  await service.proxy.stop();
  await using viewer = await SseClient.open(`${service.url}/topics/missing/events`, { timeoutMs: 8_000 });
  assertEquals(viewer.response.status, 200);
  assertEquals(await viewer.first("status"), { kafka: "down" });
  await using socket = await WsClient.open(`${service.url}/topics/missing/socket`);
  service.proxy.start();
  await viewer.end();
  assertEquals([viewer.ended, viewer.all("bye")], ["clean", [{ reason: "unknown-topic" }]]);
  assertEquals((await socket.end()).code, 4503);
  await eventually("both to go", () => service.hub.size === 0 && service.connections === 0);
});

Deno.test("Kafka silent: a generic stream opens within its bound, and shows its topic later", async () => {
  await using service = await TestService.open();
  await service.producer.sendAll("t", [{ key: null, value: "here" }]);
  service.proxy.onAnswer = () => "drop";
  const url = `${service.url}/topics/t/events?cursor=earliest`;
  await using viewer = await SseClient.open(url, { timeoutMs: 8_000 }); // requests are given up after 10 s
  assertEquals(viewer.response.status, 200);
  const several = await SseClient.open(streamsUrl(service, ["/topics/t/events", "/topics/u/events"]), {
    timeoutMs: 8_000,
  });
  assertEquals(several.response.status, 200);
  await several[Symbol.asyncDispose]();
  service.proxy.onAnswer = () => "pass";
  service.proxy.cutAll();
  assertEquals((await viewer.first("record")).value, "here");
});

Deno.test("a topic that is deleted ends its generic streams, also among others", async () => {
  await using service = await TestService.open();
  for (const topic of ["gone", "kept"]) await service.broker.createTopic(topic);
  const [gone, kept] = ["/topics/gone/events", "/topics/kept/events"] as const;
  await using plain = await SseClient.open(service.url + gone);
  await using several = await SseClient.open(streamsUrl(service, [gone, kept]));
  await using socket = await WsClient.open(`${service.url}/streams?s=${kept}`);
  socket.socket.send(JSON.stringify({ type: "subscribe", stream: gone }));
  await eventually("all to be ready", () => {
    const counts = [plain.all("ready").length, several.all("ready").length, socket.all("ready").length];
    return counts.join() === "1,2,2";
  });
  await service.broker.deleteTopic("gone");
  await plain.end(30_000);
  assertEquals(plain.all("bye"), [{ reason: "unknown-topic" }]);
  await several.end();
  assertEquals(several.all("bye"), [{ reason: "unknown-topic", stream: gone }]);
  const error = await socket.first("the error", ({ type }) => type === "error");
  assertEquals([error.stream, error.code], [gone, "unknown-topic"]);
  await service.producer.sendAll("kept", [{ key: null, value: "still here" }]);
  await socket.first("a record", ({ type, stream }) => type === "record" && stream === kept);
});
