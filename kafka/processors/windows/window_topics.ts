/** The topics of counting: how they are made, and how many partitions they have.
 *
 * As many partitions of ids as there are of clicks when they are made. The two topics of ids go together partition for partition, and an
 * id keeps its partition for ever; so their partitions are never added to. Clicks may get more. Left out: making them while the service
 * starts, and by `topics create` (commands/topic_setup.ts).
 * @module */
import type { Kafka } from "../../client.ts";
import {
  byIdTopicConfigs,
  clicksTopicConfigs,
  stateTopicConfigs,
  windowNames,
  type WindowSettings,
} from "../../windows.ts";

/** A topic as it is to be made. */
export interface WindowTopic {
  readonly name: string;
  readonly configs: Readonly<Record<string, string>>;
  /** Another topic, which it has as many partitions as; default: as many as the cluster makes. */
  readonly partitionsOf?: string;
}

/** Numbers of partitions. */
export interface WindowPartitions {
  readonly clicks: number;
  readonly ids: number;
}

/** The topics, in the order in which they are made; without sizes nothing but clicks. */
export function topicsOfWindows({ clicksTopic, sizes }: WindowSettings): readonly WindowTopic[] {
  const clicks = { name: clicksTopic, configs: clicksTopicConfigs };
  if (sizes.length === 0) return [clicks];
  const { byIdTopic, stateTopic } = windowNames(clicksTopic);
  return [
    clicks,
    { name: byIdTopic, configs: byIdTopicConfigs, partitionsOf: clicksTopic },
    { name: stateTopic, configs: stateTopicConfigs, partitionsOf: byIdTopic },
    ...sizes.map(({ topic }) => ({ name: topic, configs: {} })),
  ];
}

/** Looks how many partitions there are, and makes what is missing besides clicks.
 * @returns null while there are no clicks, or while Kafka is about to know what was made
 * @throws {RangeError} when the topics of ids do not go together
 * @throws {KafkaError} for whatever Kafka refuses, and when it does not answer */
export async function partitionsOfWindows(
  kafka: Kafka,
  settings: WindowSettings,
): Promise<WindowPartitions | null> {
  const wanted = topicsOfWindows(settings);
  const { topics } = await kafka.metadata(wanted.map(({ name }) => name));
  const counts = new Map(topics.map(({ name, partitions }) => [name, partitions.length]));
  const missing = wanted.filter(({ name }) => !counts.get(name));
  if (missing.length > 0) {
    for (const { name, configs, partitionsOf } of missing) {
      const partitions = partitionsOf === undefined ? undefined : counts.get(partitionsOf);
      if (name === settings.clicksTopic || partitions === 0) return null;
      await kafka.createTopic(name, { configs, ...(partitions !== undefined && { partitions }) });
      if (partitions !== undefined) counts.set(name, partitions);
    }
    return null;
  }
  const { byIdTopic, stateTopic } = windowNames(settings.clicksTopic);
  const ids = counts.get(byIdTopic)!, kept = counts.get(stateTopic)!;
  if (ids === kept) return { clicks: counts.get(settings.clicksTopic)!, ids };
  throw new RangeError(
    `Cannot count as ${byIdTopic} has ${ids} partitions and ${stateTopic} ${kept}, which have to be as many`,
  );
}
