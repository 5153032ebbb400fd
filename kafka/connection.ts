/** Requests to the nodes of one cluster.
 *
 * Finds leaders, and sends one request at a time to a node. It does not retry: after a failure at a node it cuts its sockets, and
 * whoever uses it decides when to try again. Answers keep the error of each partition, so that one bad partition spoils only
 * itself. Left out: the sockets (nodes.ts); records of the formats before v2 (Kafka 0.11).
 * @see {@link https://kafka.apache.org/protocol}
 * @module */
import type { Buffer } from "node:buffer";
import { errorCodes } from "kafkajs/src/protocol/error.js";
import Encoder from "kafkajs/src/protocol/encoder.js";
import apiKeys from "kafkajs/src/protocol/requests/apiKeys.js";
import { requests } from "kafkajs/src/protocol/requests/index.js";
import { writeBatch } from "./batch_writer.ts";
import { decodeFetch, type FetchedPartition } from "./fetch_response.ts";
import { withDeadline } from "../deadline.ts";
import { murmur2 } from "./murmur2.ts";
import {
  asKafkaError,
  firstOf,
  KafkaError,
  noAnswer,
  Nodes,
  patienceMs,
  settlesWithin,
  unlessCut,
} from "./nodes.ts";

export { connectTimeoutMs, KafkaError, patienceMs, settlesWithin } from "./nodes.ts";

/** A partition and the node that leads it; `leader` is null while there is none. */
export interface PartitionLeader {
  readonly partition: number;
  readonly leader: number | null;
}

/** A topic as the cluster describes it; `error` is Kafka's error name. */
export interface TopicMetadata {
  readonly name: string;
  readonly error: string | null;
  readonly internal: boolean;
  /** Ascending by partition. */
  readonly partitions: readonly PartitionLeader[];
}

/** What Metadata answers. */
export interface ClusterMetadata {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly topics: readonly TopicMetadata[];
}

/** One partition to fetch, from `offset` on. */
export interface FetchWant {
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
}

/** One batch to produce; times in ms since the epoch. */
export interface ProduceBatch {
  readonly topic: string;
  readonly partition: number;
  readonly firstSequence: number;
  readonly messages: readonly WireMessage[];
}

/** A record on its way to Kafka; bytes as `Buffer`, since the library writes any other array as text. */
export interface WireMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string | Buffer | readonly (string | Buffer)[]>>;
  readonly timestamp: number;
}

/** What became of one batch. */
export interface Produced {
  readonly topic: string;
  readonly partition: number;
  readonly error: string | null;
  readonly baseOffset: number;
}

/** Offsets that ListOffsets understands besides times in ms. */
export const latestOffset = -1, earliestOffset = -2;
/** As `latestOffset`, with what is appended and not committed yet. */
export const appendedOffset = -100;

/** Bound of a request, ms. */
export const requestTimeoutMs = 10_000;

// deno-lint-ignore no-explicit-any
type Untyped = any;

/** The library's, and what it does not know. */
const errorNames = new Map<number, string>([
  ...errorCodes.map((e: Untyped) => [e.code, e.type] as const),
  [90, "PRODUCER_FENCED"],
]);

/** Kafka's name for an error code, null for 0. */
export function errorName(code: number): string | null {
  return code === 0 ? null : errorNames.get(code) ?? `ERROR_${code}`;
}

/** The partition of a key among `count`, as Java's default partitioner has it (murmur2). */
export function partitionOf(key: Uint8Array, count: number): number {
  return (murmur2(key) & 0x7fffffff) % count;
}

/** Sockets to the nodes of one cluster. After a failure at a node its sockets are cut; the next request opens new ones. */
export class KafkaConnection implements AsyncDisposable {
  readonly #nodes: Nodes;

  constructor(builder: Untyped, logger: Untyped, bootstrapCount: number) {
    this.#nodes = new Nodes(builder, logger, bootstrapCount);
  }

  /** @param topics names, or null for all of them; a topic that does not exist has `error` UNKNOWN_TOPIC_OR_PARTITION
   * @throws {KafkaError} */
  async metadata(topics: readonly string[] | null): Promise<ClusterMetadata> {
    const node = await this.#nodes.any();
    const first = this.#describe(node, topics);
    if (await settlesWithin(first, patienceMs)) return await first;
    const second = this.#nodes.another(node).then((other) => other ? this.#describe(other, topics) : first);
    return await firstOf([first, second]);
  }

  async #describe(node: Untyped, topics: readonly string[] | null): Promise<ClusterMetadata> {
    const args = { topics: topics ?? [], allowAutoTopicCreation: false };
    const answer = await this.#call(node, "Metadata", args);
    await this.#nodes.learn(node, answer.brokers);
    const described: TopicMetadata[] = answer.topicMetadata.map(describeTopic);
    return {
      clusterId: answer.clusterId,
      controllerId: answer.controllerId,
      // The library asks for all topics when it is given none.
      topics: topics?.length === 0 ? [] : described,
    };
  }

  /** The offset at `at` of partitions that one node leads: `latestOffset`, `appendedOffset`, `earliestOffset`, or the first record at or
   * after a time in ms since the epoch.
   * @returns by partition; −1 where no record is that young, and the error of a partition for which Kafka gave one
   * @throws {KafkaError} when the node does not answer */
  async offsets(
    leader: number,
    topic: string,
    partitions: readonly number[],
    at: number,
  ): Promise<Map<number, number | KafkaError>> {
    const isAppended = at === appendedOffset, timestamp = isAppended ? latestOffset : at;
    const wanted = partitions.map((partition) => ({ partition, timestamp }));
    const args = {
      replicaId: -1,
      isolationLevel: isAppended ? 0 : 1,
      topics: [{ topic, partitions: wanted }],
    };
    const answer = await this.#call(await this.#nodes.get(leader), "ListOffsets", args);
    const found = new Map<number, number | KafkaError>();
    for (const part of answer.responses[0]?.partitions ?? []) {
      const error = errorName(part.errorCode);
      const where = `${topic}/${part.partition}`;
      found.set(
        part.partition,
        error
          ? new KafkaError(error, `Cannot list offsets of ${where}: Kafka answered ${error}`)
          : Number(part.offset ?? part.offsets?.[0]),
      );
    }
    return found;
  }

  /** Reads records from one node; waits up to `maxWaitMs` while there are none.
   * @param options.onlyTransactional records that were not written in a transaction are left out
   * @throws {KafkaError} */
  async fetch(
    leader: number,
    topic: string,
    wants: readonly FetchWant[],
    { maxWaitMs, maxBytes, onlyTransactional = false }: {
      maxWaitMs: number;
      maxBytes: number;
      onlyTransactional?: boolean;
    },
  ): Promise<FetchedPartition[]> {
    const partitions = wants.map((want) => ({
      partition: want.partition,
      fetchOffset: String(want.offset),
      maxBytes: want.maxBytes,
    }));
    const args = {
      maxWaitTime: maxWaitMs,
      minBytes: 1,
      maxBytes,
      isolationLevel: 1,
      topics: [{ topic, partitions }],
    };
    const node = await this.#nodes.get(leader);
    const protocol = node.lookupRequest(apiKeys.Fetch, requests.Fetch)({
      replicaId: -1,
      rackId: "",
      ...args,
    });
    protocol.response = {
      decode: (bytes: Uint8Array) =>
        decodeFetch(bytes, protocol.request.apiVersion, wants, onlyTransactional),
      parse: (answer: unknown) => answer,
    };
    return await this.#send(node, protocol, maxWaitMs + requestTimeoutMs);
  }

  /** Opens sockets to a node, when there are none; sends nothing that changes anything.
   * @throws {KafkaError} */
  async reach(node: number): Promise<void> {
    await this.#nodes.get(node);
  }

  /** Appends batches at one node, which all have to have it as their leader, acknowledged by all in-sync replicas.
   * @param producer with a transactional id: the batches belong to its open transaction
   * @throws {KafkaError} when it is not known whether they were appended */
  async produce(
    leader: number,
    batches: readonly ProduceBatch[],
    producer: { readonly id: number; readonly epoch: number; readonly transactionalId?: string },
    timeoutMs: number,
  ): Promise<Produced[]> {
    const node = await this.#nodes.get(leader);
    const protocol = node.lookupRequest(apiKeys.Produce, requests.Produce)({ acks: -1 });
    protocol.request.encode = () => encodeProduce(batches, producer, timeoutMs);
    protocol.response = { decode: protocol.response.decode, parse: (answer: unknown) => answer };
    const answer = await this.#send(node, protocol, timeoutMs);
    return answer.topics.flatMap((topic: Untyped) =>
      topic.partitions.map((part: Untyped) => ({
        topic: topic.topicName,
        partition: part.partition,
        error: errorName(part.errorCode),
        baseOffset: Number(part.baseOffset),
      }))
    );
  }

  /** A producer id that no one else has. @throws {KafkaError} */
  async initProducerId(): Promise<{ id: number; epoch: number }> {
    const args = { transactionalId: null, transactionTimeout: 60_000 };
    const answer = await this.#call(await this.#nodes.any(), "InitProducerId", args);
    const error = errorName(answer.errorCode);
    if (error) throw new KafkaError(error, `Cannot get a producer id: Kafka answered ${error}`);
    return { id: Number(answer.producerId), epoch: answer.producerEpoch };
  }

  /** @returns Kafka's error name, null when the topic was created
   * @throws {KafkaError} when there is no answer */
  async createTopic(
    topic: string,
    { partitions = -1, configs = {} }: { partitions?: number; configs?: Readonly<Record<string, string>> },
  ): Promise<string | null> {
    const { controllerId } = await this.metadata([topic]);
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const args = { topics: [{ topic, numPartitions: partitions, configEntries }], timeout: requestTimeoutMs };
    const answer = await this.#call(await this.#nodes.get(controllerId), "CreateTopics", args);
    return errorName(answer.topicErrors[0].errorCode);
  }

  /** Asks a node for what only the caller can read, by a request in the library's form.
   * @param node its id, or null for any that is open; @param definition default: the library's own of that name
   * @returns the answer as it was decoded, errors inside it included
   * @throws {KafkaError} when there is no answer, or the node does not know the request */
  async ask(
    node: number | null,
    api: string,
    args: unknown,
    { timeoutMs, definition = requests[api] }: { timeoutMs: number; definition?: unknown },
  ): Promise<Untyped> {
    const open = node === null ? await this.#nodes.any() : await this.#nodes.get(node);
    return await this.#call(open, api, args, timeoutMs, definition);
  }

  /** Cuts the sockets; what waits for an answer fails at once. The next request connects anew. */
  reset(): Promise<void> {
    return this.#nodes.reset();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#nodes.close();
  }

  async #call(
    node: Untyped,
    api: string,
    args: unknown,
    timeoutMs = requestTimeoutMs,
    definition: unknown = requests[api],
  ): Promise<Untyped> {
    const protocol = node.lookupRequest(apiKeys[api], definition)(args);
    protocol.response = { decode: protocol.response.decode, parse: (answer: unknown) => answer };
    return await this.#send(node, protocol, timeoutMs);
  }

  async #send(node: Untyped, protocol: Untyped, timeoutMs: number): Promise<Untyped> {
    const what = protocol.request.apiName;
    try {
      return await withDeadline(
        unlessCut(node, () => node.connectionPool.send(protocol)),
        timeoutMs,
        () => noAnswer(what, timeoutMs),
      );
    } catch (error) {
      await this.#nodes.drop(node);
      throw asKafkaError(error as Error, what);
    }
  }
}

/** The library's request in its versions 3–7, with batches of our own: acknowledged by all in-sync replicas. */
function encodeProduce(
  batches: readonly ProduceBatch[],
  { id, epoch, transactionalId }: { id: number; epoch: number; transactionalId?: string },
  timeoutMs: number,
): Untyped {
  const isTransactional = transactionalId !== undefined;
  const out = new Encoder().writeString(transactionalId ?? null).writeInt16(-1).writeInt32(timeoutMs);
  const topics = Map.groupBy(batches, ({ topic }) => topic);
  out.writeInt32(topics.size);
  for (const [topic, ofTopic] of topics) {
    out.writeString(topic).writeInt32(ofTopic.length);
    for (const { partition, messages, firstSequence } of ofTopic) {
      const records = writeBatch(messages, { id, epoch, firstSequence, isTransactional });
      out.writeInt32(partition).writeBytes(records);
    }
  }
  return out;
}

function describeTopic(topic: Untyped): TopicMetadata {
  const partitions = topic.partitionMetadata.map((part: Untyped) => ({
    partition: part.partitionId,
    leader: part.leader >= 0 ? part.leader : null,
  }));
  return {
    name: topic.topic,
    error: errorName(topic.topicErrorCode),
    internal: Boolean(topic.isInternal) || topic.topic === "__consumer_offsets" ||
      topic.topic === "__transaction_state",
    partitions: partitions.sort((a: PartitionLeader, b: PartitionLeader) => a.partition - b.partition),
  };
}

/** Partitions by the node that leads them; those without a leader are left out. */
export function byLeader(partitions: readonly PartitionLeader[]): Map<number, number[]> {
  const grouped = new Map<number, number[]>();
  for (const { partition, leader } of partitions) {
    if (leader === null) continue;
    grouped.set(leader, [...grouped.get(leader) ?? [], partition]);
  }
  return grouped;
}
