/** `POST /videos/{id}/likes` into the topic of clicks, and `GET /videos/metadata`: the videos that are known by name.
 *
 * Both are there below `/dev`, too, which is where the counter's own frontend looks for them. Any id is taken, whether a video of that
 * name is known or not; `POST /videos/likes?id=` is for `.` and `..`, which clients take out of a path. Left out: counting, which begins when Kafka has the like (kafka/processors/windows/).
 * @module */
import { type Context, Hono } from "hono";
import type { Config } from "../config.ts";
import { clickRecord } from "../kafka/clicks.ts";
import type { Producer, RecordPlace } from "../kafka/producer.ts";
import { clicksTopicConfigs, isVideoId } from "../kafka/windows.ts";
import type { Metrics } from "../metrics.ts";
import { invalidVideo, readIds } from "./aggregation_query.ts";
import type { AppEnv } from "./middleware.ts";

/** What the routes of this feature work with. */
export interface LikesDeps {
  readonly producer: Producer;
  readonly metrics: Pick<Metrics, "posts" | "postSeconds">;
  readonly config: Pick<Config, "windows" | "videos">;
}

/** A like that Kafka has. */
export interface PostedLike extends RecordPlace {
  readonly video: string;
  /** ms since the epoch: the window it counts in. */
  readonly timestamp: number;
}

/** A video as `/videos/metadata` lists it. */
export interface VideoMetadata {
  readonly unique_identifier: string;
  readonly title: string;
}

const stages = ["", "/dev"];

/** Routes below `/videos`. */
export function likesRoutes(deps: LikesDeps): Hono<AppEnv> {
  const metadata = deps.config.videos.map(({ id, title }): VideoMetadata => ({
    unique_identifier: id,
    title,
  }));
  const routes = new Hono<AppEnv>();
  for (const stage of stages) {
    routes
      .get(`${stage}/videos/metadata`, (c) => c.json(metadata, 200, { "cache-control": "no-cache" }))
      .post(`${stage}/videos/likes`, (c) => postLike(c, deps, videoAsked))
      .post(`${stage}/videos/:video/likes`, (c) => postLike(c, deps, videoOf));
  }
  return routes;
}

/** Takes one like; answers when Kafka has acknowledged it.
 * @param idOf which video
 * @throws {StreamError} what `idOf` and the producer throw */
async function postLike(
  c: Context<AppEnv>,
  { producer, metrics, config }: LikesDeps,
  idOf: (c: Context) => string,
): Promise<Response> {
  const topic = config.windows.clicksTopic;
  let video: string;
  try {
    video = idOf(c);
  } catch (error) {
    metrics.posts(topic, "invalid", 1);
    throw error;
  }
  const began = performance.now(), timestamp = Date.now();
  let place: RecordPlace;
  try {
    place = await producer.send(topic, clickRecord(video, timestamp), { topicConfigs: clicksTopicConfigs });
  } catch (error) {
    metrics.posts(topic, "failed", 1);
    throw error;
  }
  metrics.posts(topic, "acknowledged", 1);
  metrics.postSeconds((performance.now() - began) / 1000);
  const { partition, offset } = place;
  return c.json({ video, partition, offset, timestamp } satisfies PostedLike, 202);
}

/** The id of a video in the path, as the parameter `video`.
 * @throws {StreamError} 400 `invalid-video` */
export function videoOf(c: Context): string {
  const id = c.req.param("video") ?? "";
  if (isVideoId(id) && isDecodable(new URL(c.req.url).pathname)) return id;
  throw invalidVideo(id);
}

/** The id of a video in the query, `id=`.
 * @throws {StreamError} 400 `invalid-video` */
function videoAsked(c: Context): string {
  const [id, ...more] = readIds(new URL(c.req.url).search);
  if (id === undefined || more.length > 0) throw invalidVideo(id === undefined ? undefined : [id, ...more]);
  return id;
}

/** The framework leaves what cannot be decoded as it stands in the path, which then would pass for the id. */
function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
