/** What whoever runs the service asks it: is it alive, is it ready, how much does it do, what is it.
 *
 * Left out: what is checked for readiness, which commands/serve.ts says, as it opened the parts.
 * @module */
import { Hono } from "hono";
import { withDeadline } from "../deadline.ts";
import type { Metrics } from "../metrics.ts";

/** Rejects, with a message for people, while a part of the service cannot work. */
export type ReadinessCheck = () => Promise<void>;

/** What the operations routes need. */
export interface OperationsDeps {
  readonly metrics: Pick<Metrics, "text">;
  /** By name: `kafka`, `sqlite`, `draining`. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  readonly service: { readonly version: string };
  /** Longest wait for one check in ms; default 10 s. */
  readonly checkTimeoutMs?: number;
}

/** How one check went. */
export interface CheckResult {
  readonly ok: boolean;
  readonly ms: number;
  readonly error?: string;
}

/** `GET /livez`, `/readyz`, `/metrics`, `/version`. */
export function operationsRoutes(deps: OperationsDeps): Hono {
  const check = shared(() => runChecks(deps.checks, deps.checkTimeoutMs ?? 10_000));
  const noStore = { "cache-control": "no-store" };
  return new Hono()
    .get("/livez", (c) => c.json({ status: "ok" }, 200, noStore))
    .get("/readyz", async (c) => {
      const checks = await check();
      const isReady = Object.values(checks).every((result) => result.ok);
      return c.json({ status: isReady ? "ok" : "unavailable", checks }, isReady ? 200 : 503, noStore);
    })
    .get("/metrics", async (c) => {
      const headers = { ...noStore, "content-type": "text/plain; version=0.0.4; charset=utf-8" };
      return c.body(await deps.metrics.text(), 200, headers);
    })
    .get("/version", (c) => {
      const { deno, v8, typescript } = Deno.version;
      return c.json({ name: "tailrace", version: deps.service.version, deno, v8, typescript }, 200, noStore);
    });
}

async function runChecks(
  checks: OperationsDeps["checks"],
  timeoutMs: number,
): Promise<Record<string, CheckResult>> {
  const results = Object.entries(checks).map(async ([name, check]): Promise<[string, CheckResult]> => {
    const startedMs = performance.now();
    const elapsed = () => Math.round(performance.now() - startedMs);
    try {
      await withDeadline(check(), timeoutMs, () => new Error(`no answer within ${timeoutMs / 1000} s`));
      return [name, { ok: true, ms: elapsed() }];
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return [name, { ok: false, ms: elapsed(), error: message }];
    }
  });
  return Object.fromEntries(await Promise.all(results));
}

/** Lets callers that come while `work` runs share it: probes of a slow service do not pile up. */
function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => running ??= work().finally(() => running = undefined);
}
