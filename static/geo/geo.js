// @ts-check
/** The map page: puts its parts together and draws.
 *
 * Records change the movers (session.js), and the movers are all that is drawn: on the map in one animation
 * frame however many records came, in the list and the notices twice a second. Left out: replay at a speed; a
 * rectangle as a filter.
 * @module */
/** @import { PositionEvent } from "../../routes/geo.ts" */
/** @import { GeoData } from "../../routes/pages.ts" */
/** @import { Mover } from "./movers.js" */
import { byId } from "../shared/dom.js";
import { count, setText } from "../shared/format.js";
import { openFrame } from "../shared/frame.js";
import { readProblem } from "../shared/stream.js";
import { prepareEmptyCard, showEmptyCard } from "./empty_card.js";
import { showFollowed } from "./followed_card.js";
import { MapView } from "./map_view.js";
import { Movers } from "./movers.js";
import { NameList } from "./name_list.js";
import { describe, NoticeView } from "./notice.js";
import { readUrl, trailLengths, writeUrl } from "./page_url.js";
import { Session } from "./session.js";

const tickMs = 500;
/** Delays of at most this many records are looked at per frame. */
const maxDelays = 512;

const state = readUrl();
/** Whether the map moves along with the followed one. */
let isCentred = true;
/** Whether all were shown once. */
let isFitted = false;
let usualTopic = "";
let isFrameAsked = false;
/** Timestamps of records since the last frame. @type {number[]} */
let undrawn = [];

const frame = openFrame();
const movers = new Movers();
const view = new MapView({
  element: byId("map"),
  movers,
  look: () => ({ followed: state.followed, trailMs: trailMs() }),
  ask: askForFrame,
  onPick: (mover) => mover && toggleFollow(mover),
  onDrag: () => setCentred(false),
});
const list = new NameList({
  box: byId("names"),
  movers,
  onPick: toggleFollow,
  onLetter: (letter) => {
    const filter = /** @type {HTMLInputElement} */ (byId("filter"));
    filter.value += letter;
    filter.focus();
    setQuery(filter.value);
  },
});
/** @type {Session | null} */
let session = null;
const notices = new NoticeView((action) => {
  if (action === "dismiss" && session) session.gap = null;
  else if (action === "retry" && session?.phase === "failed") session.open(trailMs());
  else session?.resume();
  tick();
});

start();

async function start() {
  const data = await loadSettings();
  usualTopic = data.usualTopic;
  const { topic } = data;
  state.topic = topic;
  view.use(data);
  /** @type {HTMLInputElement} */ (byId("topic")).value = topic;
  prepareEmptyCard(topic);
  session = new Session({ topic, movers, frame, onChange: tick, onRecord });
  frame.setStreams([
    { name: `Positions of ${topic}, as server-sent events`, url: session.eventsPath },
    { name: "The same over a WebSocket", url: socketUrl(topic) },
  ]);
  wireControls();
  setInterval(tick, tickMs);
  await session.open(trailMs());
  showAtFirst();
}

/** Asks for the page's settings until they come; there is nothing to show without. */
async function loadSettings() {
  for (let waitMs = 1_000;; waitMs = Math.min(15_000, waitMs * 2)) {
    try {
      const headers = { accept: "application/json" };
      const response = await fetch(`/geo${location.search}`, { headers, cache: "no-store" });
      if (response.ok) return /** @type {GeoData} */ (await response.json());
      const problem = await readProblem(response);
      notices.show({ kind: "failed", word: "Error", title: problem.title, detail: problem.detail ?? "" });
      if (response.status < 500) await new Promise(() => {}); // asking again would not help; the topic must be another
    } catch {
      notices.show({
        kind: "away",
        word: "Waiting",
        title: "The service does not answer",
        detail: "Trying again.",
      });
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** @param {PositionEvent} record */
function onRecord(record) {
  // Nobody looks at a hidden page, and it gets no frames: what was missed is drawn with the rest when it is shown.
  if (document.hidden) movers.fresh = [];
  else if (undrawn.length < maxDelays) undrawn.push(record.at);
  askForFrame();
  if (record.name === state.followed && isCentred && !document.hidden) {
    const mover = movers.byName.get(record.name);
    if (mover) view.moveWith(mover);
  }
}

function askForFrame() {
  if (isFrameAsked) return;
  isFrameAsked = true;
  requestAnimationFrame(draw);
}

function draw() {
  isFrameAsked = false;
  if (!isFitted && movers.all.length > 0) showAtFirst();
  const hasMore = view.layer.draw(performance.now());
  const now = Date.now() + (session?.skewMs ?? 0);
  for (const at of undrawn) frame.meter.drawn(Date.now(), Math.max(0, now - at));
  undrawn = [];
  if (hasMore) askForFrame();
}

/** What is not drawn in frames: the list, the card, the notices, the counts. */
function tick() {
  if (!session || document.hidden) return;
  session.settle();
  const now = Date.now();
  const isLoaded = session.phase === "live";
  list.update(state.followed, session.skewMs);
  notices.show(describe(session, frame, now));
  showFollowed(followed(), isCentred, now + session.skewMs);
  showEmptyCard(isLoaded && movers.all.length === 0 && frame.kafka.health !== "down");
  byId("truncated").hidden = !session.isTruncated;
  showCounts();
  button("pause").disabled = !isLoaded;
  button("pause").setAttribute("aria-pressed", String(session.pausedAt > 0));
  button("fit").disabled = movers.all.length === 0;
}

function showCounts() {
  const all = movers.all.length;
  const shown = list.shown.length;
  const text = state.query ? `${count(shown)} of ${count(all)}` : count(all);
  for (const element of document.querySelectorAll("[data-count]")) setText(element, text);
  for (const element of document.querySelectorAll("[data-count-noun]")) {
    setText(element, all === 1 ? "name" : "names");
  }
  const none = byId("no-names");
  none.hidden = shown > 0 || session?.phase !== "live";
  setText(none, all === 0 ? "Nothing has reported yet." : `No name holds “${state.query}”.`);
}

function wireControls() {
  const filter = /** @type {HTMLInputElement} */ (byId("filter"));
  const trail = /** @type {HTMLSelectElement} */ (byId("trail"));
  filter.value = state.query;
  list.filter(state.query);
  trail.value = state.trail;
  filter.addEventListener("input", () => setQuery(filter.value));
  filter.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault(); // Enter would send the form
    byId("names").focus();
  });
  trail.addEventListener("change", () => setTrail(trail.value));
  button("pause").addEventListener("click", () => {
    if (session?.pausedAt) session.resume();
    else session?.pause();
  });
  button("fit").addEventListener("click", () => {
    setCentred(false);
    view.fit();
  });
  button("unfollow").addEventListener("click", () => setFollowed(null));
  button("centre").addEventListener("click", () => setCentred(true));
  button("sheet").addEventListener("click", () => {
    const isOpen = byId("panel").classList.toggle("is-open");
    button("sheet").setAttribute("aria-expanded", String(isOpen));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector(":popover-open")) {
      setFollowed(null);
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    view.layer.redraw();
    tick();
  });
}

/** Shows all, or the one that the address names. */
function showAtFirst() {
  const mover = followed();
  if (mover) view.goTo(mover);
  else if (!view.fit()) return;
  isFitted = true;
}

/** @param {Mover} mover */
function toggleFollow(mover) {
  setFollowed(mover.name === state.followed ? null : mover.name);
}

/** @param {string | null} name */
function setFollowed(name) {
  if (name === state.followed) return;
  state.followed = name;
  isCentred = true;
  const mover = followed();
  if (mover) view.goTo(mover);
  view.layer.redraw();
  writeUrl(state, usualTopic);
  tick();
}

/** @param {boolean} wanted */
function setCentred(wanted) {
  isCentred = wanted;
  const mover = followed();
  if (wanted && mover) view.goTo(mover);
  tick();
}

/** @param {string} query */
function setQuery(query) {
  state.query = query;
  list.filter(query);
  tick();
  view.layer.redraw();
  writeUrl(state, usualTopic);
}

/** @param {string} trail */
function setTrail(trail) {
  const isLonger = (trailLengths[trail] ?? 0) > trailMs();
  state.trail = trail;
  writeUrl(state, usualTopic);
  if (isLonger) session?.open(trailMs()); // what is now in the trail's time was never loaded
  view.layer.redraw();
}

function trailMs() {
  return trailLengths[state.trail] ?? 0;
}

/** @returns {Mover | null} */
function followed() {
  return state.followed === null ? null : movers.byName.get(state.followed) ?? null;
}

/** @param {string} topic */
function socketUrl(topic) {
  const url = new URL(`/geo/${topic}/socket`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** @param {string} id @returns {HTMLButtonElement} */
function button(id) {
  return /** @type {HTMLButtonElement} */ (byId(id));
}
