// @ts-check
/** What is to be said about the state of the page, and about the counting of one measurement. Pure: from facts to words.
 *
 * Left out: when it is asked (histograms.js, twice a second).
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Kind, Notice as AnyNotice } from "../shared/notice_view.js" */
/** @import { Measurement } from "./measurement.js" */
/** @import { Session } from "./session.js" */
import { count, nextTry, timeOfDay, wholeDuration } from "../shared/format.js";
import { detailOf } from "../shared/problem.js";
import { short } from "./numbers.js";

/** @typedef {AnyNotice & { isCut?: boolean }} Notice `isCut`: nothing new is heard of the measurements */

const slowMs = 1_500;
/** Behind by no more is not worth a word: records, ms. */
const fewRecords = 100, shortMs = 1_500;

/** Puts facts into words, the most important first.
 * @param {Session} session @param {Frame} frame @param {number} now ms since the epoch @returns {Notice} */
export function describe(session, frame, now) {
  const { phase, problem, trouble, gap, pausedAt, connection, measurements } = session;
  if (phase === "failed") return failure(session);
  if (frame.kafka.health === "down") {
    const detail = `For ${
      wholeDuration(now - frame.kafka.since)
    }. The service keeps trying, and counts on where it was.`;
    return {
      kind: "away",
      isCut: true,
      word: "Kafka away",
      title: `Kafka is away since ${timeOfDay(frame.kafka.since)}`,
      detail,
    };
  }
  if (phase === "waiting") {
    const next = nextTry(session.retryAt, now);
    const detail = problem?.detail ? `${problem.detail}. ${next}` : next;
    return { kind: "away", word: "Waiting", title: problem?.title ?? "No answer", detail };
  }
  if (pausedAt > 0) {
    const detail = "What comes meanwhile is counted all the same, and shown when you go on.";
    return {
      kind: "paused",
      word: "Paused",
      title: `Paused at ${timeOfDay(pausedAt)}`,
      detail,
      action: "resume",
    };
  }
  const isSlow = connection?.name === "connecting" && now - connection.since > slowMs;
  if (connection?.name === "waiting" || isSlow) {
    const { retryAt } = connection, next = nextTry(retryAt, now);
    const detail = `${next} The histograms are whole again with the next one.`;
    return {
      kind: "away",
      isCut: true,
      word: "Reconnecting",
      title: "The connection is lost",
      detail,
      ...(retryAt ? { action: "retry" } : {}),
    };
  }
  if (phase === "loading" || connection?.name !== "open") return { kind: "loading", word: "Loading" };
  if (trouble) {
    const detail = [trouble.detail, "Trying again."].filter(Boolean).join(" · ");
    return { kind: "away", word: "Waiting", title: trouble.title, detail };
  }
  return counting(measurements, now) ?? lost(gap) ?? { kind: "live", word: "Live" };
}

/** @param {Session["gap"]} gap @returns {Notice | null} */
function lost(gap) {
  if (!gap) return null;
  const title = `${count(gap.missed)} ${gap.missed === 1 ? "record was" : "records were"} never counted`;
  const detail = `Kafka had removed them before this service could read them. Seen at ${timeOfDay(gap.at)}.`;
  return { kind: "gap", word: "Gap", title, detail, action: "dismiss" };
}

/** What keeps one of them from counting. @param {readonly Measurement[]} measurements @param {number} now
 * @returns {Notice | null} */
function counting(measurements, now) {
  const failed = measurements.find(({ status }) => status.state === "failed");
  if (failed) {
    const title = `${failed.name} is not counted since ${timeOfDay(failed.status.since)}`;
    return { kind: "failed", word: "Error", title, detail: failed.status.reason ?? "" };
  }
  const waiting = measurements.filter(({ status }) => isWaiting(status, now));
  const [first] = waiting;
  if (first) {
    const names = waiting.map(({ name }) => name).join(", ");
    const since = Math.min(...waiting.map(({ status }) => status.since));
    const title = `${names} ${waiting.length === 1 ? "waits" : "wait"} since ${timeOfDay(since)}`;
    const detail = `${sentence(first.status.reason ?? "")} Counting goes on by itself where it was.`;
    return { kind: "away", word: "Waiting", title, detail };
  }
  const behind = measurements.filter(({ status }) => isBehind(status, now));
  const [one] = behind;
  if (!one) return null;
  const records = behind.reduce((sum, { status }) => sum + status.behind, 0);
  const upTo = Math.min(...behind.flatMap(({ newestAt }) => newestAt ?? []));
  const place = Number.isFinite(upTo)
    ? ` Counted up to ${timeOfDay(upTo)}, ${wholeDuration(now - upTo)} ago.`
    : "";
  const detail = `${count(records)} ${records === 1 ? "record" : "records"} to go.${place}`;
  return {
    kind: "behind",
    word: "Catching up",
    title: `Counting what came before: ${behind.map(({ name }) => name).join(", ")}`,
    detail,
  };
}

/** The sign of one measurement: of its counting, or of why nothing is heard of it.
 * @param {Measurement} measurement @param {Notice} page what is said about the page @param {number} now
 * @returns {{ kind: Kind, word: string, detail: string }} */
export function stateOf({ status, histogram }, page, now) {
  const { state, reason, behind, owner } = status;
  if (page.kind === "paused") return { kind: "paused", word: "Paused", detail: "" };
  if (state === "failed") return { kind: "failed", word: "Not counted", detail: sentence(reason ?? "") };
  if (isWaiting(status, now)) return { kind: "away", word: "Waiting", detail: sentence(reason ?? "") };
  if (page.isCut) return { kind: "away", word: "Not live", detail: "" };
  if (isBehind(status, now)) {
    return { kind: "behind", word: `${short(behind)} behind`, detail: `${count(behind)} records to go.` };
  }
  if (state === "starting") return { kind: "loading", word: "Starting", detail: "" };
  const detail = owner ? "Published by this instance." : "Published by another instance.";
  return { kind: histogram.missed > 0 ? "gap" : "live", word: "Live", detail };
}

/** @param {Measurement["status"]} status @param {number} now */
const isWaiting = ({ state, since }, now) => state === "waiting" && now - since > shortMs;

/** @param {Measurement["status"]} status @param {number} now */
const isBehind = ({ state, since, behind }, now) =>
  state === "catching-up" && behind > fewRecords && now - since > shortMs;

/** @param {string} text one line without a full stop */
const sentence = (text) => text === "" ? "" : `${text[0]?.toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;

/** @param {Session} session @returns {Notice} */
function failure({ problem }) {
  const title = problem?.title ?? "The histograms cannot be shown";
  return { kind: "failed", word: "Error", title, detail: detailOf(problem), action: "retry" };
}
