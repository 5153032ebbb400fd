/** The whole application on a port of its own, with a broker of its own, in this process: for tests of routes/ over real HTTP.
 *
 * Left out: the process around it (tests/service.ts).
 * @module */
import type { Kafka } from "../../kafka/client.ts";
import { Hub } from "../../kafka/hub.ts";
import { type MeasurementSpec, usualMeasurements } from "../../kafka/measurements.ts";
import { createProducer, type OutRecord, type Producer } from "../../kafka/producer.ts";
import { HistogramService } from "../../kafka/processors/histogram_service.ts";
import type { Histograms } from "../../kafka/processors/histogram_types.ts";
import { WindowView } from "../../kafka/processors/windows/view.ts";
import type { Aggregations } from "../../kafka/processors/windows/types.ts";
import { TopicViews } from "../../kafka/topic_views.ts";
import { type CatalogueEntry, readWindowSize, type WindowSettings } from "../../kafka/windows.ts";
import { silentLogger } from "../../logger.ts";
import { createMetrics, type Metrics } from "../../metrics.ts";
import { createApp } from "../../routes/app.ts";
import { Connections, Heartbeats } from "../../routes/streams.ts";
import { ViewerPositions } from "../../routes/viewer_positions.ts";
import { BrokerProxy } from "../kafka/broker_proxy.ts";
import { connect, TestBroker } from "../kafka/test_broker.ts";
import { MadeHistograms } from "./made_histograms.ts";

/** What a test may set. */
export interface TestServiceOptions {
  readonly heartbeatMs?: number;
  readonly maxConnections?: number;
  readonly maxBodyBytes?: number;
  readonly maxFrameBytes?: number;
  readonly corsOrigins?: readonly string[];
  /** Of each topic, in memory. */
  readonly ringBytes?: number;
  /** How long a post may wait for Kafka. */
  readonly timeoutMs?: number;
  /** What is counted, into a file of its own; default: nothing is, and the usual measurements are empty. */
  readonly measurements?: readonly MeasurementSpec[];
  /** What is told of measurements instead. */
  readonly histograms?: Histograms;
  /** Lengths of windows, as `1m`; default: none. Nobody counts here, the state topic is read alone. */
  readonly windows?: readonly string[];
  readonly videos?: readonly CatalogueEntry[];
  /** What is told of windows instead. */
  readonly aggregations?: Aggregations;
}

/** A running application. */
export class TestService implements AsyncDisposable {
  readonly metrics: Metrics = createMetrics("test");
  readonly #parts = new AsyncDisposableStack();
  broker!: TestBroker;
  /** Between the application and the broker. */
  proxy!: BrokerProxy;
  hub!: Hub;
  positions!: ViewerPositions;
  aggregations!: Aggregations;
  /** Goes past the application, straight to the broker. */
  producer!: Producer;
  /** Of the measurements that are counted. */
  measurementsFile!: string;
  readonly #connections = new Connections();
  #server!: Deno.HttpServer<Deno.NetAddr>;

  static async open(options: TestServiceOptions = {}): Promise<TestService> {
    const service = new TestService(), parts = service.#parts, { metrics } = service, log = silentLogger;
    service.broker = parts.use(await TestBroker.open());
    service.proxy = parts.use(new BrokerProxy({ hostname: "127.0.0.1", port: service.broker.broker.port }));
    const direct = parts.use(connect(service.broker.bootstrap));
    const kafka = parts.use(connect(service.proxy.bootstrap));
    const { ringBytes, timeoutMs, measurements, windows: sizes = [], ...settings } = options;
    const histograms = measurements
      ? await service.#count(direct, measurements)
      : options.histograms ?? new MadeHistograms(usualMeasurements);
    const hub = service.hub = parts.use(new Hub({ kafka, metrics, log, ...(ringBytes && { ringBytes }) }));
    const onTopicCreated = (topic: string) => hub.topicCreated(topic);
    service.producer = parts.use(createProducer(direct, { log, onTopicCreated }));
    const producer = parts.use(
      createProducer(kafka, { log, onTopicCreated, ...(timeoutMs && { timeoutMs }) }),
    );
    const topicViews = parts.use(new TopicViews(kafka));
    const windows: WindowSettings = {
      clicksTopic: "video_clicks_ingestion",
      sizes: options.aggregations?.sizes ?? sizes.map((size) => readWindowSize(size)!),
      graceMs: 10_000,
      kept: 60,
    };
    const aggregations = service.aggregations = options.aggregations ??
      parts.use(new WindowView({ kafka, history: hub.history, settings: windows, log }));
    const positions = service.positions = parts.use(new ViewerPositions({ kafka, log }));
    const config = {
      heartbeatMs: 15_000,
      maxConnections: 1_000,
      maxBodyBytes: 1024 * 1024,
      corsOrigins: [],
      tileUrl: null,
      geoTopic: "geostream",
      videoTopic: "video",
      measurements: histograms.specs,
      windows,
      videos: [],
      maxFrameBytes: 900 * 1024,
      videoRetentionMs: -1,
      videoRetentionBytes: 64 * 1024 * 1024,
      ...settings,
    };
    const heartbeats = parts.use(new Heartbeats(config.heartbeatMs));
    const about = {
      version: "test",
      kafka: { mode: "embedded" as const, brokers: [service.broker.bootstrap] },
    };
    const connections = service.#connections;
    const app = createApp({
      config,
      log,
      metrics,
      hub,
      producer,
      topicViews,
      heartbeats,
      connections,
      positions,
      histograms,
      aggregations,
      checks: {},
      service: about,
    });
    service.#server = Deno.serve(
      // What a body breaks off with is printed otherwise.
      { port: 0, hostname: "127.0.0.1", onListen() {}, onError: () => new Response(null, { status: 500 }) },
      (request, info) => app.fetch(request, { info }),
    );
    return service;
  }

  async #count(kafka: Kafka, specs: readonly MeasurementSpec[]): Promise<Histograms> {
    const folder = await Deno.makeTempDir({ prefix: "tailrace-measurements-" });
    this.#parts.defer(() => Deno.remove(folder, { recursive: true }));
    const file = this.measurementsFile = `${folder}/measurements.db`;
    const limits = { retentionMs: -1, retentionBytes: -1 };
    return this.#parts.use(new HistogramService({ kafka, specs, file, log: silentLogger, ...limits }));
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Puts positions into a topic, past the application, in this order. */
  async send(topic: string, positions: readonly object[], more: Partial<OutRecord> = {}): Promise<void> {
    await this.producer.sendAll(
      topic,
      positions.map((position) => ({
        key: (position as { name?: string }).name ?? null,
        value: JSON.stringify(position),
        ...more,
      })),
    );
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Ends all streams and sockets, as at a shutdown. */
  drain(): void {
    this.hub.drain();
    this.#connections.drain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drain();
    await this.#server.shutdown();
    await this.#parts.disposeAsync();
  }
}

/** A position as a foreign producer may write it. */
export function position(name: string, lat: number, lon = 0): { name: string; lat: number; lon: number } {
  return { name, lat, lon };
}

/** A problem answer, checked for its form.
 * @returns its body */
export async function problem(response: Response, status: number, code: string) {
  const body = await response.json();
  const found = [response.status, response.headers.get("content-type"), body.status, body.code, body.type];
  const wanted = [status, "application/problem+json", status, code, `/problems/${code}`];
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`Expected the problem ${JSON.stringify(wanted)}: found ${JSON.stringify(body)}`);
  }
  return body;
}
