// @ts-check
/** The player's buttons and keys, and the whole screen.
 *
 * Keys are those of the players people know: Space, arrows, comma and period. In a text field they are the
 * field's, and a button that was reached by keyboard keeps Space for itself. Left out: the seek bar
 * (seek_bar.js), what the actions do (video.js).
 * @module */
import { byId } from "../shared/dom.js";
import { dayOf, setText, timeOfDay, utc, wholeDuration } from "../shared/format.js";
import { speeds } from "./page_url.js";

/** @typedef {object} Actions
 * @property {() => void} toggle plays or pauses
 * @property {(byMs: number) => void} skip
 * @property {(by: 1 | -1) => void} step by frames
 * @property {() => void} restart
 * @property {() => void} live
 * @property {() => void} wall
 * @property {(speed: number) => void} speed */
/** @typedef {{ isPlaying: boolean, isLive: boolean, speed: number, at: number | null, now: number,
 *   hasFrames: boolean }} Look `at`: ms since the epoch of the frame shown; `now`: by the service's clock */

const skipMs = 5_000;
/** Controls over a whole screen go when nothing has moved for so long. */
const idleMs = 2_500;

/** The buttons. */
export class Controls {
  #actions;
  #parts = {
    stage: byId("stage"),
    play: button("play"),
    bigPlay: button("big-play"),
    stepBack: button("step-back"),
    stepOn: button("step-on"),
    restart: button("restart"),
    live: button("live-button"),
    full: button("full"),
    speed: /** @type {HTMLSelectElement} */ (byId("speed")),
    clock: byId("clock"),
    time: byId("clock-time"),
    day: byId("clock-day"),
  };
  #help = /** @type {HTMLDialogElement} */ (byId("help"));
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #idleTimer;

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    const { stage, play, bigPlay, stepBack, stepOn, restart, live, full, speed } = this.#parts;
    play.addEventListener("click", actions.toggle);
    bigPlay.addEventListener("click", actions.toggle);
    byId("screen").addEventListener("click", actions.toggle);
    byId("screen").addEventListener("dblclick", () => this.#toggleFull());
    stepBack.addEventListener("click", () => actions.step(-1));
    stepOn.addEventListener("click", () => actions.step(1));
    restart.addEventListener("click", actions.restart);
    live.addEventListener("click", actions.live);
    speed.addEventListener("change", () => actions.speed(Number(speed.value)));
    full.hidden = !document.fullscreenEnabled;
    full.addEventListener("click", () => this.#toggleFull());
    byId("help-button").addEventListener("click", () => this.#help.showModal());
    // Before the slider and lists get them, which have arrows of their own.
    document.addEventListener("keydown", (event) => this.#key(event), { capture: true });
    for (const name of ["pointermove", "pointerdown", "keydown", "fullscreenchange"]) {
      stage.addEventListener(name, () => this.#stir());
    }
  }

  /** Shows what is true now. @param {Look} look */
  update({ isPlaying, isLive, speed, at, now, hasFrames }) {
    const { play, bigPlay, stepBack, stepOn, restart, live, full } = this.#parts;
    play.classList.toggle("is-playing", isPlaying);
    setLabel(play, isPlaying ? "Pause" : "Play");
    bigPlay.hidden = isPlaying || !hasFrames;
    for (const one of [play, stepBack, stepOn, restart, live]) one.disabled = !hasFrames;
    live.setAttribute("aria-pressed", String(isLive));
    this.#parts.speed.value = String(speed);
    setLabel(full, document.fullscreenElement ? "Leave full screen" : "Full screen");
    const { clock, time, day } = this.#parts;
    setText(time, at === null ? "–" : timeOfDay(at));
    setText(day, at === null ? "" : dayWords(at, now));
    clock.title = at === null ? "" : utc(at);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {Element} */ (event.target);
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const isText = target.matches("input:not([type=range], [type=checkbox]), textarea, select");
    if (!isPlain || isText || this.#help.open || document.querySelector(":popover-open")) return;
    if (/^Arrow(Up|Down)$/.test(event.key) && target.closest(".panel, .publish")) return; // to scroll there
    const isOwn = event.key === " " && target.matches(":is(button, a, summary, input, label):focus-visible");
    if (isOwn || !this.#act(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#stir();
  }

  /** @param {string} key @returns {boolean} whether there is something for it to do */
  #act(key) {
    const { toggle, skip, step, restart, live, wall } = this.#actions;
    /** @type {Record<string, () => void>} */
    const acts = {
      " ": toggle,
      "k": toggle,
      "ArrowLeft": () => skip(-skipMs),
      "ArrowRight": () => skip(skipMs),
      ",": () => step(-1),
      ".": () => step(1),
      "ArrowUp": () => this.#faster(1),
      "ArrowDown": () => this.#faster(-1),
      "l": live,
      "End": live,
      "Home": restart,
      "0": restart,
      "f": () => this.#toggleFull(),
      "w": wall,
      "?": () => this.#help.showModal(),
    };
    const act = acts[key.length === 1 ? key.toLowerCase() : key];
    act?.();
    return act !== undefined;
  }

  /** @param {1 | -1} by */
  #faster(by) {
    const next = speeds[speeds.indexOf(Number(this.#parts.speed.value)) + by];
    if (next !== undefined) this.#actions.speed(next);
  }

  async #toggleFull() {
    if (!document.fullscreenEnabled) return;
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await this.#parts.stage.requestFullscreen();
    } catch { /* the browser does not want it now: the page stays as it is */ }
  }

  /** Something moved: the controls are seen for a while. */
  #stir() {
    const { stage } = this.#parts;
    stage.classList.remove("is-idle");
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => stage.classList.add("is-idle"), idleMs);
  }
}

/** How long ago, with the day when that is another one. @param {number} at @param {number} now */
function dayWords(at, now) {
  const agoMs = now - at;
  if (agoMs < 3_000) return "now";
  const ago = `${wholeDuration(agoMs)} ago`;
  return dayOf(at) === dayOf(now) ? ago : `${dayOf(at)} · ${ago}`;
}

/** @param {HTMLButtonElement} element @param {string} label */
function setLabel(element, label) {
  if (element.getAttribute("aria-label") !== label) element.setAttribute("aria-label", label);
}

/** @param {string} id @returns {HTMLButtonElement} */
function button(id) {
  return /** @type {HTMLButtonElement} */ (byId(id));
}
