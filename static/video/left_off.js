// @ts-check
/** Says that a stream goes on where this viewer left it, and offers to start over instead; for a while.
 * @module */
/** @import { Player } from "./player.js" */
import { byId } from "../shared/dom.js";
import { dayOf, setText, timeOfDay } from "../shared/format.js";

const shownForMs = 9_000;

/** The note. */
export class LeftOff {
  /** The stream it was said of. @type {Player | null} */ #said = null;
  #until = 0;

  /** @param {() => void} onRestart */
  constructor(onRestart) {
    byId("left-off-restart").addEventListener("click", () => {
      this.#until = 0;
      byId("left-off").hidden = true;
      onRestart();
    });
    byId("left-off-close").addEventListener("click", () => {
      this.#until = 0;
      byId("left-off").hidden = true;
    });
  }

  /** @param {Player | null} player @param {boolean} isQuiet nothing else is said now
   * @param {number} now ms since the epoch */
  update(player, isQuiet, now) {
    const begin = player?.begin, first = player?.info?.first;
    if (begin && first && this.#said !== player) {
      this.#said = player;
      const isLater = begin.partition === first.partition
        ? begin.offset > first.offset
        : begin.capturedAt > first.capturedAt;
      if (isLater) {
        this.#until = now + shownForMs;
        const day = dayOf(begin.capturedAt) === dayOf(now) ? "" : `${dayOf(begin.capturedAt)}, `;
        const text = `Goes on where you left it: ${day}${timeOfDay(begin.capturedAt)}`;
        setText(byId("left-off-text"), text);
        setText(byId("live"), text);
      }
    }
    byId("left-off").hidden = now >= this.#until || !begin || !isQuiet;
  }
}
