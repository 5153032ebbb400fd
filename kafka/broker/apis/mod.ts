/** The list of the APIs this broker serves. Dispatch, the check of versions and the ApiVersions answer all come from
 * it, so an API is served exactly when it has its line here.
 * @see {@link https://kafka.apache.org/protocol#protocol_api_keys} @module */

import type { Groups } from "../group.ts";
import type { Log } from "../log.ts";
import type { Offsets } from "../offsets.ts";
import type { ProducerIds } from "../producers.ts";
import { StorageError, type Store } from "../store.ts";
import type { Transactions } from "../transactions.ts";
import { type ErrorCode, errors } from "../wire/error_codes.ts";
import type { BrokerLogger } from "../logger.ts";
import { WireError, type WireReader } from "../wire/reader.ts";
import type { WireWriter } from "../wire/writer.ts";
import type { Authentication } from "../sasl.ts";
import { produce } from "./00_produce.ts";
import { fetchRecords } from "./01_fetch.ts";
import { listOffsets } from "./02_list_offsets.ts";
import { metadata } from "./03_metadata.ts";
import { offsetCommit } from "./08_offset_commit.ts";
import { offsetFetch } from "./09_offset_fetch.ts";
import { findCoordinator } from "./10_find_coordinator.ts";
import { joinGroup } from "./11_join_group.ts";
import { heartbeat } from "./12_heartbeat.ts";
import { leaveGroup } from "./13_leave_group.ts";
import { syncGroup } from "./14_sync_group.ts";
import { describeGroups } from "./15_describe_groups.ts";
import { listGroups } from "./16_list_groups.ts";
import { saslHandshake } from "./17_sasl_handshake.ts";
import { apiVersions } from "./18_api_versions.ts";
import { createTopics } from "./19_create_topics.ts";
import { deleteTopics } from "./20_delete_topics.ts";
import { deleteRecords } from "./21_delete_records.ts";
import { initProducerId } from "./22_init_producer_id.ts";
import { offsetForLeaderEpoch } from "./23_offset_for_leader_epoch.ts";
import { addPartitionsToTxn } from "./24_add_partitions_to_txn.ts";
import { addOffsetsToTxn } from "./25_add_offsets_to_txn.ts";
import { endTxn } from "./26_end_txn.ts";
import { txnOffsetCommit } from "./28_txn_offset_commit.ts";
import { describeConfigs } from "./32_describe_configs.ts";
import { alterConfigs } from "./33_alter_configs.ts";
import { describeLogDirs } from "./35_describe_log_dirs.ts";
import { saslAuthenticate } from "./36_sasl_authenticate.ts";
import { createPartitions } from "./37_create_partitions.ts";
import { deleteGroups } from "./42_delete_groups.ts";
import { incrementalAlterConfigs } from "./44_incremental_alter_configs.ts";
import { offsetDelete } from "./47_offset_delete.ts";
import { describeCluster } from "./60_describe_cluster.ts";

/** What an API works on: one broker, shared by all of its connections. */
export interface BrokerState {
  readonly nodeId: number;
  /** Where clients reach this broker: what Metadata and FindCoordinator tell them. */
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  readonly store: Store;
  readonly log: Log;
  readonly producerIds: ProducerIds;
  readonly transactions: Transactions;
  readonly groups: Groups;
  readonly offsets: Offsets;
  readonly logger: BrokerLogger;
  /** Partitions of a topic that is made without saying how many. */
  readonly defaultPartitions: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** One request, its header already read. */
export interface ApiRequest {
  readonly version: number;
  /** The fields of the body, from the first one on; its top-level tagged fields are read by the API with `tags()`. */
  readonly body: WireReader;
  readonly clientId: string | null;
  /** As Kafka shows it: `/127.0.0.1`. */
  readonly clientHost: string;
  /** Aborts when the connection is gone: whoever waits, stops. */
  readonly signal: AbortSignal;
  readonly broker: BrokerState;
  /** The login of this connection; undefined where none is asked for. */
  readonly authentication?: Authentication | undefined;
}

/** One API of the protocol. */
export interface Api {
  readonly key: number;
  readonly name: string;
  /** What ApiVersions advertises. */
  readonly versions: readonly [min: number, max: number];
  /** First version that is answered, where older ones are advertised only so that clients take the range for whole. */
  readonly servedFrom?: number;
  /** First version in the flexible encoding; Infinity for none. */
  readonly flexibleFrom: number;
  /** May run while earlier requests of its connection that also have this flag are not answered yet. All others run
   * one at a time, as in Kafka. */
  readonly pipelined?: boolean;
  /** Reads the body, writes the body of the answer (top-level `tags()` included).
   * @returns "none" when there is no answer to send (Produce with acks=0)
   * @throws {WireError} if the body is malformed: the connection is closed. Anything else thrown is answered by
   * `fail`, or closes the connection when there is none. */
  handle(request: ApiRequest, out: WireWriter): Answer | Promise<Answer>;
  /** Writes the answer that says `errorCode` in the format of this API and version. `request.body` begins anew. */
  fail?(request: ApiRequest, out: WireWriter, errorCode: number): void;
}

/** Nothing to add to what was written; no answer at all; or the last one of its connection, and why. */
export type Answer = void | "none" | { readonly refusal: string };

/** Every API served, by key. One line each. */
export const apis: readonly Api[] = [
  produce,
  fetchRecords,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions(() => apis),
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  txnOffsetCommit,
  describeConfigs,
  alterConfigs,
  describeLogDirs,
  saslAuthenticate,
  createPartitions,
  deleteGroups,
  incrementalAlterConfigs,
  offsetDelete,
  describeCluster,
];

const byKey: ReadonlyMap<number, Api> = new Map(apis.map((api) => [api.key, api]));

/** The API for a key, or undefined when it is not served. */
export function apiOf(key: number): Api | undefined {
  return byKey.get(key);
}

/** Whether an API is served in a version. */
export function serves(api: Api, version: number): boolean {
  return version >= (api.servedFrom ?? api.versions[0]) && version <= api.versions[1];
}

/** The error code that tells a client about something thrown. */
export function errorCodeOf(error: unknown): ErrorCode {
  return error instanceof StorageError ? errors.KAFKA_STORAGE_ERROR : errors.UNKNOWN_SERVER_ERROR;
}

/** The same for one item of a request whose other items go on: anything unexpected is logged here.
 * @throws {WireError} the error itself, as a malformed request has no answer */
export function itemError(error: unknown, api: string, broker: BrokerState): ErrorCode {
  if (error instanceof WireError) throw error;
  const code = errorCodeOf(error);
  if (code === errors.UNKNOWN_SERVER_ERROR) broker.logger.error("cannot answer a request", { api, error });
  return code;
}

/** Thrown by an API to end the connection without an answer, for a reason worth a log line. */
export class CloseConnection extends Error {
  override readonly name = "CloseConnection";
}
