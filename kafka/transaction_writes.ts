/** The records of a transaction on their way to the leaders of their partitions: one request to each, every partition's in order.
 *
 * Sequences go on from one transaction to the next. A batch whose answer was lost is sent again as it was, so that Kafka knows it. Records
 * become bytes batch by batch: of very many, only those that are on their way are held twice.
 * Left out: the transaction around it, and when to try again (transactions.ts).
 * @module */
import { withDeadline } from "../deadline.ts";
import { type KafkaConnection, KafkaError, type Produced, type WireMessage } from "./connection.ts";
import { type PartitionLeader, partitionOf } from "./connection.ts";
import { noAnswer } from "./nodes.ts";
import { type OutRecord, type RecordPlace, wireBytes, wireMessage } from "./producer.ts";
import type { ProducerIdentity } from "./transaction_requests.ts";

/** A record of a transaction; without a partition it goes where Java's clients put its key, and to partition 0 without a key. Its value is
 * asked for when it is written, perhaps more than once, and has to be the same until then. */
export interface TransactionRecord extends OutRecord {
  readonly topic: string;
}

/** Records that go into one partition together. */
interface Batch {
  readonly messages: readonly WireMessage[];
  readonly bytes: number;
}

/** What is not written yet of the records of one partition. */
interface Lane {
  readonly topic: string;
  readonly partition: number;
  /** Of each record in what was sent. */
  readonly indices: number[];
  /** How many of them are written. */
  written: number;
  /** Those that are next, from when they are sent for the first time until they are written. */
  batch: Batch | null;
}

/** What of a transaction is not written yet, and the places of what is. */
export interface Writes {
  readonly records: readonly TransactionRecord[];
  /** By `topic/partition`. */
  readonly waiting: Map<string, Lane>;
  readonly partitions: ReadonlyMap<string, readonly number[]>;
  readonly places: RecordPlace[];
}

/** Below Kafka's default limit of a batch (max.message.bytes, 1,048,588), and of all in one request. */
const maxBatchBytes = 900_000, maxRequestBytes = 8 * 1024 * 1024;
const maxBatchRecords = 5_000;
const maxSequence = 2 ** 31;
/** After so long the cluster is asked whether a topic has more partitions. */
const metadataAgeMs = 60_000;

/** Where the partitions of topics are, and how far this producer has written in each. */
export class TransactionWriter {
  readonly #connection: KafkaConnection;
  readonly #transactionalId: string;
  readonly #leaders = new Map<string, readonly PartitionLeader[]>();
  /** When the first of the leaders was learnt. */
  #leadersAt = 0;
  readonly #sequences = new Map<string, number>();

  constructor(connection: KafkaConnection, transactionalId: string) {
    this.#connection = connection;
    this.#transactionalId = transactionalId;
  }

  /** Looks for leaders again next time. */
  forget(): void {
    this.#leaders.clear();
  }

  /** Begins with the sequences of a new epoch. */
  restart(): void {
    this.#sequences.clear();
  }

  /** Gives each record its partition.
   * @throws {KafkaError} UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE among others */
  async prepare(records: readonly TransactionRecord[], timeoutMs: number): Promise<Writes> {
    await this.#learn(new Set(records.map(({ topic }) => topic)), timeoutMs);
    const waiting = new Map<string, Lane>(), partitions = new Map<string, number[]>();
    records.forEach((record, index) => {
      const { topic } = record, partition = this.#partition(record), key = `${topic}/${partition}`;
      const lane = waiting.get(key);
      if (lane) return void lane.indices.push(index);
      waiting.set(key, { topic, partition, indices: [index], written: 0, batch: null });
      partitions.set(topic, [...partitions.get(topic) ?? [], partition]);
    });
    return { records, waiting, partitions, places: [] };
  }

  /** Sends the next batch of each partition, as far as they fit into one request to each node. What was taken waits no more.
   * @throws {KafkaError} the worst that was told of one of them */
  async write(writes: Writes, producer: ProducerIdentity, timeoutMs: number): Promise<void> {
    const { records, waiting } = writes;
    await this.#learn(new Set(waiting.values().map(({ topic }) => topic)), timeoutMs);
    const requests = new Map<number, Lane[]>();
    let bytes = 0;
    for (const lane of waiting.values()) {
      const leader = this.#leader(lane);
      lane.batch ??= nextBatch(lane, records);
      if (bytes > 0 && bytes + lane.batch.bytes > maxRequestBytes) break;
      bytes += lane.batch.bytes;
      requests.set(leader, [...requests.get(leader) ?? [], lane]);
    }
    const answered = await Promise.allSettled(
      [...requests].map(async ([leader, lanes]) => {
        const answers = await this.#produce(leader, lanes, producer, timeoutMs);
        return lanes.map((lane) => ({ error: this.#conclude(lane, answers, writes) }));
      }),
    );
    const failures = answered.flatMap((answer) =>
      answer.status === "rejected" ? [answer.reason] : answer.value.flatMap(({ error }) => error ?? [])
    );
    if (failures.length > 0) throw failures.find((error) => !isLost(error)) ?? failures[0];
  }

  async #produce(
    leader: number,
    lanes: readonly Lane[],
    producer: ProducerIdentity,
    timeoutMs: number,
  ): Promise<Produced[]> {
    await withDeadline(this.#connection.reach(leader), timeoutMs, () => noAnswer("Produce", timeoutMs));
    const wire = lanes.map(({ topic, partition, batch }) => ({
      topic,
      partition,
      firstSequence: this.#sequences.get(`${topic}/${partition}`) ?? 0,
      messages: batch!.messages,
    }));
    const claim = { ...producer, transactionalId: this.#transactionalId };
    return await this.#connection.produce(leader, wire, claim, timeoutMs);
  }

  /** @returns what speaks against the lane's batch, null when it is in the log */
  #conclude(lane: Lane, answers: readonly Produced[], { waiting, places }: Writes): KafkaError | null {
    const { topic, partition, indices } = lane, key = `${topic}/${partition}`;
    const answer = answers.find((each) => each.topic === topic && each.partition === partition);
    const error = answer ? answer.error : "UNREACHABLE";
    if (error !== null && error !== "DUPLICATE_SEQUENCE_NUMBER") {
      return new KafkaError(error, `Cannot write to ${key}: Kafka answered ${error}`);
    }
    const { length } = lane.batch!.messages;
    this.#sequences.set(key, ((this.#sequences.get(key) ?? 0) + length) % maxSequence);
    for (let i = 0; i < length; i++) {
      places[indices[lane.written + i]!] = { partition, offset: answer!.baseOffset + i };
    }
    lane.written += length;
    lane.batch = null;
    if (lane.written === indices.length) waiting.delete(key);
    return null;
  }

  /** Asks where the partitions of topics are, unless that is known. */
  async #learn(topics: ReadonlySet<string>, timeoutMs: number): Promise<void> {
    if (performance.now() - this.#leadersAt > metadataAgeMs) this.#leaders.clear();
    const unknown = [...topics].filter((topic) => !this.#leaders.has(topic));
    if (unknown.length === 0) return;
    const asked = this.#connection.metadata(unknown);
    const { topics: found } = await withDeadline(asked, timeoutMs, () => noAnswer("Metadata", timeoutMs));
    if (this.#leaders.size === 0) this.#leadersAt = performance.now();
    for (const { name, error, partitions } of found) {
      if (error) throw new KafkaError(error, `Cannot write to ${name}: Kafka answered ${error}`);
      this.#leaders.set(name, partitions);
    }
  }

  #partition({ topic, key, partition }: TransactionRecord): number {
    const count = this.#leaders.get(topic)?.length ?? 0;
    if (partition === undefined && key && count > 1) {
      return partitionOf(typeof key === "string" ? new TextEncoder().encode(key) : key, count);
    }
    if ((partition ?? 0) < count) return partition ?? 0;
    this.#leaders.delete(topic);
    const message = `Cannot write to partition ${partition ?? 0} as ${topic} has ${count}`;
    throw new KafkaError("UNKNOWN_TOPIC_OR_PARTITION", message);
  }

  #leader({ topic, partition }: Lane): number {
    const leader = this.#leaders.get(topic)?.[partition]?.leader ?? null;
    if (leader !== null) return leader;
    throw new KafkaError("LEADER_NOT_AVAILABLE", `Cannot write to ${topic}/${partition} as it has no leader`);
  }
}

/** So many of the records that wait as go into one batch, one at least. */
function nextBatch({ indices, written }: Lane, records: readonly TransactionRecord[]): Batch {
  const messages: WireMessage[] = [];
  let bytes = 0;
  for (let i = written; i < indices.length && messages.length < maxBatchRecords; i++) {
    const message = wireMessage(records[indices[i]!]!), size = wireBytes(message);
    if (messages.length > 0 && bytes + size > maxBatchBytes) break;
    messages.push(message);
    bytes += size;
  }
  return { messages, bytes };
}

function isLost(error: unknown): boolean {
  return error instanceof KafkaError && error.code === "UNREACHABLE";
}
