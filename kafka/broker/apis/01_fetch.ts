/** Fetch (key 1), versions 4–13, flexible from 12; v13 names topics by id.
 *     request  => replica_id:INT32 max_wait_ms:INT32 min_bytes:INT32 max_bytes:INT32 isolation_level:INT8
 *                 session_id:INT32 session_epoch:INT32 (both v7+)
 *                 [topic:STRING (to v12) topic_id:UUID (v13) [partition:INT32 current_leader_epoch:INT32 (v9+)
 *                 fetch_offset:INT64 last_fetched_epoch:INT32 (v12+) log_start_offset:INT64 (v5+)
 *                 partition_max_bytes:INT32]] forgotten_topics_data (v7+) rack_id:STRING (v11+)
 *     response => throttle_time_ms:INT32 error_code:INT16 session_id:INT32 (both v7+)
 *                 [topic [partition_index:INT32 error_code:INT16 high_watermark:INT64 last_stable_offset:INT64
 *                 log_start_offset:INT64 (v5+) aborted_transactions preferred_read_replica:INT32 (v11+)
 *                 records:RECORDS]]
 * Waits until there are min_bytes or max_wait_ms have passed. isolation_level 1 reads to the last stable offset, waits
 * for that to move, and is told the aborted transactions in what it gets. Left out: sessions (session id 0 in every
 * answer makes clients send full requests), and replicas.
 * @see {@link https://cwiki.apache.org/confluence/display/KAFKA/KIP-74} for the first batch beyond the limits @module */

import { LEADER_EPOCH } from "../log.ts";
import type { Partition } from "../partition.ts";
import type { AbortedTransaction } from "../transaction_index.ts";
import { errors } from "../wire/error_codes.ts";
import type { WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Answer, Api, BrokerState } from "./mod.ts";

/** Bytes of records in one answer, whatever the client allows: what one slow reader can hold in memory. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** Longest wait, in milliseconds; also keeps a timer within its 31 bits. */
const MAX_WAIT_MS = 300_000;
const READ_COMMITTED = 1;

interface PartitionFetch {
  readonly index: number;
  readonly leaderEpoch: number;
  readonly offset: number;
  readonly maxBytes: number;
  readonly partition: Partition | undefined;
  error: number;
  records: readonly Uint8Array[];
  /** Null unless only committed records are wanted. */
  aborted: readonly AbortedTransaction[] | null;
}

interface TopicFetch {
  readonly name: string;
  readonly uuid: string;
  readonly partitions: PartitionFetch[];
}

interface FetchRequest {
  readonly version: number;
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Only records of committed transactions: isolation_level 1. */
  readonly committed: boolean;
  readonly sessionId: number;
  readonly topics: TopicFetch[];
}

export const fetchRecords: Api = {
  key: 1,
  name: "Fetch",
  versions: [4, 13],
  flexibleFrom: 12,
  async handle({ version, body, broker, signal }, out): Promise<Answer> {
    const request = readRequest(version, body, broker);
    if (request.sessionId !== 0) {
      writeHead(version, out, errors.FETCH_SESSION_ID_NOT_FOUND);
      out.structs([], () => {});
      out.tags();
      return;
    }
    const wanted = rotated(request.topics.flatMap((topic) => topic.partitions));
    const failed = checkAll(wanted);
    const bytes = readAll(wanted, request, broker);
    // Java's consumer says goodbye with a fetch of nothing: there is nothing to wait for.
    if (wanted.length > 0 && !failed && bytes < request.minBytes && request.maxWaitMs > 0) {
      await moreBytes(wanted, request.minBytes - bytes, request, signal);
      if (signal.aborted) return "none";
      checkAll(wanted);
      readAll(wanted, request, broker);
    }
    writeAnswer(request, out);
  },
  fail({ version }, out, errorCode) {
    // Before v7 there is no place for an error of the whole request: no partitions, and the client asks again.
    writeHead(version, out, errorCode);
    out.structs([], () => {});
    out.tags();
  },
};

function readRequest(version: number, body: WireReader, broker: BrokerState): FetchRequest {
  body.int32(); // replica_id: −1, a consumer
  const maxWaitMs = Math.min(body.int32(), MAX_WAIT_MS);
  const minBytes = body.int32();
  const maxBytes = Math.min(Math.max(body.int32(), 0), MAX_ANSWER_BYTES);
  const committed = body.int8() === READ_COMMITTED;
  const sessionId = version >= 7 ? body.int32() : 0;
  if (version >= 7) body.int32(); // session_epoch: −1 and 0 are both full requests
  const topics = body.structs(() => readTopic(version, body, broker));
  if (version >= 7) {
    body.structs(() => {
      if (version >= 13) body.uuid();
      else body.string();
      body.array(() => body.int32());
    });
  }
  if (version >= 11) body.string(); // rack_id
  body.tags();
  // A client that waits for more than an answer can hold would wait in vain.
  return {
    version,
    maxWaitMs,
    minBytes: Math.min(minBytes, maxBytes),
    maxBytes,
    committed,
    sessionId,
    topics,
  };
}

function readTopic(version: number, body: WireReader, broker: BrokerState): TopicFetch {
  const byId = version >= 13;
  const uuid = byId ? body.uuid() : "";
  const name = byId ? "" : body.string();
  const topic = byId ? broker.log.topics.byId(uuid) : broker.log.topics.byName(name);
  const unknown = byId && topic === undefined ? errors.UNKNOWN_TOPIC_ID : errors.UNKNOWN_TOPIC_OR_PARTITION;
  const partitions = body.structs((): PartitionFetch => {
    const index = body.int32();
    const leaderEpoch = version >= 9 ? body.int32() : -1;
    const offset = body.int64();
    if (version >= 12) body.int32(); // last_fetched_epoch: with one epoch nothing diverges
    if (version >= 5) body.int64(); // log_start_offset: of a replica
    const maxBytes = Math.max(body.int32(), 0);
    const partition = topic?.partitions[index];
    return {
      index,
      leaderEpoch,
      offset,
      maxBytes,
      partition,
      error: partition === undefined ? unknown : 0,
      records: [],
      aborted: null,
    };
  });
  return { name, uuid, partitions };
}

let turn = 0;

/** Begins at another partition each time: the first ones would starve the rest when answers are full. */
function rotated(partitions: PartitionFetch[]): PartitionFetch[] {
  if (partitions.length < 2) return partitions;
  turn = (turn + 1) % Number.MAX_SAFE_INTEGER;
  const first = turn % partitions.length;
  return [...partitions.slice(first), ...partitions.slice(0, first)];
}

/** Sets the error of each partition; true if there is any. */
function checkAll(wanted: readonly PartitionFetch[]): boolean {
  let failed = false;
  for (const fetch of wanted) {
    if (fetch.partition !== undefined) fetch.error = problem(fetch, fetch.partition);
    failed ||= fetch.error !== errors.NONE;
  }
  return failed;
}

function problem({ leaderEpoch, offset }: PartitionFetch, partition: Partition): number {
  if (partition.deleted) return errors.UNKNOWN_TOPIC_OR_PARTITION;
  if (leaderEpoch > LEADER_EPOCH) return errors.UNKNOWN_LEADER_EPOCH;
  if (leaderEpoch >= 0 && leaderEpoch < LEADER_EPOCH) return errors.FENCED_LEADER_EPOCH;
  return offset < partition.start || offset > partition.end ? errors.OFFSET_OUT_OF_RANGE : errors.NONE;
}

/** Reads what fits; returns the bytes. The first batch found goes out whatever its size. */
function readAll(
  wanted: readonly PartitionFetch[],
  { maxBytes, committed }: FetchRequest,
  { log }: BrokerState,
): number {
  let bytes = 0;
  for (const fetch of wanted) {
    const { partition, offset } = fetch;
    fetch.records = [];
    fetch.aborted = null;
    if (partition === undefined || fetch.error !== errors.NONE) continue;
    const limit = committed ? partition.lastStable : partition.end;
    const most = Math.min(fetch.maxBytes, maxBytes - bytes);
    const found = log.read(partition, offset, most, bytes === 0, limit);
    fetch.records = found.pieces;
    fetch.aborted = committed ? partition.aborted(offset, found.next) : null;
    bytes += found.bytes;
  }
  return bytes;
}

/** Resolves when that many bytes came to the partitions, the time is over, or the connection is gone. */
function moreBytes(
  wanted: readonly PartitionFetch[],
  needed: number,
  { maxWaitMs, committed }: FetchRequest,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    let missing = needed;
    const waiter = {
      wake(bytes: number): void {
        missing -= bytes;
        if (missing <= 0) finish();
      },
    };
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      for (const { partition } of wanted) partition?.removeWaiter(waiter);
      resolve();
    };
    const timer = setTimeout(finish, maxWaitMs);
    signal.addEventListener("abort", finish);
    for (const { partition } of wanted) partition?.addWaiter(waiter, committed);
    if (signal.aborted) finish();
  });
}

function writeHead(version: number, out: WireWriter, errorCode: number): void {
  out.int32(0); // throttle_time_ms
  if (version < 7) return;
  out.errorCode(errorCode);
  out.int32(0); // session_id: no session
}

function writeAnswer({ version, topics }: FetchRequest, out: WireWriter): void {
  writeHead(version, out, errors.NONE);
  out.structs(topics, ({ name, uuid, partitions }) => {
    if (version >= 13) out.uuid(uuid);
    else out.string(name);
    out.structs(partitions, ({ index, error, partition, records, aborted }) => {
      const known = error === errors.NONE || error === errors.OFFSET_OUT_OF_RANGE ? partition : undefined;
      out.int32(index);
      out.errorCode(error);
      out.int64(known?.end ?? -1); // high_watermark
      out.int64(known?.lastStable ?? -1); // last_stable_offset
      if (version >= 5) out.int64(known?.start ?? -1);
      out.nullableStructs(aborted, ({ producerId, firstOffset }) => {
        out.int64(producerId);
        out.int64(firstOffset);
      });
      if (version >= 11) out.int32(-1); // preferred_read_replica
      out.joinedBytes(records);
    });
  });
  out.tags();
}
