/** Every file the browser may ask for, by the path it asks for it.
 *
 * A table, not a folder: what is not named here cannot be reached, and as each entry is an import, the
 * compiled binary holds it. Bytes and their ETag are made at the first request and kept. Left out: which page
 * is shown where (routes/pages.ts).
 * @module */
import { createHash } from "node:crypto";
import aggregationsAggregationsCss from "../static/aggregations/aggregations.css" with { type: "text" };
import aggregationsAggregations from "../static/aggregations/aggregations.js" with { type: "text" };
import aggregationsAggregationsApi from "../static/aggregations/aggregations_api.js" with { type: "text" };
import aggregationsBars from "../static/aggregations/bars.js" with { type: "text" };
import aggregationsBarsView from "../static/aggregations/bars_view.js" with { type: "text" };
import aggregationsCardCss from "../static/aggregations/card.css" with { type: "text" };
import aggregationsCard from "../static/aggregations/card.js" with { type: "text" };
import aggregationsDetailCss from "../static/aggregations/detail.css" with { type: "text" };
import aggregationsDetail from "../static/aggregations/detail.js" with { type: "text" };
import aggregationsGenerator from "../static/aggregations/generator.js" with { type: "text" };
import aggregationsGeneratorPanel from "../static/aggregations/generator_panel.js" with { type: "text" };
import aggregationsLikeButton from "../static/aggregations/like_button.js" with { type: "text" };
import aggregationsLikes from "../static/aggregations/likes.js" with { type: "text" };
import aggregationsNotice from "../static/aggregations/notice.js" with { type: "text" };
import aggregationsPageUrl from "../static/aggregations/page_url.js" with { type: "text" };
import aggregationsSession from "../static/aggregations/session.js" with { type: "text" };
import aggregationsTip from "../static/aggregations/tip.js" with { type: "text" };
import aggregationsVideo from "../static/aggregations/video.js" with { type: "text" };
import aggregationsWindowTimes from "../static/aggregations/window_times.js" with { type: "text" };
import aggregationsWords from "../static/aggregations/words.js" with { type: "text" };
import geoBasemap from "../static/geo/basemap.js" with { type: "text" };
import geoEarlierTracks from "../static/geo/earlier_tracks.js" with { type: "text" };
import geoEmptyCard from "../static/geo/empty_card.js" with { type: "text" };
import geoFollowedCard from "../static/geo/followed_card.js" with { type: "text" };
import geoGeo from "../static/geo/geo.js" with { type: "text" };
import geoHeads from "../static/geo/heads.js" with { type: "text" };
import geoLines from "../static/geo/lines.js" with { type: "text" };
import geoMapCss from "../static/geo/map.css" with { type: "text" };
import geoMapView from "../static/geo/map_view.js" with { type: "text" };
import geoMarks from "../static/geo/marks.js" with { type: "text" };
import geoMovers from "../static/geo/movers.js" with { type: "text" };
import geoMoversLayer from "../static/geo/movers_layer.js" with { type: "text" };
import geoNameList from "../static/geo/name_list.js" with { type: "text" };
import geoNotice from "../static/geo/notice.js" with { type: "text" };
import geoPageUrl from "../static/geo/page_url.js" with { type: "text" };
import geoRecording from "../static/geo/recording.js" with { type: "text" };
import geoReplayCss from "../static/geo/replay.css" with { type: "text" };
import geoReplay from "../static/geo/replay.js" with { type: "text" };
import geoReplayBar from "../static/geo/replay_bar.js" with { type: "text" };
import geoSession from "../static/geo/session.js" with { type: "text" };
import geoStreets from "../static/geo/streets.js" with { type: "text" };
import geoTrails from "../static/geo/trails.js" with { type: "text" };
import geoViewCanvas from "../static/geo/view_canvas.js" with { type: "text" };
import geoCss from "../static/geo/geo.css" with { type: "text" };
// As JSON, since the demo imports it so, and one file cannot be imported in two ways.
import geoStreetsJson from "../static/geo/streets.json" with { type: "json" };
import histogramsBarsChart from "../static/histograms/bars_chart.js" with { type: "text" };
import histogramsCardCss from "../static/histograms/card.css" with { type: "text" };
import histogramsCard from "../static/histograms/card.js" with { type: "text" };
import histogramsChart from "../static/histograms/chart.js" with { type: "text" };
import histogramsChartLook from "../static/histograms/chart_look.js" with { type: "text" };
import histogramsCourse from "../static/histograms/course.js" with { type: "text" };
import histogramsCourseChart from "../static/histograms/course_chart.js" with { type: "text" };
import histogramsCourseLoader from "../static/histograms/course_loader.js" with { type: "text" };
import histogramsEmpty from "../static/histograms/empty.js" with { type: "text" };
import histogramsFacts from "../static/histograms/facts.js" with { type: "text" };
import histogramsHistogramsCss from "../static/histograms/histograms.css" with { type: "text" };
import histogramsHistograms from "../static/histograms/histograms.js" with { type: "text" };
import histogramsHistogramsApi from "../static/histograms/histograms_api.js" with { type: "text" };
import histogramsMeasurement from "../static/histograms/measurement.js" with { type: "text" };
import histogramsNotice from "../static/histograms/notice.js" with { type: "text" };
import histogramsNumbers from "../static/histograms/numbers.js" with { type: "text" };
import histogramsPageUrl from "../static/histograms/page_url.js" with { type: "text" };
import histogramsPicture from "../static/histograms/picture.js" with { type: "text" };
import histogramsSession from "../static/histograms/session.js" with { type: "text" };
import homeCss from "../static/home/home.css" with { type: "text" };
import homePage from "../static/home/home.js" with { type: "text" };
import homeWays from "../static/home/ways.js" with { type: "text" };
import api from "../static/shared/api.js" with { type: "text" };
import copy from "../static/shared/copy.js" with { type: "text" };
import dom from "../static/shared/dom.js" with { type: "text" };
import format from "../static/shared/format.js" with { type: "text" };
import frame from "../static/shared/frame.js" with { type: "text" };
import noticeView from "../static/shared/notice_view.js" with { type: "text" };
import meter from "../static/shared/meter.js" with { type: "text" };
import series from "../static/shared/series.js" with { type: "text" };
import pageLife from "../static/shared/page_life.js" with { type: "text" };
import problem from "../static/shared/problem.js" with { type: "text" };
import stream from "../static/shared/stream.js" with { type: "text" };
import streamAcks from "../static/shared/stream_acks.js" with { type: "text" };
import streamFrames from "../static/shared/stream_frames.js" with { type: "text" };
import streamGroup from "../static/shared/stream_group.js" with { type: "text" };
import streamLinks from "../static/shared/stream_links.js" with { type: "text" };
import streamTypes from "../static/shared/stream_types.js" with { type: "text" };
import streamViewer from "../static/shared/stream_viewer.js" with { type: "text" };
import testRecord from "../static/shared/test_record.js" with { type: "text" };
import theme from "../static/shared/theme.js" with { type: "text" };
import cardsCss from "../static/shared/cards.css" with { type: "text" };
import frameCss from "../static/shared/frame.css" with { type: "text" };
import panesCss from "../static/shared/panes.css" with { type: "text" };
import tokensCss from "../static/shared/tokens.css" with { type: "text" };
import icon from "../static/shared/icon.svg" with { type: "text" };
import leafletCss from "leaflet/dist/leaflet.css" with { type: "text" };
import leaflet from "leaflet/dist/leaflet-src.esm.js" with { type: "text" };
import uplotCss from "uplot/dist/uPlot.min.css" with { type: "text" };
import uplot from "uplot/dist/uPlot.esm.js" with { type: "text" };
import topicsDetail from "../static/topics/detail.js" with { type: "text" };
import topicsEmpty from "../static/topics/empty.js" with { type: "text" };
import topicsPageUrl from "../static/topics/page_url.js" with { type: "text" };
import topicsProduceDialog from "../static/topics/produce_dialog.js" with { type: "text" };
import topicsRecordCss from "../static/topics/record.css" with { type: "text" };
import topicsRecordBuffer from "../static/topics/record_buffer.js" with { type: "text" };
import topicsRecordList from "../static/topics/record_list.js" with { type: "text" };
import topicsRecordText from "../static/topics/record_text.js" with { type: "text" };
import topicsStartForm from "../static/topics/start_form.js" with { type: "text" };
import topicsTail from "../static/topics/tail.js" with { type: "text" };
import topicsTailNotice from "../static/topics/tail_notice.js" with { type: "text" };
import topicsTopicCss from "../static/topics/topic.css" with { type: "text" };
import topicsTopicList from "../static/topics/topic_list.js" with { type: "text" };
import topicsTopicsCss from "../static/topics/topics.css" with { type: "text" };
import topicsTopics from "../static/topics/topics.js" with { type: "text" };
import topicsTopicsApi from "../static/topics/topics_api.js" with { type: "text" };
import topicsUnits from "../static/topics/units.js" with { type: "text" };
import topicsWindowedRows from "../static/topics/windowed_rows.js" with { type: "text" };
import videoCapture from "../static/video/capture.js" with { type: "text" };
import videoControlsCss from "../static/video/controls.css" with { type: "text" };
import videoControls from "../static/video/controls.js" with { type: "text" };
import videoEmpty from "../static/video/empty.js" with { type: "text" };
import videoLeftOff from "../static/video/left_off.js" with { type: "text" };
import videoPageUrl from "../static/video/page_url.js" with { type: "text" };
import videoPlayer from "../static/video/player.js" with { type: "text" };
import videoPlayerNotice from "../static/video/player_notice.js" with { type: "text" };
import videoPublishCss from "../static/video/publish.css" with { type: "text" };
import videoPublishPanel from "../static/video/publish_panel.js" with { type: "text" };
import videoPublisher from "../static/video/publisher.js" with { type: "text" };
import videoScreen from "../static/video/screen.js" with { type: "text" };
import videoSeekBar from "../static/video/seek_bar.js" with { type: "text" };
import videoStreamList from "../static/video/stream_list.js" with { type: "text" };
import videoStreamsCss from "../static/video/streams.css" with { type: "text" };
import videoVideoCss from "../static/video/video.css" with { type: "text" };
import videoVideo from "../static/video/video.js" with { type: "text" };
import videoVideoApi from "../static/video/video_api.js" with { type: "text" };
import videoWallCss from "../static/video/wall.css" with { type: "text" };
import videoWall from "../static/video/wall.js" with { type: "text" };
import videoWallNotice from "../static/video/wall_notice.js" with { type: "text" };
import { worldOutlines } from "./outlines.ts";

/** One answer: its bytes, its type and how long a browser may go without asking again. */
export interface Asset {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly etag: string;
  readonly cacheControl: string;
}

const types = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json; charset=utf-8",
  svg: "image/svg+xml",
} as const;

/** Ours change with each release under the same name, so they are asked for again each time (304 when nothing
 * changed). */
const revalidate = "no-cache";
const forAWeek = "public, max-age=604800";

interface Source {
  readonly text: string | (() => string);
  readonly cacheControl?: string;
}

/** One address for other programs; what it imports resolves against that address, also from another origin. */
const client = `/** The client of Tailrace's streams, follow() and followAll(): see what this imports. */
export * from "./static/shared/stream.js";
`;

const table: Readonly<Record<string, Source>> = {
  "/client.js": { text: client },
  "/favicon.ico": { text: icon },
  "/static/aggregations/aggregations.css": { text: aggregationsAggregationsCss },
  "/static/aggregations/aggregations.js": { text: aggregationsAggregations },
  "/static/aggregations/aggregations_api.js": { text: aggregationsAggregationsApi },
  "/static/aggregations/bars.js": { text: aggregationsBars },
  "/static/aggregations/bars_view.js": { text: aggregationsBarsView },
  "/static/aggregations/card.css": { text: aggregationsCardCss },
  "/static/aggregations/card.js": { text: aggregationsCard },
  "/static/aggregations/detail.css": { text: aggregationsDetailCss },
  "/static/aggregations/detail.js": { text: aggregationsDetail },
  "/static/aggregations/generator.js": { text: aggregationsGenerator },
  "/static/aggregations/generator_panel.js": { text: aggregationsGeneratorPanel },
  "/static/aggregations/like_button.js": { text: aggregationsLikeButton },
  "/static/aggregations/likes.js": { text: aggregationsLikes },
  "/static/aggregations/notice.js": { text: aggregationsNotice },
  "/static/aggregations/page_url.js": { text: aggregationsPageUrl },
  "/static/aggregations/session.js": { text: aggregationsSession },
  "/static/aggregations/tip.js": { text: aggregationsTip },
  "/static/aggregations/video.js": { text: aggregationsVideo },
  "/static/aggregations/window_times.js": { text: aggregationsWindowTimes },
  "/static/aggregations/words.js": { text: aggregationsWords },
  "/static/geo/basemap.js": { text: geoBasemap },
  "/static/geo/earlier_tracks.js": { text: geoEarlierTracks },
  "/static/geo/empty_card.js": { text: geoEmptyCard },
  "/static/geo/followed_card.js": { text: geoFollowedCard },
  "/static/geo/geo.css": { text: geoCss },
  "/static/geo/geo.js": { text: geoGeo },
  "/static/geo/heads.js": { text: geoHeads },
  "/static/geo/lines.js": { text: geoLines },
  "/static/geo/map.css": { text: geoMapCss },
  "/static/geo/map_view.js": { text: geoMapView },
  "/static/geo/marks.js": { text: geoMarks },
  "/static/geo/movers.js": { text: geoMovers },
  "/static/geo/movers_layer.js": { text: geoMoversLayer },
  "/static/geo/name_list.js": { text: geoNameList },
  "/static/geo/notice.js": { text: geoNotice },
  "/static/geo/page_url.js": { text: geoPageUrl },
  "/static/geo/recording.js": { text: geoRecording },
  "/static/geo/replay.css": { text: geoReplayCss },
  "/static/geo/replay.js": { text: geoReplay },
  "/static/geo/replay_bar.js": { text: geoReplayBar },
  "/static/geo/session.js": { text: geoSession },
  "/static/geo/streets.js": { text: geoStreets },
  "/static/geo/streets.json": { text: () => JSON.stringify(geoStreetsJson) },
  "/static/geo/trails.js": { text: geoTrails },
  "/static/geo/view_canvas.js": { text: geoViewCanvas },
  "/static/geo/world.json": { text: worldOutlines, cacheControl: forAWeek },
  "/static/histograms/bars_chart.js": { text: histogramsBarsChart },
  "/static/histograms/card.css": { text: histogramsCardCss },
  "/static/histograms/card.js": { text: histogramsCard },
  "/static/histograms/chart.js": { text: histogramsChart },
  "/static/histograms/chart_look.js": { text: histogramsChartLook },
  "/static/histograms/course.js": { text: histogramsCourse },
  "/static/histograms/course_chart.js": { text: histogramsCourseChart },
  "/static/histograms/course_loader.js": { text: histogramsCourseLoader },
  "/static/histograms/empty.js": { text: histogramsEmpty },
  "/static/histograms/facts.js": { text: histogramsFacts },
  "/static/histograms/histograms.css": { text: histogramsHistogramsCss },
  "/static/histograms/histograms.js": { text: histogramsHistograms },
  "/static/histograms/histograms_api.js": { text: histogramsHistogramsApi },
  "/static/histograms/measurement.js": { text: histogramsMeasurement },
  "/static/histograms/notice.js": { text: histogramsNotice },
  "/static/histograms/numbers.js": { text: histogramsNumbers },
  "/static/histograms/page_url.js": { text: histogramsPageUrl },
  "/static/histograms/picture.js": { text: histogramsPicture },
  "/static/histograms/session.js": { text: histogramsSession },
  "/static/home/home.css": { text: homeCss },
  "/static/home/home.js": { text: homePage },
  "/static/home/ways.js": { text: homeWays },
  "/static/shared/api.js": { text: api },
  "/static/shared/copy.js": { text: copy },
  "/static/shared/dom.js": { text: dom },
  "/static/shared/format.js": { text: format },
  "/static/shared/cards.css": { text: cardsCss },
  "/static/shared/frame.css": { text: frameCss },
  "/static/shared/frame.js": { text: frame },
  "/static/shared/icon.svg": { text: icon },
  "/static/shared/leaflet.css": { text: leafletCss, cacheControl: forAWeek },
  "/static/shared/leaflet.js": { text: leaflet, cacheControl: forAWeek },
  "/static/shared/meter.js": { text: meter },
  "/static/shared/notice_view.js": { text: noticeView },
  "/static/shared/page_life.js": { text: pageLife },
  "/static/shared/problem.js": { text: problem },
  "/static/shared/panes.css": { text: panesCss },
  "/static/shared/series.js": { text: series },
  "/static/shared/stream.js": { text: stream },
  "/static/shared/stream_acks.js": { text: streamAcks },
  "/static/shared/stream_frames.js": { text: streamFrames },
  "/static/shared/stream_group.js": { text: streamGroup },
  "/static/shared/stream_links.js": { text: streamLinks },
  "/static/shared/stream_types.js": { text: streamTypes },
  "/static/shared/stream_viewer.js": { text: streamViewer },
  "/static/shared/test_record.js": { text: testRecord },
  "/static/shared/theme.js": { text: theme },
  "/static/shared/tokens.css": { text: tokensCss },
  "/static/shared/uplot.css": { text: uplotCss, cacheControl: forAWeek },
  "/static/shared/uplot.js": { text: uplot, cacheControl: forAWeek },
  "/static/topics/detail.js": { text: topicsDetail },
  "/static/topics/empty.js": { text: topicsEmpty },
  "/static/topics/page_url.js": { text: topicsPageUrl },
  "/static/topics/produce_dialog.js": { text: topicsProduceDialog },
  "/static/topics/record.css": { text: topicsRecordCss },
  "/static/topics/record_buffer.js": { text: topicsRecordBuffer },
  "/static/topics/record_list.js": { text: topicsRecordList },
  "/static/topics/record_text.js": { text: topicsRecordText },
  "/static/topics/start_form.js": { text: topicsStartForm },
  "/static/topics/tail.js": { text: topicsTail },
  "/static/topics/tail_notice.js": { text: topicsTailNotice },
  "/static/topics/topic.css": { text: topicsTopicCss },
  "/static/topics/topic_list.js": { text: topicsTopicList },
  "/static/topics/topics.css": { text: topicsTopicsCss },
  "/static/topics/topics.js": { text: topicsTopics },
  "/static/topics/topics_api.js": { text: topicsTopicsApi },
  "/static/topics/units.js": { text: topicsUnits },
  "/static/topics/windowed_rows.js": { text: topicsWindowedRows },
  "/static/video/capture.js": { text: videoCapture },
  "/static/video/controls.css": { text: videoControlsCss },
  "/static/video/controls.js": { text: videoControls },
  "/static/video/empty.js": { text: videoEmpty },
  "/static/video/left_off.js": { text: videoLeftOff },
  "/static/video/page_url.js": { text: videoPageUrl },
  "/static/video/player.js": { text: videoPlayer },
  "/static/video/player_notice.js": { text: videoPlayerNotice },
  "/static/video/publish.css": { text: videoPublishCss },
  "/static/video/publish_panel.js": { text: videoPublishPanel },
  "/static/video/publisher.js": { text: videoPublisher },
  "/static/video/screen.js": { text: videoScreen },
  "/static/video/seek_bar.js": { text: videoSeekBar },
  "/static/video/stream_list.js": { text: videoStreamList },
  "/static/video/streams.css": { text: videoStreamsCss },
  "/static/video/video.css": { text: videoVideoCss },
  "/static/video/video.js": { text: videoVideo },
  "/static/video/video_api.js": { text: videoVideoApi },
  "/static/video/wall.css": { text: videoWallCss },
  "/static/video/wall.js": { text: videoWall },
  "/static/video/wall_notice.js": { text: videoWallNotice },
};

/** The paths there are. */
export const assetPaths: readonly string[] = Object.keys(table);

const made = new Map<string, Asset>();

/** The asset at `path`, or undefined when there is none. */
export function assetAt(path: string): Asset | undefined {
  const known = made.get(path);
  if (known) return known;
  const source = Object.hasOwn(table, path) ? table[path] : undefined;
  if (!source) return undefined;
  const text = typeof source.text === "string" ? source.text : source.text();
  const asset = makeAsset(text, typeOf(path), source.cacheControl ?? revalidate);
  made.set(path, asset);
  return asset;
}

/** Gives `text` what it needs to be answered. */
export function makeAsset(text: string, type: string = types.html, cacheControl: string = revalidate): Asset {
  const bytes = new TextEncoder().encode(text);
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
  return { bytes, type, etag, cacheControl };
}

function typeOf(path: string): string {
  const ending = path.slice(path.lastIndexOf(".") + 1);
  if (ending === "ico") return types.svg; // browsers go by the type, and every one of today draws an SVG
  const type = types[ending as keyof typeof types];
  if (!type) throw new RangeError(`Cannot serve ${path} as the type of .${ending} is not known`);
  return type;
}
