/** The way in for video: `POST /video/{topic}/frames`, which a PUT does as well, as `curl -T` sends one, and
 * `WS /video/{topic}/publish`.
 *
 * A post may last as long as its camera does: its body is read no faster than Kafka takes the frames, so the camera's writes stall, and
 * memory does not grow, while Kafka is slow, or away for less than a minute. A socket cannot be held back: frames that come while too
 * many wait are dropped, and told.
 * Left out: how bodies are read (frame_body.ts), the records (frame_sender.ts).
 * @module */
import { type Context, Hono } from "hono";
import { StreamError } from "../errors.ts";
import { NotAJpeg } from "../kafka/jpeg.ts";
import { type FrameBody, frameBody } from "./frame_body.ts";
import { frameProblem } from "./frame_problem.ts";
import { type CapturedJpeg, FrameSender, type FrameSenderDeps, type Publication } from "./frame_sender.ts";
import type { AppEnv } from "./middleware.ts";
import { PublishTalk } from "./publish_socket.ts";
import { ReadAhead } from "./read_ahead.ts";
import { jsonWire } from "./socket_protocol.ts";
import { refusal, refusedRequest, type StreamDeps, topicOf } from "./streams.ts";
import { upgradeSocket } from "./websocket.ts";

/** What these routes work with. */
export type VideoPublishDeps = StreamDeps & FrameSenderDeps;

/** The route whose bodies may be endless: MAX_BODY_BYTES is not for it, as frames are bounded one by one. */
export const framesPath = "/video/:topic/frames";

const maxSourceLength = 200;
/** Kafka may be away for so many times as long as a record waits usually, a minute, when it has taken frames of the same body before. */
const patienceUnderWay = 6;
/** A body from which nothing comes for so many heartbeats, an hour, is of a sender that is gone without a word. */
const maxIdleHeartbeats = 240;
/** Beyond it a timer is due at once. */
const longestTimerMs = 2 ** 31 - 1;
/** Of a body, beyond the frames that wait for Kafka. */
const maxReadAheadBytes = 1024 * 1024;
/** As much as the runtime takes in one frame of a WebSocket: larger pictures than MAX_FRAME_BYTES are told and dropped. */
const maxMessageBytes = 64 * 1024 * 1024;

/** `POST` and `PUT /video/{topic}/frames`, `WS /video/{topic}/publish`; all with `key=` and `source=`. */
export function videoPublishRoutes(deps: VideoPublishDeps): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .on(["POST", "PUT"], framesPath, (c) => post(c, deps))
    .get("/video/:topic/publish", (c) => {
      const publication = readPublication(c, "websocket");
      const how = { wire: jsonWire, maxBinaryBytes: maxMessageBytes };
      return upgradeSocket(c, deps, how, (socket) => new PublishTalk(socket, deps, publication));
    });
}

/** @throws {StreamError} 400 `invalid-topic`, `invalid-source` */
function readPublication(c: Context, fallbackSource: string): Publication {
  const topic = topicOf(c.req.param("topic") ?? ""), source = c.req.query("source") || fallbackSource;
  if (source.length > maxSourceLength) {
    const detail = `Cannot use a source of ${source.length} characters: at most ${maxSourceLength} are taken`;
    throw new StreamError("invalid-source", 400, detail);
  }
  return { topic, name: c.req.query("key") || topic, source };
}

/** Takes the frames of a body; answers when it has ended and Kafka has acknowledged them. */
async function post(c: Context<AppEnv>, deps: VideoPublishDeps): Promise<Response> {
  const publication = readPublication(c, "http");
  const refused = refusal(deps);
  if (refused) throw refusedRequest(refused, "take frames");
  const posted = new FramePost(c.req.raw, deps, publication);
  const leave = deps.connections.add(() => posted.stop(refusedRequest("draining", "take frames")));
  try {
    return c.json(await posted.run());
  } finally {
    leave();
  }
}

/** What the publisher is told at the end. */
interface PostAnswer {
  readonly frames: number;
  readonly bytes: number;
  /** Of a single one: `<partition>:<offset>`. */
  readonly frame?: string;
}

/** One post's body on its way to Kafka. */
class FramePost {
  readonly #deps: VideoPublishDeps;
  readonly #topic: string;
  readonly #sender: FrameSender;
  readonly #frames: FrameBody;
  readonly #body: ReadAhead | undefined;
  /** Frames that have no outcome yet. */
  readonly #sending = new Set<Promise<void>>();
  /** Frames found so far. */
  #found = 0;
  /** Of the last frame that was stored. */
  #frame = "";
  /** Why no more is read. */
  #stopped: { readonly error: unknown } | undefined;

  /** @throws {StreamError} when the headers do not say how to read the body */
  constructor(request: Request, deps: VideoPublishDeps, publication: Publication) {
    this.#deps = deps;
    this.#topic = publication.topic;
    this.#sender = new FrameSender(deps, publication);
    try {
      this.#frames = frameBody(request.headers, deps.config.maxFrameBytes);
    } catch (error) {
      throw frameProblem(error, 1);
    }
    this.#body = request.body ? new ReadAhead(request.body, maxReadAheadBytes) : undefined;
  }

  /** Reads all of it. What came whole before something went wrong is stored.
   * @throws {StreamError} with how much is stored */
  async run(): Promise<PostAnswer> {
    try {
      await this.#read();
    } catch (error) {
      const problem = frameProblem(error, this.#found + 1);
      // Anything else is a body that broke off.
      if (problem instanceof StreamError) this.#deps.metrics.posts(this.#topic, "invalid", 1);
      this.stop(problem);
    }
    await Promise.all(this.#sending);
    if (this.#stopped) throw this.#told(this.#stopped.error);
    const { stored } = this.#sender;
    return stored.frames === 1 ? { ...stored, frame: this.#frame } : stored;
  }

  /** Reads no more; the first reason is the one that is told. */
  stop(error: unknown): void {
    this.#stopped ??= { error };
    void this.#body?.cancel();
  }

  async #read(): Promise<void> {
    while (this.#body && !this.#stopped) {
      const piece = await this.#next(this.#body);
      if (this.#stopped) return;
      for (const frame of piece ? this.#frames.push(piece) : this.#frames.end()) {
        await this.#sender.room(frame.jpeg.length);
        if (this.#stopped) return;
        this.#send(frame);
      }
      if (!piece) break;
    }
    if (this.#found === 0 && !this.#stopped) throw new NotAJpeg("Found nothing, wanted a JPEG");
  }

  async #next(body: ReadAhead): Promise<Uint8Array | undefined> {
    const maxIdleMs = Math.min(longestTimerMs, maxIdleHeartbeats * this.#deps.config.heartbeatMs);
    const timer = setTimeout(() => {
      const detail = `Cannot wait longer for a body from which nothing came for ${maxIdleMs / 1000} s`;
      this.stop(new StreamError("body-stalled", 408, detail));
    }, maxIdleMs);
    try {
      return await body.next();
    } finally {
      clearTimeout(timer);
    }
  }

  #send(frame: CapturedJpeg): void {
    this.#found++;
    const patience = this.#sender.stored.frames > 0 ? patienceUnderWay : 1;
    const sending: Promise<void> = this.#sender.send(frame, patience).then(
      ({ partition, offset }) => void (this.#frame = `${partition}:${offset}`),
      (error) => this.stop(error),
    ).finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  #told(error: unknown): unknown {
    if (!(error instanceof StreamError)) return error;
    const { code, status, message, errors, headers, cause } = error;
    const members = { ...error.members, ...this.#sender.stored };
    return new StreamError(code, status, message, { ...(errors && { errors }), headers, members, cause });
  }
}
