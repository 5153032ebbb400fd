/** What is asked about topics as a whole: offsets of many topics in one request, sizes on disk, settings.
 *
 * Written and read by hand where the client library cannot: it does not know DescribeLogDirs, and allocates a buffer for every
 * partition it lists. All are of versions before the flexible ones, which every Kafka from 1.0 on answers. Left out: whom to ask, and what
 * becomes of failures (topic_views.ts).
 * @see {@link https://kafka.apache.org/protocol}
 * @module */
import Decoder from "kafkajs/src/protocol/decoder.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import { errorName, type KafkaConnection, KafkaError } from "./connection.ts";

/** Partitions by topic. */
export type PartitionsByTopic = ReadonlyMap<string, readonly number[]>;
/** A number for each partition of each topic that was told. */
export type NumbersByTopic = Map<string, Map<number, number>>;

/** A setting of a topic; the value of one that is secret is null. */
export interface TopicSetting {
  readonly value: string | null;
  /** Whether the topic itself leaves it as its cluster has it. */
  readonly isDefault: boolean;
}

// deno-lint-ignore no-explicit-any
type Untyped = any;

const topicResource = 2, topicSource = 1;

/** Offsets of partitions that one node leads; those that it answers with an error are left out.
 * @param at `latestOffset` or `earliestOffset`
 * @throws {KafkaError} when it does not answer */
export async function listOffsets(
  connection: KafkaConnection,
  leader: number,
  wanted: PartitionsByTopic,
  { at, timeoutMs }: { at: number; timeoutMs: number },
): Promise<NumbersByTopic> {
  return await connection.ask(leader, "ListOffsets", { wanted, at }, {
    timeoutMs,
    definition: listOffsetsRequest,
  });
}

/** Bytes on disk of partitions at one node, as far as it may be told.
 * @throws {KafkaError} when it does not answer, or does not know the question */
export async function listSizes(
  connection: KafkaConnection,
  node: number,
  wanted: PartitionsByTopic,
  { timeoutMs }: { timeoutMs: number },
): Promise<NumbersByTopic> {
  return await connection.ask(node, "DescribeLogDirs", { wanted }, {
    timeoutMs,
    definition: describeLogDirsRequest,
  });
}

/** A topic's settings by name.
 * @throws {KafkaError} when there is no answer, or they may not be read */
export async function listSettings(
  connection: KafkaConnection,
  topic: string,
  { timeoutMs }: { timeoutMs: number },
): Promise<Map<string, TopicSetting>> {
  const args = { resources: [{ type: topicResource, name: topic, configNames: [] }] }; // none: all
  const { resources: [found] } = await connection.ask(null, "DescribeConfigs", args, { timeoutMs });
  const error = errorName(found?.errorCode ?? 0);
  if (!found || error) {
    throw new KafkaError(error ?? "UNKNOWN", `Cannot read the settings of ${topic}: Kafka answered ${error}`);
  }
  const settings: [string, TopicSetting][] = found.configEntries.map((entry: Untyped) => [
    entry.configName,
    { value: entry.isSensitive ? null : entry.configValue, isDefault: entry.configSource !== topicSource },
  ]);
  return new Map(settings.sort(([a], [b]) => a < b ? -1 : 1));
}

/** ListOffsets (key 2), versions 2–3:
 *     request  => replica_id:INT32 isolation_level:INT8 [topic:STRING [partition:INT32 timestamp:INT64]]
 *     response => throttle_time_ms:INT32 [topic:STRING [partition:INT32 error_code:INT16 timestamp:INT64 offset:INT64]] */
const listOffsetsRequest = request(2, "ListOffsets", [2, 3], {
  encode(encoder, { wanted, at }: { wanted: PartitionsByTopic; at: number }) {
    encoder.writeInt32(-1).writeInt8(1);
    writeTopics(encoder, wanted, (partition) => encoder.writeInt32(partition).writeInt64(at));
  },
  decode(decoder) {
    decoder.readInt32();
    return readTopics(decoder, new Map(), () => {
      const partition: number = decoder.readInt32(), error: number = decoder.readInt16();
      decoder.readInt64();
      const offset = Number(decoder.readInt64());
      return error === 0 && offset >= 0 ? [partition, offset] : null;
    });
  },
});

/** DescribeLogDirs (key 35), versions 0–1:
 *     request  => [topic:STRING [partition:INT32]]
 *     response => throttle_time_ms:INT32 [error_code:INT16 log_dir:STRING
 *                 [topic:STRING [partition:INT32 size:INT64 offset_lag:INT64 is_future:BOOL]]] */
const describeLogDirsRequest = request(35, "DescribeLogDirs", [0, 1], {
  encode(encoder, { wanted }: { wanted: PartitionsByTopic }) {
    writeTopics(encoder, wanted, (partition) => encoder.writeInt32(partition));
  },
  decode(decoder) {
    decoder.readInt32();
    const sizes: NumbersByTopic = new Map();
    for (let folders = decoder.readInt32(); folders > 0; folders--) {
      decoder.readInt16(); // of a folder that failed, which lists nothing
      decoder.readString();
      readTopics(decoder, sizes, () => {
        const partition: number = decoder.readInt32(), size = Number(decoder.readInt64());
        decoder.readInt64();
        return decoder.readBoolean() ? null : [partition, size]; // a copy that moves in from another folder
      });
    }
    return sizes;
  },
});

/** A request in the form in which the library keeps its own. */
function request<A>(
  apiKey: number,
  apiName: string,
  versions: readonly number[],
  { encode, decode }: {
    encode: (encoder: Untyped, args: A) => void;
    decode: (decoder: Untyped) => NumbersByTopic;
  },
) {
  const protocol = ({ version: apiVersion }: { version: number }) => (args: A) => ({
    request: {
      apiKey,
      apiName,
      apiVersion,
      encode: () => {
        const encoder = new Encoder();
        encode(encoder, args);
        return Promise.resolve(encoder);
      },
    },
    response: { decode: (bytes: Uint8Array) => Promise.resolve(decode(new Decoder(bytes))) },
  });
  return { versions, protocol };
}

function writeTopics(
  encoder: Untyped,
  topics: PartitionsByTopic,
  writePartition: (partition: number) => void,
): void {
  encoder.writeInt32(topics.size);
  for (const [topic, partitions] of topics) {
    encoder.writeString(topic).writeInt32(partitions.length);
    for (const partition of partitions) writePartition(partition);
  }
}

function readTopics(
  decoder: Untyped,
  found: NumbersByTopic,
  readPartition: () => [partition: number, value: number] | null,
): NumbersByTopic {
  for (let topics = decoder.readInt32(); topics > 0; topics--) {
    const name: string = decoder.readString();
    const numbers = found.get(name) ?? new Map<number, number>();
    found.set(name, numbers);
    for (let partitions = decoder.readInt32(); partitions > 0; partitions--) {
      const part = readPartition();
      if (part) numbers.set(part[0], part[1]);
    }
  }
  return found;
}
