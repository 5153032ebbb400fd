import { assertEquals } from "@std/assert";
import { SseClient, WsClient } from "../clients.ts";
import { eventually, quickly } from "../eventually.ts";
import { listOffsetsApi } from "../kafka/broker_proxy.ts";
import { placeOf } from "../kafka/hub_viewer.ts";
import { problem, TestService } from "./test_service.ts";

Deno.test("GET /topics/{topic}/events shows records of any kind, and where= leaves some out", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 1);
  await service.producer.sendAll("t", [
    { key: "a", value: '{"n": 12345678901234567890,\n"speed":60}', timestamp: 1_000 },
    { key: "b", value: "plain", timestamp: 1_001, headers: { unit: "m" } },
    { key: null, value: new Uint8Array([0xff]), timestamp: 1_002 },
    { key: "a", value: null, timestamp: 1_003 },
  ]);
  await using all = await SseClient.open(`${service.url}/topics/t/events?cursor=earliest`);
  await using fast = await SseClient.open(
    `${service.url}/topics/t/events?cursor=earliest&where=speed%3E50&where=n~1`,
  );
  const records = (client: SseClient) => client.events.filter(({ event }) => event === "record");
  await eventually("all records", () => records(all).length === 4 && records(fast).length === 1);
  const place = (offset: number) =>
    `"topic":"t","partition":0,"offset":${offset},"timestamp":${1_000 + offset}`;
  assertEquals(records(all).map(({ data }) => data), [
    `{${place(0)},"key":"a","value":{"n": 12345678901234567890,"speed":60}}`,
    `{${place(1)},"key":"b","value":"plain","headers":{"unit":"m"}}`,
    `{${place(2)},"key":null,"value":{"base64":"/w=="}}`,
    `{${place(3)},"key":"a","value":null}`,
  ]);
  assertEquals(records(fast)[0]!.data, records(all)[0]!.data);
});

Deno.test("GET /topics/{topic}/socket shows the same records, and refuses a topic that does not exist", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 1);
  await service.producer.sendAll("t", [{ value: '{"n":1}', timestamp: 1_000 }, {
    value: "2",
    timestamp: 1_001,
  }]);
  await using client = await WsClient.open(`${service.url}/topics/t/socket?cursor=earliest&where=n=1`);
  const { cursor, ...record } = await client.first("the record", ({ type }) => type === "record");
  const place = { topic: "t", partition: 0, offset: 0, timestamp: 1_000 };
  assertEquals(record, { type: "record", ...place, key: null, value: { n: 1 } });
  assertEquals(typeof cursor, "string");
  await using lost = await WsClient.open(`${service.url}/topics/missing/socket`);
  assertEquals((await lost.end()).code, 4503);
  assertEquals(lost.messages.at(-1).code, "unknown-topic");
});

Deno.test("the streams of topics refuse topics that do not exist, names that are none, and wrong conditions", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 1);
  await problem(await fetch(`${service.url}/topics/missing/events`), 404, "unknown-topic");
  await problem(await fetch(`${service.url}/topics/a%20b/events`), 400, "invalid-topic");
  await problem(await fetch(`${service.url}/topics/t/events?where=x`), 400, "invalid-where");
  assertEquals(service.broker.broker.state.log.topics.byName("missing"), undefined);
});

Deno.test("GET /topics lists topics, and GET /topics/{topic} tells of one", async () => {
  await using service = await TestService.open();
  await service.broker.createTopic("t", 2, { "cleanup.policy": "compact" });
  await service.broker.createTopic("empty", 1);
  await service.producer.sendAll("t", [{ key: "a", value: "1", partition: 1 }, {
    key: "b",
    value: "2",
    partition: 1,
  }]);
  const list = await fetch(`${service.url}/topics`);
  const found = ["content-type", "vary", "cache-control"].map((name) => list.headers.get(name));
  assertEquals(found, ["application/json", "Accept", "no-store"]);
  const { topics, serverTime } = await list.json();
  assertEquals(Math.abs(serverTime - Date.now()) < 60_000, true);
  const bytes = topics[1].bytes;
  assertEquals(bytes > 0, true);
  assertEquals(topics, [
    { name: "empty", partitions: 1, records: 0, bytes: 0 },
    { name: "t", partitions: 2, records: 2, bytes },
  ]);

  const { config, earliest, latest, serverTime: _, ...topic } = await (await fetch(`${service.url}/topics/t`))
    .json();
  assertEquals(topic, {
    name: "t",
    partitions: [
      { partition: 0, leader: 1, earliest: 0, latest: 0, records: 0, bytes: 0 },
      { partition: 1, leader: 1, earliest: 0, latest: 2, records: 2, bytes },
    ],
    records: 2,
    bytes,
  });
  assertEquals(config["cleanup.policy"], { value: "compact", isDefault: false });
  assertEquals([earliest, latest].map(placeOf), [[0, 0], [0, 2]]);
  await problem(await fetch(`${service.url}/topics/missing`), 404, "unknown-topic");
  await problem(await fetch(`${service.url}/topics/a%20b`), 400, "invalid-topic");
  await problem(await fetch(`${service.url}/topics`, { method: "POST" }), 405, "method-not-allowed");
  const page = await fetch(`${service.url}/topics`, { headers: { accept: "text/html" } });
  assertEquals(page.headers.get("content-type")?.startsWith("text/html"), true);
  await page.body?.cancel();
});

Deno.test("GET /topics answers for thousands of topics, and many who poll it, without much ado", async () => {
  await using service = await TestService.open();
  for (let n = 0; n < 2_000; n++) await service.broker.createTopic(`t${n}`, 1);
  const ask = () =>
    Promise.all(Array.from({ length: 50 }, async () => (await fetch(`${service.url}/topics`)).json()));
  const answers = await ask();
  assertEquals(service.proxy.count(listOffsetsApi), 2);
  for (const { topics } of answers) assertEquals(topics.length, 2_000);
  await quickly("the answers", 10_000, ask);
});
