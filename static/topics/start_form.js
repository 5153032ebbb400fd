// @ts-check
/** Where a tail starts and what it shows, as a form.
 * @module */
/** @import { PageState } from "./page_url.js" */
import { byId } from "../shared/dom.js";

/** @typedef {Pick<PageState, "cursor" | "key" | "where">} Start */

/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ (byId(id));
const form = /** @type {HTMLFormElement} */ (byId("tools"));
const start = /** @type {HTMLSelectElement} */ (byId("start"));
const time = input("time"), offset = input("offset"), key = input("key"), where = input("where");

/** Shows what is asked for now. @param {Start} asked */
export function showStart({ cursor, key: wantedKey, where: conditions }) {
  const ms = /^t\.(\d+)$/.exec(cursor)?.[1];
  const isPlace = /^\d+:\d+$/.test(cursor);
  const isNamed = ["last", "latest", "earliest"].includes(cursor);
  const kind = isNamed ? cursor : ms ? "time" : isPlace ? "offset" : "id";
  start.querySelector("[value=id]")?.remove();
  if (kind === "id") start.append(new Option("A place", "id"));
  start.value = kind;
  if (ms) time.value = localTime(Number(ms));
  if (isPlace) offset.value = cursor;
  key.value = wantedKey;
  where.value = conditions.join(" & ");
  showTools();
}

/** @param {(asked: Start) => void} onAsk somebody wants another start or filter
 * @param {() => string} current cursor, kept where the form has none */
export function wireStart(onAsk, current) {
  const ask = () => {
    if (form.reportValidity()) onAsk({ cursor: cursor(current()), key: key.value, where: conditions() });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  start.addEventListener("change", () => {
    showTools();
    if (start.value === "time") {
      time.value ||= localTime(Date.now() - 3_600_000);
      time.focus();
    } else if (start.value === "offset") offset.focus();
    else ask();
  });
}

/** @param {string} current */
function cursor(current) {
  if (start.value === "id") return current;
  if (start.value === "time") return `t.${new Date(time.value).getTime()}`;
  if (start.value === "offset") return offset.value.includes(":") ? offset.value : `0:${offset.value}`;
  return start.value;
}

const conditions = () => where.value.split(" & ").map((one) => one.trim()).filter((one) => one !== "");

function showTools() {
  byId("time-tool").hidden = start.value !== "time";
  byId("offset-tool").hidden = start.value !== "offset";
  time.required = start.value === "time";
  offset.required = start.value === "offset";
}

/** A moment as the field for times has it, in the reader's zone. @param {number} ms */
function localTime(ms) {
  return new Date(ms - new Date(ms).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
