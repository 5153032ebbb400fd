/** `/aggregations`: likes of videos in windows, the finished ones that are kept and those that fill up, now and as streams.
 *
 *     GET /aggregations, /aggregations/{video}               what this instance knows, at once
 *     /aggregations/events, /aggregations/socket             windows of some videos as they fill and finish
 *     /aggregations/{size}/events, /aggregations/{size}/socket   all finished windows of one length, a stream as any other
 *
 * A video that has no likes has no windows, and is no error. The pages on the same paths are asked first (pages.ts). Left out: counting
 * (kafka/processors/windows/), likes (likes.ts), what the first two streams do (aggregation_events.ts, aggregation_socket.ts).
 * @module */
import { Hono } from "hono";
import type { Config } from "../config.ts";
import { StreamError } from "../errors.ts";
import type {
  Aggregations,
  IdWindows,
  WindowCount,
  WindowStatus,
} from "../kafka/processors/windows/types.ts";
import { newestOpen } from "../kafka/processors/windows/shown.ts";
import type { WindowSize } from "../kafka/windows.ts";
import { windowEventsResponse } from "./aggregation_events.ts";
import { type FinishedEvent, windowFeed } from "./aggregation_feed.ts";
import { readCount, readIds, readSizes, sizeOf } from "./aggregation_query.ts";
import { windowSocketResponse } from "./aggregation_socket.ts";
import { Rooms } from "./aggregation_rooms.ts";
import { videoOf } from "./likes.ts";
import type { AppEnv } from "./middleware.ts";
import type { StreamRoute } from "./stream_table.ts";
import type { StreamDeps } from "./streams.ts";

/** What the routes of this feature work with. */
export interface AggregationsDeps extends StreamDeps {
  readonly aggregations: Aggregations;
  readonly config: StreamDeps["config"] & Pick<Config, "windows" | "videos">;
}

/** Windows of one video and one length. */
export interface SizeData {
  /** As a request asks for it: `1m`. */
  readonly size: string;
  readonly type: string;
  /** Events that came too late for a window of this length. */
  readonly late: number;
  /** Ascending by start: the newest finished ones, and all that are open; two are while one waits for late events. */
  readonly windows: readonly WindowCount[];
  /** The newest of those that are open. */
  readonly open: WindowCount | null;
}

/** The JSON of `/aggregations/{video}`; of one length, `?size=1m`, it is `SizeData` with `video_uid`. */
export interface VideoWindows {
  readonly video_uid: string;
  /** One for each length, ascending. */
  readonly aggregations: readonly SizeData[];
}

/** A video in the JSON of `/aggregations`. */
export interface VideoData extends VideoWindows {
  /** Null for one that nobody has named. */
  readonly title: string | null;
}

/** The JSON of `/aggregations`. */
export interface AggregationsData {
  /** The service's clock, ms since the epoch. */
  readonly now: number;
  readonly clicks_topic: string;
  readonly grace_ms: number;
  /** Finished windows of each video and length that are kept. */
  readonly kept: number;
  readonly sizes: readonly Pick<WindowSize, "name" | "type" | "ms" | "topic">[];
  readonly status: WindowStatus;
  readonly videos: readonly VideoData[];
}

const limits = { least: 1, most: 200, fallback: 24 }, maxWindows = 1_000;
const headers = { "vary": "Accept", "cache-control": "no-store" };

/** `/aggregations/{size}/events` and `/socket`: all finished windows of one length. */
export function windowStream(sizes: readonly WindowSize[]): StreamRoute<FinishedEvent> {
  return {
    path: "/aggregations/:topic",
    feed: windowFeed,
    topicOf: (name) => sizeOf(name, sizes).topic,
  };
}

/** Routes below `/aggregations`. */
export function aggregationsRoutes(deps: AggregationsDeps): Hono<AppEnv> {
  const { aggregations, config } = deps, { sizes } = aggregations;
  const streamDeps = { ...deps, rooms: new Rooms(aggregations) };
  let isLoaded = false;
  aggregations.loaded.then(() => isLoaded = true);
  const checkLoaded = () => {
    if (isLoaded && aggregations.status().state !== "loading") return;
    const detail = "Cannot tell windows yet as what was counted is still being read";
    throw new StreamError("aggregations-unavailable", 503, detail, { headers: { "retry-after": "1" } });
  };
  return new Hono<AppEnv>()
    .get("/aggregations", (c) => {
      const { search, searchParams: query } = new URL(c.req.url);
      const limit = readCount(query, "limit", limits);
      const count = readCount(query, "windows", { least: 0, most: maxWindows, fallback: 1 });
      const named = readIds(search);
      if (sizes.length > 0) checkLoaded();
      const ids = named.length > 0 ? named : usualIds(aggregations, config.videos, limit);
      return c.json(aggregationsData(aggregations, config, ids, count), 200, headers);
    })
    .get("/aggregations/events", (c) => windowEventsResponse(c, streamDeps))
    .get("/aggregations/socket", (c) => windowSocketResponse(c, streamDeps))
    .get("/aggregations/:video", (c) => {
      const query = new URL(c.req.url).searchParams, id = videoOf(c);
      const wanted = readSizes(query, sizes);
      const count = readCount(query, "windows", { least: 0, most: maxWindows, fallback: maxWindows });
      if (sizes.length > 0) checkLoaded();
      const found = videoWindows(aggregations, id, count).aggregations
        .filter(({ size }) => wanted.some(({ name }) => name === size));
      const isOne = query.getAll("size").length === 1 && found.length === 1;
      return c.json({ video_uid: id, ...(isOne ? found[0]! : { aggregations: found }) }, 200, headers);
    });
}

/** The videos that are known by name, and then those that changed last. */
function usualIds(aggregations: Aggregations, videos: Config["videos"], limit: number): string[] {
  if (aggregations.sizes.length === 0) return [];
  return [...new Set([...videos.map(({ id }) => id), ...aggregations.ids(limit)])].slice(0, limit);
}

function aggregationsData(
  aggregations: Aggregations,
  { windows, videos }: Pick<Config, "windows" | "videos">,
  ids: readonly string[],
  count: number,
): AggregationsData {
  const titles = new Map(videos.map(({ id, title }) => [id, title]));
  return {
    now: Date.now(),
    clicks_topic: windows.clicksTopic,
    grace_ms: windows.graceMs,
    kept: windows.kept,
    sizes: aggregations.sizes.map(({ name, type, ms, topic }) => ({ name, type, ms, topic })),
    status: aggregations.status(),
    videos: ids.map((id) => ({ title: titles.get(id) ?? null, ...videoWindows(aggregations, id, count) })),
  };
}

/** @param count finished windows of each length, the newest ones */
function videoWindows(aggregations: Aggregations, id: string, count: number): VideoWindows {
  return { video_uid: id, aggregations: aggregations.of(id).map((windows) => sizeData(windows, count)) };
}

function sizeData(found: IdWindows, count: number): SizeData {
  const { size, late } = found, closed = found.windows.filter(({ final }) => final);
  const shown = new Set(closed.slice(closed.length - Math.min(count, closed.length)));
  const windows = found.windows.filter((window) => !window.final || shown.has(window));
  return { size: size.name, type: size.type, late, windows, open: newestOpen([found])[0] ?? null };
}
