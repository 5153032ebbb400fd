import { assert, assertEquals, assertMatch } from "@std/assert";
import { Hub } from "../../kafka/hub.ts";
import { WindowView } from "../../kafka/processors/windows/view.ts";
import { createProducer } from "../../kafka/producer.ts";
import { TopicViews } from "../../kafka/topic_views.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { createApp } from "../../routes/app.ts";
import { Connections, Heartbeats } from "../../routes/streams.ts";
import { ViewerPositions } from "../../routes/viewer_positions.ts";
import { connect, TestBroker } from "../kafka/test_broker.ts";
import { MadeHistograms } from "./made_histograms.ts";

/** The whole application on a broker of its own; nothing listens for HTTP. */
async function withApp(act: (app: ReturnType<typeof createApp>) => Promise<void>): Promise<void> {
  const log = silentLogger;
  const metrics = createMetrics("1.2.3");
  await using broker = await TestBroker.open();
  await using kafka = connect(broker.bootstrap);
  await using hub = new Hub({ kafka, metrics, log });
  await using producer = createProducer(kafka, { log });
  await using topicViews = new TopicViews(kafka);
  await using positions = new ViewerPositions({ kafka, log });
  const windows = { clicksTopic: "clicks", sizes: [], graceMs: 10_000, kept: 60 };
  await using aggregations = new WindowView({ kafka, history: hub.history, settings: windows, log });
  using heartbeats = new Heartbeats(15_000);
  await act(createApp({
    config: {
      corsOrigins: [],
      maxBodyBytes: 1000,
      maxConnections: 10,
      tileUrl: null,
      geoTopic: "geostream",
      videoTopic: "video",
      measurements: [],
      windows,
      videos: [],
      maxFrameBytes: 900 * 1024,
      videoRetentionMs: -1,
      videoRetentionBytes: 64 * 1024 * 1024,
      heartbeatMs: 15_000,
    },
    log,
    metrics,
    hub,
    producer,
    topicViews,
    heartbeats,
    connections: new Connections(),
    positions,
    histograms: new MadeHistograms([]),
    aggregations,
    checks: { kafka: async () => void await kafka.metadata([]) },
    service: { version: "1.2.3", kafka: { mode: "external", brokers: [broker.bootstrap] } },
  }));
}

Deno.test("createApp() answers each feature's routes", async () => {
  await withApp(async (app) => {
    const paths = [
      "/",
      "/geo",
      "/client.js",
      "/favicon.ico",
      "/ping",
      "/livez",
      "/readyz",
      "/metrics",
      "/version",
    ];
    for (const path of paths) {
      const response = await app.request(path);
      assertEquals(response.status, 200, path);
      assertMatch(response.headers.get("x-request-id")!, /^[0-9a-f-]{36}$/);
      assert((await response.text()).length > 0, path);
    }
  });
});

Deno.test("createApp() sends pages with a policy, and data without", async () => {
  await withApp(async (app) => {
    for (const path of ["/", "/geo"]) {
      const page = await app.request(path, { headers: { accept: "text/html" } });
      assertMatch(page.headers.get("content-security-policy")!, /script-src 'self'/);
      const html = await page.text();
      assert(!/<script(?![^>]*\bsrc=)/.test(html), `${path} has an inline script`);
      assert(!/\son[a-z]+=/.test(html), `${path} has an inline handler`);
      const data = await app.request(path, { headers: { accept: "application/json" } });
      assertEquals(data.headers.get("content-security-policy"), null);
      assertMatch(data.headers.get("vary")!, /Accept/);
      await data.body?.cancel();
    }
  });
});

Deno.test("createApp() answers what no route takes as problem+json, on every path", async () => {
  await withApp(async (app) => {
    const cases: [method: string, path: string, status: number, allow: string | null][] = [
      ["GET", "/nothing", 404, null],
      ["GET", "/static/nothing.js", 404, null],
      ["POST", "/geo", 405, "GET, HEAD, OPTIONS"],
      ["GET", "/producer/geostream", 405, "OPTIONS, POST"],
      ["DELETE", "/geo/geostream/events", 405, "GET, HEAD, OPTIONS"],
      ["PUT", "/metrics", 405, "GET, HEAD, OPTIONS"],
    ];
    for (const [method, path, status, allow] of cases) {
      const response = await app.request(path, { method });
      const place = `${method} ${path}`;
      assertEquals([response.status, response.headers.get("allow")], [status, allow], place);
      assertEquals(response.headers.get("content-type"), "application/problem+json", place);
      assertEquals((await response.json()).instance, path, place);
    }
  });
});

Deno.test("createApp() ends a long post by 413, and answers a short one", async () => {
  await withApp(async (app) => {
    const post = (name: string) =>
      app.request("/producer/geostream", { method: "POST", body: JSON.stringify({ name, lat: 1, lon: 2 }) });
    assertEquals((await (await post("x".repeat(2000))).json()).code, "body-too-large");
    const posted = await post("bus");
    assertEquals([posted.status, (await posted.json()).name], [200, "bus"]);
    const metrics = await (await app.request("/metrics")).text();
    assert(
      metrics.includes('tailrace_http_requests_total{method="POST",route="/producer/:topic",status="413"} 1'),
    );
    assert(
      metrics.includes('tailrace_http_requests_total{method="POST",route="/producer/:topic",status="200"} 1'),
    );
  });
});
