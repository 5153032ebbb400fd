/** Windows over clicks: how long they are, the names of their topics, what is published of one.
 *
 *     CLICKS_TOPIC → folded per input partition → …-by-id → counted per id → the topics of finished windows
 *
 * Left out: counting (processors/windows/), what a viewer sees (routes/aggregations.ts).
 * @module */
import { z } from "zod";
import { histTopicOf } from "./measurements.ts";
import { isTopicName } from "./topics.ts";

/** A length of tumbling windows, which are aligned to the epoch. */
export interface WindowSize {
  readonly ms: number;
  /** As a request asks for it: `1m`, `30s`. */
  readonly name: string;
  /** As what is published names it: `1min`, `30sec`. */
  readonly type: string;
  /** In the names of Socket.IO's events: `1` for a minute, `30s` for less than one. */
  readonly event: string;
  /** Where finished windows go, keyed by id. */
  readonly topic: string;
}

/** Settings of counting that all instances of a cluster have to share. */
export interface WindowSettings {
  readonly clicksTopic: string;
  /** Ascending; none: nothing is counted. */
  readonly sizes: readonly WindowSize[];
  /** How long after its end a window waits for late events. */
  readonly graceMs: number;
  /** Finished windows of each id and size that are kept to be shown. */
  readonly kept: number;
}

/** Sizes that one service may have, the longest one, and how many of the smallest unit it may hold. */
export const maxSizes = 8, maxWindowMs = 24 * 3_600_000, maxPanes = 3_600;
/** Bytes of an id, and what an id has to be, for messages. */
export const maxIdBytes = 256, idRule = `1 to ${maxIdBytes} bytes of UTF-8 without control characters`;
/** An event that is farther ahead of the clock moves no watermark: with one from next year everything of today would be late.
 * The same as Kafka's default of `message.timestamp.after.max.ms`, by which it refuses such records. */
export const maxAheadMs = 3_600_000;

/** Reads a size, `90s`, `5m`, `1h`, undefined for what is none.
 * @param topics of sizes that have a setting of their own, by name */
export function readWindowSize(
  text: string,
  topics: Readonly<Record<string, string>> = {},
): WindowSize | undefined {
  const [, digits = "", unit = ""] = /^([1-9]\d{0,5})([smh])$/.exec(text) ?? [];
  const ms = Number(digits) * ({ s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? NaN);
  if (!(ms <= maxWindowMs)) return undefined;
  const isMinutes = ms % 60_000 === 0, n = ms / (isMinutes ? 60_000 : 1_000);
  const name = `${n}${isMinutes ? "m" : "s"}`;
  return {
    ms,
    name,
    type: `${n}${isMinutes ? "min" : "sec"}`,
    event: isMinutes ? String(n) : name,
    topic: topics[name] ?? `${n}_${isMinutes ? "minute" : "second"}_aggregation_topic`,
  };
}

/** What a client calls to be told of windows of a size, as the counter's own clients do: `consume_1_min_aggregations`. */
export function consumeEvent({ ms, event }: WindowSize): string {
  return ms % 60_000 === 0 ? `consume_${event}_min_aggregations` : `consume_${event}_aggregations`;
}

/** What it is told then: `live_aggregations_1`. */
export function liveEvent({ event }: WindowSize): string {
  return `live_aggregations_${event}`;
}

/** The unit of counting: every window is a sum of panes of this length. */
export function paneMsOf(sizes: readonly WindowSize[]): number {
  return sizes.map(({ ms }) => ms).reduce((a, b) => {
    while (b > 0) [a, b] = [b, a % b];
    return a;
  });
}

/** What is wrong with several sizes together, null for nothing. */
export function clashOfSizes(sizes: readonly WindowSize[]): string | null {
  const names = sizes.map(({ name }) => name), twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) return `${twice} twice`;
  const panes = sizes.length === 0 ? 0 : Math.max(...sizes.map(({ ms }) => ms)) / paneMsOf(sizes);
  return panes > maxPanes ? `windows that are sums of ${panes} parts` : null;
}

/** Start of the window that a time is in, both ms since the epoch. */
export function windowStart(timeMs: number, sizeMs: number): number {
  return Math.floor(timeMs / sizeMs) * sizeMs;
}

/** Names that belong to a topic of clicks: two services with different ones share nothing. */
export function windowNames(clicksTopic: string) {
  const prefix = `tailrace-${clicksTopic}`.slice(0, 230);
  return {
    /** Partial counts, by the partition of their id. */
    byIdTopic: `${prefix}-by-id`,
    /** What is counted so far, compacted; partition for partition with `byIdTopic`. */
    stateTopic: `${prefix}-windows`,
    /** Groups of those who fold, and of those who count. */
    foldGroup: `${prefix}-fold`,
    windowGroup: `${prefix}-windows`,
    /** Transactional ids, one for each partition. */
    foldId: (partition: number) => `${prefix}-fold-${partition}`,
    windowId: (partition: number) => `${prefix}-windows-${partition}`,
  } as const;
}

/** What is set for topics that are made here. Clicks go by size, not by age: an event that is filled in later is as old as it says. */
export const clicksTopicConfigs: Readonly<Record<string, string>> = {
  "retention.ms": "-1",
  "retention.bytes": String(2 ** 30),
};
/** Counts are of use until they are counted; the days are for instances that all stand still. */
export const byIdTopicConfigs: Readonly<Record<string, string>> = {
  "retention.ms": String(7 * 24 * 3_600_000),
};
/** Compacted soon, as every start reads all of it. */
export const stateTopicConfigs: Readonly<Record<string, string>> = {
  "cleanup.policy": "compact",
  "segment.bytes": String(32 * 2 ** 20),
  "min.cleanable.dirty.ratio": "0.2",
  "max.compaction.lag.ms": String(3_600_000),
};

/** A finished window as it is published. It is published once more when events come too late for it, with the same count. */
export const FinishedWindow = z.object({
  type: z.string(),
  video_uid: z.string(),
  count: z.number(),
  window_start: z.number(),
  window_end: z.number(),
  late: z.number(),
});
export type FinishedWindow = z.infer<typeof FinishedWindow>;

/** Whether a text serves as an id: 1 to 256 bytes, nothing that is not shown. */
export function isVideoId(id: string): boolean {
  return id.length > 0 && !/\p{Cc}/u.test(id) && id.isWellFormed() &&
    (id.length * 3 <= maxIdBytes || new TextEncoder().encode(id).length <= maxIdBytes);
}

/** A video that is known by name. */
export interface CatalogueEntry {
  readonly id: string;
  readonly title: string;
}

/** Reads `id=title`, in which `%2C` is a comma; undefined for what is none. */
export function readCatalogueEntry(text: string): CatalogueEntry | undefined {
  const at = text.indexOf("=");
  if (at < 1) return undefined;
  try {
    const [id, title] = [text.slice(0, at), text.slice(at + 1)].map(decodeURIComponent) as [string, string];
    return isVideoId(id) && title.trim() !== "" && title.length <= 200 ? { id, title } : undefined;
  } catch {
    return undefined;
  }
}

/** Topics that no other feature may have. */
export function windowTopics(
  { clicksTopic, sizes }: Pick<WindowSettings, "clicksTopic" | "sizes">,
): string[] {
  const { byIdTopic, stateTopic } = windowNames(clicksTopic);
  return sizes.length === 0
    ? [clicksTopic]
    : [clicksTopic, byIdTopic, stateTopic, ...sizes.map(({ topic }) => topic)];
}

/** A topic of windows that something else has too or that cannot be one, null for none.
 * @param others topics of other features; of measurements their names */
export function clashOfTopics(
  windows: readonly string[],
  others: readonly string[],
  measurements: readonly string[],
): string | null {
  const taken = new Set([...others, ...measurements, ...measurements.map(histTopicOf)]);
  return windows.find((topic, i) => !isTopicName(topic) || taken.has(topic) || windows.indexOf(topic) < i) ??
    null;
}
