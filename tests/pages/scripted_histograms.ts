/** A service of histograms that says what a test has it say, for what the real one cannot be brought to on demand: a file that is locked for
 * just so long, a counting that is far behind, a Kafka that is away, hours of measurements in the past.
 *
 * The page, its files and its security headers are the real ones, and so is the counting; only the routes of histograms are scripted. What
 * is measured is kept in memory, and the stream keeps no log: who comes back is told that nothing is missing. Left out: everything that the
 * real service shows as well (histograms_test.ts).
 * @module */
import { Hono } from "hono";
import { silentLogger } from "../../logger.ts";
import { edgesOf, histTopicOf, type MeasurementSpec, usualMeasurements } from "../../kafka/measurements.ts";
import { RunningHistogram } from "../../kafka/processors/histogram.ts";
import type { ProcessorStatus, WrongKind } from "../../kafka/processors/histogram_types.ts";
import { createMetrics } from "../../metrics.ts";
import { pagesRoutes } from "../../routes/pages.ts";
import { shell } from "../../routes/shell.ts";
import { noWindows } from "../routes/made_aggregations.ts";

/** What is counted under one name. */
interface Counted {
  readonly spec: MeasurementSpec;
  histogram: RunningHistogram;
  status: ProcessorStatus;
  offset: number;
  readonly rows: { readonly at: number; readonly value: number }[];
}

/** One open stream. */
interface Viewer {
  readonly streams: readonly string[];
  write(text: string): void;
  end(): void;
}

/** Serves the page on a port of its own. Closing it ends the streams. */
export class ScriptedHistograms implements AsyncDisposable {
  readonly counted: ReadonlyMap<string, Counted>;
  /** What is answered about measurements instead of what there is. */
  refuseData: (() => Response | Promise<Response>) | null = null;
  /** What is answered about a course instead of what there is. */
  refuseSeries: (() => Response | Promise<Response>) | null = null;
  /** What a stream answers instead of opening. */
  refuseStream: (() => Response) | null = null;
  /** Queries for a course, and for CSV. */
  readonly asked: URL[] = [];
  kafkaUp = true;
  #viewers = new Set<Viewer>();
  #closing = new AbortController();
  #server: Deno.HttpServer<Deno.NetAddr>;

  /** @param port 0: any that is free */
  constructor(measurements: readonly MeasurementSpec[] = usualMeasurements, port = 0) {
    this.counted = new Map(measurements.map((spec) => {
      const histogram = RunningHistogram.empty(edgesOf(spec));
      return [spec.name, { spec, histogram, status: liveStatus(), offset: 0, rows: [] }];
    }));
    const config = { tileUrl: null, geoTopic: "geostream", videoTopic: "video", measurements, ...noWindows };
    const limits = { corsOrigins: [], maxBodyBytes: 1 << 20 };
    const metrics = createMetrics("0.0.0");
    const service = { version: "0.0.0", kafka: { mode: "embedded" as const, brokers: ["127.0.0.1:9092"] } };
    const snapshot = async () => ({ ...await metrics.snapshot(), kafkaUp: this.kafkaUp });
    const app = shell({ config: { ...config, ...limits }, log: silentLogger, metrics }, [
      pagesRoutes({ config, service, metrics: { snapshot } }),
      this.#routes(),
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

  /** Counts a measurement. `publish` tells who follows. */
  measure(name: string, value: number, at = Date.now(), note: "late" | "repeated" | null = null): void {
    const counted = this.#at(name);
    counted.histogram.add(value, at, note);
    counted.rows.push({ at, value });
  }

  /** Counts records that are no measurement. */
  wrong(name: string, kind: WrongKind, records = 1): void {
    this.#at(name).histogram.addWrong(kind, records);
  }

  /** Says that retention was faster. */
  missed(name: string, records: number): void {
    this.#at(name).histogram.addMissed(records);
  }

  /** Sends the histogram as it is now to who follows it. */
  publish(name: string): void {
    const counted = this.#at(name), stream = streamOf(name);
    const place = { measurement: name, topic: histTopicOf(name), partition: 0, offset: counted.offset++ };
    const data = { ...place, timestamp: Date.now(), ...counted.histogram.snapshot() };
    for (const { streams, write } of this.#viewers) {
      const asked = streams.find((each) => each.split("?")[0] === stream);
      if (asked) {
        write(
          `event: histogram\nid: ${this.#id(streams)}\ndata: ${JSON.stringify({ stream: asked, data })}\n\n`,
        );
      }
    }
  }

  setStatus(name: string, status: Partial<ProcessorStatus>): void {
    Object.assign(this.#at(name), { status: { ...liveStatus(), ...status } });
  }

  /** Sends an event that is no histogram. */
  tell(event: "gap" | "status" | "bye", data: unknown): void {
    for (const { streams, write } of this.#viewers) {
      for (const stream of streams) write(`event: ${event}\ndata: ${JSON.stringify({ stream, data })}\n\n`);
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

  #at(name: string): Counted {
    return this.counted.get(name)!;
  }

  #id(streams: readonly string[]): string {
    return `m1.${streams.map(() => "v1.0badcafe.0:0").join(";")}`;
  }

  #routes(): Hono {
    return new Hono()
      .get(
        "/histograms",
        () => this.refuseData?.() ?? Response.json({ histograms: [...this.counted.values()].map(dataOf) }),
      )
      .get("/histograms/:m/series", (c) => {
        this.asked.push(new URL(c.req.url));
        return this.refuseSeries?.() ??
          Response.json(this.#series(c.req.param("m"), new URL(c.req.url).searchParams));
      })
      .get("/histograms/:m/measurements", (c) => {
        this.asked.push(new URL(c.req.url));
        return c.body("date,value\n", 200, {
          "content-type": "text/csv",
          "content-disposition": "attachment; filename=x.csv",
        });
      })
      .post("/histograms/:m/measurements", async (c) => {
        const name = c.req.param("m"), { measurement } = await c.req.json() as { measurement: number };
        this.measure(name, measurement);
        this.publish(name);
        const offset = this.#at(name).rows.length - 1;
        return c.json({ partition: 0, offset, measurement, measurement_time: new Date().toISOString() }, 201);
      })
      .get(
        "/streams",
        (c) => this.refuseStream?.() ?? this.#stream(new URL(c.req.url).searchParams.getAll("s")),
      );
  }

  #series(name: string, query: URLSearchParams) {
    const { rows } = this.#at(name);
    const times = rows.map(({ at }) => at);
    const from = timeOf(query.get("from")) ?? Math.min(...times),
      to = timeOf(query.get("to")) ?? Math.max(Date.now(), ...times);
    const step_ms = Math.max(1, Math.ceil((to - from) / Number(query.get("points") ?? 500)));
    const steps = new Map<number, number[]>();
    for (const { at, value } of rows) {
      if (at < from || at >= to) continue;
      const step = Math.floor(at / step_ms) * step_ms;
      const values = steps.get(step);
      if (values) values.push(value);
      else steps.set(step, [value]);
    }
    const all = [...steps].sort(([a], [b]) => a - b);
    const column = (of: (values: number[]) => number) => all.map(([, values]) => of(values));
    return {
      measurement: name,
      step_ms,
      time: all.map(([time]) => time),
      count: column((values) => values.length),
      mean: column((values) => values.reduce((sum, value) => sum + value, 0) / values.length),
      min: column((values) => Math.min(...values)),
      max: column((values) => Math.max(...values)),
    };
  }

  #stream(streams: readonly string[]): Response {
    let viewer: Viewer;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const encoder = new TextEncoder();
        const leave = () => this.#viewers.delete(viewer);
        viewer = {
          streams,
          write: (text) => controller.enqueue(encoder.encode(text)),
          end: () => leave() && controller.close(),
        };
        this.#viewers.add(viewer);
        for (const stream of streams) {
          const data = { resume: "fresh", requested: null, start: null, skipped: 0, serverTime: Date.now() };
          viewer.write(
            `event: ready\nid: ${this.#id(streams)}\ndata: ${JSON.stringify({ stream, data })}\n\n`,
          );
        }
      },
      cancel: () => void this.#viewers.delete(viewer),
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
    });
  }
}

function dataOf({ spec, histogram, status, rows, offset }: Counted) {
  const { name, ...range } = spec;
  const topics = { measurement: name, topic: name, hist_topic: histTopicOf(name), range };
  return {
    ...topics,
    ...histogram.snapshot(),
    log: 0,
    positions: { 0: offset },
    status,
    rows: rows.length,
    links: {},
  };
}

function liveStatus(): ProcessorStatus {
  return { state: "live", reason: null, since: Date.now(), behind: 0, owner: true };
}

const streamOf = (name: string) => `/histograms/${name}/events`;

function timeOf(text: string | null): number | null {
  return text === null ? null : text.startsWith("t.") ? Number(text.slice(2)) : Date.parse(text);
}
