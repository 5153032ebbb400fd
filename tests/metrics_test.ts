import { assert, assertEquals, assertMatch } from "@std/assert";
import { readWindowSize } from "../kafka/windows.ts";
import { createBrokerMetrics, createMetrics, type Metrics } from "../metrics.ts";
import type { WindowsNow } from "../window_metrics.ts";

/** The value of a series by its whole name, as scraped. */
async function scraped(metrics: Pick<Metrics, "text">, series: string): Promise<number | undefined> {
  const line = (await metrics.text()).split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

Deno.test("Metrics count what the parts of the service report", async () => {
  const metrics = createMetrics("0.0.0");
  metrics.httpRequest("POST", "/producer/:topic", 200, 0.02);
  metrics.posts("geo", "acknowledged", 3);
  metrics.postSeconds(0.004);
  metrics.deliveries("sse", 5);
  metrics.deliverySeconds(-0.5);
  metrics.viewers("websocket", 1);
  metrics.viewers("websocket", 1);
  metrics.viewers("websocket", -1);
  metrics.resumes("exact");
  metrics.gaps("retention", 12);
  metrics.undecodable("geo");
  metrics.kafkaUp(true);
  const expected: [series: string, value: number][] = [
    ['tailrace_http_requests_total{method="POST",route="/producer/:topic",status="200"}', 1],
    ['tailrace_http_request_duration_seconds_count{method="POST",route="/producer/:topic"}', 1],
    ['tailrace_posts_total{topic="geo",outcome="acknowledged"}', 3],
    ['tailrace_post_duration_seconds_bucket{le="0.005"}', 1],
    ['tailrace_post_duration_seconds_bucket{le="0.0025"}', 0],
    ['tailrace_deliveries_total{transport="sse"}', 5],
    ['tailrace_deliveries_total{transport="websocket"}', 0],
    ["tailrace_delivery_delay_seconds_sum", 0],
    ['tailrace_viewers{transport="websocket"}', 1],
    ['tailrace_resumes_total{outcome="exact"}', 1],
    ['tailrace_gaps_total{reason="retention"}', 1],
    ['tailrace_skipped_records_total{reason="retention"}', 12],
    ['tailrace_undecodable_records_total{topic="geo"}', 1],
    ["tailrace_kafka_up", 1],
  ];
  for (const [series, value] of expected) assertEquals(await scraped(metrics, series), value, series);
});

Deno.test("Metrics have the conventional names of the process", async () => {
  const metrics = createMetrics("0.0.0");
  for (
    const name of ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"]
  ) {
    assert((await scraped(metrics, name) ?? 0) > 0, name);
  }
});

Deno.test("Metrics follow the naming conventions, each with help", async () => {
  const metrics = createMetrics("0.0.0");
  metrics.broker(() => Promise.reject(new Error("gone")));
  const text = await metrics.text();
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    assertMatch(name!, /^(tailrace|process)_[a-z_]+$/);
    assertEquals(name!.endsWith("_total"), type === "counter", name);
    assertMatch(text, new RegExp(`^# HELP ${name} [A-Z0-9].*`, "m"));
  }
});

Deno.test("Metrics count topics past the first hundred, and odd methods, as other", async () => {
  const metrics = createMetrics("0.0.0");
  for (let i = 0; i < 150; i++) metrics.posts(`t${i}`, "acknowledged", 1);
  metrics.posts("t3", "acknowledged", 1);
  metrics.httpRequest("BREW", "/pot", 405, 0);
  assertEquals(await scraped(metrics, 'tailrace_posts_total{topic="other",outcome="acknowledged"}'), 50);
  assertEquals(await scraped(metrics, 'tailrace_posts_total{topic="t3",outcome="acknowledged"}'), 2);
  assertEquals(
    await scraped(metrics, 'tailrace_http_requests_total{method="other",route="/pot",status="405"}'),
    1,
  );
});

Deno.test("Metrics.broker() shows the embedded broker's numbers at each scrape, and the last ones when it is gone", async () => {
  const metrics = createMetrics("0.0.0");
  let scrape = 0;
  metrics.broker(() => {
    scrape++;
    if (scrape === 3) return Promise.reject(new Error("gone"));
    return Promise.resolve({
      requests: [{ api: "Produce", error: "NONE", count: 10 * scrape }],
      connections: 2,
      refusedConnections: [{ kind: "sasl" as const, count: 1 }],
      authentications: [{ mechanism: "PLAIN", outcome: "failure" as const, count: 4 }],
      bytesIn: 1000 * scrape,
      bytesOut: 2000,
      commitSeconds: { buckets: [[0.001, 4], [0.01, 6]], sum: 0.05, count: 7 },
      logBytes: 4096,
      topicBytes: scrape === 1 ? [{ topic: "gone", bytes: 1 }] : [{ topic: "a", bytes: 4096 }],
      topics: 3,
      partitions: 5,
      openTransactions: 2,
      groups: [{ state: "Stable", count: 1 }],
    });
  });
  const requests = 'tailrace_broker_requests_total{api="Produce",error="NONE"}';
  assertEquals(await scraped(metrics, requests), 10);
  const text = await metrics.text();
  const commit = "tailrace_broker_commit_duration_seconds";
  const lines = [
    `${requests} 20`,
    "tailrace_broker_received_bytes_total 2000",
    `# TYPE ${commit} histogram`,
    `${commit}_bucket{le="0.001"} 4`,
    `${commit}_bucket{le="+Inf"} 7`,
    `${commit}_count 7`,
    "tailrace_broker_connections 2",
    'tailrace_broker_refused_connections_total{reason="sasl"} 1',
    'tailrace_broker_authentications_total{mechanism="PLAIN",outcome="failure"} 4',
    'tailrace_broker_log_bytes{topic="a"} 4096',
    "tailrace_broker_partitions 5",
    "tailrace_broker_open_transactions 2",
    'tailrace_broker_groups{state="Stable"} 1',
  ];
  for (const line of lines) assert(text.split("\n").includes(line), line);
  assert(!text.includes('topic="gone"'), "a topic that is gone has no series");
  assertEquals(await scraped(metrics, requests), 20);
});

Deno.test("Metrics.broker() gives the biggest topics a series of their own, and the others one", async () => {
  const metrics = createBrokerMetrics("0.0.0");
  const topicBytes = Array.from({ length: 150 }, (_, i) => ({ topic: `t${i}`, bytes: i }));
  metrics.broker(() =>
    Promise.resolve({
      ...{
        requests: [],
        connections: 0,
        refusedConnections: [],
        authentications: [],
        bytesIn: 0,
        bytesOut: 0,
      },
      ...{
        commitSeconds: { buckets: [], sum: 0, count: 0 },
        topics: 150,
        partitions: 150,
        openTransactions: 0,
        groups: [],
        logBytes: 1,
        topicBytes,
      },
    })
  );
  assertEquals(await scraped(metrics, 'tailrace_broker_log_bytes{topic="t149"}'), 149);
  assertEquals(await scraped(metrics, 'tailrace_broker_log_bytes{topic="t51"}'), 51);
  assertEquals(await scraped(metrics, 'tailrace_broker_log_bytes{topic="other"}'), 50 * 51 / 2);
  const text = await metrics.text();
  assertEquals(text.split("\n").filter((line) => line.startsWith("tailrace_broker_log_bytes{")).length, 100);
  assert(!text.includes("tailrace_kafka_up"), "what only the service knows is left out");
});

Deno.test("Metrics.measurements() shows what is counted at each scrape, and the last numbers when that does not answer", async () => {
  const metrics = createMetrics("0.0.0");
  const spec = { name: "temperature", first: 0, last: 3, step: 1 };
  const snapshot = {
    hist: [1, 2],
    bin_edges: [0, 1.5, 3],
    underflow: 1,
    overflow: 3,
    count: 7,
    min: -1,
    max: 9,
    mean: 3,
    stddev: 1,
    late: 2,
    repeated: 1,
    wrong: { json: 4 },
    missed: 5,
    last: null,
  };
  const status = { state: "live", reason: null, since: 0, behind: 6, owner: true } as const;
  const covered = { log: 0, positions: { 0: 11 } };
  let scrape = 0;
  metrics.measurements(() =>
    ++scrape > 3
      ? Promise.reject(new Error("gone"))
      : Promise.resolve([{ spec, snapshot, covered, status, rows: 7 }])
  );
  const text = await metrics.text();
  const outcomes = { counted: 7, underflow: 1, overflow: 3, late: 2, repeated: 1, missed: 5, json: 4 };
  for (const [outcome, records] of Object.entries(outcomes)) {
    const labels = `measurement="temperature",outcome="${outcome}"`;
    assert(text.includes(`\ntailrace_measurements_total{${labels}} ${records}\n`), outcome);
  }
  for (const [name, value] of [["behind", 6], ["owner", 1], ["rows", 7]] as const) {
    for (let n = 0; n < 2; n++) {
      assertEquals(await scraped(metrics, `tailrace_measurements_${name}{measurement="temperature"}`), value);
    }
  }
  assert(scrape > 3, "it was gone in the end");
});

Deno.test("Metrics.windows() shows what is counted of clicks, and by which instance, at each scrape", async () => {
  const metrics = createMetrics("0.0.0");
  const totals = { counted: 9, late: { 60_000: 3 }, wrong: { empty: 2 }, ahead: 1, missed: 4 };
  const counted = { state: "ready", watermark: 1_500, ids: 5, totals } as const;
  const sizes = ["1m", "5m"].map((name) => readWindowSize(name)!);
  const nows: WindowsNow[] = [
    { ...counted, state: "loading", watermark: null, sizes, own: null },
    { ...counted, sizes, own: { refusal: null, folded: [0, 2], counted: [1] } },
  ];
  metrics.windows(() => Promise.resolve(nows.shift()!));
  const lines = async () =>
    (await metrics.text()).split("\n").filter((line) => /^tailrace_(cl|wi)/.test(line));
  const first = await lines();
  assertEquals(first.filter((line) => /watermark|ready|partitions/.test(line)), [
    "tailrace_windows_ready 0",
    "tailrace_windows_watermark_seconds 0",
    'tailrace_windows_partitions{work="fold"} 0',
    'tailrace_windows_partitions{work="count"} 0',
  ]);
  assertEquals(await lines(), [
    'tailrace_clicks_total{outcome="counted"} 9',
    'tailrace_clicks_total{outcome="ahead"} 1',
    'tailrace_clicks_total{outcome="missed"} 4',
    'tailrace_clicks_total{outcome="empty"} 2',
    'tailrace_clicks_late_total{size="1m"} 3',
    'tailrace_clicks_late_total{size="5m"} 0',
    "tailrace_windows_ready 1",
    "tailrace_windows_ids 5",
    "tailrace_windows_watermark_seconds 1.5",
    'tailrace_windows_partitions{work="fold"} 2',
    'tailrace_windows_partitions{work="count"} 1',
  ]);
});

Deno.test("Metrics.snapshot() sums up for the start page", async () => {
  const metrics = createMetrics("0.0.0");
  metrics.posts("a", "acknowledged", 2);
  metrics.posts("b", "acknowledged", 3);
  metrics.posts("b", "failed", 9);
  metrics.deliveries("sse", 4);
  metrics.deliveries("websocket", 5);
  metrics.viewers("sse", 1);
  const { uptimeSeconds, ...rest } = await metrics.snapshot();
  assert(uptimeSeconds >= 0);
  assertEquals(rest, {
    kafkaUp: false,
    posts: 5,
    deliveries: 9,
    viewers: { sse: 1, websocket: 0, mjpeg: 0 },
  });
});
