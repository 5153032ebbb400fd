/** The way of one topic's records into Kafka: one request in flight, idempotent, in order.
 *
 * A batch that may have been written is sent again byte for byte with the same sequence, so that Kafka knows it (KIP-98); when
 * its outcome can no longer be learnt, its senders are told so and the producer id is given up, since its sequences would no
 * longer match. Kafka forgets a producer by the times of its records, not by the clock: what bears an old time is not sent again.
 * Left out: several requests in flight; the next one is as large as what gathered meanwhile, which does as well; what an error
 * means (producer_errors.ts).
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging}
 * @module */
import { StreamError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Kafka } from "./client.ts";
import { type KafkaConnection, KafkaError, type PartitionLeader, partitionOf } from "./connection.ts";
import type { Produced, WireMessage } from "./connection.ts";
import type { RecordPlace } from "./producer.ts";
import {
  ambiguous,
  lostProducer,
  refusal,
  retriable,
  unavailable,
  unknownOutcome,
} from "./producer_errors.ts";

/** A record with its sender waiting; `since` and `deadline` on the clock of `performance.now()`. */
export interface WaitingRecord {
  partition: number | undefined;
  readonly message: WireMessage;
  readonly bytes: number;
  readonly since: number;
  readonly deadline: number;
  settled: boolean;
  resolve(place: RecordPlace): void;
  reject(error: StreamError): void;
}

/** Records that go into one partition together. */
interface Batch {
  readonly partition: number;
  readonly records: readonly WaitingRecord[];
  /** In flight, or sent without an answer: it may be in the log. */
  ambiguous: boolean;
}

/** Below Kafka's default limit of a batch (max.message.bytes, 1,048,588). */
const maxBatchBytes = 900_000;
/** Large records, such as pictures, are read one by one by viewers at places of their own, each of whom gets the whole batch. */
const largeRecordBytes = 4_096, maxLargeBatchBytes = 128 * 1024;
const maxBatchRecords = 5_000;
/** Of all batches in flight: brokers bound a request, the embedded one at 16 MiB. */
const maxRequestBytes = 8 * 1024 * 1024;
const requestTimeoutMs = 5_000;
/** After so long the cluster is asked whether the topic has more partitions. */
const metadataAgeMs = 60_000;
const maxSequence = 2 ** 31;
/** A node that is restarted knows a producer again only if its newest record there is younger than `producer.id.expiration.ms`, a day
 * by default, by the record's own time; half of that, as clocks differ. */
const rememberedMs = 12 * 3_600_000;

/** One topic's queue and the loop that empties it. */
export class ProducerLane {
  readonly #topic: string;
  readonly #kafka: Kafka;
  readonly #connection: KafkaConnection;
  readonly #log: Logger;
  readonly #onTopicCreated: (topic: string) => void;
  #queue: WaitingRecord[] = [];
  /** Batches that have been sent and have no outcome yet, by partition: they go first, unchanged. */
  #pending = new Map<number, Batch[]>();
  #leaders: readonly PartitionLeader[] | undefined;
  /** When the leaders were learnt. */
  #leadersAt = 0;
  #producer: { readonly id: number; readonly epoch: number } | undefined;
  readonly #sequences = new Map<number, number>();
  #running: Promise<void> | undefined;
  #backoffMs = 0;
  #inFlight = false;
  #producerLost = false;
  #abandoned = false;
  #topicConfigs: Readonly<Record<string, string>> | undefined;

  constructor(
    topic: string,
    kafka: Kafka,
    connection: KafkaConnection,
    options: { readonly log: Logger; readonly onTopicCreated: (topic: string) => void },
  ) {
    this.#topic = topic;
    this.#kafka = kafka;
    this.#connection = connection;
    this.#log = options.log.child({ topic });
    this.#onTopicCreated = options.onTopicCreated;
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** Adds a record; its `resolve` or `reject` is called before long after its deadline at the latest.
   * @param topicConfigs what is set for the topic if it has to be made for it */
  push(record: WaitingRecord, topicConfigs?: Readonly<Record<string, string>>): void {
    this.#topicConfigs = topicConfigs ?? this.#topicConfigs;
    this.#queue.push(record);
    this.#running ??= this.#run();
  }

  /** Tells all senders now what they would be told at their deadline. */
  abandon(): void {
    this.#abandoned = true;
    this.#expire();
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // What the same turn of the event loop brings leaves together.
    await Promise.resolve();
    const timer = setInterval(() => this.#expire(), 250);
    try {
      while (this.#queue.length > 0 || this.#pending.size > 0) await this.#round();
    } finally {
      clearInterval(timer);
      this.#running = undefined;
    }
  }

  async #round(): Promise<void> {
    try {
      if ([...this.#pending.values()].flat().some(mayBeForgotten)) this.#giveUpProducer();
      if (performance.now() - this.#leadersAt > metadataAgeMs) this.#leaders = undefined;
      const leaders = this.#leaders ??= await this.#learnLeaders();
      const producer = this.#producer ??= await this.#connection.initProducerId();
      this.#gather(leaders.length);
      await this.#send(leaders, producer);
    } catch (error) {
      this.#fail(error);
    }
    this.#expire();
    if (this.#backoffMs > 0) {
      await new Promise((wake) => setTimeout(wake, this.#backoffMs * (0.5 + Math.random() / 2)));
    }
  }

  /** Leaders by partition; the topic is made when it is missing. */
  async #learnLeaders(): Promise<readonly PartitionLeader[]> {
    const { topics: [found] } = await this.#connection.metadata([this.#topic]);
    if (found?.error === "UNKNOWN_TOPIC_OR_PARTITION") {
      const options = this.#topicConfigs ? { configs: this.#topicConfigs } : {};
      if (await this.#kafka.createTopic(this.#topic, options) === "created") {
        this.#onTopicCreated(this.#topic);
      }
      // The metadata of a real cluster follows a moment later.
      throw new KafkaError("LEADER_NOT_AVAILABLE", `Topic ${this.#topic} was just made`);
    }
    if (!found || found.error && !retriable.has(found.error)) {
      throw new KafkaError(
        found?.error ?? "UNKNOWN",
        `Cannot send to ${this.#topic}: Kafka answered ${found?.error}`,
      );
    }
    if (found.error || found.partitions.length === 0) {
      throw new KafkaError("LEADER_NOT_AVAILABLE", `Topic ${this.#topic} has no leader yet`);
    }
    this.#leadersAt = performance.now();
    return found.partitions;
  }

  /** Moves records from the queue into one batch per partition, where none is pending. */
  #gather(partitionCount: number): void {
    const drafts = new Map<number, { records: WaitingRecord[]; bytes: number; full: boolean }>();
    const rest: WaitingRecord[] = [];
    const spread = Math.floor(Math.random() * partitionCount);
    let room = maxRequestBytes - this.#pendingBytes();
    for (const record of this.#queue) {
      if (record.settled) continue;
      const { key } = record.message;
      const partition = record.partition ??= key ? partitionOf(key, partitionCount) : spread;
      if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount) {
        if (!this.#refuseUnknown(record, partition, partitionCount)) rest.push(record);
        continue;
      }
      const draft = drafts.get(partition) ?? { records: [], bytes: 0, full: this.#pending.has(partition) };
      drafts.set(partition, draft);
      const fits = draft.records.length < maxBatchRecords &&
        draft.bytes + record.bytes <= (record.bytes < largeRecordBytes ? maxBatchBytes : maxLargeBatchBytes);
      if (draft.full || draft.records.length > 0 && !fits || room < record.bytes && room < maxRequestBytes) {
        draft.full = true; // what comes later in this partition stays behind it
        rest.push(record);
        continue;
      }
      draft.records.push(record);
      draft.bytes += record.bytes;
      room -= record.bytes;
    }
    this.#queue = rest;
    for (const [partition, { records }] of drafts) {
      if (records.length > 0) this.#pending.set(partition, [{ partition, records, ambiguous: false }]);
    }
  }

  #pendingBytes(): number {
    const records = [...this.#pending.values()].flat().flatMap((batch) => batch.records);
    return records.reduce((sum, record) => sum + record.bytes, 0);
  }

  /** @returns false when the topic may have got that partition since the cluster was asked */
  #refuseUnknown(record: WaitingRecord, partition: number, partitionCount: number): boolean {
    if (partition >= partitionCount && this.#leadersAt < record.since) {
      this.#leaders = undefined;
      return false;
    }
    const detail = `Cannot send to partition ${partition} as ${this.#topic} has ${partitionCount}`;
    settle(record, new StreamError("unknown-partition", 400, detail));
    return true;
  }

  async #send(leaders: readonly PartitionLeader[], producer: { id: number; epoch: number }): Promise<void> {
    const requests = new Map<number, Batch[]>();
    for (const [partition, [batch]] of this.#pending) {
      const leader = leaders[partition]?.leader ?? null;
      if (batch && leader !== null) {
        requests.set(leader, [...requests.get(leader) ?? [], batch]);
        continue;
      }
      this.#leaders = undefined; // or nobody would ask again who leads it
      this.#retryLater();
    }
    this.#inFlight = true;
    await Promise.all([...requests].map(async ([leader, batches]) => {
      try {
        await this.#deliver(leader, batches, producer);
      } catch (error) {
        this.#fail(error);
      }
    }));
    this.#inFlight = false;
    if (this.#producerLost) this.#giveUpProducer();
  }

  async #deliver(
    leader: number,
    gathered: readonly Batch[],
    producer: { id: number; epoch: number },
  ): Promise<void> {
    await this.#connection.reach(leader);
    // What ran out of time meanwhile was told that it is not written.
    const batches = gathered.filter((batch) => this.#pending.get(batch.partition)?.[0] === batch);
    if (batches.length === 0) return;
    const doubtful = new Set(batches.filter((batch) => batch.ambiguous));
    for (const batch of batches) batch.ambiguous = true;
    const answers = await this.#produce(leader, batches, producer);
    for (const batch of batches) {
      const answer = answers.find(({ partition }) => partition === batch.partition);
      // A leader that steps down after the append tells that it leads no more, and where the batch is in its log.
      const isAppended = !answer?.error || ambiguous.has(answer.error) || answer.baseOffset >= 0;
      if (!isAppended) batch.ambiguous = doubtful.has(batch);
    }
    this.#conclude(batches, answers);
  }

  #produce(
    leader: number,
    batches: readonly Batch[],
    producer: { id: number; epoch: number },
  ): Promise<Produced[]> {
    const wire = batches.map(({ partition, records }) => ({
      topic: this.#topic,
      partition,
      firstSequence: this.#sequences.get(partition) ?? 0,
      messages: records.map((record) => record.message),
    }));
    return this.#connection.produce(leader, wire, producer, requestTimeoutMs);
  }

  #conclude(batches: readonly Batch[], answers: readonly Produced[]): void {
    for (const batch of batches) {
      const answer = answers.find((a) => a.partition === batch.partition);
      const error = answer ? answer.error : "UNREACHABLE";
      if (error === null || error === "DUPLICATE_SEQUENCE_NUMBER") this.#appended(batch, answer!.baseOffset);
      else if (retriable.has(error)) {
        this.#leaders = undefined;
        this.#retryLater();
      } else if (lostProducer.has(error)) this.#producerLost = true;
      else this.#refused(batch, error);
    }
  }

  #appended(batch: Batch, baseOffset: number): void {
    const { partition, records } = batch;
    this.#backoffMs = 0;
    this.#sequences.set(partition, ((this.#sequences.get(partition) ?? 0) + records.length) % maxSequence);
    this.#drop(batch);
    records.forEach((record, i) => settle(record, { partition, offset: baseOffset + i }));
  }

  /** One record can spoil a batch (its size, its time): the others go on, one by one. */
  #refused(batch: Batch, error: string): void {
    const [record] = batch.records;
    const rest = (this.#pending.get(batch.partition) ?? []).slice(1);
    const singles = batch.records.length === 1
      ? []
      : batch.records.map((one) => ({ partition: batch.partition, records: [one], ambiguous: false }));
    if (singles.length === 0 && record) settle(record, refusal(this.#topic, error, record.bytes));
    this.#setPending(batch.partition, [...singles, ...rest]);
  }

  /** After this no sequence of the old producer id is used again; what may have been written is not written anew. */
  #giveUpProducer(): void {
    this.#producerLost = false;
    this.#producer = undefined;
    this.#sequences.clear();
    for (const batch of [...this.#pending.values()].flat()) {
      if (!batch.ambiguous) continue;
      this.#drop(batch);
      for (const record of batch.records) settle(record, unknownOutcome(this.#topic));
    }
  }

  #fail(error: unknown): void {
    const code = error instanceof KafkaError ? error.code : "UNKNOWN";
    this.#leaders = undefined;
    if (retriable.has(code)) {
      this.#log.debug("sending again", { code, error });
      return this.#retryLater();
    }
    this.#log.warn("records refused", { code, error });
    const batches = [...this.#pending.values()].flat();
    const [doubtful, unsent] = [true, false].map((sent) =>
      batches.filter((batch) => batch.ambiguous === sent).flatMap(({ records }) => records)
    );
    for (const record of doubtful!) settle(record, unknownOutcome(this.#topic));
    for (const record of [...unsent!, ...this.#queue.splice(0)]) {
      settle(record, refusal(this.#topic, code, record.bytes));
    }
    this.#pending.clear();
    this.#producer = undefined;
    this.#sequences.clear();
  }

  #retryLater(): void {
    this.#backoffMs = Math.min(1_000, this.#backoffMs * 2 || 20);
  }

  /** Tells the senders whose time is over; a record that was never sent will not be written. */
  #expire(): void {
    const now = performance.now();
    const late = (record: WaitingRecord) => !record.settled && (this.#abandoned || record.deadline <= now);
    for (const record of this.#queue.filter(late)) settle(record, unavailable(this.#topic));
    this.#queue = this.#queue.filter((record) => !record.settled);
    for (const batch of [...this.#pending.values()].flat()) {
      const error = batch.ambiguous ? unknownOutcome : unavailable;
      for (const record of batch.records.filter(late)) settle(record, error(this.#topic));
      const waiting = batch.records.filter((record) => !record.settled);
      if (!batch.ambiguous) this.#replace(batch, waiting);
      else if (waiting.length > 0) continue;
      else if (this.#inFlight) this.#producerLost = true;
      else this.#giveUpProducer();
    }
  }

  /** Leaves records out of a batch that was never sent. */
  #replace(batch: Batch, records: readonly WaitingRecord[]): void {
    if (records.length === batch.records.length) return;
    const known = this.#pending.get(batch.partition) ?? [];
    const next = known.map((other) => other === batch ? { ...batch, records } : other);
    this.#setPending(batch.partition, next.filter((other) => other.records.length > 0));
  }

  #drop(batch: Batch): void {
    this.#setPending(
      batch.partition,
      (this.#pending.get(batch.partition) ?? []).filter((other) => other !== batch),
    );
  }

  #setPending(partition: number, batches: Batch[]): void {
    if (batches.length > 0) this.#pending.set(partition, batches);
    else this.#pending.delete(partition);
  }
}

/** Whether a batch may be in the log at a node that would not know it again, and append it a second time. */
function mayBeForgotten({ ambiguous, records }: Batch): boolean {
  const limit = Date.now() - rememberedMs;
  return ambiguous && records.every(({ message }) => message.timestamp < limit);
}

function settle(record: WaitingRecord, outcome: RecordPlace | StreamError): void {
  if (record.settled) return;
  record.settled = true;
  if (outcome instanceof StreamError) record.reject(outcome);
  else record.resolve(outcome);
}
