// @ts-check
/** Records as text: a line in the list, and in full.
 * @module */
/** @import { Entry } from "./record_buffer.js" */
import { dayOf, timeOfDay } from "../shared/format.js";

/** Characters of a value in the list. */
const lineLength = 400;

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});
const today = new Intl.DateTimeFormat(undefined, { dateStyle: "short" });

/** Makes the texts of an entry, when it is drawn for the first time. @param {Entry} entry */
export function prepare(entry) {
  if (entry.isDrawn) return;
  const { timestamp, key, value } = entry.record;
  entry.isDrawn = true;
  entry.time = today.format(timestamp) === today.format(Date.now())
    ? clock.format(timestamp)
    : `${dayOf(timestamp)} ${timeOfDay(timestamp)}`;
  entry.key = key === null ? "–" : line(key);
  entry.text = line(value);
}

/** @param {unknown} value of a record, or its key */
function line(value) {
  const bytes = bytesOf(value);
  if (bytes) return `${bytes.length} bytes: ${hex(bytes.subarray(0, 48))}${bytes.length > 48 ? " …" : ""}`;
  if (value === null) return "null";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const start = text.slice(0, lineLength).replace(/\s+/g, " ");
  return text.length > lineLength ? `${start}…` : start;
}

/** The bytes that stand in JSON as base64, or null. @param {unknown} value */
export function bytesOf(value) {
  if (typeof value !== "object" || value === null || !("base64" in value)) return null;
  const { base64 } = value;
  if (typeof base64 !== "string" || Object.keys(value).length !== 1) return null;
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** @param {Uint8Array} bytes */
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Offset, eight bytes (so that a line fits a phone), and what of them is ASCII, a line each. @param {Uint8Array} bytes */
export function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 8) {
    const part = bytes.subarray(at, at + 8);
    const letters = Array.from(part, (byte) => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")
      .join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex(part).padEnd(23)}  ${letters}`);
  }
  return lines.join("\n");
}
