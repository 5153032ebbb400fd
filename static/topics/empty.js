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

/** A stream this young may have something on its way, ms. */
const youngMs = 800;
let topicOfCommand = "";
let sent = 0;

/** @param {() => string} topic @param {() => void} onEarlier */
export function wireEmpty(topic, onEarlier) {
  byId("empty-earlier").addEventListener("click", onEarlier);
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
  const { connection } = tail;
  const isThere = tail.phase === "live" && connection?.name === "open" && frame.kafka.health !== "down";
  const isQuiet = buffer.length === 0 && isThere && Date.now() - connection.since > youngMs;
  byId("empty").hidden = !isQuiet || tail.pausedAt > 0;
  if (!isQuiet) return;
  const { title, text, earlier } = wordsFor(tail, state);
  setText(byId("empty-title"), title);
  setText(byId("empty-text"), text);
  byId("empty-earlier").hidden = earlier === null;
  if (earlier) setText(byId("empty-earlier"), earlier);
  byId("empty-command").hidden = byId("send-test").hidden = tail.isFiltered;
  if (topicOfCommand === tail.topic) return;
  topicOfCommand = tail.topic;
  setText(byId("send-result"), "");
  byId("empty-command").replaceChildren(copyLine(produceCommand(tail.topic), "line that stores a record"));
}

/** @param {Tail} tail @param {PageState} state @returns {{ title: string, text: string, earlier: string | null }} */
function wordsFor({ facts, isFiltered }, { cursor, key, where }) {
  if (isFiltered) {
    const filter = [...(key ? [`key ${key}`] : []), ...where].join(" and ");
    const isAll = cursor === "earliest";
    return {
      title: "Nothing matches yet",
      text: `No record ${
        isAll ? "" : "since the start that was chosen "
      }has ${filter}. One that comes is shown at once.`,
      earlier: isAll ? null : "Search from the earliest",
    };
  }
  const hasSome = (facts?.records ?? 0) > 0;
  if (hasSome && cursor !== "last") {
    return {
      title: "Nothing has come since",
      text: "The topic has records, all of them before the start that was chosen. Store another one:",
      earlier: "Show the last 100",
    };
  }
  return {
    title: "No records yet",
    text: "This page shows a record as soon as there is one. Store one from a terminal, or from here:",
    earlier: null,
  };
}
