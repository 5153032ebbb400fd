import { assertEquals } from "@std/assert";
import type { AggregationsData } from "../../routes/aggregations.ts";
import { eventually } from "../eventually.ts";
import { CountedWindows, minute, t0 } from "./aggregation_ground.ts";
import { problem, TestService } from "./test_service.ts";

const sizes = ["1m", "5m"];

Deno.test("GET /aggregations tells what is counted: named videos first, then those that changed last", async () => {
  const videos = [{ id: "named", title: "A named one" }, { id: "quiet", title: "Nobody likes it" }];
  await using service = await TestService.open({ windows: sizes, videos });
  await using counted = await CountedWindows.open(service.broker, sizes, 2);
  await counted.fill("a", { [t0 + minute]: 3 }).finish("a", "1m", t0, 7).commit(t0 + minute);
  await counted.finish("named", "1m", t0, 1).commit();
  await counted.fill("b", { [t0 + minute]: 2 }).commit();
  const ask = async (query = ""): Promise<AggregationsData> => {
    const response = await fetch(`${service.url}/aggregations${query}`);
    assertEquals([response.status, response.headers.get("vary")], [200, "Accept"]);
    return await response.json();
  };
  const data = await eventually("all of it", async () => {
    const found = await ask();
    return found.videos.length === 4 && found;
  });
  assertEquals(data.videos.map(({ video_uid, title }) => [video_uid, title]), [
    ["named", "A named one"],
    ["quiet", "Nobody likes it"],
    ["b", null],
    ["a", null],
  ]);
  assertEquals(data.sizes.map(({ name, type, ms, topic }) => [name, type, ms, topic]), [
    ["1m", "1min", minute, "1_minute_aggregation_topic"],
    ["5m", "5min", 5 * minute, "5_minute_aggregation_topic"],
  ]);
  const { clicks_topic, grace_ms, kept, status } = data;
  assertEquals([clicks_topic, grace_ms, kept], ["video_clicks_ingestion", 10_000, 60]);
  assertEquals(status, {
    state: "ready",
    watermark: t0 + minute,
    ids: 3,
    totals: { counted: 20, late: { [minute]: 2 }, wrong: { empty: 4 }, ahead: 0, missed: 0 },
  });
  const [ofMinute, ofFive] = data.videos[3]!.aggregations;
  const window = { type: "1min", video_uid: "a", late: 0 };
  const filling = {
    ...window,
    count: 3,
    window_start: t0 + minute,
    window_end: t0 + 2 * minute,
    final: false,
  };
  assertEquals(ofMinute, {
    size: "1m",
    type: "1min",
    late: 0,
    windows: [{ ...window, count: 7, window_start: t0, window_end: t0 + minute, final: true }, filling],
    open: filling,
  });
  assertEquals(ofFive!.windows.map(({ count, final }) => [count, final]), [[3, false]]);
  assertEquals((await ask("?limit=1")).videos.map(({ video_uid }) => video_uid), ["named"]);
  assertEquals((await ask("?id=a&id=x%2Cy,b")).videos.map(({ video_uid }) => video_uid), ["a", "x,y", "b"]);
  assertEquals((await ask("?id=a&windows=0")).videos[0]!.aggregations[0]!.windows, [filling]);
});

Deno.test("GET /aggregations/{video} tells the windows of one video, of all lengths or one", async () => {
  await using service = await TestService.open({ windows: sizes });
  await using counted = await CountedWindows.open(service.broker, sizes);
  const id = "Töne & Bilder/1";
  for (let i = 0; i < 3; i++) counted.finish(id, "1m", t0 + i * minute, i + 1, i);
  await counted.fill(id, { [t0]: 1, [t0 + minute]: 2, [t0 + 3 * minute]: 9 }).commit(t0 + 3 * minute);
  const address = `${service.url}/aggregations/${encodeURIComponent(id)}`;
  const ask = async (query = "") => await (await fetch(address + query)).json();
  const all = await eventually("its windows", async () => {
    const found = await ask();
    return found.aggregations[0].windows.length === 4 && found;
  });
  assertEquals([all.video_uid, all.aggregations.map(({ size }: { size: string }) => size)], [id, sizes]);
  const one = await ask("?size=1m");
  assertEquals([one.video_uid, one.size, one.type, one.late, one.open.count], [id, "1m", "1min", 2, 9]);
  const shown = one.windows.map((each: { count: number; late: number; final: boolean }) => [
    each.count,
    each.late,
    each.final,
  ]);
  assertEquals(shown, [[1, 0, true], [2, 1, true], [3, 2, true], [9, 0, false]]);
  assertEquals((await ask("?size=5m")).windows.map(({ count }: { count: number }) => count), [12]);
  assertEquals((await ask("?size=1m&windows=1")).windows.length, 2);
  const nobody = await (await fetch(`${service.url}/aggregations/nobody?size=1m`)).json();
  assertEquals(nobody, { video_uid: "nobody", size: "1m", type: "1min", late: 0, windows: [], open: null });

  await problem(await fetch(`${address}?size=2m`), 400, "invalid-size");
  await problem(await fetch(`${address}?windows=-1`), 400, "invalid-windows");
  await problem(await fetch(`${service.url}/aggregations?limit=0`), 400, "invalid-limit");
  await problem(await fetch(`${service.url}/aggregations?id=%00`), 400, "invalid-video");
  await problem(await fetch(`${service.url}/aggregations/${"x".repeat(257)}`), 400, "invalid-video");
  const many = Array.from({ length: 101 }, (_, n) => `id=${n}`).join("&");
  await problem(await fetch(`${service.url}/aggregations?${many}`), 400, "too-many-videos");
});

Deno.test("GET /aggregations is 503 until what was counted is here, and says when nothing is counted at all", async () => {
  await using service = await TestService.open({ windows: ["1m"] });
  await using counted = await CountedWindows.open(service.broker, ["1m"]);
  await counted.finish("a", "1m", t0, 7).commit(t0 + minute);
  const { aggregations } = service;
  await aggregations.loaded;
  const status = aggregations.status.bind(aggregations);
  aggregations.status = () => ({ ...status(), state: "loading" });
  for (const path of ["/aggregations", "/aggregations/a"]) {
    const response = await fetch(service.url + path);
    assertEquals(response.headers.get("retry-after"), "1");
    await problem(response, 503, "aggregations-unavailable");
  }

  await using none = await TestService.open();
  const data = await (await fetch(`${none.url}/aggregations`)).json();
  assertEquals([data.sizes, data.videos, data.status.state], [[], [], "ready"]);
  assertEquals((await (await fetch(`${none.url}/aggregations/a`)).json()).aggregations, []);
  const events = await problem(await fetch(`${none.url}/aggregations/events?id=a`), 404, "unknown-size");
  assertEquals(events.detail, "Cannot find windows: nothing is counted here, as WINDOWS is none");
});
