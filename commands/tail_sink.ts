/** The way out of `tailrace tail`: records as lines on stdout, all else in the log.
 *
 * While a write is under way the viewer's cursor stays where it is, so a slow reader loses nothing and nothing piles up here. Left out: what
 * is followed (tail.ts).
 * @module */
import { defineFeed, defineWire, type Feed } from "../kafka/feed.ts";
import { recordFeed, type RecordView, textOrBase64, valueJson } from "../kafka/record_view.ts";
import type { Chunk } from "../kafka/ring.ts";
import type { EndReason, Sink, Viewer } from "../kafka/viewer.ts";
import type { Logger } from "../logger.ts";

/** Where lines go; rejects with `BrokenPipe` when nobody reads any more. */
export interface LineWriter {
  write(bytes: Uint8Array): Promise<number>;
}

/** How lines look. */
export interface LineStyle {
  /** The record as JSON, instead of columns. */
  readonly json: boolean;
  readonly colour: boolean;
  /** After so many records it is over. */
  readonly limit: number;
}

/** Why there are no more lines: the stream ended, or the reader has enough. */
export type TailEnd = EndReason | "limit" | "closed";

/** An event a line: its name, and its data as JSON. */
export const lineWire = defineWire("", (name, json) => `${name} ${json}\n`);

/** The columns of a record: time, place, key, value. */
const columnFeed = defineFeed<RecordView>(
  "record",
  recordFeed.decode,
  ({ record }) =>
    JSON.stringify([timeOf(record.timestamp), placeOf(record), keyOf(record.key), valueOf(record.value)]),
);

const encoder = new TextEncoder();

/** Lines of one stream. */
export class TailSink implements Sink {
  readonly wire = lineWire;
  /** What its metrics would count it as, which nobody reads. */
  readonly transport = "sse";
  readonly feed: Feed<RecordView>;
  /** Resolves when the last line is out; rejects when stdout fails. */
  readonly ended: Promise<TailEnd>;
  /** The viewer that waits for room. */
  viewer: Viewer | undefined;
  readonly #out: LineWriter;
  readonly #style: LineStyle;
  readonly #log: Logger;
  readonly #end: (end: TailEnd) => void;
  readonly #fail: (error: unknown) => void;
  #left: number;
  #writing = false;
  #isOver: TailEnd | null = null;
  #wasDown = false;

  constructor(out: LineWriter, style: LineStyle, log: Logger) {
    const { promise, resolve, reject } = Promise.withResolvers<TailEnd>();
    this.ended = promise;
    this.#end = resolve;
    this.#fail = reject;
    this.#out = out;
    this.#style = style;
    this.#log = log;
    this.#left = style.limit;
    this.feed = style.json ? recordFeed : columnFeed;
  }

  ready(): boolean {
    return !this.#writing && this.#isOver === null;
  }

  write(chunk: Chunk): void {
    const lines: string[] = [];
    for (const event of chunk.text.split("\n")) {
      const space = event.indexOf(" "), name = event.slice(0, space), json = event.slice(space + 1);
      if (name !== "record") this.#tell(name, json);
      else if (this.#left > 0) {
        this.#left--;
        lines.push(this.#style.json ? json : this.#columns(json));
      }
    }
    if (lines.length > 0) this.#write(`${lines.join("\n")}\n`);
    if (this.#left === 0) this.end("limit");
  }

  end(reason: TailEnd): void {
    this.#isOver ??= reason;
    if (!this.#writing) this.#end(this.#isOver);
  }

  async #write(text: string): Promise<void> {
    this.#writing = true;
    try {
      const bytes = encoder.encode(text);
      for (let done = 0; done < bytes.length;) done += await this.#out.write(bytes.subarray(done));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) return this.#fail(error);
      this.#isOver = "closed"; // as in `tailrace tail t | head`
    }
    this.#writing = false;
    if (this.#isOver !== null) this.#end(this.#isOver);
    else this.viewer?.wake();
  }

  #columns(json: string): string {
    const [time, place, key, value] = JSON.parse(json) as [string, string, string, string];
    return this.#style.colour
      ? `\x1b[2m${time}\x1b[0m  \x1b[36m${place}\x1b[0m  \x1b[33m${key}\x1b[0m  ${value}`
      : `${time}  ${place}  ${key}  ${value}`;
  }

  #tell(name: string, json: string): void {
    if (name === "gap") this.#log.warn("records were passed over", JSON.parse(json));
    else if (name === "ready") {
      const { resume, reason, skipped } = JSON.parse(json);
      if (resume === "reset") this.#log.warn("the log is another one, or ends before", { reason });
      else if (skipped > 0) this.#log.warn("the log begins later than asked for", { skipped });
    } else if (name === "status") {
      const isDown = JSON.parse(json).kafka === "down";
      if (isDown && !this.#wasDown) this.#log.warn("Kafka is away");
      else if (!isDown && this.#wasDown) this.#log.info("Kafka is back");
      this.#wasDown = isDown;
    }
  }
}

/** A record's time may be −1 or out of the range of dates. */
function timeOf(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms);
}

function placeOf({ partition, offset }: { partition: number; offset: number }): string {
  return `${partition}:${offset}`;
}

function keyOf(key: Uint8Array | null): string {
  const text = textOrBase64(key);
  return text === null ? "-" : typeof text === "string" ? printable(text) : JSON.stringify(text);
}

/** JSON as it was written, text as text, other bytes as `{"base64":…}`. */
function valueOf(value: Uint8Array | null): string {
  const json = valueJson(value);
  const text = json.startsWith('"') ? textOrBase64(value) : json;
  return printable(typeof text === "string" ? text : json);
}

/** Text on one line that does nothing to a terminal. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (control) => {
    const escaped = JSON.stringify(control).slice(1, -1);
    return escaped === control ? `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}` : escaped;
  });
}
