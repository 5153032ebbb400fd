/** One record out of a topic's past: the newest that a feed shows, the first one from a time on, the one before or after a place.
 *
 * Looks backwards from an end in windows that grow, or forwards page by page, in all partitions at once. How much one search goes through is
 * bounded: a topic that is full of other records is not read to its other end for a record that may not be there, and the answer says so.
 * A partition that cannot be read now holds nobody up while another one has an answer. Left out: pages of records (record_pages.ts), what
 * comes from now on (topic_hub.ts).
 * @module */
import { withDeadline } from "../deadline.ts";
import { StreamError } from "../errors.ts";
import { earliestOffset, KafkaError, latestOffset } from "./connection.ts";
import { unknownOffset } from "./cursor.ts";
import type { Feed, Picker, SharedRecord } from "./feed.ts";
import type { KafkaRecord } from "./fetch_response.ts";
import { type History, OutsideLog, type Page, Unreadable } from "./history.ts";
import { Turns } from "./turns.ts";

/** Which record is looked for; times in ms since the epoch. Over several partitions the newest, or the first one, is told by the records'
 * times. */
export type Whence =
  | { readonly kind: "newest" }
  | { readonly kind: "earliest" }
  | { readonly kind: "time"; readonly ms: number }
  /** The neighbour of a place in its partition. */
  | { readonly kind: "before" | "after"; readonly partition: number; readonly offset: number };

/** What is looked for. */
export interface Wanted<T extends object> {
  readonly whence: Whence;
  readonly feed: Feed<T>;
  readonly pick?: Picker<T>;
  /** Offsets of each partition that are looked at, at most. */
  readonly depth?: number;
}

/** A record and what the feed shows of it. */
export interface Found<T extends object> {
  readonly data: T;
  readonly record: KafkaRecord;
}

/** What a search came to. */
export interface Outcome<T extends object> {
  readonly found: Found<T> | null;
  /** Whether everything that could have held it was looked at; otherwise there may be another one that is meant. */
  readonly isWhole: boolean;
}

/** What one search goes through at most, over all partitions. */
const maxScannedBytes = 16 * 1024 * 1024, maxScanMs = 2_000;
/** How long Kafka may take for the places, and each partition for its part, ms. */
const answerMs = 3_000;
const recordOverheadBytes = 100;
/** Of the pages behind the first one, which others may want as well. */
const largePageBytes = 1024 * 1024;
/** Each window backwards is so many times as large as the one before. */
const growth = 8;
/** Searches that run at once, and that may wait for it. */
const turns = new Turns(8), maxWaiting = 256;
let asked = 0;

/** Offsets of one partition: `from` to before `end`. */
interface Range {
  readonly partition: number;
  readonly from: number;
  readonly end: number;
}

/** Looks for a record.
 * @throws {StreamError} 503 `overloaded` when too many wait
 * @throws {KafkaError} UNKNOWN_TOPIC_OR_PARTITION, or when a partition that may hold it cannot be read and no other one has an answer */
export async function findRecord<T extends object>(
  history: History,
  topic: string,
  wanted: Wanted<T>,
): Promise<Outcome<T>> {
  if (asked >= maxWaiting) {
    const detail = `Cannot look into ${topic} as ${asked} such requests wait already`;
    throw new StreamError("overloaded", 503, detail, { headers: { "retry-after": "1" } });
  }
  asked++;
  try {
    return await turns.take(() => new Search(history, topic, wanted).run());
  } finally {
    asked--;
  }
}

class Search<T extends object> {
  readonly #history: History;
  readonly #topic: string;
  readonly #wanted: Wanted<T>;
  readonly #isBackwards: boolean;
  readonly #until = performance.now() + maxScanMs;
  #bytesLeft = maxScannedBytes;
  #isWhole = true;
  #failure: KafkaError | undefined;

  constructor(history: History, topic: string, wanted: Wanted<T>) {
    this.#history = history;
    this.#topic = topic;
    this.#wanted = wanted;
    this.#isBackwards = wanted.whence.kind === "newest" || wanted.whence.kind === "before";
  }

  async run(): Promise<Outcome<T>> {
    const ranges = await this.#ranges();
    const found = await Promise.all(ranges.map((range) => this.#look(range)));
    const best = found.reduce<Found<T> | null>((best, one) => this.#better(best, one), null);
    if (!best && this.#failure) throw this.#failure;
    return { found: best, isWhole: this.#isWhole };
  }

  /** Where the record may be. */
  async #ranges(): Promise<Range[]> {
    const { whence } = this.#wanted;
    const positions = (at: number) => inTime(this.#history.positions(this.#topic, at));
    const beginAt = whence.kind === "time" ? whence.ms : earliestOffset;
    const [begins, ends] = await Promise.all([positions(beginAt), positions(latestOffset)]);
    const isAsked = (partition: number) => !("partition" in whence) || partition === whence.partition;
    return [...ends.keys()].filter(isAsked).flatMap((partition) => {
      const from = begins[partition] ?? 0, end = ends[partition] ?? 0;
      if (from !== unknownOffset && end !== unknownOffset) return [this.#cut({ partition, from, end })];
      this.#failure ??= unplaced(this.#topic, partition);
      return [];
    });
  }

  /** A partition, as far as the record may be in it. */
  #cut({ partition, from, end }: Range): Range {
    const { whence, depth = Infinity } = this.#wanted;
    if (whence.kind === "before") end = Math.min(end, whence.offset);
    if (whence.kind === "after") from = Math.max(from, whence.offset + 1);
    return this.#isBackwards
      ? { partition, from: Math.max(from, end - depth), end }
      : { partition, from, end: Math.min(end, from + depth) };
  }

  async #look(range: Range): Promise<Found<T> | null> {
    try {
      return await inTime(this.#isBackwards ? this.#backwards(range) : this.#forwards(range));
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.#failure = error;
      return null;
    }
  }

  async #forwards(range: Range): Promise<Found<T> | null> {
    for await (const shared of this.#through(new Window(range))) {
      const found = this.#shown(shared);
      if (found) return found;
    }
    return null;
  }

  /** The newest record of a window is the last one, so only a window that was gone through to its end has an answer. */
  async #backwards({ partition, from, end }: Range): Promise<Found<T> | null> {
    for (let size = 1; from < end;) {
      const window = new Window({ partition, from: Math.max(from, end - size), end });
      let found: Found<T> | null = null;
      for await (const shared of this.#through(window)) found = this.#shown(shared) ?? found;
      if (window.isCut) return null;
      if (found) return found;
      end = window.from;
      size = Math.min(size * growth, Math.max(1, Math.floor(this.#bytesLeft / window.bytesPerOffset)));
    }
    return null;
  }

  /** The records of a window, as far as there is room; what is removed meanwhile, or unreadable, is passed over. */
  async *#through(window: Window): AsyncGenerator<SharedRecord> {
    const { partition, from, end } = window;
    for (let at = from; at < end;) {
      if (this.#bytesLeft <= 0 || performance.now() > this.#until) {
        window.isCut = true;
        this.#isWhole = false;
        return;
      }
      const page = await this.#page(partition, at, at === from);
      const bytes = page.shared.reduce((sum, { record }) => sum + sizeOf(record), 0);
      window.bytes += bytes;
      this.#bytesLeft -= bytes;
      yield* page.shared.filter(({ record }) => record.offset >= at && record.offset < end);
      if (page.next <= at) return; // the topic was made anew, and ends before
      at = page.next;
    }
  }

  /** The page at a place; without records where there is a hole. */
  async #page(partition: number, at: number, isFirst: boolean): Promise<Pick<Page, "shared" | "next">> {
    try {
      if (isFirst) return await this.#history.read(this.#topic, partition, at, { impatient: true });
      return await this.#largePage(partition, at);
    } catch (error) {
      if (error instanceof OutsideLog) return { shared: [], next: error.first };
      if (error instanceof Unreadable) return { shared: [], next: error.next };
      throw error;
    }
  }

  async #largePage(partition: number, at: number): Promise<Page> {
    const { promise: silence, reject: onSilent } = Promise.withResolvers<never>();
    const reading = this.#history.readOnce(this.#topic, partition, at, {
      maxBytes: largePageBytes,
      onSilent,
    });
    return await Promise.race([reading, silence]);
  }

  #shown(shared: SharedRecord): Found<T> | null {
    const { feed, pick, whence } = this.#wanted, { record } = shared;
    // Times in a log may jump back: the first record that is as young is known to Kafka, not what comes behind it.
    if (whence.kind === "time" && record.timestamp < whence.ms) return null;
    const shown = shared.picked(feed, pick);
    return shown && { data: shown.data, record };
  }

  #better(best: Found<T> | null, one: Found<T> | null): Found<T> | null {
    if (!best || !one) return best ?? one;
    const later = one.record.timestamp - best.record.timestamp;
    return (this.#isBackwards ? later > 0 : later < 0) ? one : best;
  }
}

/** A part of one partition that is gone through, and what it cost. */
class Window implements Range {
  readonly partition: number;
  readonly from: number;
  readonly end: number;
  bytes = 0;
  /** There was no room to go through it to its end. */
  isCut = false;

  constructor({ partition, from, end }: Range) {
    this.partition = partition;
    this.from = from;
    this.end = end;
  }

  get bytesPerOffset(): number {
    return this.bytes / (this.end - this.from);
  }
}

function unplaced(topic: string, partition: number): KafkaError {
  return new KafkaError(
    "LEADER_NOT_AVAILABLE",
    `Cannot read ${topic}/${partition} as its leader does not answer`,
  );
}

function sizeOf({ key, value }: KafkaRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0) + recordOverheadBytes;
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return withDeadline(
    work,
    answerMs,
    () => new KafkaError("UNREACHABLE", `Kafka did not answer in ${answerMs} ms`),
  );
}
