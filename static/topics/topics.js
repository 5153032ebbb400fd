// @ts-check
/** The page of topics: what there is, and the records of one of them as they come.
 *
 * Its state is what the address says (page_url.js), the records that are kept (record_buffer.js), and the facts
 * of their stream (tail.js). Records are drawn once per frame however many came, the rest twice a second.
 * @module */
/** @import { PageState } from "./page_url.js" */
/** @import { TopicRecord } from "./topics_api.js" */
import { ApiError } from "../shared/api.js";
import { copyLine, copyText } from "../shared/copy.js";
import { byId } from "../shared/dom.js";
import { count, setText } from "../shared/format.js";
import { openFrame } from "../shared/frame.js";
import { NoticeView } from "../shared/notice_view.js";
import { showDetail } from "./detail.js";
import { showEmpty, wireEmpty } from "./empty.js";
import { addressOf, isPast, readUrl } from "./page_url.js";
import { openProduce } from "./produce_dialog.js";
import { placeOf, RecordBuffer } from "./record_buffer.js";
import { RecordList } from "./record_list.js";
import { showStart, wireStart } from "./start_form.js";
import { Tail } from "./tail.js";
import { describe } from "./tail_notice.js";
import { TopicList } from "./topic_list.js";
import { fetchTopics, pathOf } from "./topics_api.js";
import { bytes } from "./units.js";

const tickMs = 500;
const askMs = 3_000;
/** The second time comes sooner, as rates need two answers. */
const soonMs = 1_200;
/** Records that may wait below what is looked at before the stream is held, and at which it goes on. */
const holdAt = 2_000, goOnAt = 1_000;
/** Delays of at most this many records are looked at per frame. */
const maxDelays = 256;

/** @type {PageState} */
let state = readUrl();
/** @type {Tail | null} */
let tail = null;
/** Timestamps of live records since the last drawing. @type {number[]} */
let undrawn = [];
/** The place of a record that is to be opened when it comes. @type {string | null} */
let awaited = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let askTimer;

const frame = openFrame();
const buffer = new RecordBuffer();
const topics = new TopicList({
  box: byId("topics"),
  onOpen: (topic) => go({ topic }),
  onLetter: (letter) => {
    input("topic-filter").value += letter;
    input("topic-filter").focus();
    setQuery(input("topic-filter").value);
  },
});
const records = new RecordList({
  box: byId("records"),
  toEnd: byId("to-end"),
  buffer,
  onOpen: openRecord,
  onFollow: (isFollowing) => {
    state.isFollowing = isFollowing;
    input("follow").checked = isFollowing;
    writeAddress();
  },
  onKey: (event) => {
    if (event.key !== "End") return false;
    records.follow(true);
    event.preventDefault();
    return true;
  },
  afterDraw,
});
const notices = new NoticeView((action) => {
  if (action === "newest") go({ cursor: "latest", isFollowing: true });
  else if (action === "dismiss" && tail) tail.gap = null;
  else if (action === "retry" && tail?.phase === "failed") openTail();
  else tail?.resume();
  tick();
});

wireControls();
show();
askTopics().then(() => setTimeout(askTopics, soonMs));
setInterval(tick, tickMs);

/** Shows something else, with a new entry in the history.
 * @param {Partial<PageState>} change without a start or filter, another topic begins as usual */
function go(change) {
  const isOther = change.topic !== undefined && change.topic !== state.topic;
  const usual = { key: "", where: [], cursor: "last", isFollowing: true };
  state = { ...state, ...(isOther ? usual : {}), record: null, ...change };
  history.pushState(null, "", addressOf(state));
  show();
  if (isOther && state.topic !== null && !matchMedia("(max-width: 760px)").matches) byId("records").focus();
}

/** Shows what the state says. */
function show() {
  const { topic, query } = state;
  document.title = topic === null ? "Topics · Tailrace" : `${topic} · Tailrace`;
  document.body.dataset["view"] = topic === null ? "list" : "tail";
  byId("stage").hidden = topic === null;
  byId("choose").hidden = topic !== null;
  input("topic-filter").value = query;
  topics.filter(query);
  topics.setOpened(topic);
  setText(byId("topic-name"), topic ?? "");
  showStart(state);
  openTail();
}

/** Begins the tail anew. */
function openTail() {
  tail?.close();
  tail = null;
  buffer.clear();
  records.clear();
  undrawn = [];
  const following = state.isFollowing;
  records.isFollowing = following;
  records.wordBelow = isPast(state.cursor) ? "more" : "new";
  input("follow").checked = following;
  awaited = state.record;
  hideDetail();
  frame.setStreams([]);
  if (state.topic === null) return;
  tail = new Tail({ state, buffer, frame, onChange: tick, onRecord });
  const socket = tail.eventsPath.replace("/events", "/socket");
  frame.setStreams([
    { name: `Records of ${state.topic}, as server-sent events`, url: tail.eventsPath },
    { name: "The same over a WebSocket", url: new URL(socket, location.href).href.replace(/^http/, "ws") },
  ]);
  tail.open();
  tick();
}

/** @param {TopicRecord} record */
function onRecord(record) {
  if (!tail?.catchUp && !document.hidden && undrawn.length < maxDelays) undrawn.push(record.timestamp);
  if (awaited !== null && awaited === placeOf(record)) {
    awaited = null;
    openRecord(buffer.end - 1);
  }
  if (!records.isFollowing && records.below > holdAt) tail?.hold(true);
  records.ask();
}

/** The records are on the screen. */
function afterDraw() {
  const now = Date.now();
  for (const at of undrawn) frame.meter.drawn(now, Math.max(0, now + (tail?.skewMs ?? 0) - at));
  undrawn = [];
  if (!tail) return;
  if (tail.isHeld && (records.isFollowing || records.below < goOnAt)) tail.hold(false);
  showCounts();
}

/** What is not drawn in frames. */
function tick() {
  if (document.hidden || !tail) return;
  tail.settle();
  notices.show(describe(tail, frame, Date.now()));
  button("pause").disabled = tail.phase !== "live";
  button("pause").setAttribute("aria-pressed", String(tail.pausedAt > 0));
  button("produce").disabled = tail.phase === "failed";
  const found = topics.all.find(({ name }) => name === tail?.topic) ?? tail.facts;
  setText(byId("facts"), found ? factsText(found) : "");
  showEmpty(tail, state, buffer, frame);
  showCounts();
  if (tail.catchUp && tail.catchUp.records > 0 && Date.now() - tail.catchUp.since > askMs) tail.refresh();
}

/** @param {{ partitions: number | readonly unknown[], records: number | null, bytes: number | null }} topic */
function factsText({ partitions, records, bytes: size }) {
  const n = typeof partitions === "number" ? partitions : partitions.length;
  const parts = [
    `${count(n)} ${n === 1 ? "partition" : "partitions"}`,
    ...(records === null ? [] : [`${count(records)} ${records === 1 ? "record" : "records"}`]),
    ...(size === null ? [] : [bytes(size)]),
  ];
  return parts.join(" · ");
}

function showCounts() {
  if (!tail) return;
  const parts = [`${count(tail.received)} received`];
  if (buffer.first > 0) parts.push(`newest ${count(buffer.length)} kept`);
  if (buffer.unseen > 0) parts.push(`${count(buffer.unseen)} passed undrawn`);
  if (tail.gap) parts.push(`${count(tail.gap.skipped)} missing`);
  if (tail.isHeld) parts.push("more when you scroll on");
  setText(byId("count-text"), tail.received > 0 || tail.gap ? parts.join(" · ") : "");
}

/** @param {number} number in the buffer */
function openRecord(number) {
  const entry = buffer.at(number);
  if (!entry) return;
  records.follow(false);
  state.record = placeOf(entry.record);
  byId("detail").hidden = false;
  showDetail(entry.record);
  byId("detail-body").scrollTop = 0;
  records.setOpened(number);
  writeAddress();
}

function hideDetail() {
  const hadFocus = byId("detail").contains(document.activeElement);
  byId("detail").hidden = true;
  records.setOpened(-1);
  if (hadFocus) byId("records").focus();
}

async function askTopics() {
  clearTimeout(askTimer);
  if (!document.hidden) {
    const none = byId("no-topics");
    try {
      const { topics: found, serverTime } = await fetchTopics();
      topics.update(found, serverTime);
      setText(byId("topic-count"), count(found.length));
      setText(byId("topic-noun"), found.length === 1 ? "topic" : "topics");
      showListText();
    } catch (error) {
      const { title = "The topics could not be read" } = error instanceof ApiError ? error.problem : {};
      setText(none, `${title}. Trying again.`);
      none.hidden = topics.all.length > 0;
    }
  }
  askTimer = setTimeout(askTopics, askMs);
}

function showListText() {
  const none = byId("no-topics");
  const { all, shown } = topics;
  none.hidden = shown.length > 0;
  setText(
    none,
    all.length === 0
      ? "There is no topic yet. The first post makes one."
      : `No topic holds “${state.query}”.`,
  );
  const perSecond = shown.reduce((sum, topic) => sum + (topic.perSecond ?? 0), 0);
  setText(byId("topic-sum"), `${count(perSecond)} records/s`);
}

/** @param {string} query */
function setQuery(query) {
  state.query = query;
  topics.filter(query);
  showListText();
  writeAddress();
}

function writeAddress() {
  history.replaceState(null, "", addressOf(state));
}

function wireControls() {
  byId("choose-command").replaceChildren(
    copyLine(`curl ${new URL("/topics", location.href).href}`, "line that lists topics"),
  );
  wireEmpty(() => state.topic ?? "", () => {
    if (tail?.isUnknown) openTail();
    else go({ cursor: tail?.isFiltered ? "earliest" : "last" });
  });
  wireStart(
    (asked) =>
      go({ ...asked, isFollowing: !isPast(asked.cursor) || asked.key !== "" || asked.where.length > 0 }),
    () => state.cursor,
  );
  input("topic-filter").addEventListener("input", () => setQuery(input("topic-filter").value));
  input("topic-filter").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "Enter") return;
    event.preventDefault();
    byId("topics").focus();
  });
  byId("back").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go({ topic: null });
  });
  button("pause").addEventListener("click", () => tail?.pausedAt ? tail.resume() : tail?.pause());
  button("produce").addEventListener(
    "click",
    () => state.topic && openProduce(state.topic, tail?.facts ?? null),
  );
  button("show-tools").addEventListener(
    "click",
    () => showTools(!byId("tools").classList.contains("is-open")),
  );
  input("follow").addEventListener("change", () => records.follow(input("follow").checked));
  button("detail-close").addEventListener("click", closeRecord);
  button("detail-link").addEventListener("click", copyLink);
  addEventListener("popstate", () => {
    state = readUrl();
    show();
  });
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    records.ask();
    tick();
  });
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  const isTyping = target.matches("input:not([type=checkbox]), textarea, select");
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector(":popover-open, dialog[open]")) return;
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    showTools(true);
    byId(state.topic === null ? "topic-filter" : "where").focus();
  } else if (event.key === "Escape") {
    if (isTyping) target.blur();
    else if (!byId("detail").hidden) closeRecord();
    else if (state.topic !== null) records.follow(true);
  }
}

function closeRecord() {
  state.record = null;
  hideDetail();
  writeAddress();
}

/** @param {boolean} isOpen on a narrow screen, where they are hidden at first */
function showTools(isOpen) {
  byId("tools").classList.toggle("is-open", isOpen);
  button("show-tools").setAttribute("aria-expanded", String(isOpen));
}

async function copyLink() {
  const { topic, record } = state;
  if (topic === null || record === null) return;
  const link = new URL(`${pathOf(topic)}?cursor=${record}&record=${record}`, location.href).href;
  setText(button("detail-link"), await copyText(link) ? "Copied" : "Failed");
  setTimeout(() => setText(button("detail-link"), "Copy link"), 1_600);
}

/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement} */ (byId(id));
}

/** @param {string} id */
function button(id) {
  return /** @type {HTMLButtonElement} */ (byId(id));
}
