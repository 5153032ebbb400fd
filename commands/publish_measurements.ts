/** `tailrace publish measurements`: those of a CSV file, or made-up ones, one a second in turn over MEASUREMENTS, each record as
 * `POST /histograms/{m}/measurements` would write it.
 *
 * Left out: what a file may hold (measurement_csv.ts), what waits for Kafka (record_sender.ts), what is told at the end (publish_report.ts).
 * @module */
import type { Config } from "../config.ts";
import {
  histTopicOf,
  isMeasurementName,
  measurementRecord,
  type MeasurementSpec,
} from "../kafka/measurements.ts";
import { createProducer } from "../kafka/producer.ts";
import type { Logger } from "../logger.ts";
import { settleSends } from "./last_sends.ts";
import { type CsvColumns, MeasurementCsv } from "./measurement_csv.ts";
import { anyValue } from "./measurement_values.ts";
import { OwnTimes } from "./own_times.ts";
import { Progress } from "./progress.ts";
import { BadLines, describe, tell } from "./publish_report.ts";
import { RecordSender } from "./record_sender.ts";
import { type CommandRun, connectKafka, UsageError } from "./run.ts";
import { nameOf, TextSource } from "./text_source.ts";
import { Schedule } from "./video_schedule.ts";

/** What to publish. */
export interface PublishMeasurementsOptions {
  /** What is published; default: made-up measurements. */
  readonly csv?: CsvSource;
  /** The only measurement; with a file it has to be said. Default: all of them in turn. */
  readonly measurement?: string;
  /** Between two that are made up. */
  readonly intervalMs: number;
  /** Most of them. */
  readonly count: number;
}

/** A CSV file, and how fast it goes out. */
export interface CsvSource {
  /** `-` is stdin. */
  readonly file: string;
  readonly columns: CsvColumns;
  /** So many times as fast as its own times; default: as fast as Kafka takes it. */
  readonly speed?: number;
}

/** Publishes measurements until they are through, or until `run.signal` aborts.
 * @throws {CommandError} a file that cannot be read or holds none, Kafka out of reach at the start, measurements that may not be stored
 * @throws {UsageError} a measurement that cannot be published */
export async function publishMeasurements(
  config: Config,
  options: PublishMeasurementsOptions,
  run: CommandRun,
): Promise<void> {
  const { csv, measurement } = options;
  const specs = csv ? [] : specsOf(config, measurement);
  const topics = csv ? [topicOfCsv(config, measurement, run.log)] : specs.map(({ name }) => name);
  await using opened = new AsyncDisposableStack();
  const source = csv &&
    opened.use(await TextSource.open(csv.file, { wanted: "a CSV file", signal: run.signal }));
  const kafka = opened.use(await connectKafka(config, run));
  // For as long as Kafka is away the producer keeps what it was given: a window of it, see RecordSender.
  const producer = opened.use(createProducer(kafka, { log: run.log, timeoutMs: Infinity }));
  const sender = new RecordSender({ what: "measurements", producer, log: run.log, signal: run.signal });
  const bad = new BadLines(run.log);
  const startedMs = performance.now();
  {
    using _progress = new Progress(run, (seconds) => describe("measurement", { sender, bad, seconds }));
    try {
      const sending = { ...options, sender, bad, signal: run.signal };
      if (csv && source) await sendFile(source, topics[0]!, { ...sending, csv });
      else await sendMadeUp(specs, sending);
    } finally {
      await settleSends(sender.settled(), producer, run.signal);
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  tell("measurement", { sender, bad, topics, seconds, run });
}

/** Whose values are made up.
 * @throws {UsageError} */
function specsOf({ measurements }: Config, wanted: string | undefined): readonly MeasurementSpec[] {
  const specs = wanted === undefined ? measurements : measurements.filter(({ name }) => name === wanted);
  if (specs.length > 0) return specs;
  const found = wanted === undefined ? "none" : JSON.stringify(wanted);
  const known = measurements.map(({ name }) => name).join(", ") || "none";
  throw new UsageError(
    `Cannot make up measurements: found ${found}, allowed: one of MEASUREMENTS (${known})`,
  );
}

/** @throws {UsageError} when the topic is not one of measurements */
function topicOfCsv(config: Config, name: string | undefined, log: Logger): string {
  const { measurements, geoTopic, videoTopic } = config;
  const isTaken = name === geoTopic || name === videoTopic ||
    measurements.some((spec) => histTopicOf(spec.name) === name);
  if (name === undefined || isTaken || !isMeasurementName(name)) {
    const found = name === undefined ? "none" : JSON.stringify(name);
    throw new UsageError(`Cannot use --measurement: found ${found}, allowed: the name of a measurement`);
  }
  if (!measurements.some((spec) => spec.name === name)) {
    const known = measurements.map((spec) => spec.name).join(",");
    log.warn("measurement is counted only where MEASUREMENTS has it", { measurement: name, known });
  }
  return name;
}

interface Sending {
  readonly sender: RecordSender;
  readonly count: number;
  readonly signal: AbortSignal;
}

async function sendFile(
  source: TextSource,
  topic: string,
  { sender, bad, count, signal, csv }: Sending & { readonly bad: BadLines; readonly csv: CsvSource },
): Promise<void> {
  const { file, columns, speed } = csv, lines = new MeasurementCsv(nameOf(file), columns);
  const pace = speed === undefined ? null : new OwnTimes(speed);
  let left = count;
  for await (const found of source.each((piece, isEnd) => lines.push(piece, isEnd))) {
    for (const one of found) {
      if ("reason" in one) {
        bad.add(one);
        continue;
      }
      if (pace) await pace.due(one.timeMs, signal);
      if (!sender.hasRoom) await sender.room();
      if (signal.aborted) return;
      sender.send(topic, measurementRecord(one.measurement, one.timeMs));
      if (--left === 0) return;
    }
  }
}

async function sendMadeUp(
  specs: readonly MeasurementSpec[],
  { sender, count, signal, intervalMs }: Sending & { readonly intervalMs: number },
): Promise<void> {
  const schedule = new Schedule({ fps: intervalMs === 0 ? null : 1000 / intervalMs });
  for (let n = 0; n < count; n++) {
    const atMs = await schedule.due(n, signal);
    if (!sender.hasRoom) await sender.room();
    if (signal.aborted) return;
    const spec = specs[n % specs.length]!;
    sender.send(spec.name, measurementRecord(anyValue(spec, Math.random), atMs));
  }
}
