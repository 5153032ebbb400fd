/** The demo producers, each for as long as the demo runs: inside the service (`serve --demo`), or on their own against any Kafka
 * (`tailrace demo`). Left out: what each of them sends (demo_geo.ts, demo_likes.ts, demo_measurements.ts, demo_video.ts).
 * @module */
import type { Config } from "../config.ts";
import { createProducer, type Producer } from "../kafka/producer.ts";
import type { Logger } from "../logger.ts";
import { type Clock, systemClock } from "./clock.ts";
import { driveVehicles } from "./demo_geo.ts";
import { likeVideos } from "./demo_likes.ts";
import { measure } from "./demo_measurements.ts";
import { playClip } from "./demo_video.ts";
import { type CommandRun, connectKafka } from "./run.ts";

/** What the demo needs. */
export interface DemoOptions {
  readonly producer: Pick<Producer, "send">;
  /** Names the topics. */
  readonly config: Pick<
    Config,
    | "geoTopic"
    | "videoTopic"
    | "videoRetentionMs"
    | "videoRetentionBytes"
    | "maxFrameBytes"
    | "measurements"
    | "windows"
    | "videos"
  >;
  readonly log: Logger;
  /** Ends the demo. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Sends records at its own pace until the signal aborts; resolves when the last ones have an outcome. Never rejects for Kafka's sake,
 * and lets nothing pile up while Kafka is away. */
export type DemoProducer = (options: Required<DemoOptions>) => Promise<void>;

const demoProducers: readonly DemoProducer[] = [
  driveVehicles,
  playClip,
  (options) => measure(options),
  (options) => likeVideos(options),
];

/** Runs all of them until `signal` aborts. */
export async function startDemo(options: DemoOptions): Promise<void> {
  await Promise.all(demoProducers.map((produce) => produce({ clock: systemClock, ...options })));
}

/** `tailrace demo`: the demo against any Kafka, until `run.signal` aborts. */
export async function demo(config: Config, run: CommandRun): Promise<void> {
  await using kafka = await connectKafka(config, run);
  await using producer = createProducer(kafka, { log: run.log });
  const { geoTopic, videoTopic, measurements, windows, videos } = config;
  const what = [
    `Vehicles drive in topic ${geoTopic}`,
    `a clip plays in topic ${videoTopic}`,
    ...(measurements.length === 0
      ? []
      : [`measurements are in ${measurements.map(({ name }) => name).join(" ")}`]),
    ...(windows.sizes.length === 0 || videos.length === 0 ? [] : [`likes are in ${windows.clicksTopic}`]),
  ];
  run.out(`${what.join(", ")}; end with Ctrl-C\n`);
  await startDemo({ producer, config, log: run.log, signal: run.signal });
}
