/** What a topic's reader tells its owner, and what it may be told. Left out: reading (reader.ts). @module */
import type { FetchedPartition } from "./fetch_response.ts";
import type { Gap } from "./ring.ts";

/** What a reader tells its owner, in order. */
export interface ReaderEvents {
  /** Reading begins, a partition was added, or the end of one became known: the next offset of each partition, `unknownOffset`
   * for one whose leader has not said where it ends, or that is not read; none while the topic does not exist. */
  started(positions: readonly number[], clusterId: string): void;
  /** Records of one partition, ascending; `next` is where it goes on. The partition's node is not asked again before a promise that
   * is returned has resolved; it must not reject, and has to resolve when the reader is disposed. */
  records(fetched: FetchedPartition): unknown;
  /** Offsets `from` … `to` − 1 are passed over: retention was faster, or their batch cannot be read. */
  skipped(partition: number, from: number, to: number, reason: Gap["reason"]): unknown;
  /** The log is another one (it ends before the reader's place, was missing for a while, or the cluster is another);
   * `started` follows. May be told while a promise of `records` is waited for. */
  restarted(): void;
  /** Perhaps the log is another one: a node had not been read from for a while, or says that there is no such partition. What is told
   * from now on was read afterwards; the node is held up as by `records`. */
  doubted?(): unknown;
  /** Whether Kafka answers; told when it changes. */
  status(up: boolean): void;
}

/** Where a reader begins, and how much it takes. */
export interface ReaderOptions {
  /** The next offset to read by partition, of a log that is known; partitions that are not named begin at 0, and a topic that is
   * missing at first is another log. Default: the end of each partition. */
  readonly from?: Readonly<Record<number, number>>;
  /** Partitions that are read, others are left alone, now and later; default: all. */
  readonly only?: ReadonlySet<number>;
  /** Records that were not written in a transaction are left out. */
  readonly onlyTransactional?: boolean;
  /** Bytes of one partition, and of all those of a node, that are asked for at once. */
  readonly partitionBytes?: number;
  readonly requestBytes?: number;
}
