// @ts-check
/** What is shown of one video among others: of each size the newest final count, those before, and the open window as it fills.
 *
 * Left out: the words (words.js), the path of a like (likes.js).
 * @module */
/** @import { Place } from "./bars.js" */
/** @import { Size } from "./window_times.js" */
/** @import { Row, Video } from "./video.js" */
import { count, setText, shortId } from "../shared/format.js";
import { mark, seriesOf } from "../shared/series.js";
import { pathOf } from "./aggregations_api.js";
import { BarsView } from "./bars_view.js";
import { barsIn } from "./bars.js";
import { LikeButton } from "./like_button.js";
import { leftText, lengthText, startOf } from "./window_times.js";
import { barsText, barText, idText, short, shorter } from "./words.js";

/** @typedef {object} CardEars
 * @property {(video: Video) => void} onLike
 * @property {(id: string, event: MouseEvent) => void} onOpen to be shown alone */
/** Finds the parts of a template's copy. @typedef {(name: string) => HTMLElement} Parts */

const pitch = { pitch: 6, gap: 2 };

/** One video's card. */
export class Card {
  element;
  video;
  /** Whether it is worth drawing. */
  isInSight = false;
  #sizes;
  #rows;
  #like;
  #drawn = "";

  /** @param {Video} video @param {readonly Size[]} sizes @param {CardEars} ears */
  constructor(video, sizes, ears) {
    const { element, part } = copyOf("card");
    this.element = element;
    this.video = video;
    this.#sizes = sizes;
    this.#like = new LikeButton(video, part, () => ears.onLike(video));
    this.#rows = sizes.map((size) => new CardRow(size));
    part("rows").append(...this.#rows.map(({ element }) => element));
    element.setAttribute("aria-label", video.name);
    part("mark").replaceWith(mark(seriesOf(video.id)));
    const link = /** @type {HTMLAnchorElement} */ (part("name"));
    setText(link, video.title ?? shortId(video.name, 28));
    link.title = video.name;
    link.href = pathOf(video.id);
    link.addEventListener("click", (event) => ears.onOpen(video.id, event));
    setText(part("id"), video.title === null ? "" : shortId(idText(video.id), 22));
    part("id").title = video.id;
  }

  /** Draws what has changed; called in an animation frame. @param {number} now ms since the epoch, of the service
   * @param {Place} place for bars */
  draw(now, place) {
    if (!this.isInSight) return;
    const { video } = this, length = barsIn(place.width, pitch);
    // Bars move when a window of the shortest size begins, and when one is over.
    const key = `${video.version} ${place.width} ${place.height} ${
      this.#sizes.map(({ ms }) => startOf(now, ms))
    } ${Math.floor(now / 1000)}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#like.draw();
    this.#rows.forEach((row, i) => row.draw(video.row(i, now, length), place, now));
  }

  /** @returns {Place} */
  get place() {
    return this.#rows[0]?.place ?? { width: 0, height: 0 };
  }

  close() {
    this.element.remove();
  }
}

/** One size of a card. */
class CardRow {
  element;
  #size;
  #bars;
  #parts;

  /** @param {Size} size */
  constructor(size) {
    const { element, part } = copyOf("row");
    this.element = element;
    this.#size = size;
    const names = /** @type {const} */ (["length", "late", "last", "now", "left", "progress", "bars"]);
    this.#parts = Object.fromEntries(names.map((name) => [name, part(name)]));
    this.#bars = new BarsView(/** @type {any} */ (part("bars")), { ms: size.ms, pitch });
    setText(part("length"), lengthText(size.ms));
    part("bars").setAttribute("aria-label", `Past windows of ${lengthText(size.ms)}`); // until it is in sight
  }

  get place() {
    return this.#bars.place;
  }

  /** @param {Row} row @param {Place} place @param {number} now */
  draw({ bars, last, now: open, late }, place, now) {
    const { ms } = this.#size, { late: lateText, last: lastText, now: nowText, left, progress } = this.#parts;
    this.#bars.draw(bars, place);
    if (!lateText || !lastText || !nowText || !left || !progress) return;
    setText(lateText, late > 0 ? `${shorter(late, 999)} late` : "");
    lateText.title = `${count(late)} came too late for their window of ${lengthText(ms)}`;
    setText(lastText, short(last.count));
    lastText.title = barText(last, ms, now);
    lastText.classList.toggle("is-zero", last.count === 0);
    setText(nowText, shorter(open.count, 9_999));
    nowText.title = barText(open, ms, now);
    setText(left, leftText(open.start + ms - now));
    progress.style.transform = `scaleX(${((now - open.start) / ms).toFixed(3)})`;
    const words = barsText(bars, ms);
    if (this.#bars.element.getAttribute("aria-label") !== words) {
      this.#bars.element.setAttribute("aria-label", words);
    }
  }
}

/** A copy of a template. @param {string} id @returns {{ element: HTMLElement, part: Parts }} */
export function copyOf(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  const element = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  return {
    element,
    part: (name) => /** @type {HTMLElement} */ (element.querySelector(`[data-part="${name}"]`)),
  };
}
