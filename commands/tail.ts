/** `tailrace tail`: the records of a topic on stdout, from a place on, and on as they come.
 *
 * Reads Kafka directly, through the same hub as the service's viewers. Left out: how lines look (tail_sink.ts); offsets to begin at for single
 * partitions, for which there are ids.
 * @module */
import type { Config } from "../config.ts";
import about from "../deno.json" with { type: "json" };
import { parseCursor, type StartAt } from "../kafka/cursor.ts";
import type { Picker } from "../kafka/feed.ts";
import type { KafkaRecord } from "../kafka/fetch_response.ts";
import { Hub } from "../kafka/hub.ts";
import { readWhere } from "../kafka/record_filter.ts";
import type { RecordView } from "../kafka/record_view.ts";
import { isTopicName } from "../kafka/topics.ts";
import type { FollowOptions, Until } from "../kafka/viewer.ts";
import { createMetrics } from "../metrics.ts";
import { readTime } from "./flags.ts";
import { startOfLast } from "./last_records.ts";
import { abortable, CommandError, type CommandRun, connectKafka, UsageError } from "./run.ts";
import { type LineWriter, TailSink } from "./tail_sink.ts";

/** What to show of a topic, and how. */
export interface TailOptions {
  /** A place, or the number of the last records to begin with. */
  readonly from: StartAt | number;
  readonly until?: Until;
  /** Only records with one of these keys. */
  readonly keys: readonly string[];
  /** Conditions that all have to hold, as in `where=`. */
  readonly where: readonly string[];
  readonly json: boolean;
  /** Most records that are shown. */
  readonly limit?: number;
  readonly colour: boolean;
}

/** Most records that `--from -N` looks back for. */
const maxLast = 100_000;

/** Reads `--from`: a cursor, a time as in ISO 8601, or `-N`.
 * @throws {UsageError} */
export function readFrom(text: string): StartAt | number {
  const last = /^-(\d{1,6})$/.exec(text);
  if (last && Number(last[1]) <= maxLast) return Number(last[1]);
  const ms = readTime(text);
  if (ms !== null) return { kind: "time", ms };
  try {
    return parseCursor(text);
  } catch {
    throw new UsageError(
      `Cannot use --from: found ${quote(text)}, ` +
        `allowed: latest, earliest, t.<ms>, a time such as 2026-01-31T12:00Z, -N with N up to ${maxLast}, or an id`,
    );
  }
}

/** Reads `--until`: the end as it is now, or a time.
 * @throws {UsageError} */
export function readUntil(text: string): Until {
  if (text === "latest") return { kind: "latest" };
  const ms = readTime(text) ?? Number(/^t\.(\d{1,15})$/.exec(text)?.[1] ?? NaN);
  if (!Number.isNaN(ms)) return { kind: "time", ms };
  throw new UsageError(
    `Cannot use --until: found ${quote(text)}, allowed: latest, t.<ms>, or a time such as 2026-01-31T12:00Z`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** Shows records until `--until` or `--limit` is reached, nobody reads stdout any more, or `run.signal` aborts.
 * @throws {CommandError} when the topic does not exist, or Kafka is out of reach at the start */
export async function tail(
  config: Config,
  topic: string,
  options: TailOptions,
  run: CommandRun,
  out: LineWriter = Deno.stdout,
): Promise<void> {
  if (!isTopicName(topic)) {
    throw new UsageError(
      `Cannot follow topic: found ${quote(topic)}, allowed: 1 to 249 of a-z A-Z 0-9 . _ -`,
    );
  }
  const pick = readPick(options);
  await using kafka = await connectKafka(config, run);
  const { topics: [found] } = await abortable(kafka.metadata([topic]), run.signal);
  if (!found || found.error) throw unknownTopic(topic, found?.error ?? null);
  await using hub = new Hub({ kafka, metrics: createMetrics(about.version), log: run.log });
  const { json, colour, limit = Infinity, until, from } = options;
  const start = typeof from === "number"
    ? await abortable(startOfLast(hub.history, topic, from), run.signal)
    : from;
  const sink = new TailSink(out, { json, colour, limit }, run.log);
  const follow: FollowOptions<RecordView> = {
    feed: sink.feed,
    sink,
    start,
    topicMustExist: true,
    ...(until && { until }),
    ...(pick && { pick }),
  };
  const viewer = sink.viewer = hub.follow(topic, follow);
  const end = await abortable(sink.ended, run.signal).finally(() => viewer.close());
  if (end === "unknown-topic") throw unknownTopic(topic, "UNKNOWN_TOPIC_OR_PARTITION");
  if (end === "failed") throw new CommandError(`Cannot follow ${topic} any further: the log above says why`);
}

function unknownTopic(topic: string, error: string | null): CommandError {
  const reason = error === "UNKNOWN_TOPIC_OR_PARTITION" || error === null
    ? "it does not exist"
    : `Kafka answered ${error}`;
  return new CommandError(`Cannot follow ${topic}: ${reason}`);
}

/** @throws {UsageError} for a condition that is none */
function readPick({ keys, where }: TailOptions): Picker<RecordView> | undefined {
  const hasKey = new Set(keys), decoder = new TextDecoder();
  let holds: Picker<RecordView> | undefined;
  try {
    holds = readWhere(where);
  } catch (error) {
    throw new UsageError((error as Error).message.replace("where=", "--where "));
  }
  if (hasKey.size === 0) return holds;
  const keyed = ({ key }: KafkaRecord) => key !== null && hasKey.has(decoder.decode(key));
  return (view, record) => keyed(record) && (holds?.(view, record) ?? true);
}
