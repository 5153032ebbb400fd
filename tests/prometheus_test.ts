import { assertEquals } from "@std/assert";
import { Counter, Gauge, Histogram, Reading, Registry } from "../prometheus.ts";

Deno.test("Registry.text() writes every metric in the text format, labels escaped", () => {
  const registry = new Registry();
  registry.add(new Gauge("up", "1 while it answers", []));
  const posts = registry.add(new Counter("posts_total", "Posts,\nby path", ["path", "status"]));
  posts.inc({ path: '/a"b\\c\n', status: 200 });
  posts.inc({ path: "/", status: 200 }, 2.5);
  posts.inc({ path: "/", status: 200 });
  registry.add(new Reading("gauge", "memory_bytes", "Memory", () => Infinity));
  assertEquals(
    registry.text(),
    `# HELP up 1 while it answers
# TYPE up gauge
up 0
# HELP posts_total Posts,\\nby path
# TYPE posts_total counter
posts_total{path="/a\\"b\\\\c\\n",status="200"} 1
posts_total{path="/",status="200"} 3.5
# HELP memory_bytes Memory
# TYPE memory_bytes gauge
memory_bytes +Inf
`,
  );
});

Deno.test("Histogram counts a value on a bound below it, and each bucket holds the smaller ones", () => {
  const registry = new Registry();
  const seconds = registry.add(new Histogram("seconds", "Time", [0.1, 1], ["route"]));
  for (const value of [0.05, 0.1, 0.5, 3]) seconds.observe({ route: "/" }, value);
  assertEquals(
    registry.text(),
    `# HELP seconds Time
# TYPE seconds histogram
seconds_bucket{le="0.1",route="/"} 2
seconds_bucket{le="1",route="/"} 3
seconds_bucket{le="+Inf",route="/"} 4
seconds_sum{route="/"} 3.65
seconds_count{route="/"} 4
`,
  );
});

Deno.test("Counter.sum() adds the series that have the labels asked for", () => {
  const counter = new Counter("n_total", "N", ["a", "b"]);
  counter.inc({ a: "x", b: "1" }, 2);
  counter.inc({ a: "x", b: "2" }, 3);
  counter.inc({ a: "y", b: "1" }, 4);
  assertEquals([counter.sum(), counter.sum({ a: "x" }), counter.sum({ a: "z" })], [9, 5, 0]);
});
