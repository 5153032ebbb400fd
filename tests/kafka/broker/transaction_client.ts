/** A transactional producer and its readers, request by request, over a real socket: what tests of transactions say to a
 * broker, and the few things they want to know of its answers. @module */

import { eventually } from "../../eventually.ts";
import { ProtocolClient } from "../../protocol/client.ts";
import type { Value, Values } from "../../protocol/codec.ts";
import { batchOf, type TestRecord } from "./batches.ts";

/** A producer id with its epoch. */
export interface Producer {
  readonly id: number;
  readonly epoch: number;
}

/** Answer to an InitProducerId. */
export interface Initialised extends Producer {
  readonly error: number;
}

/** What Fetch says about one partition. */
export interface Fetched {
  readonly error: number;
  readonly end: number;
  readonly stable: number;
  readonly start: number;
  /** `producer@firstOffset` each; null when none were asked for. */
  readonly aborted: readonly string[] | null;
  readonly records: Uint8Array;
}

/** What a committed or uncommitted read wants. */
export interface FetchWish {
  readonly offset?: number;
  readonly partition?: number;
  readonly committed?: boolean;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
}

/** A batch's place and producer. */
export interface BatchWish {
  readonly partition?: number;
  readonly transactionalId?: string | null;
  readonly version?: number;
  /** Whether its attributes say it is transactional: yes. */
  readonly transactional?: boolean;
}

/** An offset to commit: partition and position. */
export type Position = readonly [partition: number, offset: number];

const notEnoughReplicas = 19;

/** One connection, one transactional id "tx", one topic "t" unless said otherwise. */
export class TransactionClient implements Disposable {
  readonly #client: ProtocolClient;

  private constructor(
    client: ProtocolClient,
    readonly port: number,
    readonly id: string,
    readonly topic: string,
  ) {
    this.#client = client;
  }

  static async connect(port: number, { id = "tx", topic = "t" } = {}): Promise<TransactionClient> {
    return new TransactionClient(await ProtocolClient.connect(port), port, id, topic);
  }

  /** Another client of the same topic. */
  another({ id }: { id: string }): Promise<TransactionClient> {
    return TransactionClient.connect(this.port, { id, topic: this.topic });
  }

  /** Any request. */
  ask(key: number, version: number, values: Values): Promise<Values> {
    return this.#client.ask(key, version, values);
  }

  /** InitProducerId; `producer` is who it says it is. */
  async init(
    { id = this.id as string | null, timeoutMs = 60_000, producer = NOBODY, version = 4 } = {},
  ): Promise<
    Initialised
  > {
    const said = version >= 3 ? { producerId: producer.id, producerEpoch: producer.epoch } : {};
    const answer = await this.ask(22, version, {
      transactionalId: id,
      transactionTimeoutMs: timeoutMs,
      ...said,
    });
    return {
      error: number(answer.errorCode),
      id: number(answer.producerId),
      epoch: number(answer.producerEpoch),
    };
  }

  /** AddPartitionsToTxn for partitions of the topic. @returns the error of each */
  async add({ id, epoch }: Producer, partitions: readonly number[] = [0], version = 3): Promise<number[]> {
    const answer = await this.ask(24, version, {
      v3AndBelowTransactionalId: this.id,
      v3AndBelowProducerId: id,
      v3AndBelowProducerEpoch: epoch,
      v3AndBelowTopics: [{ name: this.topic, partitions: [...partitions] }],
    });
    return list(list(answer.resultsByTopicV3AndBelow)[0]?.resultsByPartition)
      .map(({ partitionErrorCode }) => number(partitionErrorCode));
  }

  /** Produce of one batch, put again while a busy Kafka has not found out whether its transaction is open, which it tells by
   * NOT_ENOUGH_REPLICAS. @returns error and base offset */
  produce(
    ...wish: Parameters<TransactionClient["tryToProduce"]>
  ): Promise<[error: number, baseOffset: number]> {
    return eventually("Kafka to know the transaction", async () => {
      const answer = await this.tryToProduce(...wish);
      return answer[0] === notEnoughReplicas ? undefined : answer;
    });
  }

  async tryToProduce(
    { id, epoch }: Producer,
    sequence: number,
    records: readonly TestRecord[],
    { partition = 0, transactionalId = this.id, version = 9, transactional = true }: BatchWish = {},
  ): Promise<[error: number, baseOffset: number]> {
    const fields = { producerId: id, epoch, sequence, attributes: transactional ? 0x10 : 0 };
    const answer = await this.ask(0, version, {
      transactionalId,
      acks: -1,
      timeoutMs: 30_000,
      topicData: [{
        name: this.topic,
        partitionData: [{ index: partition, records: batchOf(records, fields) }],
      }],
    });
    const [found] = list(list(answer.responses)[0]?.partitionResponses);
    return [number(found?.errorCode), number(found?.baseOffset)];
  }

  /** EndTxn. @returns its error */
  async end({ id, epoch }: Producer, committed: boolean, version = 3): Promise<number> {
    const answer = await this.ask(26, version, {
      transactionalId: this.id,
      producerId: id,
      producerEpoch: epoch,
      committed,
    });
    return number(answer.errorCode);
  }

  /** AddOffsetsToTxn. @returns its error */
  async addGroup({ id, epoch }: Producer, groupId: string, version = 3): Promise<number> {
    const answer = await this.ask(25, version, {
      transactionalId: this.id,
      producerId: id,
      producerEpoch: epoch,
      groupId,
    });
    return number(answer.errorCode);
  }

  /** TxnOffsetCommit for partitions of the topic. @returns the error of each */
  async commitOffsets(
    { id, epoch }: Producer,
    groupId: string,
    positions: readonly Position[],
    version = 3,
    member: Values = {},
  ): Promise<number[]> {
    const answer = await this.ask(28, version, {
      ...{ transactionalId: this.id, groupId, producerId: id, producerEpoch: epoch },
      ...(version >= 3 ? { generationId: -1, memberId: "", groupInstanceId: null, ...member } : {}),
      topics: [{ name: this.topic, partitions: positionsOf(positions) }],
    });
    return list(list(answer.topics)[0]?.partitions).map(({ errorCode }) => number(errorCode));
  }

  /** OffsetCommit outside of any transaction. */
  async commitPlainly(groupId: string, positions: readonly Position[]): Promise<void> {
    await this.ask(8, 7, {
      ...{ groupId, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null },
      topics: [{ name: this.topic, partitions: positionsOf(positions) }],
    });
  }

  /** OffsetFetch v7 for one partition. @returns error and offset */
  async committed(groupId: string, { partition = 0, stable = false } = {}): Promise<[number, number]> {
    const answer = await this.ask(9, 7, {
      groupId,
      topics: [{ name: this.topic, partitionIndexes: [partition] }],
      requireStable: stable,
    });
    const [found] = list(list(answer.topics)[0]?.partitions);
    return [number(found?.errorCode), number(found?.committedOffset)];
  }

  /** Fetch v11 of one partition. */
  async fetch(
    { offset = 0, partition = 0, committed = true, maxWaitMs = 0, minBytes = 1, maxBytes = 10_000_000 }:
      FetchWish = {},
  ): Promise<Fetched> {
    const wanted = { partition, fetchOffset: offset, partitionMaxBytes: maxBytes };
    const answer = await this.ask(1, 11, {
      ...{ maxWaitMs, minBytes, maxBytes, isolationLevel: committed ? 1 : 0, rackId: "" },
      topics: [{ topic: this.topic, partitions: [wanted] }],
      forgottenTopicsData: [],
    });
    const found = list(list(answer.responses)[0]?.partitions)[0] ?? {};
    const aborted = found.abortedTransactions as Values[] | null;
    return {
      error: number(found.errorCode),
      end: number(found.highWatermark),
      stable: number(found.lastStableOffset),
      start: number(found.logStartOffset),
      aborted: aborted?.map(({ producerId, firstOffset }) => `${producerId}@${firstOffset}`) ?? null,
      records: found.records as Uint8Array,
    };
  }

  /** ListOffsets v7 of one partition. @returns the offset found, −1 for none */
  async offsetAt(timestamp: number, { partition = 0, committed = true } = {}): Promise<number> {
    const answer = await this.ask(2, 7, {
      replicaId: -1,
      isolationLevel: committed ? 1 : 0,
      topics: [{ name: this.topic, partitions: [{ partitionIndex: partition, timestamp }] }],
    });
    return number(list(list(answer.topics)[0]?.partitions)[0]?.offset);
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

const NOBODY: Producer = { id: -1, epoch: -1 };

function positionsOf(positions: readonly Position[]): Values[] {
  return positions.map(([partitionIndex, committedOffset]) => ({
    partitionIndex,
    committedOffset,
    committedLeaderEpoch: -1,
    committedMetadata: null,
  }));
}

function list(value: Value | undefined): Values[] {
  return (value ?? []) as Values[];
}

function number(value: Value | undefined): number {
  return Number(value);
}
