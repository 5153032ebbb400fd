/** What the service counts and times, in Prometheus form.
 *
 * Each `Metrics` has a registry of its own, so that tests do not share one. Names begin with `tailrace_` and
 * end in their base unit; labels have few values: topics past the first hundred are counted as `other`. Left
 * out: the numbers of each viewer, and push to a gateway.
 * @see {@link https://prometheus.io/docs/practices/naming/}
 * @module */
import process from "node:process";
import { addBrokerMetrics } from "./broker_metrics.ts";
import type { BrokerMetrics } from "./kafka/broker/mod.ts";
import type { HistogramNow } from "./kafka/processors/histogram_types.ts";
import { addMeasurementMetrics } from "./measurement_metrics.ts";
import { Counter, Gauge, Histogram, Reading, Registry } from "./prometheus.ts";
import { addWindowMetrics, type WindowsNow } from "./window_metrics.ts";

export type Transport = "sse" | "websocket" | "mjpeg";
export type PostOutcome = "acknowledged" | "invalid" | "failed";
export type ResumeOutcome = "fresh" | "exact" | "gap" | "reset";

/** The few numbers of the start page. */
export interface MetricsSnapshot {
  readonly uptimeSeconds: number;
  readonly kafkaUp: boolean;
  /** Positions acknowledged by Kafka since the start. */
  readonly posts: number;
  /** Records sent to viewers since the start. */
  readonly deliveries: number;
  readonly viewers: Readonly<Record<Transport, number>>;
}

/** Where the parts of the service report. Durations are in seconds. None of these throws. */
export interface Metrics {
  readonly registry: Registry;
  /** @param route the route's pattern (`/producer/:topic`), never the path that was asked for */
  httpRequest(method: string, route: string, status: number, seconds: number): void;
  /** `n` positions that came in. */
  posts(topic: string, outcome: PostOutcome, n: number): void;
  /** From a request's body read to Kafka's acknowledgement. */
  postSeconds(seconds: number): void;
  /** `n` records written to a socket. */
  deliveries(transport: Transport, n: number): void;
  /** From a record's timestamp to its write to a socket. */
  deliverySeconds(seconds: number): void;
  viewers(transport: Transport, delta: 1 | -1): void;
  resumes(outcome: ResumeOutcome): void;
  /** A viewer was told that it missed `skipped` records. */
  gaps(reason: "retention" | "policy" | "unreadable", skipped: number): void;
  /** A record that is no record of its topic's schema was passed over. */
  undecodable(topic: string): void;
  kafkaUp(up: boolean): void;
  /** Adds the embedded broker's metrics, read at each scrape. */
  broker(snapshot: () => Promise<BrokerMetrics>): void;
  /** Adds those of the measurements that are counted, read at each scrape. */
  measurements(snapshot: () => Promise<readonly HistogramNow[]>): void;
  /** Adds those of clicks and their windows, read at each scrape. */
  windows(snapshot: () => Promise<WindowsNow>): void;
  /** The exposition; of what does not answer the last numbers stay. */
  text(): Promise<string>;
  snapshot(): Promise<MetricsSnapshot>;
}

/** What a broker without the service around it counts and times. */
export type BrokerOnlyMetrics = Pick<
  Metrics,
  "registry" | "httpRequest" | "broker" | "measurements" | "windows" | "text"
>;

const maxTopics = 100;
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const deliveryBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 3600];

/** Makes an empty set of metrics.
 * @param version of the program, for `tailrace_build_info` */
export function createMetrics(version: string): Metrics {
  const common = createBrokerMetrics(version);
  const m = serviceMetrics(common.registry);
  const topicLabel = boundedLabel(maxTopics);
  const startedMs = Date.now();
  return {
    ...common,
    posts: (topic, outcome, n) => m.posts.inc({ topic: topicLabel(topic), outcome }, n),
    postSeconds: (seconds) => m.postSeconds.observe({}, seconds),
    deliveries: (transport, n) => m.deliveries.inc({ transport }, n),
    deliverySeconds: (seconds) => m.deliverySeconds.observe({}, Math.max(0, seconds)),
    viewers: (transport, delta) => m.viewers.inc({ transport }, delta),
    resumes: (outcome) => m.resumes.inc({ outcome }),
    gaps(reason, skipped) {
      m.gaps.inc({ reason });
      m.skipped.inc({ reason }, skipped);
    },
    undecodable: (topic) => m.undecodable.inc({ topic: topicLabel(topic) }),
    kafkaUp: (up) => m.kafkaUp.set({}, up ? 1 : 0),
    snapshot() {
      return Promise.resolve({
        uptimeSeconds: (Date.now() - startedMs) / 1000,
        kafkaUp: m.kafkaUp.sum() === 1,
        posts: m.posts.sum({ outcome: "acknowledged" }),
        deliveries: m.deliveries.sum(),
        viewers: {
          sse: m.viewers.sum({ transport: "sse" }),
          websocket: m.viewers.sum({ transport: "websocket" }),
          mjpeg: m.viewers.sum({ transport: "mjpeg" }),
        },
      });
    },
  };
}

/** The part of them that there is without the service: the process, HTTP, the broker.
 * @param version of the program, for `tailrace_build_info` */
export function createBrokerMetrics(version: string): BrokerOnlyMetrics {
  const registry = new Registry();
  const m = httpMetrics(registry);
  addProcessMetrics(registry, version);
  const reads: (() => Promise<void>)[] = [];
  const read = <T>(snapshot: () => Promise<T>, show: (found: T) => void) =>
    void reads.push(async () => show(await snapshot()));
  return {
    registry,
    httpRequest(method, route, status, seconds) {
      const labels = { method: methods.has(method) ? method : "other", route };
      m.requests.inc({ ...labels, status });
      m.requestSeconds.observe(labels, seconds);
    },
    broker: (snapshot) => read(snapshot, addBrokerMetrics(registry)),
    measurements: (snapshot) => read(snapshot, addMeasurementMetrics(registry)),
    windows: (snapshot) => read(snapshot, addWindowMetrics(registry)),
    async text() {
      // A part that is gone must not take the metrics of others with it.
      await Promise.allSettled(reads.map((one) => one()));
      return registry.text();
    },
  };
}

function httpMetrics(registry: Registry) {
  return {
    requests: registry.add(
      new Counter("tailrace_http_requests_total", "HTTP requests answered", ["method", "route", "status"]),
    ),
    requestSeconds: registry.add(
      new Histogram(
        "tailrace_http_request_duration_seconds",
        "Time from a request to the start of its answer",
        requestBuckets,
        ["method", "route"],
      ),
    ),
  };
}

function serviceMetrics(registry: Registry) {
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    registry.add(new Counter<L>(`tailrace_${name}`, help, labelNames));
  const histogram = <L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    registry.add(new Histogram<L>(`tailrace_${name}`, help, buckets, labelNames));
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    registry.add(new Gauge<L>(`tailrace_${name}`, help, labelNames));
  const metrics = {
    posts: counter("posts_total", "Positions posted, by what became of them", "topic", "outcome"),
    postSeconds: histogram(
      "post_duration_seconds",
      "Time from a post to Kafka's acknowledgement",
      requestBuckets,
    ),
    deliveries: counter("deliveries_total", "Records written to viewers", "transport"),
    deliverySeconds: histogram(
      "delivery_delay_seconds",
      "Time from a record's timestamp to its write to a viewer",
      deliveryBuckets,
    ),
    viewers: gauge("viewers", "Open streams", "transport"),
    resumes: counter("resumes_total", "Streams begun, by how they found their place", "outcome"),
    gaps: counter("gaps_total", "Times that a viewer was told of missing records", "reason"),
    skipped: counter("skipped_records_total", "Records that viewers were told they missed", "reason"),
    undecodable: counter("undecodable_records_total", "Records passed over as they fit no schema", "topic"),
    kafkaUp: gauge("kafka_up", "1 while Kafka answers"),
  };
  // A series that is there from the start can be alerted on before it is first counted.
  for (const transport of ["sse", "websocket", "mjpeg"]) {
    metrics.viewers.set({ transport }, 0);
    metrics.deliveries.inc({ transport }, 0);
  }
  for (const outcome of ["fresh", "exact", "gap", "reset"]) metrics.resumes.inc({ outcome }, 0);
  for (const reason of ["retention", "policy", "unreadable"]) {
    metrics.gaps.inc({ reason }, 0);
    metrics.skipped.inc({ reason }, 0);
  }
  return metrics;
}

/** The conventional names, so that existing dashboards work. */
function addProcessMetrics(registry: Registry, version: string): void {
  const build = new Gauge("tailrace_build_info", "1; the labels say what runs", ["version", "deno"]);
  registry.add(build).set({ version, deno: Deno.version.deno }, 1);
  const memory = () => Deno.memoryUsage().rss;
  const cpu = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  const startedSeconds = performance.timeOrigin / 1000;
  registry.add(
    new Reading("gauge", "process_resident_memory_bytes", "Resident memory size in bytes", memory),
  );
  registry.add(
    new Reading(
      "counter",
      "process_cpu_seconds_total",
      "Total user and system CPU time spent in seconds",
      cpu,
    ),
  );
  registry.add(
    new Reading(
      "gauge",
      "process_start_time_seconds",
      "Start time of the process since the epoch in seconds",
      () => startedSeconds,
    ),
  );
}

/** Lets the first `max` values through and calls the rest `other`, as each value is a series that is kept for
 * ever. */
function boundedLabel(max: number): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= max) return "other";
    seen.add(value);
    return value;
  };
}
