// @ts-check
/** The ways in and out of a topic, each as a line to copy.
 * @module */
/** @import { AggregationLinks } from "../../routes/aggregation_links.ts" */
/** @import { HistogramLinks } from "../../routes/histogram_links.ts" */
/** @import { GeoLinks, VideoLinks } from "../../routes/pages.ts" */
import { copyLine } from "../shared/copy.js";
import { testCommand } from "../shared/test_record.js";

/** @typedef {readonly [title: string, text: string, line: string]} Way */

/** @param {GeoLinks} links @param {string} broker host:port @returns {Way[]} */
export function geoWays({ topic, events, socket, tracks, consumer }, broker) {
  return [
    ["Post a position", "Answered when Kafka has it; an array posts many.", testCommand(topic)],
    [
      "Follow as server-sent events",
      "Each event has an id from which a reader goes on.",
      `curl -N ${full(events)}`,
    ],
    ["Follow over a WebSocket", "The same records; one JSON object per line.", overSocket(socket)],
    [
      "Follow with a Kafka client",
      "Records are keyed by name; their values are JSON.",
      `kcat -C -b ${broker} -t ${topic}`,
    ],
    [
      "Earlier tracks",
      "GeoJSON, a line per name; this asks for all there are.",
      `curl '${full(tracks)}?since=t.0'`,
    ],
    [
      "Follow as plain JSON",
      "A WebSocket that sends one record per message, nothing else.",
      overSocket(consumer),
    ],
  ];
}

/** @param {VideoLinks} links @returns {Way[]} */
export function videoWays({ post, publish, mjpeg, socket, events, snapshot }) {
  return [
    [
      "Post a picture",
      "A JPEG; or an endless body of them.",
      `curl --data-binary @picture.jpg ${full(post)}`,
    ],
    ["Publish over a WebSocket", "A JPEG per message; each is answered with its place.", overSocket(publish)],
    [
      "Show it on any page",
      "A viewer goes on where it left off, also after a refresh.",
      `<img src="${full(mjpeg)}">`,
    ],
    [
      "Follow over a WebSocket",
      "Binary: a header of 32 bytes, then the JPEG.",
      overSocket(socket),
    ],
    ["One picture", "The newest; 304 for who has it.", `curl -o newest.jpg ${full(snapshot)}`],
    ["Follow what is told of frames", "Server-sent events without the pictures.", `curl -N ${full(events)}`],
  ];
}

/** @param {HistogramLinks} links @returns {Way[]} */
export function histogramWays({ topic, page, events, measurements, csv }) {
  return [
    [
      "Post a measurement",
      "Of now, or with its measurement_time; an array posts many.",
      `curl -d '{"measurement":50}' -H 'content-type: application/json' ${full(measurements)}`,
    ],
    [
      "Follow a histogram as server-sent events",
      "Each event is a whole histogram.",
      `curl -N ${full(events)}`,
    ],
    ["The histogram as it is now", "Bins as numpy has them, mean, spread and more.", `curl ${full(page)}`],
    ["Measurements as a table", "All that are kept, or from= … to=.", `curl -o ${topic}.csv '${full(csv)}'`],
    ["Draw a histogram in the terminal", "Live, in any size.", `tailrace plot ${topic}`],
    [
      "Measurements of a CSV file",
      "As fast as Kafka takes them, or by their own times.",
      `tailrace publish measurements --csv FILE --measurement ${topic}`,
    ],
  ];
}

/** @param {AggregationLinks} links @returns {Way[]} */
export function likeWays({ video, post, windows, events, sizes }) {
  const [size] = sizes;
  return [
    ["Like a video", "Answered when Kafka has it; any id will do.", `curl -X POST ${full(post)}`],
    [
      "Follow the windows of a video",
      "As they fill, and when they are final; id= may repeat.",
      `curl -N '${full(events)}'`,
    ],
    ["Its windows as they are now", "Those that are final, and the open ones.", `curl ${full(windows)}`],
    [
      "Follow all final windows",
      `Of ${size?.size ?? ""}; each event has an id from which a reader goes on.`,
      `curl -N ${full(size?.events ?? "")}`,
    ],
    [
      "Follow with a Socket.IO client",
      "It registers for rooms, which are ids, and is told their final counts.",
      `io("${full("/")}").emit("register_room", { rooms: ["${video}"] }).emit("${size?.consume}", {})` +
      `.on("${size?.live}", console.log)`,
    ],
    [
      "Likes from the terminal",
      "Sixty a minute, until it is stopped.",
      `tailrace publish likes --video ${video} --rate 60`,
    ],
  ];
}

/** @param {HTMLElement} box @param {readonly Way[]} ways */
export function showWays(box, ways) {
  box.replaceChildren(...ways.map(([title, text, line]) => {
    const way = document.createElement("div");
    const heading = document.createElement("h3");
    heading.textContent = title;
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    way.append(heading, paragraph, copyLine(line, title.toLowerCase()));
    return way;
  }));
}

/** @param {string} path */
function full(path) {
  return new URL(path, location.href).href;
}

/** @param {string} path */
function overSocket(path) {
  return full(path).replace(/^http/, "ws");
}
