import { assertEquals, assertStringIncludes } from "@std/assert";
import { featureTopics, makeTopics, makeTopicsInBackground } from "../../commands/topic_setup.ts";
import type { WantedTopic } from "../../commands/topic_setup.ts";
import { readConfig } from "../../config.ts";
import type { KafkaError } from "../../kafka/connection.ts";
import { TopicViews } from "../../kafka/topic_views.ts";
import { createLogger } from "../../logger.ts";
import { connect, TestBroker } from "../kafka/test_broker.ts";
import { Service } from "../service.ts";

const configOf = (settings: Record<string, string> = {}) =>
  readConfig({}, new Map(Object.entries(settings)), "client");

function linesLogger(): {
  lines: { message: string; topic?: string; reason?: string }[];
  log: ReturnType<typeof createLogger>;
} {
  const lines: { message: string; topic?: string; reason?: string }[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  return { lines, log: createLogger({ level: "warn", format: "json", write }) };
}

const namesOf = (settings: Record<string, string>) =>
  featureTopics(configOf(settings)).map(({ name }) => name);

Deno.test("featureTopics() are those of positions, video, each measurement and its histogram, clicks and their windows", () => {
  const measured = namesOf({ MEASUREMENTS: "noise:0:10:1,pressure", WINDOWS: "none" });
  assertEquals(measured.slice(0, 2), ["geostream", "video"]);
  assertEquals(measured.slice(2, -1), ["noise", "hist_noise", "pressure", "hist_pressure"]);
  assertEquals(measured.slice(-1), ["video_clicks_ingestion"], "likes are taken, though not counted");
  assertEquals(
    namesOf({ MEASUREMENTS: "none", CLICKS_TOPIC: "likes", WINDOWS: "1m,30s" }).slice(2),
    [
      ...["likes", "tailrace-likes-by-id", "tailrace-likes-windows"],
      ...["30_second_aggregation_topic", "one_minute_aggregation_topic"],
    ],
  );
});

Deno.test("makeTopics() makes the topics of ids with as many partitions as there are of clicks", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("likes", 5);
  await using kafka = connect(broker.bootstrap);
  const outcomes: Record<string, string> = {};
  const tell = ({ name }: WantedTopic, outcome: unknown) => void (outcomes[name] = String(outcome));
  await makeTopics(kafka, featureTopics(configOf({ CLICKS_TOPIC: "likes", WINDOWS: "2m" })), tell);
  assertEquals([outcomes["likes"], outcomes["tailrace-likes-by-id"]], ["exists", "created"]);
  await using views = new TopicViews(kafka);
  for (const [name, policy] of [["tailrace-likes-by-id", "delete"], ["tailrace-likes-windows", "compact"]]) {
    const { partitions, config } = await views.topic(name!);
    assertEquals([partitions.length, config?.["cleanup.policy"]?.value], [5, policy!]);
  }
});

Deno.test("makeTopics() refuses a topic that is to have as many partitions as one that is not there", async () => {
  await using broker = await TestBroker.open();
  await using kafka = connect(broker.bootstrap);
  const outcomes: unknown[] = [];
  const wanted = [{ name: "a", partitionsOf: "b", partitions: 2, configs: {} }];
  await makeTopics(kafka, wanted, (_, outcome) => outcomes.push(outcome));
  const [{ code, message }] = outcomes as [KafkaError];
  assertEquals(code, "UNKNOWN_TOPIC_OR_PARTITION");
  assertStringIncludes(message, "Cannot create topic a: it is to have as many partitions as b");
});

Deno.test("makeTopics() makes what is missing, with one partition for a histogram, and changes nothing that is there", async () => {
  await using broker = await TestBroker.open();
  await broker.createTopic("pressure", 4, { "retention.ms": "1000" });
  await broker.createTopic("hist_humidity", 2);
  await using kafka = connect(broker.bootstrap);
  const told = async () => {
    const outcomes: Record<string, string> = {};
    await makeTopics(kafka, featureTopics(configOf()), ({ name }, outcome) => {
      outcomes[name] = String(outcome);
    });
    return outcomes;
  };
  const first = await told();
  assertEquals(Object.entries(first).filter(([, outcome]) => outcome === "exists").map(([name]) => name), [
    "hist_humidity",
    "pressure",
  ]);
  assertEquals(new Set(Object.values(first)), new Set(["created", "exists"]));
  assertEquals(new Set(Object.values(await told())), new Set(["exists"]));
  await using views = new TopicViews(kafka);
  const { partitions, config } = await views.topic("hist_temperature");
  assertEquals([partitions.length, config?.["cleanup.policy"]?.value], [1, "compact"]);
  const pressure = await views.topic("pressure");
  assertEquals([pressure.partitions.length, pressure.config?.["retention.ms"]?.value], [4, "1000"]);
  assertEquals((await views.topic("hist_humidity")).partitions.length, 2);
});

Deno.test("makeTopics() tells what Kafka refuses, and makes the others", async () => {
  await using broker = await TestBroker.open();
  await using kafka = connect(broker.bootstrap);
  const wanted: WantedTopic[] = [{ name: "a", configs: { "retention.ms": "soon" } }, {
    name: "b",
    configs: {},
  }];
  const outcomes: unknown[] = [];
  await makeTopics(kafka, wanted, (_, outcome) => outcomes.push(outcome));
  assertEquals([(outcomes[0] as KafkaError).code, outcomes[1]], ["INVALID_CONFIG", "created"]);
});

Deno.test("makeTopicsInBackground() waits for Kafka, warns of a refusal, and tells which it made", async () => {
  await using service = await Service.open({ command: "broker" });
  await service.kill();
  await using kafka = connect(service.bootstrap);
  const { lines, log } = linesLogger();
  const wanted: WantedTopic[] = [{ name: "a", configs: { "retention.ms": "soon" } }, {
    name: "b",
    configs: {},
  }];
  const made: string[] = [], asked = Promise.withResolvers<void>();
  // The first pause begins once Kafka was found away.
  const clock = {
    now: Date.now,
    sleep: () => (asked.resolve(), new Promise<void>((resume) => setTimeout(resume, 50))),
  };
  const making = makeTopicsInBackground(kafka, wanted, {
    log,
    clock,
    signal: new AbortController().signal,
    onTopicCreated: (topic) => made.push(topic),
  });
  await asked.promise;
  await service.start();
  await making;
  assertEquals(made, ["b"]);
  assertEquals(lines.map(({ message, topic }) => [message, topic]), [["topic is not made", "a"]]);
  assertStringIncludes(lines[0]!.reason!, "INVALID_CONFIG");
});

Deno.test("makeTopicsInBackground() ends when it is told to while Kafka is away", async () => {
  await using kafka = connect("127.0.0.1:1");
  const { lines, log } = linesLogger(), stop = new AbortController();
  const sleep = () => (stop.abort(), Promise.resolve());
  const clock = { now: Date.now, sleep };
  await makeTopicsInBackground(kafka, [{ name: "a", configs: {} }], { log, clock, signal: stop.signal });
  assertEquals(lines, []);
});
