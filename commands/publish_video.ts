/** `tailrace publish video FILE|FOLDER|-|URL`: the frames of a video as records, at the pace of the video, as `POST
 * /video/{topic}/frames` would write them.
 *
 * Frame n bears the time at which it is due, so the times in the topic are as even as those of the video, also where sending was
 * late. Left out: what can be read (video_source.ts), pace (video_schedule.ts), what waits for Kafka (video_sender.ts).
 * @module */
import type { Config } from "../config.ts";
import { createProducer } from "../kafka/producer.ts";
import { videoTopicConfigs } from "../kafka/topics.ts";
import { settleSends } from "./last_sends.ts";
import { Progress } from "./progress.ts";
import { abortable, CommandError, type CommandRun, connectKafka, UsageError } from "./run.ts";
import type { Video } from "./video.ts";
import { readPlace, type VideoPlace } from "./video_place.ts";
import { Schedule } from "./video_schedule.ts";
import { VideoSender } from "./video_sender.ts";
import { openVideo } from "./video_source.ts";

/** How to publish a video. */
export interface PublishVideoOptions {
  /** Frames a second, 2–31 for the JPEGs that ffmpeg makes: see VideoOptions. */
  readonly fps?: number;
  readonly quality?: number;
  readonly loop: boolean;
  /** When the first frame is due, ms since the epoch; default: now. */
  readonly startMs?: number;
  /** The stream's name; default: the topic's. */
  readonly name?: string;
  /** What the records say of where they come from; default: the file's name, or the URL without its password. */
  readonly source?: string;
  /** What `-` reads; default stdin. */
  readonly stdin?: ReadableStream<Uint8Array>;
}

/** Longest text that tells a frame's source. */
export const maxSourceLength = 200;

/** Publishes a video until it is through, or until `run.signal` aborts.
 * @throws {CommandError} a video that cannot be read or not to its end, Kafka out of reach at the start, nothing to publish
 * @throws {UsageError} options that make no sense for this video */
export async function publishVideo(
  config: Config,
  text: string,
  options: PublishVideoOptions,
  run: CommandRun,
): Promise<void> {
  const place = readPlace(text);
  refuseFor(place, options);
  const open = () => abortable(openVideo(place, { ...options, signal: run.signal }), run.signal);
  await using opened = new AsyncDisposableStack();
  const first = opened.use(await open());
  const kafka = opened.use(await connectKafka(config, run));
  // For as long as Kafka is away the producer keeps what it was given: a window of it, see VideoSender.
  const producer = opened.use(createProducer(kafka, { log: run.log, timeoutMs: Infinity }));
  const sender = new VideoSender({
    producer,
    topic: config.videoTopic,
    name: options.name ?? config.videoTopic,
    source: (options.source ?? place.source).slice(0, maxSourceLength),
    maxFrameBytes: config.maxFrameBytes,
    topicConfigs: videoTopicConfigs(config),
    isLive: place.kind === "live",
    log: run.log,
    signal: run.signal,
  });
  warnOfRetention(config, options, run);
  const startedMs = performance.now();
  {
    using _progress = new Progress(run, (seconds) => describe(sender, seconds));
    try {
      await playOut({ first, open, options, sender, signal: run.signal });
    } catch (error) {
      // A video that is broken off says so.
      if (!run.signal.aborted) throw error;
    } finally {
      await settleSends(sender.settled(), producer, run.signal);
    }
  }
  tell(sender, (performance.now() - startedMs) / 1000, config, run);
}

/** @throws {UsageError} */
function refuseFor({ kind, shown }: VideoPlace, { loop, startMs }: PublishVideoOptions): void {
  const isOnce = kind === "stdin" || kind === "live";
  const refuse = (flag: string) =>
    new UsageError(`Cannot use ${flag}: found ${shown}, allowed: with a file or a folder`);
  if (isOnce && loop) throw refuse("--loop");
  if (kind === "live" && startMs !== undefined) throw refuse("--start");
}

function warnOfRetention(
  { videoRetentionMs, videoTopic }: Config,
  { startMs }: PublishVideoOptions,
  { log }: CommandRun,
): void {
  if (startMs === undefined || videoRetentionMs < 0 || Date.now() - startMs <= videoRetentionMs) return;
  log.warn("frames before this time do not stay", {
    topic: videoTopic,
    before: new Date(Date.now() - videoRetentionMs).toISOString(),
    retentionMs: videoRetentionMs,
  });
}

/** Sends the frames when they are due: once, or in rounds that follow each other without a gap. */
async function playOut({ first, open, options, sender, signal }: {
  readonly first: Video;
  readonly open: () => Promise<Video>;
  readonly options: PublishVideoOptions;
  readonly sender: VideoSender;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { startMs, loop } = options;
  const schedule = new Schedule({ fps: first.fps, ...(startMs === undefined ? {} : { startMs }) });
  let begin = 0;
  for (let video = first;; video = await open()) {
    await using _round = video;
    let end = begin;
    for await (const { index, jpeg } of video.frames()) {
      const atMs = await schedule.due(begin + index, signal);
      if (signal.aborted) return;
      await sender.send(jpeg, atMs);
      end = begin + index + 1;
    }
    if (!loop || signal.aborted || end === begin) return;
    begin = end;
  }
}

function describe(sender: VideoSender, seconds: number): string {
  const { stored, tooLarge, noJpegs, dropped, isAway } = sender;
  return [
    count(stored.frames, "frame"),
    `${(stored.frames / seconds).toFixed(1)} fps`,
    megabytes(stored.bytes),
    `${seconds.toFixed(1)} s`,
    ...(tooLarge.frames > 0 ? [`${tooLarge.frames} too large`] : []),
    ...(noJpegs.frames > 0 ? [`${noJpegs.frames} no JPEG`] : []),
    ...(dropped > 0 ? [`${dropped} dropped`] : []),
    ...(isAway ? ["waits for Kafka"] : []),
  ].join(" · ");
}

/** Says what was published and what was not.
 * @throws {CommandError} when that was nothing, or when nobody knows */
function tell(sender: VideoSender, seconds: number, config: Config, { out, signal }: CommandRun): void {
  const { stored, tooLarge, noJpegs, dropped, unknown } = sender;
  const { videoTopic: topic, maxFrameBytes } = config;
  const leftOut = [
    ...(tooLarge.frames > 0
      ? [
        `${count(tooLarge.frames, "frame")} above ${maxFrameBytes} bytes (MAX_FRAME_BYTES), ` +
        `the largest of ${tooLarge.largest}`,
      ]
      : []),
    ...(noJpegs.frames > 0 ? [`${count(noJpegs.frames, "frame")} without a JPEG: ${noJpegs.reason}`] : []),
    ...(dropped > 0 ? [`${count(dropped, "frame")} while Kafka was away`] : []),
  ];
  const without = leftOut.length > 0 ? `; left out: ${leftOut.join("; ")}` : "";
  if (stored.frames === 0 && unknown === 0 && !signal.aborted) {
    throw new CommandError(`Nothing was published to ${topic}${without || ": found no frames"}`);
  }
  const published = `${count(stored.frames, "frame")}, ${megabytes(stored.bytes)}`;
  out(`Published ${published} to topic ${topic} in ${seconds.toFixed(1)} s${without}\n`);
  if (unknown > 0) {
    throw new CommandError(`${count(unknown, "frame")} may not be stored: Kafka did not answer`);
  }
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
