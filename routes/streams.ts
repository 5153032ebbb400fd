/** What every stream reads from its request: where to begin and to end, in which pace, which records; and whether there is room.
 *
 * Works on a path and its query, so that it is the same for a request of its own, for one of several streams of a connection, and
 * for a socket's `subscribe`. Left out: which streams there are (stream_table.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { parseCursor, type StartAt } from "../kafka/cursor.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import type { Hub } from "../kafka/hub.ts";
import type { Asked } from "../kafka/start.ts";
import { isTopicName } from "../kafka/topics.ts";
import type { Policy, Until } from "../kafka/viewer.ts";

/** What stream routes work with. */
export interface StreamDeps {
  readonly hub: Hub;
  readonly heartbeats: Heartbeats;
  readonly config: { readonly maxConnections: number; readonly heartbeatMs: number };
}

/** Slowest and fastest replay. */
const minSpeed = 0.01, maxSpeed = 1_000;
const policies: readonly Policy[] = ["lossless", "latest", "latest-per-key"];

/** Why a stream is not served now, or null. */
export function refusal({ hub, config }: StreamDeps): "draining" | "full" | null {
  if (hub.isDraining) return "draining";
  return hub.size >= config.maxConnections ? "full" : null;
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
  if (speed >= minSpeed && speed <= maxSpeed) return speed;
  throw new StreamError(
    "invalid-speed",
    400,
    `Cannot use speed=${text.slice(0, 80)}: a number from ${minSpeed} to ${maxSpeed} is wanted`,
  );
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
