import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { plot, type PlotOptions } from "../../commands/plot.ts";
import { Pictures, type Screen, type ScreenSize } from "../../commands/plot_screen.ts";
import { CommandError } from "../../commands/run.ts";
import { readConfig } from "../../config.ts";
import { createLogger } from "../../logger.ts";
import { produce } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { TestBroker } from "../kafka/test_broker.ts";
import { Service } from "../service.ts";
import { runCli } from "./cli.ts";

/** The record of a histogram with so many measurements. */
function histogram(count: number) {
  const value = { hist: [count, 0], bin_edges: [0, 1, 2], count, mean: 0.5 };
  return { key: "noise", value: JSON.stringify(value), partition: 0 };
}

/** A screen that keeps what it was told. */
class KeptScreen implements Screen {
  readonly writes: string[] = [];
  room: ScreenSize = { columns: 60, lines: 10 };
  callbacks = new Set<() => void>();

  constructor(readonly isTerminal: boolean) {}

  size(): ScreenSize {
    return this.room;
  }

  write(text: string): Promise<void> {
    this.writes.push(text);
    return Promise.resolve();
  }

  onResize(callback: () => void): Disposable {
    this.callbacks.add(callback);
    return { [Symbol.dispose]: () => void this.callbacks.delete(callback) };
  }

  resize(columns: number, lines: number): void {
    this.room = { columns, lines };
    for (const callback of this.callbacks) callback();
  }

  /** The lines of the newest picture. */
  get picture(): string[] {
    // deno-lint-ignore no-control-regex
    return (this.writes.at(-1) ?? "").split("\r\n").map((line) => line.replace(/\x1b\[[?\d]*[A-Za-z]/g, ""));
  }
}

/** Starts `tailrace plot noise` on a screen. */
function start(bootstrap: string, screen: KeptScreen, options: Partial<PlotOptions> = {}) {
  const stop = new AbortController(), logged: string[] = [];
  const env = new Map([["KAFKA_BROKERS", bootstrap], ["MEASUREMENTS", "noise:0:2:1"]]);
  const log = createLogger({ level: "info", format: "json", write: (line) => void logged.push(line) });
  const run = { log, signal: stop.signal, out: () => {}, isTerminal: screen.isTerminal };
  const style = { once: false, colour: false, ascii: false, ...options };
  const done = plot(readConfig({}, env, "client"), "noise", style, run, screen);
  const shows = (text: string) =>
    eventually(text, () => screen.picture.join("\n").includes(text), 60_000, () => screen.picture);
  const end = async () => {
    stop.abort();
    await done;
  };
  return { done, shows, end, logged, [Symbol.asyncDispose]: end };
}

Deno.test("tailrace plot waits for the topic, follows it, and gives the terminal back", async () => {
  await using broker = await TestBroker.open();
  const screen = new KeptScreen(true);
  await using plotting = start(broker.bootstrap, screen);
  const { shows, end } = plotting;
  await shows("waits for the first histogram in hist_noise");
  await broker.createTopic("hist_noise");
  for (const count of [1, 20, 300]) {
    await produce(broker.bootstrap, "hist_noise", [histogram(count)]);
    await shows(`noise  ${count} measurement`);
  }
  assertMatch(screen.picture.at(-1)!, /^live, hist_noise 0:2 · Ctrl-C ends$/);
  await end();
  assert(screen.writes[0]!.startsWith("\x1b[?1049h\x1b[?25l"));
  assertEquals(screen.writes.at(-1), "\x1b[H\x1b[J\x1b[?25h\x1b[?1049l");
  assertEquals(screen.writes.filter((text) => text.includes("1049h")).length, 1);
  assertEquals(screen.callbacks.size, 0);
});

Deno.test("tailrace plot begins with the newest histogram, and passes over what is none", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("hist_noise");
  const others = ["no JSON", '{"hist":[1],"bin_edges":[0]}', '{"hist":["1"],"bin_edges":[0,1]}', null];
  await produce(broker.bootstrap, "hist_noise", [
    ...Array.from({ length: 500 }, (_, i) => histogram(i)),
    ...others.map((value) => ({ key: "noise", value })),
  ]);
  const once = new KeptScreen(false);
  await start(broker.bootstrap, once, { once: true }).done;
  assertStringIncludes(once.writes.join(""), "noise  499 measurements");
  assertEquals(once.writes.length, 1);
  const screen = new KeptScreen(true);
  await using plotting = start(broker.bootstrap, screen);
  const { shows, end } = plotting;
  await produce(broker.bootstrap, "hist_noise", [histogram(1000)]);
  await shows("noise  1,000 measurements");
  await end();
});

Deno.test("tailrace plot draws anew when the window has another size, though nothing has come", async () => {
  await using broker = await TestBroker.open();
  await produce(broker.bootstrap, "hist_noise", [histogram(7)]);
  const screen = new KeptScreen(true);
  await using plotting = start(broker.bootstrap, screen);
  const { shows, end } = plotting;
  await shows("noise  7 measurements");
  for (const [columns, lines] of [[100, 40], [30, 8], [10, 3]] as const) {
    screen.resize(columns, lines);
    await eventually(
      `a picture of ${lines} lines`,
      () => screen.picture.length <= lines && screen.picture.length > lines - 2,
    );
    for (const line of screen.picture) assert([...line].length <= columns, line);
  }
  await end();
});

Deno.test("tailrace plot draws at most twenty pictures a second, and the last one is the newest", async () => {
  await using broker = await TestBroker.open();
  await produce(broker.bootstrap, "hist_noise", [histogram(0)]);
  const screen = new KeptScreen(true);
  await using plotting = start(broker.bootstrap, screen);
  const { shows, end } = plotting;
  await shows("noise  0 measurements");
  const before = screen.writes.length, startedMs = performance.now();
  for (let n = 1; n <= 20; n++) {
    await produce(
      broker.bootstrap,
      "hist_noise",
      Array.from({ length: 20 }, (_, i) => histogram(n * 20 + i)),
    );
  }
  await shows("noise  419 measurements");
  const pictures = screen.writes.length - before, seconds = (performance.now() - startedMs) / 1000;
  assert(pictures <= 20 * seconds + 1, `${pictures} pictures in ${seconds} s`);
  await end();
});

Deno.test("tailrace plot tells that Kafka is away in the picture, and goes on when it is back", async () => {
  await using service = await Service.open({ command: "broker" });
  await produce(service.bootstrap, "hist_noise", [histogram(7)]);
  const screen = new KeptScreen(true);
  await using plotting = start(service.bootstrap, screen);
  const { shows, end, logged } = plotting;
  await shows("noise  7 measurements");
  await service.kill();
  await shows("Kafka is away · Ctrl-C ends");
  assertStringIncludes(screen.picture[0]!, "noise  7 measurements");
  await service.start();
  await produce(service.bootstrap, "hist_noise", [histogram(8)]);
  await shows("noise  8 measurements");
  await shows("live, hist_noise 0:1");
  await end();
  assertEquals(logged, [], "a line of the log would go through the picture");
});

Deno.test("tailrace plot where stdout is no terminal prints plain pictures, one for each change it sees", async () => {
  await using broker = await TestBroker.open();
  await produce(broker.bootstrap, "hist_noise", [histogram(1)]);
  const screen = new KeptScreen(false);
  await using plotting = start(broker.bootstrap, screen);
  const { shows, end } = plotting;
  await shows("noise  1 measurement");
  await produce(broker.bootstrap, "hist_noise", [histogram(2)]);
  await shows("noise  2 measurements");
  await end();
  assertEquals(screen.writes.length, 2);
  for (const text of screen.writes) {
    assert(!text.includes("\x1b"), "no escapes");
    assert(text.endsWith("\n\n") && text.trimEnd().split("\n").length <= 9);
  }
});

Deno.test("tailrace plot ends quietly when nobody reads any more", async () => {
  await using broker = await TestBroker.open();
  await produce(broker.bootstrap, "hist_noise", [histogram(1)]);
  const screen = new KeptScreen(false);
  screen.write = () => Promise.reject(new Deno.errors.BrokenPipe());
  await start(broker.bootstrap, screen).done;
});

Deno.test("Pictures gives the terminal back when showing fails", async () => {
  const screen = new KeptScreen(true);
  await assertRejects(async () => {
    await using pictures = new Pictures(screen);
    await pictures.show(["a"]);
    throw new CommandError("over");
  }, CommandError);
  assertEquals(screen.writes.length, 2);
  assertStringIncludes(screen.writes[1]!, "\x1b[?1049l");
});

Deno.test("tailrace plot --once fits 80 columns where stdout is no terminal, or what COLUMNS and LINES say", async () => {
  await using broker = await TestBroker.open();
  await produce(broker.bootstrap, "hist_noise", [histogram(12_345)]);
  const run = (env: Record<string, string>, ...args: string[]) =>
    runCli(["plot", "noise", "--once", ...args], { env: { KAFKA_BROKERS: broker.bootstrap, ...env } });
  const sizes = [[{}, 80, 24], [{ COLUMNS: "120", LINES: "40" }, 120, 40], [
    { COLUMNS: "x", LINES: "8" },
    80,
    8,
  ]] as const;
  for (const [env, columns, lines] of sizes) {
    const { code, stdout, stderr } = await run(env);
    assertEquals([code, stderr], [0, ""]);
    const drawn = stdout.trimEnd().split("\n");
    assertStringIncludes(drawn[0]!, "noise  12,345 measurements");
    assert(drawn.length < lines && drawn.length > lines - 4, `${drawn.length} lines of ${lines}`);
    assert(drawn.every((line) => [...line].length <= columns));
  }
  // deno-lint-ignore no-control-regex
  assertMatch((await run({}, "--ascii")).stdout, /^[\x00-\x7f]*$/);
});

Deno.test("tailrace plot says in one line what it cannot plot", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("hist_humidity");
  const cases: [args: string[], code: number, says: string][] = [
    [["temprature"], 1, "found no topic hist_temprature, measurements: humidity, temperature, pressure"],
    [["temperature", "--once"], 1, "Cannot plot temperature: found no topic hist_temperature"],
    [["humidity", "--once"], 1, "Cannot plot humidity: found no histogram in hist_humidity"],
    [["a/b"], 2, 'Cannot plot: found "a/b", allowed: the name of a measurement'],
    [[], 2, "missing required argument 'measurement'"],
  ];
  for (const [args, code, says] of cases) {
    const run = await runCli(["plot", ...args], { env: { KAFKA_BROKERS: broker.bootstrap } });
    assertEquals([run.code, run.stdout], [code, ""], run.stderr);
    assertMatch(run.stderr, /^[^\n]+\n$/);
    assertStringIncludes(run.stderr, says);
  }
});
