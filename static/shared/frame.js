// @ts-check
/** The bar on top of every page: its name, the other pages, and at the right what is true right now.
 *
 * A page gives it what its stream tells (`connection`, `kafka`, `meter`); how the service is doing it asks
 * itself, every 5 s while somebody looks. A click on the status opens the details. To add a page: one line in
 * `pages`.
 * @module */
/** @import { HomeData } from "../../routes/pages.ts" */
/** @import { StreamState } from "./stream.js" */
import { copyLine } from "./copy.js";
import { count, duration, rate, setText, wholeDuration } from "./format.js";
import { Meter } from "./meter.js";

const pages = [
  { path: "/", name: "Overview" },
  { path: "/geo", name: "Map" },
  { path: "/video", name: "Video" },
  { path: "/histograms", name: "Histograms" },
  { path: "/aggregations", name: "Likes" },
  { path: "/topics", name: "Topics" },
];

const drawMs = 500;
const askMs = 5_000;
/** The second time comes sooner, as rates need two answers. */
const soonMs = 1_500;

/** @typedef {{ name: string, url: string, line?: string }} StreamLine a stream that the page shows, its address,
 * and the line that shows it elsewhere if that is no `curl -N` */
/** @typedef {"unknown" | "up" | "down" | "away"} Health `away`: it is the service itself that does not answer */

/** The frame of one page. Made by `openFrame`. */
export class Frame {
  /** Counts what the page's stream brings. */
  meter = new Meter();
  /** What the service said last; null until it answered. @type {HomeData | null} */
  service = null;
  /** @type {{ health: Health, since: number }} */ #kafka = { health: "unknown", since: Date.now() };
  /** @type {StreamState | null} */ #connection = null;
  #parts = build();

  #onService;

  /** @param {(service: HomeData) => void} [onService] */
  constructor(onService) {
    this.#onService = onService;
    this.#parts.theme.addEventListener("click", switchTheme);
    this.#ask();
    setTimeout(() => this.#ask(), soonMs);
    setInterval(() => !document.hidden && this.#ask(), askMs);
    setInterval(() => !document.hidden && this.#draw(), drawMs);
    document.addEventListener("visibilitychange", () => !document.hidden && this.#ask());
    this.#draw();
  }

  /** Whether Kafka is there, and since when. */
  get kafka() {
    return this.#kafka;
  }

  /** @param {"up" | "down"} health as the stream's `status` says */
  setKafka(health) {
    this.#setHealth(health);
  }

  /** @param {StreamState} state of the page's stream */
  setConnection(state) {
    this.#connection = state;
    if (state.name === "open" && this.#kafka.health === "away") this.#setHealth("unknown");
    this.#draw();
  }

  /** @param {StreamLine[]} streams to be listed in the details, with the line that shows the same in a
   * terminal */
  setStreams(streams) {
    this.#parts.streams.replaceChildren(...streams.flatMap(streamLines));
  }

  async #ask() {
    try {
      const response = await fetch("/", { headers: { accept: "application/json" }, cache: "no-store" });
      if (!response.ok) throw new Error(`${response.status}`);
      this.service = /** @type {HomeData} */ (await response.json());
      // A stream hears of Kafka at once, and knows better while it is open.
      if (this.#connection?.name !== "open" || this.#kafka.health === "unknown") {
        this.#setHealth(this.service.now.kafkaUp ? "up" : "down");
      }
      this.#onService?.(this.service);
    } catch {
      if (this.#connection?.name !== "open") this.#setHealth("away");
    }
    this.#draw();
  }

  /** @param {Health} health */
  #setHealth(health) {
    if (health === this.#kafka.health) return;
    const isNews = this.#kafka.health !== "unknown" || health !== "up";
    this.#kafka = { health, since: Date.now() };
    if (isNews && health !== "unknown") setText(this.#parts.live, this.#sentence());
    this.#draw();
  }

  #sentence() {
    return {
      unknown: "Asking",
      up: "Kafka is up",
      down: "Kafka is away",
      away: "The service does not answer",
    }[
      this.#kafka.health
    ];
  }

  #draw() {
    const { meter, service } = this;
    const parts = this.#parts;
    const now = Date.now();
    const delay = meter.medianDelay(now);
    const perSecond = rate(meter.perSecond(now));
    const delayText = delay === null ? "–" : duration(delay);
    parts.status.dataset["health"] = this.#kafka.health;
    parts.status.dataset["stream"] = this.#connection?.name ?? "none";
    setText(parts.kafka, this.#kafkaName(now));
    setText(parts.rate, perSecond);
    setText(parts.delay, delayText);
    setText(parts.gaps, `${count(meter.gaps)} ${meter.gaps === 1 ? "gap" : "gaps"}`);
    parts.gapsItem.hidden = meter.gaps === 0;
    if (!parts.details.matches(":popover-open")) return;
    const { kafka } = service ?? {};
    const where = kafka ? `${kafka.mode} at ${kafka.brokers.join(", ")}` : "not known yet";
    const since = this.#kafka.health === "up" ? "" : ` for ${wholeDuration(now - this.#kafka.since)}`;
    setText(parts.facts.kafka, `${this.#sentence()}${since}, ${where}`);
    setText(parts.facts.connection, connectionText(this.#connection, now));
    setText(parts.facts.records, `${count(meter.records)} received, ${perSecond} per second`);
    setText(
      parts.facts.delay,
      delay === null ? "nothing drawn in the last 5 s" : `${delayText} (median of 5 s)`,
    );
    const viewers = service ? service.now.viewers.sse + service.now.viewers.websocket : 0;
    setText(parts.facts.viewers, service ? count(viewers) : "not known yet");
    setText(parts.facts.gaps, meter.gaps ? `${count(meter.missed)} records in ${count(meter.gaps)}` : "none");
  }

  /** @param {number} now */
  #kafkaName(now) {
    const { health, since } = this.#kafka;
    if (health === "unknown") return "Kafka …";
    if (health === "away") return `Service away ${wholeDuration(now - since)}`;
    if (health === "down") return `Kafka away ${wholeDuration(now - since)}`;
    const kafka = this.service?.kafka;
    if (!kafka) return "Kafka up";
    const [first = "", ...more] = kafka.brokers;
    return kafka.mode === "embedded"
      ? "Kafka embedded"
      : more.length
      ? `${kafka.brokers.length} Kafka brokers`
      : first;
  }
}

/** Fills the page's `<header id="frame">`.
 * @param {(service: HomeData) => void} [onService] called with each answer of the service */
export function openFrame(onService) {
  return new Frame(onService);
}

/** @param {StreamState | null} state @param {number} now */
function connectionText(state, now) {
  if (!state) return "this page has no stream";
  const forHow = `for ${wholeDuration(now - state.since)}`;
  if (state.name === "waiting") {
    return `lost ${forHow}, next try in ${wholeDuration((state.retryAt ?? now) - now)}`;
  }
  return `${state.name} ${forHow}`;
}

/** @param {StreamLine} stream */
function streamLines({ name, url, line }) {
  const address = new URL(url, location.href).href;
  const title = document.createElement("h3");
  title.textContent = name;
  const isSocket = address.startsWith("ws");
  const lines = [title, copyLine(address, `address of ${name}`)];
  if (line !== undefined) return [...lines, copyLine(line, `line that shows ${name}`)];
  return isSocket ? lines : [...lines, copyLine(`curl -N '${address}'`, `curl line of ${name}`)];
}

/** Light becomes dark and back. The choice is kept unless it is what the system prefers anyway. */
function switchTheme() {
  const root = document.documentElement;
  const systemIsDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const wanted = isDark() ? "light" : "dark";
  const isSystems = (wanted === "dark") === systemIsDark;
  if (isSystems) delete root.dataset["theme"];
  else root.dataset["theme"] = wanted;
  try {
    if (isSystems) localStorage.removeItem("theme");
    else localStorage.setItem("theme", wanted);
  } catch { /* storage is blocked: the choice holds for this page */ }
  dispatchEvent(new Event("themechange"));
}

/** Whether the page is dark now. `themechange` on the window tells of the switch, a media query of the
 * system. */
export function isDark() {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function build() {
  const header = /** @type {HTMLElement} */ (document.getElementById("frame"));
  header.innerHTML = `
    <a class="brand" href="/"><img src="/static/shared/icon.svg" alt="" width="22" height="22">Tailrace</a>
    <nav aria-label="Pages">${pages.map(navLink).join("")}</nav>
    <button type="button" class="status" popovertarget="details" data-health="unknown" title="Status and stream addresses">
      <span class="status-item status-kafka"><i class="dot"></i><span data-part="kafka"></span></span>
      <span class="status-item number"><b data-part="rate">0</b> <abbr title="records per second"><span>rec</span>/s</abbr></span>
      <span class="status-item number status-delay" title="From a record's timestamp to its drawing, median of the last 5 s">
        <span class="status-label">delay</span> <b data-part="delay">–</b></span>
      <span class="status-item number status-gaps" data-part="gapsItem" hidden><b data-part="gaps"></b></span>
    </button>
    <button type="button" class="theme" data-part="theme" aria-label="Switch between light and dark" title="Light or dark">
      <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><circle cx="10" cy="10" r="7" fill="none"
        stroke="currentColor" stroke-width="1.6"/><path d="M10 3a7 7 0 0 1 0 14Z" fill="currentColor"/></svg></button>
    <div id="details" class="details" popover role="dialog" aria-label="Status" data-part="details">
      <h2>Status</h2>
      <dl>${
    factNames.map((name) => `<dt>${name}</dt><dd class="number" data-fact="${name.toLowerCase()}"></dd>`)
      .join("")
  }</dl>
      <div class="details-streams" data-part="streams"></div>
    </div>
    <p class="visually-hidden" role="status" data-part="live"></p>`;
  keepInSight(/** @type {HTMLElement} */ (header.querySelector("nav")));
  /** @template {Element} [E=HTMLElement] @param {string} name @returns {E} */
  const part = (name) => /** @type {E} */ (header.querySelector(`[data-part="${name}"]`));
  /** @param {string} name */
  const fact = (name) => /** @type {HTMLElement} */ (header.querySelector(`[data-fact="${name}"]`));
  return {
    status: /** @type {HTMLElement} */ (header.querySelector(".status")),
    theme: part("theme"),
    details: part("details"),
    streams: part("streams"),
    live: part("live"),
    kafka: part("kafka"),
    rate: part("rate"),
    delay: part("delay"),
    gaps: part("gaps"),
    gapsItem: part("gapsItem"),
    facts: {
      kafka: fact("kafka"),
      connection: fact("connection"),
      records: fact("records"),
      delay: fact("delay"),
      viewers: fact("viewers"),
      gaps: fact("gaps"),
    },
  };
}

const factNames = ["Kafka", "Connection", "Records", "Delay", "Viewers", "Gaps"];

/** Where the pages have more names than room, the one that is shown is in sight, also when the status beside them grows.
 * @param {HTMLElement} nav */
function keepInSight(nav) {
  new ResizeObserver(() => {
    nav.classList.toggle("is-cut", nav.scrollWidth > nav.clientWidth);
    const here = /** @type {HTMLElement | null} */ (nav.querySelector("[aria-current]"));
    if (here) nav.scrollLeft = here.offsetLeft - nav.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2;
  }).observe(nav);
}

/** @param {{ path: string, name: string }} page */
function navLink({ path, name }) {
  const isHere = location.pathname === path || (path !== "/" && location.pathname.startsWith(`${path}/`));
  const current = isHere ? ' aria-current="page"' : "";
  return `<a href="${path}"${current}>${name}</a>`;
}
