// @ts-check
/** The map page: puts its parts together and draws.
 *
 * Records change the movers (session.js), and the movers are all that is drawn: on the map in one animation
 * frame however many records came, in the list and the notices twice a second. In a replay they are those of
 * the recording, while the live ones go on unseen. Left out: a rectangle as a filter.
 * @module */
/** @import { LatLng } from "leaflet" */
/** @import { PositionEvent } from "../../routes/geo.ts" */
/** @import { GeoData } from "../../routes/pages.ts" */
/** @import { Mover } from "./movers.js" */
import { byId } from "../shared/dom.js";
import { count, setText } from "../shared/format.js";
import { openFrame } from "../shared/frame.js";
import { NoticeView } from "../shared/notice_view.js";
import { readProblem } from "../shared/stream.js";
import { prepareEmptyCard, showEmptyCard } from "./empty_card.js";
import { showFollowed } from "./followed_card.js";
import { MapView } from "./map_view.js";
import { headOf, Movers } from "./movers.js";
import { NameList } from "./name_list.js";
import { describe, describeReplay } from "./notice.js";
import { readUrl, trailLengths, writeUrl } from "./page_url.js";
import { Replay } from "./replay.js";
import { ReplayBar } from "./replay_bar.js";
import { Session } from "./session.js";

const tickMs = 500;
/** How often the address tells the time of a replay that plays. */
const addressMs = 2_000;
/** Delays of at most this many records are looked at per frame. */
const maxDelays = 512;

const state = readUrl();
/** Whether the map moves along with the followed one. */
let isCentred = true;
/** Whether all were shown once. */
let isFitted = false;
let usualTopic = "";
let isFrameAsked = false;
let addressWrittenAt = 0;
/** Whether the map was brought to where the replay plays. */
let isReplaySeen = false;
/** What the map showed before that. @type {{ center: LatLng, zoom: number } | null} */
let viewBefore = null;
/** Timestamps of records since the last frame. @type {number[]} */
let undrawn = [];

const frame = openFrame();
/** The live ones. */
const movers = new Movers();
const replay = new Replay({
  trailMs,
  now: () => Date.now() + (session?.skewMs ?? 0),
  onLoad: showReplayWhole,
  onJump: showReplay,
  onChange: () => {
    tick();
    writeAddress();
  },
});
const replayBar = new ReplayBar(replay, {
  onLive: leaveReplay,
  onReload: (how) => replay.open(state.topic ?? usualTopic, how),
});
const view = new MapView({
  element: byId("map"),
  movers,
  look,
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
  const { replay: linked } = state;
  if (linked) {
    Object.assign(replay, { speed: linked.speed, span: linked.span });
    replay.open(topic, { at: linked.at });
  }
  await session.open(trailMs());
  if (!replay.isOpen) showAtFirst();
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
  // A hidden page gets no frames, and a replay shows others: what is missed is drawn with the rest afterwards.
  if (document.hidden || replay.isOpen) movers.fresh = [];
  else if (undrawn.length < maxDelays) undrawn.push(record.at);
  if (replay.isOpen) return;
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
  const nowMs = performance.now();
  replay.step(nowMs);
  if (replay.isOpen) showReplayTime();
  if (!isFitted && !replay.isOpen && movers.all.length > 0) showAtFirst();
  const hasMore = view.layer.draw(nowMs) || replay.isPlaying;
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
  const shownAt = replay.isOpen ? replay.at : now + session.skewMs;
  list.update(state.followed, shownAt - now);
  notices.show(replay.isOpen ? describeReplay(replay.recording && replay.at) : describe(session, frame, now));
  showFollowed(followed(), isCentred, shownAt);
  const isEmpty = isLoaded && movers.all.length === 0 && frame.kafka.health !== "down";
  showEmptyCard(isEmpty && !replay.isOpen);
  byId("truncated").hidden = !session.isTruncated || replay.isOpen;
  showCounts();
  button("pause").disabled = !isLoaded || replay.isOpen;
  button("pause").setAttribute("aria-pressed", String(session.pausedAt > 0));
  button("replay").disabled = false;
  button("replay").setAttribute("aria-pressed", String(replay.isOpen));
  button("fit").disabled = shown().all.length === 0;
  replayBar.update();
  if (replay.isPlaying) askForFrame();
  if (replay.isOpen && now - addressWrittenAt > addressMs) writeAddress();
}

function showCounts() {
  const all = shown().all.length;
  const listed = list.shown.length;
  const text = state.query ? `${count(listed)} of ${count(all)}` : count(all);
  for (const element of document.querySelectorAll("[data-count]")) setText(element, text);
  for (const element of document.querySelectorAll("[data-count-noun]")) {
    setText(element, all === 1 ? "name" : "names");
  }
  const none = byId("no-names");
  none.hidden = listed > 0 || (replay.isOpen ? replay.phase !== "ready" : session?.phase !== "live");
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
  button("replay").addEventListener("click", () => {
    if (replay.isOpen) leaveReplay();
    else enterReplay();
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

/** Plays from the beginning of the span; for who wants no motion, stands there. */
function enterReplay() {
  replay.open(state.topic ?? usualTopic, { play: !matchMedia("(prefers-reduced-motion: reduce)").matches });
  replayBar.focus();
}

function leaveReplay() {
  const hadFocus = byId("replay-bar").contains(document.activeElement);
  replay.close();
  if (viewBefore && !followed()) view.map.setView(viewBefore.center, viewBefore.zoom, { animate: false });
  viewBefore = null;
  isReplaySeen = false;
  if (hadFocus) button("replay").focus();
}

/** At the beginning everything may be elsewhere, so the map shows all that will be; afterwards it goes back. */
function showReplayWhole() {
  if (isReplaySeen) return; // only another span was loaded
  isReplaySeen = true;
  if (isFitted) viewBefore = { center: view.map.getCenter(), zoom: view.map.getZoom() };
  const mover = followed();
  if (mover) view.goTo(headOf(mover), false);
  else view.fit(replay.movers.extent());
}

/** The replay shows another time, or other movers, or has ended. */
function showReplay() {
  view.show(shown());
  list.show(shown());
  const mover = followed();
  if (mover && isCentred) view.keepIn(headOf(mover));
  tick();
  writeAddress();
}

function showReplayTime() {
  replayBar.updateTime();
  if (replay.recording) notices.show(describeReplay(replay.at));
  const mover = followed();
  if (mover && isCentred && replay.isPlaying) view.keepIn(headOf(mover));
}

function writeAddress() {
  const { isOpen, at, speed, span } = replay;
  addressWrittenAt = Date.now();
  writeUrl({ ...state, replay: isOpen ? { at, speed, span } : null }, usualTopic);
}

/** Shows all, or the one that the address names. */
function showAtFirst() {
  const mover = followed();
  if (mover) view.goTo(headOf(mover));
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
  setCentred(true);
  view.layer.redraw();
  writeAddress();
}

/** @param {boolean} wanted */
function setCentred(wanted) {
  isCentred = wanted;
  const mover = followed();
  if (wanted && mover) view.goTo(headOf(mover), !replay.isPlaying);
  tick();
}

/** @param {string} query */
function setQuery(query) {
  state.query = query;
  list.filter(query);
  tick();
  view.layer.redraw();
  writeAddress();
}

/** @param {string} trail */
function setTrail(trail) {
  const isLonger = (trailLengths[trail] ?? 0) > trailMs();
  state.trail = trail;
  writeAddress();
  if (isLonger) session?.open(trailMs()); // what is now in the trail's time was never loaded
  replay.seek(replay.at);
  view.layer.redraw();
}

function trailMs() {
  return trailLengths[state.trail] ?? 0;
}

/** @returns {Mover | null} */
function followed() {
  return state.followed === null ? null : shown().byName.get(state.followed) ?? null;
}

/** The movers that are drawn and listed: the live ones, or those of the replay. */
function shown() {
  return replay.isOpen ? replay.movers : movers;
}

/** What the layer draws them by. */
function look() {
  const now = replay.isOpen
    ? { until: replay.at, pace: replay.isPlaying ? replay.speed : 1 }
    : { until: Date.now(), pace: 1 };
  return { followed: state.followed, trailMs: trailMs(), ...now };
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
