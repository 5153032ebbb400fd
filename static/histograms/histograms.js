// @ts-check
/** The page of histograms: a card for each measurement, of one time for all.
 *
 * Its state is what the address says (page_url.js) and what the session knows of the measurements (session.js). What came is drawn
 * once per frame however much it was, the rest twice a second.
 * @module */
/** @import { PageState, Range } from "./page_url.js" */
/** @import { View } from "./card.js" */
import { copyLine } from "../shared/copy.js";
import { byId } from "../shared/dom.js";
import { count, setText, timeOfDay } from "../shared/format.js";
import { openFrame } from "../shared/frame.js";
import { NoticeView } from "../shared/notice_view.js";
import { Card } from "./card.js";
import { eventsOf } from "./histograms_api.js";
import { describe } from "./notice.js";
import { addressOf, rangeMs, rangeWords, readUrl, shortestSpanMs, spanOf } from "./page_url.js";
import { Session } from "./session.js";

const tickMs = 500;
/** A span that goes on moves in so many steps. */
const spanSteps = 600;

/** @type {PageState} */
let state = readUrl();
/** @type {Session} */
let session;
/** @type {Card[]} */
let cards = [];
let isDrawingAsked = false;

const frame = openFrame();
/** What stands in the place of the cards while there are none. */
const waiting = { box: byId("waiting"), text: byId("waiting-text"), all: byId("waiting-all") };
const notices = new NoticeView((action) => {
  if (action === "dismiss") session.gap = null;
  else if (action === "retry" && session.phase === "failed") open();
  else session.resume();
  tick();
});

wirePage();
open();
setInterval(tick, tickMs);

/** Begins anew, with what the state names. */
function open() {
  session?.close();
  for (const card of cards) card.close();
  cards = [];
  byId("cards").replaceChildren(waiting.box);
  const { measurement } = state;
  document.title = `${measurement ?? "Histograms"} · Tailrace`;
  document.body.dataset["view"] = measurement === null ? "all" : "one";
  byId("back").hidden = measurement === null;
  setText(byId("title"), measurement ?? "Histograms");
  session = new Session({ only: measurement, frame, onMeasurements: showCards, onChange: tick, ask });
  session.open();
  showRange();
  tick();
}

function showCards() {
  cards = session.measurements.map((measurement) =>
    new Card(measurement, {
      ask,
      onSpan: zoom,
      onReset: () => go({ zoom: null }),
      onAll: () => go({ range: "all", zoom: null }),
      onKey: onChartKey,
      onOpen: (name, event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        if (state.measurement === null) go({ measurement: name });
      },
      say: (text) => setText(byId("chart-live"), text),
      view,
    })
  );
  byId("cards").replaceChildren(...cards.map(({ element }) => element));
  frame.setStreams(session.measurements.map(({ name }) => ({
    name: `Histogram of ${name}, as server-sent events`,
    url: eventsOf(name),
  })));
  tick();
  ask();
}

/** Shows something else, with a new entry in the history. @param {Partial<PageState>} change */
function go(change) {
  const before = state;
  state = { ...state, ...change };
  history.pushState(null, "", addressOf(state));
  if (state.measurement !== before.measurement) return open();
  showRange();
  tick();
  ask();
}

/** Of what time everything is shown. @returns {View} */
function view() {
  const now = nowShown();
  const { zoom, range } = state, lengthMs = rangeMs[range];
  const span = spanOf(state, now);
  if (zoom) return { inView: zoom, span, key: `${zoom.from} ${zoom.to}`, words: "this time" };
  const words = rangeWords[range];
  if (lengthMs === null) return { inView: allOfIt(), span, key: range, words };
  const step = lengthMs / spanSteps;
  const to = Math.ceil(now / step) * step;
  return { inView: { from: to - lengthMs, to }, span, key: range, words };
}

/** From the first measurement there is to the last one, of whatever name. */
function allOfIt() {
  let from = Infinity, to = -Infinity;
  for (const { course } of session.measurements) {
    from = Math.min(from, course.time[0] ?? Infinity);
    to = Math.max(to, (course.time.at(-1) ?? -Infinity) + course.stepMs);
  }
  if (from > to) return { from: nowShown() - 60_000, to: nowShown() };
  return { from, to: Math.max(to, from + 1_000) };
}

/** The service's time, which stands while the page is paused. */
function nowShown() {
  return session.pausedAt || Date.now() + session.skewMs;
}

/** @param {{ from: number, to: number }} span */
function zoom({ from, to }) {
  if (to - from >= shortestSpanMs) go({ zoom: { from: Math.round(from), to: Math.round(to) } });
}

/** Keys in a course. @param {string} key @param {number | null} at ms, of its cursor */
function onChartKey(key, at) {
  const { inView: { from, to } } = view(), length = to - from;
  const center = at ?? (from + to) / 2;
  const around = (/** @type {number} */ part) =>
    zoom({ from: center - length * part / 2, to: center + length * part / 2 });
  if (key === "+" || key === "=") around(0.5);
  else if (key === "-") around(2);
  else if (key === "PageUp") zoom({ from: from - length / 2, to: to - length / 2 });
  else if (key === "PageDown") zoom({ from: from + length / 2, to: to + length / 2 });
  else if (key === "Escape" && state.zoom) go({ zoom: null });
  else return false;
  return true;
}

function ask() {
  if (isDrawingAsked) return;
  isDrawingAsked = true;
  requestAnimationFrame(draw);
}

function draw() {
  isDrawingAsked = false;
  if (document.hidden) return;
  const shown = view();
  for (const card of cards) card.draw(shown);
  const now = Date.now();
  for (const { undrawn } of session.measurements) {
    for (const at of undrawn) frame.meter.drawn(now, Math.max(0, now + session.skewMs - at));
    undrawn.length = 0;
  }
}

/** What is not drawn in frames. */
function tick() {
  if (document.hidden || !session) return;
  const now = Date.now();
  session.tick(now);
  const notice = describe(session, frame, now + session.skewMs);
  notices.show(notice);
  const button = /** @type {HTMLButtonElement} */ (byId("pause"));
  button.disabled = session.phase !== "live";
  button.setAttribute("aria-pressed", String(session.pausedAt > 0));
  const shown = view();
  if (!state.zoom && rangeMs[state.range] !== null) {
    for (const { course } of session.measurements) course.forgetBefore(shown.inView.from);
  }
  for (const card of cards) card.tick(shown, notice, nowShown());
  const { measurements } = session;
  const counted = measurements.reduce((sum, { histogram }) => sum + histogram.count, 0);
  setText(byId("sum"), measurements.length > 0 ? `${count(counted)} counted` : "");
  showWaiting();
  byId("empty").hidden = measurements.length === 0 || measurements.some(({ isEmpty }) => !isEmpty);
  if (cards.length > 0) ask();
}

function showWaiting() {
  const { phase } = session;
  waiting.box.hidden = phase === "failed" && state.measurement === null; // the notice says it all
  waiting.all.hidden = phase !== "failed";
  const words = {
    loading: "Loading the histograms",
    waiting: "They come as soon as the service answers",
    failed: "",
  };
  setText(waiting.text, phase === "live" ? "" : words[phase]);
}

function showRange() {
  const { zoom, range } = state;
  for (const input of rangeInputs()) input.checked = zoom === null && input.value === range;
  byId("reset").hidden = zoom === null;
  const text = zoom ? `${timeOfDay(zoom.from)} – ${timeOfDay(zoom.to)}` : "";
  setText(byId("zoom-text"), text);
}

function rangeInputs() {
  return [.../** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("#ranges input"))];
}

function wirePage() {
  byId("empty-command").replaceChildren(copyLine("tailrace publish measurements", "line that measures"));
  for (const input of rangeInputs()) {
    input.addEventListener("change", () => go({ range: /** @type {Range} */ (input.value), zoom: null }));
  }
  byId("reset").addEventListener("click", () => go({ zoom: null }));
  byId("pause").addEventListener("click", () => session.pausedAt ? session.resume() : session.pause());
  for (const id of ["back", "waiting-all"]) {
    byId(id).addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go({ measurement: null });
    });
  }
  addEventListener("popstate", () => {
    const before = state;
    state = readUrl();
    if (state.measurement !== before.measurement) return open();
    showRange();
    tick();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const { loader } of session.measurements) loader.expire(); // what came meanwhile was not put in
    tick();
  });
}
