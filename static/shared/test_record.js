// @ts-check
/** The first record of somebody who has none yet: from here, or as a command for the terminal.
 * @module */
import { readProblem } from "./stream.js";

/** A way around the Brandenburg Gate, a step per record. @type {readonly (readonly [number, number])[]} lat,
 * lon */
const way = [
  [52.5163, 13.3777],
  [52.5169, 13.3771],
  [52.5174, 13.3762],
  [52.5166, 13.3758],
  [52.5159, 13.3765],
];
let step = 0;

/** The line that posts one position. @param {string} topic */
export function testCommand(topic) {
  const [lat, lon] = way[0] ?? [0, 0];
  const body = JSON.stringify({ name: "test", lat, lon });
  return `curl -d '${body}' -H 'content-type: application/json' ${producerUrl(topic)}`;
}

/** Posts the next position of the way.
 * @param {string} topic
 * @returns {Promise<string>} how it went, in words */
export async function sendTestRecord(topic) {
  const [lat, lon] = way[step++ % way.length] ?? [0, 0];
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ name: "test", lat, lon });
  try {
    const response = await fetch(producerUrl(topic), { method: "POST", headers, body });
    if (response.ok) return "Stored.";
    const { title, detail, requestId } = await readProblem(response);
    return [title, detail, requestId && `request ${requestId}`].filter(Boolean).join(" · ");
  } catch {
    return "The service does not answer. Is it running?";
  }
}

/** @param {string} topic */
const producerUrl = (topic) => new URL(`/producer/${topic}`, location.href).href;
