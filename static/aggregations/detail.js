// @ts-check
/** One video alone: of each size a chart of its windows and a table of them, and lines that do the same elsewhere.
 *
 * Left out: what all cards share (card.js), the words (words.js).
 * @module */
/** @import { Place } from "./bars.js" */
/** @import { Bar, Video } from "./video.js" */
/** @import { Size } from "./window_times.js" */
import { copyLine } from "../shared/copy.js";
import { count, setText, utc } from "../shared/format.js";
import { mark, seriesOf } from "../shared/series.js";
import { followCommand, generateCommand, likeCommand, readCommand } from "./aggregations_api.js";
import { BarsView } from "./bars_view.js";
import { barsIn } from "./bars.js";
import { copyOf } from "./card.js";
import { LikeButton } from "./like_button.js";
import { leftText, lengthText, spanText, startOf } from "./window_times.js";
import { barsText, idText, kindWords } from "./words.js";

const pitch = { pitch: 8, gap: 2 };
const fewRows = 8;

/** A video that has the page for itself. */
export class Detail {
  element;
  video;
  isInSight = true;
  #sizes;
  #sections;
  #like;
  #drawn = "";

  /** @param {Video} video @param {readonly Size[]} sizes @param {{ onLike: (video: Video) => void, ask: () => void }} ears */
  constructor(video, sizes, ears) {
    const { element, part } = copyOf("detail");
    this.element = element;
    this.video = video;
    this.#sizes = sizes;
    this.#like = new LikeButton(video, part, () => ears.onLike(video));
    this.#sections = sizes.map((size) =>
      new SizeSection(size, () => {
        this.#drawn = "";
        ears.ask();
      })
    );
    part("mark").replaceWith(mark(seriesOf(video.id)));
    setText(part("id"), idText(video.id));
    part("sizes").append(...this.#sections.map(({ element }) => element));
    part("commands").append(
      copyLine(likeCommand(video.id), "line that likes it"),
      copyLine(generateCommand(video.id), "line that likes it sixty times a minute"),
      copyLine(readCommand(video.id), "line that prints its windows"),
      copyLine(followCommand(video.id), "line that follows its windows"),
    );
  }

  /** Draws what has changed; called in an animation frame. @param {number} now ms since the epoch, of the service
   * @param {Place} place for bars */
  draw(now, place) {
    const key = `${this.video.version} ${place.width} ${place.height} ${
      this.#sizes.map(({ ms }) => startOf(now, ms))
    } ${Math.floor(now / 1000)}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#like.draw();
    this.#sections.forEach((section, i) => section.draw(this.video, i, now, place));
  }

  /** @returns {Place} */
  get place() {
    return this.#sections[0]?.place ?? { width: 0, height: 0 };
  }

  close() {
    this.element.remove();
  }
}

/** One size of it. */
class SizeSection {
  element;
  #size;
  #part;
  #bars;
  /** @type {HTMLTableRowElement[]} */ #rows = [];
  #isWhole = false;

  /** @param {Size} size @param {() => void} onWhole all rows are wanted, or few */
  constructor(size, onWhole) {
    const { element, part } = copyOf("size");
    this.element = element;
    this.#size = size;
    this.#part = part;
    this.#bars = new BarsView(/** @type {any} */ (part("bars")), { ms: size.ms, pitch });
    setText(part("length"), lengthText(size.ms));
    setText(part("caption"), `Windows of ${lengthText(size.ms)}, the newest first`);
    part("all").addEventListener("click", () => {
      this.#isWhole = !this.#isWhole;
      onWhole();
    });
  }

  get place() {
    return this.#bars.place;
  }

  /** @param {Video} video @param {number} i which size @param {number} now @param {Place} place */
  draw(video, i, now, place) {
    const { ms } = this.#size, part = this.#part;
    const { bars, last, now: open, late } = video.row(i, now, barsIn(place.width, pitch));
    this.#bars.draw(bars, place);
    this.#bars.element.setAttribute("aria-label", barsText(bars, ms));
    setText(part("late"), late > 0 ? `${count(late)} late` : "");
    setText(part("last-when"), `Last, ${spanText(last.start, ms, now)}`);
    setText(part("last"), count(last.count));
    setText(part("left"), leftText(open.start + ms - now));
    setText(part("now"), count(open.count));
    part("progress").style.transform = `scaleX(${((now - open.start) / ms).toFixed(3)})`;
    setText(part("top"), count(this.#bars.top));
    setText(part("from"), spanText(bars[0]?.start ?? now, ms, now).replace(/ – .*/, ""));
    setText(part("to"), "now");
    this.#table(video.windows(i, now), now);
  }

  /** @param {readonly Bar[]} windows @param {number} now */
  #table(windows, now) {
    const part = this.#part, shown = this.#isWhole ? windows : windows.slice(0, fewRows);
    while (this.#rows.length > shown.length) this.#rows.pop()?.remove();
    shown.forEach((bar, i) => fill(this.#rows[i] ??= this.#addRow(), bar, this.#size.ms, now));
    part("table").hidden = windows.length === 0;
    part("none").hidden = windows.length > 0;
    const all = part("all");
    all.hidden = windows.length <= fewRows;
    setText(all, this.#isWhole ? "Show few" : `Show all ${count(windows.length)}`);
    all.setAttribute("aria-expanded", String(this.#isWhole));
  }

  #addRow() {
    const row = document.createElement("tr");
    for (let i = 0; i < 4; i++) row.insertCell();
    this.#part("windows").append(row);
    return row;
  }
}

/** @param {HTMLTableRowElement} row @param {Bar} bar @param {number} ms @param {number} now */
function fill(row, { start, count: n, late, kind }, ms, now) {
  const texts = [spanText(start, ms, now), count(n), late > 0 ? count(late) : "–", kindWords[kind]];
  texts.forEach((text, i) => {
    const cell = row.cells[i];
    if (cell) setText(cell, text);
  });
  row.title = `${utc(start)} to ${utc(start + ms)}`;
  row.dataset["kind"] = kind;
  row.cells[2]?.classList.toggle("warn", late > 0);
}
