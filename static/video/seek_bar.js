// @ts-check
/** The bar over all that is kept of a stream: where the shown frame lies in it, and the way to any other.
 *
 * Over the pointer, or the thumb while it is dragged, a small picture shows what is there. Left out: the seek
 * itself (player.js).
 * @module */
import { byId } from "../shared/dom.js";
import { dayOf, setText, timeOfDay, utc, wholeDuration } from "../shared/format.js";
import { fetchStill } from "./video_api.js";

/** As wide as the thumb in controls.css: the ends of its way lie half of it inside the slider. */
const thumbPx = 16;
const previewWidthPx = 184;
/** A pointer that moves on sooner does not want the picture, ms. */
const restMs = 60;

/** The bar's elements. */
export class SeekBar {
  #options;
  #slider = /** @type {HTMLInputElement} */ (byId("slider"));
  #ends = { from: byId("from"), to: byId("to") };
  #preview = {
    box: byId("preview"),
    time: byId("preview-time"),
    picture: /** @type {HTMLImageElement} */ (byId("preview-picture")),
  };
  /** What is kept, ms since the epoch. */
  #from = 0;
  #to = 0;
  #isDragged = false;
  /** The time whose picture is wanted next; null: none. @type {number | null} */ #wanted = null;
  #isAsking = false;

  /** @param {{ topic: () => string, onSeek: (at: number) => void }} options `at`: ms since the epoch */
  constructor(options) {
    this.#options = options;
    const slider = this.#slider;
    slider.addEventListener("input", () => {
      this.#isDragged = true;
      this.#showPreview(this.#from + Number(slider.value));
      this.#fill();
    });
    slider.addEventListener("change", () => {
      this.#isDragged = false;
      this.#hidePreview();
      options.onSeek(this.#from + Number(slider.value));
    });
    slider.addEventListener("pointermove", (event) => {
      if (!this.#isDragged && event.pointerType === "mouse" && this.#to > this.#from) {
        this.#showPreview(this.#timeAt(event.clientX));
      }
    });
    for (const name of ["pointerleave", "pointercancel", "blur"]) {
      slider.addEventListener(name, () => !this.#isDragged && this.#hidePreview());
    }
  }

  /** What is kept. @param {number} from @param {number} to ms since the epoch; equal: nothing */
  setRange(from, to) {
    if (from === this.#from && to === this.#to) return;
    this.#from = from;
    this.#to = to;
    const slider = this.#slider;
    slider.disabled = to <= from;
    slider.max = String(Math.max(0, to - from));
    const isOneDay = dayOf(from) === dayOf(to);
    const words = (/** @type {number} */ at) => isOneDay ? timeOfDay(at) : `${dayOf(at)}, ${timeOfDay(at)}`;
    setText(this.#ends.from, to > 0 ? words(from) : "");
    setText(this.#ends.to, to > 0 ? words(to) : "");
    this.#ends.from.title = to > 0 ? utc(from) : "";
    this.#ends.to.title = to > 0 ? utc(to) : "";
  }

  /** The frame that is shown was captured `at`. @param {number} at ms since the epoch */
  setPlace(at) {
    if (this.#isDragged) return;
    const slider = this.#slider;
    slider.value = String(at - this.#from);
    const behind = this.#to - at < 1_000 ? "the newest" : `${wholeDuration(this.#to - at)} before the newest`;
    slider.setAttribute("aria-valuetext", this.#to > 0 ? `${timeOfDay(at)}, ${behind}` : "nothing is kept");
    this.#fill();
  }

  #fill() {
    const { value, max, style } = this.#slider;
    style.setProperty("--played", String(Number(max) > 0 ? Number(value) / Number(max) : 0));
  }

  /** @param {number} clientX */
  #timeAt(clientX) {
    const { left, width } = this.#slider.getBoundingClientRect();
    const share = (clientX - left - thumbPx / 2) / (width - thumbPx);
    return this.#from + Math.min(1, Math.max(0, share)) * (this.#to - this.#from);
  }

  /** @param {number} at */
  #showPreview(at) {
    const { box, time } = this.#preview;
    box.hidden = false;
    setText(time, timeOfDay(at));
    const { width } = this.#slider.getBoundingClientRect();
    const middle = thumbPx / 2 + ((at - this.#from) / (this.#to - this.#from)) * (width - thumbPx);
    const half = previewWidthPx / 2;
    box.style.setProperty("--middle", `${Math.min(width - half, Math.max(half, middle))}px`);
    this.#wanted = Math.round(at);
    this.#ask();
  }

  #hidePreview() {
    this.#wanted = null;
    this.#preview.box.hidden = true;
  }

  /** Asks for one picture after the other, and always for that of the newest time. */
  async #ask() {
    if (this.#isAsking) return;
    this.#isAsking = true;
    for (let asked = null; this.#wanted !== null && this.#wanted !== asked;) {
      asked = this.#wanted;
      await new Promise((resolve) => setTimeout(resolve, restMs));
      if (this.#wanted !== asked) continue;
      const still = await fetchStill(this.#options.topic(), { cursor: `t.${asked}` }).catch(() => null);
      this.#showPicture(still?.jpeg ?? null);
    }
    this.#isAsking = false;
  }

  /** @param {Blob | null} jpeg */
  #showPicture(jpeg) {
    const { picture } = this.#preview;
    URL.revokeObjectURL(picture.src);
    picture.hidden = jpeg === null;
    if (jpeg) picture.src = URL.createObjectURL(jpeg);
  }
}
