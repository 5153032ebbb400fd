/** A service that says what a test has it say, for what the real one cannot be brought to on demand: a gap, a
 * Kafka that is away for just so long, a refusal, thousands of movers.
 *
 * The pages, their files and their security headers are the real ones; only the routes of positions and of
 * topics are scripted. Left
 * out: everything that the real service shows as well (geo_test.ts uses that).
 * @module */
import { Hono } from "hono";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { pagesRoutes } from "../../routes/pages.ts";
import { shell } from "../../routes/shell.ts";
import { noWindows } from "../routes/made_aggregations.ts";

const cluster = "0badcafe";

/** One open stream. */
interface Viewer {
  write(text: string): void;
  end(): void;
}

/** A position as the stream has it. */
export interface ScriptedPosition {
  readonly name: string;
  readonly lat: number;
  readonly lon: number;
  /** ms since the epoch; default now. */
  readonly at?: number;
}

/** A record as the stream of a topic has it. */
export interface ScriptedRecord {
  readonly key?: unknown;
  readonly value?: unknown;
  /** ms since the epoch; default now. */
  readonly timestamp?: number;
  readonly headers?: Record<string, unknown>;
}

/** Serves the pages on a port of its own. Closing it ends the streams. */
export class ScriptedService implements AsyncDisposable {
  /** The queries of the streams that were opened, oldest first. */
  readonly opened: URLSearchParams[] = [];
  /** Bodies posted to /producer/…. */
  readonly posted: unknown[] = [];
  /** What tracks answer: features, or a response of its own. */
  tracks: () => Response | Promise<Response> = () => this.tracksOf([]);
  /** What is answered about topics instead of the one there is; null: nothing else. */
  refuseTopics: (() => Response) | null = null;
  /** Records that the topic is said to have after those of this log. */
  recordsAhead = 0;
  /** What a stream answers instead of opening; null opens it. */
  refuseStream: (() => Response | null) | null = null;
  /** First event of the next streams. */
  resume: Record<string, unknown> = { resume: "exact", skipped: 0 };
  /** Whether what was sent before a stream's cursor comes again, as above 16 partitions. */
  repeats = 0;
  kafkaUp = true;
  #log: string[] = [];
  #viewers = new Set<Viewer>();
  #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(tileUrl: string | null = null) {
    const config = {
      tileUrl,
      geoTopic: "geostream",
      videoTopic: "video",
      measurements: [],
      ...noWindows,
      corsOrigins: [],
      maxBodyBytes: 1 << 20,
    };
    const metrics = createMetrics("0.0.0");
    const service = { version: "0.0.0", kafka: { mode: "embedded" as const, brokers: ["127.0.0.1:9092"] } };
    const snapshot = async () => ({ ...await metrics.snapshot(), kafkaUp: this.kafkaUp });
    const app = shell({ config, log: silentLogger, metrics }, [
      this.#geo(),
      pagesRoutes({ config, service, metrics: { snapshot } }),
      this.#topics(),
    ]);
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Streams that are open now. */
  get viewers(): number {
    return this.#viewers.size;
  }

  /** Adds a position to the log, and sends it to every viewer.
   * @returns its offset */
  position(position: ScriptedPosition, partition = 0): number {
    const offset = this.#log.length;
    const { name, lat, lon, at = Date.now() } = position;
    const ids = { message_id: `${name}_${crypto.randomUUID()}`, timestamp: new Date(at).toISOString() };
    const data = JSON.stringify({ topic: "geostream", partition, offset, name, ...ids, at, lat, lon });
    const event = `event: position\nid: ${id(offset)}\ndata: ${data}\n\n`;
    this.#log.push(event);
    for (const viewer of this.#viewers) viewer.write(event);
    return offset;
  }

  /** Adds a record to the log, and sends it to every viewer.
   * @returns its offset */
  record({ key = null, value = null, timestamp = Date.now(), headers }: ScriptedRecord = {}): number {
    const offset = this.#log.length;
    const data = {
      topic: "orders",
      partition: 0,
      offset,
      timestamp,
      key,
      value,
      ...(headers && { headers }),
    };
    const event = `event: record\nid: ${id(offset)}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#log.push(event);
    for (const viewer of this.#viewers) viewer.write(event);
    return offset;
  }

  /** Sends an event that is no record. */
  tell(event: "gap" | "status" | "bye" | "end", data: unknown): void {
    for (const viewer of this.#viewers) viewer.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Ends every stream, without a word. */
  disconnect(): void {
    for (const viewer of [...this.#viewers]) viewer.end();
  }

  /** An answer with tracks, whose cursor is the end of the log. */
  tracksOf(tracks: readonly { name: string; line: number[][]; times: number[] }[]): Response {
    const features = tracks.map(({ name, line, times }) => ({
      type: "Feature",
      geometry: { type: "LineString", coordinates: line },
      properties: { name, times, last: times.at(-1), message_id: `${name}_0` },
    }));
    return Response.json({
      type: "FeatureCollection",
      features,
      cursor: id(this.#log.length - 1),
      truncated: false,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
    await this.#server.shutdown();
  }

  #geo(): Hono {
    return new Hono()
      .get("/geo/:topic/tracks", () => this.tracks())
      .get("/geo/:topic/events", (c) => this.#stream(new URL(c.req.url).searchParams))
      .post("/producer/:topic", async (c) => {
        const body = await c.req.json() as ScriptedPosition;
        this.posted.push(body);
        this.position(body);
        return c.json({ name: body.name, message_id: "x", topic: c.req.param("topic"), timestamp: "" });
      });
  }

  #topics(): Hono {
    const facts = () => {
      const latest = this.#log.length + this.recordsAhead, records = latest;
      const partition = { partition: 0, leader: 1, earliest: 0, latest, records, bytes: records * 100 };
      const ids = { earliest: id(-1), latest: id(latest - 1) };
      return { name: "orders", partitions: [partition], records, bytes: records * 100, config: {}, ...ids };
    };
    return new Hono()
      .get("/topics", () => {
        const { name, records, bytes } = facts();
        return this.refuseTopics?.() ??
          Response.json({ topics: [{ name, partitions: 1, records, bytes }], serverTime: Date.now() });
      })
      .get("/topics/:topic", () => this.refuseTopics?.() ?? Response.json(facts()))
      .get("/topics/:topic/events", (c) => this.#stream(new URL(c.req.url).searchParams))
      .post("/topics/:topic/records", async (c) => {
        const { records } = await c.req.json() as { records: ScriptedRecord[] };
        this.posted.push(...records);
        const offsets = records.map((record) => ({ partition: 0, offset: this.record(record) }));
        return c.json({ records: offsets }, 201);
      });
  }

  #stream(query: URLSearchParams): Response {
    this.opened.push(query);
    const refusal = this.refuseStream?.();
    if (refusal) return refusal;
    const from = offsetOf(query.get("cursor")) ?? this.#log.length - 1;
    let viewer: Viewer;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const encoder = new TextEncoder();
        const leave = () => this.#viewers.delete(viewer);
        viewer = {
          write: (text) => controller.enqueue(encoder.encode(text)),
          end: () => leave() && controller.close(),
        };
        this.#viewers.add(viewer);
        const ready = {
          requested: query.get("cursor"),
          start: id(from),
          serverTime: Date.now(),
          ...this.resume,
        };
        viewer.write(
          `: scripted\n\nretry: 2000\n\nevent: ready\nid: ${id(from)}\ndata: ${JSON.stringify(ready)}\n\n`,
        );
        for (const event of this.#log.slice(Math.max(0, from + 1 - this.repeats))) viewer.write(event);
      },
      cancel: () => void this.#viewers.delete(viewer),
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
    });
  }
}

const id = (offset: number) => `v1.${cluster}.0:${offset}`;

function offsetOf(cursor: string | null): number | null {
  const match = /^v1\.[0-9a-f]{8}\.0:(-?\d+)$/.exec(cursor ?? "");
  return match ? Number(match[1]) : null;
}
