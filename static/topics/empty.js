// @ts-check
/** What is shown while there is no record to show: why, and what to do.
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { PageState } from "./page_url.js" */
/** @import { RecordBuffer } from "./record_buffer.js" */
/** @import { Tail } from "./tail.js" */
import { copyLine } from "../shared/copy.js";
import { byId } from "../shared/dom.js";
import { setText } from "../shared/format.js";
import { wordsOf } from "./produce_dialog.js";
import { produce, produceCommand } from "./topics_api.js";

/** @typedef {{ title: string, text: string, other: string | null }} Words `other`: what else can be done */

/** A stream this young may have something on its way, ms. */
const youngMs = 800;
let shownCommand = "";
let sent = 0;

/** @param {() => string} topic @param {() => void} onOther */
export function wireEmpty(topic, onOther) {
  byId("empty-other").addEventListener("click", onOther);
  byId("send-test").addEventListener("click", async () => {
    const result = byId("send-result");
    setText(result, "Sending …");
    try {
      const value = { hello: "world", number: ++sent, sent: new Date().toISOString() };
      setText(result, `Stored at ${await produce(topic(), { key: "test", value })}.`);
    } catch (error) {
      setText(result, wordsOf(error));
    }
  });
}

/** @param {Tail} tail @param {PageState} state @param {RecordBuffer} buffer @param {Frame} frame */
export function showEmpty(tail, state, buffer, frame) {
  const { connection, isUnknown, topic } = tail;
  const isThere = tail.phase === "live" && connection?.name === "open" && frame.kafka.health !== "down";
  const isQuiet = buffer.length === 0 && isThere && Date.now() - connection.since > youngMs;
  byId("empty").hidden = !isUnknown && !(isQuiet && tail.pausedAt === 0);
  if (byId("empty").hidden) return;
  const { title, text, other } = isUnknown ? unknownWords(topic) : wordsFor(tail, state);
  setText(byId("empty-title"), title);
  setText(byId("empty-text"), text);
  byId("empty-other").hidden = other === null;
  if (other) setText(byId("empty-other"), other);
  byId("empty-command").hidden = tail.isFiltered && !isUnknown;
  byId("send-test").hidden = tail.isFiltered || isUnknown;
  const command = isUnknown ? `tailrace topics create ${topic}` : produceCommand(topic);
  if (shownCommand === command) return;
  shownCommand = command;
  setText(byId("send-result"), "");
  const name = isUnknown ? "line that makes the topic" : "line that stores a record";
  byId("empty-command").replaceChildren(copyLine(command, name));
}

/** @param {string} topic @returns {Words} */
function unknownWords(topic) {
  return {
    title: `There is no topic ${topic}`,
    text: "It may have been deleted, or was never made. This makes it:",
    other: "Try again",
  };
}

/** @param {Tail} tail @param {PageState} state @returns {Words} */
function wordsFor({ facts, isFiltered }, { cursor, key, where }) {
  if (isFiltered) {
    const filter = [...(key ? [`key ${key}`] : []), ...where].join(" and ");
    const isAll = cursor === "earliest";
    return {
      title: "Nothing matches yet",
      text: `No record ${
        isAll ? "" : "since the start that was chosen "
      }has ${filter}. One that comes is shown at once.`,
      other: isAll ? null : "Search from the earliest",
    };
  }
  const hasSome = (facts?.records ?? 0) > 0;
  if (hasSome && cursor !== "last") {
    return {
      title: "Nothing has come since",
      text: "The topic has records, all of them before the start that was chosen. Store another one:",
      other: "Show the last 100",
    };
  }
  return {
    title: "No records yet",
    text: "This page shows a record as soon as there is one. Store one from a terminal, or from here:",
    other: null,
  };
}
