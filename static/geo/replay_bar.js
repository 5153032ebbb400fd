// @ts-check
/** The controls of a replay: a bar below the map, and keys for the whole page.
 *
 * Space plays and pauses, ← and → go ten seconds, Escape goes back to live; in a text field they are the
 * field's, and Shift with an arrow still moves the map. Left out: the time itself (replay.js).
 * @module */
/** @import { Recording } from "./recording.js" */
/** @import { Replay } from "./replay.js" */
import { byId } from "../shared/dom.js";
import { dayOf, setText, timeOfDay, utc } from "../shared/format.js";

const stepMs = 10_000;
/** @type {Readonly<Record<string, string>>} */
const spanWords = { "15m": "the last 15 minutes", "1h": "the last hour", "6h": "the last 6 hours" };

/** The bar. */
export class ReplayBar {
  #replay;
  #options;
  #parts = {
    bar: byId("replay-bar"),
    play: /** @type {HTMLButtonElement} */ (byId("replay-play")),
    clock: byId("replay-clock"),
    time: byId("replay-time"),
    day: byId("replay-day"),
    slider: /** @type {HTMLInputElement} */ (byId("replay-slider")),
    from: byId("replay-from"),
    to: byId("replay-to"),
    message: byId("replay-message"),
    retry: byId("replay-retry"),
    span: /** @type {HTMLSelectElement} */ (byId("replay-span")),
    speed: /** @type {HTMLSelectElement} */ (byId("replay-speed")),
    live: byId("replay-live"),
  };

  /** @param {Replay} replay
   * @param {{ onLive: () => void, onReload: (how: { at?: number, play: boolean }) => void }} options
   *   `onReload`: the span must be loaded (again) */
  constructor(replay, options) {
    this.#replay = replay;
    this.#options = options;
    const { play, slider, retry, span, speed, live } = this.#parts;
    play.addEventListener("click", () => replay.toggle());
    slider.addEventListener("input", () => replay.seek((replay.recording?.from ?? 0) + Number(slider.value)));
    retry.addEventListener("click", () => options.onReload({ at: replay.at, play: false }));
    span.addEventListener("change", () => this.#choose(span.value));
    speed.addEventListener("change", () => replay.setSpeed(Number(speed.value)));
    live.addEventListener("click", options.onLive);
    // Before the map gets them, whose keyboard moves it.
    document.addEventListener("keydown", (event) => this.#key(event), { capture: true });
  }

  focus() {
    this.#parts.play.focus();
  }

  /** Shows what is true now. */
  update() {
    const { bar, play, slider, from, to, message, retry, span, speed } = this.#parts;
    const { phase, recording, isPlaying, isOpen } = this.#replay;
    bar.hidden = !isOpen;
    if (!isOpen) return;
    const text = messageOf(this.#replay);
    // Not disabled: that would drop the focus whenever a span is loaded.
    play.setAttribute("aria-disabled", String(phase !== "ready"));
    play.setAttribute("aria-label", isPlaying ? "Pause the replay" : "Play");
    play.classList.toggle("is-playing", isPlaying);
    slider.disabled = phase !== "ready";
    slider.max = String(recording ? recording.to - recording.from : 0);
    const ends = recording && !text ? endsOf(recording) : null;
    setText(from, ends?.[0] ?? "");
    setText(to, ends?.[1] ?? "");
    from.title = ends && recording ? utc(recording.from) : "";
    to.title = ends && recording ? utc(recording.to) : "";
    setText(message, text);
    message.title = text; // where it is too long for two lines
    retry.hidden = phase !== "failed";
    span.value = this.#replay.span;
    speed.value = String(this.#replay.speed);
    this.updateTime();
  }

  /** The same for the time alone, in each frame. */
  updateTime() {
    const { clock, time, day, slider } = this.#parts;
    const { at, recording } = this.#replay;
    const text = recording ? timeOfDay(at) : "–";
    setText(time, text);
    setText(day, recording ? dayOf(at) : "");
    clock.title = recording ? utc(at) : "";
    slider.value = String(recording ? at - recording.from : 0);
    slider.setAttribute("aria-valuetext", recording ? `${text}, ${dayOf(at)}` : "nothing loaded");
  }

  /** @param {string} span */
  #choose(span) {
    const { at, isPlaying, recording } = this.#replay;
    this.#replay.span = span;
    // Where it was, unless it showed nothing or the span does not reach so far: then from its beginning.
    const isWithin = recording !== null && at >= this.#replay.earliest();
    this.#options.onReload({ ...(isWithin && { at }), play: isPlaying });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {Element} */ (event.target);
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
    const isText = target.matches("input:not([type=range]), textarea, [contenteditable]");
    if (!this.#replay.isOpen || !isPlain || isText || document.querySelector(":popover-open")) return;
    const isSelect = target instanceof HTMLSelectElement;
    const isOwn = isSelect || target.matches("button, a, summary, [role=listbox]"); // have a use for Space
    if (event.key === "Escape") this.#options.onLive();
    else if (event.key === " " && !isOwn) this.#replay.toggle();
    else if (event.key === "ArrowLeft" && !isSelect) this.#replay.seek(this.#replay.at - stepMs);
    else if (event.key === "ArrowRight" && !isSelect) this.#replay.seek(this.#replay.at + stepMs);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** Both ends as times of day, with their days where these differ.
 * @param {Recording} recording @returns {[string, string]} */
function endsOf({ from, to }) {
  const isOneDay = dayOf(from) === dayOf(to);
  const words = (/** @type {number} */ at) => isOneDay ? timeOfDay(at) : `${dayOf(at)}, ${timeOfDay(at)}`;
  return [words(from), words(to)];
}

/** What is to be said about a replay besides its time. @param {Replay} replay */
function messageOf({ phase, problem, recording, span }) {
  const words = spanWords[span];
  if (phase === "loading") return words ? `Loading ${words} …` : "Loading all that is kept …";
  if (phase === "empty") {
    return words ? `No positions in ${words}. Choose a longer span.` : "No positions are kept.";
  }
  if (phase === "failed") return [problem?.title, problem?.detail].filter(Boolean).join(": ");
  return recording?.isTruncated ? "Too many positions: the oldest are left out." : "";
}
