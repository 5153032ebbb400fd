// @ts-check
/** The page of video: puts its parts together and draws.
 *
 * Its state is what the address says (page_url.js), the stream that is played (player.js) or the wall (wall.js),
 * and what the service tells of streams. Frames are drawn in animation frames, the rest twice a second.
 * @module */
/** @import { Notice } from "../shared/notice_view.js" */
/** @import { Problem } from "../shared/stream.js" */
/** @import { PageState } from "./page_url.js" */
/** @import { Shown } from "./screen.js" */
import { problemOf } from "../shared/api.js";
import { byId } from "../shared/dom.js";
import { count, duration, rate, setText, wholeDuration } from "../shared/format.js";
import { openFrame } from "../shared/frame.js";
import { NoticeView } from "../shared/notice_view.js";
import { Controls } from "./controls.js";
import { showEmpty } from "./empty.js";
import { LeftOff } from "./left_off.js";
import { addressOf, mostTiles, readUrl } from "./page_url.js";
import { Player } from "./player.js";
import { describe } from "./player_notice.js";
import { PublishPanel } from "./publish_panel.js";
import { Screen } from "./screen.js";
import { SeekBar } from "./seek_bar.js";
import { StreamList } from "./stream_list.js";
import { fetchInfo, fetchList, pathOf } from "./video_api.js";
import { Wall } from "./wall.js";
import { describeWall } from "./wall_notice.js";

const tickMs = 500;
/** How often is asked what is kept of the stream shown, and which streams there are. */
const infoMs = 2_000, listMs = 5_000;

/** A seek so near to the end of a stream goes live, if its newest frame is no older than this, ms. */
const nearMs = 500, runsMs = 5_000;

/** @type {PageState} */
let state = readUrl();
/** The topic that is shown when the address names none. */
let usualTopic = "";
/** Why there is no answer about streams; null while they come. @type {Problem | null} */
let trouble = null;
/** @type {Player | null} */
let player = null;
let isFrameAsked = false;
/** Whether anything was shown yet. */
let isShown = false;
let infoAt = 0, listAt = 0;

const frame = openFrame();
const screen = new Screen(/** @type {HTMLCanvasElement} */ (byId("screen")), {
  ask,
  onShown,
  onBroken: () => player?.onBroken(),
});
const wall = new Wall({
  box: byId("wall"),
  frame,
  ask,
  onOpen: (topic) => go({ topic, wall: null }),
  onChange: tick,
});
const seekBar = new SeekBar({
  topic: () => player?.topic ?? "",
  onSeek: (at) => {
    act((player) => !player.isPaused && isNow(at) ? player.goLive() : player.seek(at));
    byId("play").focus();
  },
});
const controls = new Controls({
  toggle: () => act((player) => player.isPaused ? player.play() : player.pause()),
  skip: (byMs) => act((player) => skip(player, byMs)),
  step: (by) => act((player) => player.step(by)),
  restart: () => act((player) => player.restart()),
  live: () => act((player) => player.goLive()),
  wall: toggleWall,
  speed: (speed) => act((player) => player.setSpeed(speed)),
});
const list = new StreamList({
  onOpen: (topic) => go({ topic, wall: null }),
  onTile: (topic, isOn) => {
    const tiles = (state.wall ?? []).filter((name) => name !== topic);
    go({ wall: isOn ? [...tiles, topic].slice(0, mostTiles) : tiles });
  },
});
const leftOff = new LeftOff(() => act((player) => player.restart()));
const publishing = new PublishPanel({
  topic: () => player?.isEmpty ? player.topic : "camera", // rather than between the frames of another one
  onToggle: showPublishing,
  onPublish: (topic) => go({ topic, wall: null, isLive: true, at: null }),
});
const notices = new NoticeView((action) => {
  if (action === "retry") (player ?? wall).retry();
  else if (action === "restart") player?.restart();
  else if (action === "dismiss" && player) Object.assign(player, { gap: null, problem: null });
  tick();
});

start();

async function start() {
  wirePage();
  setInterval(tick, tickMs);
  await askList(); // it gives this browser the cookie by which positions are kept
  show();
  isShown = true;
}

/** Shows something else, with a new entry in the history. @param {Partial<PageState>} change */
function go(change) {
  const isOther = change.topic !== undefined && change.topic !== topicShown();
  state = { ...state, ...(isOther ? { at: null, isLive: false } : {}), ...change };
  history.pushState(null, "", addressOf(state));
  show();
}

/** Shows what the state says. */
function show() {
  const before = player?.shown ? player.topic : "";
  player?.close();
  player = null;
  infoAt = 0;
  screen.clear();
  const isWall = state.wall !== null;
  document.body.dataset["view"] = isWall ? "wall" : "one";
  byId("wall").hidden = !isWall;
  byId("controls").hidden = isWall;
  if (isWall) showWall(before);
  else {
    wall.close();
    showOne(topicShown());
  }
  if (document.hidden) (player ?? wall).sleep(); // opened in a tab behind this one: nothing is to be missed
  tick();
}

/** @param {string} before the topic that was shown, which has frames whatever the list knew */
function showWall(before) {
  const topics = state.wall ?? [];
  document.title = "Wall · Tailrace";
  setText(byId("topic-name"), topics.length === 1 ? "Wall of 1 stream" : `Wall of ${topics.length} streams`);
  const withFrames = list.lines.filter(({ newest }) => newest).map(({ topic }) => topic);
  wall.open(topics, new Set([before, ...withFrames]));
  const query = topics.map((topic) => `s=${pathOf(topic)}/socket`).join("&");
  frame.setStreams([{ name: "All of them over one WebSocket", url: socketUrl(`/streams?${query}`) }]);
}

/** @param {string} topic */
function showOne(topic) {
  if (topic === "") return; // the service has not said yet
  document.title = `${topic} · Tailrace`;
  setText(byId("topic-name"), topic);
  const path = pathOf(topic);
  const whole = (/** @type {string} */ of) => new URL(`${path}/${of}`, location.href).href;
  frame.setStreams([
    {
      name: "For any page, goes on where it was left",
      url: `${path}/mjpeg`,
      line: `<img src="${whole("mjpeg")}">`,
    },
    { name: "The newest frame", url: `${path}/snapshot.jpg`, line: `curl -O ${whole("snapshot.jpg")}` },
    { name: "What each frame is, as server-sent events", url: `${path}/events` },
    { name: "Frames over a WebSocket", url: socketUrl(`${path}/socket`) },
  ]);
  player = new Player({ topic, speed: state.speed, screen, frame, onChange: tick });
  askInfo();
  const line = list.lines.find((line) => line.topic === topic);
  if (state.at !== null) player.standAt(state.at);
  else player.open({ isLive: state.isLive, hasFrames: Boolean(line?.newest) });
}

function topicShown() {
  return state.topic ?? usualTopic;
}

/** @param {(player: Player) => void} action */
function act(action) {
  if (!player) return;
  action(player);
  afterAction();
}

function afterAction() {
  writeAddress();
  tick();
}

/** @param {Player} player @param {number} byMs */
function skip(player, byMs) {
  const { shown } = player;
  if (!shown) return;
  const at = shown.capturedAt + byMs;
  const newest = newestAt();
  if (at <= newest) player.seek(Math.max(at, player.info?.first?.capturedAt ?? 0));
  else if (player.isPaused) player.seek(newest);
  else if (!player.isLive) player.goLive();
}

/** Time of the newest frame that is known. */
function newestAt() {
  return Math.max(player?.info?.last?.capturedAt ?? 0, player?.shown?.capturedAt ?? 0);
}

/** Whether a time is the end of a stream that runs. @param {number} at ms since the epoch */
function isNow(at) {
  const newest = newestAt();
  return at > newest - nearMs && Date.now() + (player?.skewMs ?? 0) - newest < runsMs;
}

/** @param {Shown} shown */
function onShown(shown) {
  player?.onShown(shown, Date.now());
  if (player?.isPaused) writeAddress();
}

function ask() {
  if (isFrameAsked) return;
  isFrameAsked = true;
  requestAnimationFrame(draw);
}

function draw() {
  isFrameAsked = false;
  if (state.wall) return wall.draw();
  screen.draw();
  if (player?.shown) showPlace(player.shown);
}

/** What changes with each frame. @param {Shown} shown */
function showPlace(shown) {
  seekBar.setRange(
    Math.min(player?.info?.first?.capturedAt ?? shown.capturedAt, shown.capturedAt),
    newestAt(),
  );
  seekBar.setPlace(shown.capturedAt);
  setText(byId("fact-frame"), shown.frame);
  showControls();
}

function showControls() {
  if (!player) return;
  controls.update({
    isPlaying: !player.isPaused,
    isLive: player.isLive && !player.isPaused,
    speed: player.speed,
    at: player.shown?.capturedAt ?? null,
    now: Date.now() + player.skewMs,
    hasFrames: player.shown !== null || Boolean(player.info?.last),
  });
}

/** What is not drawn in animation frames. */
function tick() {
  if (document.hidden) return;
  const now = Date.now();
  if (now - listAt > listMs) askList();
  if (player && now - infoAt > infoMs) askInfo();
  player?.tick();
  wall.tick(now);
  list.update({ opened: topicShown(), wall: state.wall, now: now + (player?.skewMs ?? 0) });
  const notice = noticeNow(now);
  notices.show(notice);
  byId("picture").classList.toggle("is-stalled", ["stalled", "away", "failed"].includes(notice.kind));
  const isEmpty = player?.isEmpty ?? false;
  showEmpty(isEmpty, topicShown());
  byId("screen").hidden = isEmpty || state.wall !== null;
  leftOff.update(player, notice.title === undefined, now);
  showFacts(now);
  showControls();
  const button = /** @type {HTMLButtonElement} */ (byId("wall-button"));
  button.disabled = list.lines.length === 0;
  button.setAttribute("aria-pressed", String(state.wall !== null));
  publishing.tick();
}

/** @param {number} now @returns {Notice} */
function noticeNow(now) {
  const isRefused = player?.connection?.name === "failed"; // which tells more
  if (trouble && !isRefused && !player?.shown && !state.wall) {
    const detail = [trouble.detail, "Trying again."].filter(Boolean).join(" · ");
    return { kind: "away", word: "Waiting", title: trouble.title, detail };
  }
  if (player) return describe(player, frame, now);
  return state.wall ? describeWall(wall, frame, now) : { kind: "loading", word: "Loading" };
}

/** @param {number} now */
function showFacts(now) {
  const shown = player?.shown;
  byId("fact-left-out").hidden = true;
  if (!player || !shown) {
    for (const name of ["frame", "size", "rate", "delay"]) setText(byId(`fact-${name}`), "–");
    return;
  }
  const isEdge = player.isAtEdge(now);
  setText(byId("fact-size"), `${shown.width}×${shown.height}`);
  const perSecond = player.perSecond(now);
  setText(byId("fact-rate"), perSecond === null ? "–" : `${rate(perSecond)} fps`);
  setText(byId("fact-delay-name"), isEdge ? "Delay" : "Behind");
  const delay = frame.meter.medianDelay(now);
  const behindMs = player.behindMs(now);
  setText(byId("fact-delay"), isEdge ? duration(delay ?? behindMs) : wholeDuration(behindMs));
  const leftOut = player.late + screen.skipped;
  byId("fact-left-out").hidden = leftOut === 0;
  setText(byId("fact-skipped"), count(leftOut));
  byId("screen").setAttribute("aria-label", `Frame ${shown.frame} of ${player.topic}`);
}

async function askInfo() {
  infoAt = Date.now();
  const asked = player;
  if (!asked) return;
  try {
    const answer = await fetchInfo(asked.topic);
    if (asked !== player) return;
    asked.info = answer;
    trouble = null;
    if (asked.shown) showPlace(asked.shown);
  } catch (error) {
    if (asked === player) trouble = problemOf(error);
  }
}

async function askList() {
  listAt = Date.now();
  try {
    const { topic, topics } = await fetchList();
    list.setLines(topics);
    trouble = null;
    const isFirst = usualTopic === "";
    // The one with frames in it, where the usual one has none.
    if (isFirst) usualTopic = (topics.find(({ newest }) => newest) ?? { topic }).topic;
    if (isFirst && isShown && !player && state.wall === null) show();
  } catch (error) {
    trouble = problemOf(error);
  }
}

/** The address follows what is shown: the moment while it stands, else none, as the service knows the place. */
function writeAddress() {
  if (!player) return;
  const { isPaused, isLive, speed, shown } = player;
  const at = isPaused && shown ? shown.capturedAt : null;
  state = { ...state, at, isLive: isLive && !isPaused, speed };
  const address = addressOf(state);
  if (address !== location.pathname + location.search) history.replaceState(null, "", address);
}

function toggleWall() {
  if (state.wall) return go({ wall: null });
  const shown = topicShown();
  const others = list.lines.filter(({ newest, topic }) => newest && topic !== shown);
  go({ wall: [shown, ...others.map(({ topic }) => topic)].slice(0, mostTiles) });
}

function showPublishing() {
  const { isOpen } = publishing;
  document.body.classList.toggle("is-publishing", isOpen);
  byId("publish-button").setAttribute("aria-pressed", String(isOpen));
  byId("publish-button").setAttribute("aria-expanded", String(isOpen));
}

function wirePage() {
  byId("wall-button").addEventListener("click", toggleWall);
  byId("publish-button").addEventListener(
    "click",
    () => publishing.isOpen ? publishing.close() : publishing.open(),
  );
  byId("empty-publish").addEventListener("click", () => publishing.open());
  addEventListener("popstate", () => {
    state = readUrl();
    show();
  });
  // Before the streams' own listeners, which close them.
  addEventListener("pagehide", () => player?.acknowledge());
  document.addEventListener("visibilitychange", () => {
    const one = player ?? wall;
    if (document.hidden) return one.sleep();
    one.wake();
    tick();
  });
}

/** @param {string} path */
function socketUrl(path) {
  return new URL(path, location.href).href.replace(/^http/, "ws");
}
