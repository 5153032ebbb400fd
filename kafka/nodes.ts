/** Sockets to the nodes of one cluster: found through the bootstrap list, kept by node id, cut after a failure.
 *
 * The library's broker object is a pair of sockets, one of them for fetches, with TLS and SASL. Left out: what is sent over them
 * (connection.ts).
 * @module */
import Broker from "kafkajs/src/broker/index.js";
import { withDeadline } from "../deadline.ts";

/** What went wrong with Kafka; `code` is Kafka's own error name, or `UNREACHABLE` when there was no answer. */
export class KafkaError extends Error {
  constructor(readonly code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "KafkaError";
  }
}

/** Bound of the first part of a connection attempt, ms. */
export const connectTimeoutMs = 3_000;
/** A node that says nothing for so long is not waited for where another one can be asked, ms. */
export const patienceMs = 1_000;

/** Nodes that are tried at once where one says nothing. */
const maxAsked = 3;

// deno-lint-ignore no-explicit-any
type Untyped = any;

/** Where a node of the cluster listens. */
interface Address {
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** A node with sockets, or that is being given some. */
interface OpenNode {
  readonly opening: Promise<Untyped>;
  /** Once it is open. */
  node?: Untyped;
}

/** Open nodes. What failed is forgotten; who asks next opens it anew. */
export class Nodes {
  readonly #builder: Untyped;
  readonly #logger: Untyped;
  readonly #bootstrapCount: number;
  /** As the last metadata named them, by node id. */
  #addresses = new Map<number, Address>();
  /** Nodes with sockets, by node id; the one that was found through the bootstrap list is `seed` until it has an id. */
  readonly #open = new Map<number | "seed", OpenNode>();
  /** Nodes that are being connected to. */
  readonly #opening = new Set<Untyped>();
  #closed = false;

  constructor(builder: Untyped, logger: Untyped, bootstrapCount: number) {
    this.#builder = builder;
    this.#logger = logger;
    this.#bootstrapCount = bootstrapCount;
  }

  /** Cuts the sockets; what waits for an answer fails at once. The next request connects anew. */
  async reset(): Promise<void> {
    const nodes = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled([...this.#opening].map(cut));
    await Promise.allSettled(nodes.map(async ({ opening }) => cut(await opening)));
  }

  /** Cuts the sockets for good. */
  close(): Promise<void> {
    this.#closed = true;
    return this.reset();
  }

  /** Cuts a node at which something failed. */
  async drop(node: Untyped): Promise<void> {
    for (const [id, known] of this.#open) if (known.node === node) this.#open.delete(id);
    if (!cutNodes.has(node)) await cut(node); // else another request that failed there has cut it
  }

  /** A node that is open, else the first of the bootstrap list that answers. */
  async any(): Promise<Untyped> {
    for (const { node } of this.#open.values()) if (node) return node;
    return await this.#keep("seed", () => this.#bootstrap());
  }

  /** Another node than this one, which says nothing; undefined when none is known.
   * @throws {KafkaError} */
  async another(silent: Untyped): Promise<Untyped> {
    const own = [...this.#open].find(([, { node }]) => node === silent)?.[0];
    for (const { node } of this.#open.values()) if (node && node !== silent) return node;
    const others = [...this.#addresses.keys()].filter((id) => id !== own).slice(0, maxAsked);
    return others.length > 0 ? await firstOf(others.map((id) => this.get(id))) : undefined;
  }

  /** The node with this id, opened if it is not.
   * @throws {KafkaError} */
  get(id: number): Promise<Untyped> {
    const address = this.#addresses.get(id);
    if (address) return this.#keep(id, () => this.#connect(address));
    return Promise.reject(
      new KafkaError("BROKER_NOT_AVAILABLE", `Cannot reach node ${id} as the cluster does not name it`),
    );
  }

  /** Opens once, however many ask; forgets what failed. */
  #keep(id: number | "seed", open: () => Promise<Untyped>): Promise<Untyped> {
    const known = this.#open.get(id);
    if (known) return known.opening;
    const entry: OpenNode = { opening: open() };
    this.#open.set(id, entry);
    entry.opening.then((node) => entry.node = node, () => {
      if (this.#open.get(id) === entry) this.#open.delete(id);
    });
    return entry.opening;
  }

  /** The first of the bootstrap list that answers; one that says nothing for a moment delays the next by no more. */
  async #bootstrap(): Promise<Untyped> {
    const attempts: Promise<Untyped>[] = [];
    let found: Untyped;
    for (let i = 1; i <= this.#bootstrapCount && !found; i++) {
      const attempt = this.#connect();
      attempts.push(attempt);
      attempt.then((node) => found ? cut(node) : found = node, () => {});
      await settlesWithin(attempt, i < this.#bootstrapCount ? patienceMs : Infinity);
    }
    return await firstOf(attempts);
  }

  /** @param address default: the next of the bootstrap list */
  async #connect(address?: Address): Promise<Untyped> {
    const connectionPool = await this.#builder.build(address);
    if (this.#closed) {
      throw new KafkaError("UNREACHABLE", "Cannot connect to Kafka as this connection was closed");
    }
    const node = new Broker({ connectionPool, logger: this.#logger, allowAutoTopicCreation: false });
    this.#opening.add(node);
    try {
      const ms = 2 * connectTimeoutMs;
      await withDeadline(node.connect(), ms, () => noAnswer("connect", ms));
      return node;
    } catch (error) {
      await cut(node);
      throw asKafkaError(error as Error, "connect");
    } finally {
      this.#opening.delete(node);
    }
  }

  /** Takes over where the nodes are; the node that was asked keeps its sockets under its id. */
  async learn(asked: Untyped, brokers: readonly Untyped[]): Promise<void> {
    const was = this.#addresses;
    this.#addresses = new Map(brokers.map(({ nodeId, host, port, rack }) => [nodeId, { host, port, rack }]));
    const seed = this.#open.get("seed")?.node;
    for (const [id, { host, port }] of this.#addresses) {
      const before = was.get(id);
      if (before && (before.host !== host || before.port !== port)) this.#forget(id);
      if (seed !== asked || seed.connectionPool.host !== host || seed.connectionPool.port !== port) continue;
      this.#open.delete("seed");
      if (this.#open.has(id)) await cut(seed);
      else this.#open.set(id, { opening: Promise.resolve(seed), node: seed });
    }
    for (const id of this.#open.keys()) if (id !== "seed" && !this.#addresses.has(id)) this.#forget(id);
  }

  #forget(id: number | "seed"): void {
    const node = this.#open.get(id);
    this.#open.delete(id);
    node?.opening.then(cut, () => {});
  }
}

/** Who waits for an answer of a node, to be told when it is cut. */
const waiting = new WeakMap<object, Set<(closed: KafkaError) => void>>();
const cutNodes = new WeakSet<object>();

async function cut(node: Untyped): Promise<void> {
  const closed = connectionClosed();
  cutNodes.add(node);
  for (const connection of node.connectionPool.pool) {
    // The library would open another socket for a request that is on its way to this one.
    connection.connect = () => Promise.reject(closed);
    connection.rejectRequests(closed);
    // Whoever waits for a socket to open learns it by the error.
    connection.socket?.destroy(connection.isConnected() ? undefined : closed);
  }
  for (const reject of waiting.get(node) ?? []) reject(closed);
  await node.disconnect();
}

/** Settles as a request to a node does, or fails when the node is cut: the library loses requests that are just being made then.
 * @throws {KafkaError} */
export async function unlessCut<T>(node: object, request: () => Promise<T>): Promise<T> {
  if (cutNodes.has(node)) throw connectionClosed();
  const { promise, reject } = Promise.withResolvers<never>();
  const rejects = waiting.get(node) ?? new Set();
  waiting.set(node, rejects.add(reject));
  try {
    return await Promise.race([request(), promise]);
  } finally {
    rejects.delete(reject);
  }
}

function connectionClosed(): KafkaError {
  return new KafkaError("UNREACHABLE", "Kafka connection closed");
}

/** The first that succeeds, else the last failure. */
export async function firstOf<T>(attempts: readonly Promise<T>[]): Promise<T> {
  try {
    return await Promise.any(attempts);
  } catch (error) {
    throw (error as AggregateError).errors.at(-1);
  }
}

/** Whether `work` settles within `ms`; it goes on all the same. */
export async function settlesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    if (ms !== Infinity) timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true, () => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** An answer that did not come in time; `what` was asked. */
export function noAnswer(what: string, ms: number): KafkaError {
  return new KafkaError("UNREACHABLE", `Kafka did not answer ${what} in ${ms} ms`);
}

/** Any failure at a node, as what callers branch on. */
export function asKafkaError(error: Error & { type?: string }, what: string): KafkaError {
  if (error instanceof KafkaError) return error;
  const code = error.type ?? (error.name.startsWith("KafkaJS") ? "UNREACHABLE" : "CLIENT_FAILURE");
  return new KafkaError(code, `Cannot ${what} at Kafka: ${error.message}`, { cause: error });
}
