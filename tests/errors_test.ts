import { assertEquals, assertStringIncludes } from "@std/assert";
import { problemResponse, StreamError } from "../errors.ts";
import { createLogger } from "../logger.ts";

function recorder() {
  const lines: string[] = [];
  const log = createLogger({ level: "debug", format: "json", write: (line) => void lines.push(line) });
  return { log, lines };
}

Deno.test("problemResponse() renders a StreamError as problem+json with its headers", async () => {
  const { log, lines } = recorder();
  const error = new StreamError("invalid-position", 422, "Cannot read position", {
    errors: [{ pointer: "/lat", detail: "must be a number" }],
    headers: { "retry-after": "1" },
  });
  const response = problemResponse(error, { instance: "/producer/geo", requestId: "r1", log });
  assertEquals(response.status, 422);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  assertEquals(response.headers.get("retry-after"), "1");
  assertEquals(await response.json(), {
    type: "/problems/invalid-position",
    title: "Invalid position",
    status: 422,
    detail: "Cannot read position",
    code: "invalid-position",
    instance: "/producer/geo",
    requestId: "r1",
    errors: [{ pointer: "/lat", detail: "must be a number" }],
  });
  assertEquals(lines, [], "what the client did wrong is no event of ours");
});

Deno.test("problemResponse() tells a problem's own members, which do not hide the common ones", async () => {
  const members = { maxFrameBytes: 10, status: 200, code: "other" };
  const error = new StreamError("frame-too-large", 413, "Cannot take the frame", { members });
  const body = await problemResponse(error, { requestId: "r1", log: recorder().log }).json();
  assertEquals([body.maxFrameBytes, body.status, body.code], [10, 413, "frame-too-large"]);
  assertEquals([Object.keys(body)[0], Object.keys(body).at(-1)], ["type", "maxFrameBytes"]);
});

Deno.test("problemResponse() makes the title from the code", async () => {
  const titles = {
    "unknown-topic": "Unknown topic",
    "not-a-jpeg": "Not a JPEG",
    "invalid-json": "Invalid JSON",
    "invalid-captured-at": "Invalid captured-at",
  };
  for (const [code, title] of Object.entries(titles)) {
    const context = { requestId: "r1", log: recorder().log };
    assertEquals((await problemResponse(new StreamError(code, 422, "…"), context).json()).title, title);
  }
});

Deno.test("problemResponse() tells nothing of an unknown error and logs all of it", async () => {
  for (const error of [new TypeError("secret plan"), "secret plan", null]) {
    const { log, lines } = recorder();
    const response = problemResponse(error, { requestId: "r2", log });
    const text = await response.text();
    assertEquals(response.status, 500);
    assertEquals(JSON.parse(text).code, "internal");
    assertEquals(text.includes("secret"), false);
    assertEquals(lines.length, 1);
    if (error !== null) assertStringIncludes(lines[0]!, "secret plan");
    assertStringIncludes(lines[0]!, '"requestId":"r2"');
  }
});

Deno.test("problemResponse() logs the cause of a failure that is ours", async () => {
  const { log, lines } = recorder();
  const error = new StreamError("kafka-unavailable", 503, "Kafka is away", {
    cause: new Error("ECONNREFUSED"),
  });
  const response = problemResponse(error, { requestId: "r3", log });
  assertEquals((await response.text()).includes("ECONNREFUSED"), false);
  assertStringIncludes(lines.join(""), "ECONNREFUSED");
});
