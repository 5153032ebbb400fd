/** What a publisher of video may rely on, whichever Kafka is behind it: one suite, run by the test files beside it.
 *
 * The service is the real one in a process of its own; what is in the log is read by a Kafka client that is not ours. Left out: bodies
 * of all kinds, and Kafka going away (tests/routes/video_publish_test.ts and its neighbours).
 * @module */
import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { ConfigResourceTypes } from "kafkajs";
import { type Answer, createTopic, plainKafka, readTopic, WsClient } from "../clients.ts";
import { eventually } from "../eventually.ts";
import { joined, numberedJpeg } from "../jpegs.ts";
import type { Ground } from "./geo.ts";
import { newTopic } from "../new_topic.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param ground the service; asked for inside the tests only */
export function videoPublishContract(on: string, ignore: boolean, ground: () => Ground): void {
  const test = (claim: string, fn: (ground: Ground) => Promise<void>) =>
    Deno.test({ name: `publishing video on ${on}: ${claim}`, ignore, fn: () => fn(ground()) });

  test("posted frames are in the log as they are, in order, with name, time and source", posts);
  test("the first frame makes the topic with the retention of video", makesTopic);
  test("a frame of MAX_FRAME_BYTES is taken, and one byte more is not", takesLargest);
  test("a topic that takes less tells how much", tellsLimit);
  test("frames of a socket are stored in the order in which they were sent", sends);
}

const maxFrameBytes = 900 * 1024;

async function post(
  { service }: Ground,
  address: string,
  body: BodyInit,
): Promise<Pick<Answer, "status" | "body">> {
  const response = await fetch(`${service.url}/video/${address}`, { method: "POST", body });
  return { status: response.status, body: await response.json() };
}

/** The values of a topic's only partition, from its beginning. */
async function storedJpegs({ service }: Ground, topic: string): Promise<Uint8Array[]> {
  const response = await fetch(`${service.url}/topics/${topic}/records?limit=1000`);
  const { records } = await response.json();
  return records.map(({ value }: { value: { base64: string } }) => Uint8Array.fromBase64(value.base64));
}

async function posts(ground: Ground): Promise<void> {
  const topic = newTopic("posted"), began = Date.now();
  const frames = Array.from({ length: 100 }, (_, n) => numberedJpeg(n, { bytes: 1_000 + 500 * n }));
  const whole = joined(...frames);
  const answer = await post(ground, `${topic}/frames?key=door&source=a%20test`, whole);
  assertEquals(answer, { status: 200, body: { frames: 100, bytes: whole.length } });
  assertEquals(await storedJpegs(ground, topic), frames);
  let last = began;
  for (const { key, headers, timestamp } of await readTopic(ground.service.bootstrap, topic)) {
    const text = (name: string) => headers[name]?.toString();
    assertEquals([key, text("content-type"), text("source")], ["door", "image/jpeg", "a test"]);
    assertEquals(text("captured-at"), String(timestamp));
    assertEquals(timestamp >= last && timestamp <= Date.now(), true);
    last = timestamp;
  }
}

async function makesTopic(ground: Ground): Promise<void> {
  const topic = newTopic("made");
  assertEquals((await post(ground, `${topic}/frames`, numberedJpeg(1))).body.frame, "0:0");
  const admin = plainKafka(ground.service.bootstrap).admin();
  await admin.connect();
  try {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }];
    const { resources: [found] } = await admin.describeConfigs({ resources, includeSynonyms: false });
    const configs = new Map(
      found!.configEntries.map(({ configName, configValue }) => [configName, configValue]),
    );
    assertEquals(configs.get("retention.ms"), String(3_600_000));
    assertEquals(configs.get("retention.bytes"), String(2 ** 30));
    assertEquals(configs.get("cleanup.policy"), "delete");
  } finally {
    await admin.disconnect();
  }
}

async function takesLargest(ground: Ground): Promise<void> {
  const topic = newTopic("largest"), exact = numberedJpeg(1, { bytes: maxFrameBytes });
  assertEquals((await post(ground, `${topic}/frames`, joined(exact, exact))).body.frames, 2);
  const refused = await post(ground, `${topic}/frames`, numberedJpeg(1, { bytes: maxFrameBytes + 1 }));
  assertEquals([refused.status, refused.body.code], [413, "frame-too-large"]);
  assertEquals(refused.body.maxFrameBytes, maxFrameBytes);
}

async function tellsLimit(ground: Ground): Promise<void> {
  const topic = newTopic("small");
  await createTopic(ground.service.bootstrap, topic, 1, { "max.message.bytes": "20000" });
  const { status, body } = await post(ground, `${topic}/frames`, numberedJpeg(1, { bytes: 30_000 }));
  assertEquals([status, body.code], [413, "frame-too-large"]);
  assertMatch(body.detail, /frames of at most \d+ bytes are taken there/);
  assertGreater(body.maxFrameBytes, 19_000);
  const taken = await post(ground, `${topic}/frames`, numberedJpeg(1, { bytes: body.maxFrameBytes }));
  assertEquals([taken.status, taken.body.frame], [200, "0:0"]);
}

async function sends(ground: Ground): Promise<void> {
  const topic = newTopic("sent"), count = 200, mostUnanswered = 16;
  const frames = Array.from({ length: count }, (_, n) => numberedJpeg(n, { bytes: 20_000 }));
  await using socket = await WsClient.open(`${ground.service.url}/video/${topic}/publish`);
  for (const [n, frame] of frames.entries()) {
    await eventually("room", () => n - socket.all("stored").length < mostUnanswered, 60_000);
    socket.socket.send(frame);
  }
  await eventually("all of them stored", () => socket.all("stored").length === count, 60_000);
  const wanted = frames.map((_, n) => ({ type: "stored", frame: `0:${n}`, n: n + 1 }));
  assertEquals(socket.all("stored"), wanted);
  assertEquals(await storedJpegs(ground, topic), frames);
}
