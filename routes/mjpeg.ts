/** `GET /video/{topic}/mjpeg`: video for a plain `<img>`, which goes on where its viewer left it.
 *
 * The answer begins at once and waits for whatever is not there yet: Kafka, the topic, the next frame. A viewer's position moves when the
 * runtime has taken the frame that was written and asks for more, so that no frame is passed over that was not sent. Frames come in
 * the pace of their own times; with `live=1` the newest one comes as soon as the connection takes it, and those that it was late for are
 * counted as passed over.
 *
 * Browsers get the frames in a form of their own, or their `<img>` would show each when the next one comes, and the last never. One is told
 * by what it says that it loads (`Sec-Fetch-Dest`), or, without TLS on another host, where it does not, by the kinds of pictures that it
 * takes. Left out: which frames there are and how they are written (video_feed.ts), where a viewer is kept
 * (viewer_positions.ts), a sign of life while no frame comes, for which this format has no place.
 * @see {@link https://html.spec.whatwg.org/multipage/document-sequences.html} for `multipart/x-mixed-replace` as browsers take it
 * @module */
import { type Context, Hono } from "hono";
import type { StartAt } from "../kafka/cursor.ts";
import type { Wire } from "../kafka/feed.ts";
import type { Chunk } from "../kafka/ring.ts";
import type { EndReason, Sink, Viewer } from "../kafka/viewer.ts";
import type { AppEnv } from "./middleware.ts";
import { newestFrames } from "./newest_frames.ts";
import { readStream } from "./stream_table.ts";
import {
  type AskedStream,
  followOptions,
  refusal,
  refusedRequest,
  type StreamDeps,
  topicOf,
} from "./streams.ts";
import {
  boundary,
  type FrameEvent,
  type MjpegForm,
  mjpegImages,
  mjpegParts,
  videoStream,
} from "./video_feed.ts";
import { identifyViewer } from "./viewer_id.ts";
import type { ViewerSession } from "./viewer_positions.ts";

const headers = {
  "content-type": `multipart/x-mixed-replace; boundary=${boundary}`,
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};
/** What browsers show: a picture in a page, or by itself. */
const shown: ReadonlySet<string> = new Set(["image", "document", "iframe", "frame", "embed", "object"]);

/** `/video/{topic}/mjpeg`. */
export function mjpegRoutes(deps: StreamDeps): Hono<AppEnv> {
  return new Hono<AppEnv>().get("/video/:topic/mjpeg", (c) => answerFrames(c, deps));
}

/** @throws {StreamError} 400 for a value that cannot be used, 503 `draining` or `too-many-connections` */
function answerFrames(c: Context<AppEnv>, deps: StreamDeps): Response {
  const stream = readFrames(topicOf(c.req.param("topic") ?? ""), new URL(c.req.url).searchParams);
  const { id, setCookie } = identifyViewer(c.req.raw);
  const head = { headers: { ...headers, ...(setCookie && { "set-cookie": setCookie }) } };
  if (c.req.method === "HEAD") return new Response(null, head);
  const refused = refusal(deps);
  if (refused) throw refusedRequest(refused, "open the stream");
  const session = id === null ? null : deps.positions.open(id, stream.topic);
  const body = new FramesBody(session, isPicture(c.req.raw.headers) ? mjpegImages : mjpegParts);
  body.open(deps, stream);
  return new Response(body.stream, head);
}

/** Whether a browser asks for something that it shows, rather than a program that reads. */
function isPicture(headers: Headers): boolean {
  const destination = headers.get("sec-fetch-dest");
  if (destination !== null) return shown.has(destination);
  return /\bimage\/(?!jpeg\b)|\btext\/html\b/.test(headers.get("accept") ?? "");
}

/** Reads what is asked for: by default everything from the beginning on, in its own pace. */
function readFrames(topic: string, query: URLSearchParams): AskedStream<FrameEvent> {
  const stream = readStream(videoStream, topic, query), { asked } = stream;
  const start: StartAt = query.has("cursor") ? asked.start : { kind: "earliest" };
  return { ...stream, asked: { speed: 1, ...asked, start, fallback: { kind: "earliest" } } };
}

/** One client's connection. */
class FramesBody implements Sink {
  readonly wire: Wire;
  readonly transport = "mjpeg";
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #session: ViewerSession | null;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #viewer: Viewer | undefined;
  #leave = () => {};
  /** The runtime has taken what was written, and asks for more. */
  #wanted = false;
  /** A frame was written that the viewer's position does not know of. */
  #hasMoved = false;
  #isEnding = false;
  #isClosed = false;

  constructor(session: ViewerSession | null, { wire, beginning }: MjpegForm) {
    this.#session = session;
    this.wire = wire;
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
        controller.enqueue(beginning);
      },
      pull: () => this.#taken(),
      cancel: () => this.#close(),
    }, { highWaterMark: 0 }); // nothing waits here: what the runtime takes ahead is enough
  }

  /** Counts the connection, begins the answer, and follows the topic from where the viewer left it. */
  open(deps: StreamDeps, stream: AskedStream<FrameEvent>): void {
    const { topic, asked } = stream;
    this.#leave = deps.connections.add(() => this.end("draining"));
    const isLive = asked.policy === "latest";
    const laterStart = isLive ? newestFrames(deps.hub.history, stream) : this.#session?.start;
    const options = followOptions(
      { ...stream, asked: { ...asked, ...(laterStart && { laterStart }) } },
      this,
    );
    this.#viewer = deps.hub.follow(topic, options);
    if (this.#isClosed) this.#viewer.close(); // its end was known at once
  }

  ready(): boolean {
    return this.#wanted && !this.#isEnding;
  }

  write(chunk: Chunk): void {
    this.#wanted = false;
    if (this.#isClosed) return;
    this.#hasMoved = true;
    this.#controller.enqueue(chunk.bytes() as Uint8Array<ArrayBuffer>);
  }

  /** Ends the answer once everything written has been taken. */
  end(_reason: EndReason): void {
    this.#isEnding = true;
    if (this.#wanted) this.#finish();
  }

  #taken(): void {
    this.#wanted = true;
    this.#tellPosition();
    if (this.#isEnding) this.#finish();
    else this.#viewer?.wake();
  }

  /** The viewer has been sent everything before where it is. */
  #tellPosition(): void {
    const viewer = this.#viewer;
    if (!viewer || !this.#hasMoved) return;
    this.#hasMoved = false;
    this.#session?.moved(viewer.keepPlace());
  }

  #finish(): void {
    if (this.#isClosed) return;
    this.#close();
    this.#controller.close();
  }

  #close(): void {
    this.#isClosed = true;
    this.#viewer?.close();
    this.#session?.close();
    this.#leave();
  }
}
