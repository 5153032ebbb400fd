/** `tailrace topics create|list`. Left out: deleting and changing topics, which kafka-topics and others do on
 * the same port. @module */
import type { Config } from "../config.ts";
import { KafkaError } from "../kafka/connection.ts";
import { isTopicName } from "../kafka/topics.ts";
import { CommandError, type CommandRun, connectKafka, UsageError } from "./run.ts";
import { featureTopics, makeTopics } from "./topic_setup.ts";

/** What `topics create` may be told about the new topics. */
export interface CreateOptions {
  /** Not of a histogram's topic, which has one, nor of those that have as many as another topic. */
  readonly partitions?: number;
  /** Kafka's own topic settings, such as `retention.ms`. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** Makes topics that are missing and leaves those that are there as they are; without names, those of the features. A feature's topic
 * is made with the settings that it has there.
 * @throws {CommandError} when Kafka refuses one of them; the others are made nevertheless */
export async function createTopics(
  config: Config,
  names: readonly string[],
  options: CreateOptions,
  run: CommandRun,
): Promise<void> {
  const bad = names.find((name) => !isTopicName(name));
  if (bad !== undefined) {
    throw new UsageError(
      `Cannot create topic: found ${JSON.stringify(bad)}, allowed: 1 to 249 of a-z A-Z 0-9 . _ -`,
    );
  }
  const features = featureTopics(config);
  const wanted = names.length === 0
    ? features
    : [...new Set(names)].map((name) =>
      features.find((topic) => topic.name === name) ?? { name, configs: {} }
    );
  await using kafka = await connectKafka(config, run);
  const refused: string[] = [];
  const given = wanted.map((topic) => ({
    ...options,
    ...topic,
    configs: { ...topic.configs, ...options.configs },
  }));
  try {
    await makeTopics(kafka, given, ({ name }, outcome) => {
      if (outcome instanceof KafkaError) refused.push(outcome.message);
      else run.out(`${name} ${outcome}\n`);
    });
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    throw new CommandError(`Cannot look which topics are there: ${error.message}`, { cause: error });
  }
  if (refused.length > 0) throw new CommandError(refused.join("; "));
}

/** Prints topics and their partitions, as a table or, with `json`, as one JSON array. */
export async function listTopics(
  config: Config,
  options: { json?: boolean },
  run: CommandRun,
): Promise<void> {
  await using kafka = await connectKafka(config, run);
  const topics = (await kafka.listTopics()).map(({ name, partitions }) => ({
    name,
    partitions: partitions.length,
  }));
  if (options.json) return run.out(`${JSON.stringify(topics)}\n`);
  const width = Math.max("TOPIC".length, ...topics.map(({ name }) => name.length));
  run.out(`${"TOPIC".padEnd(width)}  PARTITIONS\n`);
  for (const { name, partitions } of topics) run.out(`${name.padEnd(width)}  ${partitions}\n`);
}
