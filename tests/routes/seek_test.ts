import { assert, assertEquals } from "@std/assert";
import { WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { Random } from "../random.ts";
import { RawSocket, textFrame } from "./raw_socket.ts";
import { position, TestService } from "./test_service.ts";

function say(client: WsClient, message: object): void {
  client.socket.send(JSON.stringify(message));
}

// deno-lint-ignore no-explicit-any
type Message = any;

/** The messages since the `nth` ready, that one included. */
function since(client: WsClient, nth: number): Message[] {
  const { messages } = client;
  let count = 0;
  const at = messages.findIndex(({ type }) => type === "ready" && ++count === nth);
  return at < 0 ? [] : messages.slice(at);
}

function lats(messages: readonly Message[]): number[] {
  return messages.filter(({ type }) => type === "position").map(({ lat }) => lat);
}

async function positions(
  service: TestService,
  count: number,
  topic = "t",
  timestamps?: (n: number) => number,
) {
  for (let n = 0; n < count; n++) {
    await service.send(topic, [position("x", n)], timestamps ? { timestamp: timestamps(n) } : {});
  }
}

Deno.test("seek goes to any place on the same socket, with a ready that says where", async () => {
  await using service = await TestService.open();
  await positions(service, 10, "t", (n) => 1_000 + n);
  await using viewer = await WsClient.open(`${service.url}/geo/t/socket`);
  await viewer.first("ready", ({ type }) => type === "ready");
  const seeks: [cursor: string, wanted: number[]][] = [
    ["earliest", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ["t.1007", [7, 8, 9]],
    ["latest", []],
  ];
  let readies = 1;
  for (const [cursor, wanted] of seeks) {
    say(viewer, { type: "seek", cursor });
    readies++;
    await eventually(
      `${cursor}`,
      () => lats(since(viewer, readies)).length >= wanted.length && since(viewer, readies).length > 0,
    );
    const [ready] = since(viewer, readies);
    assertEquals([ready.resume, ready.requested, ready.start], ["fresh", cursor, ready.cursor]);
    assertEquals(lats(since(viewer, readies)), wanted, cursor);
  }
  const { cursor } = viewer.all("position").find(({ lat }) => lat === 4);
  say(viewer, { type: "seek", cursor });
  await eventually("the rest", () => lats(since(viewer, 5)).length === 5);
  assertEquals([since(viewer, 5)[0].resume, lats(since(viewer, 5))], ["exact", [5, 6, 7, 8, 9]]);
  await service.send("t", [position("x", 10)]);
  await eventually("what is new", () => lats(since(viewer, 5)).length === 6);
  say(viewer, { type: "seek", cursor: "v1.00000000.0:3" });
  await eventually("the reset", () => since(viewer, 6).length > 0);
  assertEquals([since(viewer, 6)[0].resume, since(viewer, 6)[0].reason], ["reset", "foreign-cluster"]);
});

Deno.test("a seek that is none: error, then 4501", async () => {
  await using service = await TestService.open();
  for (const message of [{ type: "seek" }, { type: "seek", cursor: 5 }, { type: "speed", speed: "2" }]) {
    await using viewer = await WsClient.open(`${service.url}/geo/t/socket`);
    say(viewer, message);
    assertEquals(await viewer.end(), { code: 4501, reason: "malformed-message" });
    const [{ code, detail }] = viewer.all("error");
    assertEquals(code, "malformed-message");
    assert(detail.includes(message.type) && detail.includes("is wanted"), detail);
  }
});

Deno.test("seek while paused: ready is told, records wait for resume", async () => {
  await using service = await TestService.open();
  await positions(service, 5);
  await using viewer = await WsClient.open(`${service.url}/geo/t/socket`);
  await viewer.first("ready", ({ type }) => type === "ready");
  say(viewer, { type: "pause" });
  say(viewer, { type: "seek", cursor: "earliest" });
  await eventually("ready", () => viewer.all("ready").length === 2);
  say(viewer, { type: "ping" });
  await eventually("pong", () => viewer.all("pong").length === 1);
  assertEquals(viewer.all("position"), []);
  say(viewer, { type: "resume" });
  await eventually("all", () => lats(since(viewer, 2)).length === 5);
  assertEquals(lats(since(viewer, 2)), [0, 1, 2, 3, 4]);
});

Deno.test("seek of a subscription moves it alone", async () => {
  await using service = await TestService.open();
  for (const topic of ["a", "b"]) await positions(service, 3, topic);
  const stream = "/geo/b/events";
  await using viewer = await WsClient.open(`${service.url}/geo/a/socket`);
  say(viewer, { type: "subscribe", stream });
  await eventually("both", () => viewer.all("ready").length === 2);
  say(viewer, { type: "seek", cursor: "earliest", stream });
  await eventually("all", () => viewer.all("position").length === 3);
  assertEquals(viewer.all("position").map((each) => each.stream), [stream, stream, stream]);
  assertEquals(viewer.all("ready").map((each) => each.stream), [undefined, stream, stream]);
});

Deno.test("a client that seeks again and again while records come sees each place whole and in order", async () => {
  await using service = await TestService.open({ ringBytes: 200_000 });
  await service.broker.createTopic("t", 3);
  await using viewer = await WsClient.open(`${service.url}/geo/t/socket?cursor=earliest`);
  await viewer.first("ready", ({ type }) => type === "ready");
  const count = 1_000, seeks = 60, random = new Random("seeks");
  const sending = (async () => {
    for (let n = 0; n < count; n += 5) {
      const partition = (n / 5) % 3;
      await service.send("t", Array.from({ length: 5 }, (_, i) => position("x", (n + i) / count)), {
        partition,
      });
    }
  })();
  for (let n = 0; n < seeks; n++) {
    const known = viewer.all("position");
    const id = known[random.between(0, Math.max(0, known.length - 1))]?.cursor;
    const places = ["earliest", "latest", id ?? "earliest", id ?? "latest", `t.${Date.now() - 50}`];
    const cursor = places[random.between(0, places.length - 1)]!;
    say(viewer, { type: "seek", cursor });
    if (random.between(0, 2) > 0) continue; // the next one comes before this one has an answer
    say(viewer, { type: "ping" });
    const pongs = viewer.all("pong").length;
    await eventually("pong", () => viewer.all("pong").length > pongs);
  }
  await sending;
  const before = viewer.all("ready").length;
  say(viewer, { type: "seek", cursor: "earliest" });
  const last = () => since(viewer, viewer.all("ready").length);
  await eventually(
    "everything",
    () => viewer.all("ready").length > before && lats(last()).length >= count,
    30_000,
    () => ({ before, readies: viewer.all("ready").length, got: lats(last()).length, last: last().at(-1) }),
  );
  let next = new Map<number, number>(), readies = 0;
  for (const message of viewer.messages) {
    if (message.type === "ready") {
      next = new Map();
      for (const part of message.start.split(".")[2].split(",")) {
        const [partition, offset] = part.split(":").map(Number);
        next.set(partition, offset + 1);
      }
      readies++;
    } else if (message.type === "position") {
      assertEquals(message.offset, next.get(message.partition), `after ready ${readies}`);
      next.set(message.partition, message.offset + 1);
    } else assertEquals(message.type, "pong");
  }
  assert(readies <= seeks + 2, `${readies} readies`);
  const whole = lats(since(viewer, readies));
  assertEquals(whole.toSorted((a, b) => a - b), Array.from({ length: count }, (_, n) => n / count));
  assertEquals(service.hub.size, 1);
});

Deno.test("thousands of seeks at once cost one answer each at most, and hold nobody up", async () => {
  await using service = await TestService.open();
  await positions(service, 50);
  await using good = await WsClient.open(`${service.url}/geo/t/socket`);
  await good.first("ready", ({ type }) => type === "ready");
  using raw = await RawSocket.upgrade(service.port, "/geo/t/socket");
  for (let n = 0; n < 2_000; n++) {
    const cursor = ["earliest", `t.${n}`, "latest"][n % 3]!;
    await raw.frame(textFrame, JSON.stringify({ type: "seek", cursor }));
  }
  await service.send("t", [position("x", 50)]);
  await eventually("it", () => lats(good.messages).includes(50));
});

Deno.test("speed replays in the pace of the records, null as fast as they are read", async () => {
  await using service = await TestService.open();
  const hour = 3_600_000;
  await positions(service, 5, "t", (n) => 1_700_000_000_000 + n * hour);
  await using viewer = await WsClient.open(`${service.url}/geo/t/socket?cursor=earliest&speed=1`);
  await viewer.first("the first", ({ type }) => type === "position");
  say(viewer, { type: "ping" });
  await eventually("pong", () => viewer.all("pong").length === 1);
  assertEquals(viewer.all("position").length, 1, "the second one is due in an hour");
  say(viewer, { type: "speed", speed: null });
  await eventually("all", () => viewer.all("position").length === 5);
  say(viewer, { type: "speed", speed: 1 });
  say(viewer, { type: "seek", cursor: "earliest" });
  await eventually("the first again", () => lats(since(viewer, 2)).length === 1);
  say(viewer, { type: "pause" });
  say(viewer, { type: "speed", speed: null });
  say(viewer, { type: "ping" });
  await eventually("pong", () => viewer.all("pong").length === 2);
  assertEquals(lats(since(viewer, 2)), [0]);
  say(viewer, { type: "resume" });
  await eventually("all again", () => lats(since(viewer, 2)).length === 5);
});

Deno.test("random messages on a socket of many streams: each stream is whole and in order from every ready on", async () => {
  await using service = await TestService.open({ ringBytes: 100_000 });
  const topics = ["a", "b", "c"], partitions = 2;
  for (const topic of topics) await service.broker.createTopic(topic, partitions);
  const random = new Random("random messages");
  const streams = topics.flatMap((topic) => [`/geo/${topic}/events`, `/geo/${topic}/events?cursor=earliest`]);
  const pickOne = <T>(items: readonly T[]) => items[random.between(0, items.length - 1)]!;
  await using viewer = await WsClient.open(`${service.url}/geo/a/socket?cursor=earliest`);
  let isOver = false;
  const sending = (async () => {
    for (let n = 0; !isOver || n < 100; n++) {
      await service.send(topics[n % 3]!, [position("x", n % 90), position("x", n % 90)], {
        partition: n % 2,
      });
    }
  })();
  for (let step = 0; step < 300; step++) {
    const stream = pickOne([undefined, ...streams]);
    const cursor = pickOne(["earliest", "latest", viewer.all("position").at(-1)?.cursor ?? "latest"]);
    const message = pickOne<object>([
      { type: "subscribe", stream: stream ?? streams[0] },
      { type: "unsubscribe", stream: stream ?? streams[0] },
      { type: "seek", stream, cursor },
      { type: "pause", stream },
      { type: "resume", stream },
      { type: "speed", stream, speed: pickOne([null, 1, 1_000]) },
    ]);
    say(viewer, message);
    if (step % 5 > 0) continue;
    const pongs = viewer.all("pong").length;
    say(viewer, { type: "ping" });
    await eventually("pong", () => viewer.all("pong").length > pongs);
  }
  isOver = true;
  await sending;
  for (const stream of [undefined, ...streams]) {
    for (const type of ["unsubscribe", "subscribe"]) if (stream) say(viewer, { type, stream });
    say(viewer, { type: "speed", stream, speed: null });
    say(viewer, { type: "resume", stream });
    say(viewer, { type: "seek", stream, cursor: "earliest" });
  }
  const ends = new Map<string, number>();
  for (const topic of topics) {
    await using whole = await WsClient.open(`${service.url}/geo/${topic}/socket?cursor=earliest`);
    await service.send(topic, [position("last", 1)], { partition: 0 });
    await whole.first("the last", ({ name }) => name === "last");
    ends.set(topic, whole.all("position").filter(({ partition }) => partition === 0).length);
  }
  const isAtEnd = (stream: string | undefined) => {
    const topic = stream?.split("/")[2] ?? "a";
    const last = viewer.messages.findLast((each) =>
      each.stream === stream && each.type !== "error" && each.partition === 0
    );
    return last?.type === "position" && last.offset === ends.get(topic)! - 1;
  };
  await eventually(
    "all to be at the end",
    () => [undefined, ...streams].every(isAtEnd),
    30_000,
    () => [undefined, ...streams].filter((stream) => !isAtEnd(stream)),
  );
  const next = new Map<string, number>();
  for (const message of viewer.messages) {
    if (message.type === "ready") {
      for (const part of message.start.split(".")[2].split(",")) {
        const [partition, offset] = part.split(":").map(Number);
        next.set(`${message.stream} ${partition}`, offset + 1);
      }
    } else if (message.type === "position") {
      const place = `${message.stream} ${message.partition}`;
      assertEquals(message.offset, next.get(place), place);
      next.set(place, message.offset + 1);
    }
  }
  const readies = viewer.all("ready").length;
  assert(readies > 20, `${readies} readies`);
});
