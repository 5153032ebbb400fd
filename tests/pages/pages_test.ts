import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Hono } from "hono";
import { usualMeasurements } from "../../kafka/measurements.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { assetPaths } from "../../routes/assets.ts";
import { worldOutlines } from "../../routes/outlines.ts";
import { pagesRoutes, prefersHtml } from "../../routes/pages.ts";
import { shell } from "../../routes/shell.ts";
import { usualSizes } from "../routes/made_aggregations.ts";

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

function deps(tileUrl: string | null = null) {
  const topics = { geoTopic: "geostream", videoTopic: "video", measurements: usualMeasurements };
  const clicksTopic = "video_clicks_ingestion";
  const windows = { clicksTopic, sizes: usualSizes, graceMs: 10_000, kept: 60 };
  const videos = [{ id: "93f98662", title: "Stream processing made simple" }];
  const config = { tileUrl, ...topics, windows, videos, corsOrigins: [], maxBodyBytes: 1024 };
  const metrics = createMetrics("1.2.3");
  const service = { version: "1.2.3", kafka: { mode: "embedded" as const, brokers: ["127.0.0.1:9092"] } };
  return { config, service, metrics };
}

function open(tileUrl: string | null = null) {
  const parts = deps(tileUrl);
  return shell({ ...parts, log: silentLogger }, [pagesRoutes(parts)]);
}

Deno.test("prefersHtml() ranks by quality and by how specific a range is", () => {
  assert(prefersHtml(browserAccept));
  assert(prefersHtml("text/*"));
  assert(prefersHtml("application/json;q=0.5, text/html"));
  assert(!prefersHtml(undefined));
  assert(!prefersHtml("*/*"));
  assert(!prefersHtml("application/json"));
  assert(!prefersHtml("text/html;q=0.5, application/json"));
  assert(!prefersHtml("text/html;q=0, */*"));
  assert(!prefersHtml("text/html;q=high"));
});

Deno.test("pagesRoutes() answers a page to browsers and its data to programs on one path", async () => {
  const app = open();
  for (const path of ["/", "/geo"]) {
    const page = await app.request(path, { headers: { accept: browserAccept } });
    assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
    assertEquals(page.headers.get("vary"), "Accept");
    assertStringIncludes(await page.text(), "<!doctype html>");
    const data = await app.request(path);
    assertMatch(data.headers.get("content-type") ?? "", /^application\/json/);
    assertEquals(data.headers.get("vary"), "Accept");
    assertEquals(data.headers.get("cache-control"), "no-store");
    await data.body?.cancel();
  }
});

Deno.test("pagesRoutes() leaves the data of /topics, /video, /histograms and /aggregations to the routes behind it, with Vary", async () => {
  const app = new Hono().route("/", pagesRoutes(deps())).get("*", (c) => c.json({ path: c.req.path }));
  for (
    const path of [
      "/topics",
      "/topics/orders",
      "/video",
      "/video/cam",
      "/histograms",
      "/histograms/wind",
      "/aggregations",
      "/aggregations/a%2Fb",
    ]
  ) {
    const page = await app.request(path, { headers: { accept: browserAccept } });
    assertEquals(page.headers.get("vary"), "Accept");
    assertStringIncludes(await page.text(), "<!doctype html>");
    const data = await app.request(path);
    assertEquals([data.headers.get("vary"), await data.json()], ["Accept", { path }]);
  }
  for (const path of ["/aggregations/events", "/aggregations/socket", "/aggregations/1m/events"]) {
    const stream = await app.request(path, { headers: { accept: browserAccept } });
    assertEquals(await stream.json(), { path });
  }
});

Deno.test("GET / as JSON says what runs and where its streams are", async () => {
  const { name, version, kafka, streams, now } = await (await open().request("/")).json();
  assertEquals({ name, version, kafka }, {
    name: "tailrace",
    version: "1.2.3",
    kafka: { mode: "embedded", brokers: ["127.0.0.1:9092"] },
  });
  // deno-lint-ignore no-explicit-any
  assertEquals(streams.map(({ feature, events }: any) => [feature, events]), [
    ["geo", "/geo/geostream/events"],
    ["video", "/video/video/events"],
    ["histograms", "/histograms/humidity/events"],
    ["histograms", "/histograms/temperature/events"],
    ["histograms", "/histograms/pressure/events"],
    ["aggregations", "/aggregations/events?id=93f98662"],
  ]);
  const { sizes, ...likes } = streams.at(-1);
  assertEquals([likes.page, likes.post, likes.windows, likes.videos], [
    "/aggregations",
    "/videos/93f98662/likes",
    "/aggregations/93f98662",
    "/videos/metadata",
  ]);
  assertEquals(sizes[1], {
    size: "5m",
    topic: "5_minute_aggregation_topic",
    events: "/aggregations/5m/events",
    socket: "/aggregations/5m/socket",
    consume: "consume_5_min_aggregations",
    live: "live_aggregations_5",
  });
  assertEquals(now.viewers, { sse: 0, websocket: 0, mjpeg: 0 });
});

Deno.test("GET /geo as JSON names the topic, the tiles and whose map it is; a bad topic is a problem", async () => {
  const app = open("https://tile.example.org/{z}/{x}/{y}.png");
  assertEquals(await (await app.request("/geo?topic=fleet.eu")).json(), {
    topic: "fleet.eu",
    usualTopic: "geostream",
    tileUrl: "https://tile.example.org/{z}/{x}/{y}.png",
    attribution: "Tiles: tile.example.org",
  });
  const problem = await app.request("/geo?topic=a%20b");
  assertEquals(problem.status, 400);
  assertEquals((await problem.json()).code, "invalid-topic");
});

Deno.test("pagesRoutes() lets pages load tiles from the tile server, and nothing inline", async () => {
  const app = open("https://tile.example.org/{z}/{x}/{y}.png");
  const page = await app.request("/geo", { headers: { accept: browserAccept } });
  const policy = page.headers.get("content-security-policy") ?? "";
  assertMatch(policy, /img-src [^;]*https:\/\/tile\.example\.org/);
  assert(!policy.includes("unsafe"));
  for (const path of ["/", "/geo", "/topics", "/histograms"]) {
    const html = await (await app.request(path, { headers: { accept: browserAccept } })).text();
    assert(
      !/\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)/.test(html),
      `${path} has inline script or style`,
    );
  }
});

Deno.test("every asset is answered with its type, an ETag, and 304 to who has it", async () => {
  const app = open();
  const types: Record<string, string> = {
    js: "text/javascript",
    css: "text/css",
    json: "application/json",
    svg: "image/svg+xml",
    ico: "image/svg+xml",
  };
  for (const path of assetPaths) {
    const response = await app.request(path);
    assertEquals(response.status, 200, path);
    assertStringIncludes(response.headers.get("content-type") ?? "", types[path.split(".").at(-1)!]!, path);
    assertNotEquals((await response.bytes()).length, 0, path);
    const etag = response.headers.get("etag") ?? "";
    assertMatch(etag, /^"[\w-]{22}"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const again = await app.request(path, { headers: { "if-none-match": known } });
      assertEquals(again.status, 304, path);
      assertEquals(await again.text(), "");
    }
  }
});

Deno.test("every file that a page or module names is an asset", async () => {
  const app = open();
  const named = new Set<string>();
  for (const path of ["/", "/geo", "/topics", "/histograms"]) {
    const html = await (await app.request(path, { headers: { accept: browserAccept } })).text();
    for (const [, file] of html.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)) named.add(file!);
  }
  for (const path of assetPaths.filter((path) => path.startsWith("/static/") && path.endsWith(".js"))) {
    const code = await (await app.request(path)).text();
    for (const [, file] of code.matchAll(/^import .* from "(\.[^"]+)";$/gm)) {
      named.add(new URL(file!, `http://localhost${path}`).pathname);
    }
    for (const [, file] of code.matchAll(/"(\/static\/[^"]+)"/g)) named.add(file!);
  }
  assert(named.size > 20);
  for (const file of named) assert(assetPaths.includes(file), `${file} is named but not served`);
});

Deno.test("HEAD of a page or asset has the headers of GET and no body", async () => {
  const app = open();
  for (const path of ["/client.js", "/geo"]) {
    const head = await app.request(path, { method: "HEAD" });
    assertEquals(head.status, 200);
    assertEquals(await head.text(), "");
  }
});

Deno.test("nothing outside the table of assets can be read", async () => {
  const app = open();
  for (
    const path of [
      "/static/",
      "/static/geo/../../config.ts",
      "/static/%2e%2e/config.ts",
      "/static/..%2fconfig.ts",
      "/static/geo/index.html",
      "/static/__proto__",
      "/constructor",
    ]
  ) {
    const response = await app.request(path);
    assertEquals(response.status, 404, path);
    await response.body?.cancel();
  }
  const post = await app.request("/client.js", { method: "POST" });
  assertEquals([post.status, post.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
  await post.body?.cancel();
});

Deno.test("worldOutlines() has land, borders and a place for the name of each country but those around a pole", () => {
  const { features } = JSON.parse(worldOutlines()) as {
    features: {
      properties: { kind: string; name?: string };
      geometry: { type: string; coordinates: number[] };
    }[];
  };
  const kinds = new Set(features.map(({ properties }) => properties.kind));
  assertEquals([...kinds].sort(), ["borders", "country", "land"]);
  const at = (name: string) =>
    features.find(({ properties }) => properties.name === name)?.geometry.coordinates;
  assertEquals(at("Germany")?.map(Math.round), [10, 51]);
  assertEquals(Math.round((at("Russia")?.[0] ?? 0) / 10), 10); // not split by the antimeridian
  assertEquals(at("Antarctica"), undefined);
});
