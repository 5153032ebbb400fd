import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Hono } from "hono";
import { StreamError } from "../../errors.ts";
import { createLogger } from "../../logger.ts";
import { shell } from "../../routes/shell.ts";
import { eventually } from "../eventually.ts";

/** The frame around a few routes, with what it logged and counted. */
function framed(options: { corsOrigins?: string[]; maxBodyBytes?: number; tileUrl?: string } = {}) {
  const lines: Record<string, unknown>[] = [];
  const counted: [method: string, route: string, status: number][] = [];
  let cancelled = 0;
  const stream = () => {
    const start = (controller: ReadableStreamDefaultController) =>
      controller.enqueue(new TextEncoder().encode(": hi\n\n"));
    const body = new ReadableStream({ start, cancel: () => void cancelled++ });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const routes = new Hono()
    .get("/items/:id", (c) => c.json({ id: c.req.param("id") }))
    .put("/items/:id", async (c) => c.json({ bytes: (await c.req.arrayBuffer()).byteLength }))
    .post("/parse", async (c) => {
      try {
        return c.json(await c.req.json());
      } catch {
        throw new StreamError("invalid-json", 400, "Cannot read the body as JSON");
      }
    })
    .post("/ignore", (c) => c.text("ok"))
    .post("/endless/:name/frames", async (c) => c.json({ bytes: (await c.req.arrayBuffer()).byteLength }))
    .get("/page", (c) => c.html("<p>", 200, { vary: "Accept" }))
    .get("/elsewhere", () => Response.redirect("http://localhost/page"))
    .get("/stream", stream)
    .get("/socket", (c) => {
      const { socket, response } = Deno.upgradeWebSocket(c.req.raw);
      socket.onmessage = (event) => socket.send(`echo ${event.data}`);
      return response;
    })
    .get("/fail", () => {
      throw new Error("the secret plan");
    });
  const app = shell(
    {
      config: {
        corsOrigins: options.corsOrigins ?? [],
        maxBodyBytes: options.maxBodyBytes ?? 100,
        tileUrl: options.tileUrl ?? null,
      },
      log: createLogger({
        level: "debug",
        format: "json",
        write: (line) => void lines.push(JSON.parse(line)),
      }),
      metrics: { httpRequest: (method, route, status) => void counted.push([method, route, status]) },
    },
    [routes],
    { endlessBodies: ["/endless/:name/frames"] },
  );
  return { app, lines, counted, cancelled: () => cancelled };
}

async function problem(response: Response, status: number): Promise<Record<string, unknown>> {
  assertEquals(response.status, status);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  assertEquals(body.status, status);
  assertEquals(body.type, `/problems/${body.code}`);
  assertEquals(body.requestId, response.headers.get("x-request-id"));
  return body;
}

Deno.test("shell() answers an unknown path by a 404 problem", async () => {
  const { app } = framed();
  for (const method of ["GET", "POST", "DELETE"]) {
    const body = await problem(await app.request("/nothing/here", { method }), 404);
    assertEquals([body.code, body.instance], ["not-found", "/nothing/here"]);
  }
});

Deno.test("shell() answers a known path with another method by a 405 problem that says which are allowed", async () => {
  const { app, counted } = framed();
  const response = await app.request("/items/7", { method: "DELETE" });
  assertEquals(response.headers.get("allow"), "GET, HEAD, OPTIONS, PUT");
  assertEquals((await problem(response, 405)).code, "method-not-allowed");
  const post = await app.request("/parse");
  assertEquals(post.headers.get("allow"), "OPTIONS, POST");
  await problem(post, 405);
  assertEquals(counted.map(([, route]) => route), ["unmatched", "unmatched"]);
});

Deno.test("shell() answers OPTIONS by the methods of the path", async () => {
  const { app } = framed();
  const known = await app.request("/items/7", { method: "OPTIONS" });
  assertEquals([known.status, known.headers.get("allow")], [204, "GET, HEAD, OPTIONS, PUT"]);
  await problem(await app.request("/nothing", { method: "OPTIONS" }), 404);
});

Deno.test("shell() answers HEAD as GET without a body, and ends the stream behind it", async () => {
  const { app, cancelled } = framed();
  const item = await app.request("/items/7", { method: "HEAD" });
  assertEquals([item.status, item.headers.get("content-type"), await item.text()], [
    200,
    "application/json",
    "",
  ]);
  const stream = await app.request("/stream", { method: "HEAD" });
  assertEquals([stream.headers.get("content-type"), stream.body], ["text/event-stream", null]);
  assertEquals(cancelled(), 1);
});

Deno.test("shell() keeps a sane X-Request-Id and replaces any other", async () => {
  const { app } = framed();
  const id = async (sent?: string) =>
    (await app.request("/page", sent === undefined ? {} : { headers: { "x-request-id": sent } })).headers
      .get("x-request-id")!;
  assertEquals(await id("abc-123_x.y"), "abc-123_x.y");
  for (const bad of [undefined, "", "two words", "x".repeat(129), "é"]) {
    assertMatch(await id(bad), /^[0-9a-f-]{36}$/);
  }
});

Deno.test("shell() logs and counts each request once, when its answer starts", async () => {
  const { app, lines, counted } = framed();
  const response = await app.request("/items/7?q=1", { headers: { "x-request-id": "r1" } });
  await response.text();
  const { ms, time: _, ...line } = lines[0]!;
  assertEquals(line, {
    level: "info",
    message: "request",
    requestId: "r1",
    method: "GET",
    path: "/items/7",
    status: 200,
  });
  assert(typeof ms === "number");
  const stream = await app.request("/stream");
  assertEquals(lines.length, 2, "a stream's line does not wait for its end");
  await stream.body!.cancel();
  await app.request("/livez");
  assertEquals(lines.map((logged) => logged.level), ["info", "info", "debug"]);
  assertEquals(counted, [["GET", "/items/:id", 200], ["GET", "/stream", 200], ["GET", "unmatched", 404]]);
});

Deno.test("shell() tells nothing of an unknown error but its request id", async () => {
  const { app, lines } = framed();
  const response = await app.request("/fail");
  assertEquals((await problem(response.clone(), 500)).code, "internal");
  assert(!(await response.text()).includes("secret"));
  const logged = lines.find((line) => line.level === "error")!;
  assertEquals(logged.requestId, response.headers.get("x-request-id"));
  assertStringIncludes(JSON.stringify(logged), "the secret plan");
});

Deno.test("shell() sends security headers, and a policy without inline script with each page", async () => {
  const { app } = framed({ tileUrl: "https://{s}.tiles.example/{z}/{x}/{y}.png" });
  const page = await app.request("/page");
  const policy = page.headers.get("content-security-policy")!;
  assertStringIncludes(policy, "script-src 'self';");
  assertStringIncludes(policy, "img-src 'self' data: blob: https://*.tiles.example;");
  assert(!policy.includes("unsafe"), policy);
  assertEquals(page.headers.get("x-frame-options"), "SAMEORIGIN");
  assertEquals(page.headers.get("vary"), "Accept");
  for (const path of ["/page", "/items/7", "/nothing"]) {
    const { headers } = await app.request(path);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("referrer-policy"), "strict-origin-when-cross-origin");
  }
  const redirect = await app.request("/elsewhere");
  assertEquals([redirect.status, redirect.headers.get("location")], [302, "http://localhost/page"]);
  assertEquals(redirect.headers.get("x-content-type-options"), "nosniff", "read-only headers are replaced");
});

Deno.test("shell() lets the pages of CORS_ORIGINS read, and no others", async () => {
  const { app } = framed({ corsOrigins: ["https://a.example"] });
  const get = async (origin?: string) =>
    (await app.request("/page", origin === undefined ? {} : { headers: { origin } })).headers;
  const allowed = await get("https://a.example");
  assertEquals(allowed.get("access-control-allow-origin"), "https://a.example");
  assertStringIncludes(allowed.get("access-control-expose-headers")!, "X-Request-Id");
  assertEquals(allowed.get("vary"), "Accept, Origin");
  for (const origin of [undefined, "https://b.example", "null"]) {
    const headers = await get(origin);
    assertEquals(headers.get("access-control-allow-origin"), null);
    assertEquals(headers.get("vary"), "Accept, Origin");
  }
  const anyone = framed({ corsOrigins: ["*"] }).app;
  const { headers } = await anyone.request("/page", { headers: { origin: "https://b.example" } });
  assertEquals([headers.get("access-control-allow-origin"), headers.get("vary")], ["*", "Accept"]);
});

Deno.test("shell() answers a preflight from the routes", async () => {
  const { app } = framed({ corsOrigins: ["https://a.example"] });
  const preflight = (origin: string) =>
    app.request("/items/7", {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type",
      },
    });
  const allowed = await preflight("https://a.example");
  assertEquals(allowed.status, 204);
  assertEquals(allowed.headers.get("access-control-allow-origin"), "https://a.example");
  assertEquals(allowed.headers.get("access-control-allow-methods"), "GET, HEAD, OPTIONS, PUT");
  assertStringIncludes(allowed.headers.get("access-control-allow-headers")!, "Content-Type");
  assertStringIncludes(allowed.headers.get("access-control-allow-headers")!, "X-Captured-At");
  const refused = await preflight("https://b.example");
  assertEquals(refused.headers.get("access-control-allow-origin"), null);
  assertEquals(refused.headers.get("access-control-allow-methods"), null);
});

Deno.test("shell() keeps pages of other sites from writing", async () => {
  const { app } = framed({ corsOrigins: ["https://a.example"] });
  const post = (headers: Record<string, string>) =>
    app.request("/ignore", { method: "POST", headers, body: "{}" });
  for (const origin of ["https://evil.example", "null", "http://localhost:1"]) {
    assertEquals((await problem(await post({ origin }), 403)).code, "origin-not-allowed");
  }
  const ours = [
    {},
    { origin: "http://localhost" },
    { origin: "https://a.example" },
    { origin: "https://tls.example", host: "tls.example" },
    { origin: "https://behind-a-proxy.example", "sec-fetch-site": "same-origin" },
  ];
  for (const headers of ours) assertEquals((await post(headers as Record<string, string>)).status, 200);
});

Deno.test("shell() ends a body over MAX_BODY_BYTES, announced or not, whatever the route makes of it", async () => {
  const { app } = framed({ maxBodyBytes: 10 });
  const inPieces = (text: string) => {
    const body = new ReadableStream({
      start(controller) {
        for (const piece of text) controller.enqueue(new TextEncoder().encode(piece));
        controller.close();
      },
    });
    return { method: "POST", body, duplex: "half" } as RequestInit;
  };
  const announced = { method: "POST", body: '"23456789"', headers: { "content-length": "10" } };
  assertEquals(await (await app.request("/parse", announced)).json(), "23456789");
  assertEquals(await (await app.request("/parse", inPieces('"23456789"'))).json(), "23456789");
  const tooMuch = { method: "POST", body: '"234567890"', headers: { "content-length": "11" } };
  assertEquals((await problem(await app.request("/parse", tooMuch), 413)).code, "body-too-large");
  assertEquals(
    (await problem(await app.request("/parse", inPieces('"234567890"')), 413)).code,
    "body-too-large",
  );
  assertEquals((await app.request("/ignore", inPieces("1"))).status, 200);
});

/** Runs `act` against the frame on a real socket. */
async function served(
  options: Parameters<typeof framed>[0],
  act: (address: string, frame: ReturnType<typeof framed>) => Promise<void>,
): Promise<void> {
  const frame = framed(options);
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, frame.app.fetch);
  await act(`127.0.0.1:${server.addr.port}`, frame);
}

Deno.test("shell() leaves the bodies alone of routes that read them without end", async () => {
  const { app } = framed({ maxBodyBytes: 10 });
  const send = (path: string) => app.request(path, { method: "POST", body: "x".repeat(1_000) });
  assertEquals(await (await send("/endless/cam/frames")).json(), { bytes: 1_000 });
  await problem(await send("/parse"), 413);
});

Deno.test("shell() lets a WebSocket upgrade through untouched", async () => {
  await served({}, async (address, { counted, lines }) => {
    const socket = new WebSocket(`ws://${address}/socket`);
    const { promise: answer, resolve } = Promise.withResolvers<string>();
    socket.onopen = () => socket.send("hello");
    socket.onmessage = (event) => resolve(event.data);
    assertEquals(await answer, "echo hello");
    const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
    socket.onclose = () => onClose();
    socket.close();
    await closed;
    assertEquals(counted, [["GET", "/socket", 101]]);
    assertEquals(lines.map((line) => line.status), [101]);
  });
});

/** Asks for an upgrade by hand, as `Origin` cannot be set on a WebSocket; gives the status line. */
async function upgrade(address: string, headers: Record<string, string>, method = "GET"): Promise<string> {
  const [hostname, port] = address.split(":");
  using connection = await Deno.connect({ hostname: hostname!, port: Number(port) });
  const asked = {
    host: address,
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  };
  const lines = [
    `${method} /socket HTTP/1.1`,
    ...Object.entries(asked).map(([name, value]) => `${name}: ${value}`),
  ];
  await connection.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
  const buffer = new Uint8Array(4096);
  const length = await connection.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, length)).split("\r\n")[0]!;
}

Deno.test("shell() opens WebSockets for pages of this host, of CORS_ORIGINS, and for programs", async () => {
  await served({ corsOrigins: ["https://a.example"] }, async (address) => {
    for (const origin of [`http://${address}`, "https://a.example"]) {
      assertEquals(await upgrade(address, { origin }), "HTTP/1.1 101 Switching Protocols");
    }
    assertEquals(await upgrade(address, {}), "HTTP/1.1 101 Switching Protocols");
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1"]) {
      assertEquals(await upgrade(address, { origin }), "HTTP/1.1 403 Forbidden");
    }
    assertEquals(await upgrade(address, {}, "HEAD"), "HTTP/1.1 400 Bad Request");
  });
});

Deno.test("shell() passes a stream on as it comes, and its end back", async () => {
  await served({}, async (address, { cancelled }) => {
    const stop = new AbortController();
    const response = await fetch(`http://${address}/stream`, { signal: stop.signal });
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    assertEquals(new TextDecoder().decode(value), ": hi\n\n");
    stop.abort();
    await reader.read().catch(() => {});
    await eventually("the stream to be cancelled", () => cancelled() === 1);
  });
});

Deno.test("shell() ends long bodies on a real socket", async () => {
  await served({ maxBodyBytes: 1000 }, async (address) => {
    const url = `http://${address}/items/1`;
    const fits = await fetch(url, { method: "PUT", body: new Uint8Array(1000) });
    assertEquals(await fits.json(), { bytes: 1000 });
    await problem(await fetch(url, { method: "PUT", body: new Uint8Array(1001) }), 413);
    const chunked = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new Uint8Array(100));
        controller.close();
      },
    });
    await problem(await fetch(url, { method: "PUT", body: chunked }), 413);
  });
});

Deno.test("shell() makes no noise of a body that broke off", async () => {
  await served({}, async (address, { lines }) => {
    const [hostname, port] = address.split(":");
    const connection = await Deno.connect({ hostname: hostname!, port: Number(port) });
    const head = "PUT /items/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nabc";
    await connection.write(new TextEncoder().encode(head));
    connection.close();
    await eventually("the request to be logged", () => lines.some((line) => line.message === "request"));
    assertEquals(lines.map((line) => [line.level, line.message]), [
      ["debug", "request broke off"],
      ["info", "request"],
    ]);
  });
});
