import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { placeOf } from "../kafka/hub_viewer.ts";
import { Random } from "../random.ts";
import { binaryFrame, closeFrame, pingFrame, pongFrame, RawSocket, textFrame } from "./raw_socket.ts";
import { position, problem, TestService } from "./test_service.ts";

const decoder = new TextDecoder();

function socketUrl(service: TestService, query = ""): string {
  return `${service.url}/geo/t/socket${query}`;
}

async function ready(viewer: WsClient) {
  return await viewer.first("ready", ({ type }) => type === "ready");
}

Deno.test("a WebSocket begins with ready, then positions with the cursor after them", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t");
  await using viewer = await WsClient.open(socketUrl(service), ["tailrace.v1.json"]);
  assertEquals(viewer.socket.protocol, "tailrace.v1.json");
  const first = await ready(viewer);
  assertEquals(Object.keys(first).toSorted(), [
    "cursor",
    "reason",
    "requested",
    "resume",
    "serverTime",
    "skipped",
    "start",
    "type",
  ]);
  assertEquals([first.resume, first.cursor], ["fresh", first.start]);
  await service.send("t", [{ ...position("tram", 1), message_id: "m", timestamp: "now" }], {
    timestamp: 123,
  });
  const { cursor, ...rest } = await viewer.first("a position", ({ type }) => type === "position");
  assertEquals(placeOf(cursor), [1]);
  assertEquals(rest, {
    type: "position",
    topic: "t",
    partition: 0,
    offset: 0,
    name: "tram",
    message_id: "m",
    timestamp: "now",
    at: 123,
    lat: 1,
    lon: 0,
  });
  await using resumed = await WsClient.open(socketUrl(service, `?cursor=${cursor}`));
  assertEquals([(await ready(resumed)).resume, resumed.socket.protocol], ["exact", ""]);
});

Deno.test("what waits leaves in one message, several objects on lines of their own", async () => {
  await using service = await TestService.open();
  await service.send("t", Array.from({ length: 1_000 }, (_, n) => position("a", n / 1_000)));
  await using viewer = await WsClient.open(socketUrl(service, "?cursor=earliest"));
  await eventually("all of them", () => viewer.all("position").length === 1_000);
  assertLess(viewer.texts.length, 50);
  assertEquals(
    viewer.all("position").map(({ offset }) => offset),
    Array.from({ length: 1_000 }, (_, n) => n),
  );
});

Deno.test("a plain GET is a 426 that says what is wanted, a broken handshake a 400", async () => {
  await using service = await TestService.open();
  for (const path of ["/geo/t/socket", "/consumer/t"]) {
    const response = await fetch(`${service.url}${path}`);
    assertEquals(response.headers.get("upgrade"), "websocket");
    await problem(response, 426, "upgrade-required");
  }
  for (const head of ["Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]) {
    using raw = await RawSocket.open(service.port);
    const answer = await raw.request(
      `GET /geo/t/socket HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\n${head}\r\n\r\n`,
    );
    assertMatch(answer, /^HTTP\/1\.1 400 /);
  }
  assertEquals(service.hub.size, 0);
});

Deno.test("wrong cursors, names and parameters are refused before the upgrade", async () => {
  await using service = await TestService.open();
  const wrong = [
    ["/geo/t/socket?cursor=nonsense", "invalid-cursor"],
    ["/geo/a%20b/socket", "invalid-topic"],
    ["/consumer/a%20b", "invalid-topic"],
    ["/geo/t/socket?speed=0", "invalid-speed"],
    ["/geo/t/socket?bbox=1,2,3", "invalid-bbox"],
  ] as const;
  for (const [path, code] of wrong) {
    const headers = {
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-version": "13",
    };
    const { body } = await rawGet(service, path, headers);
    assertEquals([body.status, body.code], [400, code]);
  }
});

/** A GET with headers that `fetch` would not send. */
async function rawGet(service: TestService, path: string, headers: Record<string, string>) {
  using raw = await RawSocket.open(service.port);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = await raw.request(`GET ${path} HTTP/1.1\r\nHost: t\r\n${lines}\r\n`);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
  let text = "";
  while (text.length < length) text += decoder.decode((await raw.chunk())!);
  return { head, body: JSON.parse(text) };
}

Deno.test("ping is answered, pause holds events back and resume brings them all", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t");
  await using viewer = await WsClient.open(socketUrl(service));
  await ready(viewer);
  viewer.socket.send('{"type":"ping"}');
  const pong = await viewer.first("pong", ({ type }) => type === "pong");
  assert(Math.abs(pong.serverTime - Date.now()) < 60_000);
  viewer.socket.send('{"type":"pause"}');
  viewer.socket.send('{"type":"ping"}');
  await eventually("the pause to be read", () => viewer.all("pong").length === 2);
  await service.send("t", [position("a", 1), position("a", 2)]);
  await using other = await WsClient.open(socketUrl(service, "?cursor=earliest"));
  await eventually("the other one's", () => other.all("position").length === 2);
  assertEquals(viewer.all("position"), []);
  viewer.socket.send('{"type":"resume"}');
  await eventually("both", () => viewer.all("position").length === 2);
  assertEquals(viewer.all("position").map(({ lat }) => lat), [1, 2]);
});

Deno.test("a message that is none: error, then 4501", async () => {
  await using service = await TestService.open();
  for (
    const text of [
      "",
      "nonsense",
      "null",
      "[]",
      "17",
      '{"type":"dance"}',
      '{"type":null}',
      "{}",
      "[".repeat(60_000),
    ]
  ) {
    await using viewer = await WsClient.open(socketUrl(service));
    viewer.socket.send(text);
    assertEquals(await viewer.end(), { code: 4501, reason: "malformed-message" }, text.slice(0, 20));
    const [error] = viewer.all("error");
    assertEquals([error.code, typeof error.detail], ["malformed-message", "string"]);
  }
  await eventually("all viewers to go", () => service.hub.size === 0);
});

Deno.test("a binary message: 4501; one that is too big: 1009", async () => {
  await using service = await TestService.open();
  await using binary = await WsClient.open(socketUrl(service));
  binary.socket.send(new Uint8Array([1, 2, 3]));
  assertEquals((await binary.end()).code, 4501);
  await using big = await WsClient.open(socketUrl(service));
  big.socket.send("x".repeat(65 * 1024));
  assertEquals((await big.end()).code, 1009);
  assertEquals(big.all("error")[0].code, "message-too-big");
  await using echo = await WsClient.open(`${service.url}/consumer/t`);
  echo.socket.send("x".repeat(65 * 1024));
  assertEquals((await echo.end()).code, 1009);
  assertEquals(
    echo.texts.filter((text) => text.includes("too-big")),
    [],
    "the seed's wire carries no errors",
  );
});

Deno.test("frames that no protocol allows cost the connection that sent them, and nothing else", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t");
  await using good = await WsClient.open(socketUrl(service));
  await ready(good);
  const random = new Random("garbage frames");
  const garbage = () => new Uint8Array(Array.from({ length: 2_000 }, () => random.between(0, 255)));
  const bad: [string, (raw: RawSocket) => Promise<void>][] = [
    ["garbage", (raw) => raw.write(garbage())],
    ["a reserved opcode", (raw) => raw.frame(5, "x")],
    ["a continuation of nothing", (raw) => raw.frame(0, "x")],
    ["text that is no UTF-8", (raw) => raw.frame(textFrame, new Uint8Array([0xff, 0xfe]))],
    ["a ping that is too long", (raw) => raw.frame(pingFrame, "x".repeat(126))],
    ["a close of one byte", (raw) => raw.frame(closeFrame, "x")],
    [
      "a length of 2^63",
      (raw) => raw.write(new Uint8Array([0x81, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
    ],
    [
      "a length of a gigabyte",
      (raw) => raw.write(new Uint8Array([0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0])),
    ],
    ["binary in the middle of text", async (raw) => {
      await raw.frame(textFrame, '{"type":', false);
      await raw.frame(binaryFrame, '"ping"}');
    }],
  ];
  for (const [what, send] of bad) {
    using raw = await RawSocket.upgrade(service.port, "/geo/t/socket");
    await send(raw).catch(() => {});
    await raw.closeCode();
    await eventually(`the viewer of ${what} to go`, () => service.hub.size === 1);
  }
  using half = await RawSocket.upgrade(service.port, "/geo/t/socket");
  await half.write(new Uint8Array([0x81]));
  await service.send("t", [position("a", 1)]);
  await good.first("a position", ({ type }) => type === "position");
});

Deno.test("a text in fragments is one message, and a ping of the client is answered", async () => {
  await using service = await TestService.open();
  using raw = await RawSocket.upgrade(service.port, "/geo/t/socket");
  await raw.frame(textFrame, '{"type"', false);
  await raw.frame(pingFrame, "are you there");
  await raw.frame(0, ':"ping"}');
  const seen: string[] = [];
  while (seen.length < 2) {
    const frame = (await raw.next())!;
    if (frame.opcode === pongFrame) seen.push(`pong ${decoder.decode(frame.payload)}`);
    else if (decoder.decode(frame.payload).includes('"type":"pong"')) seen.push("answer");
  }
  assertEquals(seen, ["pong are you there", "answer"]);
});

Deno.test("full: bye, then 4504; draining: bye, then 4000", async () => {
  await using service = await TestService.open({ maxConnections: 1 });
  await using first = await WsClient.open(socketUrl(service));
  await ready(first);
  await using second = await WsClient.open(socketUrl(service));
  assertEquals((await second.end()).code, 4504);
  assertEquals(second.all("bye"), [{ type: "bye", reason: "full" }]);
  await using consumer = await WsClient.open(`${service.url}/consumer/t`);
  assertEquals([(await consumer.end()).code, consumer.texts], [4504, []]);

  service.drain();
  assertEquals((await first.end()).code, 4000);
  assertEquals(first.all("bye"), [{ type: "bye", reason: "draining" }]);
  await using late = await WsClient.open(socketUrl(service));
  assertEquals((await late.end()).code, 4000);
  assertEquals(service.hub.size, 0);
});

Deno.test("a client that reads nothing holds nobody up and has everything when it reads on", async () => {
  await using service = await TestService.open({ ringBytes: 600_000 });
  await service.broker.createTopic("t");
  using stalled = await RawSocket.upgrade(service.port, "/geo/t/socket");
  await using other = await WsClient.open(socketUrl(service));
  await ready(other);
  await eventually("both viewers", () => service.hub.size === 2);
  const count = 30_000, name = "n".repeat(150);
  for (let n = 0; n < count; n += 5_000) {
    await service.send("t", Array.from({ length: 5_000 }, (_, i) => position(name, (n + i) / count)));
  }
  const last = `"offset":${count - 1},`;
  await eventually("the other one's", () => other.texts.at(-1)?.includes(last));
  let offset = 0;
  while (offset < count) {
    const frame = (await stalled.next())!;
    if (frame.opcode !== textFrame) continue;
    for (const line of decoder.decode(frame.payload).split("\n")) {
      const event = JSON.parse(line);
      if (event.type === "position") assertEquals(event.offset, offset++);
    }
  }
});

Deno.test("a client that talks without listening is cut off", async () => {
  await using service = await TestService.open();
  using raw = await RawSocket.upgrade(service.port, "/consumer/t");
  await raw.next(); // the greeting
  const text = "x".repeat(60_000);
  let sent = 0;
  const sending = (async () => {
    while (sent < 2_000) {
      await raw.frame(textFrame, text);
      sent++;
    }
  })().catch(() => {});
  await eventually("the viewer to go", () => service.hub.size === 0, 30_000, () => sent);
  assertLess(sent, 2_000);
  const code = await raw.closeCode(); // what is still on the way to the server may cut the line before it is read
  assert(code === 4501 || code === null, `${code}`);
  await sending;
});

Deno.test("a connection that answers no ping is given up", async () => {
  await using service = await TestService.open({ heartbeatMs: 2_000 });
  using _dead = await RawSocket.upgrade(service.port, "/geo/t/socket");
  await using alive = await WsClient.open(socketUrl(service));
  await ready(alive);
  await eventually("both viewers", () => service.hub.size === 2);
  await eventually("one of them to go", () => service.hub.size === 1);
  assertEquals(alive.closed, null);
});

Deno.test("sockets that close while Kafka is silent leave nothing behind", async () => {
  await using service = await TestService.open();
  service.proxy.onAnswer = () => "drop";
  const viewers = await Promise.all(Array.from({ length: 10 }, () => WsClient.open(socketUrl(service))));
  await eventually("all viewers", () => service.hub.size === 10);
  await Promise.all(viewers.map((viewer) => viewer[Symbol.asyncDispose]()));
  await eventually("all viewers to go", () => service.hub.size === 0);
  assertEquals((await service.metrics.snapshot()).viewers, { sse: 0, websocket: 0, mjpeg: 0 });
  service.proxy.onAnswer = () => "pass";
  service.proxy.cutAll();
});
