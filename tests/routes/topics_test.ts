import { assertEquals } from "@std/assert";
import { SseClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { TestService } from "./test_service.ts";

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
