/** A service of video that says what a test has it say, for what the real one cannot be brought to on demand: a stall, a gap, a Kafka
 * that is away for just so long, a refusal, hundreds of frames in the past.
 *
 * The page, its files and its security headers are the real ones; only the routes of video are scripted. A topic has one partition.
 * Left out: pace by frames' times where `speed` is not asked for, and everything that the real service shows as well (video_test.ts).
 * @module */
import { type Context, Hono } from "hono";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { pagesRoutes } from "../../routes/pages.ts";
import { shell } from "../../routes/shell.ts";
import { noWindows } from "../routes/made_aggregations.ts";

const cluster = "0badcafe";
const headerBytes = 32;
/** Pauses between frames are no longer than this, as in the real service. */
const longestPauseMs = 2_000;

/** A frame as it is kept; its place in the list is its offset. */
interface ScriptedFrame {
  readonly jpeg: Uint8Array<ArrayBuffer>;
  readonly capturedAt: number;
}

/** One stream of an open socket. */
interface Lane {
  readonly topic: string;
  readonly address: string | undefined;
  readonly number: number;
  isPaused: boolean;
  isLive: boolean;
  speed: number | null;
  next: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** What a message of a page may hold. */
interface PageMessage {
  readonly type: string;
  readonly stream?: string;
  readonly cursor?: string;
  readonly speed?: number | null;
  readonly frame?: string;
}

/** Serves the page on a port of its own. Closing it ends the streams. */
export class ScriptedVideo implements AsyncDisposable {
  /** Frames by topic. */
  readonly topics = new Map<string, ScriptedFrame[]>([["video", []]]);
  /** Next offset by topic, as acknowledged. */
  readonly positions = new Map<string, number>();
  /** Addresses of the sockets that were opened, oldest first. */
  readonly opened: URL[] = [];
  /** Frames that were published over a socket, by topic. */
  readonly published: { topic: string; capturedAt: number; bytes: number }[] = [];
  /** Whether published frames are answered and kept. */
  isStoring = true;
  /** What a socket is answered instead of opening; null opens it. */
  refuseStream: (() => Response) | null = null;
  /** What is answered about streams instead of what there is. */
  refuseData: (() => Response) | null = null;
  maxFrameBytes = 921_600;
  #sockets = new Map<WebSocket, Lane[]>();
  #server: Deno.HttpServer<Deno.NetAddr>;

  /** @param port 0: any that is free */
  constructor(port = 0, more: readonly Hono[] = []) {
    const topics = { geoTopic: "geostream", videoTopic: "video", measurements: [], ...noWindows };
    const config = { tileUrl: null, ...topics, corsOrigins: [], maxBodyBytes: 1 << 20 };
    const metrics = createMetrics("0.0.0");
    const service = { version: "0.0.0", kafka: { mode: "embedded" as const, brokers: ["127.0.0.1:9092"] } };
    const snapshot = async () => ({ ...await metrics.snapshot(), kafkaUp: true });
    const app = shell({ config, log: silentLogger, metrics }, [
      ...more,
      pagesRoutes({ config, service, metrics: { snapshot } }),
      this.#routes(),
    ]);
    this.#server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, app.fetch);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Keeps a frame and sends it to who follows its topic. */
  add(topic: string, jpeg: Uint8Array<ArrayBuffer>, capturedAt = Date.now()): number {
    const frames = this.topics.get(topic) ?? [];
    this.topics.set(topic, frames);
    frames.push({ jpeg, capturedAt });
    for (const [socket, lanes] of this.#sockets) {
      for (const lane of lanes) if (lane.topic === topic && lane.timer === undefined) this.#run(socket, lane);
    }
    return frames.length - 1;
  }

  /** Says something that is no frame to every socket. */
  tell(type: "gap" | "status" | "bye", data: object): void {
    for (const [socket, lanes] of this.#sockets) {
      for (const { address } of lanes) say(socket, { type, ...data, ...(address && { stream: address }) });
    }
  }

  /** Ends every socket, without a word. */
  disconnect(): void {
    for (const socket of [...this.#sockets.keys()]) this.#leave(socket, true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
    await this.#server.shutdown();
  }

  #routes(): Hono {
    return new Hono()
      .get("/video", (c) => this.refuseData?.() ?? c.json(this.#list()))
      .get("/video/:topic", (c) => this.refuseData?.() ?? c.json(this.#info(c.req.param("topic"))))
      .get("/video/:topic/snapshot.jpg", (c) => {
        return this.#snapshot(c.req.param("topic"), new URL(c.req.url).searchParams);
      })
      .get("/video/:topic/socket", (c) => this.#open(c, c.req.param("topic")))
      .get("/video/:topic/publish", (c) => this.#publish(c, c.req.param("topic")))
      .get("/streams", (c) => this.#open(c));
  }

  #frameInfo(topic: string, offset: number) {
    const frame = this.topics.get(topic)?.at(offset);
    if (!frame) return null;
    const { capturedAt, jpeg } = frame;
    const id = offset < 0 ? this.topics.get(topic)!.length + offset : offset;
    const place = { frame: `0:${id}`, partition: 0, offset: id, timestamp: capturedAt, capturedAt };
    return { ...place, name: topic, source: "test", bytes: jpeg.length, width: 64, height: 48 };
  }

  #list() {
    const topics = [...this.topics].map(([topic, frames]) => ({
      topic,
      frames: frames.length,
      newest: this.#frameInfo(topic, -1),
    }));
    return { topic: "video", viewer: "me", topics };
  }

  #info(topic: string) {
    const frames = this.topics.get(topic)?.length ?? 0;
    const ends = { first: this.#frameInfo(topic, 0), last: this.#frameInfo(topic, -1) };
    return { topic, exists: frames > 0, partitions: 1, frames, ...ends, maxFrameBytes: this.maxFrameBytes };
  }

  #snapshot(topic: string, query: URLSearchParams): Response {
    const frames = this.topics.get(topic) ?? [];
    const before = query.get("before"), after = query.get("after"), cursor = query.get("cursor");
    const offset = before !== null
      ? Number(before.split(":")[1]) - 1
      : after !== null
      ? Number(after.split(":")[1]) + 1
      : cursor !== null
      ? this.#find(topic, cursor)
      : frames.length - 1;
    const frame = frames[offset];
    if (!frame) return Response.json({ title: "No frame", status: 404, code: "no-frame" }, { status: 404 });
    return new Response(frame.jpeg, {
      headers: {
        "content-type": "image/jpeg",
        "x-frame-id": `0:${offset}`,
        "x-timestamp": (frame.capturedAt / 1000).toFixed(3),
        "cache-control": "no-cache",
      },
    });
  }

  /** The offset that a cursor means. */
  #find(topic: string, cursor: string): number {
    const frames = this.topics.get(topic) ?? [];
    if (cursor === "earliest") return 0;
    if (cursor === "latest") return frames.length;
    if (!cursor.startsWith("t.")) return Number(cursor.split(":").at(-1)) + 1;
    const found = frames.findIndex(({ capturedAt }) => capturedAt >= Number(cursor.slice(2)));
    return found < 0 ? frames.length : found;
  }

  #open(c: Context, topic?: string): Response {
    const url = new URL(c.req.url);
    this.opened.push(url);
    const refusal = this.refuseStream?.();
    if (refusal) return refusal;
    if (c.req.header("upgrade") !== "websocket") return new Response("upgrade", { status: 426 });
    const { socket, response } = Deno.upgradeWebSocket(c.req.raw, { protocol: "tailrace.v1.frames" });
    socket.binaryType = "arraybuffer";
    this.#sockets.set(socket, []);
    socket.onopen = () => {
      if (topic !== undefined) this.#begin(socket, topic, url, undefined, 0);
      let number = 1;
      for (const address of url.searchParams.getAll("s")) this.#subscribe(socket, address, number++);
    };
    socket.onmessage = ({ data }) => this.#hear(socket, JSON.parse(String(data)));
    socket.onclose = () => this.#leave(socket, false);
    return response;
  }

  #subscribe(socket: WebSocket, address: string, number: number, cursor?: string): void {
    const url = new URL(address, this.url);
    if (cursor) url.searchParams.set("cursor", cursor);
    this.#begin(socket, decodeURIComponent(url.pathname.split("/")[2]!), url, address, number);
  }

  #begin(socket: WebSocket, topic: string, url: URL, address: string | undefined, number: number): void {
    const isLive = url.searchParams.get("live") === "1";
    const asked = url.searchParams.get("cursor");
    const hasPosition = !isLive && url.searchParams.get("viewer") !== "";
    const next = asked
      ? this.#find(topic, asked)
      : hasPosition
      ? this.positions.get(topic) ?? 0
      : this.topics.get(topic)?.length ?? 0;
    const speed = Number(url.searchParams.get("speed")) || null;
    const lane: Lane = { topic, address, number, isPaused: false, isLive, speed, next, timer: undefined };
    this.#sockets.get(socket)?.push(lane);
    this.#ready(socket, lane, asked);
    this.#run(socket, lane);
  }

  #ready(socket: WebSocket, { address, number, next }: Lane, requested: string | null): void {
    const place = { resume: "exact", requested, start: id(next - 1), skipped: 0, cursor: id(next - 1) };
    say(socket, {
      type: "ready",
      ...(address && { stream: address, number }),
      ...place,
      serverTime: Date.now(),
    });
  }

  /** Sends what is next, and so on until the end. */
  #run(socket: WebSocket, lane: Lane): void {
    lane.timer = undefined;
    const frames = this.topics.get(lane.topic) ?? [];
    while (!lane.isPaused && lane.next < frames.length && socket.readyState === WebSocket.OPEN) {
      if (lane.isLive) lane.next = Math.max(lane.next, frames.length - 1);
      const frame = frames[lane.next]!;
      socket.send(framed(frame, lane.next++, lane.number));
      const following = frames[lane.next];
      if (!following || lane.speed === null || lane.isLive) continue;
      const waitMs = Math.min(longestPauseMs, following.capturedAt - frame.capturedAt) / lane.speed;
      lane.timer = setTimeout(() => this.#run(socket, lane), waitMs);
      return;
    }
  }

  #hear(socket: WebSocket, { type, stream, cursor, speed, frame }: PageMessage): void {
    const lanes = this.#sockets.get(socket) ?? [];
    if (type === "ping") say(socket, { type: "pong" });
    if (type === "subscribe") return this.#subscribe(socket, stream!, lanes.length + 1, cursor);
    const lane = lanes.find(({ address }) => address === stream);
    if (!lane) return;
    if (type === "ack") this.positions.set(lane.topic, Number(frame!.split(":")[1]) + 1);
    if (type === "ack" || type === "ping") return;
    clearTimeout(lane.timer);
    if (type === "pause" || type === "resume") lane.isPaused = type === "pause";
    if (type === "speed") lane.speed = speed ?? null;
    if (type === "seek") {
      lane.next = this.#find(lane.topic, cursor!);
      this.#ready(socket, lane, cursor!);
    }
    this.#run(socket, lane);
  }

  #publish(c: Context, topic: string): Response {
    const { socket, response } = Deno.upgradeWebSocket(c.req.raw);
    socket.binaryType = "arraybuffer";
    this.#sockets.set(socket, []);
    socket.onopen = () => say(socket, { type: "ready", maxFrameBytes: this.maxFrameBytes });
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      const capturedAt = Number(new DataView(data).getBigInt64(16));
      const jpeg = new Uint8Array(data.slice(headerBytes));
      this.published.push({ topic, capturedAt, bytes: jpeg.length });
      if (this.isStoring) say(socket, { type: "stored", frame: `0:${this.add(topic, jpeg, capturedAt)}` });
    };
    socket.onclose = () => this.#leave(socket, false);
    return response;
  }

  #leave(socket: WebSocket, isEnded: boolean): void {
    for (const { timer } of this.#sockets.get(socket) ?? []) clearTimeout(timer);
    this.#sockets.delete(socket);
    if (isEnded) socket.close(4000, "scripted");
  }
}

const id = (offset: number) => `v1.${cluster}.0:${offset}`;

function say(socket: WebSocket, message: object): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

/** A frame as the socket sends it: the 32 bytes of the header, then the JPEG. */
function framed(
  { jpeg, capturedAt }: ScriptedFrame,
  offset: number,
  stream: number,
): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(headerBytes + jpeg.length);
  const view = new DataView(message.buffer);
  message.set([0x54, 0x52, 1, 0]);
  view.setBigInt64(8, BigInt(offset));
  view.setBigInt64(16, BigInt(capturedAt));
  view.setUint32(24, stream);
  view.setUint32(28, jpeg.length);
  message.set(jpeg, headerBytes);
  return message;
}
