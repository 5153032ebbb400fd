/** What every stream route reads from its request: where to begin, which records, and whether there is room.
 *
 * Left out: bounded reads (`until`), replay (`speed`) and policies other than lossless, which are refused by name rather than
 * ignored.
 * @module */
import type { Context } from "hono";
import { StreamError } from "../errors.ts";
import { parseCursor, type StartAt } from "../kafka/cursor.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import type { Hub } from "../kafka/hub.ts";
import type { Asked } from "../kafka/start.ts";
import { isTopicName } from "../kafka/topics.ts";

/** What stream routes work with. */
export interface StreamDeps {
  readonly hub: Hub;
  readonly heartbeats: Heartbeats;
  readonly config: { readonly maxConnections: number; readonly heartbeatMs: number };
}

/** Why a stream is not served now, or null. */
export function refusal({ hub, config }: StreamDeps): "draining" | "full" | null {
  if (hub.isDraining) return "draining";
  return hub.size >= config.maxConnections ? "full" : null;
}

/** The topic of a path.
 * @throws {StreamError} 400 `invalid-topic`, before Kafka is asked */
export function topicOf(c: Context): string {
  const topic = c.req.param("topic") ?? "";
  if (isTopicName(topic)) return topic;
  throw new StreamError(
    "invalid-topic",
    400,
    `Cannot use ${JSON.stringify(topic)} as a topic: 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-' are wanted`,
  );
}

/** Reads `?cursor=` and, for SSE, `Last-Event-ID`, which wins and is never an error: `EventSource` would stop for good.
 * @throws {StreamError} 400 `invalid-cursor`, `unsupported-parameter` */
export function readStart(c: Context, lastEventId?: string): Asked {
  for (const name of ["until", "speed", "policy"]) {
    const value = c.req.query(name);
    if (value === undefined || name === "policy" && value === "lossless") continue;
    throw new StreamError(
      "unsupported-parameter",
      400,
      `Cannot use ${name}=${value}: this version does not know ${name}`,
    );
  }
  const fallback = cursorOf(c.req.query("cursor") ?? "latest");
  if (!lastEventId) return { start: fallback, fallback };
  try {
    const start = parseCursor(lastEventId);
    if (start.kind === "id") return { start, fallback };
  } catch {
    // Told by the first event instead.
  }
  const requested = lastEventId.slice(0, 200);
  return { start: fallback, fallback, reset: { requested, reason: "malformed" } };
}

function cursorOf(text: string): StartAt {
  try {
    return parseCursor(text);
  } catch (error) {
    throw new StreamError("invalid-cursor", 400, (error as Error).message);
  }
}

/** Reads `?key=`, which may repeat: only records with one of these keys. */
export function readKeys(c: Context): ((record: KafkaRecord) => boolean) | undefined {
  const keys = new Set(c.req.queries("key") ?? []);
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
