/** Records on their way into Kafka: concurrent sends to one topic are gathered into one request, each acknowledged to its sender.
 *
 * Each topic has a lane: while a request is in flight, whatever arrives waits and leaves together in the next one, so there is
 * no linger time when it is quiet and few requests when it is busy. The lane itself is in producer_lane.ts. Left out:
 * compression, transactions.
 * @module */
import { Buffer } from "node:buffer";
import { StreamError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Kafka } from "./client.ts";
import type { KafkaConnection, WireMessage } from "./connection.ts";
import { ProducerLane, type WaitingRecord } from "./producer_lane.ts";
import { isTopicName } from "./topics.ts";

/** A record to send. `timestamp` in ms since the epoch, default now; `partition` default by the key, as Java's clients choose. */
export interface OutRecord {
  readonly key?: string | Uint8Array | null;
  readonly value: string | Uint8Array | null;
  /** Values by name; a name that repeats has a list. */
  readonly headers?: Readonly<Record<string, HeaderValue | readonly HeaderValue[]>>;
  readonly timestamp?: number;
  readonly partition?: number;
}

export type HeaderValue = string | Uint8Array;

/** How a record is sent. */
export interface SendOptions {
  /** What is set for the topic if it has to be made, by Kafka's names. */
  readonly topicConfigs?: Readonly<Record<string, string>>;
  /** How many times as long as usual it may wait for its acknowledgement; default 1. */
  readonly patience?: number;
}

/** Where a record is in the log. */
export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
}

/** Sends records; safe to call from everywhere at once. */
export interface Producer extends AsyncDisposable {
  /** Resolves when all in-sync replicas have the record; makes the topic if it is missing. Records of one partition are
   * appended in the order of the calls.
   * @throws {StreamError} `kafka-unavailable` 503 (not written), `outcome-unknown` 503 (perhaps written), `overloaded` 503,
   *   `record-too-large` 413, `invalid-topic` 400, `invalid-record` 400, `kafka-forbidden` 403 */
  send(topic: string, record: OutRecord, options?: SendOptions): Promise<RecordPlace>;
  /** The same for several; rejects with the first failure, when every one of them has an outcome. */
  sendAll(topic: string, records: readonly OutRecord[]): Promise<RecordPlace[]>;
  /** Resolves when nothing waits any more. */
  flush(): Promise<void>;
  /** Gives up what waits: its senders are told, `kafka-unavailable` or `outcome-unknown`. Nothing is taken any more. */
  abandon(): Promise<void>;
}

/** Settings of a producer; `timeoutMs`: how long a record may wait for its acknowledgement. */
export interface ProducerOptions {
  readonly log: Logger;
  readonly timeoutMs?: number;
  /** Called when a topic was made, so that whoever waits for it need not poll. */
  readonly onTopicCreated?: (topic: string) => void;
}

/** Bytes that may wait over all topics; beyond, a send is refused at once. */
const maxWaitingBytes = 64 * 1024 * 1024;
/** Lanes kept; beyond, idle ones are forgotten. */
const maxLanes = 256;
/** What a record costs besides its key, value and headers, about. */
const recordOverheadBytes = 64;

/** Makes a producer; it connects with the first record. */
export function createProducer(kafka: Kafka, options: ProducerOptions): Producer {
  return new GatheringProducer(kafka, options);
}

class GatheringProducer implements Producer {
  readonly #kafka: Kafka;
  readonly #connection: KafkaConnection;
  readonly #options: ProducerOptions;
  readonly #lanes = new Map<string, ProducerLane>();
  #waitingBytes = 0;
  #closed = false;

  constructor(kafka: Kafka, options: ProducerOptions) {
    this.#kafka = kafka;
    this.#connection = kafka.connect();
    this.#options = options;
  }

  send(topic: string, record: OutRecord, options: SendOptions = {}): Promise<RecordPlace> {
    const { topicConfigs, patience = 1 } = options;
    const { promise, resolve, reject } = Promise.withResolvers<RecordPlace>();
    const message = wireMessage(record), bytes = wireBytes(message);
    const refusal = this.#refusal(topic, bytes);
    if (refusal) return Promise.reject(refusal);
    const settle = () => this.#waitingBytes -= bytes;
    const since = performance.now();
    const waiting: WaitingRecord = {
      partition: record.partition,
      message,
      bytes,
      since,
      deadline: since + patience * (this.#options.timeoutMs ?? 10_000),
      settled: false,
      resolve: (place) => (settle(), resolve(place)),
      reject: (error) => (settle(), reject(error)),
    };
    this.#waitingBytes += bytes;
    this.#lane(topic).push(waiting, topicConfigs);
    return promise;
  }

  async sendAll(topic: string, records: readonly OutRecord[]): Promise<RecordPlace[]> {
    const outcomes = await Promise.allSettled(records.map((record) => this.send(topic, record)));
    return outcomes.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    });
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.idle()));
  }

  async abandon(): Promise<void> {
    this.#closed = true;
    for (const lane of this.#lanes.values()) lane.abandon();
    await this.#connection[Symbol.asyncDispose]();
    await this.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.flush();
    await this.#connection[Symbol.asyncDispose]();
  }

  #refusal(topic: string, bytes: number): StreamError | undefined {
    if (this.#closed) return new StreamError("draining", 503, "Cannot send as the service is shutting down");
    if (!isTopicName(topic)) {
      return new StreamError(
        "invalid-topic",
        400,
        `Cannot send as ${JSON.stringify(topic)} is no topic name`,
      );
    }
    if (this.#waitingBytes + bytes <= maxWaitingBytes) return undefined;
    const detail =
      `Cannot send as ${this.#waitingBytes} bytes wait for Kafka, at most ${maxWaitingBytes} may`;
    return new StreamError("overloaded", 503, detail, { headers: { "retry-after": "1" } });
  }

  #lane(topic: string): ProducerLane {
    const known = this.#lanes.get(topic);
    if (known) return known;
    for (const [name, lane] of this.#lanes) {
      if (this.#lanes.size < maxLanes) break;
      if (lane.isIdle) this.#lanes.delete(name);
    }
    const { log, onTopicCreated } = this.#options;
    const lane = new ProducerLane(topic, this.#kafka, this.#connection, {
      log,
      onTopicCreated: onTopicCreated ?? (() => {}),
    });
    this.#lanes.set(topic, lane);
    return lane;
  }
}

/** A record as it goes over the wire. */
export function wireMessage({ key, value, headers, timestamp }: OutRecord): WireMessage {
  return {
    key: toBuffer(key),
    value: toBuffer(value),
    headers: toHeaders(headers),
    timestamp: timestamp ?? Date.now(),
  };
}

/** Bytes of a record in a batch, about, and not less. */
export function wireBytes({ key, value, headers }: WireMessage): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + sizeOf(headers) + recordOverheadBytes;
}

function toBuffer(value: string | Uint8Array | null | undefined): Buffer | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return Buffer.from(value);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function toHeaders(headers: OutRecord["headers"] = {}): WireMessage["headers"] {
  const one = (value: HeaderValue) => typeof value === "string" ? value : toBuffer(value)!;
  const all = (value: HeaderValue | readonly HeaderValue[]) => isList(value) ? value.map(one) : one(value);
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, all(value)] as const));
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/** Bytes of headers, about. */
function sizeOf(headers: WireMessage["headers"]): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    for (const one of isList(value) ? value : [value]) bytes += 3 * name.length + one.length + 10;
  }
  return bytes;
}
