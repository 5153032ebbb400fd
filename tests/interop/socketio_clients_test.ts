/** Foreign clients of Socket.IO on the whole service: programs that watch the likes of two videos, as those who have one today wrote it.
 *
 * python-socketio with threads (requests and websocket-client) and with asyncio (aiohttp), over polling, over WebSocket, and from one to
 * the other; cut off by a service that stops, and by one that is killed. Left out: JavaScript (tests/routes/socketio_test.ts).
 * @module */
import { assert, assertEquals } from "@std/assert";
import { createProducer } from "../../kafka/producer.ts";
import { silentLogger } from "../../logger.ts";
import { connect } from "../kafka/test_broker.ts";
import { Program } from "../programs.ts";
import { requires, testPython } from "../requirements.ts";
import { Service } from "../service.ts";

const clientMs = 120_000, minuteMs = 60_000;
const scripts = new URL("./socketio_clients/", import.meta.url).pathname;
const videos = ["93f98662-8907-4f43-bb4c-280501481046", "69e7266c-753e-4ed3-b7fc-9035133a293f"] as const;
const clicksTopic = "video_clicks_ingestion";
/** What a client may connect with, which is nothing to this service. */
const token = JSON.stringify({ token: "any" });
const ignore = requires("python-socketio", "websocket-client", "aiohttp").ignore;

/** What a client printed. */
interface Told {
  readonly event: string;
  readonly data: unknown;
}

/** A client that runs until its test ends. */
class Client implements AsyncDisposable {
  readonly #program: Program;
  readonly #logFile: string;

  constructor(script: string, url: string, transports: string, auth = "") {
    this.#logFile = Deno.makeTempFileSync({ prefix: "tailrace-client-" });
    const args = [`${scripts}${script}`, url, transports, auth, ...videos];
    this.#program = Program.start(testPython(), args, { logFile: this.#logFile });
  }

  /** Waits until it has been told so many events of a name.
   * @returns their data, all there are */
  async has(count: number, event: string): Promise<unknown[]> {
    const enough = (log: string) => {
      const told = toldIn(log).filter((one) => one.event === event);
      return told.length >= count ? told.map(({ data }) => data) : null;
    };
    return await this.#program.printed(enough, `${count} of ${event}`, clientMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program.kill();
    await Deno.remove(this.#logFile);
  }
}

function toldIn(log: string): Told[] {
  return log.split("\n").slice(0, -1).filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

/** Puts clicks into Kafka as a producer that fills in what happened before: `[id, ms]`. */
async function click(service: Service, clicks: readonly (readonly [string, number])[]): Promise<void> {
  await using kafka = connect(service.bootstrap);
  await using producer = createProducer(kafka, { log: silentLogger });
  await producer.sendAll(
    clicksTopic,
    clicks.map(([value, timestamp]) => ({ key: null, value, timestamp, partition: 0 })),
  );
}

/** Clicks of eleven minutes that began `ago` ten minutes before now: three and one on the first video, two on the second, one that
 * nobody registered, and one that is late enough to end the windows of all sizes. */
async function clickTenMinutes(service: Service, ago: number): Promise<void> {
  const startMs = Math.floor(Date.now() / (10 * minuteMs) - ago) * 10 * minuteMs, [a, b] = videos;
  const minutes: [string, number][] = [[a, 0], [a, 0.1], [a, 0.2], [b, 1], [b, 1.5], ["other", 1], [a, 2.5]];
  const clicks = minutes.map(([id, minute]): [string, number] => [id, startMs + minute * minuteMs]);
  await click(service, [...clicks, ["the last one", startMs + 11 * minuteMs]]);
}

/** What is told of those, sorted. */
const ofMinutes = {
  live_aggregations_1: [[0, 3], [1, 2], [0, 1]],
  live_aggregations_5: [[0, 4], [1, 2]],
  live_aggregations_10: [[0, 4], [1, 2]],
};

async function checkTenMinutes(client: Client, times: number): Promise<void> {
  for (const [event, once] of Object.entries(ofMinutes)) {
    const wanted = Array.from({ length: times }, () => once).flat()
      .map(([video, count]) => JSON.stringify({ id: videos[video!], count }));
    const told = await client.has(wanted.length, event);
    assertEquals(told.map((data) => JSON.stringify(data)).sort(), wanted.sort(), event);
  }
}

Deno.test({
  name:
    "python-socketio has the windows of the videos that it registered, and its handlers nothing else, by threads and by asyncio, over each transport",
  ignore,
  async fn() {
    await using service = await Service.open();
    await using clients = new AsyncDisposableStack();
    const ways = [["", ""], ["polling", ""], ["websocket", ""], ["polling", token], ["websocket", token]];
    const start = (script: string) =>
      ways.map(([way, auth]) => clients.use(new Client(script, service.url, way!, auth)));
    const threaded = start("likes_client.py"), acked = start("async_likes_client.py");
    for (const client of acked) {
      assertEquals(await client.has(1, "register_room"), [{ rooms: 2 }]);
      const told = { rooms: 2, event: "live_aggregations_10" };
      assertEquals(await client.has(1, "consume_10_min_aggregations"), [told]);
    }
    for (const client of threaded) assertEquals(await client.has(1, "ready"), [{ rooms: 2 }]);
    await clickTenMinutes(service, 12);
    for (const client of [...threaded, ...acked]) await checkTenMinutes(client, 1);
    await clickTenMinutes(service, 6);
    for (const client of [...threaded, ...acked]) await checkTenMinutes(client, 2);
  },
});

Deno.test({
  name:
    "python-socketio comes back to a service that was stopped or killed, and has the windows that end then",
  ignore,
  async fn() {
    await using service = await Service.open();
    await using clients = new AsyncDisposableStack();
    const all = ["", "polling", "websocket"].map((way) =>
      clients.use(new Client("likes_client.py", service.url, way))
    );
    for (const client of all) await client.has(1, "ready");
    assertEquals((await service.terminate()).code, 0);
    assert(!service.log().includes("not drained in time"), "nothing was waited for");
    for (const client of all) await client.has(1, "disconnect");
    await service.start();
    for (const client of all) await client.has(2, "ready");
    await service.kill();
    await service.start();
    for (const client of all) await client.has(3, "ready");
    await clickTenMinutes(service, 12);
    for (const client of all) await checkTenMinutes(client, 1);
  },
});
