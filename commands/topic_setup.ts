/** The topics of the features: which there are, how they are made, and making them: by `topics create`, and when the service starts.
 *
 * A topic that is there stays as it is, whatever its partitions and settings are. Left out: topics that a first record makes, with the
 * same settings (kafka/producer.ts).
 * @module */
import type { Config } from "../config.ts";
import type { Kafka } from "../kafka/client.ts";
import { KafkaError } from "../kafka/connection.ts";
import { histTopicConfigs, histTopicOf } from "../kafka/measurements.ts";
import { topicsOfWindows } from "../kafka/processors/windows/window_topics.ts";
import { retriable } from "../kafka/producer_errors.ts";
import { videoTopicConfigs } from "../kafka/topics.ts";
import type { Logger } from "../logger.ts";
import { type Clock, systemClock } from "./clock.ts";

/** A topic as it is to be made. */
export interface WantedTopic {
  readonly name: string;
  /** Default: what the cluster makes. */
  readonly partitions?: number;
  /** Another topic, which it is to have as many partitions as, whatever `partitions` says. */
  readonly partitionsOf?: string;
  /** Kafka's own topic settings, such as `retention.ms`. */
  readonly configs: Readonly<Record<string, string>>;
}

/** Settings that name topics, and those that their topics are made with. */
export type TopicSettings = Pick<
  Config,
  | "geoTopic"
  | "videoTopic"
  | "videoRetentionMs"
  | "videoRetentionBytes"
  | "maxFrameBytes"
  | "measurements"
  | "windows"
>;

/** What became of one of them: an error when Kafka did not make it. */
export type TopicOutcome = "created" | "exists" | KafkaError;

/** How topics are made in the background. */
export interface BackgroundOptions {
  readonly log: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Called for each that was made, so that whoever waits for it need not poll. */
  readonly onTopicCreated?: (topic: string) => void;
  readonly clock?: Clock;
}

const firstPauseMs = 500, longestPauseMs = 10_000;

/** The topics of all features. A histogram's topic has one partition: it holds one key. Those of ids have as many as the clicks. */
export function featureTopics(config: TopicSettings): readonly WantedTopic[] {
  return [
    { name: config.geoTopic, configs: {} },
    { name: config.videoTopic, configs: videoTopicConfigs(config) },
    ...config.measurements.flatMap(({ name }) => [
      { name, configs: {} },
      { name: histTopicOf(name), partitions: 1, configs: histTopicConfigs },
    ]),
    ...topicsOfWindows(config.windows),
  ];
}

/** Looks which topics are there, and makes the others.
 * @param tell called for each, in their order
 * @throws {KafkaError} when no broker answers */
export async function makeTopics(
  kafka: Kafka,
  wanted: readonly WantedTopic[],
  tell: (topic: WantedTopic, outcome: TopicOutcome) => void,
): Promise<void> {
  const { topics } = await kafka.metadata(wanted.map(({ name }) => name));
  const errors = new Map(topics.map(({ name, error }) => [name, error]));
  for (const topic of wanted) {
    const error = errors.get(topic.name);
    // A topic whose leader is being elected is there.
    const isThere = error === null || error === "LEADER_NOT_AVAILABLE";
    tell(topic, isThere ? "exists" : await make(kafka, topic));
  }
}

async function make(
  kafka: Kafka,
  { name, configs, partitionsOf, ...given }: WantedTopic,
): Promise<TopicOutcome> {
  try {
    if (partitionsOf === undefined) return await kafka.createTopic(name, { configs, ...given });
    const { topics: [other] } = await kafka.metadata([partitionsOf]);
    const partitions = other?.partitions.length ?? 0;
    if (partitions > 0) return await kafka.createTopic(name, { configs, partitions });
    return new KafkaError(
      "UNKNOWN_TOPIC_OR_PARTITION",
      `Cannot create topic ${name}: it is to have as many partitions as ${partitionsOf}, which is not there`,
    );
  } catch (error) {
    if (error instanceof KafkaError) return error;
    throw error;
  }
}

/** Makes topics while something else goes on: waits for Kafka as long as it takes, and warns of those that Kafka refuses. Resolves when
 * each of them is there or refused, or when the signal aborts; never rejects. */
export async function makeTopicsInBackground(
  kafka: Kafka,
  wanted: readonly WantedTopic[],
  { log, signal, onTopicCreated = () => {}, clock = systemClock }: BackgroundOptions,
): Promise<void> {
  let left = wanted, pauseMs = firstPauseMs;
  while (left.length > 0 && !signal.aborted) {
    const waiting: WantedTopic[] = [];
    try {
      await makeTopics(kafka, left, (topic, outcome) => {
        if (outcome === "created") onTopicCreated(topic.name);
        if (!(outcome instanceof KafkaError)) return;
        if (retriable.has(outcome.code)) waiting.push(topic);
        else log.warn("topic is not made", { topic: topic.name, reason: outcome.message });
      });
      left = waiting;
    } catch (error) {
      if (!(error instanceof KafkaError)) return log.error("topics are not made", { error });
      log.debug("topics wait for Kafka", { error });
    }
    if (left.length === 0) break;
    await clock.sleep(pauseMs, signal);
    pauseMs = Math.min(longestPauseMs, 2 * pauseMs);
  }
}
