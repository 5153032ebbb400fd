/** What a user of the routes of any topic may rely on, whichever Kafka is behind them: one suite, run by the test files beside it.
 *
 * Records are written by a Kafka client that is not ours, in every codec, and posted; topics are made, given settings and emptied by that
 * client's admin. Left out: streams that are cut or slow (tests/contract/geo.ts has those on the same hub). @module */
import { assert, assertEquals } from "@std/assert";
import { type Admin, CompressionTypes } from "kafkajs";
import type { PartitionView } from "../../kafka/topic_views.ts";
import { createTopic, plainKafka, postJson, readTopic, SseClient } from "../clients.ts";
import { runCli } from "../commands/cli.ts";
import { eventually } from "../eventually.ts";
import type { Ground } from "./geo.ts";
import { newTopic } from "../new_topic.ts";

/** Registers the suite.
 * @param on the kind of Kafka, for the tests' names
 * @param ignore whether the machine has not got it
 * @param ground the service; asked for inside the tests only */
export function topicsContract(on: string, ignore: boolean, ground: () => Ground): void {
  const test = (claim: string, fn: (ground: Ground) => Promise<void>) =>
    Deno.test({ name: `topics on ${on}: ${claim}`, ignore, fn: () => fn(ground()) });

  test("records of every codec and kind come out of the stream, the pages and tailrace tail alike", showsAll);
  test("a topic is listed with its partitions, offsets, sizes and settings", describes);
  test("pages hold every record once, in the order of time", pages);
  test("a page tells what was removed", tellsRemoved);
  test("what is posted is in the log as it was posted", posts);
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

// deno-lint-ignore no-explicit-any
async function getJson({ service }: Ground, path: string): Promise<{ body: any; next: string | null }> {
  const response = await fetch(`${service.url}${path}`);
  const body = await response.json();
  assertEquals(response.status, 200, JSON.stringify(body));
  const link = response.headers.get("link");
  return { body, next: link === null ? null : link.slice(1, link.indexOf(">")) };
}

async function showsAll(ground: Ground): Promise<void> {
  const { service } = ground, topic = newTopic("codecs");
  await createTopic(ground.service.bootstrap, topic, 1);
  const values = [
    '{"id":12345678901234567890,\n "n":1}',
    "plain",
    Buffer.from([0xff, 0xd8]),
    null,
    "",
    "NaN",
  ];
  const shown = ['{"id":12345678901234567890,"n":1}', '"plain"', '{"base64":"/9g="}', "null", '""', '"NaN"'];
  const producer = plainKafka(service.bootstrap).producer();
  await producer.connect();
  const codecs = Object.values(CompressionTypes).filter((codec) => typeof codec === "number");
  try {
    for (const compression of codecs) {
      const headers = { codec: String(compression), twice: ["a", "b"] };
      const messages = values.map((value) => ({ key: `c${compression}`, value, headers }));
      await producer.send({ topic, compression, messages });
    }
  } finally {
    await producer.disconnect();
  }
  assertEquals(codecs.length, 5);
  const count = codecs.length * values.length;
  await using stream = await SseClient.open(`${service.url}/topics/${topic}/events?cursor=earliest`);
  const records = () => stream.events.filter(({ event }) => event === "record").map(({ data }) => data);
  await eventually("every record", () => records().length >= count, 60_000, () => stream.events.slice(-3));
  records().forEach((record, n) => {
    const codec = codecs[Math.floor(n / values.length)];
    const { timestamp } = JSON.parse(record);
    assertEquals(
      record,
      `{"topic":"${topic}","partition":0,"offset":${n},"timestamp":${timestamp},"key":"c${codec}",` +
        `"value":${shown[n % values.length]},"headers":{"codec":"${codec}","twice":["a","b"]}}`,
    );
  });
  const page = await (await fetch(`${service.url}/topics/${topic}/records`)).text();
  assert(page.startsWith(`{"records":[${records().join(",")}],"cursor":`), "the page has the same");
  const env = { KAFKA_BROKERS: service.bootstrap, LOG_LEVEL: "warn" };
  const tail = await runCli(["tail", topic, "--json", "--from", "earliest", "--limit", String(count)], {
    env,
  });
  assertEquals(tail, { code: 0, stdout: records().map((record) => `${record}\n`).join(""), stderr: "" });
}

async function describes(ground: Ground): Promise<void> {
  const topic = newTopic("described");
  await createTopic(ground.service.bootstrap, topic, 3, { "retention.ms": "3600000" });
  const records = Array.from(
    { length: 50 },
    (_, n) => ({ key: `${n}`, value: "x".repeat(100), partition: n % 2 }),
  );
  assertEquals((await postJson(`${ground.service.url}/topics/${topic}/records`, { records })).status, 201);
  const { body } = await getJson(ground, `/topics/${topic}`);
  assertEquals(
    body.partitions.map((part: PartitionView) => [part.partition, part.earliest, part.latest, part.records]),
    [[0, 0, 25, 25], [1, 0, 25, 25], [2, 0, 0, 0]],
  );
  assertEquals([body.name, body.records], [topic, 50]);
  assert(body.bytes > 5_000 && body.bytes < 20_000, `${body.bytes} bytes`);
  assertEquals(body.config["retention.ms"], { value: "3600000", isDefault: false });
  assertEquals(body.config["cleanup.policy"], { value: "delete", isDefault: true });
  const listed = await eventually("the list to have it", async () => {
    const { topics } = (await getJson(ground, "/topics")).body;
    return topics.find(({ name, records }: { name: string; records: number }) =>
      name === topic && records === 50
    );
  });
  assertEquals(listed, { name: topic, partitions: 3, records: 50, bytes: body.bytes });
  const missing = await fetch(`${ground.service.url}/topics/${newTopic("missing")}`);
  assertEquals([missing.status, (await missing.json()).code], [404, "unknown-topic"]);
}

async function pages(ground: Ground): Promise<void> {
  const topic = newTopic("paged");
  await createTopic(ground.service.bootstrap, topic, 3);
  const now = Date.now() - 60_000;
  const records = Array.from(
    { length: 500 },
    (_, n) => ({ value: { n }, partition: n * 7 % 3, timestamp: now + n }),
  );
  assertEquals((await postJson(`${ground.service.url}/topics/${topic}/records`, { records })).status, 201);
  const all = async (path: string) => {
    const found: number[] = [];
    for (let next: string | null = path; next !== null;) {
      const page: Awaited<ReturnType<typeof getJson>> = await getJson(ground, next);
      found.push(...page.body.records.map(({ value }: { value: { n: number } }) => value.n));
      next = page.next;
    }
    return found;
  };
  const numbers = Array.from({ length: 500 }, (_, n) => n);
  assertEquals(await all(`/topics/${topic}/records?limit=33`), numbers);
  assertEquals(
    await all(`/topics/${topic}/records?cursor=t.${now + 100}&until=t.${now + 200}&limit=40`),
    numbers.slice(100, 200),
  );
  assertEquals(await all(`/topics/${topic}/records?where=n>=490`), numbers.slice(490));
}

async function tellsRemoved(ground: Ground): Promise<void> {
  const topic = newTopic("removed");
  await createTopic(ground.service.bootstrap, topic, 2);
  const records = Array.from({ length: 40 }, (_, n) => ({ value: { n }, partition: n % 2 }));
  assertEquals((await postJson(`${ground.service.url}/topics/${topic}/records`, { records })).status, 201);
  const { body: before } = await getJson(ground, `/topics/${topic}`);
  await withAdmin(ground, async (admin) => {
    await admin.fetchTopicOffsets(topic); // so that it knows the topic
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "15" }] });
  });
  const { body } = await getJson(ground, `/topics/${topic}/records?cursor=${before.earliest}`);
  assertEquals(body.gaps, [{ partition: 0, from: 0, to: 15, skipped: 15, reason: "retention" }]);
  assertEquals(body.records.length, 25);
}

async function posts(ground: Ground): Promise<void> {
  const topic = newTopic("posted");
  await createTopic(ground.service.bootstrap, topic, 2);
  const url = `${ground.service.url}/topics/${topic}/records`;
  const { status, body } = await postJson(url, {
    records: [
      { key: "a", value: { n: 1 }, partition: 1, headers: { unit: "m", twice: ["x", "y"] } },
      { key: null, value: "text", partition: 1 },
      { key: "b", value: null, partition: 1 },
      { value: { base64: "AP8=" }, partition: 0 },
    ],
  });
  assertEquals([status, body], [201, {
    records: [[1, 0], [1, 1], [1, 2], [0, 0]].map(([partition, offset]) => ({ partition, offset })),
  }]);
  const raw = await fetch(`${url}?key=r&partition=1`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: '{"raw":  true}',
  });
  assertEquals([raw.status, await raw.json()], [201, { records: [{ partition: 1, offset: 3 }] }]);
  const log = await readTopic(ground.service.bootstrap, topic);
  assertEquals(log.map(({ partition, key, value }) => [partition, key, value]), [
    [0, null, "\0\ufffd"],
    [1, "a", '{"n":1}'],
    [1, null, "text"],
    [1, "b", null],
    [1, "r", '{"raw":  true}'],
  ]);
  assertEquals(String(log[1]!.headers["unit"]), "m");
  assertEquals([log[1]!.headers["twice"]].flat().map(String), ["x", "y"]);
  const missing = newTopic("missing");
  assertEquals(
    (await postJson(`${ground.service.url}/topics/${missing}/records`, { records: [{ value: 1 }] })).status,
    404,
  );
  const names = await withAdmin(ground, (admin) => admin.listTopics());
  assertEquals(names.includes(missing), false);
}
