/** What is told of video topics, and single frames of them, whichever Kafka is behind it: one suite, run by the test files beside it.
 *
 * Frames are written by a Kafka client that is not ours, in transactions too. Left out: streams of frames (video.ts), requests that make no
 * sense, nodes that are away (tests/routes/video_test.ts, tests/kafka/record_finder_test.ts).
 * @module */
import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { CompressionTypes, Partitioners } from "kafkajs";
import { createTopic, plainKafka } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { numberedJpeg, numberOf } from "../jpegs.ts";
import { produceFrames } from "../video_frames.ts";
import type { Ground } from "./geo.ts";
import { newTopic } from "../new_topic.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param ground the service; asked for inside the tests only */
export function framesContract(on: string, ignore: boolean, ground: () => Ground): void {
  const test = (claim: string, fn: (ground: Ground) => Promise<void>) =>
    Deno.test({ name: `frames on ${on}: ${claim}`, ignore, fn: () => fn(ground()) });

  test("one is found by its time and by its neighbour, over all partitions", findsFrames);
  test("those of aborted transactions, and the ends of others, are passed over", passesOverAborted);
  test("a topic tells its first and its last one, also when the first were removed", tellsWhatIsKept);
  test("topics of video are listed, the usual one first", lists);
}

/** Not long ago, as retention looks at the times of records. */
const startMs = Date.now() - 60_000, everyMs = 40;

/** The number of a single frame, or the status of the refusal. */
async function frameAt({ service }: Ground, topic: string, query = ""): Promise<number | null> {
  const response = await fetch(`${service.url}/video/${topic}/snapshot.jpg${query}`);
  const body = await response.bytes();
  return response.ok ? numberOf(body) : response.status;
}

// deno-lint-ignore no-explicit-any
async function getJson({ service }: Ground, path: string): Promise<any> {
  const response = await fetch(`${service.url}${path}`);
  assertEquals(response.status, 200);
  return await response.json();
}

async function findsFrames(ground: Ground): Promise<void> {
  const { bootstrap } = ground.service, topic = newTopic("find");
  await createTopic(bootstrap, topic, 3);
  // Numbers 0 to 9 in partition 0, 10 to 19 in partition 2, each 40 ms after the one before.
  await produceFrames(bootstrap, topic, { startMs, count: 10, partition: 0 });
  await produceFrames(bootstrap, topic, { startMs, from: 10, count: 10, partition: 2 });
  const at = (query: string) => frameAt(ground, topic, query);
  assertEquals(await at(""), 19);
  assertEquals(await at("?cursor=earliest"), 0);
  assertEquals(await at(`?cursor=t.${startMs + 3 * everyMs}`), 3);
  assertEquals(await at(`?cursor=t.${startMs + 9 * everyMs + 1}`), 10);
  assertEquals(await at(`?cursor=t.${startMs + 20 * everyMs}`), 404);
  assertEquals([await at("?before=2:5"), await at("?after=2:5")], [14, 16]);
  assertEquals([await at("?before=2:0"), await at("?after=2:9"), await at("?after=1:0")], [404, 404, 404]);
}

async function passesOverAborted(ground: Ground): Promise<void> {
  const { bootstrap } = ground.service, topic = newTopic("aborted");
  await createTopic(bootstrap, topic, 1);
  const producer = plainKafka(bootstrap).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    transactionalId: topic,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  await producer.connect();
  try {
    let number = 0;
    for (const end of ["commit", "abort", "commit", "abort"] as const) {
      const transaction = await producer.transaction();
      for (let i = 0; i < 3; i++) {
        const value = Buffer.from(numberedJpeg(number++));
        await transaction.send({ topic, messages: [{ value }], compression: CompressionTypes.GZIP });
      }
      await transaction[end]();
    }
  } finally {
    await producer.disconnect();
  }
  // Offsets 0 1 2 and a marker, 4 5 6 aborted and a marker, 8 9 10 and a marker, 12 13 14 aborted and a marker.
  const at = (query: string) => frameAt(ground, topic, query);
  await eventually("the end of the last transaction", async () => (await at("")) === 8);
  assertEquals([await at("?after=0:2"), await at("?before=0:8")], [6, 2]);
  assertEquals([await at("?after=0:10"), await at("?before=0:15"), await at("?cursor=earliest")], [
    404,
    8,
    0,
  ]);
}

async function tellsWhatIsKept(ground: Ground): Promise<void> {
  const { bootstrap } = ground.service, topic = newTopic("kept");
  await createTopic(bootstrap, topic, 2);
  await produceFrames(bootstrap, topic, { startMs, count: 8, partition: 0 });
  await produceFrames(bootstrap, topic, { startMs, from: 8, count: 2, partition: 1 });
  const told = async () => {
    const { exists, partitions, frames, first, last } = await getJson(ground, `/video/${topic}`);
    return [exists, partitions, frames, first.frame, last.frame, last.capturedAt];
  };
  assertEquals(await told(), [true, 2, 10, "0:0", "1:1", startMs + 9 * everyMs]);
  const admin = plainKafka(bootstrap).admin();
  await admin.connect();
  await admin.fetchTopicOffsets(topic); // so that it knows the topic
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "5" }] });
  await admin.disconnect();
  await eventually("what was removed to be gone", async () => (await told())[3] === "0:5");
  assertEquals((await told())[2], 5);
  const missing = await getJson(ground, `/video/${newTopic("missing")}`);
  assertEquals([missing.exists, missing.frames, missing.first], [false, 0, null]);
}

async function lists(ground: Ground): Promise<void> {
  const { bootstrap } = ground.service, topic = newTopic("listed"), other = newTopic("other");
  await createTopic(bootstrap, topic, 3);
  await createTopic(bootstrap, other, 1);
  await produceFrames(bootstrap, topic, { startMs, count: 2, partition: 1 });
  const found = await eventually("the topic in the list", async () => {
    const { topics } = await getJson(ground, "/video");
    assertEquals(topics[0].topic, "video");
    // deno-lint-ignore no-explicit-any
    assertEquals(topics.some((one: any) => one.topic === other), false);
    // deno-lint-ignore no-explicit-any
    return topics.find((one: any) => one.topic === topic);
  });
  assertEquals([found.frames, found.newest.frame, found.newest.name], [2, "1:1", topic]);
}
