/** The broker's counters and gauges as one snapshot, which can be sent to another thread. @module */

import type { BrokerState } from "./apis/mod.ts";
import type { Door } from "./doors.ts";
import type { HistogramSnapshot } from "./histogram.ts";
import type { RefusalKind } from "./refusals.ts";
import type { AuthenticationCount } from "./sasl.ts";
import type { Server } from "./server.ts";

/** Counters since the start and gauges of now. Bytes and seconds. */
export interface BrokerMetrics {
  readonly requests: { api: string; error: string; count: number }[];
  readonly connections: number;
  /** Connections refused or ended for what they did, by kind. */
  readonly refusedConnections: { kind: RefusalKind; count: number }[];
  /** Logins at the door for everybody. */
  readonly authentications: AuthenticationCount[];
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly commitSeconds: HistogramSnapshot;
  /** Bytes of all stored batches, and of those of each topic. */
  readonly logBytes: number;
  readonly topicBytes: { topic: string; bytes: number }[];
  readonly topics: number;
  readonly partitions: number;
  readonly openTransactions: number;
  /** Every state, those without groups too. */
  readonly groups: { state: string; count: number }[];
}

const GROUP_STATES = ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"] as const;

/** Reads all of them now. */
export function readMetrics(
  { store, log, groups, transactions }: BrokerState,
  server: Server,
  doors: readonly Door[],
): BrokerMetrics {
  const states = groups.states();
  const topics = [...log.topics];
  const topicBytes = topics.map(({ name, partitions }) => ({
    topic: name,
    bytes: partitions.reduce((sum, partition) => sum + partition.bytes, 0),
  }));
  return {
    requests: server.counters.snapshot(),
    connections: server.connections,
    refusedConnections: server.refusals.snapshot(),
    authentications: doors[0]?.authenticator?.counts() ?? [],
    bytesIn: server.counters.bytesIn,
    bytesOut: server.counters.bytesOut,
    commitSeconds: store.commitSeconds.snapshot(),
    logBytes: topicBytes.reduce((sum, { bytes }) => sum + bytes, 0),
    topicBytes,
    topics: topics.length,
    partitions: topics.reduce((sum, { partitions }) => sum + partitions.length, 0),
    openTransactions: transactions.ongoing,
    groups: GROUP_STATES.map((state) => ({ state, count: states.get(state) ?? 0 })),
  };
}
