/** What connections may take: each alone, and all together. @module */

/** What one connection may take. */
export interface ConnectionLimits {
  /** Largest request, in bytes. */
  readonly maxFrameBytes: number;
  /** Bytes of requests that wait for their answer, beyond which nothing more is read. */
  readonly maxUnansweredBytes: number;
  /** Requests that wait for their answer, beyond which nothing more is read. */
  readonly maxUnanswered: number;
  /** Time in which a frame that has begun must be whole, in milliseconds. */
  readonly halfFrameMs: number;
  /** Time in which a client must take an answer, in milliseconds, and as long again for each MiB of it. */
  readonly unreadAnswerMs: number;
  /** Time in which TLS handshake and login must be done, in milliseconds. */
  readonly setUpMs: number;
  /** Time without a request after which a connection is closed, in milliseconds. */
  readonly idleMs: number;
}

/** Memory that all connections take together for requests that are not whole or not answered yet, in bytes. */
export interface SharedMemory {
  held: number;
  readonly max: number;
}

/** What the connections of a broker may take together and each. */
export interface ServerLimits extends ConnectionLimits {
  /** Connections at once; a further one is closed as soon as it is accepted. */
  readonly maxConnections: number;
  /** Memory of all connections for requests that are not whole or not answered yet, in bytes. */
  readonly maxHeldBytes: number;
  /** Memory of all connections for answers that have not left; beyond it those that are not read are given up. */
  readonly maxUnsentBytes: number;
}

const MIB = 1024 * 1024;

/** Protocol allows requests of 100 MiB. A batch has 1 MiB by default, a producer packs a few partitions into a
 * request, so 16 MiB are ample; the largest max.message.bytes a topic may set follows from it. */
export const defaultLimits: ServerLimits = {
  maxFrameBytes: 16 * MIB,
  maxUnansweredBytes: 16 * MIB,
  maxUnanswered: 256,
  halfFrameMs: 30_000,
  unreadAnswerMs: 60_000,
  setUpMs: 10_000,
  idleMs: 600_000,
  maxConnections: 2_000,
  maxHeldBytes: 256 * MIB,
  maxUnsentBytes: 512 * MIB,
};
