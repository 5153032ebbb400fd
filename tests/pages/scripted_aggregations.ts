/** A service of likes in windows that says what a test has it say, for what the real one cannot be brought to on demand: hours of windows
 * in the past, likes that are refused, a Kafka that is away.
 *
 * The page, its files, its security headers and the JSON of the windows are the real ones; windows are made (made_aggregations.ts), and
 * likes and the stream are scripted. The stream keeps no log: who comes back is told that nothing is missing. Left out: everything that
 * the real service shows as well (aggregations_test.ts).
 * @module */
import { Hono } from "hono";
import type { WindowCount } from "../../kafka/processors/windows/types.ts";
import type { CatalogueEntry, WindowSize } from "../../kafka/windows.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics } from "../../metrics.ts";
import { windowEvent } from "../../routes/aggregation_feed.ts";
import { type AggregationsDeps, aggregationsRoutes } from "../../routes/aggregations.ts";
import { pagesRoutes } from "../../routes/pages.ts";
import { shell } from "../../routes/shell.ts";
import type { AggregationsData } from "../../routes/aggregations.ts";
import { MadeAggregations, usualSizes } from "../routes/made_aggregations.ts";

/** One open stream. */
interface Viewer {
  readonly ids: ReadonlySet<string>;
  write(text: string): void;
  end(): void;
}

/** How it is made. */
export interface ScriptedOptions {
  readonly videos?: readonly CatalogueEntry[];
  readonly sizes?: readonly WindowSize[];
  /** 0: any that is free. */
  readonly port?: number;
}

/** Videos that have a title. */
export const titled: readonly CatalogueEntry[] = [
  { id: "93f98662-8907-4f43-bb4c-280501481046", title: "Stream processing made simple" },
  { id: "69e7266c-753e-4ed3-b7fc-9035133a293f", title: "Counting without losing count" },
  { id: "2f1d8f0e-5c1b-4c58-9a34-6c5d0f0e7a11", title: "A river of records" },
];

/** Serves the page on a port of its own. Closing it ends the streams. */
export class ScriptedAggregations implements AsyncDisposable {
  readonly made: MadeAggregations;
  /** What is answered about windows instead of what there is. */
  refuseData: (() => Response | Promise<Response>) | null = null;
  /** What a like is answered instead of being counted. */
  refuseLike: (() => Response | Promise<Response>) | null = null;
  /** What a stream answers instead of opening. */
  refuseStream: (() => Response) | null = null;
  /** Likes that were posted, by id. */
  readonly posted = new Map<string, number>();
  /** Whether likes are counted as soon as they are posted. */
  isCounting = true;
  kafkaUp = true;
  /** Its clock, ms since the epoch: it begins early in windows of all lengths, so that the next minute is far, but past the grace of
   * those before. */
  readonly now: () => number;
  #viewers = new Set<Viewer>();
  #closing = new AbortController();
  #server: Deno.HttpServer<Deno.NetAddr>;
  #offset = 0;

  constructor({ videos = titled, sizes = usualSizes, port = 0 }: ScriptedOptions = {}) {
    const startedAt = Date.now(), offsetMs = Math.floor(startedAt / 600_000) * 600_000 + 135_000 - startedAt;
    this.now = () => Date.now() + offsetMs;
    this.made = new MadeAggregations(sizes);
    this.made.now = this.now;
    this.made.listen({
      finished: (window) => this.#send(window),
      changed: (_, open) => open.forEach((window) => this.#send(window)),
    });
    const clicksTopic = "video_clicks_ingestion";
    const windows = { clicksTopic, sizes, graceMs: this.made.graceMs, kept: 60 };
    const names = { geoTopic: "geostream", videoTopic: "video", measurements: [] };
    const config = { tileUrl: null, ...names, windows, videos, corsOrigins: [], maxBodyBytes: 1 << 20 };
    const metrics = createMetrics("0.0.0");
    const service = { version: "0.0.0", kafka: { mode: "embedded" as const, brokers: ["127.0.0.1:9092"] } };
    const snapshot = async () => ({ ...await metrics.snapshot(), kafkaUp: this.kafkaUp });
    const app = shell({ config, log: silentLogger, metrics }, [
      this.#routes(),
      pagesRoutes({ config, service, metrics: { snapshot } }),
      aggregationsRoutes({ aggregations: this.made, config } as unknown as AggregationsDeps),
    ]);
    const { signal } = this.#closing;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port, signal, onListen() {} }, app.fetch);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** Whether somebody follows a video. */
  follows(id: string): boolean {
    return [...this.#viewers].some(({ ids }) => ids.has(id));
  }

  /** Sends an event that is no window. */
  tell(event: "gap" | "status" | "bye", data: unknown): void {
    for (const { write } of this.#viewers) write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Tells the finished windows of a video as what there is, as the real service does to who comes. */
  greet(id: string): void {
    for (const { windows } of this.made.of(id)) {
      for (const window of windows) if (window.final) this.#send(window, null);
    }
  }

  /** Ends every stream, without a word. */
  disconnect(): void {
    for (const viewer of [...this.#viewers]) viewer.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
    this.#closing.abort(); // also what a failed test left unanswered
    await this.#server.finished;
  }

  #routes(): Hono {
    return new Hono()
      .post("/videos/likes", (c) => this.refuseLike?.() ?? this.#like(c.req.query("id")!))
      .post("/videos/:id/likes", (c) => this.refuseLike?.() ?? this.#like(c.req.param("id")))
      .get("/aggregations/events", (c) => {
        return this.refuseStream?.() ?? this.#stream(new URL(c.req.url).searchParams.getAll("id"));
      })
      .get("/aggregations", async (c, next) => {
        const isData = !c.req.header("accept")?.includes("text/html");
        if (!isData) return await next();
        if (this.refuseData) return await this.refuseData();
        await next();
        const data = await c.res.json() as AggregationsData;
        c.res = Response.json({ ...data, now: this.now() });
        return undefined;
      });
  }

  #like(video: string): Response {
    this.posted.set(video, (this.posted.get(video) ?? 0) + 1);
    const timestamp = this.now();
    if (this.isCounting) this.made.like(video, timestamp);
    return Response.json({ video, partition: 0, offset: this.#offset++, timestamp }, { status: 202 });
  }

  #send(window: WindowCount, timestamp: number | null = this.now()): void {
    const data = JSON.stringify(windowEvent(window, timestamp ?? undefined));
    for (const { ids, write } of this.#viewers) {
      if (ids.has(window.video_uid)) write(`event: window\ndata: ${data}\n\n`);
    }
  }

  #stream(ids: readonly string[]): Response {
    let viewer: Viewer;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const encoder = new TextEncoder();
        const leave = () => this.#viewers.delete(viewer);
        viewer = {
          ids: new Set(ids),
          write: (text) => controller.enqueue(encoder.encode(text)),
          end: () => leave() && controller.close(),
        };
        this.#viewers.add(viewer);
        const data = { resume: "fresh", requested: null, start: null, skipped: 0, serverTime: this.now() };
        viewer.write(`event: ready\nid: v1.0badcafe.0:0\ndata: ${JSON.stringify(data)}\n\n`);
      },
      cancel: () => void this.#viewers.delete(viewer),
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
    });
  }
}

/** Fills windows up to now, of each of `ids` some likes a minute, and closes those that are over.
 * @param minutes how far back */
export function fill(service: ScriptedAggregations, ids: readonly string[], minutes = 90): void {
  const now = service.now();
  ids.forEach((id, n) => {
    for (let s = minutes * 60; s > 0; s -= 5) {
      const wave = 2 + 2 * Math.sin((s + n * 400) / (220 + 60 * n));
      const likes = (s * 7 + n * 3) % 5 < wave ? 1 + (s + n) % 2 : 0;
      if (likes > 0) service.made.like(id, now - s * 1_000, likes);
    }
  });
  service.made.close(now);
}
