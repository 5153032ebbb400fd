// @ts-check
/** The start page: what runs here, where its streams are, how much passes, and the newest records as they
 * come.
 *
 * Numbers of the whole service come with each answer of `/`, which the frame asks for; records and their
 * delay from the stream this page follows like any other viewer. Left out: everything of features that this
 * service has not got.
 * @module */
/** @import { HomeData, StreamLinks } from "../../routes/pages.ts" */
/** @import { PositionEvent } from "../../routes/geo.ts" */
import { copyLine } from "../shared/copy.js";
import { byId } from "../shared/dom.js";
import { count, duration, rate, setText, timeOfDay, utc, wholeDuration } from "../shared/format.js";
import { openFrame } from "../shared/frame.js";
import { clockSkew } from "../shared/meter.js";
import { mark, seriesOf, setMark } from "../shared/series.js";
import { follow } from "../shared/stream.js";
import { sendTestRecord, testCommand } from "../shared/test_record.js";

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
  const [stream] = streams;
  if (!stream) return;
  showWays(stream, kafka.brokers[0] ?? "");
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
  setText(byId("viewers"), count(now.viewers.sse + now.viewers.websocket));
  setText(byId("viewers-sse"), count(now.viewers.sse));
  setText(byId("viewers-ws"), count(now.viewers.websocket));
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

/** The ways in and out of a topic, each as a line to copy.
 * @param {StreamLinks} stream
 * @param {string} broker */
function showWays(stream, broker) {
  const full = (/** @type {string} */ path) => new URL(path, location.href).href;
  const socket = full(stream.socket).replace(/^http/, "ws");
  setText(byId("topic"), stream.topic);
  setText(byId("client-url"), full("/client.js"));
  /** @type {HTMLAnchorElement} */ (byId("map-link")).href = stream.page;
  /** @type {HTMLAnchorElement} */ (byId("tail-link")).href = `/topics/${stream.topic}`;
  /** @type {[string, string, string][]} */
  const ways = [
    ["Post a position", "Answered when Kafka has it; an array posts many.", testCommand(stream.topic)],
    [
      "Follow as server-sent events",
      "Each event has an id from which a reader goes on.",
      `curl -N ${full(stream.events)}`,
    ],
    ["Follow over a WebSocket", "The same records; one JSON object per line.", socket],
    [
      "Follow with a Kafka client",
      "Records are keyed by name; their values are JSON.",
      `kcat -C -b ${broker} -t ${stream.topic}`,
    ],
    [
      "Earlier tracks",
      "GeoJSON, a line per name; this asks for all there are.",
      `curl '${full(stream.tracks)}?since=t.0'`,
    ],
    [
      "Follow as plain JSON",
      "A WebSocket that sends one record per message, nothing else.",
      full(stream.consumer).replace(/^http/, "ws"),
    ],
  ];
  byId("ways").replaceChildren(...ways.map(([title, text, line]) => {
    const way = document.createElement("div");
    const heading = document.createElement("h3");
    heading.textContent = title;
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    way.append(heading, paragraph, copyLine(line, title.toLowerCase()));
    return way;
  }));
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
