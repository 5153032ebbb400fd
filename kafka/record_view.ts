/** A record of any topic as JSON: what the generic streams, pages of history and `tailrace tail` show.
 *
 * A value that is JSON is put in as it was written, only on one line, so that no number is changed by being read and written again.
 * Ambiguous by design: the JSON text `null` looks like no value at all, and so do the JSON `{"base64":"…"}` and bytes.
 * Left out: which records are shown (record_filter.ts), schema registries, Avro and Protobuf, which come out as bytes.
 * @module */
import { isUtf8 } from "node:buffer";
import { defineFeed } from "./feed.ts";
import type { KafkaRecord } from "./fetch_response.ts";

/** A byte string in JSON when it is no text. */
export interface Base64 {
  readonly base64: string;
}

// A byte order mark is part of the text, or it would be lost.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Records of any topic: events named `record`. */
export const recordFeed = defineFeed<RecordView>(
  "record",
  (record, topic) => new RecordView(topic, record),
  (view) => view.json,
);

/** One record; `json` is made at once, the value is parsed when somebody asks for it. */
export class RecordView {
  /** `{topic,partition,offset,timestamp,key,value}`, and `headers` when the record has some; one line. */
  readonly json: string;
  #value: unknown;

  constructor(readonly topic: string, readonly record: KafkaRecord) {
    const { partition, offset, timestamp, key, value } = record;
    const headers = headersJson(record.headers);
    this.json = `{"topic":${oneLine(topic)},"partition":${partition},"offset":${offset},` +
      `"timestamp":${timestamp},"key":${oneLine(textOrBase64(key))},"value":${valueJson(value)}` +
      `${headers === null ? "" : `,"headers":${headers}`}}`;
  }

  /** The value as filters look at it: JSON parsed, other text a string, other bytes `{base64}`, null. */
  get value(): unknown {
    return this.#value ??= parseValue(this.record.value);
  }
}

/** UTF-8 as text, other bytes as base64, null as null. */
export function textOrBase64(bytes: Uint8Array | null): string | Base64 | null {
  if (bytes === null) return null;
  return decode(bytes) ?? { base64: base64(bytes) };
}

/** A value as one line of JSON text; JSON is kept as it is. */
export function valueJson(bytes: Uint8Array | null): string {
  if (bytes === null) return "null";
  const text = decode(bytes);
  if (text === undefined) return `{"base64":"${base64(bytes)}"}`;
  return isJson(text) ? keepOneLine(text.trim()) : oneLine(text);
}

function parseValue(bytes: Uint8Array | null): unknown {
  const text = textOrBase64(bytes);
  if (typeof text !== "string" || !jsonStart.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Null without headers; a name that repeats has a list. */
function headersJson(headers: KafkaRecord["headers"]): string | null {
  const entries = Object.entries(headers);
  if (entries.length === 0) return null;
  const shown = entries.map(([name, value]) => {
    const values = Array.isArray(value) ? value.map(textOrBase64) : textOrBase64(value as Uint8Array | null);
    return `${oneLine(name)}:${oneLine(values)}`;
  });
  return `{${shown.join(",")}}`;
}

function base64(bytes: Uint8Array): string {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength).toBase64();
}

/** Undefined for bytes that are no UTF-8: told by a look, as an error for each record would cost many times as much. */
function decode(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? decoder.decode(bytes) : undefined;
}

/** How JSON begins; a scalar as a whole. Most text that is none is told apart by it, for the same reason. */
const jsonStart =
  /^[ \t\r\n]*(?:\{[ \t\r\n]*["}]|\[[ \t\r\n]*[[{"\-\dtfn\]]|"|(?:-?\d[\d.eE+-]*|true|false|null)[ \t\r\n]*$)/;

function isJson(text: string): boolean {
  if (!jsonStart.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function oneLine(data: unknown): string {
  return keepOneLine(JSON.stringify(data));
}

/** JSON text without line ends. Between tokens they mean nothing; those of Unicode, at which some clients split lines as well, can
 * only be in strings, where they may be written as escapes. */
function keepOneLine(json: string): string {
  if (!lineEnds.test(json)) return json;
  return json.replace(/[\r\n]+[ \t\r\n]*/g, "")
    .replace(/[\u0085\u2028\u2029]/g, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

const lineEnds = /[\r\n\u0085\u2028\u2029]/;
