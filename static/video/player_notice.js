// @ts-check
/** What is to be said about a stream that is played: one word on the picture, and when there is more to say a
 * notice.
 *
 * `describe` is pure: from facts to words. Left out: when it is asked (video.js, twice a second), and showing it
 * (shared/notice_view.js).
 * @module */
/** @import { Frame } from "../shared/frame.js" */
/** @import { Notice } from "../shared/notice_view.js" */
/** @import { Player } from "./player.js" */
import { count, nextTry, timeOfDay, wholeDuration } from "../shared/format.js";
import { detailOf } from "../shared/problem.js";

const slowMs = 1_500;

/** Puts facts into words, the most important first.
 * @param {Player} player @param {Frame} frame @param {number} now ms since the epoch @returns {Notice} */
export function describe(player, frame, now) {
  const { problem, connection, gap, shown } = player;
  if (connection?.name === "failed" && problem) {
    return {
      kind: "failed",
      word: "Error",
      title: problem.title,
      detail: detailOf(problem),
      action: "retry",
    };
  }
  if (frame.kafka.health === "down") {
    return {
      kind: "away",
      word: "Kafka away",
      title: `Kafka is away since ${timeOfDay(frame.kafka.since)}`,
      detail: `For ${wholeDuration(now - frame.kafka.since)}. The service keeps trying, and goes on here.`,
    };
  }
  const isSlow = connection?.name === "connecting" && now - connection.since > slowMs;
  if (connection?.name === "waiting" || (isSlow && shown)) {
    const detail = `${nextTry(connection.retryAt, now)} The stream goes on here.`;
    const action = /** @type {const} */ ("retry");
    return { kind: "away", word: "Reconnecting", title: "The connection is lost", detail, action };
  }
  if (player.isEmpty) return { kind: "loading", word: "No frames" };
  if (player.isUnreadable) {
    const detail = "They are JPEGs of a kind that it does not decode.";
    return { kind: "failed", word: "Error", title: "This browser cannot show these frames", detail };
  }
  if (player.isPaused) return paused(player);
  if (!shown) return { kind: "loading", word: "Loading" };
  const stalledMs = player.stalledMs(now);
  if (stalledMs > 0) return stalled(player, stalledMs);
  if (gap) {
    return {
      kind: "gap",
      word: "Gap",
      title: `${count(gap.skipped)} ${gap.skipped === 1 ? "frame is" : "frames are"} missing`,
      detail: `${reasons[gap.reason] ?? gap.reason} Seen at ${timeOfDay(gap.at)}.`,
      action: "dismiss",
    };
  }
  if (player.isLive || player.isAtEdge(now)) return { kind: "live", word: "Live" };
  const speed = player.speed === 1 ? "" : ` · ${speedWords(player.speed)}`;
  return { kind: "replay", word: `Replay${speed}` };
}

/** @param {Player} player @returns {Notice} */
function paused({ edge, problem }) {
  if (problem) {
    return {
      kind: "paused",
      word: "Paused",
      title: problem.title,
      detail: problem.detail ?? "",
      action: "dismiss",
    };
  }
  if (edge === "first") return { kind: "paused", word: "Paused", title: "This is the oldest frame there is" };
  if (edge === "newest") {
    return { kind: "paused", word: "Paused", title: "This is the newest frame there is" };
  }
  return { kind: "paused", word: "Paused" };
}

/** @param {Player} player @param {number} stalledMs @returns {Notice} */
function stalled({ shown, info }, stalledMs) {
  const at = timeOfDay(shown?.capturedAt ?? 0);
  const isNewest = !info?.last || info.last.frame === shown?.frame;
  return {
    kind: "stalled",
    word: isNewest ? "No new frames" : "Stalled",
    title: `No new frames for ${wholeDuration(stalledMs)}`,
    detail: isNewest
      ? `This one, of ${at}, is the newest there is.`
      : `The picture is that of ${at}; there are newer ones.`,
    ...(isNewest ? { action: "restart" } : { action: "retry" }),
  };
}

/** @type {Record<string, string>} */
const reasons = {
  retention: "Kafka had removed them before they could be shown.",
  unreadable: "Kafka has them, but they cannot be read.",
};

/** @param {number} speed */
export const speedWords = (speed) => `${{ "0.25": "¼", "0.5": "½" }[String(speed)] ?? speed}×`;
