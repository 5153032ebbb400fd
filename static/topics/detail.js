// @ts-check
/** One record in full: where and when, its key, its headers, its value as it reads best, each to be copied.
 * @module */
/** @import { TopicRecord } from "./topics_api.js" */
import { copyButton } from "../shared/copy.js";
import { byId } from "../shared/dom.js";
import { utc } from "../shared/format.js";
import { placeOf } from "./record_buffer.js";
import { bytesOf, hexDump } from "./record_text.js";
import { bytes as size } from "./units.js";

/** Characters that are shown at once; a browser takes seconds to lay out megabytes. */
const maxShown = 100_000;
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** Shows a record. @param {TopicRecord} record */
export function showDetail(record) {
  byId("detail-title").textContent = `Record ${placeOf(record)}`;
  const { timestamp, partition, offset, key, value, headers = {} } = record;
  const facts = document.createElement("dl");
  facts.className = "number";
  fact(facts, "Time", moment.format(timestamp), utc(timestamp));
  fact(facts, "Partition", String(partition));
  fact(facts, "Offset", String(offset));
  const names = Object.entries(headers).flatMap(([name, held]) =>
    (Array.isArray(held) ? held : [held]).map((one) => /** @type {[string, unknown]} */ ([name, one]))
  );
  byId("detail-body").replaceChildren(
    facts,
    ...section("Key", key),
    ...(names.length > 0 ? headerTable(names) : []),
    ...section("Value", value),
  );
}

/** @param {HTMLElement} list @param {string} name @param {...string} lines */
function fact(list, name, ...lines) {
  const term = document.createElement("dt");
  term.textContent = name;
  list.append(
    term,
    ...lines.map((line, i) => {
      const text = document.createElement("dd");
      text.textContent = line;
      if (i > 0) text.className = "muted";
      return text;
    }),
  );
}

/** @param {string} name @param {unknown} content @returns {HTMLElement[]} */
function section(name, content) {
  const bytes = bytesOf(content);
  if (bytes) return bytesSection(name, bytes, /** @type {{ base64: string }} */ (content).base64);
  const isText = typeof content === "string";
  const text = isText ? content : JSON.stringify(content, null, 2);
  const kind = content === null ? "null" : isText ? "text" : "JSON";
  return [
    heading(
      name,
      `${kind} · ${size(new TextEncoder().encode(isText ? content : JSON.stringify(content)).length)}`,
      text,
    ),
    block(text),
  ];
}

/** @param {string} name @param {Uint8Array} bytes @param {string} base64 @returns {HTMLElement[]} */
function bytesSection(name, bytes, base64) {
  const shown = block(hexDump(bytes.subarray(0, maxShown / 8)));
  shown.classList.add("is-dump");
  const head = heading(name, `bytes · ${size(bytes.length)}`, base64, "base64");
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "as";
  toggle.textContent = "Base64";
  toggle.setAttribute("aria-pressed", "false");
  toggle.addEventListener("click", () => {
    const isBase64 = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(isBase64));
    shown.textContent = isBase64 ? base64.slice(0, maxShown) : hexDump(bytes.subarray(0, maxShown / 8));
    shown.classList.toggle("is-dump", !isBase64);
  });
  head.insertBefore(toggle, head.lastChild);
  return [head, shown];
}

/** @param {[string, unknown][]} headers @returns {HTMLElement[]} */
function headerTable(headers) {
  const text = headers.map(([name, value]) => `${name}: ${asText(value)}`).join("\n");
  const table = document.createElement("table");
  for (const [name, value] of headers) {
    const row = table.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    row.insertCell().textContent = asText(value);
  }
  table.className = "headers mono";
  return [heading("Headers", String(headers.length), text), table];
}

/** @param {unknown} value */
function asText(value) {
  const bytes = bytesOf(value);
  if (bytes) return hexDump(bytes).replace(/^\S+ {2}/gm, "");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** @param {string} name @param {string} about @param {string} copied @param {string} [as] */
function heading(name, about, copied, as) {
  const line = document.createElement("div");
  line.className = "section-head";
  const title = document.createElement("h4");
  title.textContent = name;
  const what = document.createElement("span");
  what.className = "muted number";
  what.textContent = about;
  line.append(title, what, copyButton(copied, `${name.toLowerCase()}${as ? ` as ${as}` : ""}`));
  return line;
}

/** @param {string} text */
function block(text) {
  const element = document.createElement("pre");
  element.textContent = text.length > maxShown
    ? `${text.slice(0, maxShown)}\n… ${text.length - maxShown} more characters; Copy takes all`
    : text;
  return element;
}
