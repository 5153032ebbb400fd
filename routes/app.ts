/** All routes in one application: a feature is one line here.
 *
 * Opens nothing, so that a test can call `createApp(deps).request(…)`. Left out: the frame around the routes
 * (shell.ts), and the socket (commands/serve.ts).
 * @module */
import type { Hono } from "hono";
import { type AggregationsDeps, aggregationsRoutes, windowStream } from "./aggregations.ts";
import { type GeoDeps, geoRoutes, positionStream } from "./geo.ts";
import { type HistogramsDeps, histogramsRoutes, histogramStream } from "./histograms.ts";
import { type LikesDeps, likesRoutes } from "./likes.ts";
import type { AppEnv } from "./middleware.ts";
import { mjpegRoutes } from "./mjpeg.ts";
import { type OperationsDeps, operationsRoutes } from "./operations.ts";
import { type PagesDeps, pagesRoutes } from "./pages.ts";
import { shell, type ShellDeps } from "./shell.ts";
import { type SocketIoDeps, socketIoRoutes } from "./socketio.ts";
import { StreamTable } from "./stream_table.ts";
import { type TopicsDeps, topicsRoutes, topicStream } from "./topics.ts";
import { type VideoDeps, videoRoutes } from "./video.ts";
import { videoStream } from "./video_feed.ts";
import { framesPath, type VideoPublishDeps, videoPublishRoutes } from "./video_publish.ts";

/** What all routes together need. */
export type AppDeps =
  & ShellDeps
  & OperationsDeps
  & GeoDeps
  & VideoDeps
  & VideoPublishDeps
  & HistogramsDeps
  & LikesDeps
  & AggregationsDeps
  & SocketIoDeps
  & TopicsDeps
  & PagesDeps;

/** Makes the application; `fetch` of what it returns answers requests. */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const histograms = histogramStream(deps.histograms.specs);
  // Every stream: `…/events` over SSE, `…/socket` over WebSocket.
  const windows = windowStream(deps.aggregations.sizes);
  const streams = new StreamTable([positionStream, videoStream, histograms, windows, topicStream]);
  return shell(deps, [
    operationsRoutes(deps),
    geoRoutes(deps),
    mjpegRoutes(deps),
    videoPublishRoutes(deps),
    streams.routes(deps),
    pagesRoutes(deps),
    likesRoutes(deps),
    videoRoutes(deps),
    histogramsRoutes(deps),
    aggregationsRoutes(deps),
    socketIoRoutes(deps),
    topicsRoutes(deps),
  ], { endlessBodies: [framesPath] });
}

/** The application of a broker alone: health, metrics, version. */
export function createOperationsApp(deps: ShellDeps & OperationsDeps): Hono<AppEnv> {
  return shell(deps, [operationsRoutes(deps)]);
}
