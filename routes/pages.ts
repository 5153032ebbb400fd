/** The pages and what they load: `/`, `/geo`, `/video`, `/histograms`, `/aggregations` and `/topics`, `/client.js`, `/static/…`.
 *
 * A page and its data share a path: who prefers `text/html` gets the page, anyone else the JSON that the page
 * itself asks for. To add a page: its HTML here, its files in routes/assets.ts, its line in
 * static/shared/frame.js. Left out: streams (routes/stream_table.ts), the data of `/video` and `/topics`
 * (routes/video.ts, routes/topics.ts), security headers and the answer to unknown paths (routes/app.ts).
 * @module */
import { type Context, Hono, type Next } from "hono";
import aggregationsHtml from "../static/aggregations/index.html" with { type: "text" };
import geoHtml from "../static/geo/index.html" with { type: "text" };
import histogramsHtml from "../static/histograms/index.html" with { type: "text" };
import homeHtml from "../static/home/index.html" with { type: "text" };
import topicsHtml from "../static/topics/index.html" with { type: "text" };
import videoHtml from "../static/video/index.html" with { type: "text" };
import type { Config } from "../config.ts";
import { StreamError } from "../errors.ts";
import { isTopicName } from "../kafka/topics.ts";
import type { MetricsSnapshot } from "../metrics.ts";
import { type AggregationLinks, aggregationLinks } from "./aggregation_links.ts";
import { prefers } from "./accept.ts";
import { type Asset, assetAt, assetPaths, makeAsset } from "./assets.ts";
import { isNotModified } from "./conditional.ts";
import { type HistogramLinks, histogramLinks } from "./histogram_links.ts";

/** What the pages tell of the service; nothing here opens a connection. */
export interface PagesDeps {
  readonly config: Pick<
    Config,
    "tileUrl" | "geoTopic" | "videoTopic" | "measurements" | "windows" | "videos"
  >;
  readonly service: ServiceInfo;
  readonly metrics: { snapshot(): Promise<MetricsSnapshot> };
}

/** What runs here. */
export interface ServiceInfo {
  readonly version: string;
  readonly kafka: { readonly mode: "embedded" | "external"; readonly brokers: readonly string[] };
}

/** The JSON of `/`; paths are relative to the service's address. */
export interface HomeData extends ServiceInfo {
  readonly name: "tailrace";
  readonly streams: readonly StreamLinks[];
  readonly operations: readonly string[];
  /** Counted since the start of the process. */
  readonly now: MetricsSnapshot;
}

/** Where the records of one topic go in and come out; of each feature in its own ways. */
export type StreamLinks = GeoLinks | VideoLinks | HistogramLinks | AggregationLinks;

/** The ways of positions. */
export interface GeoLinks {
  readonly topic: string;
  readonly feature: "geo";
  readonly page: string;
  readonly post: string;
  readonly events: string;
  readonly socket: string;
  readonly tracks: string;
  readonly consumer: string;
}

/** The ways of video frames. */
export interface VideoLinks {
  readonly topic: string;
  readonly feature: "video";
  readonly page: string;
  readonly post: string;
  readonly publish: string;
  readonly mjpeg: string;
  readonly events: string;
  readonly socket: string;
  readonly snapshot: string;
}

/** The JSON of `/geo`. `tileUrl` is a template with {z}, {x}, {y}, or null: then the page draws outlines
 * itself. */
export interface GeoData {
  readonly topic: string;
  /** The topic of a request that names none. */
  readonly usualTopic: string;
  readonly tileUrl: string | null;
  /** Plain text, shown on the map. */
  readonly attribution: string;
}

const operations = ["/livez", "/readyz", "/metrics", "/version"] as const;

/** Makes the routes of the pages and of their files. */
export function pagesRoutes(deps: PagesDeps): Hono {
  const app = new Hono();
  const home = makeAsset(homeHtml);
  const geo = makeAsset(geoHtml);
  app.get("/", async (c) => isPageWanted(c) ? answer(c, home) : data(c, await homeData(deps)));
  app.get("/geo", (c) => isPageWanted(c) ? answer(c, geo) : data(c, geoData(deps, c.req.query("topic"))));
  const topics = makeAsset(topicsHtml), video = makeAsset(videoHtml), histograms = makeAsset(histogramsHtml);
  app.on("GET", ["/topics", "/topics/:topic"], (c, next) => answerOrPassOn(c, topics, next));
  app.on("GET", ["/video", "/video/:topic"], (c, next) => answerOrPassOn(c, video, next));
  app.on(
    "GET",
    ["/histograms", "/histograms/:measurement"],
    (c, next) => answerOrPassOn(c, histograms, next),
  );
  const aggregations = makeAsset(aggregationsHtml);
  app.get("/aggregations", (c, next) => answerOrPassOn(c, aggregations, next));
  // The streams are beside the ids.
  app.get(
    "/aggregations/:id{(?!(?:events|socket)$)[^/]+}",
    (c, next) => answerOrPassOn(c, aggregations, next),
  );
  for (const path of assetPaths) {
    app.get(path, (c) => answer(c, assetAt(path)!));
  }
  return app;
}

async function homeData({ config, service, metrics }: PagesDeps): Promise<HomeData> {
  return {
    name: "tailrace",
    ...service,
    streams: [
      geoLinks(config.geoTopic),
      videoLinks(config.videoTopic),
      ...config.measurements.map(({ name }) => histogramLinks(name)),
      ...aggregationLinks(config.windows, config.videos),
    ],
    operations,
    now: await metrics.snapshot(),
  };
}

function geoLinks(topic: string): GeoLinks {
  return {
    topic,
    feature: "geo",
    page: `/geo?topic=${topic}`,
    post: `/producer/${topic}`,
    events: `/geo/${topic}/events`,
    socket: `/geo/${topic}/socket`,
    tracks: `/geo/${topic}/tracks`,
    consumer: `/consumer/${topic}`,
  };
}

function videoLinks(topic: string): VideoLinks {
  return {
    topic,
    feature: "video",
    page: `/video/${topic}`,
    post: `/video/${topic}/frames`,
    publish: `/video/${topic}/publish`,
    mjpeg: `/video/${topic}/mjpeg`,
    events: `/video/${topic}/events`,
    socket: `/video/${topic}/socket`,
    snapshot: `/video/${topic}/snapshot.jpg`,
  };
}

function geoData({ config }: PagesDeps, topic = config.geoTopic): GeoData {
  if (!isTopicName(topic)) {
    throw new StreamError(
      "invalid-topic",
      400,
      `Cannot show topic ${JSON.stringify(topic)}: a name has 1 to 249 of a-z, A-Z, 0-9, ".", "_" and "-"`,
    );
  }
  return {
    topic,
    usualTopic: config.geoTopic,
    tileUrl: config.tileUrl,
    attribution: attributionOf(config.tileUrl),
  };
}

/** Whose map it is: tile servers ask for their name to be shown. */
function attributionOf(tileUrl: string | null): string {
  if (tileUrl === null) return "Outlines: Natural Earth";
  const sample = tileUrl.replace("{s}", "a");
  const host = URL.canParse(sample) ? new URL(sample).hostname : "";
  return /(^|\.)openstreetmap\.org$/.test(host)
    ? "© OpenStreetMap contributors"
    : `Tiles: ${host || "this host"}`;
}

function data(c: Context, value: HomeData | GeoData): Response {
  return c.json(value, 200, { vary: "Accept", "cache-control": "no-store" });
}

/** Answers with the page, or leaves it to the route of its data. */
async function answerOrPassOn(c: Context, page: Asset, next: Next): Promise<Response | undefined> {
  if (isPageWanted(c)) return answer(c, page);
  await next();
  if (!/\baccept\b/i.test(c.res.headers.get("vary") ?? "")) c.header("vary", "Accept", { append: true });
  return undefined;
}

/** Answers with the asset, or with 304 to a browser that has it. */
function answer(c: Context, asset: Asset): Response {
  const headers = {
    "etag": asset.etag,
    "cache-control": asset.cacheControl,
    ...(asset.type.startsWith("text/html") ? { vary: "Accept" } : {}),
  };
  if (isNotModified(c.req.raw.headers, asset)) return c.body(null, 304, headers);
  return c.body(asset.bytes, 200, { ...headers, "content-type": asset.type });
}

function isPageWanted(c: Context): boolean {
  return prefersHtml(c.req.header("accept"));
}

/** Whether `Accept` ranks text/html above JSON. With none, or with `*` for both, it does not: programs send
 * that. */
export function prefersHtml(accept: string | undefined): boolean {
  return prefers(accept, "text/html", "application/json");
}
