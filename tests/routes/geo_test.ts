import { assert, assertEquals, assertMatch } from "@std/assert";
import { postJson, SseClient, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { RawSocket, textFrame } from "./raw_socket.ts";
import { position, problem, TestService } from "./test_service.ts";

async function post(service: TestService, body: string, topic = "t", headers: Record<string, string> = {}) {
  return await fetch(`${service.url}/producer/${topic}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
}

Deno.test("GET /ping answers pong", async () => {
  await using service = await TestService.open();
  const response = await fetch(`${service.url}/ping`);
  assertEquals([response.status, await response.json()], [200, { ping: "pong!" }]);
});

Deno.test("POST /producer answers with what it wrote, after Kafka has acknowledged", async () => {
  await using service = await TestService.open();
  const before = Date.now();
  const { status, body } = await postJson(`${service.url}/producer/t`, {
    name: "tram 4",
    lat: 52.5,
    lon: 13.4,
  });
  assertEquals(status, 200);
  assertEquals(Object.keys(body).toSorted(), ["message_id", "name", "timestamp", "topic"]);
  assertEquals([body.name, body.topic], ["tram 4", "t"]);
  assertMatch(
    body.message_id,
    /^tram 4_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assertEquals(new Date(body.timestamp).toISOString(), body.timestamp);
  assert(Date.parse(body.timestamp) >= before && Date.parse(body.timestamp) <= Date.now());

  const { records: [record] } = await service.hub.history.read("t", 0, 0);
  assertEquals(new TextDecoder().decode(record!.key!), "tram 4");
  assertEquals(JSON.parse(new TextDecoder().decode(record!.value!)), {
    name: "tram 4",
    message_id: body.message_id,
    timestamp: body.timestamp,
    lat: 52.5,
    lon: 13.4,
  });
  assertEquals(record!.timestamp, Date.parse(body.timestamp));
});

Deno.test("POST /producer takes a batch and answers in its order", async () => {
  await using service = await TestService.open();
  const batch = Array.from({ length: 300 }, (_, n) => position(`mover ${n % 7}`, n / 10 - 15));
  const { status, body } = await postJson(`${service.url}/producer/t`, batch);
  assertEquals(status, 200);
  assertEquals(body.map(({ name }: { name: string }) => name), batch.map(({ name }) => name));
  assertEquals(new Set(body.map(({ message_id }: { message_id: string }) => message_id)).size, 300);
  assertEquals((await postJson(`${service.url}/producer/t`, [])).body, []);
});

Deno.test("POST /producer answers 422 with one entry for each wrong field", async () => {
  await using service = await TestService.open();
  const wrong: [body: unknown, pointers: string[]][] = [
    [{}, ["/lat", "/lon", "/name"]],
    [{ name: "", lat: 1, lon: 1 }, ["/name"]],
    [{ name: "a\u0000b", lat: 1, lon: 1 }, ["/name"]],
    [{ name: 5, lat: "1", lon: null }, ["/lat", "/lon", "/name"]],
    [{ name: "a", lat: 90, lon: -180 }, ["/lat", "/lon"]],
    [{ name: "a", lat: -90, lon: 180 }, ["/lat", "/lon"]],
    [{ name: "a", lat: 1, lon: 1, "a/b~c": 1, alt: 2 }, ["/alt", "/a~1b~0c"]],
    [null, [""]],
    ["text", [""]],
    [7, [""]],
    [[position("a", 1), { name: "b", lat: 100 }, "text"], ["/1/lat", "/1/lon", "/2"]],
    [[[position("a", 1)]], ["/0"]],
  ];
  for (const [body, pointers] of wrong) {
    const told = await problem(await post(service, JSON.stringify(body)), 422, "invalid-position");
    const found = told.errors.map(({ pointer }: { pointer: string }) => pointer);
    assertEquals(found.toSorted(), pointers, JSON.stringify(body));
    for (const { detail } of told.errors) assert(typeof detail === "string" && detail.length > 3);
    assertEquals(told.instance, "/producer/t");
  }
  const exponent = await post(service, '{"name":"a","lat":1e999,"lon":1}');
  assertEquals((await problem(exponent, 422, "invalid-position")).errors[0].pointer, "/lat");
  assertEquals(service.proxy.requests.length, 0, "Kafka has not been asked");
});

Deno.test("POST /producer refuses what is no JSON, too much, or to no topic", async () => {
  await using service = await TestService.open({ maxBodyBytes: 300_000 });
  for (const body of ["", "{", "nonsense", "[1,", '{"name":"a",}', "\ufeff", "NaN"]) {
    await problem(await post(service, body), 422, "invalid-json");
  }
  await problem(await post(service, `"${"x".repeat(300_000)}"`), 413, "body-too-large");
  await problem(await post(service, JSON.stringify(Array(10_001).fill(1))), 413, "too-many-positions");
  await problem(await post(service, JSON.stringify(position("a", 1)), "a%20b"), 400, "invalid-topic");
  const told = await problem(
    await post(service, JSON.stringify(Array(500).fill({}))),
    422,
    "invalid-position",
  );
  assertEquals(told.errors.length, 100, "as many as anyone reads");
  await problem(await fetch(`${service.url}/producer/t`), 405, "method-not-allowed");
});

Deno.test("POST /producer answers 503 in time while Kafka is away, and 200 when it is back", async () => {
  await using service = await TestService.open({ timeoutMs: 300 });
  await service.proxy.stop();
  const response = await post(service, JSON.stringify(position("a", 1)));
  assertEquals(response.headers.get("retry-after"), "1");
  await problem(response, 503, "kafka-unavailable");
  service.proxy.start();
  await eventually("a post that is taken", async () => {
    const answer = await post(service, JSON.stringify(position("a", 1)));
    await answer.body?.cancel();
    return answer.status === 200;
  });
});

Deno.test("bbox lets positions inside through, also across the antimeridian, edges included", async () => {
  await using service = await TestService.open();
  const places = [[0, 0], [10, 20], [-10, -20], [0, 179], [0, -179], [0, 180], [10.001, 0], [85, 0]] as const;
  await service.send("t", places.map(([lat, lon], n) => position(`p${n}`, lat, lon)));
  const boxes: [bbox: string, inside: number[]][] = [
    ["-20,-10,20,10", [0, 1, 2]],
    ["170,-10,-170,10", [3, 4, 5]],
    ["-180,-90,180,90", [0, 1, 2, 3, 4, 5, 6, 7]],
    ["0,0,0,0", [0]],
    [" 19 , 9 , 21 , 11 ", [1]],
    ["1,1,2,2", []],
  ];
  for (const [bbox, inside] of boxes) {
    const query = `?cursor=earliest&bbox=${encodeURIComponent(bbox)}`;
    await using sse = await SseClient.open(`${service.url}/geo/t/events${query}`);
    await using ws = await WsClient.open(`${service.url}/geo/t/socket${query}`);
    const names = inside.map((n) => `p${n}`);
    await eventually(
      bbox,
      () => sse.all("position").length >= names.length && ws.all("position").length >= names.length,
    );
    assertEquals(sse.all("position").map(({ name }) => name), names, bbox);
    assertEquals(ws.all("position").map(({ name }) => name), names, bbox);
  }
  for (
    const bbox of [
      "",
      "1,2,3",
      "1,2,3,4,5",
      "a,b,c,d",
      "0,10,0,-10",
      "-181,0,0,0",
      "0,0,0,91",
      "0,,0,0",
      "NaN,0,0,0",
    ]
  ) {
    await problem(await fetch(`${service.url}/geo/t/events?bbox=${bbox}`), 400, "invalid-bbox");
  }
});

Deno.test("key lets only records with such a key through, and goes together with bbox", async () => {
  await using service = await TestService.open();
  await service.send("t", [position("a", 1), position("b", 2), position("c", 3), position("a", 50)]);
  await service.send("t", [position("a", 4)], { key: "other" });
  const lats = async (query: string, count: number) => {
    await using viewer = await SseClient.open(`${service.url}/geo/t/events?cursor=earliest&${query}`);
    await eventually(query, () => viewer.all("position").length >= count);
    return viewer.all("position").map(({ lat }) => lat);
  };
  assertEquals(await lats("key=a", 2), [1, 50]);
  assertEquals(await lats("key=a&key=c", 3), [1, 3, 50]);
  assertEquals(await lats("key=a&key=c&bbox=-1,0,1,10", 2), [1, 3]);
  assertEquals(await lats("key=other", 1), [4]);
});

Deno.test("records that foreign programs wrote are shown as far as they are positions", async () => {
  await using service = await TestService.open();
  const at = Date.UTC(2024, 0, 1);
  await service.send("t", [{ ...position("bare", 90, 180), speed: 30 }], { timestamp: at });
  const junk = [
    "",
    "{",
    "null",
    "[]",
    '"x"',
    '{"name":"","lat":1,"lon":1}',
    '{"name":"a","lat":91,"lon":1}',
    "\xff",
  ];
  await service.producer.sendAll("t", [...junk, null].map((value) => ({ value })));
  await service.send("t", [position("last", 1)]);
  await using viewer = await SseClient.open(`${service.url}/geo/t/events?cursor=earliest`);
  await eventually("both", () => viewer.all("position").length === 2);
  const [bare, last] = viewer.all("position");
  assertEquals(bare, {
    topic: "t",
    partition: 0,
    offset: 0,
    name: "bare",
    message_id: "bare_0:0",
    timestamp: "2024-01-01T00:00:00.000Z",
    at,
    lat: 90,
    lon: 180,
  });
  assertEquals(last.name, "last");
});

Deno.test("WS /consumer greets, sends single records of the end of the log, and echoes", async () => {
  await using service = await TestService.open();
  await service.send("t", [position("before", 1)]);
  await using viewer = await WsClient.open(`${service.url}/consumer/t?cursor=earliest`);
  await eventually("the greeting", () => viewer.texts.length === 1);
  assertEquals(viewer.texts, ['{"Message: ":"connected"}']);
  await service.send(
    "t",
    Array.from({ length: 20 }, (_, n) => ({ ...position("tram", n), message_id: `m${n}`, timestamp: "now" })),
  );
  viewer.socket.send('hello "you"');
  await eventually("all", () => viewer.texts.length === 22);
  const records = viewer.messages.filter((message) => message.name === "tram");
  assertEquals(records[3], { topic: "t", timestamp: "now", name: "tram", message_id: "m3", lat: 3, lon: 0 });
  assertEquals(records.map(({ lat }) => lat), Array.from({ length: 20 }, (_, n) => n));
  assertEquals(viewer.texts.filter((text) => text.includes("\n")), [], "one record a message");
  assertEquals(viewer.messages.filter((message) => "Message: " in message).at(-1), {
    "Message: ": 'hello "you"',
  });
});

Deno.test("WS /consumer greets first, whatever the client says before; what it says is not kept without end", async () => {
  await using service = await TestService.open();
  await service.proxy.stop();
  await using viewer = await WsClient.open(`${service.url}/consumer/t`);
  for (const text of ["one", "two"]) viewer.socket.send(text);
  using chatty = await RawSocket.upgrade(service.port, "/consumer/t");
  for (let n = 0; n < 17; n++) await chatty.frame(textFrame, "x");
  assertEquals(await chatty.closeCode(), 4501);
  assertEquals(viewer.texts, []);
  service.proxy.start();
  await eventually("the greeting", () => viewer.texts.length === 3);
  assertEquals(viewer.messages.map((message) => message["Message: "]), ["connected", "one", "two"]);
});

Deno.test("WS /consumer tells nothing of Kafka's absence, and goes on", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t");
  await using viewer = await WsClient.open(`${service.url}/consumer/t`);
  await eventually("the greeting", () => viewer.texts.length === 1);
  await service.proxy.stop();
  await service.send("t", [position("a", 1)]);
  service.proxy.start();
  await eventually("the position", () => viewer.texts.length === 2);
  assertEquals(viewer.messages[1].name, "a");
});

Deno.test("posts and deliveries are counted", async () => {
  await using service = await TestService.open();
  await using viewer = await SseClient.open(`${service.url}/geo/t/events`);
  await viewer.first("ready");
  await postJson(`${service.url}/producer/t`, [position("a", 1), position("b", 2)]);
  await postJson(`${service.url}/producer/t`, [position("a", 1), position("b", 200)]);
  await eventually("both", () => viewer.all("position").length === 2);
  const text = await service.metrics.text();
  const value = (pattern: RegExp) => Number(pattern.exec(text)?.[1]);
  assertEquals(value(/^tailrace_posts_total\{[^}]*outcome="acknowledged"[^}]*\} (\d+)$/m), 2);
  assertEquals(value(/^tailrace_posts_total\{[^}]*outcome="invalid"[^}]*\} (\d+)$/m), 2);
  assertEquals(value(/^tailrace_deliveries_total\{transport="sse"\} (\d+)$/m), 2);
  assertEquals(value(/^tailrace_delivery_delay_seconds_count (\d+)$/m), 2);
});
