import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createLogger, type Logger, type LogLevel, silentLogger } from "../logger.ts";

function record(format: "text" | "json", level: LogLevel, act: (log: Logger) => void): string[] {
  const lines: string[] = [];
  const now = () => Date.UTC(2024, 0, 2, 3, 4, 5, 6);
  act(createLogger({ level, format, now, write: (line) => void lines.push(line) }));
  for (const line of lines) assertEquals(line.indexOf("\n"), line.length - 1, "one line per event");
  return lines;
}

Deno.test("createLogger() writes an event as one JSON object", () => {
  const [line] = record("json", "info", (log) => log.child({ part: "hub" }).info("started", { port: 80 }));
  assertEquals(JSON.parse(line!), {
    time: "2024-01-02T03:04:05.006Z",
    level: "info",
    message: "started",
    part: "hub",
    port: 80,
  });
});

Deno.test("createLogger() writes an event as one line of text", () => {
  const [line] = record(
    "text",
    "info",
    (log) => log.warn("it is\nslow", { path: "/a", detail: 'a "b"\nc', n: 1, none: undefined }),
  );
  assertEquals(line, `2024-01-02T03:04:05.006Z WARN  it is slow path=/a detail="a \\"b\\"\\nc" n=1\n`);
});

Deno.test("createLogger() leaves out what is below its level", () => {
  const lines = record("text", "warn", (log) => {
    log.debug("a");
    log.info("b");
    log.child({}).warn("c");
    log.error("d");
  });
  assertEquals(lines.map((line) => line.trimEnd().at(-1)), ["c", "d"]);
});

Deno.test("createLogger() keeps an error's stack and causes in its field", () => {
  const error = new TypeError("outer", { cause: new Error("inner") });
  const [line] = record("json", "info", (log) => log.error("failed", { error }));
  const { error: logged } = JSON.parse(line!);
  assertEquals([logged.name, logged.message, logged.cause.message], ["TypeError", "outer", "inner"]);
  assertStringIncludes(logged.stack, "logger_test.ts");
  const [text] = record("text", "info", (log) => log.error("failed", { error }));
  assertStringIncludes(text!, "inner");
});

Deno.test("createLogger() masks secrets at every depth", () => {
  const fields = {
    password: "p",
    headers: { Authorization: "a", cookie: "c" },
    kafka: { saslPassword: "p" },
    token: null,
  };
  for (const format of ["text", "json"] as const) {
    const [line] = record(format, "info", (log) => log.info("x", fields));
    assertStringIncludes(line!, "***");
    assert(!/"p"|"a"|"c"/.test(line!), line);
  }
});

Deno.test("createLogger() writes whatever it is given", () => {
  const loop: Record<string, unknown> = { big: 10n, nan: NaN, bytes: new Uint8Array(3), at: new Date(0) };
  loop.self = loop;
  const broken = {
    get value() {
      throw new Error("no value");
    },
  };
  const [line] = record("json", "info", (log) => log.info("x", { loop, broken, level: "mine", fn: () => 1 }));
  const event = JSON.parse(line!);
  assertEquals([event.loop.big, event.loop.nan, event.loop.bytes], ["10", "NaN", "3 bytes"]);
  assertMatch(event.broken, /no value/);
  assertEquals([event.level, event.level_], ["info", "mine"], "a field does not replace the level");
});

Deno.test("silentLogger drops events", () => {
  silentLogger.child({ a: 1 }).error("x");
});
