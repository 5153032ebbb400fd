// @ts-check
/** What is to be said about the state of the map: one word in the panel, and when it is not simply live a
 * notice on the map.
 *
 * `describe` is pure: from facts to words. Left out: when it is asked (geo.js, twice a second), and showing it
 * (shared/notice_view.js).
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Notice } from "../shared/notice_view.js" */
/** @import { Session } from "./session.js" */
import { count, duration, nextTry, timeOfDay, wholeDuration } from "../shared/format.js";
import { detailOf } from "../shared/problem.js";

/** Puts facts into words, the most important first.
 * @param {Session} session @param {Frame} frame @param {number} now ms since the epoch @returns {Notice} */
export function describe(session, frame, now) {
  const { phase, problem, catchUp, gap, pausedAt, connection } = session;
  if (phase === "failed") return failure(session);
  if (frame.kafka.health === "down") {
    return {
      kind: "away",
      word: "Kafka away",
      title: `Kafka is away since ${timeOfDay(frame.kafka.since)}`,
      detail: `For ${
        wholeDuration(now - frame.kafka.since)
      }. The service keeps trying; what is missed comes first when it is back.`,
    };
  }
  if (phase === "waiting") {
    const next = nextTry(session.retryAt, now);
    const why = problem?.detail ? `${problem.detail}. ${next}` : next;
    return { kind: "away", word: "Waiting", title: problem?.title ?? "No answer", detail: why };
  }
  if (phase === "loading") {
    return { kind: "loading", word: "Loading", title: "Loading earlier tracks", detail: "" };
  }
  if (pausedAt > 0) {
    return {
      kind: "paused",
      word: "Paused",
      title: `Paused at ${timeOfDay(pausedAt)}`,
      detail: "What comes meanwhile is shown when you go on.",
      action: "resume",
    };
  }
  if (
    connection?.name === "waiting" || (connection?.name === "connecting" && now - connection.since > 1_500)
  ) {
    const next = nextTry(connection.retryAt, now);
    return {
      kind: "away",
      word: "Reconnecting",
      title: "The connection is lost",
      detail: `${next} What is missed comes first.`,
      ...(connection.retryAt ? { action: "retry" } : {}),
    };
  }
  if (catchUp && catchUp.records > 0) {
    const behind = duration(Math.max(0, catchUp.until - catchUp.upTo));
    const detail = `${behind} behind, ${count(catchUp.records)} records taken in.`;
    return { kind: "behind", word: "Catching up", title: "Catching up", detail };
  }
  if (gap) {
    return {
      kind: "gap",
      word: "Gap",
      title: `${count(gap.skipped)} records are missing`,
      detail: `${reasons[gap.reason] ?? gap.reason} Seen at ${timeOfDay(gap.at)}.`,
      action: "dismiss",
    };
  }
  return { kind: "live", word: "Live" };
}

/** While the past is shown, nothing is said about the present but in the bar on top.
 * @param {number | null} at the time shown, ms since the epoch; null while there is none @returns {Notice} */
export function describeReplay(at) {
  return { kind: "replay", word: at === null ? "Replay" : `Replay ${timeOfDay(at)}` };
}

/** @type {Record<string, string>} */
const reasons = {
  retention: "Kafka had removed them before they could be read.",
  policy: "This stream skips to the newest when it is behind.",
};

/** @param {Session} session @returns {Notice} */
function failure({ problem }) {
  const title = problem?.title ?? "This topic cannot be shown";
  return { kind: "failed", word: "Error", title, detail: detailOf(problem), action: "retry" };
}
