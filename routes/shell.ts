/** The frame around the routes: middleware, and the answers for what no route takes.
 *
 * Left out: the routes themselves, which routes/app.ts names.
 * @module */
import { Hono } from "hono";
import { except } from "hono/combine";
import type { Config } from "../config.ts";
import { problemResponse, StreamError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Metrics } from "../metrics.ts";
import { type AppEnv, cors, limitBody, observe, refuseForeignPages, secure } from "./middleware.ts";

/** What the frame needs. */
export interface ShellDeps {
  readonly config: Pick<Config, "corsOrigins" | "maxBodyBytes" | "tileUrl">;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, "httpRequest">;
}

/** What some routes need of the frame. */
export interface ShellOptions {
  /** Patterns of routes that read bodies without end, and bound what they hold of them. */
  readonly endlessBodies?: readonly string[];
}

/** Puts routes into the frame. Errors, unknown paths (404) and known paths asked with another method (405
 * with `Allow`, read from the routes) are answered as `application/problem+json`. */
export function shell(
  deps: ShellDeps,
  routes: readonly (Hono | Hono<AppEnv>)[],
  { endlessBodies = [] }: ShellOptions = {},
): Hono<AppEnv> {
  const { config, log } = deps;
  const app = new Hono<AppEnv>();
  const allowed = (path: string) => allowedMethods(app, path);
  app.use(observe(deps));
  app.use(secure(config));
  app.use(cors(config.corsOrigins, allowed));
  app.use(refuseForeignPages(config.corsOrigins));
  app.use(except([...endlessBodies], limitBody(config.maxBodyBytes, log)));
  for (const part of routes as readonly Hono<AppEnv>[]) app.route("/", part);
  app.notFound((c) => {
    const { path, method } = c.req;
    const methods = allowed(path);
    const isKnown = methods.length > 0 && !methods.includes(method);
    const error = isKnown
      ? new StreamError(
        "method-not-allowed",
        405,
        `Cannot ${method} ${path}: it takes ${methods.join(", ")}`,
        {
          headers: { allow: methods.join(", ") },
        },
      )
      : new StreamError("not-found", 404, `Nothing is at ${path}`);
    return problemResponse(error, { requestId: c.get("requestId"), instance: path, log });
  });
  app.onError((error, c) => {
    const context = { requestId: c.get("requestId"), instance: c.req.path, log };
    if (!isBrokenBody(error)) return problemResponse(error, context);
    log.debug("request broke off", { requestId: context.requestId, path: c.req.path, error });
    return problemResponse(new StreamError("incomplete-body", 400, "The body broke off"), context);
  });
  return app;
}

/** The methods that routes take at `path`; HEAD and OPTIONS are answered for each path there is. */
function allowedMethods(app: Hono<AppEnv>, path: string): string[] {
  const named = new Set(app.routes.map((route) => route.method).filter((method) => method !== "ALL"));
  const found = [...named].filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method !== "ALL")
  );
  if (found.length === 0) return [];
  return [...new Set([...found, ...(found.includes("GET") ? ["HEAD"] : []), "OPTIONS"])].sort();
}

/** Whether the sender went away in the middle of its body, which is nothing that went wrong here.
 * `request.signal` would say so too, but whoever touches it makes Deno print a warning. */
function isBrokenBody(error: Error): boolean {
  return error instanceof Deno.errors.BadResource && error.message.includes("body");
}
