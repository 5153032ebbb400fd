// @ts-check
/** The card of the mover that is followed: where it is, how fast, when and by which record it was seen.
 * Left out: keeping it in the middle (geo.js).
 * @module */
/** @import { Mover } from "./movers.js" */
import { byId } from "../shared/dom.js";
import { latLon, setText, shortId, timeOfDay, utc, wholeDuration } from "../shared/format.js";
import { mark } from "../shared/series.js";
import { speedText } from "./name_list.js";

/** Shows it, or hides the card.
 * @param {Mover | null} mover @param {boolean} isCentred @param {number} now by the server's clock */
export function showFollowed(mover, isCentred, now) {
  byId("followed").hidden = mover === null;
  if (!mover) return;
  const ago = now - mover.at;
  if (byId("followed-name").textContent !== mover.name) {
    byId("followed-mark").replaceChildren(mark(mover.series));
  }
  byId("centre").hidden = isCentred;
  setText(byId("followed-name"), mover.name);
  byId("followed-name").title = mover.name;
  setText(byId("followed-position"), latLon(mover.lat, mover.lon));
  setText(byId("followed-speed"), speedText(mover, ago) || "–");
  setText(
    byId("followed-seen"),
    `${timeOfDay(mover.at)}, ${ago < 2_000 ? "now" : `${wholeDuration(ago)} ago`}`,
  );
  byId("followed-seen").title = utc(mover.at);
  setText(
    byId("followed-record"),
    [mover.place, shortId(mover.messageId, 22)].filter(Boolean).join("  ") || "–",
  );
  byId("followed-record").title = mover.messageId;
}
