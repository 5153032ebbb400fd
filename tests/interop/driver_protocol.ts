/** What the conformance suite asks of a client, and what it answers: one JSON object a line, both ways.
 *
 *     {"id":1,"op":"produce","topic":"t",…}  →  {"id":1,"ok":{"records":[…]}}  or  {"id":1,"error":{"code":3,"message":"…"}}
 *
 * A driver is a small program around one client library, started with the bootstrap address as its first argument. It runs what
 * it is asked concurrently, answers in any order, logs to stderr and ends when its input does. Absent arguments are the
 * library's default. Left out: keys and values that are not UTF-8. @module */

/** A value: text, a tombstone, or `bytes` times "x". Drivers answer any longer than 1000 in the last form. */
export type Value = string | null | { readonly bytes: number };

/** A record to write. */
export interface NewRecord {
  readonly partition?: number;
  readonly key?: string | null;
  readonly value: Value;
  /** In order; names may repeat, values may be null. */
  readonly headers?: readonly Header[];
  /** Milliseconds since the epoch. */
  readonly timestamp?: number;
}

export type Header = readonly [name: string, value: string | null];

/** Where a record was written. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** A record as it was read. */
export interface ReadRecord extends Place {
  readonly key: string | null;
  readonly value: Value;
  readonly headers: readonly Header[];
  readonly timestamp: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export type Isolation = "read_committed" | "read_uncommitted";

/** Further settings of a producer, for {@link Ops.produce}. */
export interface ProduceOptions {
  readonly codec?: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  readonly idempotent?: boolean;
  readonly acks?: -1 | 0 | 1;
  /** Raises the client's own limit of a request or message. */
  readonly maxRequestBytes?: number;
}

/** Every operation: its arguments and its answer. A driver lists in `hello` what it can do. */
export interface Ops {
  hello: [Record<never, never>, { client: string; version: string; features: string[] }];
  /** One producer per call, flushed and closed before the answer. Records of one call are sent without waiting in between. */
  produce: [{ topic: string; records: readonly NewRecord[] } & ProduceOptions, { records: Place[] }];
  /** Without a group (a driver whose library has none uses one nobody else has). Ends at `count` records or after `timeoutMs`. */
  consume: [
    {
      topic: string;
      positions: Readonly<Record<string, number | "earliest">>;
      count: number;
      timeoutMs: number;
      isolation?: Isolation;
      autoReset?: "earliest" | "latest" | "none";
      /** Most bytes the client asks a fetch for, all partitions and each. */
      maxFetchBytes?: number;
      /** How long the client asks the broker to wait for a record, in milliseconds. */
      maxWaitMs?: number;
    },
    { records: ReadRecord[] },
  ];
  listOffsets: [
    { topic: string; partition: number; at: "earliest" | "latest" | number; isolation?: Isolation },
    { offset: number; timestamp?: number },
  ];
  /** The member polls in the background and keeps what it got. Without `autoCommit` it commits only when it is asked to. */
  "group.join": [
    {
      member: string;
      group: string;
      topics: readonly string[];
      assignor?: "range" | "roundrobin" | "cooperative-sticky";
      instanceId?: string;
      sessionTimeoutMs?: number;
      autoCommit?: boolean;
      from?: "earliest" | "latest";
    },
    Record<never, never>,
  ];
  "group.state": [{ member: string }, { assigned: TopicPartition[]; records: ReadRecord[] }];
  /** Commits what `group.state` has answered or would answer now. */
  "group.commit": [{ member: string }, Record<never, never>];
  "group.seek": [
    { member: string; topic: string; partition: number; offset: number },
    Record<never, never>,
  ];
  "group.leave": [{ member: string }, Record<never, never>];
  "txn.open": [{ handle: string; transactionalId: string; timeoutMs?: number }, Record<never, never>];
  "txn.begin": [{ handle: string }, Record<never, never>];
  "txn.send": [{ handle: string; topic: string; records: readonly NewRecord[] }, { records: Place[] }];
  "txn.sendOffsets": [
    { handle: string; group: string; offsets: readonly (TopicPartition & { offset: number })[] },
    Record<never, never>,
  ];
  "txn.commit": [{ handle: string }, Record<never, never>];
  "txn.abort": [{ handle: string }, Record<never, never>];
  "txn.close": [{ handle: string }, Record<never, never>];
  /** Reads `from` in a group and writes each value, with a "!" after it, to `to`: in transactions of at most ten records that
   * hold their offsets, as the library's users do it. Ends when nothing has come for `idleMs`. */
  "txn.process": [
    { transactionalId: string; group: string; from: string; to: string; idleMs: number },
    { processed: number },
  ];
  createTopics: [
    {
      topics: readonly { name: string; partitions: number; configs?: Readonly<Record<string, string>> }[];
      validateOnly?: boolean;
    },
    Record<never, never>,
  ];
  deleteTopics: [{ names: readonly string[] }, Record<never, never>];
  listTopics: [Record<never, never>, { names: string[] }];
  describeTopic: [{ name: string }, { partitions: { partition: number }[]; id?: string }];
  createPartitions: [{ name: string; count: number }, Record<never, never>];
  /** −1 is the end. */
  deleteRecords: [
    { topic: string; offsets: Readonly<Record<string, number>> },
    { low?: Record<string, number> },
  ];
  describeConfigs: [{ topic: string }, { configs: Record<string, string | null> }];
  /** The whole set: what is not named falls back to its default. */
  alterConfigs: [{ topic: string; set: Readonly<Record<string, string>> }, Record<never, never>];
  incrementalAlterConfigs: [
    {
      topic: string;
      set?: Readonly<Record<string, string>>;
      delete?: readonly string[];
      append?: Readonly<Record<string, string>>;
      subtract?: Readonly<Record<string, string>>;
    },
    Record<never, never>,
  ];
  listGroups: [Record<never, never>, { groups: { group: string; state?: string }[] }];
  describeGroup: [
    { group: string },
    {
      state: string;
      protocol?: string;
      members: { memberId: string; clientId: string; assigned?: TopicPartition[] }[];
    },
  ];
  deleteGroups: [{ groups: readonly string[] }, Record<never, never>];
  /** Offset −1, or none of the partition: nothing committed. */
  groupOffsets: [
    { group: string; topic: string; partitions: readonly number[] },
    { offsets: (TopicPartition & { offset: number; metadata?: string | null })[] },
  ];
  alterGroupOffsets: [
    { group: string; offsets: readonly (TopicPartition & { offset: number })[] },
    Record<never, never>,
  ];
  deleteGroupOffsets: [
    { group: string; topic: string; partitions: readonly number[] },
    Record<never, never>,
  ];
  describeCluster: [Record<never, never>, { clusterId?: string; brokers: number }];
  describeLogDirs: [{ topic: string }, { bytes: number }];
}

export type Op = keyof Ops;

/** What a client library can do. `admin:` and the name of an administrative op, `codec:` and the name of a codec; the others:
 *
 * - `produce` `consume` `listOffsets`: those ops; `offsets`: produce answers where each record went
 * - `headers` `nullHeaders` (a header without a value) `timestamps` (of the caller's choice) `tombstones` `nullKeys`
 * - `idempotent` `acks0` `transactions` `txnOffsets` (offsets in a transaction) `isolation` (of consume, read_committed or not)
 * - `largeMessages`: maxRequestBytes, and an error code for a message that the broker finds too large
 * - `txnProcess`: txn.process; `txnTimeout`: timeoutMs of txn.open; `validateOnly` of createTopics
 * - `groups` `groupSeek` `static` (instance ids) `assignor:range` `assignor:roundrobin` `cooperative`
 * - `unknownTopic`: tells error 3 of a topic that is not there, from produce; with auto-creation off
 * - `fetchLimit`: maxFetchBytes; `fetchWait`: maxWaitMs */
export type Feature = string;

/** An error that the client library told. */
export class DriverError extends Error {
  override readonly name = "DriverError";
  /** Kafka's number, or null where the library tells none. */
  readonly code: number | null;

  constructor(message: string, code: number | null) {
    super(message);
    this.code = code;
  }
}
