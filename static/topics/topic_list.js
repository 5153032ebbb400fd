// @ts-check
/** The list of topics with their sizes, and how many records a second come to each: from the difference of two
 * answers.
 * @module */
/** @import { TopicLine } from "./topics_api.js" */
/** @import { Row } from "./windowed_rows.js" */
import { count, rate, setText } from "../shared/format.js";
import { bytes } from "./units.js";
import { WindowedRows } from "./windowed_rows.js";

/** @typedef {TopicLine & { perSecond: number | null }} ListedTopic */
/** @typedef {Row & { name: HTMLElement, sub: HTMLElement, records: HTMLElement, rate: HTMLElement }} TopicRow */

const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** What the service has. */
export class TopicList {
  /** @type {ListedTopic[]} */ all = [];
  /** @type {ListedTopic[]} */ shown = [];
  #query = "";
  #at = 0;
  /** @type {string | null} */ #opened = null;
  #box;
  /** @type {WindowedRows<TopicRow>} */ #rows;

  /** @param {{ box: HTMLElement, onOpen: (topic: string) => void, onLetter: (key: string) => void }} options */
  constructor({ box, onOpen, onLetter }) {
    this.#box = box;
    this.#rows = new WindowedRows({
      box,
      makeRow,
      fill: (row) => this.#fill(row),
      heightOf: () => 52,
      onPick: (number) => {
        const topic = this.shown[number];
        if (topic) onOpen(topic.name);
      },
      onKey: (event) => {
        if (event.key.length !== 1 || event.key === " " || event.key === "/") return false;
        onLetter(event.key);
        event.preventDefault();
        return true;
      },
    });
    box.addEventListener("scroll", () => this.#rows.place(), { passive: true });
  }

  /** @param {TopicLine[]} topics @param {number} at the server's time, ms */
  update(topics, at) {
    const before = new Map(this.all.map((topic) => [topic.name, topic]));
    const seconds = (at - this.#at) / 1000;
    this.all = topics.map((topic) => {
      const old = before.get(topic.name);
      const known = topic.records !== null && old?.records != null && seconds > 0;
      const perSecond = known ? Math.max(0, (topic.records ?? 0) - (old.records ?? 0)) / seconds : null;
      return { ...topic, perSecond };
    }).sort((a, b) => names.compare(a.name, b.name));
    this.#at = at;
    this.#choose();
  }

  /** @param {string} query */
  filter(query) {
    this.#query = query.trim().toLocaleLowerCase();
    this.#box.scrollTop = 0;
    this.#choose();
  }

  /** @param {string | null} topic */
  setOpened(topic) {
    this.#opened = topic;
    this.#choose();
    const at = this.shown.findIndex(({ name }) => name === topic);
    if (at >= 0) {
      this.#rows.active = at;
      this.#rows.reveal(at);
    }
    this.#rows.place();
  }

  #choose() {
    const active = this.shown[this.#rows.active]?.name;
    this.shown = this.all.filter(({ name }) => name.toLocaleLowerCase().includes(this.#query));
    this.#rows.setRange(0, this.shown.length);
    if (active !== undefined) this.#rows.active = this.shown.findIndex(({ name }) => name === active);
    this.#rows.place();
  }

  /** @param {TopicRow} row */
  #fill(row) {
    const topic = this.shown[row.number];
    if (!topic) return;
    row.element.setAttribute("aria-selected", String(topic.name === this.#opened));
    row.element.setAttribute("aria-setsize", String(this.shown.length));
    row.element.setAttribute("aria-posinset", String(row.number + 1));
    setText(row.name, topic.name);
    row.name.title = topic.name;
    const partitions = `${count(topic.partitions)} ${topic.partitions === 1 ? "partition" : "partitions"}`;
    setText(row.sub, topic.bytes === null ? partitions : `${partitions} · ${bytes(topic.bytes)}`);
    setText(row.records, topic.records === null ? "?" : count(topic.records));
    setText(row.rate, topic.perSecond ? rate(topic.perSecond) : topic.perSecond === null ? "–" : "0");
    row.rate.classList.toggle("is-still", !topic.perSecond);
  }
}

/** @returns {TopicRow} */
function makeRow() {
  const element = document.createElement("div");
  element.className = "topic-row";
  const [name, sub, records, perSecond] = ["name", "sub number", "records-count number", "rate number"].map(
    (className) => {
      const span = document.createElement("span");
      span.className = className;
      return span;
    },
  );
  if (!name || !sub || !records || !perSecond) throw new Error("unreachable");
  element.append(name, records, perSecond, sub);
  return { element, number: -1, name, sub, records, rate: perSecond };
}
