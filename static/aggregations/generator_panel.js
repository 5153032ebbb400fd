// @ts-check
/** What the generator is asked with, and how it goes.
 * @module */
/** @import { Video } from "./video.js" */
import { byId } from "../shared/dom.js";
import { count, setText } from "../shared/format.js";
import { Generator, mostPerSecond } from "./generator.js";
import { likes } from "./words.js";

/** The bar below the head. */
export class GeneratorPanel {
  #generator = new Generator(() => this.tick());
  #videos;
  #form = /** @type {HTMLFormElement} */ (byId("generator"));
  #open = byId("generator-open");
  #rate = /** @type {HTMLInputElement} */ (byId("generator-rate"));
  #for = /** @type {HTMLSelectElement} */ (byId("generator-for"));

  /** @param {() => readonly Video[]} videos those that are shown */
  constructor(videos) {
    this.#videos = videos;
    this.#open.addEventListener("click", () => {
      this.#form.hidden = !this.#form.hidden;
      this.#open.setAttribute("aria-expanded", String(!this.#form.hidden));
      if (!this.#form.hidden) this.#rate.focus();
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#generator.isRunning) return this.#generator.stop();
      const ids = this.#for.value ? [this.#for.value] : this.#videos().map(({ id }) => id);
      this.#generator.start(ids, Number(this.#rate.value));
    });
  }

  /** There are others than before. */
  setVideos() {
    const { value } = this.#for, videos = this.#videos();
    const options = videos.map(({ id, name }) =>
      Object.assign(document.createElement("option"), { value: id, textContent: name })
    );
    const all = /** @type {HTMLOptionElement} */ (this.#for.options[0]);
    all.hidden = videos.length === 1;
    this.#for.replaceChildren(all, ...options);
    this.#for.value = videos.some(({ id }) => id === value)
      ? value
      : videos.length === 1
      ? videos[0]?.id ?? ""
      : "";
    /** @type {HTMLButtonElement} */ (this.#open).disabled = videos.length === 0;
  }

  /** Shows how it goes; called now and then. */
  tick() {
    const { isRunning } = this.#generator;
    const run = byId("generator-run");
    setText(run, isRunning ? "Stop" : "Start");
    run.classList.toggle("button-main", !isRunning);
    this.#rate.disabled = this.#for.disabled = isRunning;
    this.#open.classList.toggle("is-running", isRunning);
    setText(byId("generator-text"), this.#text());
  }

  #text() {
    const { isRunning, stored, refused, problem, perMinute, videos, realPerMinute } = this.#generator;
    if (!isRunning && stored + refused === 0) {
      return `At random moments, like many people; ${mostPerSecond} a second in all at most.`;
    }
    const parts = [`${likes(stored)} stored`];
    if (refused > 0) parts.push(`${count(refused)} refused`);
    if (isRunning) {
      const real = realPerMinute === null ? "…" : count(realPerMinute);
      parts.unshift(`${real} of ${count(perMinute * videos)} per minute`);
    } else if (problem) parts.unshift(`Stopped: ${problem.title}`);
    return parts.join(" · ");
  }
}
