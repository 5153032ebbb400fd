/** The way to a Kafka cluster: its settings, and the few things that are asked of a cluster as a whole.
 *
 * This module, nodes.ts, connection.ts and fetch_response.ts are all that touches the client library (kafkajs), which
 * serves as sockets, TLS, SASL and message codecs. Left out: what is sent over a connection (connection.ts).
 * @module */
import { readFileSync } from "node:fs";
import kafkajs from "kafkajs";
import connectionPoolBuilder from "kafkajs/src/cluster/connectionPoolBuilder.js";
import loggers from "kafkajs/src/loggers/index.js";
import Connection from "kafkajs/src/network/connection.js";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import socketFactory from "kafkajs/src/network/socketFactory.js";
import type { Config } from "../config.ts";
import type { Logger } from "../logger.ts";
import { codecs } from "./codecs.ts";
import { type ClusterMetadata, connectTimeoutMs, KafkaConnection, KafkaError } from "./connection.ts";
import { requestTimeoutMs, type TopicMetadata } from "./connection.ts";
import { Joined } from "./joined.ts";

/** How to reach a cluster. */
export interface KafkaOptions {
  /** `host:port` of brokers to begin with. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl: Config["kafkaSsl"];
  readonly sasl: Config["kafkaSasl"];
  readonly log: Logger;
}

// deno-lint-ignore no-explicit-any
type Untyped = any;

/** kafkajs re-arms a timer of 1 ms on every connection for ever; it is needed only while requests wait. */
const scheduleCheck = RequestQueue.prototype.scheduleCheckPendingRequests;
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: Untyped) {
  if (this.pending.length > 0) scheduleCheck.call(this);
};
/** Two requests that find a connection closed would each open a socket, and one of the two would be lost. */
const openSocket = Connection.prototype.connect;
Connection.prototype.connect = function (this: Untyped) {
  return this.opening ??= openSocket.call(this).finally(() => this.opening = undefined);
};
Object.assign(kafkajs.CompressionCodecs, codecs);

/** A way to the cluster; opens nothing until it is asked for something. */
export class Kafka implements AsyncDisposable {
  readonly #builder: Untyped;
  readonly #logger: Untyped;
  readonly #log: Logger;
  readonly #bootstrapCount: number;
  readonly #control: KafkaConnection;
  readonly #asked = new Joined<ClusterMetadata>();
  #clusterId: string | undefined;

  constructor(options: KafkaOptions) {
    this.#log = options.log;
    this.#bootstrapCount = options.brokers.length;
    this.#logger = loggers.createLogger({ level: 5, logCreator: () => logThrough(options.log) });
    this.#builder = connectionPoolBuilder({
      logger: this.#logger,
      socketFactory: promptSocketFactory(),
      brokers: options.brokers,
      ssl: readTls(options.ssl),
      sasl: options.sasl ? { ...options.sasl } : undefined, // a copy, as the library keeps its own things in it
      clientId: options.clientId,
      connectionTimeout: connectTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Timeouts are ours: the library's would poll every connection ten times a second.
      enforceRequestTimeout: false,
      maxInFlightRequests: null,
    });
    this.#control = this.connect();
  }

  /** A connection with sockets of its own: a long-polling fetch delays what comes after it on the same socket. */
  connect(): KafkaConnection {
    return new KafkaConnection(this.#builder, this.#logger, this.#bootstrapCount);
  }

  /** The id of the cluster, read once.
   * @throws {KafkaError} when no broker answers */
  async clusterId(): Promise<string> {
    return this.#clusterId ??= (await this.metadata([])).clusterId;
  }

  /** @param topics names, or null for all of them
   * @throws {KafkaError} when no broker answers */
  async metadata(topics: readonly string[] | null): Promise<ClusterMetadata> {
    const key = topics === null ? "" : JSON.stringify(topics);
    const metadata = await this.#asked.fresh(key, () => this.#control.metadata(topics));
    this.#clusterId = metadata.clusterId;
    return metadata;
  }

  /** Creates a topic, with the cluster's own defaults for what is left out.
   * @throws {KafkaError} for whatever Kafka refuses, by its name */
  async createTopic(
    name: string,
    options: { partitions?: number; configs?: Readonly<Record<string, string>> } = {},
  ): Promise<"created" | "exists"> {
    const error = await this.#control.createTopic(name, options);
    if (error === "TOPIC_ALREADY_EXISTS") return "exists";
    if (error) throw new KafkaError(error, `Cannot create topic ${name}: Kafka answered ${error}`);
    this.#log.info("topic created", { topic: name });
    return "created";
  }

  /** Topics by name, Kafka's own left out. */
  async listTopics(): Promise<TopicMetadata[]> {
    const { topics } = await this.metadata(null);
    return topics.filter((topic) => !topic.internal).sort((a, b) => a.name < b.name ? -1 : 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#control[Symbol.asyncDispose]();
  }
}

function readTls(ssl: KafkaOptions["ssl"]): Untyped {
  if (!ssl) return undefined;
  const read = (file: string | undefined) => file === undefined ? undefined : readFileSync(file, "utf8");
  const ca = read(ssl.caFile), cert = read(ssl.certFile), key = read(ssl.keyFile);
  return { ...(ca && { ca: [ca] }), ...(cert && { cert }), ...(key && { key }) };
}

/** The library's sockets, which hold a small request back until the last one is acknowledged (Nagle): up to 40 ms for nothing. */
function promptSocketFactory() {
  const open = socketFactory();
  return (options: Untyped) => open(options).setNoDelay(true);
}

/** The library calls retriable replies errors; whoever sent the request reports what matters, so all of it is debug. */
function logThrough(log: Logger) {
  return ({ namespace, log: { message, timestamp: _, logger: __, ...fields } }: Untyped) =>
    log.debug(`kafkajs ${namespace}: ${message}`, fields);
}
