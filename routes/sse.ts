/** Streams as server-sent events: a viewer's connection is a `ReadableStream` that takes one write at a time.
 *
 * Backpressure is the stream's own: while a write waits in it, the viewer's cursor stays where it is. An answer is 200 whatever
 * happens, since `EventSource` never comes back after anything else. Left out: which records (routes of features).
 * @see {@link https://html.spec.whatwg.org/multipage/server-sent-events.html}
 * @module */
import type { Context } from "hono";
import { defineWire, type Feed, type Picker } from "../kafka/feed.ts";
import type { Chunk } from "../kafka/ring.ts";
import type { Sink, Viewer } from "../kafka/viewer.ts";
import type { Asked } from "../kafka/start.ts";
import { refusal, type StreamDeps } from "./streams.ts";

const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};
const encoder = new TextEncoder();
const heartbeat = encoder.encode(": hb\n\n");
/** Time after which a client comes back, and how long it stays away when there is no room; ms. */
const retryMs = 2_000, retrySpreadMs = 3_000, refusedRetryMs = 10_000;

/** Events as SSE writes them. Ids and names hold no line ends: they are made by this program alone. */
export const sseWire = defineWire(
  "",
  (name, json, id) =>
    id === null ? `event: ${name}\ndata: ${json}\n\n` : `event: ${name}\nid: ${id}\ndata: ${json}\n\n`,
);

/** What a stream shows. */
export interface StreamOf<T extends object> {
  readonly topic: string;
  readonly feed: Feed<T>;
  readonly asked: Asked;
  readonly pick?: Picker<T>;
}

/** Answers with a stream of events; its first bytes leave before Kafka is asked. */
export function sseResponse<T extends object>(c: Context, deps: StreamDeps, stream: StreamOf<T>): Response {
  if (c.req.method === "HEAD") return new Response(null, { headers });
  const refused = refusal(deps);
  if (refused) {
    return new Response(`retry: ${refusedRetryMs}\n\nevent: bye\ndata: {"reason":"${refused}"}\n\n`, {
      headers,
    });
  }
  const connection = new SseSink();
  const { topic, feed, asked, pick } = stream;
  connection.open(
    deps,
    () => deps.hub.follow(topic, { feed, sink: connection, ...asked, ...(pick && { pick }) }),
  );
  return new Response(connection.body, { headers });
}

/** One client's stream. */
class SseSink implements Sink {
  readonly wire = sseWire;
  readonly transport = "sse";
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #viewer: Viewer | undefined;
  #stopHeartbeat = () => {};
  #ended = false;

  constructor() {
    this.body = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#viewer?.wake(),
      cancel: () => this.#close(),
    });
  }

  open(deps: StreamDeps, follow: () => Viewer): void {
    const retry = retryMs + Math.floor(Math.random() * retrySpreadMs);
    this.#enqueue(encoder.encode(`: tailrace\n\nretry: ${retry}\n\n`));
    this.#viewer = follow();
    this.#stopHeartbeat = deps.heartbeats.add(() => this.#beat());
  }

  ready(): boolean {
    return !this.#ended && (this.#controller.desiredSize ?? 0) > 0;
  }

  write(chunk: Chunk): void {
    this.#enqueue(chunk.bytes() as Uint8Array<ArrayBuffer>);
  }

  end(): void {
    this.#stopHeartbeat();
    if (this.#ended) return;
    this.#ended = true;
    this.#controller.close();
  }

  #close(): void {
    this.#ended = true;
    this.#stopHeartbeat();
    this.#viewer?.close();
  }

  /** A client that takes nothing needs no sign of life. An id without data moves `Last-Event-ID` past what a filter left out. */
  #beat(): void {
    if (!this.ready() || !this.#viewer) return;
    const { lastId, toldId, options } = this.#viewer;
    if (!options.pick || lastId === undefined || lastId === toldId) return this.#enqueue(heartbeat);
    this.#viewer.toldId = lastId;
    this.#enqueue(encoder.encode(`: hb\nid: ${lastId}\n\n`));
  }

  #enqueue(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#ended) this.#controller.enqueue(bytes);
  }
}
