/** kill -9 and SIGTERM of the whole service while viewers watch: where they go on.
 *
 * Five kills in a normal run, TAILRACE_VIDEO_CRASHES for more. A viewer that comes back after a kill misses nothing, and sees again what it
 * was shown since the last commit, which is a second old at most; after SIGTERM it goes on at the very next frame. Left out: a power cut,
 * after which positions are as safe as records.
 * @module */
import { assert, assertEquals, assertGreaterOrEqual, assertLess, assertStringIncludes } from "@std/assert";
import { ApacheKafka } from "../apache_kafka.ts";
import { concurrently, createTopic, plainKafka } from "../clients.ts";
import { eventually, pause } from "../eventually.ts";
import { BrokerProxy } from "../kafka/broker_proxy.ts";
import { MjpegClient } from "../mjpeg_client.ts";
import { Random } from "../random.ts";
import { requires } from "../requirements.ts";
import { Service, type ServiceOptions } from "../service.ts";
import { produceFrames } from "../video_frames.ts";

const times = Number(Deno.env.get("TAILRACE_VIDEO_CRASHES") ?? 5);
const fps = 25, everyMs = 1000 / fps;
/** How far behind what it was shown a viewer's position may be: commits are a second apart. */
const maxBehind = 1_000 / everyMs;
/** Longer than it takes to stop when nothing is waited for, on a busy machine. */
const busySeconds = 20;
/** Some 65 of them each time, with what is seen again. */
const enoughFrames = 800 + 90 * times;
const viewers = ["one", "two", "three"];

/** A service with a recording of frames. */
async function openRecording(
  frames: number,
  { bytes = 20_000, ...options }: ServiceOptions & { readonly bytes?: number } = {},
): Promise<Service> {
  const service = await Service.open(options);
  await createTopic(service.bootstrap, "cam", 1);
  const startMs = Date.now() - 3_600_000; // retention looks at the times when the broker starts
  await produceFrames(service.bootstrap, "cam", { count: frames, everyMs, startMs, bytes });
  return service;
}

function watch(service: Service, viewer: string, query = "", options = {}): Promise<MjpegClient> {
  return MjpegClient.open(`${service.url}/video/cam/mjpeg?viewer=${viewer}${query}`, options);
}

/** Fails unless the frames follow one another. */
function checkRun({ numbers }: MjpegClient, viewer: string): void {
  assertEquals(numbers, numbers.map((_, i) => numbers[0]! + i), `${viewer} has every frame once, in order`);
}

/** Where a viewer goes on, as Kafka has it; 0 for a new one. */
async function position({ bootstrap }: Service, viewer: string): Promise<number> {
  const admin = plainKafka(bootstrap).admin();
  await admin.connect();
  try {
    const [found] = await admin.fetchOffsets({ groupId: `viewer-${viewer}`, topics: ["cam"] });
    return Math.max(0, Number(found!.partitions[0]!.offset));
  } finally {
    await admin.disconnect();
  }
}

/** Waits until Kafka has had a position of each viewer that was a second behind at most when it was asked for.
 * @returns the positions */
async function positionsInTime(service: Service, clients: readonly MjpegClient[]): Promise<number[]> {
  return await Promise.all(clients.map(async (client, i) => {
    const found = await eventually(`the position of ${viewers[i]}, a second behind at most`, async () => {
      const shown = newest(client, -1), at = await position(service, viewers[i]!);
      return at + maxBehind > shown && { at };
    });
    return found.at;
  }));
}

/** The number of the newest frame that a viewer has, `before` when it has none. */
function newest({ numbers }: MjpegClient, before: number): number {
  return numbers.at(-1) ?? before;
}

Deno.test(`kill -9 of the service while it is watched, ${times} times: viewers miss nothing, and see a second again at most`, async () => {
  await using service = await openRecording(enoughFrames);
  await killUnderViewers(service, "the embedded broker");
});

Deno.test({
  name:
    `kill -9 of the service beside Apache Kafka, ${times} times: viewers miss nothing, and see a second again at most`,
  ignore: requires("apache-kafka").ignore,
  async fn() {
    await using kafka = await ApacheKafka.open();
    await using service = await openRecording(enoughFrames, { kafkaBrokers: kafka.bootstrap });
    await killUnderViewers(service, "Apache Kafka");
  },
});

async function killUnderViewers(service: Service, on: string): Promise<void> {
  const random = new Random(`moments of kill -9 under viewers, ${on}`);
  const last = new Map(viewers.map((viewer) => [viewer, -1]));
  const again: number[] = [];
  let committedBefore = viewers.map(() => 0);
  for (let n = 0; n <= times; n++) {
    if (n > 0) await service.start();
    const clients = await concurrently(viewers, viewers.length, (viewer) => watch(service, viewer));
    await Promise.all(clients.map((client) => client.count(1)));
    await pause(random.between(0, 2_500));
    const committed = await positionsInTime(service, clients);
    await service.kill();
    await Promise.all(clients.map((client) => client.end()));
    clients.forEach((client, i) => {
      const viewer = viewers[i]!, had = last.get(viewer)!, first = client.numbers[0]!;
      checkRun(client, viewer);
      assertLess(first, had + 2, `${viewer} misses nothing after frame ${had}`);
      assertGreaterOrEqual(first, committedBefore[i]!, `${viewer} sees nothing again that was committed`);
      if (n > 0) again.push(had + 1 - first);
      last.set(viewer, newest(client, had));
    });
    committedBefore = committed;
  }
  again.sort((a, b) => a - b);
  const shown = [again[0], again[again.length >> 1], again.at(-1)].join(" / ");
  console.log(
    `kill -9 ×${times}, ${on}: ${shown} frames of ${everyMs} ms were seen again (least / median / most)`,
  );
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends the streams of viewers, who go on at the next frame`, async () => {
    await using service = await openRecording(200);
    const last = new Map(viewers.map((viewer) => [viewer, -1]));
    for (let n = 0; n < 3; n++) {
      if (n > 0) await service.start();
      const clients = await concurrently(viewers, viewers.length, (viewer) => watch(service, viewer));
      await Promise.all(clients.map((client) => client.count(10 + 7 * n)));
      const { code } = await service.terminate(signal);
      assertEquals(code, 0, service.log().slice(-2_000));
      assert(!service.log().includes("not drained in time"), "nothing was waited for");
      await Promise.all(clients.map((client) => client.end()));
      clients.forEach((client, i) => {
        const viewer = viewers[i]!;
        assertEquals(client.ended, "clean", "the stream ends, it is not cut off");
        checkRun(client, viewer);
        assertEquals(client.numbers[0], last.get(viewer)! + 1, `${viewer} goes on`);
        last.set(viewer, newest(client, -1));
      });
    }
  });
}

Deno.test("SIGTERM while a viewer reads nothing ends in DRAIN_TIMEOUT_MS all the same, and it misses nothing", async () => {
  await using service = await openRecording(60, { bytes: 300_000, settings: { DRAIN_TIMEOUT_MS: "3000" } });
  const stalled = await watch(service, "one", "&speed=1000", { frames: 1 });
  await stalled.count(1);
  const sent = () => service.metric('tailrace_deliveries_total{transport="mjpeg"}');
  await eventually("the connection to be full", async () => {
    const before = await sent();
    await pause(250);
    return await sent() === before;
  });
  const { code, seconds } = await service.terminate();
  assertEquals(code, 0, service.log().slice(-2_000));
  assertLess(seconds, 3 + busySeconds, "seconds until it ended");
  await stalled[Symbol.asyncDispose]();
  await service.start();
  await using client = await watch(service, "one", "&speed=1000&until=latest");
  await client.end();
  checkRun(client, "one");
  assert(client.numbers[0]! >= 1 && client.numbers[0]! < 40, `it goes on at ${client.numbers[0]}`);
  assertEquals(client.numbers.at(-1), 59);
});

Deno.test("SIGTERM while Kafka is silent ends in DRAIN_TIMEOUT_MS all the same, with viewers whose positions wait", async () => {
  await using broker = await openRecording(200);
  const [hostname, port] = broker.bootstrap.split(":") as [string, string];
  await using proxy = new BrokerProxy({ hostname, port: Number(port) });
  await using service = await Service.open({
    kafkaBrokers: proxy.bootstrap,
    settings: { DRAIN_TIMEOUT_MS: "3000" },
  });
  await using client = await watch(service, "one");
  await client.count(5);
  proxy.onAnswer = () => "drop";
  await client.count(client.frames.length + 1);
  const { code, seconds } = await service.terminate();
  assertEquals(code, 0, service.log().slice(-2_000));
  assertStringIncludes(service.log(), "not drained in time");
  assertLess(seconds, 3 + busySeconds, "seconds until it ended");
  await client.end();
  assertEquals(client.ended, "clean");
});
