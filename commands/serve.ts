/** `tailrace serve`: the whole service. Opens the parts from left to right, as the data flows, and closes them from right to left.
 *
 * Shutdown (SIGTERM, SIGINT): no new requests, `bye` to streams, requests end, the producer is flushed, viewers' positions are
 * committed, the last histograms are published and their file is closed, counting in windows is left to others, the embedded broker
 * closes its files; all of it within DRAIN_TIMEOUT_MS. Left out: what the parts do.
 * @module */
import type { Config } from "../config.ts";
import about from "../deno.json" with { type: "json" };
import { Kafka } from "../kafka/client.ts";
import { type EmbeddedBroker, hostAndPort } from "../kafka/embedded.ts";
import { Hub } from "../kafka/hub.ts";
import { startHistograms } from "../kafka/processors/histograms.ts";
import type { Histograms } from "../kafka/processors/histogram_types.ts";
import { ProcessorThread, type ThreadOptions } from "../kafka/processors/thread.ts";
import type { Aggregations } from "../kafka/processors/windows/types.ts";
import { WindowView } from "../kafka/processors/windows/view.ts";
import { createProducer, type Producer } from "../kafka/producer.ts";
import { TopicViews } from "../kafka/topic_views.ts";
import { createMetrics, type Metrics } from "../metrics.ts";
import { createApp } from "../routes/app.ts";
import type { OperationsDeps } from "../routes/operations.ts";
import { Connections, Heartbeats } from "../routes/streams.ts";
import { ViewerPositions } from "../routes/viewer_positions.ts";
import { describeBroker, openBroker } from "./broker.ts";
import { startDemo } from "./demo.ts";
import { listenHttp, urlOf } from "./http.ts";
import { CommandError, type CommandRun } from "./run.ts";
import { featureTopics, makeTopicsInBackground } from "./topic_setup.ts";

/** How often the cluster is asked whether it is there, ms. */
const kafkaCheckMs = 5_000;

/** Runs the service until `run.signal` aborts.
 * @throws {CommandError} when a port is taken, the data folder is in use, or the embedded broker fails */
export async function serve(config: Config, run: CommandRun): Promise<void> {
  const metrics = createMetrics(about.version);
  await using broker = config.kafkaBrokers.length === 0 ? await openBroker(config, run, true) : undefined;
  const brokers = broker ? [hostAndPort(broker.host, broker.port)] : config.kafkaBrokers;
  if (broker) metrics.broker(() => broker.metrics());
  const { kafkaBrokers, kafkaSsl, kafkaSasl, kafkaClientId: clientId } = config;
  const way = broker
    ? { ...broker.own, ssl: null }
    : { brokers: kafkaBrokers, ssl: kafkaSsl, sasl: kafkaSasl };
  await using kafka = new Kafka({ ...way, clientId, log: run.log });
  await using hub = new Hub({ kafka, metrics, log: run.log });
  const onTopicCreated = (topic: string) => hub.topicCreated(topic);
  await using producer = createProducer(kafka, { log: run.log, onTopicCreated });
  await using topicViews = new TopicViews(kafka);
  await using positions = new ViewerPositions({ kafka, log: run.log });
  const thread = threadOptions(config, run, { ...way, clientId });
  await using histograms = openHistograms(config, thread);
  await using windows = openWindows(config, thread);
  metrics.measurements(() => whatIsCounted(histograms));
  const settings = config.windows;
  await using aggregations = new WindowView({ kafka, history: hub.history, settings, log: run.log });
  if (windows) metrics.windows(() => howLikesAreCounted(aggregations, windows));
  using heartbeats = new Heartbeats(config.heartbeatMs);
  const connections = new Connections();
  using watch = watchKafka(kafka, config.geoTopic, metrics);
  const draining = new AbortController();
  const app = createApp({
    config,
    log: run.log,
    metrics,
    hub,
    producer,
    topicViews,
    heartbeats,
    connections,
    positions,
    histograms,
    aggregations,
    checks: readinessChecks(config, { kafka, broker, histograms, windows, draining: draining.signal }),
    service: { version: about.version, kafka: { mode: broker ? "embedded" : "external", brokers } },
  });
  await watch.first;
  const server = listenHttp(config, (request, info) => app.fetch(request, { info }), run.log);
  announce(config, run, { url: urlOf(config, server), broker, brokers });
  const { signal } = draining;
  const topics = makeTopicsInBackground(kafka, featureTopics(config), {
    log: run.log,
    signal,
    onTopicCreated,
  });
  const demo = startDemoIf(config, run, { producer, signal });
  const failure = await ended(run.signal, broker);
  draining.abort();
  hub.drain();
  connections.drain();
  const processors = [histograms, windows];
  await close(config, run, { server, background: [demo, topics], producer, positions, processors });
  if (failure) throw new CommandError(`The embedded broker failed: ${failure.message}`, { cause: failure });
}

/** How each processor is run. */
function threadOptions(
  { logLevel, drainTimeoutMs }: Config,
  { log }: CommandRun,
  kafka: ThreadOptions["kafka"],
): ThreadOptions {
  return { kafka, log, logLevel, stopMs: drainTimeoutMs * 0.6 };
}

/** Begins to count measurements, in a thread of its own. */
function openHistograms(config: Config, thread: ThreadOptions): Histograms {
  return startHistograms({
    ...thread,
    specs: config.measurements,
    file: `${config.dataDir}/measurements.db`,
    retentionMs: config.measurementsRetentionMs,
    retentionBytes: config.measurementsRetentionBytes,
  });
}

/** Begins to count likes, in a thread of its own; null: nothing is to be counted. */
function openWindows({ windows }: Config, thread: ThreadOptions): ProcessorThread<"windows"> | null {
  return windows.sizes.length === 0 ? null : new ProcessorThread("windows", { settings: windows }, thread);
}

/** What has to be so for requests to be sent here: each check by its name. */
function readinessChecks(
  { geoTopic, measurements }: Config,
  { kafka, broker, histograms, windows, draining }: {
    kafka: Kafka;
    broker: EmbeddedBroker | undefined;
    histograms: Histograms;
    windows: ProcessorThread<"windows"> | null;
    draining: AbortSignal;
  },
): OperationsDeps["checks"] {
  return {
    kafka: async () => void await kafka.metadata([geoTopic]),
    ...(broker && { sqlite: () => broker.checkWritable() }),
    ...(measurements.length > 0 && { measurements: () => histograms.checkWritable() }),
    ...(windows && { windows: () => checkCounting(windows) }),
    // deno-lint-ignore require-await
    draining: async () => {
      if (draining.aborted) throw new Error("the service is shutting down");
    },
  };
}

/** @throws {Error} when likes are not counted until somebody does something about it */
async function checkCounting(windows: ProcessorThread<"windows">): Promise<void> {
  const { refusal } = await windows.ask("status");
  if (refusal !== null) throw new Error(refusal);
}

/** What is waited for at the end. */
interface Closing {
  readonly server: Deno.HttpServer;
  readonly background: readonly Promise<void>[];
  readonly producer: Producer;
  readonly positions: ViewerPositions;
  readonly processors: readonly (AsyncDisposable | null)[];
}

/** Lets requests end, writes what waits for Kafka, and lets the processors write their last, all of it in the time there is. */
async function close(config: Config, { log }: CommandRun, parts: Closing): Promise<void> {
  const { server, background, producer, positions, processors } = parts, timeoutMs = config.drainTimeoutMs;
  const closed = server.shutdown();
  // Who still asks for measurements gets some time, but not that of publishing the last histograms.
  const counted = within(timeoutMs * 0.2, closed).then(() =>
    Promise.all(processors.map((each) => each?.[Symbol.asyncDispose]()))
  );
  const drained = Promise.all([closed, ...background]).then(async () => {
    await Promise.all([producer.flush(), positions.flush(), counted]);
  });
  const inTime = await within(timeoutMs * 0.8, drained);
  if (!inTime) {
    log.warn("not drained in time, what waits for Kafka is given up", { timeoutMs });
    // Senders still get their answers; connections that stay open end with the process.
    await Promise.all([producer.abandon(), positions.abandon()]);
    await within(timeoutMs * 0.1, drained);
  }
  log.info("stopped", { drained: inTime });
}

function announce(
  config: Config,
  { out, log }: CommandRun,
  { url, broker, brokers }: { url: string; broker: EmbeddedBroker | undefined; brokers: readonly string[] },
): void {
  const kafka = broker ? describeBroker(config, broker) : `${brokers.join(",")} (external)`;
  out(`Tailrace ${about.version} at ${url}\nKafka at ${kafka}\n`);
  log.info("listening", { url, kafka: brokers, embedded: broker !== undefined });
}

async function startDemoIf(
  config: Config,
  { log }: CommandRun,
  { producer, signal }: { producer: Producer; signal: AbortSignal },
): Promise<void> {
  if (config.demo) await startDemo({ producer, config, log, signal });
}

/** Resolves when the service is told to stop, or with the error of a broker that stopped by itself. */
async function ended(signal: AbortSignal, broker: EmbeddedBroker | undefined): Promise<Error | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  if (signal.aborted) resolve(undefined);
  signal.addEventListener("abort", () => resolve(undefined), { once: true });
  return await Promise.race([promise, ...(broker ? [broker.failed] : [])]);
}

/** @returns whether `work` ended in time */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), ms);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Measurements that cannot be told now are left out. */
async function whatIsCounted(histograms: Histograms) {
  const asked = await Promise.allSettled(histograms.specs.map(({ name }) => histograms.now(name)));
  return asked.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
}

/** As everybody has counted them, and what this instance does for it. */
async function howLikesAreCounted(aggregations: Aggregations, windows: ProcessorThread<"windows">) {
  const own = await windows.ask("status").catch(() => null);
  return { ...aggregations.status(), sizes: aggregations.sizes, own };
}

/** Keeps the metric of Kafka's presence true; `first` resolves after the first answer or failure.
 * @param topic that is asked for, as asking for none means all of them */
function watchKafka(kafka: Kafka, topic: string, metrics: Metrics): Disposable & { first: Promise<void> } {
  const check = () => kafka.metadata([topic]).then(() => metrics.kafkaUp(true), () => metrics.kafkaUp(false));
  const timer = setInterval(check, kafkaCheckMs);
  return { first: check(), [Symbol.dispose]: () => clearInterval(timer) };
}
