/** `tailrace plot`: the histogram of a measurement in the terminal, live, as it is published to `hist_<measurement>`.
 *
 * Reads Kafka directly, through the same hub as the service's viewers. On a terminal each picture takes the place of the one before, in the
 * size that the window has then; elsewhere there is a picture a second at most, while there are new ones. Left out: how it is drawn
 * (plot_chart.ts), what a terminal is told (plot_screen.ts).
 * @module */
import type { Config } from "../config.ts";
import about from "../deno.json" with { type: "json" };
import type { Kafka } from "../kafka/client.ts";
import { Hub } from "../kafka/hub.ts";
import { histTopicOf, isMeasurementName } from "../kafka/measurements.ts";
import { pause } from "../kafka/pause.ts";
import { silentLogger } from "../logger.ts";
import { createMetrics } from "../metrics.ts";
import { startOfLast } from "./last_records.ts";
import { drawPlot } from "./plot_chart.ts";
import { Pictures, type Screen } from "./plot_screen.ts";
import { NewestHistogram } from "./plot_sink.ts";
import { abortable, CommandError, type CommandRun, connectKafka, UsageError } from "./run.ts";

/** How to show it. */
export interface PlotOptions {
  /** The newest, and that is all. */
  readonly once: boolean;
  readonly colour: boolean;
  readonly ascii: boolean;
}

/** Between two pictures, ms: on a terminal, and elsewhere. */
const pictureMs = 50, plainPictureMs = 1_000;
/** Records that are looked back for: other programs may write some that are no histograms. */
const lookBack = 20;

/** Shows the histogram until nobody reads stdout any more, or `run.signal` aborts; with `once`, the newest there is.
 * @throws {UsageError} a name that cannot be a measurement's
 * @throws {CommandError} when there is none, or Kafka is out of reach at the start */
export async function plot(
  config: Config,
  measurement: string,
  options: PlotOptions,
  run: CommandRun,
  screen: Screen,
): Promise<void> {
  if (!isMeasurementName(measurement)) {
    const found = JSON.stringify(measurement.slice(0, 80));
    throw new UsageError(`Cannot plot: found ${found}, allowed: the name of a measurement`);
  }
  const topic = histTopicOf(measurement), { once } = options;
  await using kafka = await connectKafka(config, run);
  const isThere = await exists(kafka, topic, run.signal);
  if (!isThere && (once || !config.measurements.some(({ name }) => name === measurement))) {
    const known = config.measurements.map(({ name }) => name).join(", ") || "none";
    throw new CommandError(`Cannot plot ${measurement}: found no topic ${topic}, measurements: ${known}`);
  }
  // A line of the log would go through the picture.
  const log = screen.isTerminal && !once ? silentLogger : run.log;
  await using hub = new Hub({ kafka, metrics: createMetrics(about.version), log });
  const start = isThere
    ? await abortable(startOfLast(hub.history, topic, lookBack), run.signal)
    : { kind: "latest" } as const;
  const newest = new NewestHistogram(log);
  const stopWaiting = () => newest.changed();
  run.signal.addEventListener("abort", stopWaiting);
  const viewer = hub.follow(topic, {
    feed: newest.feed,
    sink: newest,
    start,
    ...(once ? { until: { kind: "latest" } } : { policy: "latest" }),
  });
  const picture = { measurement, topic, newest, options, screen };
  try {
    if (once) await showOnce(picture, run.signal);
    else await showLive(picture, run.signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // as in `tailrace plot t | head`
  } finally {
    viewer.close();
    run.signal.removeEventListener("abort", stopWaiting);
  }
}

/** @throws {CommandError} when Kafka does not say it */
async function exists(kafka: Kafka, topic: string, signal: AbortSignal): Promise<boolean> {
  const { topics: [found] } = await abortable(kafka.metadata([topic]), signal);
  if (found?.error === "UNKNOWN_TOPIC_OR_PARTITION") return false;
  if (!found || found.error === "TOPIC_AUTHORIZATION_FAILED") {
    throw new CommandError(`Cannot follow ${topic}: Kafka answered ${found?.error}`);
  }
  return true;
}

/** What there is to be shown, and where. */
interface Picture {
  readonly measurement: string;
  readonly topic: string;
  readonly newest: NewestHistogram;
  readonly options: PlotOptions;
  readonly screen: Screen;
}

async function showOnce(picture: Picture, signal: AbortSignal): Promise<void> {
  const { measurement, topic, newest, screen } = picture;
  while (!newest.ended && !signal.aborted) await newest.change;
  if (signal.aborted) return;
  if (!newest.histogram) throw new CommandError(`Cannot plot ${measurement}: found no histogram in ${topic}`);
  await screen.write(`${draw(picture).join("\n")}\n`);
}

async function showLive(picture: Picture, signal: AbortSignal): Promise<void> {
  const { topic, newest, screen } = picture;
  await using pictures = new Pictures(screen);
  using _resizing = screen.onResize(() => newest.changed());
  for (let shown = newest.histogram; !signal.aborted;) {
    const { change, histogram } = newest;
    if (screen.isTerminal) await pictures.show(draw(picture));
    else if (histogram !== shown) await screen.write(`${draw(picture).join("\n")}\n\n`);
    shown = histogram;
    if (newest.ended) throw new CommandError(`Cannot follow ${topic} any further`);
    await pause(screen.isTerminal ? pictureMs : plainPictureMs, signal);
    if (!signal.aborted) await change;
  }
}

function draw({ measurement, topic, newest, options, screen }: Picture): string[] {
  const { columns, lines } = screen.size(), { histogram, isAway } = newest;
  const state = isAway
    ? "Kafka is away"
    : histogram
    ? `live, ${topic} ${histogram.partition}:${histogram.offset}`
    : `waits for the first histogram in ${topic}`;
  const isLive = screen.isTerminal && !options.once;
  const status = isLive ? `${state}${options.ascii ? " | " : " · "}Ctrl-C ends` : null;
  // Elsewhere a line is left for the prompt, or between two pictures.
  const style = { ...options, columns, lines: isLive ? lines : lines - 1 };
  return drawPlot({ measurement, histogram, status, isTrouble: isAway }, style);
}
