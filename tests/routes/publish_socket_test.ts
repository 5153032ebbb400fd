import { assertEquals, assertMatch } from "@std/assert";
import { frameMessage } from "../../routes/video_feed.ts";
import { WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { jpegFixture, numberedJpeg, numberOf } from "../jpegs.ts";
import { produceApi } from "../kafka/broker_proxy.ts";
import { storedFrames } from "./frames.ts";
import { problem, TestService } from "./test_service.ts";

/** A publisher that is told what becomes of its frames. */
async function publisher(service: TestService, address = "cam/publish"): Promise<WsClient> {
  const socket = await WsClient.open(`${service.url}/video/${address}`);
  await socket.first("ready", ({ type }) => type === "ready");
  return socket;
}

/** The answers so far to messages of bytes, by the number of the message. */
function answers(socket: WsClient) {
  return socket.messages.filter(({ n }) => n !== undefined).toSorted((a, b) => a.n - b.n);
}

async function answered(socket: WsClient, count: number) {
  return await eventually(`${count} answers`, () => answers(socket).length === count && answers(socket));
}

Deno.test("a publisher is told first how large a frame may be, then where each is stored, in order", async () => {
  await using service = await TestService.open({ maxFrameBytes: 50_000 });
  await using socket = await publisher(service, "cam/publish?key=door&source=phone");
  assertEquals(socket.messages, [{ type: "ready", maxFrameBytes: 50_000 }]);
  const frames = [
    numberedJpeg(0),
    jpegFixture("progressive"),
    jpegFixture("exif_thumbnail"),
    numberedJpeg(1),
  ];
  const before = Date.now();
  for (const frame of frames) socket.socket.send(frame);
  const told = await eventually(
    "four answers",
    () => socket.all("stored").length === 4 && socket.all("stored"),
  );
  assertEquals(told, frames.map((_, n) => ({ type: "stored", frame: `0:${n}`, n: n + 1 })));
  const stored = await storedFrames(service, "cam");
  assertEquals(stored.map(({ jpeg }) => jpeg), frames);
  for (const { key, headers, timestamp } of stored) {
    assertEquals([key, headers.source, headers["captured-at"]], ["door", "phone", String(timestamp)]);
    assertEquals(timestamp >= before && timestamp <= Date.now(), true);
  }
});

Deno.test("a frame with a header has the time of its header", async () => {
  await using service = await TestService.open();
  await using socket = await publisher(service);
  const header = { partition: 7, offset: 7, capturedAt: 1_700_000_000_123, stream: 7 };
  socket.socket.send(frameMessage(header, numberedJpeg(1)));
  socket.socket.send(frameMessage({ ...header, capturedAt: 0 }, numberedJpeg(2)));
  await answered(socket, 2);
  const [first, second] = await storedFrames(service, "cam");
  assertEquals([numberOf(first!.jpeg), first!.timestamp, first!.headers.source], [
    1,
    1_700_000_000_123,
    "websocket",
  ]);
  assertEquals([numberOf(second!.jpeg), second!.timestamp > 1_700_000_000_123], [2, true]);
});

Deno.test("a publisher is told what is wrong with a frame, and goes on", async () => {
  await using service = await TestService.open({ maxFrameBytes: 50_000 });
  await using socket = await publisher(service);
  const good = numberedJpeg(1), header = { partition: 0, offset: 0, capturedAt: 0, stream: 0 };
  const wrong: readonly (readonly [message: Uint8Array<ArrayBuffer>, code: string, detail: RegExp])[] = [
    [new Uint8Array(0), "not-a-jpeg", /frame 1: found nothing/],
    [new TextEncoder().encode("hello"), "not-a-jpeg", /frame 2: found 5 bytes that begin with 68 65/],
    [good.subarray(0, 100), "not-a-jpeg", /breaks off/],
    [numberedJpeg(1, { bytes: 50_001 }), "frame-too-large", /50001 bytes or more: at most 50000 are taken/],
    [numberedJpeg(1, { bytes: 2_000_000 }), "frame-too-large", /at most 50000/],
    [frameMessage(header, good).subarray(0, -1), "not-a-jpeg", /begin with TR, wanted a header of 32 bytes/],
    [frameMessage(header, new Uint8Array(9)), "not-a-jpeg", /found 9 bytes/],
    [
      frameMessage({ ...header, capturedAt: Date.now() + 120_000 }, good),
      "invalid-captured-at",
      /60000 is taken/,
    ],
  ];
  for (const [message] of wrong) socket.socket.send(message);
  socket.socket.send(good);
  const told = await answered(socket, wrong.length + 1);
  for (const [n, [, code, detail]] of wrong.entries()) {
    assertEquals([told[n].type, told[n].code, told[n].n], ["error", code, n + 1]);
    assertMatch(told[n].detail, detail);
    assertEquals(told[n].maxFrameBytes, code === "frame-too-large" ? 50_000 : undefined);
  }
  assertEquals(told.at(-1), { type: "stored", frame: "0:0", n: wrong.length + 1 });
  assertEquals(socket.closed, null);
});

Deno.test("a publisher's ping is answered, other texts are errors that end nothing", async () => {
  await using service = await TestService.open();
  await using socket = await publisher(service);
  for (const text of ['{"type":"ping"}', "hello", '{"type":"seek"}', "null", "[]"]) socket.socket.send(text);
  await eventually("all answers", () => socket.messages.length === 6);
  assertEquals(socket.messages.slice(1).map(({ type, code }) => [type, code]), [
    ["pong", undefined],
    ...Array.from({ length: 4 }, () => ["error", "malformed-message"]),
  ]);
});

Deno.test("frames that come while too many wait for Kafka are dropped and told, and those after it are taken", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam");
  await using socket = await publisher(service);
  const open = Promise.withResolvers<"pass">();
  service.proxy.onAnswer = ({ api }) => api === produceApi ? open.promise : "pass";
  for (let n = 0; n < 20; n++) socket.socket.send(numberedJpeg(n));
  const dropped = await answered(socket, 4);
  assertEquals(
    dropped.map(({ code, n }) => [code, n]),
    [17, 18, 19, 20].map((n) => ["too-many-unstored", n]),
  );
  service.proxy.onAnswer = () => "pass";
  open.resolve("pass");
  await answered(socket, 20);
  socket.socket.send(numberedJpeg(20));
  await answered(socket, 21);
  assertEquals(
    (await storedFrames(service, "cam")).map(({ jpeg }) => numberOf(jpeg)),
    [...Array.from({ length: 16 }, (_, n) => n), 20],
  );
});

Deno.test("frames of more than 8 MiB together are too many, a larger one alone is not", async () => {
  await using service = await TestService.open({ maxFrameBytes: 12 * 1024 * 1024 });
  await using socket = await publisher(service);
  const large = numberedJpeg(0, { bytes: 10_000_000 });
  for (let n = 0; n < 3; n++) socket.socket.send(large);
  const told = await answered(socket, 3);
  assertEquals(told[0], { type: "stored", frame: "0:0", n: 1 });
  assertEquals(told.some(({ code }) => code === "too-many-unstored"), true);
});

Deno.test("a publisher is told when Kafka stays away, and goes on when it is back", async () => {
  await using service = await TestService.open({ timeoutMs: 1_000 });
  await using socket = await publisher(service);
  socket.socket.send(numberedJpeg(0));
  await answered(socket, 1);
  await service.proxy.stop();
  socket.socket.send(numberedJpeg(1));
  const [, lost] = await answered(socket, 2);
  assertMatch(lost.code, /^(kafka-unavailable|outcome-unknown)$/);
  service.proxy.start();
  await eventually("a frame is stored again", async () => {
    socket.socket.send(numberedJpeg(2));
    const count = answers(socket).length;
    const told = await eventually(
      "an answer",
      () => answers(socket).length > count && answers(socket).at(-1),
    );
    return told.type === "stored";
  });
});

Deno.test("what a publisher sent before it left is stored", async () => {
  await using service = await TestService.open();
  {
    await using socket = await publisher(service);
    for (let n = 0; n < 10; n++) socket.socket.send(numberedJpeg(n));
  }
  await eventually("all of them", async () => (await storedFrames(service, "cam")).length === 10);
  await eventually("it to be gone", () => service.connections === 0);
});

Deno.test("publishers are told bye when the service shuts down, and when there is no room", async () => {
  await using service = await TestService.open({ maxConnections: 1 });
  await using first = await publisher(service);
  await using second = await WsClient.open(`${service.url}/video/cam/publish`);
  assertEquals((await second.end()).code, 4504);
  service.drain();
  assertEquals((await first.end()).code, 4000);
  assertEquals(first.all("bye"), [{ type: "bye", reason: "draining" }]);
});

Deno.test("a publisher's address that is asked without an upgrade is a 426, a wrong one a 400", async () => {
  await using service = await TestService.open();
  const ask = (address: string) => fetch(`${service.url}/video/${address}`);
  await problem(await ask("cam/publish"), 426, "upgrade-required");
  await problem(await ask("a%20b/publish"), 400, "invalid-topic");
  await problem(await ask(`cam/publish?source=${"s".repeat(201)}`), 400, "invalid-source");
});
