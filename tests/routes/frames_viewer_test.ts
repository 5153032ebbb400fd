import { assert, assertEquals } from "@std/assert";
import { eventually, pause } from "../eventually.ts";
import { readFrame } from "./frames_client.ts";
import { committed, ids, leave, publish, watch } from "./frames_ground.ts";
import { binaryFrame, RawSocket, textFrame } from "./raw_socket.ts";
import { problem, TestService } from "./test_service.ts";

Deno.test("frames socket: what is acknowledged is committed, and the next connection goes on behind it", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 6 });
  const first = await watch(service, "/video/cam/socket?viewer=me");
  assertEquals(await first.has(6), ids(6), "a new viewer begins at the first frame");
  first.say({ type: "ack", frame: "0:2" });
  await eventually("the commit", () => `${committed(service, "me")}` === "3");
  first.say({ type: "ack", frame: "0:3" });
  await first.heard();
  await leave(service, first);
  assertEquals(committed(service, "me"), [4], "the last one at the close");

  const second = await watch(service, "/video/cam/socket?viewer=me");
  assertEquals((await second.hears("ready")).resume, "exact");
  assertEquals(await second.has(2), ["0:4", "0:5"]);
  await leave(service, second);
  assertEquals(committed(service, "me"), [4], "seen is what was acknowledged");

  await using elsewhere = await watch(service, "/video/cam/socket?viewer=me&cursor=t.0");
  assertEquals(await elsewhere.has(6), ids(6), "a cursor wins");
  elsewhere.say({ type: "ack", frame: "0:0" });
  await eventually("the commit", () => `${committed(service, "me")}` === "1");
  await using live = await watch(service, "/video/cam/socket?viewer=me&live=1");
  assertEquals(await live.has(1), ["0:5"], "the newest there is, even if no other one comes");
  await publish(service, { from: 6 });
  assertEquals(await live.has(2), ["0:5", "0:6"]);
});

Deno.test("frames socket: a position is the connection's place in all partitions", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("cam", 2);
  for (const partition of [0, 1]) await publish(service, { count: 3, partition });
  const viewer = await watch(service, "/video/cam/socket?viewer=two");
  await viewer.has(6);
  for (const frame of ["0:2", "1:0", "1:1"]) viewer.say({ type: "ack", frame });
  await viewer.heard();
  viewer.say({ type: "seek", cursor: "earliest" });
  await viewer.hears("ready", 2);
  await viewer.has(12);
  await leave(service, viewer);
  assertEquals(committed(service, "two"), [3, 2], "nothing was acknowledged since");
  const again = await watch(service, "/video/cam/socket?viewer=two");
  assertEquals(await again.has(1), ["1:2"]);
  again.say({ type: "seek", cursor: "earliest" });
  await again.hears("ready", 2);
  again.say({ type: "ack", frame: "1:0" });
  await again.heard();
  await leave(service, again);
  assertEquals(committed(service, "two"), [0, 1], "where it began and what it has seen since");
});

Deno.test("frames socket: while Kafka is away a viewer is told so, and goes on where it was when it is back", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 4 });
  const first = await watch(service, "/video/cam/socket?viewer=me");
  await first.has(4);
  first.say({ type: "ack", frame: "0:1" });
  await first.heard();
  await leave(service, first);
  await service.proxy.stop();
  await using waiting = await watch(service, "/video/cam/socket?viewer=me");
  await using elsewhere = await watch(service, "/video/cam/socket?viewer=me");
  for (const viewer of [waiting, elsewhere]) {
    assertEquals((await viewer.hears("status")).kafka, "down");
    viewer.say({ type: "ack", frame: "0:3" });
    assertEquals((await viewer.hears("error")).code, "unknown-frame", "nothing was shown yet");
  }
  elsewhere.say({ type: "seek", cursor: "earliest" });
  await elsewhere.heard();
  service.proxy.start();
  assertEquals(await waiting.has(2), ["0:2", "0:3"]);
  assertEquals((await elsewhere.has(4)).length, 4, "a seek wins");
  assertEquals(waiting.all("ready").map(({ resume }) => resume), ["exact"]);
  assertEquals(committed(service, "me"), [2]);
});

Deno.test("frames socket: the cookie names a viewer too, an empty viewer= none; then there is nothing to acknowledge", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 2 });
  const viewer = await watch(service, "/video/cam/socket?viewer=me");
  await viewer.has(2);
  viewer.say({ type: "ack", frame: "0:0" });
  await viewer.heard();
  await leave(service, viewer);
  const open = async (query: string) => {
    const raw = await RawSocket.open(service.port);
    await raw.request(
      `GET /video/cam/socket${query} HTTP/1.1\r\nHost: 127.0.0.1:${service.port}\r\nUpgrade: websocket\r\n` +
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
        "Cookie: a=b; viewer=me\r\n\r\n",
    );
    return raw;
  };
  using byCookie = await open("");
  assertEquals((await byCookie.next())?.opcode, textFrame);
  const { opcode, payload } = (await byCookie.next())!;
  assertEquals([opcode, readFrame(payload.slice().buffer).frame], [binaryFrame, "0:1"]);
  using nobody = await open("?viewer=");
  const ready = JSON.parse(new TextDecoder().decode((await nobody.next())!.payload));
  assertEquals([ready.type, ready.requested], ["ready", "latest"]);

  await using unnamed = await watch(service, "/video/cam/socket?cursor=earliest");
  await unnamed.has(2);
  for (const message of [{ frame: "0:1" }, { frame: "0:1", stream: "/video/x/socket" }]) {
    unnamed.say({ type: "ack", ...message });
  }
  await unnamed.heard();
  assertEquals(unnamed.all("error").map(({ code }) => code), ["no-viewer", "no-stream"]);
  const refused = await fetch(`${service.url}/video/cam/socket?viewer=${"x".repeat(65)}`);
  await problem(refused, 400, "invalid-viewer");
});

Deno.test("frames socket: an ack of what cannot be is an error, one that cannot be read ends the connection", async () => {
  await using service = await TestService.open();
  await publish(service);
  await using viewer = await watch(service, "/video/cam/socket?viewer=me");
  await viewer.has(1);
  for (const frame of ["1:0", "0:1", "0:99999"]) viewer.say({ type: "ack", frame });
  await eventually("three errors", () => viewer.all("error").length === 3);
  for (const { code } of viewer.all("error")) assertEquals(code, "unknown-frame");
  viewer.say({ type: "ack", frame: "first" });
  assertEquals(await viewer.end(), { code: 4501, reason: "malformed-message" });
  await service.positions.flush();
  assertEquals(committed(service, "me"), []);
});

Deno.test("frames socket: acknowledging every frame costs a commit a second at most", async () => {
  await using service = await TestService.open();
  await publish(service, { count: 3 });
  const viewer = await watch(service, "/video/cam/socket?viewer=me");
  await viewer.has(3);
  const offsetCommitApi = 8, before = service.proxy.count(offsetCommitApi), began = performance.now();
  for (let n = 0; n < 3_000; n++) viewer.say({ type: "ack", frame: `0:${n % 3}` });
  await viewer.heard();
  const most = 2 + Math.ceil((performance.now() - began) / 1_000);
  await leave(service, viewer);
  const commits = service.proxy.count(offsetCommitApi) - before;
  assert(commits >= 1 && commits <= most, `${commits} commits, ${most} at most`);
  assertEquals(committed(service, "me"), [3]);
});

Deno.test("frames socket: a client that is always behind and acknowledges every frame is not taken for one that reads nothing", async () => {
  await using service = await TestService.open();
  const count = 120;
  await publish(service, { count, bytes: 200_000 });
  using raw = await RawSocket.upgrade(service.port, "/video/cam/socket?viewer=me");
  for (let shown = 0; shown < count;) {
    const { opcode, payload } = (await raw.next())!;
    if (opcode !== binaryFrame) assertEquals(opcode, textFrame, `after ${shown} frames`);
    else {
      const { frame } = readFrame(payload.slice().buffer);
      assertEquals(frame, `0:${shown++}`);
      await pause(4); // what comes in that time fills the system's buffers
      for (let n = 0; n < 20; n++) await raw.frame(textFrame, JSON.stringify({ type: "ack", frame }));
    }
  }
  await eventually("the commit", () => `${committed(service, "me")}` === `${count}`);
});
