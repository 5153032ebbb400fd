/** The embedded broker: a Kafka broker of one node, over one SQLite file, in the calling thread.
 *
 *     doors.ts → server.ts → connection.ts → apis/ → log.ts, group.ts, offsets.ts, transactions.ts → store.ts
 *
 * Imports nothing outside this folder. `worker.ts` runs it in a thread of its own, ../embedded.ts is the other end
 * of that. TLS and logins are asked for as the options say (doors.ts); whether to listen beyond loopback without them is
 * the caller's decision.
 * @module */

import type { BrokerState } from "./apis/mod.ts";
import { type DoorOptions, openEntrance } from "./doors.ts";
import { Compaction } from "./compaction.ts";
import { Groups } from "./group.ts";
import { defaultLimits, type ServerLimits } from "./limits.ts";
import { Log } from "./log.ts";
import { type BrokerLogger, silentBrokerLogger } from "./logger.ts";
import { type BrokerMetrics, readMetrics } from "./metrics.ts";
import { Offsets } from "./offsets.ts";
import { ProducerIds } from "./producers.ts";
import { Retention } from "./retention.ts";
import { Server } from "./server.ts";
import { Store } from "./store.ts";
import { Topics } from "./topics.ts";
import { Transactions } from "./transactions.ts";

export type { BrokerLogger } from "./logger.ts";
export type { ServerLimits } from "./limits.ts";
export type { BrokerMetrics } from "./metrics.ts";

/** What a broker needs to be told, and what it may be told. */
export interface BrokerOptions extends DoorOptions {
  readonly dataDir: string;
  /** `full`: an acknowledged record survives a power cut; `normal`: it survives a killed process. */
  readonly sync: "full" | "normal";
  /** Default of topics, in milliseconds; −1 for ever. */
  readonly retentionMs: number;
  /** Default of topics, bytes of a partition; −1 for any. */
  readonly retentionBytes: number;
  /** What clients are told to connect to; default: the address listened on, 127.0.0.1 when that is all of them. */
  readonly advertisedHost?: string;
  /** Default: the port listened on. */
  readonly advertisedPort?: number;
  readonly logger?: BrokerLogger;
  /** Milliseconds since the epoch; for tests. */
  readonly now?: () => number;
  /** Partitions of a topic made without a number: 1. */
  readonly defaultPartitions?: number;
  /** Memory for the newest batches, in bytes: 32 MiB. */
  readonly cacheBytes?: number;
  /** Time between two sweeps of retention and compaction, in milliseconds: 10 s. */
  readonly retentionCheckMs?: number;
  /** See {@link defaultLimits}. */
  readonly limits?: Partial<ServerLimits>;
}

/** A running broker; disposing of it answers what is in flight and closes everything. */
export interface Broker extends AsyncDisposable {
  /** What clients are told to connect to. */
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  /** Port on 127.0.0.1 of the door for `ownLogin`. */
  readonly ownPort: number | undefined;
  readonly state: BrokerState;
  metrics(): BrokerMetrics;
  /** One retention sweep and one look at what is to be compacted, now. */
  sweep(): Promise<void>;
}

const MIB = 1024 * 1024;

/** Room in a request for what is around a batch. */
const REQUEST_OVERHEAD_BYTES = 64 * 1024;
const NODE_ID = 1;
/** Time between two looks for transactions that take too long, in milliseconds. */
const TRANSACTION_CHECK_MS = 1_000;
/** How long answers may take to leave at the end, in milliseconds. */
const STOP_MS = 2_000;

/** Starts a broker.
 * @throws {Error} one line: the data folder is in use or unusable, the port is taken */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { dataDir, sync, logger = silentBrokerLogger } = options;
  const store = await Store.open({ dataDir, sync, logger });
  try {
    return await start(store, options);
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

async function start(store: Store, options: BrokerOptions): Promise<Broker> {
  const { logger = silentBrokerLogger, now = Date.now } = options;
  const limits: ServerLimits = { ...defaultLimits, ...options.limits };
  const clusterId = await loadClusterId(store);
  const topics = new Topics(store, {
    cacheBytes: options.cacheBytes ?? 32 * MIB,
    now,
    defaults: {
      retentionMs: options.retentionMs,
      retentionBytes: options.retentionBytes,
      maxBatchBytes: limits.maxFrameBytes - REQUEST_OVERHEAD_BYTES,
    },
  });
  const log = new Log(store, topics, now);
  const offsets = new Offsets(store, topics, now);
  const compaction = new Compaction(store, log, now);
  const retention = new Retention(
    store,
    log,
    now,
    (partition, bytes) => compaction.trimmed(partition, bytes),
  );
  const entrance = await openEntrance(options, await loadSecret(store), logger);
  const { hostname, port } = entrance.address;
  const groups = new Groups({ offsets, logger });
  const producerIds = new ProducerIds(store);
  const transactions = new Transactions({ store, log, offsets, producerIds, now, logger });
  const state: BrokerState = {
    nodeId: NODE_ID,
    host: options.advertisedHost ?? reachable(hostname),
    port: options.advertisedPort ?? port,
    clusterId,
    store,
    log,
    producerIds,
    transactions,
    groups,
    offsets,
    logger,
    now,
    defaultPartitions: options.defaultPartitions ?? 1,
  };
  const doors = entrance.doors(state);
  const server = new Server(doors, logger, limits);
  // A pass of compaction may take long: the next sweep does not wait for it, but joins it after retention.
  const sweep = async (): Promise<void> => {
    await retention.run().catch((error) => logger.error("cannot remove old records", { error }));
    await compaction.run().catch((error) => logger.error("cannot compact a log", { error }));
  };
  const sweeping = setInterval(sweep, options.retentionCheckMs ?? 10_000);
  void sweep();
  const endingOverdue = setInterval(() => transactions.sweep(), TRANSACTION_CHECK_MS);
  return {
    host: state.host,
    port: state.port,
    clusterId,
    ownPort: entrance.own?.port,
    state,
    sweep,
    metrics: () => readMetrics(state, server, doors),
    async [Symbol.asyncDispose]() {
      clearInterval(sweeping);
      clearInterval(endingOverdue);
      retention.stop();
      compaction.stop();
      transactions.stop();
      await server.stop(() => {
        groups[Symbol.dispose]();
        log.wakeAll();
      }, STOP_MS);
      await sweep(); // one that is under way ends after its step
      await transactions.sweep();
      await store[Symbol.asyncDispose]();
    },
  };
}

/** 16 random bytes in base64url, made once and kept for ever. */
function loadClusterId(store: Store): Promise<string> {
  return loadRandom(store, "cluster_id", 16);
}

/** What salts of users that do not exist are made from. */
async function loadSecret(store: Store): Promise<Uint8Array> {
  return new TextEncoder().encode(await loadRandom(store, "sasl_secret", 32));
}

async function loadRandom(store: Store, name: string, bytes: number): Promise<string> {
  const stored = store.meta(name);
  if (stored !== undefined) return stored;
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  const made = random.toBase64({ alphabet: "base64url", omitPadding: true });
  await store.write(() => store.setMeta(name, made));
  return made;
}

/** An address that a client on this machine can connect to. */
function reachable(address: string): string {
  return address === "0.0.0.0" || address === "::" ? "127.0.0.1" : address;
}
