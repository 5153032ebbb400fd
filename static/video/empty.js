// @ts-check
/** What is shown while a stream has no frames: the lines that put some in, and the way to the panel that
 * publishes from here.
 * @module */
import { copyLine } from "../shared/copy.js";
import { byId } from "../shared/dom.js";
import { setText } from "../shared/format.js";
import { pathOf } from "./video_api.js";

let shownTopic = "";

/** @param {boolean} isEmpty @param {string} topic */
export function showEmpty(isEmpty, topic) {
  byId("empty").hidden = !isEmpty;
  if (!isEmpty || topic === shownTopic) return;
  shownTopic = topic;
  setText(byId("empty-title"), `No frames in ${topic} yet`);
  const lines = linesFor(topic).flatMap(({ text, line }) => [
    Object.assign(document.createElement("p"), { textContent: text }),
    copyLine(line, `line: ${text.replace(/:$/, "")}`),
  ]);
  byId("empty-commands").replaceChildren(...lines);
}

/** @param {string} topic */
function linesFor(topic) {
  const frames = new URL(`${pathOf(topic)}/frames`, location.href).href;
  return [
    {
      text: "From a file, a camera's address or a folder of JPEGs:",
      line: `tailrace publish video FILE --topic ${topic}`,
    },
    {
      text: "The same with nothing but ffmpeg and curl:",
      line:
        `ffmpeg -re -i FILE -an -q:v 6 -f mpjpeg - | curl -T - -H 'content-type: multipart/x-mixed-replace; boundary=ffmpeg' ${frames}`,
    },
    { text: "A clip that comes with Tailrace:", line: "deno task dev" },
  ];
}
