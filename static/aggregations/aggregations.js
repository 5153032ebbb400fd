// @ts-check
/** The page of likes in windows: a card for each video, or one video alone.
 *
 * Its state is what the address says (page_url.js) and what the session knows of the videos (session.js). What came is drawn once per
 * frame however much it was, and time twice a second. Cards out of sight are not drawn.
 * @module */
/** @import { PageState } from "./page_url.js" */
/** @import { Video } from "./video.js" */
import { copyLine } from "../shared/copy.js";
import { byId } from "../shared/dom.js";
import { count, setText } from "../shared/format.js";
import { openFrame } from "../shared/frame.js";
import { NoticeView } from "../shared/notice_view.js";
import { eventsOf, generateCommand, likeCommand, postLike } from "./aggregations_api.js";
import { Card } from "./card.js";
import { Detail } from "./detail.js";
import { GeneratorPanel } from "./generator_panel.js";
import { Likes } from "./likes.js";
import { describe } from "./notice.js";
import { addressOf, mostVideos, nextLimit, readUrl } from "./page_url.js";
import { Session } from "./session.js";
import { wireTip } from "./tip.js";
import { lengthsText, lengthText } from "./window_times.js";
import { idText, likes as likesText } from "./words.js";

const tickMs = 500;
/** Videos whose stream is named in the details: an address that can be read. */
const mostNamed = 4;
/** Shortest time between two sentences about windows, for who does not see them. */
const sayMs = 5_000;

/** @type {PageState} */
let state = readUrl();
/** @type {Session} */
let session;
/** @type {(Card | Detail)[]} */
let cards = [];
/** For the bars of each card. */
let place = { width: 0, height: 0 };
let isDrawingAsked = false;
let saidAt = 0;

const frame = openFrame();
const likes = new Likes(() => Date.now() + session.skewMs, { onChange: tick, say });
const generator = new GeneratorPanel(() => session?.videos ?? []);
const notices = new NoticeView((action) => {
  if (action === "dismiss") session.gap = null;
  else if (action === "retry" && session.phase === "failed") open();
  else session.resume();
  tick();
});
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const card = cards.find(({ element }) => element === target);
    if (card) card.isInSight = isIntersecting;
  }
  ask();
}, { root: byId("main"), rootMargin: "200px" });
const widths = new ResizeObserver(() => {
  place = cards[0]?.place ?? place;
  ask();
});

wirePage();
open();
setInterval(tick, tickMs);

/** Begins anew, with what the state names. */
function open() {
  session?.close();
  showVideos([]);
  const { video, limit } = state;
  const name = video === null ? "Likes" : idText(video);
  document.title = `${name} · Tailrace`;
  document.body.dataset["view"] = video === null ? "all" : "one";
  byId("back").hidden = video === null;
  setText(byId("title"), name);
  session = new Session({ only: video, limit, frame, onVideos, onChange: tick, ask, onWindow });
  session.open();
  tick();
}

function onVideos() {
  showVideos(session.videos);
  const [first] = session.videos;
  if (state.video !== null && first) {
    document.title = `${first.name} · Tailrace`;
    setText(byId("title"), first.name);
  }
  const shown = session.videos.slice(0, mostNamed).map(({ id }) => id);
  const name = `Windows of ${shown.length === 1 ? "this video" : `the first ${shown.length} videos`}`;
  if (shown.length > 0) frame.setStreams([{ name: `${name}, as server-sent events`, url: eventsOf(shown) }]);
  generator.setVideos();
  tick();
}

/** Cards that are there stay, others are added at the end. @param {readonly Video[]} videos */
function showVideos(videos) {
  const known = new Map(cards.map((card) => [card.video, card]));
  const wanted = new Set(videos);
  for (const card of cards) if (!wanted.has(card.video)) close(card);
  cards = videos.map((video) => known.get(video) ?? make(video));
  byId("waiting").hidden = cards.length > 0;
  byId("cards").classList.toggle("is-few", cards.length <= 4 && (session?.sizes.length ?? 0) <= 3);
  byId("cards").classList.toggle("is-three", cards.length === 3);
  byId("cards").append(...cards.filter(({ element }) => !element.isConnected).map(({ element }) => element));
  const [first] = cards;
  widths.disconnect();
  if (first) widths.observe(first.element);
  ask();
}

/** @param {Video} video */
function make(video) {
  const { sizes } = session;
  const onLike = (/** @type {Video} */ video) => void likes.give(video);
  const card = state.video === null
    ? new Card(video, sizes, { onLike, onOpen: (id, event) => isPlain(event) && go({ video: id }) })
    : new Detail(video, sizes, { onLike, ask });
  if (card instanceof Card) sight.observe(card.element);
  return card;
}

/** @param {Card | Detail} card */
function close(card) {
  sight.unobserve(card.element);
  card.close();
}

/** Shows something else, with a new entry in the history. @param {Partial<PageState>} change */
function go(change) {
  state = { ...state, ...change };
  history.pushState(null, "", addressOf(state));
  open();
  if (change.video !== undefined) byId("main").scrollTop = 0;
}

/** A window came; alone, it is said when it becomes final, not when it was. @param {Video} video
 * @param {{ size: string, count: number, final: boolean, timestamp?: number }} window */
function onWindow(video, { size, count, final, timestamp }) {
  const isNews = final && timestamp !== undefined;
  if (state.video !== video.id || !isNews || Date.now() - saidAt < sayMs) return;
  const ms = session.sizes.find(({ name }) => name === size)?.ms;
  if (ms) say(`A window of ${lengthText(ms)} is final: ${likesText(count)}`);
}

/** @param {string} text */
function say(text) {
  saidAt = Date.now();
  setText(byId("said"), text);
}

function ask() {
  if (isDrawingAsked) return;
  isDrawingAsked = true;
  requestAnimationFrame(draw);
}

function draw() {
  isDrawingAsked = false;
  if (document.hidden || !session) return;
  const { now } = session;
  if (place.width === 0) place = cards[0]?.place ?? place;
  for (const card of cards) card.draw(now, place);
  const clock = Date.now();
  for (const at of session.undrawn) frame.meter.drawn(clock, Math.max(0, clock + session.skewMs - at));
  session.undrawn.length = 0;
}

/** What is not drawn in frames. */
function tick() {
  if (!session) return;
  generator.tick();
  if (document.hidden) return;
  const now = Date.now();
  session.tick(now);
  for (const video of session.videos) video.sober(now + session.skewMs);
  notices.show(describe(session, frame, now));
  const button = /** @type {HTMLButtonElement} */ (byId("pause"));
  button.disabled = session.phase !== "live";
  button.setAttribute("aria-pressed", String(session.pausedAt > 0));
  showTotals();
  showEmpty();
  byId("more").hidden = !session.hasMore || state.limit >= mostVideos;
  if (cards.length > 0) ask();
}

function showTotals() {
  const { status, sizes, graceMs, phase } = session;
  const { counted = 0, late = {}, wrong = {}, missed = 0 } = status?.totals ?? {};
  setText(byId("counted"), status && sizes.length > 0 ? `${count(counted)} counted` : "");
  const most = Math.max(0, ...Object.values(late));
  setText(byId("late"), most > 0 ? `${count(most)} late` : "");
  byId("late").title = sizes.map(({ ms }) => `${lengthText(ms)}: ${count(late[ms] ?? 0)}`).join(", ");
  const bad = Object.values(wrong).reduce((sum, n) => sum + n, missed);
  setText(byId("wrong"), bad > 0 ? `${count(bad)} not counted` : "");
  const kinds = Object.entries(wrong).filter(([, n]) => n > 0).map(([kind, n]) => `${count(n)} ${kind}`);
  if (missed > 0) kinds.push(`${count(missed)} removed before they were counted`);
  byId("wrong").title = kinds.join(", ");
  byId("about").hidden = phase !== "live" || sizes.length === 0;
  setText(
    byId("about-text"),
    `Each like counts in a window of ${
      lengthsText(sizes.map(({ ms }) => ms))
    }, by its own time. Counts are final ${
      lengthText(graceMs)
    } after the window's end; likes that come later are late.`,
  );
}

function showEmpty() {
  const { phase, videos } = session;
  const isEmpty = phase === "live" && state.video === null && videos.every(({ isEmpty }) => isEmpty);
  const box = byId("empty"), first = videos[0]?.id ?? "test";
  byId("empty-test").hidden = videos.length > 0;
  if (isEmpty && box.hidden) {
    setText(
      byId("empty-text"),
      `${videos.length > 0 ? "Like a video below" : "Send a like"}, or run one of these:`,
    );
    byId("empty-commands").replaceChildren(
      copyLine(likeCommand(first), "line that likes a video"),
      copyLine(generateCommand(first), "line that likes it sixty times a minute"),
    );
  }
  box.hidden = !isEmpty;
  byId("waiting").hidden = phase === "failed" || phase === "off" || videos.length > 0 || isEmpty;
  setText(
    byId("waiting-text"),
    phase === "waiting" ? "They come as soon as the service answers" : "Loading the windows",
  );
}

/** @param {MouseEvent} event */
function isPlain(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return false;
  event.preventDefault();
  return true;
}

function wirePage() {
  wireTip(() => session.now);
  byId("pause").addEventListener("click", () => session.pausedAt ? session.resume() : session.pause());
  byId("back").addEventListener("click", (event) => isPlain(event) && go({ video: null }));
  byId("more-button").addEventListener("click", () => go({ limit: nextLimit(state.limit) }));
  byId("test-like").addEventListener(
    "click",
    () => postLike("test").catch(() => say("The like was not stored")),
  );
  addEventListener("popstate", () => {
    state = readUrl();
    open();
  });
  document.addEventListener("visibilitychange", () => !document.hidden && tick());
}
