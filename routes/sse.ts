/** Streams as server-sent events: a connection is a `ReadableStream` that takes a write when the runtime asks for one.
 *
 * Backpressure is the stream's own: while a write waits in it, the viewer's cursor stays where it is. An answer is 200 whatever
 * happens, since `EventSource` never comes back after anything else, but for what it is to stay away from: a wrong address (400, 404)
 * and a bounded read that it has had (204). Left out: which records (routes of features), several streams (multiplex.ts).
 * @see {@link https://html.spec.whatwg.org/multipage/server-sent-events.html}
 * @module */
import type { Context } from "hono";
import { defineWire } from "../kafka/feed.ts";
import type { Chunk } from "../kafka/ring.ts";
import type { EndReason, Sink, Viewer } from "../kafka/viewer.ts";
import { type AskedStream, checkTopics, followOptions, isOver, refusal, type StreamDeps } from "./streams.ts";

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

/** Answers with a stream of events; its first bytes leave before Kafka is asked for records.
 * @param lastEventId as the request has it
 * @throws {StreamError} 404 `unknown-topic` */
export async function sseResponse(
  c: Context,
  deps: StreamDeps,
  stream: AskedStream,
  lastEventId: string | undefined,
): Promise<Response> {
  if (isOver(stream, lastEventId)) return new Response(null, { status: 204 });
  return await answerEvents(c, deps, [stream], () => {
    const sink = new SseSink();
    sink.open(deps, () => deps.hub.follow(stream.topic, followOptions(stream, sink)));
    return sink.body;
  });
}

/** Answers with the body that `open` makes, if there is room and every topic that must exist does.
 * @throws {StreamError} 404 `unknown-topic` */
export async function answerEvents(
  c: Context,
  deps: StreamDeps,
  streams: readonly AskedStream[],
  open: () => SseBody,
): Promise<Response> {
  if (!refusal(deps)) await checkTopics(deps.hub, streams);
  if (c.req.method === "HEAD") return new Response(null, { headers });
  const refused = refusal(deps);
  if (!refused) return new Response(open().stream, { headers });
  const text = `retry: ${refusedRetryMs}\n\n${bye({ reason: refused })}`;
  return new Response(text, { headers });
}

/** The event before the server closes. */
export function bye(data: object): string {
  return `event: bye\ndata: ${JSON.stringify(data)}\n\n`;
}

/** One client's connection. */
export class SseBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  readonly #onClose: () => void;
  #leave = () => {};
  #stopHeartbeat = () => {};
  #ended = false;
  /** The runtime asks for a write. */
  #wanted = false;

  /** @param onRoom it takes more
   * @param onClose it has ended, by whichever side */
  constructor(onRoom: () => void, onClose: () => void) {
    this.#onClose = onClose;
    this.stream = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => {
        this.#wanted = true;
        onRoom();
      },
      cancel: () => this.#close(),
    }, { highWaterMark: 0 }); // nothing waits here: what the runtime takes ahead is enough
  }

  /** Counts the connection and writes its first bytes.
   * @param idAtBeat the id to tell at a heartbeat, undefined when there is no new one */
  open(deps: StreamDeps, { onDrain, idAtBeat }: { onDrain(): void; idAtBeat(): string | undefined }): void {
    const retry = retryMs + Math.floor(Math.random() * retrySpreadMs);
    this.write(`: tailrace\n\nretry: ${retry}\n\n`);
    this.#leave = deps.connections.add(onDrain);
    this.#stopHeartbeat = deps.heartbeats.add(() => {
      if (!this.ready()) return; // a client that takes nothing needs no sign of life
      const id = idAtBeat();
      this.writeBytes(id === undefined ? heartbeat : encoder.encode(`: hb\nid: ${id}\n\n`));
    });
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** Whether it takes another write; when it does again, `onRoom` is called. */
  ready(): boolean {
    return !this.#ended && this.#wanted;
  }

  write(text: string): void {
    this.writeBytes(encoder.encode(text));
  }

  writeBytes(bytes: Uint8Array): void {
    this.#wanted = false;
    if (!this.#ended) this.#controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
  }

  /** Ends it once what was written has left. */
  end(): void {
    if (this.#ended) return;
    this.#close();
    this.#controller.close();
  }

  #close(): void {
    this.#ended = true;
    this.#stopHeartbeat();
    this.#leave();
    this.#onClose();
  }
}

/** One client's stream. */
class SseSink implements Sink {
  readonly wire = sseWire;
  readonly transport = "sse";
  readonly body: SseBody;
  #viewer: Viewer | undefined;

  constructor() {
    this.body = new SseBody(() => this.#viewer?.wake(), () => this.#viewer?.close());
  }

  open(deps: StreamDeps, follow: () => Viewer): void {
    this.body.open(deps, { onDrain: () => this.#bye("draining"), idAtBeat: () => this.#idAtBeat() });
    this.#viewer = follow();
    if (this.body.isEnded) this.#viewer.close(); // its end was known at once
  }

  ready(): boolean {
    return this.body.ready();
  }

  write(chunk: Chunk): void {
    this.body.writeBytes(chunk.bytes());
  }

  end(reason: EndReason): void {
    if (reason === "done" || reason === "draining") this.body.end(); // the hub has told `end` or `bye`
    else this.#bye(reason);
  }

  #bye(reason: EndReason): void {
    this.body.write(bye({ reason }));
    this.body.end();
  }

  /** An id without data moves `Last-Event-ID` past what filters left out. */
  #idAtBeat(): string | undefined {
    const viewer = this.#viewer;
    const id = viewer?.passedId;
    if (!viewer || id === undefined || id === viewer.toldId) return undefined;
    return viewer.toldId = id;
  }
}
