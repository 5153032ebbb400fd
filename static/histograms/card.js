// @ts-check
/** What is shown of one measurement: its newest value, its numbers, both charts, and what can be done with them.
 *
 * Left out: of which time (histograms.js), the words (facts.js, notice.js).
 * @module */
/** @import { Measurement } from "./measurement.js" */
/** @import { Notice } from "./notice.js" */
import { count, dayOf, setText, timeOfDay, utc } from "../shared/format.js";
import { mark, seriesOf } from "../shared/series.js";
import { BarsChart } from "./bars_chart.js";
import { CourseChart } from "./course_chart.js";
import { fillEmpty } from "./empty.js";
import { binText, factsOf, stepText, whenOf, wrongText } from "./facts.js";
import { csvUrl } from "./histograms_api.js";
import { stateOf } from "./notice.js";
import { savePicture } from "./picture.js";

/** What all cards show. @typedef {object} View
 * @property {{ from: number, to: number }} inView ms since the epoch
 * @property {{ from?: number, to?: number }} span the same to ask with: open where it goes on
 * @property {string} key another one for another span
 * @property {string} words `the last hour` */
/** @typedef {object} CardEars
 * @property {() => void} ask for a drawing
 * @property {(span: { from: number, to: number }) => void} onSpan one was chosen
 * @property {() => void} onReset
 * @property {() => void} onAll all the time is wanted
 * @property {(key: string, at: number | null) => boolean} onKey in the course; `at`: ms, of its cursor
 * @property {(name: string, event: MouseEvent) => void} onOpen to be shown alone
 * @property {(text: string) => void} say to who does not see
 * @property {() => View} view */

/** One measurement's card. */
export class Card {
  element;
  measurement;
  bars;
  course;
  #ears;
  #part;
  /** @type {HTMLElement[]} */ #facts = [];
  #drawn = { version: -1, course: -1, from: NaN, to: NaN };
  #said = "";

  /** @param {Measurement} measurement @param {CardEars} ears */
  constructor(measurement, ears) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("card"));
    this.element = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
    this.measurement = measurement;
    this.#ears = ears;
    this.#part = (
      /** @type {string} */ name,
    ) => /** @type {HTMLElement} */ (this.element.querySelector(`[data-part="${name}"]`));
    const { name } = measurement;
    this.bars = new BarsChart(this.#part("bars"), name, { ask: ears.ask, onCursor: () => this.#readBars() });
    this.course = new CourseChart(this.#part("course"), name, {
      ask: ears.ask,
      onCursor: () => this.#readCourse(),
      onKey: (key) => ears.onKey(key, this.#timeAtCursor()),
      onSpan: ears.onSpan,
      onReset: ears.onReset,
    });
    this.#fill(name);
  }

  close() {
    this.bars.close();
    this.course.close();
    this.element.remove();
  }

  /** Draws what has changed; called in an animation frame. @param {View} view */
  draw({ inView }) {
    const { measurement } = this, drawn = this.#drawn;
    if (measurement.version !== drawn.version) {
      drawn.version = measurement.version;
      this.bars.set(measurement.histogram);
      this.#showNumbers();
      this.#readBars();
    }
    const { course } = measurement;
    if (course.version !== drawn.course || inView.from !== drawn.from || inView.to !== drawn.to) {
      Object.assign(drawn, { course: course.version, from: inView.from, to: inView.to });
      this.course.set(course.columns(), inView);
      this.#readCourse();
    }
    this.bars.draw();
    this.course.draw();
  }

  /** What is not drawn in frames. @param {View} view @param {Notice} page what is said about the page
   * @param {number} now ms since the epoch, of the service */
  tick(view, page, now) {
    const { measurement } = this;
    const { kind, word, detail } = stateOf(measurement, page, now);
    const state = this.#part("state");
    state.dataset["state"] = kind;
    setText(state, word);
    setText(this.#part("doing"), detail);
    setText(
      this.#part("rows"),
      `${count(measurement.rows)} ${measurement.rows === 1 ? "row" : "rows"} in the file`,
    );
    const at = measurement.newestAt;
    const when = this.#part("when");
    setText(when, at === null ? "" : whenOf(at, now));
    when.title = at === null ? "" : utc(at);
    this.element.classList.toggle("is-empty", measurement.isEmpty);
    this.#part("empty").hidden = !measurement.isEmpty;
    if (measurement.isEmpty) return;
    if (page.kind !== "paused" && this.course.isInSight) {
      const points = Math.min(1_000, Math.max(100, Math.round(this.#part("course").clientWidth / 2)));
      measurement.loader.keep({ key: view.key, span: view.span, points }, Date.now());
    }
    this.#showCover(view);
  }

  /** @param {string} name */
  #fill(name) {
    this.element.setAttribute("aria-label", name);
    this.#part("mark").replaceWith(mark(seriesOf(name)));
    const link = /** @type {HTMLAnchorElement} */ (this.#part("name"));
    setText(link, name);
    link.href = `/histograms/${encodeURIComponent(name)}`;
    link.addEventListener("click", (event) => this.#ears.onOpen(name, event));
    const csv = /** @type {HTMLAnchorElement} */ (this.#part("csv"));
    csv.setAttribute("aria-label", `${name} of the time shown, as CSV`);
    csv.href = csvUrl(name, {});
    csv.addEventListener("click", () => csv.href = csvUrl(name, this.#ears.view().span));
    const png = this.#part("png");
    png.setAttribute("aria-label", `Charts of ${name}, as PNG`);
    png.addEventListener("click", () => this.#save());
    this.#part("bars").setAttribute("aria-label", `Histogram of ${name}; arrow keys read its bins`);
    this.#part("course").setAttribute(
      "aria-label",
      `Course of ${name}; arrow keys read it, plus and minus zoom, Page Up and Page Down move`,
    );
    for (const [part, topic] of [["topic", name], ["hist-topic", `hist_${name}`]]) {
      const link = /** @type {HTMLAnchorElement} */ (this.#part(part ?? ""));
      link.href = `/topics/${encodeURIComponent(topic ?? "")}`;
      setText(link, topic ?? "");
    }
    this.#part("cover-all").addEventListener("click", () => this.#ears.onAll());
    fillEmpty(this.#part("empty"), this.measurement);
    const list = this.#part("facts");
    this.#facts = factsOf(this.measurement.histogram, this.measurement.write).map(({ name, title }) => {
      const row = document.createElement("div");
      row.title = title;
      const text = document.createElement("dd");
      row.append(Object.assign(document.createElement("dt"), { textContent: name }), text);
      list.append(row);
      return text;
    });
  }

  #showNumbers() {
    const { histogram, write } = this.measurement;
    setText(this.#part("value"), write.value(histogram.last?.measurement));
    factsOf(histogram, write).forEach(({ text, isZero = false, isWarning = false }, i) => {
      const element = this.#facts[i];
      if (!element) return;
      setText(element, text);
      element.classList.toggle("is-zero", isZero);
      element.classList.toggle("is-warning", isWarning);
    });
    const wrong = wrongText(histogram);
    setText(this.#part("wrong"), wrong);
    this.#part("wrong").title = wrong;
  }

  /** Why the course shows nothing. @param {View} view */
  #showCover({ inView, words }) {
    const { course, loader, newestAt } = this.measurement;
    const isThere = course.time.some((at) => at + course.stepMs >= inView.from && at <= inView.to);
    const cover = this.#part("cover");
    cover.hidden = isThere;
    if (isThere) return;
    const { problem } = loader;
    const text = problem
      ? [`The course cannot be read: ${problem.title}`, problem.detail].filter(Boolean).join(". ")
      : !course.isKnown || loader.isAsking
      ? "Loading"
      : `Nothing in ${words}.${newestAt === null ? "" : ` The newest is of ${placeOf(newestAt)}.`}`;
    setText(this.#part("cover-text"), text);
    this.#part("cover-all").hidden = problem !== null || !course.isKnown || loader.isAsking;
  }

  #readBars() {
    const { histogram, write } = this.measurement;
    const text = binText(histogram, this.bars.index, write);
    setText(this.#part("bars-text"), text);
    this.bars.mark();
    if (this.bars.isByKey && this.bars.index !== null) this.#say(text);
  }

  #readCourse() {
    const { course, write } = this.measurement;
    const at = this.#timeAtCursor();
    const text = stepText(course, at === null ? -1 : course.indexAt(at / 1000), write);
    setText(this.#part("course-text"), text);
    if (this.course.isByKey && at !== null) this.#say(text);
  }

  /** @returns {number | null} ms */
  #timeAtCursor() {
    const { index } = this.course;
    const seconds = index === null ? undefined : this.measurement.course.columns()[0][index];
    return seconds === undefined ? null : seconds * 1000;
  }

  /** @param {string} text */
  #say(text) {
    if (text === this.#said) return;
    this.#said = text;
    this.#ears.say(text);
  }

  #save() {
    const { name, histogram, write } = this.measurement;
    const { surface, line, text } = this.bars.look;
    const facts = factsOf(histogram, write);
    return savePicture({
      name,
      facts,
      charts: [this.bars, this.course],
      background: surface,
      text: text || line,
      at: Date.now(),
    });
  }
}

/** @param {number} at ms since the epoch */
function placeOf(at) {
  return dayOf(at) === dayOf(Date.now()) ? timeOfDay(at) : `${dayOf(at)}, ${timeOfDay(at)}`;
}
