// @ts-check
/** The start page: what runs here, where its streams are, how much passes, and the newest records as they
 * come.
 *
 * Numbers of the whole service come with each answer of `/`, which the frame asks for; records and their
 * delay from the stream this page follows like any other viewer. Left out: everything of features that this
 * service has not got.
 * @module */
/** @import { AggregationLinks } from "../../routes/aggregation_links.ts" */
/** @import { HistogramLinks } from "../../routes/histogram_links.ts" */
/** @import { GeoLinks, HomeData, VideoLinks } from "../../routes/pages.ts" */
/** @import { PositionEvent } from "../../routes/geo.ts" */
import { byId } from "../shared/dom.js";
import { count, duration, rate, setText, timeOfDay, utc, wholeDuration } from "../shared/format.js";
import { openFrame } from "../shared/frame.js";
import { clockSkew } from "../shared/meter.js";
import { mark, seriesOf, setMark } from "../shared/series.js";
import { follow } from "../shared/stream.js";
import { sendTestRecord } from "../shared/test_record.js";
import { geoWays, histogramWays, likeWays, showWays, videoWays } from "./ways.js";

const rowCount = 13;
/** Shortest time between two drawings: faster, nobody could read. */
const drawMs = 100;
const tickMs = 500;
/** Delays of at most this many records are looked at per drawing. */
const maxDelays = 256;

/** Newest first. @type {PositionEvent[]} */
const newest = [];
/** Delays of what came since the last drawing, to be counted when it is drawn. @type {number[]} */
let undrawn = [];
let skewMs = 0;
let isStarted = false;
let isDrawingAsked = false;
let drawnAt = 0;
/** @type {{ at: number, deliveries: number } | null} */
let before = null;

const rows = Array.from({ length: rowCount }, makeRow);
const frame = openFrame((service) => {
  if (!isStarted) start(service);
  showService(service);
});
setInterval(draw, tickMs);

/** @param {HomeData} service */
function start({ streams, kafka }) {
  isStarted = true;
  setText(byId("client-url"), new URL("/client.js", location.href).href);
  const video = streams.find((links) => links.feature === "video");
  if (video) showVideo(video);
  showMeasurements(streams.filter((links) => links.feature === "histograms"));
  const likes = streams.find((links) => links.feature === "aggregations");
  if (likes) showLikes(likes);
  const stream = streams.find((links) => links.feature === "geo");
  if (!stream) return;
  showGeo(stream, kafka.brokers[0] ?? "");
  byId("send-test").addEventListener("click", async () => {
    setText(byId("send-result"), "Sending …");
    setText(byId("send-result"), await sendTestRecord(stream.topic));
  });
  frame.setStreams([{ name: `Positions of ${stream.topic}, as server-sent events`, url: stream.events }]);
  follow(stream.events, {
    events: ["position"],
    onRecord: (/** @type {PositionEvent} */ record) => {
      frame.meter.arrived(Date.now());
      if (!document.hidden && undrawn.length < maxDelays) undrawn.push(record.at);
      newest.unshift(record);
      newest.length = Math.min(newest.length, rowCount);
      askForDrawing();
    },
    onReady: ({ serverTime, resume, skipped = 0 }) => {
      skewMs = clockSkew(serverTime);
      if (resume === "gap") frame.meter.gap(skipped);
    },
    onGap: ({ skipped }) => frame.meter.gap(skipped),
    onStatus: ({ kafka }) => frame.setKafka(kafka),
    onState: (state) => {
      frame.setConnection(state);
      setText(byId("tail-state"), stateWords[state.name] ?? state.name);
    },
  });
}

/** @type {Record<string, string>} */
const stateWords = {
  connecting: "Connecting",
  open: "Live",
  waiting: "Connection lost, trying again",
  failed: "Refused by the service",
};

/** @param {HomeData} service */
function showService({ version, kafka, operations, now }) {
  setText(byId("version"), version);
  setText(byId("kafka"), kafka.mode === "embedded" ? "embedded broker" : "external");
  setText(byId("brokers"), kafka.brokers.join(", "));
  setText(byId("uptime"), wholeDuration(now.uptimeSeconds * 1000));
  setText(byId("posts"), count(now.posts));
  setText(byId("deliveries"), count(now.deliveries));
  setText(byId("viewers"), count(now.viewers.sse + now.viewers.websocket + now.viewers.mjpeg));
  setText(byId("viewers-sse"), count(now.viewers.sse));
  setText(byId("viewers-ws"), count(now.viewers.websocket));
  setText(byId("viewers-mjpeg"), count(now.viewers.mjpeg));
  const at = now.uptimeSeconds;
  if (before && at > before.at) {
    setText(byId("delivery-rate"), rate((now.deliveries - before.deliveries) / (at - before.at)));
  }
  before = { at, deliveries: now.deliveries };
  const links = byId("operations");
  if (links.childElementCount > 0) return;
  links.append(...operations.map((path) => {
    const link = document.createElement("a");
    link.href = path;
    link.textContent = path;
    return link;
  }));
}

/** @param {GeoLinks} links @param {string} broker */
function showGeo(links, broker) {
  setText(byId("topic"), links.topic);
  link("map-link").href = links.page;
  link("tail-link").href = `/topics/${links.topic}`;
  showWays(byId("ways"), geoWays(links, broker));
}

/** @param {VideoLinks} links */
function showVideo(links) {
  setText(byId("video-topic"), links.topic);
  link("video-link").href = links.page;
  showWays(byId("video-ways"), videoWays(links));
  byId("video").hidden = false;
}

/** @param {HistogramLinks[]} all */
function showMeasurements(all) {
  const [first] = all;
  byId("histograms").hidden = !first;
  if (!first) return;
  byId("measurement-names").replaceChildren(...all.flatMap(({ topic }, i) => {
    const name = Object.assign(document.createElement("code"), { textContent: topic });
    return i === 0 ? [name] : [", ", name];
  }));
  showWays(byId("histogram-ways"), histogramWays(first));
}

/** @param {AggregationLinks} links */
function showLikes(links) {
  setText(byId("likes-topic"), links.topic);
  link("likes-link").href = links.page;
  showWays(byId("likes-ways"), likeWays(links));
  byId("likes").hidden = false;
}

/** @param {string} id */
function link(id) {
  return /** @type {HTMLAnchorElement} */ (byId(id));
}

function askForDrawing() {
  if (isDrawingAsked) return;
  isDrawingAsked = true;
  setTimeout(() => requestAnimationFrame(draw), Math.max(0, drawMs - (Date.now() - drawnAt)));
}

function draw() {
  isDrawingAsked = false;
  if (document.hidden) return;
  const now = Date.now();
  drawnAt = now;
  for (const at of undrawn) frame.meter.drawn(now, Math.max(0, now + skewMs - at));
  undrawn = [];
  const delay = frame.meter.medianDelay(now);
  setText(byId("arrival-rate"), rate(frame.meter.perSecond(now)));
  setText(byId("delay"), delay === null ? "–" : duration(delay));
  byId("tail-empty").hidden = newest.length > 0 || !isStarted;
  rows.forEach((row, i) => fill(row, newest[i]));
}

function makeRow() {
  const element = document.createElement("tr");
  const [time, nameCell, position, record] = [0, 1, 2, 3].map(() => element.insertCell());
  if (!time || !nameCell || !position || !record) throw new Error("unreachable");
  const box = document.createElement("div");
  box.className = "name";
  const sign = mark({ color: 0, shape: 0 });
  const name = document.createElement("span");
  box.append(sign, name);
  nameCell.append(box);
  record.className = "mono muted";
  element.hidden = true;
  byId("tail").append(element);
  return { element, time, sign, name, position, record };
}

/** @param {ReturnType<typeof makeRow>} row @param {PositionEvent | undefined} position */
function fill(row, position) {
  row.element.hidden = position === undefined;
  if (!position) return;
  const { name, lat, lon, at, partition, offset } = position;
  setText(row.time, timeOfDay(at));
  row.time.title = utc(at);
  if (row.name.textContent !== name) setMark(row.sign, seriesOf(name));
  setText(row.name, name);
  row.name.title = name;
  setText(row.position, `${lat.toFixed(5)}, ${lon.toFixed(5)}`);
  setText(row.record, `${partition}:${offset}`);
}
