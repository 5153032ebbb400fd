// @ts-check
/** The button that likes a video, and what became of it.
 * @module */
/** @import { Video } from "./video.js" */
import { count, setText } from "../shared/format.js";

const popFrames = [{ transform: "scale(1)" }, { transform: "scale(1.35)" }, { transform: "scale(1)" }];
const popMs = 220;

/** A heart with the likes that were given here. */
export class LikeButton {
  #video;
  #parts;
  #shown = -1;

  /** @param {Video} video @param {(name: string) => HTMLElement} part of its card @param {() => void} onLike */
  constructor(video, part, onLike) {
    this.#video = video;
    this.#parts = { button: part("like"), given: part("given"), refusal: part("refusal") };
    const { button } = this.#parts;
    button.addEventListener("click", () => {
      onLike();
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
        button.firstElementChild?.animate(popFrames, { duration: popMs, easing: "ease-out" });
      }
    });
    this.draw();
  }

  /** Draws what has changed. */
  draw() {
    const { given, refusal, version, name } = this.#video;
    if (version === this.#shown) return;
    this.#shown = version;
    const { button } = this.#parts;
    setText(this.#parts.given, given > 0 ? count(given) : "Like");
    button.classList.toggle("is-given", given > 0);
    button.setAttribute(
      "aria-label",
      given > 0 ? `Like ${name}, ${count(given)} given here` : `Like ${name}`,
    );
    button.title = given > 0 ? "Likes that you gave here" : "Like";
    setText(this.#parts.refusal, refusal);
    this.#parts.refusal.title = refusal;
  }
}
