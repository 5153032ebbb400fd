/** Which topics hold video: the usual one, and every other one with a JPEG among its newest records.
 *
 * To know that, the newest records of each topic are looked at, again only after a while, and only while somebody asks: a few topics at
 * once, a bounded number for each list. Who asks waits a moment for looks that run, and then gets what is known. Left out: one topic
 * (video.ts).
 * @module */
import { StreamError } from "../errors.ts";
import { KafkaError, settlesWithin } from "../kafka/connection.ts";
import type { History } from "../kafka/history.ts";
import { findRecord } from "../kafka/record_finder.ts";
import type { TopicList, TopicSummary, TopicViews } from "../kafka/topic_views.ts";
import { Turns } from "../kafka/turns.ts";
import { type FrameEvent, frameFeed } from "./video_feed.ts";

/** What is told of a frame where its topic is known. */
export type FrameInfo = Omit<FrameEvent, "topic">;

/** A topic of video. */
export interface VideoTopic {
  readonly topic: string;
  /** Offsets between its first and its next record; null when Kafka did not tell in time. */
  readonly frames: number | null;
  readonly newest: FrameInfo | null;
}

/** What the list is made from. */
export interface VideoListDeps {
  readonly hub: { readonly history: History };
  readonly topicViews: Pick<TopicViews, "list">;
  readonly config: { readonly videoTopic: string };
}

/** Offsets of each partition that are looked at: the newest may be the end of a transaction. */
const depth = 4;
/** For how long a look is believed, ms: at a topic of video, at another one, and longer when it took long. */
const videoAgeMs = 1_000, otherAgeMs = 10_000, agePerCost = 20;
/** Looks for one list, and at once; how long a list waits for them, ms. */
const maxLooks = 100, looksAtOnce = 4, patienceMs = 1_000;

/** What is known of a topic's newest record. */
interface Look {
  readonly newest: FrameInfo | null;
  /** Until when that is believed, on the clock of `performance.now()`. */
  readonly until: number;
}

/** The topics of video. */
export class VideoList {
  readonly #deps: VideoListDeps;
  readonly #looks = new Map<string, Look>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #turns = new Turns(looksAtOnce);
  /** The list that looks were last made for. */
  #list: TopicList | undefined;

  constructor(deps: VideoListDeps) {
    this.#deps = deps;
  }

  /** The usual topic first, also while it does not exist; the others by name.
   * @throws {KafkaError} when Kafka does not say which topics there are */
  async read(): Promise<readonly VideoTopic[]> {
    const { topicViews, config: { videoTopic } } = this.#deps;
    const list = await topicViews.list();
    if (list !== this.#list) this.#lookAround(list);
    const looks = Promise.all(this.#running.values());
    await Promise.race([looks, settlesWithin(looks, patienceMs)]);
    const topics = list.topics.map(({ name, records }) => ({
      topic: name,
      frames: records,
      newest: records === 0 ? null : this.#looks.get(name)?.newest ?? null,
    }));
    const usual = topics.find(({ topic }) => topic === videoTopic) ??
      { topic: videoTopic, frames: 0, newest: null };
    return [usual, ...topics.filter((one) => one !== usual && one.newest !== null)];
  }

  #lookAround(list: TopicList): void {
    this.#list = list;
    const names = new Set(list.topics.map(({ name }) => name));
    for (const name of this.#looks.keys()) if (!names.has(name)) this.#looks.delete(name);
    const now = performance.now();
    const dueSince = (name: string) => this.#looks.get(name)?.until ?? 0;
    const due = list.topics
      .filter(({ name, internal, records }) => !internal && records !== 0 && dueSince(name) <= now)
      .filter(({ name }) => !this.#running.has(name))
      .sort((a, b) => dueSince(a.name) - dueSince(b.name) || meanBytes(b) - meanBytes(a));
    for (const { name } of due.slice(0, Math.max(0, maxLooks - this.#running.size))) {
      this.#running.set(
        name,
        this.#turns.take(() => this.#look(name)).finally(() => this.#running.delete(name)),
      );
    }
  }

  async #look(topic: string): Promise<void> {
    const began = performance.now();
    let newest = this.#looks.get(topic)?.newest ?? null, ageMs = videoAgeMs;
    try {
      newest = await this.#newest(topic);
      if (!newest) ageMs = otherAgeMs;
    } catch (error) {
      if (!(error instanceof KafkaError || error instanceof StreamError)) throw error;
    }
    const now = performance.now();
    this.#looks.set(topic, { newest, until: now + Math.max(ageMs, agePerCost * (now - began)) });
  }

  async #newest(topic: string): Promise<FrameInfo | null> {
    const wanted = { feed: frameFeed, whence: { kind: "newest" }, depth } as const;
    const { found } = await findRecord(this.#deps.hub.history, topic, wanted);
    return found && frameInfo(found.data);
  }
}

/** Of a record; pictures are large, so where records are, it is looked first. */
function meanBytes({ bytes, records }: TopicSummary): number {
  return (bytes ?? 0) / Math.max(1, records ?? 0);
}

/** A frame without its topic. */
export function frameInfo({ topic: _, ...info }: FrameEvent): FrameInfo {
  return info;
}
