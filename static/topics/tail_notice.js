// @ts-check
/** What is to be said about the state of a tail: one word beside its name, and when it is not simply live a
 * notice.
 *
 * Pure: from facts to words. Left out: when it is asked (topics.js, twice a second).
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Notice } from "../shared/notice_view.js" */
/** @import { Tail } from "./tail.js" */
import { count, duration, nextTry, timeOfDay, wholeDuration } from "../shared/format.js";
import { detailOf } from "../shared/problem.js";

/** Catching up that takes no longer is not worth a word, ms. */
const shortMs = 700;
const slowMs = 1_500;
const lateMs = 2_000;

/** Puts facts into words, the most important first.
 * @param {Tail} tail @param {Frame} frame @param {number} now ms since the epoch @returns {Notice} */
export function describe(tail, frame, now) {
  const { phase, problem, catchUp, gap, pausedAt, connection } = tail;
  if (phase === "failed") return failure(tail);
  if (frame.kafka.health === "down") {
    const away = wholeDuration(now - frame.kafka.since);
    return {
      kind: "away",
      word: "Kafka away",
      title: `Kafka is away since ${timeOfDay(frame.kafka.since)}`,
      detail: `For ${away}. The service keeps trying; what is missed comes first when it is back.`,
    };
  }
  if (phase === "waiting") {
    const next = nextTry(tail.retryAt, now);
    const detail = problem?.detail ? `${problem.detail}. ${next}` : next;
    return { kind: "away", word: "Waiting", title: problem?.title ?? "No answer", detail };
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
  if (tail.isHeld) return { kind: "paused", word: "Reading" };
  const isSlow = connection?.name === "connecting" && now - connection.since > slowMs;
  if (connection?.name === "waiting" || (isSlow && tail.received > 0)) {
    const { retryAt } = connection, next = nextTry(retryAt, now);
    return {
      kind: "away",
      word: "Reconnecting",
      title: "The connection is lost",
      detail: `${next} What is missed comes first.`,
      ...(retryAt ? { action: "retry" } : {}),
    };
  }
  if (phase === "loading" || connection?.name !== "open") return { kind: "loading", word: "Loading" };
  if (catchUp && catchUp.records > 0 && now - catchUp.since > shortMs) {
    const behindMs = now + tail.skewMs - catchUp.upTo;
    if (behindMs > lateMs) return behind(catchUp, behindMs);
  }
  if (gap) {
    return {
      kind: "gap",
      word: "Gap",
      title: `${count(gap.skipped)} ${gap.skipped === 1 ? "record is" : "records are"} missing`,
      detail: `${reasons[gap.reason] ?? gap.reason} Seen at ${timeOfDay(gap.at)}.`,
      action: "dismiss",
    };
  }
  return { kind: "live", word: "Live" };
}

/** @param {{ records: number, left: number | null }} catchUp @param {number} behindMs @returns {Notice} */
function behind({ records, left }, behindMs) {
  const toGo = left === null ? "" : `, ${count(left)} ${left === 1 ? "record" : "records"} to go`;
  const detail = `${duration(behindMs)} behind${toGo}; ${count(records)} taken in.`;
  return { kind: "behind", word: "Catching up", title: "Catching up", detail, action: "newest" };
}

/** @type {Record<string, string>} */
const reasons = {
  retention: "Kafka had removed them before they could be read.",
  policy: "This stream skips to the newest when it is behind.",
  unreadable: "Kafka has them, but they cannot be read.",
};

/** @param {Tail} tail @returns {Notice} */
function failure({ problem, isUnknown }) {
  if (isUnknown) return { kind: "failed", word: "Unknown topic" }; // the page says more in the place of the records
  const title = problem?.title ?? "This topic cannot be shown";
  return { kind: "failed", word: "Error", title, detail: detailOf(problem), action: "retry" };
}
