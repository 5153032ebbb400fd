// @ts-check
/** The elements that show a page's state: one word that is always there, and a notice when there is more to
 * say. Left out: what is said.
 * @module */
import { byId } from "./dom.js";
import { setText } from "./format.js";

/** @typedef {"loading" | "live" | "paused" | "behind" | "gap" | "away" | "failed" | "replay" | "stalled"} Kind */
/** @typedef {"retry" | "resume" | "dismiss" | "newest" | "restart"} Action */
/** @typedef {{ kind: Kind, word: string, title?: string, detail?: string, action?: Action }} Notice */

const actions = {
  retry: "Try now",
  resume: "Go on",
  dismiss: "Dismiss",
  newest: "Skip to now",
  restart: "Start over",
};

/** The elements that show it. */
export class NoticeView {
  #parts = {
    state: byId("state"),
    box: byId("notice"),
    title: byId("notice-title"),
    detail: byId("notice-detail"),
    action: byId("notice-action"),
    live: byId("live"),
  };
  /** @type {Notice} */ #shown = { kind: "loading", word: "Loading" };
  /** @type {Kind | null} */ #said = null;
  #wasLive = false;

  /** @param {(action: Action) => void} onAction */
  constructor(onAction) {
    this.#parts.action.addEventListener("click", () => this.#shown.action && onAction(this.#shown.action));
  }

  /** @param {Notice} notice */
  show(notice) {
    const { state, box, title, detail, action, live } = this.#parts;
    this.#shown = notice;
    state.dataset["state"] = notice.kind;
    box.dataset["state"] = notice.kind;
    setText(state, notice.word);
    setText(title, notice.title ?? "");
    setText(detail, notice.detail ?? "");
    box.hidden = notice.title === undefined;
    action.hidden = notice.action === undefined;
    if (notice.action) setText(action, actions[notice.action]);
    // Said once per change of kind: counters that run would never let a screen reader finish.
    if (notice.kind !== this.#said) setText(live, notice.title ?? this.#spoken(notice));
    this.#said = notice.kind;
    this.#wasLive ||= notice.kind === "live";
  }

  /** @param {Notice} notice without a title */
  #spoken({ kind, word }) {
    if (kind === "replay") return word;
    if (this.#said === null) return "";
    if (kind !== "live" || this.#wasLive) return kind === "live" ? "Live again" : word;
    return this.#said === "loading" ? "" : word; // that a page comes up as it should is no news
  }
}
