/** `GET /video` and `GET /video/{topic}`: which topics hold video, and what is kept of one.
 *
 * The pages on the same paths are asked first (pages.ts). Left out: the frames themselves (mjpeg.ts, snapshot.ts, the streams of
 * video_feed.ts), and the way in (video_publish.ts).
 * @module */
import { Hono } from "hono";
import { StreamError } from "../errors.ts";
import { KafkaError } from "../kafka/connection.ts";
import type { TopicView, TopicViews } from "../kafka/topic_views.ts";
import { kafkaProblem } from "./kafka_problem.ts";
import type { AppEnv } from "./middleware.ts";
import { findFrame, type SnapshotDeps, snapshotRoutes } from "./snapshot.ts";
import { topicOf } from "./streams.ts";
import { type FrameInfo, frameInfo, VideoList, type VideoTopic } from "./video_list.ts";
import { identifyViewer } from "./viewer_id.ts";

/** What the routes of video tell from. */
export interface VideoDeps extends SnapshotDeps {
  readonly topicViews: TopicViews;
  readonly config: { readonly videoTopic: string; readonly maxFrameBytes: number };
}

/** The JSON of `/video`. */
export interface VideoData {
  /** The topic of a request that names none. */
  readonly topic: string;
  /** Under which the positions of whoever asks are kept; null: they are not. */
  readonly viewer: string | null;
  readonly topics: readonly VideoTopic[];
}

/** The JSON of `/video/{topic}`. */
export interface VideoInfo {
  readonly topic: string;
  readonly exists: boolean;
  /** Their number. */
  readonly partitions: number;
  /** Offsets between the first and the next record; null when Kafka did not tell in time. */
  readonly frames: number | null;
  /** The oldest frame that is kept, and the newest. */
  readonly first: FrameInfo | null;
  readonly last: FrameInfo | null;
  /** Of a frame that is posted. */
  readonly maxFrameBytes: number;
}

/** Offsets at either end of a partition: where none of them is a frame, nobody who asks again and again is to cost more. */
const depth = 4_096;
const headers = { "vary": "Accept", "cache-control": "no-store" };

/** Routes below `/video` that answer at once. */
export function videoRoutes(deps: VideoDeps): Hono<AppEnv> {
  const { config: { videoTopic } } = deps;
  const list = new VideoList(deps), infos = new Infos(deps);
  return new Hono<AppEnv>()
    .get("/video", async (c) => {
      const { id: viewer, setCookie } = identifyViewer(c.req.raw);
      const topics = await list.read().catch((error) => {
        throw kafkaProblem(error, null, "list the topics of video");
      });
      const data: VideoData = { topic: videoTopic, viewer, topics };
      return c.json(data, 200, { ...headers, ...(setCookie && { "set-cookie": setCookie }) });
    })
    .get("/video/:topic", async (c) => c.json(await infos.read(topicOf(c.req.param("topic"))), 200, headers))
    .route("/", snapshotRoutes(deps));
}

/** What is kept of topics; made once for each look at the topic, for all who ask meanwhile. */
class Infos {
  readonly #deps: VideoDeps;
  readonly #made = new WeakMap<TopicView, Promise<VideoInfo>>();

  constructor(deps: VideoDeps) {
    this.#deps = deps;
  }

  /** @throws {StreamError} 503 `kafka-unavailable` among others */
  async read(topic: string): Promise<VideoInfo> {
    const view = await this.#view(topic);
    if (!view) return this.#missing(topic);
    const made = this.#made.get(view) ?? this.#make(view);
    this.#made.set(view, made);
    made.catch(() => this.#made.delete(view));
    return await made;
  }

  async #make({ name: topic, partitions, records }: TopicView): Promise<VideoInfo> {
    const frame = async (kind: "earliest" | "newest"): Promise<FrameInfo | null> => {
      const { found } = await findFrame(this.#deps.hub.history, topic, { whence: { kind }, depth });
      return found && frameInfo(found.data);
    };
    const [first, last] = await Promise.all([frame("earliest"), frame("newest")]);
    const kept = { exists: true, partitions: partitions.length, frames: records, first, last };
    return { ...this.#missing(topic), ...kept };
  }

  /** Null when there is no such topic. */
  async #view(topic: string): Promise<TopicView | null> {
    try {
      return await this.#deps.topicViews.topic(topic);
    } catch (error) {
      if (error instanceof KafkaError && error.code === "UNKNOWN_TOPIC_OR_PARTITION") return null;
      throw error instanceof StreamError ? error : kafkaProblem(error, topic, `look at the topic ${topic}`);
    }
  }

  #missing(topic: string): VideoInfo {
    const { maxFrameBytes } = this.#deps.config;
    return { topic, exists: false, partitions: 0, frames: 0, first: null, last: null, maxFrameBytes };
  }
}
