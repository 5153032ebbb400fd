/** Where a topic begins and ends now, asked of the leaders of all its partitions. @module */
import { byLeader, type KafkaConnection, KafkaError, type PartitionLeader } from "../connection.ts";

/** The cluster that answered, and the topic's partitions, null while it does not exist. */
export interface TopicFound {
  readonly clusterId: string;
  readonly partitions: readonly PartitionLeader[] | null;
}

/** @throws {KafkaError} when nobody answers, or the topic cannot be told */
export async function findTopic(connection: KafkaConnection, topic: string): Promise<TopicFound> {
  const { clusterId, topics: [found] } = await connection.metadata([topic]);
  if (found?.error === "UNKNOWN_TOPIC_OR_PARTITION") return { clusterId, partitions: null };
  if (!found || found.error) {
    throw new KafkaError(
      found?.error ?? "UNKNOWN",
      `Cannot read ${topic}: Kafka answered ${found?.error ?? "without it"}`,
    );
  }
  if (found.partitions.length === 0) {
    throw new KafkaError("LEADER_NOT_AVAILABLE", `Cannot read ${topic} as it has no partitions yet`);
  }
  return { clusterId, partitions: found.partitions };
}

/** The offset of each partition at `at`, as `KafkaConnection.offsets` has it.
 * @throws {KafkaError} when one of them cannot be told */
export async function placesOf(
  connection: KafkaConnection,
  topic: string,
  partitions: readonly PartitionLeader[],
  at: number,
): Promise<number[]> {
  const places = new Array<number>(partitions.length).fill(-1);
  await Promise.all([...byLeader(partitions)].map(async ([leader, numbers]) => {
    for (const [partition, offset] of await connection.offsets(leader, topic, numbers, at)) {
      if (offset instanceof KafkaError) throw offset;
      places[partition] = offset;
    }
  }));
  const missing = places.indexOf(-1);
  if (missing < 0) return places;
  throw new KafkaError(
    "LEADER_NOT_AVAILABLE",
    `Cannot read ${topic}/${missing} as nobody says where it ends`,
  );
}
