import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createMetrics } from "../../metrics.ts";
import { type OperationsDeps, operationsRoutes } from "../../routes/operations.ts";

function operations(checks: OperationsDeps["checks"] = {}, checkTimeoutMs?: number) {
  return operationsRoutes({
    metrics: createMetrics("1.2.3"),
    checks,
    service: { version: "1.2.3" },
    ...(checkTimeoutMs === undefined ? {} : { checkTimeoutMs }),
  });
}

const ok = () => Promise.resolve();

Deno.test("GET /livez answers while the process does", async () => {
  const response = await operations({ kafka: () => Promise.reject(new Error("away")) }).request("/livez");
  assertEquals([response.status, await response.json()], [200, { status: "ok" }]);
  assertEquals(response.headers.get("cache-control"), "no-store");
});

Deno.test("GET /readyz names each check", async () => {
  const ready = await operations({ kafka: ok, sqlite: ok }).request("/readyz");
  assertEquals(ready.status, 200);
  const body = await ready.json();
  assertEquals(body.status, "ok");
  assertEquals(Object.keys(body.checks), ["kafka", "sqlite"]);
  assertEquals([body.checks.kafka.ok, typeof body.checks.kafka.ms], [true, "number"]);
});

Deno.test("GET /readyz answers 503 with the reason when a check fails, throws or takes too long", async () => {
  const app = operations({
    kafka: () => Promise.reject(new Error("no broker answers")),
    sqlite: () => new Promise(() => {}),
    draining: ok,
    thrown: () => {
      throw new Error("at once");
    },
  }, 20);
  const response = await app.request("/readyz");
  assertEquals(response.status, 503);
  const { status, checks } = await response.json();
  assertEquals(status, "unavailable");
  assertEquals(checks.kafka.error, "no broker answers");
  assertEquals(checks.sqlite.error, "no answer within 0.02 s");
  assertEquals(checks.thrown.error, "at once");
  assertEquals(checks.draining.ok, true);
});

Deno.test("GET /readyz asks once for probes that come together", async () => {
  let asked = 0;
  const { promise: answer, resolve } = Promise.withResolvers<void>();
  const app = operations({ kafka: () => (asked++, answer) });
  const probes = [app.request("/readyz"), app.request("/readyz")];
  resolve();
  assertEquals((await Promise.all(probes)).map((response) => response.status), [200, 200]);
  assertEquals(asked, 1);
  await app.request("/readyz");
  assertEquals(asked, 2, "the next probe asks anew");
});

Deno.test("GET /metrics answers in the Prometheus text format", async () => {
  const response = await operations().request("/metrics");
  assertMatch(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  assertStringIncludes(await response.text(), 'tailrace_build_info{version="1.2.3"');
});

Deno.test("GET /version says what runs", async () => {
  const body = await (await operations().request("/version")).json();
  assertEquals([body.name, body.version, body.deno], ["tailrace", "1.2.3", Deno.version.deno]);
});
