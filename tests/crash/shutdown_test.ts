/** SIGTERM and SIGINT: streams are told, what was accepted is finished, the process ends with 0 in time. @module */
import { assert, assertEquals, assertLess, assertStringIncludes } from "@std/assert";
import { SseClient, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { BrokerProxy } from "../kafka/broker_proxy.ts";
import { Service } from "../service.ts";
import { checkNothingLost, Poster, Watcher } from "./posting.ts";

/** So long that what ends within it was not cut short, on a busy machine too. */
const drainTimeoutMs = 45_000;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} says bye to every stream, finishes the posts it has taken, and ends with code 0 in time`, async () => {
    await using service = await Service.open({ settings: { DRAIN_TIMEOUT_MS: String(drainTimeoutMs) } });
    const stream = `${service.url}/geo/drain`;
    await using sse = await SseClient.open(`${stream}/events`);
    await using ws = await WsClient.open(`${stream}/socket`);
    await using seed = await WsClient.open(`${service.url}/consumer/drain`);
    await using watcher = new Watcher(`${stream}/events?cursor=earliest`);
    await using poster = new Poster(`${service.url}/producer/drain`, 8);
    await poster.more(100);

    const { code, seconds } = await service.terminate(signal);
    assertEquals(code, 0, service.log().slice(-2000));
    assertLess(seconds, drainTimeoutMs / 1000, "seconds until it ended");

    await sse.end();
    assertEquals(sse.ended, "clean", "the event stream ends, it is not cut off");
    assertEquals(sse.events.at(-1)?.event, "bye");
    const closed = await ws.end();
    assertEquals(ws.messages.at(-1)?.type, "bye");
    assert(closed.code === 4000 || closed.code === 1001, `close code ${closed.code}`);
    await seed.end();

    await service.start();
    await poster.more(50);
    await poster.stop();
    await checkNothingLost(service.bootstrap, "drain", poster, [watcher]);
    assertEquals(watcher.resumes, ["fresh", "exact"]);
  });
}

Deno.test("SIGTERM while Kafka is silent ends in DRAIN_TIMEOUT_MS all the same, and posts that wait are told", async () => {
  const drainTimeoutMs = 4_000, busySeconds = 20;
  await using broker = await Service.open({ command: "broker" });
  const [hostname, port] = broker.bootstrap.split(":") as [string, string];
  await using proxy = new BrokerProxy({ hostname, port: Number(port) });
  await using service = await Service.open({
    kafkaBrokers: proxy.bootstrap,
    settings: { DRAIN_TIMEOUT_MS: String(drainTimeoutMs) },
  });
  const post = () =>
    fetch(`${service.url}/producer/silent`, {
      method: "POST",
      body: JSON.stringify({ name: "a", lat: 1, lon: 2 }),
    }).then(async (response) => (await response.body?.cancel(), response.status), () => "cut");
  assertEquals(await post(), 200);
  proxy.onAnswer = () => "drop";
  const waiting = post();
  await eventually("the post at Kafka", () => proxy.requests.filter(({ api }) => api === 0).length === 2);

  const { code, seconds } = await service.terminate();
  assertEquals(code, 0, service.log().slice(-2000));
  assertStringIncludes(service.log(), "not drained in time");
  assertLess(seconds, drainTimeoutMs / 1000 + busySeconds, "seconds until it ended");
  assertEquals(await waiting, 503);
});
