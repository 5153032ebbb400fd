// @ts-check
/** What is to be said about the state of the page. Pure: from facts to words.
 *
 * Left out: when it is asked (aggregations.js, twice a second).
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Notice } from "../shared/notice_view.js" */
/** @import { Session } from "./session.js" */
import { count, nextTry, timeOfDay, wholeDuration } from "../shared/format.js";
import { detailOf } from "../shared/problem.js";

const slowMs = 1_500;

/** Puts facts into words, the most important first.
 * @param {Session} session @param {Frame} frame @param {number} now ms since the epoch @returns {Notice} */
export function describe(session, frame, now) {
  const { phase, problem, pausedAt } = session;
  if (phase === "failed") {
    const title = problem?.title ?? "The windows cannot be shown";
    return { kind: "failed", word: "Error", title, detail: detailOf(problem), action: "retry" };
  }
  if (phase === "off") {
    const detail = "The service was started with WINDOWS=none; it takes lengths instead, such as 1m,5m,10m.";
    return { kind: "stalled", word: "Off", title: "No likes are counted here", detail };
  }
  if (frame.kafka.health === "down") return kafkaAway(frame.kafka.since, now);
  if (phase === "waiting") {
    const next = nextTry(session.retryAt, now);
    const detail = problem?.detail ? `${problem.detail}. ${next}` : next;
    return { kind: "away", word: "Waiting", title: problem?.title ?? "No answer", detail };
  }
  if (pausedAt > 0) {
    const detail = "What comes meanwhile is counted all the same, and shown when you go on.";
    const title = `Paused at ${timeOfDay(pausedAt)}`;
    return { kind: "paused", word: "Paused", title, detail, action: "resume" };
  }
  return connection(session, now) ?? counting(session, now) ?? { kind: "live", word: "Live" };
}

/** @param {number} since @param {number} now @returns {Notice} */
function kafkaAway(since, now) {
  const detail = `For ${wholeDuration(now - since)}. The service keeps trying, and counts on where it was.`;
  return { kind: "away", word: "Kafka away", title: `Kafka is away since ${timeOfDay(since)}`, detail };
}

/** @param {Session} session @param {number} now @returns {Notice | null} */
function connection({ phase, connection, trouble, isReopening }, now) {
  const isSlow = connection?.name === "connecting" && now - connection.since > slowMs;
  if (connection?.name === "waiting" || isSlow) {
    const { retryAt } = connection;
    const detail = `${nextTry(retryAt, now)} What was missed comes with the connection.`;
    return {
      kind: "away",
      word: "Reconnecting",
      title: "The connection is lost",
      detail,
      ...(retryAt ? { action: "retry" } : {}),
    };
  }
  if (phase === "loading" || (connection && connection.name !== "open" && !isReopening)) {
    return { kind: "loading", word: "Loading" };
  }
  if (!trouble) return null;
  const detail = [trouble.detail, "Trying again."].filter(Boolean).join(" · ");
  return { kind: "away", word: "Waiting", title: trouble.title, detail };
}

/** @param {Session} session @param {number} now @returns {Notice | null} */
function counting({ status, isCatchingUp, gap }, now) {
  if (status?.state === "away") {
    const detail = "The windows are those of before; counting goes on by itself where it was.";
    return { kind: "away", word: "Kafka away", title: "Kafka does not answer", detail };
  }
  if (status?.state === "loading") {
    const title = "What was counted before is being read";
    return { kind: "behind", word: "Catching up", title, detail: "Counts grow until it is through." };
  }
  if (isCatchingUp && status?.watermark) {
    const detail = `Counted up to ${timeOfDay(status.watermark)}, ${
      wholeDuration(now - status.watermark)
    } ago.`;
    return { kind: "behind", word: "Catching up", title: "Counting likes of before", detail };
  }
  if (!gap) return null;
  const title = `${count(gap.missed)} finished ${
    gap.missed === 1 ? "window was" : "windows were"
  } passed over`;
  const detail = `At ${timeOfDay(gap.at)}; those that are kept have been asked for again.`;
  return { kind: "gap", word: "Gap", title, detail, action: "dismiss" };
}
