// @ts-check
/** Stores a record: key, value, headers, partition; and says where it went.
 * @module */
/** @import { TopicFacts } from "./topics_api.js" */
import { ApiError } from "../shared/api.js";
import { byId } from "../shared/dom.js";
import { setText } from "../shared/format.js";
import { produce } from "./topics_api.js";

const example = '{\n  "hello": "world"\n}';

/** @template {HTMLElement} E @param {string} id @returns {E} */
const part = (id) => /** @type {E} */ (byId(id));

const dialog = /** @type {HTMLDialogElement} */ (byId("produce-dialog"));
const value = /** @type {HTMLTextAreaElement} */ (byId("produce-value"));
const kind = /** @type {HTMLSelectElement} */ (byId("produce-kind"));
const partition = /** @type {HTMLSelectElement} */ (byId("produce-partition"));
let topic = "";

byId("produce-cancel").addEventListener("click", () => dialog.close());
kind.addEventListener("change", () => {
  value.disabled = kind.value === "null";
  if (value.value === example && kind.value !== "text") value.value = "";
});
byId("produce-form").addEventListener("submit", async (event) => {
  event.preventDefault(); // it stays open: the next record is often much like this one
  const send = /** @type {HTMLButtonElement} */ (byId("produce-send"));
  send.disabled = true;
  tell("Sending …", "");
  try {
    const place = await produce(topic, read());
    tell(`Stored at ${place}.`, "ok");
  } catch (error) {
    tell(wordsOf(error), "bad");
  }
  send.disabled = false;
});

/** @param {TopicFacts | null} facts of the topic, if they are known @param {string} name */
export function openProduce(name, facts) {
  if (name !== topic) {
    setText(byId("produce-topic"), name);
    value.value ||= example;
    const count = facts?.partitions.length ?? 0;
    partition.replaceChildren(
      new Option("By key", ""),
      ...Array.from({ length: count }, (_, i) => new Option(String(i), String(i))),
    );
  }
  topic = name;
  tell("", "");
  dialog.showModal();
  part("produce-key").focus();
}

/** @throws {SyntaxError} for a header without a colon */
function read() {
  const key = /** @type {HTMLInputElement} */ (byId("produce-key")).value;
  const lines = /** @type {HTMLTextAreaElement} */ (byId("produce-headers")).value.split("\n");
  const headers = lines.filter((line) => line.trim() !== "").map((line) => {
    const at = line.indexOf(":");
    if (at < 1) throw new SyntaxError(`“${line}” is no header: name: value is wanted`);
    return { name: line.slice(0, at).trim(), value: line.slice(at + 1).trim() };
  });
  /** A name that repeats has a list. @type {Record<string, string | string[]>} */
  const byName = {};
  for (const { name, value } of headers) {
    const before = Object.hasOwn(byName, name) ? byName[name] : undefined;
    byName[name] = before === undefined ? value : [before, value].flat();
  }
  return {
    ...(key === "" ? {} : { key }),
    value: kind.value === "null"
      ? null
      : kind.value === "base64"
      ? { base64: value.value.replace(/\s/g, "") }
      : value.value,
    ...(headers.length > 0 ? { headers: byName } : {}),
    ...(partition.value === "" ? {} : { partition: Number(partition.value) }),
  };
}

/** @param {string} text @param {"" | "ok" | "bad"} how */
function tell(text, how) {
  const result = byId("produce-result");
  result.dataset["how"] = how;
  setText(result, text);
}

/** What went wrong, for people. @param {unknown} error */
export function wordsOf(error) {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
  const { title, detail, requestId } = error.problem;
  return [title, detail, requestId && `request ${requestId}`].filter(Boolean).join(" · ");
}
