/** Foreign clients of the streams: each reads a topic from its beginning, is cut in the middle of it, comes back in its own way, and
 * has every record once.
 *
 * curl and a browser's EventSource, requests-sse (Python) and go-sse over SSE; websockets (Python) and, where it is on the PATH,
 * websocat over WebSocket. Left out: what the streams hold (tests/routes/), our own client (tests/pages/client_test.ts). @module */
import { assert, assertEquals } from "@std/assert";
import { createTopic, postJson } from "../clients.ts";
import { onPath, Program } from "../programs.ts";
import { TestBrowser } from "../pages/browser.ts";
import { type Requirement, requires, testPython } from "../requirements.ts";
import { Service } from "../service.ts";
import { newTopic } from "./broker.ts";
import { goStreamClient } from "./built_drivers.ts";
import { CuttingProxy } from "./cutting_proxy.ts";

/** An event as a client told of it. */
interface Told {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

/** One kind of stream: the path in front of `/events` and `/socket`, and the event of a record. */
interface Stream {
  readonly path: (topic: string) => string;
  readonly event: string;
}

const streams: readonly Stream[] = [
  { path: (topic) => `/geo/${topic}`, event: "position" },
  { path: (topic) => `/topics/${topic}`, event: "record" },
];

const count = 3_000, partitions = 3;
/** Bytes after which a client is cut; an event takes about 300. */
const cutAfter = 200_001;
const clientMs = 120_000;
const scripts = new URL("./stream_clients/", import.meta.url).pathname;

let service: Service;
Deno.test.beforeAll(async () => {
  service = await Service.open();
});
Deno.test.afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

async function post(topic: string, records: number, { url } = service): Promise<void> {
  const body = Array.from({ length: records }, (_, n) => ({ name: `mover ${n % 50}`, lat: 52.5, lon: 13.4 }));
  const { status } = await postJson(`${url}/producer/${topic}`, body);
  assertEquals(status, 200);
}

/** Runs a client until it has ended, or `enough` of what it printed is there.
 * @returns what it printed */
async function printedBy(
  program: string,
  args: readonly string[],
  enough: (log: string) => boolean = () => false,
): Promise<string> {
  const logFile = await Deno.makeTempFile({ prefix: "tailrace-client-" });
  try {
    await using client = Program.start(program, args, { logFile });
    const ended = (log: string) => client.ended || enough(log) ? log : null;
    return await client.printed(ended, `${program} to have read all`, clientMs);
  } finally {
    await Deno.remove(logFile);
  }
}

/** Events of clients that print one as a line of JSON. */
function toldInLines(log: string): Told[] {
  return log.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

/** The whole events in a stream's text; one that was cut is none. */
function toldInText(text: string): Told[] {
  const events = text.split("\n\n").slice(0, -1).map((block) => {
    const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, "m").exec(block)?.[1] ?? "";
    return { event: field("event"), id: field("id"), data: field("data") };
  });
  return events.filter(({ data }) => data !== "");
}

/** Messages as websocat prints them: one a line, with a space for each line end inside; the last one may be cut. */
function toldInMessages(log: string): Told[] {
  const whole = log.split("\n").slice(0, -1).flatMap((line) => line.split(/ (?={"type":)/));
  return whole.filter((text) => text.startsWith("{")).map((data) => {
    const { type, cursor } = JSON.parse(data);
    return { event: type, id: cursor, data };
  });
}

function recordsOf(told: readonly Told[], { event }: Stream): readonly Told[] {
  return told.filter((each) => each.event === event);
}

/** Every record once, those of a partition in order; the first connection began afresh, the others exactly where it was. */
function checkTold(told: readonly Told[], stream: Stream, connections: number): void {
  const next = new Array<number>(partitions).fill(0);
  for (const { data } of recordsOf(told, stream)) {
    const { partition, offset } = JSON.parse(data);
    assertEquals(offset, next[partition], `the next record of partition ${partition}`);
    next[partition] = offset + 1;
  }
  assertEquals(next.reduce((sum, each) => sum + each, 0), count);
  const resumes = told.filter(({ event }) => event === "ready").map(({ data }) => JSON.parse(data).resume);
  assertEquals(resumes, ["fresh", ...new Array(connections - 1).fill("exact")]);
}

/** Gives a client a topic with records, a proxy that cuts its first connection, and more records meanwhile. */
async function cutOnce(
  stream: Stream,
  client: (path: string, proxy: CuttingProxy) => Promise<Told[]>,
): Promise<CuttingProxy> {
  const topic = newTopic("read");
  await createTopic(service.bootstrap, topic, partitions);
  await post(topic, count - 1_000);
  await using proxy = new CuttingProxy(Number(new URL(service.url).port), [cutAfter]);
  const reading = client(stream.path(topic), proxy);
  await post(topic, 1_000);
  const told = await reading;
  checkTold(told, stream, 2);
  assertEquals(proxy.requests.length, 2);
  return proxy;
}

/** It came back with the id of the last whole event. */
function checkResumed({ requests: [first, second] }: CuttingProxy): void {
  assertEquals(first!.lastEventId, null);
  assert(second!.lastEventId?.startsWith("v1."), `Last-Event-ID: ${second!.lastEventId}`);
}

async function curl(stream: Stream, path: string, { host }: CuttingProxy): Promise<Told[]> {
  const url = `http://${host}${path}/events?cursor=earliest`;
  const options = ["--silent", "--no-buffer", "--max-time", String(clientMs / 1000)];
  const told = toldInText(await printedBy("curl", [...options, url]));
  const left = count - recordsOf(told, stream).length;
  const again = [...options, "--header", `Last-Event-ID: ${told.at(-1)!.id}`, url];
  const all = (log: string) => recordsOf(toldInText(log), stream).length >= left;
  return [...told, ...toldInText(await printedBy("curl", again, all))];
}

/** Cut by the proxy, then opened again at the last cursor. */
async function websocat(stream: Stream, path: string, { host }: CuttingProxy): Promise<Told[]> {
  const read = async (cursor: string, left: number) => {
    const url = `ws://${host}${path}/socket?cursor=${encodeURIComponent(cursor)}`;
    const all = (log: string) => recordsOf(toldInMessages(log), stream).length >= left;
    return toldInMessages(await printedBy("websocat", ["--no-close", "--text", url], all));
  };
  const told = await read("earliest", count);
  return [...told, ...await read(told.at(-1)!.id, count - recordsOf(told, stream).length)];
}

/** In a page of a service of its own, which is stopped and later killed under it. */
async function eventSource(stream: Stream): Promise<void> {
  const topic = newTopic("read");
  await using service = await Service.open();
  await createTopic(service.bootstrap, topic, partitions);
  await post(topic, count - 1_000, service);
  await using browser = await TestBrowser.launch();
  await browser.page(`${service.url}/ping`, async (page) => {
    const address = `${stream.path(topic)}/events?cursor=earliest`;
    await page.evaluate(listen, { address, events: ["ready", "gap", stream.event], record: stream.event });
    const reads = async (records: number) => {
      const enough = (wanted: number) => (globalThis as unknown as Listening).records >= wanted;
      await page.waitForFunction(enough, records, { timeout: clientMs, polling: 50 });
    };
    await reads(1);
    await service.terminate();
    await service.start();
    await post(topic, 500, service);
    await reads(count - 500);
    await service.kill();
    await service.start();
    await post(topic, 500, service);
    await reads(count);
    checkTold(await page.evaluate(() => (globalThis as unknown as Listening).told), stream, 3);
  });
}

/** What the page keeps. */
interface Listening {
  told: Told[];
  records: number;
}

/** Runs in the page. */
function listen({ address, events, record }: { address: string; events: string[]; record: string }): void {
  const page = Object.assign(globalThis as unknown as Listening, { told: [], records: 0 });
  const source = new EventSource(address);
  for (const event of events) {
    source.addEventListener(event, ({ lastEventId: id, data }: MessageEvent<string>) => {
      page.told.push({ event, id, data });
      if (event === record) page.records++;
    });
  }
}

for (const stream of streams) {
  const test = (client: string, needs: readonly Requirement[], fn: () => Promise<void>) => {
    const name = `${client} reads ${stream.path("{topic}")}, is cut, and has every record once`;
    Deno.test({ name, ignore: requires(...needs).ignore, fn });
  };
  const python = (script: string, url: string) =>
    printedBy(testPython(), [`${scripts}${script}`, url, stream.event, String(count)]);

  test(
    "curl",
    ["curl"],
    async () => checkResumed(await cutOnce(stream, (path, proxy) => curl(stream, path, proxy))),
  );

  test("requests-sse", ["requests-sse"], async () => {
    checkResumed(
      await cutOnce(stream, async (path, { host }) => {
        return toldInLines(
          await python("requests_sse_client.py", `http://${host}${path}/events?cursor=earliest`),
        );
      }),
    );
  });

  test("go-sse", ["go"], async () => {
    const program = await goStreamClient();
    checkResumed(
      await cutOnce(stream, async (path, { host }) => {
        const url = `http://${host}${path}/events?cursor=earliest`;
        return toldInLines(await printedBy(program, [url, stream.event, String(count)]));
      }),
    );
  });

  test("EventSource of a browser", ["chromium"], () => eventSource(stream));

  test("websockets", ["websockets"], async () => {
    await cutOnce(stream, async (path, { host }) => {
      return toldInLines(await python("websockets_client.py", `ws://${host}${path}/socket`));
    });
  });

  test("websocat, where it is on the PATH,", [], async () => {
    if (onPath("websocat") === null) return console.log("websocat is not on the PATH: left out");
    await cutOnce(stream, (path, proxy) => websocat(stream, path, proxy));
  });
}
