/** What every stream reads from its request: where to begin and to end, in which pace, which records; and whether there is room.
 *
 * Works on a path and its query, so that it is the same for a request of its own, for one of several streams of a connection, and
 * for a socket's `subscribe`. Left out: which streams there are (stream_table.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { parseCursor, type StartAt } from "../kafka/cursor.ts";
import type { Feed, Picker, Wire } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import type { Hub } from "../kafka/hub.ts";
import type { Asked } from "../kafka/start.ts";
import type { Logger } from "../logger.ts";
import { isTopicName } from "../kafka/topics.ts";
import type { FollowOptions, Policy, Sink, Until } from "../kafka/viewer.ts";
import type { ViewerPositions } from "./viewer_positions.ts";

/** What stream routes work with. */
export interface StreamDeps {
  readonly hub: Hub;
  readonly heartbeats: Heartbeats;
  readonly connections: Connections;
  /** Of viewers that come back, where a stream keeps them. */
  readonly positions: ViewerPositions;
  readonly log: Pick<Logger, "error">;
  readonly config: { readonly maxConnections: number; readonly heartbeatMs: number };
}

/** A stream as a request asks for it. */
export interface AskedStream<T extends object = object> {
  readonly topic: string;
  readonly feed: Feed<T>;
  readonly asked: Asked;
  readonly pick?: Picker<T>;
  /** Whether it shows records of some keys alone. */
  readonly isKeyed?: boolean;
  /** Whether a topic that does not exist is an error; otherwise it is waited for. */
  readonly topicMustExist?: boolean;
  /** As in `FollowOptions`. */
  readonly longestPauseMs?: number;
  /** As in `StreamRoute`. */
  readonly frames?: Wire;
  /** Whose place in the stream is kept, where it is. */
  readonly viewer?: string;
  /** What it was not asked for by a cursor, but is to begin at: where its viewer left it, or the newest record there is. */
  readonly beginsAt?: "viewer" | "newest";
}

/** Slowest and fastest replay. */
const minSpeed = 0.01, maxSpeed = 1_000;
export const wantedSpeed = `a number from ${minSpeed} to ${maxSpeed}`;
/** How long a client stays away that is not served now. */
const retryAfterSeconds = "10";
const policies: readonly Policy[] = ["lossless", "latest", "latest-per-key"];

/** Why a connection is not served now, or null. */
export function refusal(
  { hub, connections, config }: Pick<StreamDeps, "hub" | "connections" | "config">,
): "draining" | "full" | null {
  if (hub.isDraining) return "draining";
  return connections.size >= config.maxConnections ? "full" : null;
}

/** The answer to a request that is not served now, where it may be told by its status.
 * @param action what cannot be done */
export function refusedRequest(reason: "draining" | "full", action: string): StreamError {
  const [code, why] = reason === "full"
    ? ["too-many-connections", "there are as many connections as may be"]
    : ["draining", "the service is shutting down"];
  return new StreamError(code, 503, `Cannot ${action} as ${why}`, {
    headers: { "retry-after": retryAfterSeconds },
  });
}

/** What the hub is to be asked for a stream. */
export function followOptions<T extends object>(
  stream: AskedStream<T>,
  sink: Sink,
  onReady?: FollowOptions<T>["onReady"],
): FollowOptions<T> {
  const { feed, asked, pick, topicMustExist = false, longestPauseMs } = stream;
  return {
    feed,
    sink,
    ...asked,
    topicMustExist,
    ...(longestPauseMs !== undefined && { longestPauseMs }),
    ...(pick && { pick }),
    ...(onReady && { onReady }),
  };
}

/** Whether a request comes back after the `end` of a bounded read: it has had everything. */
export function isOver({ asked }: AskedStream, lastEventId: string | undefined): boolean {
  const { start, until } = asked;
  return until !== undefined && start.kind === "id" && start.ended === true && start.text === lastEventId;
}

/** Refuses streams whose topic must exist and does not. Asks Kafka, for a second at most: while that is away, nobody is refused.
 * @throws {StreamError} 404 `unknown-topic` */
export async function checkTopics(hub: Hub, streams: readonly AskedStream[]): Promise<void> {
  const topics = new Set(streams.filter((stream) => stream.topicMustExist).map(({ topic }) => topic));
  const found = await Promise.all(
    [...topics].map(async (topic) => ({ topic, exists: await hub.exists(topic) })),
  );
  const missing = found.find(({ exists }) => exists === false);
  if (missing) throw new StreamError("unknown-topic", 404, unknownTopic(missing.topic));
}

/** How a client is told that a topic is missing. */
export function unknownTopic(topic: string): string {
  return `Cannot find the topic ${topic}: it does not exist`;
}

/** A name as a topic's.
 * @throws {StreamError} 400 `invalid-topic`, before Kafka is asked */
export function topicOf(name: string): string {
  if (isTopicName(name)) return name;
  throw new StreamError(
    "invalid-topic",
    400,
    `Cannot use ${JSON.stringify(name)} as a topic: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-' are wanted`,
  );
}

/** Reads `cursor=`, `until=`, `speed=`, `policy=` and, for SSE, `Last-Event-ID`, which wins over the cursor and is never an error:
 * `EventSource` would stop for good.
 * @throws {StreamError} 400 `invalid-cursor`, `invalid-until`, `invalid-speed`, `invalid-policy` */
export function readAsked(query: URLSearchParams, lastEventId?: string): Asked {
  const until = readUntil(query.get("until")), speed = readSpeed(query.get("speed"));
  const policy = readPolicy(query.get("policy"));
  const how = {
    ...(until && { until }),
    ...(speed !== undefined && { speed }),
    ...(policy !== "lossless" && { policy }),
  };
  const fallback = readCursor(query.get("cursor") ?? "latest");
  if (!lastEventId) return { start: fallback, fallback, ...how };
  try {
    const start = parseCursor(lastEventId);
    if (start.kind === "id") return { start, fallback, ...how };
  } catch {
    // Told by the first event instead.
  }
  const requested = lastEventId.slice(0, 200);
  return { start: fallback, fallback, reset: { requested, reason: "malformed" }, ...how };
}

/** Reads a cursor that a client sent.
 * @throws {StreamError} 400 `invalid-cursor` */
export function readCursor(text: string): StartAt {
  try {
    return parseCursor(text);
  } catch (error) {
    throw new StreamError("invalid-cursor", 400, (error as Error).message);
  }
}

/** Reads the end of a bounded read.
 * @throws {StreamError} 400 `invalid-until` */
export function readUntil(text: string | null): Until | undefined {
  if (text === null) return undefined;
  if (text === "latest") return { kind: "latest" };
  const time = /^t\.(\d{1,15})$/.exec(text);
  if (time) return { kind: "time", ms: Number(time[1]) };
  throw new StreamError(
    "invalid-until",
    400,
    `Cannot use until=${text.slice(0, 80)}: latest or t.<ms> is wanted`,
  );
}

/** Reads how many times as fast as its own time a replay is.
 * @throws {StreamError} 400 `invalid-speed` */
export function readSpeed(text: string | null): number | undefined {
  if (text === null) return undefined;
  const speed = text.trim() === "" ? NaN : Number(text);
  if (isSpeed(speed)) return speed;
  throw new StreamError(
    "invalid-speed",
    400,
    `Cannot use speed=${text.slice(0, 80)}: ${wantedSpeed} is wanted`,
  );
}

/** Whether a replay may be so many times as fast as its own time. */
export function isSpeed(speed: unknown): speed is number {
  return typeof speed === "number" && speed >= minSpeed && speed <= maxSpeed;
}

/** @throws {StreamError} 400 `invalid-policy` */
function readPolicy(text: string | null): Policy {
  const policy = policies.find((one) => one === (text ?? "lossless"));
  if (policy) return policy;
  throw new StreamError(
    "invalid-policy",
    400,
    `Cannot use policy=${text?.slice(0, 80)}: one of ${policies.join(", ")} is wanted`,
  );
}

/** Reads `key=`, which may repeat: only records with one of these keys. */
export function readKeys(query: URLSearchParams): ((record: KafkaRecord) => boolean) | undefined {
  const keys = new Set(query.getAll("key"));
  if (keys.size === 0) return undefined;
  const decoder = new TextDecoder();
  return (record) => record.key !== null && keys.has(decoder.decode(record.key));
}

/** The open connections, which MAX_CONNECTIONS bounds. Each counts once, whatever the number of streams that it carries. */
export class Connections {
  readonly #ends = new Set<() => void>();

  get size(): number {
    return this.#ends.size;
  }

  /** Counts a connection, until the returned function is called.
   * @param drain says `bye` and ends it */
  add(drain: () => void): () => void {
    this.#ends.add(drain);
    return () => void this.#ends.delete(drain);
  }

  /** Ends those that are still open when the hub has ended its streams: sockets that carry none. */
  drain(): void {
    for (const drain of [...this.#ends]) drain();
  }
}

/** One timer for the heartbeats of all streams. */
export class Heartbeats implements Disposable {
  readonly #beats = new Set<() => void>();
  readonly #ms: number;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param ms between two beats */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Calls `beat` at every heartbeat, until the returned function is called. */
  add(beat: () => void): () => void {
    this.#beats.add(beat);
    this.#timer ??= setInterval(() => this.#beats.forEach((one) => one()), this.#ms);
    return () => {
      this.#beats.delete(beat);
      if (this.#beats.size === 0) this[Symbol.dispose]();
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
