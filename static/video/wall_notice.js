// @ts-check
/** What is to be said about the wall as a whole; what a tile has to say stands on it. Pure.
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Notice } from "../shared/notice_view.js" */
/** @import { Wall } from "./wall.js" */
import { timeOfDay, wholeDuration } from "../shared/format.js";

/** @param {Wall} wall @param {Frame} frame @param {number} now ms since the epoch @returns {Notice} */
export function describeWall(wall, frame, now) {
  const { connection, problem, topics } = wall;
  if (topics.length === 0) {
    const detail = "Choose up to nine streams in the list.";
    return { kind: "loading", word: "Wall", title: "There is nothing on the wall", detail };
  }
  if (problem) {
    return {
      kind: "failed",
      word: "Error",
      title: problem.title,
      detail: problem.detail ?? "",
      action: "retry",
    };
  }
  if (frame.kafka.health === "down") {
    const title = `Kafka is away since ${timeOfDay(frame.kafka.since)}`;
    return { kind: "away", word: "Kafka away", title, detail: "The service keeps trying." };
  }
  if (connection?.name === "waiting") {
    const next = wholeDuration((connection.retryAt ?? now) - now + 999);
    return {
      kind: "away",
      word: "Reconnecting",
      title: "The connection is lost",
      detail: `Next try in ${next}.`,
      action: "retry",
    };
  }
  return connection?.name === "open" ? { kind: "live", word: "Live" } : { kind: "loading", word: "Loading" };
}
