/** `/histograms`: the running histograms of measurements, now and as a stream, what is kept of their measurements, and the way in.
 *
 * Names in paths are those of measurements, which are the names of their topics; the stream of one is its `hist_<name>`. The page on
 * the same paths is asked first (pages.ts). Left out: counting (kafka/processors/), rows and posts (measurement_rows.ts,
 * measurement_post.ts), what a record of the stream is (histogram_feed.ts).
 * @module */
import { type Context, Hono } from "hono";
import { StreamError } from "../errors.ts";
import { histTopicOf, type MeasurementSpec } from "../kafka/measurements.ts";
import type {
  Covered,
  HistogramNow,
  HistogramSnapshot,
  ProcessorStatus,
  Series,
} from "../kafka/processors/histogram_types.ts";
import { type HistogramEvent, histogramFeed } from "./histogram_feed.ts";
import { type HistogramLinks, histogramLinks } from "./histogram_links.ts";
import { type PostDeps, postMeasurements } from "./measurement_post.ts";
import { readNumber, readSpan } from "./measurement_query.ts";
import { type RowsDeps, rowsResponse } from "./measurement_rows.ts";
import type { AppEnv } from "./middleware.ts";
import type { StreamRoute } from "./stream_table.ts";

/** What the routes of this feature work with. */
export type HistogramsDeps = RowsDeps & PostDeps;

/** The JSON of `/histograms/{measurement}`: the histogram as this instance has counted it, and how far that is. */
export interface HistogramData extends HistogramSnapshot, Covered {
  readonly measurement: string;
  readonly topic: string;
  readonly hist_topic: string;
  /** The values that are expected: `first`, `first + step`, … `last`. */
  readonly range: Omit<MeasurementSpec, "name">;
  readonly status: ProcessorStatus;
  /** Measurements in the file. */
  readonly rows: number;
  readonly links: HistogramLinks;
}

/** The JSON of `/histograms`. */
export interface HistogramsData {
  readonly histograms: readonly HistogramData[];
}

/** The JSON of `/histograms/{measurement}/series`. */
export interface SeriesData extends Series {
  readonly measurement: string;
}

/** Steps of a series, at most, and when nobody says. */
const points = { most: 5_000, fallback: 500 };
const headers = { "vary": "Accept", "cache-control": "no-store" };

/** `/histograms/{measurement}/events` and `/socket`. */
export function histogramStream(specs: readonly MeasurementSpec[]): StreamRoute<HistogramEvent> {
  return {
    path: "/histograms/:topic",
    feed: histogramFeed,
    topicOf: (name) => histTopicOf(knownName(specs, name)),
  };
}

/** Routes below `/histograms` that answer at once. */
export function histogramsRoutes(deps: HistogramsDeps): Hono<AppEnv> {
  const { histograms } = deps;
  const nameOf = (c: Context) => knownName(histograms.specs, c.req.param("measurement") ?? "");
  return new Hono<AppEnv>()
    .get("/histograms", async (c) => {
      const all = await Promise.all(histograms.specs.map(({ name }) => histograms.now(name)));
      const data: HistogramsData = { histograms: all.map(histogramData) };
      return c.json(data, 200, headers);
    })
    .get("/histograms/:measurement", async (c) => {
      return c.json(histogramData(await histograms.now(nameOf(c))), 200, headers);
    })
    .get("/histograms/:measurement/series", async (c) => {
      const measurement = nameOf(c), query = new URL(c.req.url).searchParams;
      const wanted = { ...readSpan(query), points: readNumber(query, "points", points) };
      const data: SeriesData = { measurement, ...await histograms.series(measurement, wanted) };
      return c.json(data, 200, { "cache-control": "no-store" });
    })
    .get("/histograms/:measurement/measurements", (c) => rowsResponse(c, deps, nameOf(c)))
    .post("/histograms/:measurement/measurements", (c) => postMeasurements(c, deps, nameOf(c)));
}

function histogramData({ spec, snapshot, covered, status, rows }: HistogramNow): HistogramData {
  const { name, ...range } = spec;
  const topics = { measurement: name, topic: name, hist_topic: histTopicOf(name) };
  return { ...topics, range, ...snapshot, ...covered, status, rows, links: histogramLinks(name) };
}

/** @throws {StreamError} 404 `unknown-measurement` */
function knownName(specs: readonly MeasurementSpec[], name: string): string {
  if (specs.some((spec) => spec.name === name)) return name;
  const known = specs.length === 0 ? "none is" : `${specs.map((spec) => spec.name).join(", ")} are`;
  const detail = `Cannot find the measurement ${JSON.stringify(name.slice(0, 80))}: ${known} counted here`;
  throw new StreamError("unknown-measurement", 404, detail);
}
