/** What every request passes on its way in and every answer on its way out: request id, access log, security
 * headers, CORS, the check of who asks, the limit of a body.
 *
 * An answer that upgrades to a WebSocket passes untouched, as its headers cannot be changed, and the body of
 * a stream is never read here. So headers are set on the answer after `next()`, and never prepared before it.
 * Left out: which routes there are (routes/app.ts), and authentication.
 * @module */
import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { Config } from "../config.ts";
import { problemResponse, StreamError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Metrics } from "../metrics.ts";
import { tileOrigin } from "../setting_kinds.ts";

/** What the middleware leaves in a request's context. */
export interface AppEnv {
  Variables: { requestId: string };
}

type Handler = MiddlewareHandler<AppEnv>;

/** Headers that pages of other origins may send and read, beyond those that the protocol lets pass by itself. */
const allowedHeaders =
  "Accept, Cache-Control, Content-Type, If-Modified-Since, If-None-Match, Last-Event-ID, " +
  "X-Captured-At, X-Request-Id";
const exposedHeaders = "X-Request-Id, Retry-After, Link, ETag, X-Frame-Id, X-Frame-Name, X-Timestamp";

/** Paths that are asked for so often that their line helps nobody. */
const quietPath = /^\/(|livez|readyz|metrics|favicon\.ico|client\.js|socket\.io\/|static\/.*)$/;

/** Gives each request its id (a sane `X-Request-Id` is kept), and logs and counts the start of its answer. */
export function observe({ log, metrics }: { log: Logger; metrics: Pick<Metrics, "httpRequest"> }): Handler {
  return async (c, next) => {
    const startedMs = performance.now();
    const asked = c.req.header("x-request-id");
    const requestId = asked !== undefined && /^[A-Za-z0-9._~+/=:-]{1,128}$/.test(asked)
      ? asked
      : crypto.randomUUID();
    c.set("requestId", requestId);
    await next();
    const { status } = c.res;
    const isUpgrade = status === 101;
    if (c.req.method === "HEAD" && !isUpgrade) await dropBody(c);
    setHeaders(c, { "x-request-id": requestId });
    const ms = performance.now() - startedMs;
    metrics.httpRequest(c.req.method, routeOf(c), status, ms / 1000);
    const { path, method } = c.req;
    const level = quietPath.test(path) && status < 500 ? "debug" : "info";
    log[level]("request", { requestId, method, path, status, ms: Math.round(ms * 100) / 100 });
  };
}

/** Security headers: for every answer that its type is what it says, for pages what they may load. */
export function secure(config: Pick<Config, "tileUrl">): Handler {
  const tiles = config.tileUrl === null ? null : tileOrigin(config.tileUrl);
  const policy = [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src 'self' data: blob:${tiles === null ? "" : ` ${tiles}`}`,
    "media-src 'self' blob:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'self'",
  ].join("; ");
  const all = { "x-content-type-options": "nosniff", "referrer-policy": "strict-origin-when-cross-origin" };
  const page = {
    ...all,
    "content-security-policy": policy,
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "SAMEORIGIN",
  };
  return async (c, next) => {
    await next();
    setHeaders(c, c.res.headers.get("content-type")?.startsWith("text/html") ? page : all);
  };
}

/** Lets pages of `origins` read the answers, by the CORS protocol.
 * @param allowedMethods the methods of a path, for the answer to a preflight; none: there is no such path
 * @see {@link https://fetch.spec.whatwg.org/#http-cors-protocol} */
export function cors(
  origins: readonly string[],
  allowedMethods: (path: string) => readonly string[],
): Handler {
  const allow = (origin: string | undefined): Record<string, string> => {
    if (origins.includes("*")) return { "access-control-allow-origin": "*" };
    // The answer differs by Origin even when there is none.
    const vary = origins.length > 0 ? { vary: "Origin" } : {};
    if (origin === undefined || !origins.includes(origin)) return vary;
    return { ...vary, "access-control-allow-origin": origin };
  };
  return async (c, next) => {
    const origin = c.req.header("origin");
    const headers = allow(origin);
    if (c.req.method === "OPTIONS") {
      const methods = allowedMethods(c.req.path);
      if (methods.length > 0) {
        const isPreflight = origin !== undefined &&
          c.req.header("access-control-request-method") !== undefined;
        return new Response(null, {
          status: 204,
          headers: {
            ...headers,
            ...(isPreflight ? preflight(headers, methods) : { allow: methods.join(", ") }),
          },
        });
      }
    }
    await next();
    const exposed = "access-control-allow-origin" in headers
      ? { "access-control-expose-headers": exposedHeaders }
      : {};
    setHeaders(c, { ...headers, ...exposed });
    return undefined;
  };
}

function preflight(
  headers: Readonly<Record<string, string>>,
  methods: readonly string[],
): Record<string, string> {
  if (!("access-control-allow-origin" in headers)) return {};
  return {
    "access-control-allow-methods": methods.join(", "),
    "access-control-allow-headers": allowedHeaders,
    "access-control-max-age": "600",
  };
}

/** Keeps pages of other sites from writing, and from opening WebSockets, which CORS does not cover.
 *
 * A browser says where a page is from in `Origin`; a program that is no browser sends none and passes. */
export function refuseForeignPages(origins: readonly string[]): Handler {
  return async (c, next) => {
    const { method } = c.req;
    const isUpgrade = c.req.header("upgrade")?.toLowerCase() === "websocket";
    if (isUpgrade && method !== "GET") {
      throw new StreamError("bad-upgrade", 400, `Cannot open a WebSocket by ${method}: it takes a GET`);
    }
    const isSafe = method === "GET" || method === "HEAD" || method === "OPTIONS";
    if ((isUpgrade || !isSafe) && isForeign(c, origins)) {
      throw new StreamError(
        "origin-not-allowed",
        403,
        `Pages of ${c.req.header("origin")} may not use this service: CORS_ORIGINS does not name it`,
      );
    }
    await next();
  };
}

function isForeign(c: Context, origins: readonly string[]): boolean {
  const origin = c.req.header("origin");
  if (origin === undefined || origins.includes("*") || origins.includes(origin)) return false;
  // Behind a proxy that changes Host this is how a browser says that the page is ours.
  if (c.req.header("sec-fetch-site") === "same-origin") return false;
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}

/** Ends a request whose body is longer than `maxBytes`, by what it announces or, when it announces nothing,
 * by what comes. */
export function limitBody(maxBytes: number, log: Logger): Handler {
  const tooLong = () =>
    new StreamError("body-too-large", 413, `The body is too long: at most ${maxBytes} bytes are read`);
  return async (c, next) => {
    const announced = c.req.header("content-length");
    if (announced !== undefined && Number(announced) > maxBytes) throw tooLong();
    const { method, raw } = c.req;
    if (announced !== undefined || method === "GET" || method === "HEAD" || raw.body === null) {
      return await next();
    }
    let bytes = 0;
    const counted = raw.body.pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          bytes += chunk.byteLength;
          if (bytes > maxBytes) controller.error(tooLong());
          else controller.enqueue(chunk);
        },
      }),
    );
    // `duplex` is required for a body that is a stream, but missing in the DOM types. Made from its parts, as
    // a request made from a request takes its signal, and Deno warns of that.
    const init = { method, headers: raw.headers, body: counted, duplex: "half" } as RequestInit;
    c.req.raw = new Request(raw.url, init);
    await next();
    // Whatever a handler made of a body that broke off (invalid JSON, most likely), this is why.
    if (bytes > maxBytes && c.res.status !== 413) {
      const problem = problemResponse(tooLong(), {
        requestId: c.get("requestId"),
        instance: c.req.path,
        log,
      });
      await c.res.body?.cancel();
      c.res = problem;
    }
  };
}

/** Sets headers of the answer, unless it is an upgrade; `Vary` is added to. */
function setHeaders(c: Context, headers: Readonly<Record<string, string>>): void {
  if (c.res.status === 101) return;
  const set = () => {
    for (const [name, value] of Object.entries(headers)) {
      if (name === "vary") c.res.headers.append(name, value);
      else c.res.headers.set(name, value);
    }
  };
  try {
    set();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    c.res = new Response(c.res.body, c.res); // headers of a fetched answer, or of a redirect, are read-only
    set();
  }
}

/** Ends the body of an answer to HEAD, as nobody would: a stream behind it would stay open for ever. */
async function dropBody(c: Context): Promise<void> {
  const { body } = c.res;
  if (body === null) return;
  await body.cancel();
  const { status, headers } = c.res;
  c.res = undefined; // or the setter would copy the headers a second time
  c.res = new Response(null, { status, headers });
}

/** The pattern of the route that a request came to, for metrics; files are one route. */
function routeOf(c: Context): string {
  const pattern = matchedRoutes(c).findLast((route) => route.method !== "ALL")?.path ?? "unmatched";
  return pattern.startsWith("/static/") ? "/static/*" : pattern;
}
