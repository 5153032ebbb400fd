import { assert, assertEquals, assertMatch } from "@std/assert";
import { composeId } from "../../routes/multiplex.ts";
import { SseClient, type SseEvent } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { CountedWindows, minute, t0 } from "./aggregation_ground.ts";
import { RawSocket } from "./raw_socket.ts";
import { problem, TestService } from "./test_service.ts";

const sizes = ["1m", "5m"];

interface Shown {
  readonly size: string;
  readonly video_uid: string;
  readonly count: number;
  readonly window_start: number;
  readonly late: number;
  readonly final: boolean;
}

/** Windows as `size id minute count`, with `*` for finished ones. */
function shown(events: readonly { event: string; data: string }[]): string[] {
  return events.filter(({ event }) => event === "window").map(({ data }) => text(JSON.parse(data)));
}

function text({ size, video_uid, window_start, count, late, final }: Shown): string {
  const more = late > 0 ? ` late ${late}` : "";
  return `${size} ${video_uid} ${(window_start - t0) / minute} ${count}${final ? "*" : ""}${more}`;
}

/** The finished windows that came from the log. */
function logged(events: readonly SseEvent[]): string[] {
  return events.filter(({ event, data }) => event === "window" && "offset" in JSON.parse(data))
    .map(({ data }) => text(JSON.parse(data)));
}

Deno.test("/aggregations/events tells what there is, then windows as they fill and finish", async () => {
  await using service = await TestService.open({ windows: sizes });
  await using counted = await CountedWindows.open(service.broker, sizes);
  for (let i = 0; i < 3; i++) counted.finish("a", "1m", t0 + i * minute, i + 1);
  await counted.fill("a", { [t0]: 6, [t0 + 3 * minute]: 4 }).finish("b", "1m", t0, 8).commit(t0 + 3 * minute);
  await service.aggregations.loaded;
  await using viewer = await SseClient.open(`${service.url}/aggregations/events?id=a&id=c`);
  assertEquals(viewer.response.headers.get("content-type"), "text/event-stream");
  await eventually("what there is", () => viewer.all("window").length === 3);
  assert(viewer.retryMs! >= 2_000 && viewer.retryMs! <= 5_000);
  const [ready, ...windows] = viewer.events;
  assertEquals(ready!.event, "ready");
  const { resume, requested, start, skipped, serverTime } = JSON.parse(ready!.data);
  assertEquals([resume, requested, start, skipped], ["fresh", "latest", ready!.id, 0]);
  assert(Math.abs(serverTime - Date.now()) < 60_000);
  assertMatch(start, /^m1\.v1\.[0-9a-f]{8}\.0:\d+;v1\.[0-9a-f]{8}\.0:-1$/);
  assertEquals(shown(windows), ["1m a 2 3*", "1m a 3 4", "5m a 0 10"]);
  assert(windows.every(({ id }) => id === start), "what there is has no place of its own");

  await counted.fill("a", { [t0]: 6, [t0 + 3 * minute]: 5 }).fill("b", { [t0 + 3 * minute]: 9 }).commit();
  await viewer.first("window", ({ size, count }) => size === "1m" && count === 5);
  await counted.finish("a", "1m", t0 + 3 * minute, 5).finish("b", "1m", t0 + 3 * minute, 9).commit();
  const last = await viewer.first("window", ({ final, count }) => final && count === 5);
  assertEquals([last.type, last.topic, last.partition, last.late, last.window_end], [
    "1min",
    "1_minute_aggregation_topic",
    0,
    0,
    t0 + 4 * minute,
  ]);
  await counted.finish("a", "5m", t0, 11).finish("c", "1m", t0, 0, 2).commit();
  await viewer.first("window", ({ size, final }) => size === "5m" && final);
  await viewer.first("window", ({ video_uid }) => video_uid === "c");
  assertEquals(logged(viewer.events).toSorted(), ["1m a 3 5*", "1m c 0 0* late 2", "5m a 0 11*"]);
  assertEquals(new Set(shown(viewer.events).filter((one) => one.includes(" b "))).size, 0, "not asked for");
  assertEquals([viewer.all("ready").length, service.connections, service.hub.size], [1, 1, 2]);
});

Deno.test("/aggregations/events cut after any event and resumed: no finished window is lost, none comes twice", async () => {
  await using service = await TestService.open({ windows: sizes, maxConnections: 100 });
  await using counted = await CountedWindows.open(service.broker, sizes, 2);
  await service.aggregations.loaded;
  for (const query of ["id=a,b", "size=1m&id=a&id=b"]) {
    const url = `${service.url}/aggregations/events?${query}`;
    await using whole = await SseClient.open(url);
    await whole.first("ready");
    const base = query.length * 100;
    for (let i = base; i < base + 5; i++) {
      counted.finish("a", "1m", t0 + i * minute, i).finish("b", "1m", t0 + i * minute, i);
      counted.finish("other", "1m", t0 + i * minute, i);
      if (i % 5 === 4) counted.finish("a", "5m", t0 + (i - 4) * minute, i);
      await counted.commit(t0 + i * minute);
    }
    const total = query.includes("size") ? 10 : 11;
    await eventually("everything", () => logged(whole.events).length === total);
    const all = logged(whole.events).toSorted();
    assertEquals(new Set(all).size, total);
    const ids = new Set(whole.events.map(({ id }) => id));
    assert(ids.size > total / 2, "finished windows have places");
    for (const [index, { id }] of whole.events.entries()) {
      const seen = logged(whole.events.slice(0, index + 1));
      await using resumed = await SseClient.open(url, { lastEventId: id });
      const ready = await resumed.first("ready");
      assertEquals([ready.resume, ready.requested, ready.start], ["exact", id, id]);
      await eventually("the rest", () => seen.length + logged(resumed.events).length >= total);
      assertEquals([...seen, ...logged(resumed.events)].toSorted(), all, `cut after event ${index}: ${id}`);
      const finals = resumed.all("window").filter(({ final }) => final);
      assertEquals(finals.length, total - seen.length, "only what is in the log is told as finished");
    }
    await using again = await SseClient.open(`${url}&cursor=${whole.events.at(-1)!.id}`);
    assertEquals((await again.first("ready")).resume, "exact");
    await using past = await SseClient.open(`${url}&cursor=earliest&until=latest`);
    await past.end();
    assertEquals(logged(past.events).slice(-total).toSorted(), all);
    assertEquals(past.events.filter(({ event }) => event === "end").length, 1);
    const over = await fetch(`${url}&cursor=earliest&until=latest`, {
      headers: { "last-event-id": past.lastEventId },
    });
    assertEquals([over.status, await over.text()], [204, ""]);
  }
});

Deno.test("/aggregations/events begins while windows finish: the last one told and those that follow are all there are, each once", async () => {
  await using service = await TestService.open({ windows: sizes, maxConnections: 200 });
  await using counted = await CountedWindows.open(service.broker, sizes);
  await service.aggregations.loaded;
  await counted.finish("a", "1m", t0, 0).finish("a", "5m", t0, 0).commit();
  const count = 60, viewers: SseClient[] = [];
  const counting = (async () => {
    for (let i = 1; i <= count; i++) {
      await counted.finish("a", "1m", t0 + i * minute, i).finish("a", "5m", t0 + i * 5 * minute, i).commit();
    }
  })();
  await using stack = new AsyncDisposableStack();
  for (let i = 0; i < 40; i++) {
    viewers.push(stack.use(await SseClient.open(`${service.url}/aggregations/events?id=a`)));
  }
  await counting;
  for (const viewer of viewers) {
    for (const size of sizes) {
      const numbers = () =>
        viewer.all("window").filter((one) => one.size === size && one.final).map(({ count }) => count);
      await eventually("the last one", () => numbers().includes(count));
      const [first] = numbers();
      assertEquals(numbers(), Array.from({ length: count + 1 - first! }, (_, i) => first! + i));
    }
  }
});

Deno.test("/aggregations/events refuses what it cannot use, and tells a place that does not fit", async () => {
  await using service = await TestService.open({ windows: sizes });
  await using counted = await CountedWindows.open(service.broker, sizes);
  await counted.finish("a", "1m", t0, 1).commit(t0 + minute);
  await service.aggregations.loaded;
  const url = `${service.url}/aggregations/events`;
  await problem(await fetch(`${url}?id=a&size=2m`), 400, "invalid-size");
  await problem(await fetch(`${url}?id=%ff`), 400, "invalid-video");
  await problem(await fetch(`${url}?id=a&cursor=nonsense`), 400, "invalid-cursor");
  await problem(await fetch(`${url}?id=a&cursor=m1.;;`), 400, "invalid-cursor");
  await problem(await fetch(`${service.url}/aggregations/2m/events`), 404, "unknown-size");
  for (const lastEventId of ["nonsense", composeId(["", "", ""]), "v1.00000000.0:1"]) {
    await using viewer = await SseClient.open(`${url}?id=a`, { lastEventId });
    const ready = await viewer.first("ready");
    assertEquals([ready.resume, ready.reason, ready.requested], ["reset", "malformed", lastEventId]);
    await viewer.first("window");
    assertEquals(shown(viewer.events), ["1m a 0 1*"], "what there is, as at the beginning");
  }
  await using foreign = await SseClient.open(`${url}?id=a&size=1m`, { lastEventId: "v1.00000000.0:1" });
  assertEquals((await foreign.first("ready")).reason, "foreign-cluster");
  await foreign.first("window");
  await using all = await SseClient.open(`${url}?size=1m`);
  await all.first("ready");
  await counted.finish("somebody", "1m", t0, 5).commit();
  assertEquals((await all.first("window")).video_uid, "somebody", "without id finished windows of all");
  await using plain = await SseClient.open(`${service.url}/aggregations/1m/events?key=a&cursor=earliest`);
  const { size, count, final, offset } = await plain.first("window");
  assertEquals([size, count, final, offset], ["1m", 1, true, 0]);
  service.drain();
  await foreign.end();
  assertEquals(foreign.all("bye"), [{ reason: "draining" }]);
});

Deno.test("/aggregations/events tells once that Kafka is away, and that it is back", async () => {
  await using service = await TestService.open({ windows: sizes });
  await using counted = await CountedWindows.open(service.broker, sizes);
  await service.aggregations.loaded;
  await using viewer = await SseClient.open(`${service.url}/aggregations/events?id=a`);
  await viewer.first("ready");
  service.proxy.stop();
  await viewer.first("status", ({ kafka }) => kafka === "down");
  await using late = await SseClient.open(`${service.url}/aggregations/events?id=a`);
  await late.first("status", ({ kafka }) => kafka === "down");
  await counted.finish("a", "1m", t0, 1).commit();
  service.proxy.start();
  await viewer.first("status", ({ kafka }) => kafka === "up");
  await viewer.first("window", ({ final }) => final);
  await late.first("window", ({ final }) => final);
  assertEquals(viewer.all("status").map(({ kafka }) => kafka), ["down", "up"]);
  assertEquals(logged(viewer.events), ["1m a 0 1*"]);
});

Deno.test("/aggregations/events: who takes nothing holds up nobody, and has every finished window in the end", async () => {
  await using service = await TestService.open({ windows: sizes, ringBytes: 200_000 });
  await using counted = await CountedWindows.open(service.broker, sizes);
  await service.aggregations.loaded;
  const path = "/aggregations/events?size=1m&id=a";
  using slow = await RawSocket.open(service.port);
  await slow.request(`GET ${path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n`);
  await using fast = await SseClient.open(service.url + path);
  await fast.first("ready");
  await eventually("both to be there", () => service.hub.size === 2);
  const { topic, type } = counted.size("1m"), count = 20_000;
  const values = Array.from({ length: count }, (_, i) => {
    const bounds = { window_start: t0 + i * minute, window_end: t0 + (i + 1) * minute };
    return { key: "a", value: JSON.stringify({ type, video_uid: "a", count: i, ...bounds, late: 0 }) };
  });
  for (let i = 0; i < count; i += 1_000) {
    await service.producer.sendAll(topic, values.slice(i, i + 1_000));
    await counted.fill("a", { [t0 + count * minute]: i + 1 }).commit(t0 + i * minute);
  }
  await eventually("the fast one to have all", () => logged(fast.events).length === count);
  await fast.first("window", ({ final }) => !final);
  const decoder = new TextDecoder();
  let text = "";
  for (let chunk; !text.includes(`"count":${count - 1},`) && (chunk = await slow.chunk());) {
    text += decoder.decode(chunk, { stream: true });
  }
  const counts = [...text.matchAll(/"count":(\d+)[^}]*"final":true/g)].map(([, digits]) => Number(digits));
  assertEquals(counts, Array.from({ length: count }, (_, i) => i));
});

Deno.test("/aggregations/events moves on past what it does not show, by heartbeats, and is a stream as any other in /streams", async () => {
  await using service = await TestService.open({ windows: sizes, heartbeatMs: 50 });
  await using counted = await CountedWindows.open(service.broker, sizes);
  await service.aggregations.loaded;
  const url = `${service.url}/aggregations/events?id=a`;
  await using viewer = await SseClient.open(url);
  const { start } = await viewer.first("ready");
  const address = "/aggregations/1m/events?key=b";
  await using streams = await SseClient.open(`${service.url}/streams?s=${encodeURIComponent(address)}`);
  await streams.first("ready");
  await counted.finish("b", "1m", t0, 1).commit();
  const place = await eventually("a new place", () => viewer.lastEventId !== start && viewer.lastEventId);
  assertEquals(viewer.all("window"), []);
  await counted.finish("a", "1m", t0, 2).commit();
  await viewer.first("window");
  await using resumed = await SseClient.open(url, { lastEventId: place });
  assertEquals((await resumed.first("ready")).resume, "exact");
  await resumed.first("window");
  assertEquals(logged(resumed.events), ["1m a 0 2*"]);
  const { stream, data } = await streams.first("window");
  assertEquals([stream, data.video_uid, data.size, data.final], [address, "b", "1m", true]);
});

Deno.test("/aggregations/events waits for topics that are not there yet, and has all of them from the beginning", async () => {
  await using service = await TestService.open({ windows: sizes });
  await using viewer = await SseClient.open(`${service.url}/aggregations/events?id=a`);
  assertMatch((await viewer.first("ready")).start, /^m1\.v1\.[0-9a-f]{8}\.0:-1;v1\.[0-9a-f]{8}\.0:-1$/);
  await using counted = await CountedWindows.open(service.broker, sizes, 2);
  for (let i = 0; i < 5; i++) await counted.finish("a", "1m", t0 + i * minute, i).commit();
  await viewer.first("window", ({ count, final }) => final && count === 4);
  assertEquals(logged(viewer.events), Array.from({ length: 5 }, (_, i) => `1m a ${i} ${i}*`));
});
