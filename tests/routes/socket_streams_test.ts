import { assert, assertEquals, assertLess } from "@std/assert";
import { WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { RawSocket, textFrame } from "./raw_socket.ts";
import { position, TestService } from "./test_service.ts";

function say(client: WsClient, message: object): void {
  client.socket.send(JSON.stringify(message));
}

/** Resolves when the server has read all that was said before. */
async function heard(client: WsClient): Promise<void> {
  const before = client.all("pong").length;
  say(client, { type: "ping" });
  await eventually("the answer", () => client.all("pong").length > before);
}

/** Waits for so many positions of a stream; undefined: of the socket's own.
 * @returns their offsets */
async function offsets(client: WsClient, stream: string | undefined, count: number): Promise<number[]> {
  const found = () => client.all("position").filter((each) => each.stream === stream);
  await eventually(
    `${count} of ${stream}`,
    () => found().length >= count,
    30_000,
    () => client.texts.slice(-3),
  );
  return found().map(({ offset }) => offset);
}

Deno.test("subscribe adds a stream to a socket, whose events say whose they are; unsubscribe ends it", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await service.send(topic, [position("x", 1), position("x", 2)]);
  await using viewer = await WsClient.open(`${service.url}/geo/a/socket?cursor=earliest`);
  assertEquals(await offsets(viewer, undefined, 2), [0, 1]);
  const stream = "/geo/b/events?cursor=earliest";
  say(viewer, { type: "subscribe", stream });
  assertEquals(await offsets(viewer, stream, 2), [0, 1]);
  const text = viewer.texts.flatMap((each) => each.split("\n")).find((line) => line.includes('"stream"'))!;
  assert(text.startsWith(`{"type":"ready","stream":"${stream}","resume":"fresh"`), text);
  assertEquals([service.connections, service.hub.size], [1, 2]);
  say(viewer, { type: "unsubscribe", stream });
  await heard(viewer);
  assertEquals(service.hub.size, 1);
  for (const topic of ["a", "b"]) await service.send(topic, [position("x", 3)]);
  await offsets(viewer, undefined, 3);
  // It can be had again, from where it was.
  const { cursor } = viewer.all("position").findLast((each) => each.stream === stream);
  say(viewer, { type: "subscribe", stream, cursor });
  assertEquals(await offsets(viewer, stream, 3), [0, 1, 2]);
  assertEquals(viewer.all("ready").at(-1).resume, "exact");
});

Deno.test("a subscription that cannot be had is an error, and the socket stays open", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("a");
  await using viewer = await WsClient.open(`${service.url}/geo/a/socket`);
  const stream = "/geo/a/events";
  say(viewer, { type: "subscribe", stream });
  const wrong: [message: object, stream: string | undefined, code: string][] = [
    [{ type: "subscribe", stream }, stream, "already-subscribed"],
    [{ type: "subscribe", stream: "/nowhere" }, "/nowhere", "unknown-stream"],
    [{ type: "subscribe", stream: "" }, "", "unknown-stream"],
    [{ type: "subscribe", stream: "/geo/a%20b/events" }, "/geo/a%20b/events", "invalid-topic"],
    [{ type: "subscribe", stream: "/geo/a/events?bbox=1" }, "/geo/a/events?bbox=1", "invalid-bbox"],
    [{ type: "subscribe", stream: "/geo/b/events", cursor: "nonsense" }, "/geo/b/events", "invalid-cursor"],
    [{ type: "unsubscribe", stream: "/geo/b/events" }, "/geo/b/events", "no-stream"],
    [{ type: "pause", stream: "/geo/b/events" }, "/geo/b/events", "no-stream"],
    [{ type: "seek", cursor: "latest", stream: "/geo/b/events" }, "/geo/b/events", "no-stream"],
  ];
  for (const [message] of wrong) say(viewer, message);
  await heard(viewer);
  const told = viewer.all("error").map(({ stream, code, detail }) => [stream, code, typeof detail]);
  assertEquals(told, wrong.map(([, stream, code]) => [stream, code, "string"]));
  assertEquals(viewer.closed, null);
  await service.send("a", [position("x", 1)]);
  await offsets(viewer, undefined, 1);
  await offsets(viewer, stream, 1);
});

Deno.test("a socket carries 32 subscriptions besides its own stream, and no more", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("a");
  await using viewer = await WsClient.open(`${service.url}/geo/a/socket`);
  for (let n = 0; n < 33; n++) say(viewer, { type: "subscribe", stream: `/geo/a/events?key=k${n}` });
  await eventually("the refusal", () => viewer.all("error").length === 1);
  const [{ stream, code }] = viewer.all("error");
  assertEquals([stream, code], ["/geo/a/events?key=k32", "too-many-subscriptions"]);
  await eventually("all to be ready", () => viewer.all("ready").length === 33);
  assertEquals([service.hub.size, service.connections], [33, 1]);
  say(viewer, { type: "unsubscribe", stream: "/geo/a/events?key=k0" });
  say(viewer, { type: "subscribe", stream: "/geo/a/events?key=k32" });
  await eventually("the other one", () => viewer.all("ready").length === 34);
  await service.send("a", [position("k32", 1), position("k0", 1)]);
  await offsets(viewer, "/geo/a/events?key=k32", 1);
  assertEquals(viewer.all("error").length, 1);
  await viewer[Symbol.asyncDispose]();
  await eventually("all viewers to go", () => service.hub.size === 0 && service.connections === 0);
});

Deno.test("a client that subscribes and unsubscribes without end is told that it does so too often", async () => {
  await using service = await TestService.open();
  await using viewer = await WsClient.open(`${service.url}/streams`);
  const began = performance.now();
  for (let n = 0; n < 300; n++) {
    say(viewer, { type: "subscribe", stream: `/geo/t${n}/events` });
    say(viewer, { type: "unsubscribe", stream: `/geo/t${n}/events` });
  }
  await heard(viewer);
  const codes = viewer.all("error").map(({ code }) => code);
  const refused = codes.filter((code) => code === "subscribe-too-often").length;
  const least = 300 - 64 - Math.ceil((performance.now() - began) / 50); // each twentieth of a second one more is taken
  assert(
    refused > 0 && refused >= least && refused <= 300 - 64,
    `${refused} were refused, ${least} at least`,
  );
  assertEquals(codes.filter((code) => code === "no-stream").length, refused, "they cannot be unsubscribed");
  assertEquals([viewer.closed, service.hub.size], [null, 0]);
  await eventually("another one", () => {
    say(viewer, { type: "subscribe", stream: "/geo/t/events" });
    return viewer.all("ready").length > 0;
  });
});

Deno.test("pause and resume are of one stream; the others go on", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await service.broker.createTopic(topic);
  await using viewer = await WsClient.open(`${service.url}/geo/a/socket`);
  const stream = "/geo/b/events";
  say(viewer, { type: "subscribe", stream });
  await eventually("both", () => viewer.all("ready").length === 2);
  say(viewer, { type: "pause", stream });
  await heard(viewer);
  for (const topic of ["b", "a"]) await service.send(topic, [position("x", 1)]);
  await offsets(viewer, undefined, 1);
  say(viewer, { type: "pause" });
  await heard(viewer);
  for (const topic of ["b", "a"]) await service.send(topic, [position("x", 2)]);
  await using other = await WsClient.open(`${service.url}/geo/a/socket?cursor=earliest`);
  await offsets(other, undefined, 2);
  assertEquals(viewer.all("position").length, 1);
  say(viewer, { type: "resume", stream });
  assertEquals(await offsets(viewer, stream, 2), [0, 1]);
  assertEquals(await offsets(viewer, undefined, 1), [0]);
  say(viewer, { type: "resume" });
  assertEquals(await offsets(viewer, undefined, 2), [0, 1]);
});

Deno.test("/streams without s= is a socket that waits for subscriptions; what needs a stream is told so", async () => {
  await using service = await TestService.open({ maxConnections: 1 });
  await service.send("a", [position("x", 1)]);
  await using viewer = await WsClient.open(`${service.url}/streams`);
  for (const type of ["pause", "resume"]) say(viewer, { type });
  say(viewer, { type: "seek", cursor: "earliest" });
  say(viewer, { type: "speed", speed: 1 });
  await heard(viewer);
  assertEquals(
    viewer.all("error").map(({ code, stream }) => [code, stream]),
    Array(4).fill(["no-stream", undefined]),
  );
  assertEquals([service.connections, service.hub.size], [1, 0]);
  await using late = await WsClient.open(`${service.url}/streams`);
  assertEquals([(await late.end()).code, late.all("bye")], [4504, [{ type: "bye", reason: "full" }]]);
  const stream = "/geo/a/events?cursor=earliest";
  say(viewer, { type: "subscribe", stream });
  await offsets(viewer, stream, 1);
  say(viewer, { type: "unsubscribe", stream });
  await heard(viewer);
  assertEquals([viewer.closed, service.hub.size], [null, 0]);
  service.drain();
  assertEquals((await viewer.end()).code, 4000);
  assertEquals(viewer.all("bye"), [{ type: "bye", reason: "draining" }]);
});

Deno.test("a socket with many streams is told bye once when the service drains", async () => {
  await using service = await TestService.open();
  const streams = ["a", "b", "c"].map((topic) => `/geo/${topic}/events`);
  const query = streams.map((stream) => `s=${encodeURIComponent(stream)}`).join("&");
  await using viewer = await WsClient.open(`${service.url}/streams?${query}`);
  await eventually("all", () => service.hub.size === 3);
  service.drain();
  assertEquals((await viewer.end()).code, 4000);
  assertEquals(viewer.all("bye"), [{ type: "bye", reason: "draining" }]);
  assertEquals(service.hub.size, 0);
  await eventually("the connection to go", () => service.connections === 0);
});

Deno.test("a client that floods without reading is cut off, and others are served meanwhile", async () => {
  await using service = await TestService.open();
  await service.send("a", [position("x", 1)]);
  await using good = await WsClient.open(`${service.url}/geo/a/socket?cursor=earliest`);
  await offsets(good, undefined, 1);
  const flood = await RawSocket.upgrade(service.port, "/geo/a/socket");
  let sent = 0;
  const messages = [
    { type: "subscribe", stream: "/geo/a/events?cursor=earliest" },
    { type: "unsubscribe", stream: "/geo/a/events?cursor=earliest" },
    { type: "ping" },
    { type: "subscribe", stream: "x".repeat(2_000) },
  ].map((message) => JSON.stringify(message));
  const sending = (async () => {
    while (sent < 200_000) await flood.frame(textFrame, messages[sent++ % messages.length]!);
  })().catch(() => {});
  await eventually("it to go", () => service.connections === 1 || service.hub.size === 1, 30_000, () => sent);
  assertLess(sent, 200_000);
  await service.send("a", [position("x", 2)]);
  assertEquals(await offsets(good, undefined, 2), [0, 1]);
  flood[Symbol.dispose]();
  await sending;
  await eventually("its connection to go", () => service.connections === 1);
});
