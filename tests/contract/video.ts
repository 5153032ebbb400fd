/** What a viewer of video may rely on, whichever Kafka is behind it: one suite, run by the test files beside it.
 *
 * The service is the real one in a process of its own; frames are written, and positions read, by a Kafka client that is not ours. Left
 * out: a dying process (tests/crash/), the bytes of the answer and Kafka going away (tests/routes/mjpeg_test.ts).
 * @module */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Admin } from "kafkajs";
import { concurrently, createTopic, deleteTopic, plainKafka, SseClient } from "../clients.ts";
import { eventually, quickly } from "../eventually.ts";
import { MjpegClient, type MjpegOptions } from "../mjpeg_client.ts";
import { type FrameRun, produceFrames as produceFramesAt } from "../video_frames.ts";
import type { Ground } from "./geo.ts";
import { newTopic } from "../new_topic.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param ground the service; asked for inside the tests only */
export function videoContract(on: string, ignore: boolean, ground: () => Ground): void {
  const test = (claim: string, fn: (ground: Ground) => Promise<void>) =>
    Deno.test({ name: `video on ${on}: ${claim}`, ignore, fn: () => fn(ground()) });

  test("a refresh goes on at the next frame, and so does a browser that was closed", goesOn);
  test("a recording plays with no producer, in order, paced by its times", plays);
  test("a viewer's position is a committed offset of a group without members", commits);
  test("20 viewers of three partitions each have every frame once, in order, and go on", shares);
  test("of two tabs the one opened last keeps the position", twoTabs);
  test("live=1 shows the newest frame and keeps the position", live);
  test("a viewer goes on at the first frame that was left of what was removed", goesOnBehindRemoved);
  test("a topic that was made anew begins at its beginning", madeAnew);
}

/** Not long ago: the broker sweeps away what is too old for its topic every ten seconds. */
const startMs = Date.now() - 60_000;

function produceFrames(bootstrap: string, topic: string, run: FrameRun): Promise<void> {
  return produceFramesAt(bootstrap, topic, { startMs, ...run });
}

/** A viewer that no other test uses. */
function newViewer(): string {
  return crypto.randomUUID().slice(0, 8);
}

function watch(
  { service }: Ground,
  topic: string,
  query = "",
  options: MjpegOptions = {},
): Promise<MjpegClient> {
  return MjpegClient.open(`${service.url}/video/${topic}/mjpeg${query}`, options);
}

/** A topic of one partition with frames. */
async function recording({ service }: Ground, what: string, count: number, everyMs = 40): Promise<string> {
  const topic = newTopic(what);
  await createTopic(service.bootstrap, topic, 1);
  await produceFrames(service.bootstrap, topic, { count, everyMs });
  return topic;
}

async function withAdmin<T>({ service }: Ground, act: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = plainKafka(service.bootstrap).admin();
  await admin.connect();
  try {
    return await act(admin);
  } finally {
    await admin.disconnect();
  }
}

/** The committed offsets of a viewer, by partition; −1 for none. */
async function committed(ground: Ground, viewer: string, topic: string): Promise<number[]> {
  return await withAdmin(ground, async (admin) => {
    const [found] = await admin.fetchOffsets({ groupId: `viewer-${viewer}`, topics: [topic] });
    return found!.partitions.toSorted((a, b) => a.partition - b.partition).map(({ offset }) =>
      Number(offset)
    );
  });
}

async function hasCommitted(ground: Ground, viewer: string, topic: string, wanted: number[]): Promise<void> {
  let seen: number[] = [];
  const probe = async () => `${seen = await committed(ground, viewer, topic)}` === `${wanted}`;
  await eventually(`the committed position ${wanted}`, probe, 60_000, () => seen);
}

function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, n) => from + n);
}

/** Watches until it has so many frames, and leaves. */
async function look(
  ground: Ground,
  topic: string,
  query: string,
  frames: number,
  options: MjpegOptions = {},
): Promise<MjpegClient> {
  const client = await watch(ground, topic, query, options);
  await client.count(frames, 30_000);
  await client[Symbol.asyncDispose]();
  return client;
}

async function goesOn(ground: Ground): Promise<void> {
  // The next frame is due long after a viewer has left, so the service knows of that: what it sends to a dead connection counts as sent.
  const topic = await recording(ground, "refresh", 20, 2_000);
  const first = await look(ground, topic, "", 2);
  assertMatch(first.cookie!, /^viewer=[A-Za-z0-9_-]{22}$/);
  const { cookie } = first, seen = [...first.numbers];
  for (let n = 0; n < 5; n++) seen.push(...(await look(ground, topic, "", 1, { cookie })).numbers);
  assertEquals(seen, upTo(7), "each frame once, none left out");

  // Closed and opened again: long enough for the last position to be in Kafka and nowhere else.
  await hasCommitted(ground, cookie!.slice("viewer=".length), topic, [7]);
  const again = await look(ground, topic, "", 2, { cookie });
  assertEquals(again.numbers, [7, 8]);
}

async function plays(ground: Ground): Promise<void> {
  const topic = await recording(ground, "replay", 50, 40), paceMs = 49 * 40;
  await quickly("a replay", paceMs + 1_000, async () => {
    const askedMs = performance.now();
    await using client = await watch(ground, topic, "?viewer=&until=latest");
    await client.end(60_000);
    assertEquals(client.numbers, upTo(50));
    const tookMs = client.frames.at(-1)!.atMs - askedMs;
    assert(tookMs > paceMs - 30, `${tookMs} ms for ${paceMs}`);
  });
}

async function commits(ground: Ground): Promise<void> {
  const topic = await recording(ground, "commits", 10, 10), viewer = newViewer();
  const client = await watch(ground, topic, `?viewer=${viewer}`);
  await client.count(10, 30_000);
  await hasCommitted(ground, viewer, topic, [10]); // while it watches
  await produceFrames(ground.service.bootstrap, topic, { from: 10, count: 1 });
  await client.count(11);
  await client[Symbol.asyncDispose]();
  await hasCommitted(ground, viewer, topic, [11]); // and when it left
  const { groups: [group] } = await withAdmin(
    ground,
    (admin) => admin.describeGroups([`viewer-${viewer}`]),
  );
  assertEquals([group!.state, group!.members], ["Empty", []]);
  assertEquals(await committed(ground, newViewer(), topic), [-1]);
}

async function shares(ground: Ground): Promise<void> {
  const topic = newTopic("shares"), { bootstrap } = ground.service;
  await createTopic(bootstrap, topic, 3);
  const each = 40, viewers = upTo(20).map(() => newViewer());
  const produce = (from: number) =>
    Promise.all(
      upTo(3).map((partition) => produceFrames(bootstrap, topic, { from, count: each, partition })),
    );
  await produce(0);
  const all = async (from: number) => {
    const clients = await concurrently(
      viewers,
      20,
      (viewer) => look(ground, topic, `?viewer=${viewer}&speed=100`, 3 * each),
    );
    for (const { frames, numbers } of clients) {
      for (const partition of upTo(3)) {
        const own = numbers.filter((_, i) => frames[i]!.partition === partition);
        assertEquals(own, upTo(each, from), `partition ${partition}`);
      }
    }
  };
  await all(0);
  for (const viewer of viewers) await hasCommitted(ground, viewer, topic, [each, each, each]);
  await produce(each);
  await all(each);
}

async function twoTabs(ground: Ground): Promise<void> {
  const topic = await recording(ground, "tabs", 4, 10), viewer = newViewer();
  await using first = await watch(ground, topic, `?viewer=${viewer}`);
  await first.count(4, 30_000);
  await hasCommitted(ground, viewer, topic, [4]);
  const second = await watch(ground, topic, `?viewer=${viewer}`);
  await produceFrames(ground.service.bootstrap, topic, { from: 4, count: 2 });
  await Promise.all([first.count(6), second.count(2)]);
  assertEquals([first.numbers, second.numbers], [upTo(6), [4, 5]]);
  await second[Symbol.asyncDispose]();
  await hasCommitted(ground, viewer, topic, [6]);
  await produceFrames(ground.service.bootstrap, topic, { from: 6, count: 1 });
  await first.count(7);
  await hasCommitted(ground, viewer, topic, [7]);
}

async function live(ground: Ground): Promise<void> {
  const topic = await recording(ground, "live", 100), viewer = newViewer();
  await using client = await watch(ground, topic, `?viewer=${viewer}&live=1`);
  await client.count(1, 30_000);
  for (const from of [100, 101]) {
    await produceFrames(ground.service.bootstrap, topic, { from, count: 1, startMs: Date.now() - from * 40 });
    await client.count(from - 98);
  }
  assertEquals(client.numbers, [99, 100, 101]);
  await hasCommitted(ground, viewer, topic, [102]);
}

async function goesOnBehindRemoved(ground: Ground): Promise<void> {
  const topic = await recording(ground, "removed", 20), query = `?viewer=${newViewer()}&speed=100`;
  assertEquals((await look(ground, topic, query, 20)).numbers, upTo(20));
  await produceFrames(ground.service.bootstrap, topic, { from: 20, count: 20 });
  await withAdmin(ground, async (admin) => {
    await admin.fetchTopicOffsets(topic); // so that it knows the topic
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "30" }] });
  });
  assertEquals((await look(ground, topic, query, 10)).numbers, upTo(10, 30));
}

async function madeAnew(ground: Ground): Promise<void> {
  const topic = await recording(ground, "anew", 20), query = `?viewer=${newViewer()}&speed=100`;
  assertEquals((await look(ground, topic, query, 20)).numbers, upTo(20));
  const { bootstrap, url } = ground.service;
  await using told = await SseClient.open(`${url}/video/${topic}/events`);
  await told.first("ready");
  await deleteTopic(bootstrap, topic);
  await createTopic(bootstrap, topic, 1);
  await produceFrames(bootstrap, topic, { from: 100, count: 3 });
  await told.first("ready", ({ resume }) => resume === "reset"); // until then the log before is remembered
  assertEquals((await look(ground, topic, query, 3)).numbers, upTo(3, 100));
}
