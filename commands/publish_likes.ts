/** `tailrace publish likes`: those of a file, or likes at random of the videos that are known, each record as `POST /videos/{id}/likes`
 * would write it.
 *
 * Left out: what a file may hold (like_lines.ts), what waits for Kafka (record_sender.ts).
 * @module */
import type { Config } from "../config.ts";
import { clickRecord } from "../kafka/clicks.ts";
import { createProducer } from "../kafka/producer.ts";
import { clicksTopicConfigs } from "../kafka/windows.ts";
import { settleSends } from "./last_sends.ts";
import { LikeLines } from "./like_lines.ts";
import { Progress } from "./progress.ts";
import { BadLines, describe, tell } from "./publish_report.ts";
import { RecordSender } from "./record_sender.ts";
import { type CommandRun, connectKafka, UsageError } from "./run.ts";
import { TextSource } from "./text_source.ts";
import { Schedule } from "./video_schedule.ts";

/** What to publish. */
export interface PublishLikesOptions {
  /** Where likes are read from, `-` is stdin; default: they are made up. */
  readonly file?: string;
  /** Ids of videos that are liked at random; none: those of VIDEOS. */
  readonly videos: readonly string[];
  /** Likes a minute; default: of a file as fast as Kafka takes them, else 60. */
  readonly rate?: number;
  /** Most of them. */
  readonly count: number;
}

const usualRate = 60, minuteSeconds = 60;

/** Publishes likes until they are through, or until `run.signal` aborts.
 * @throws {CommandError} a file that cannot be read or holds none, Kafka out of reach at the start, likes that may not be stored
 * @throws {UsageError} when no video is known */
export async function publishLikes(
  config: Config,
  options: PublishLikesOptions,
  run: CommandRun,
): Promise<void> {
  const { file } = options, topic = config.windows.clicksTopic, { log, signal } = run;
  const videos = options.videos.length > 0 ? options.videos : config.videos.map(({ id }) => id);
  if (file === undefined && videos.length === 0) {
    throw new UsageError("Cannot make up likes: found no videos, allowed: --video or VIDEOS");
  }
  await using opened = new AsyncDisposableStack();
  const source = file === undefined
    ? null
    : opened.use(await TextSource.open(file, { wanted: "lines of ids", signal }));
  const kafka = opened.use(await connectKafka(config, run));
  // For as long as Kafka is away the producer keeps what it was given: a window of it, see RecordSender.
  const producer = opened.use(createProducer(kafka, { log, timeoutMs: Infinity }));
  const sender = new RecordSender({ what: "likes", producer, log, signal });
  const bad = new BadLines(log), startedMs = performance.now();
  const rate = options.rate ?? (source ? null : usualRate);
  const sending = new Sending(topic, sender, {
    schedule: new Schedule({ fps: rate === null ? null : rate / minuteSeconds }),
    count: options.count,
    signal,
  });
  {
    using _progress = new Progress(run, (seconds) => describe("like", { sender, bad, seconds }));
    try {
      if (source) await sendFile(source, sending, bad);
      else while (await sending.next(videos[Math.floor(Math.random() * videos.length)]!, null));
    } finally {
      await settleSends(sender.settled(), producer, signal);
    }
  }
  const seconds = (performance.now() - startedMs) / 1000;
  tell("like", { sender, bad, topics: [topic], seconds, run });
}

async function sendFile(source: TextSource, sending: Sending, bad: BadLines): Promise<void> {
  const lines = new LikeLines();
  for await (const found of source.each((piece, isEnd) => lines.push(piece, isEnd))) {
    for (const one of found) {
      if ("reason" in one) bad.add(one);
      else if (!await sending.next(one.video, one.timeMs)) return;
    }
  }
}

/** When likes go out, and how many at most. */
interface Pace {
  readonly schedule: Schedule;
  readonly count: number;
  readonly signal: AbortSignal;
}

/** Likes one after the other, each when it is due. */
class Sending {
  readonly #topic: string;
  readonly #sender: RecordSender;
  readonly #pace: Pace;
  #sent = 0;

  constructor(topic: string, sender: RecordSender, pace: Pace) {
    this.#topic = topic;
    this.#sender = sender;
    this.#pace = pace;
  }

  /** Sends one.
   * @param timeMs ms since the epoch; null: when it is due
   * @returns whether there may be another one */
  async next(video: string, timeMs: number | null): Promise<boolean> {
    const { schedule, count, signal } = this.#pace;
    const dueMs = await schedule.due(this.#sent, signal);
    if (!this.#sender.hasRoom) await this.#sender.room();
    if (signal.aborted) return false;
    const options = { topicConfigs: clicksTopicConfigs };
    this.#sender.send(this.#topic, clickRecord(video, timeMs ?? dueMs), options);
    return ++this.#sent < count;
  }
}
