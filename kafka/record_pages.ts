/** One page of a topic's past: the next records from a place on, merged over its partitions in the order of their times.
 *
 * A page goes through a bounded part of the log, so with a filter it may be short, or empty, while there is more. A partition that cannot be
 * read now holds nobody up while others have records; when it is all that is left, that is an error rather than an end. Left out: what
 * follows after the page is made (streams do that, topic_hub.ts).
 * @module */
import { withDeadline } from "../deadline.ts";
import { StreamError } from "../errors.ts";
import { earliestOffset, KafkaError, latestOffset } from "./connection.ts";
import { clusterHash, formatCursor, type Positions, type StartAt, unknownOffset } from "./cursor.ts";
import type { Picker } from "./feed.ts";
import { type History, OutsideLog, type Page, Unreadable } from "./history.ts";
import { recordFeed, type RecordView } from "./record_view.ts";
import type { Gap } from "./ring.ts";
import { Turns } from "./turns.ts";
import type { Until } from "./viewer.ts";

/** What a page is to hold. */
export interface PageWanted {
  readonly start: StartAt;
  /** Default: the end of the log as it is now. */
  readonly until?: Until;
  /** Most records. */
  readonly limit: number;
  readonly pick?: Picker<RecordView>;
}

/** One page. */
export interface RecordPage {
  /** The records as JSON, each on one line. */
  readonly records: readonly string[];
  /** The id of the place after the page. */
  readonly cursor: string;
  /** Whether there is more before its end. */
  readonly more: boolean;
  /** What the log no longer has, or nobody can read. */
  readonly gaps: readonly Gap[];
}

/** A page cannot begin at this id: it is of another cluster, or of a log that is gone. */
export class ForeignCursor extends Error {
  override readonly name = "ForeignCursor";
}

/** After so many bytes of records, or ms, a page ends. */
const maxScannedBytes = 8 * 1024 * 1024, maxScanMs = 2_000;
/** How long one read, or the question where a partition ends, may take, ms. */
const readMs = 3_000;
const readsAtOnce = 8;
/** After so long the event loop is given back, ms. */
const busyMs = 8;
const recordOverheadBytes = 100;
/** Pages that are made at once, and that may wait for it. */
const turns = new Turns(8), maxWaiting = 256;
let asked = 0;

/** The part of one partition that belongs to the page: from `at` to before `bound`. */
interface Lane {
  readonly partition: number;
  at: number;
  readonly bound: number;
  page: Page | null;
  index: number;
  failure: KafkaError | null;
}

/** Reads a page.
 * @throws {StreamError} 503 `overloaded` when too many wait
 * @throws {KafkaError} UNKNOWN_TOPIC_OR_PARTITION, or when Kafka does not answer
 * @throws {ForeignCursor} */
export async function readRecords(history: History, topic: string, wanted: PageWanted): Promise<RecordPage> {
  if (asked >= maxWaiting) {
    const detail = `Cannot read the records of ${topic} as ${asked} such requests wait already`;
    throw new StreamError("overloaded", 503, detail, { headers: { "retry-after": "1" } });
  }
  asked++;
  try {
    return await turns.take(() => readPage(history, topic, wanted));
  } finally {
    asked--;
  }
}

async function readPage(history: History, topic: string, wanted: PageWanted): Promise<RecordPage> {
  const cluster = clusterHash(await inTime(history.clusterId()));
  const scan = new Scan(history, topic, await openLanes(history, topic, cluster, wanted));
  const records = await scan.run(wanted);
  const cursor = formatCursor(cluster, scan.positions);
  return { records, cursor, more: scan.lanes.some(hasMore), gaps: scan.gaps };
}

async function openLanes(
  history: History,
  topic: string,
  cluster: string,
  { start, until }: PageWanted,
): Promise<Lane[]> {
  const positions = (at: number) => inTime(history.positions(topic, at));
  if (start.kind === "id" && start.cluster !== cluster) {
    throw new ForeignCursor("it is an id of another Kafka cluster");
  }
  const ends = await positions(latestOffset);
  const starts = start.kind === "id"
    ? start.positions
    : start.kind === "latest"
    ? ends
    : await positions(start.kind === "earliest" ? earliestOffset : start.ms);
  const bounds = until?.kind === "time" ? await positions(until.ms) : ends;
  const isAhead = (at: number, end: number | undefined = 0) => end !== unknownOffset && at > end;
  if (start.kind === "id" && start.positions.some((at, partition) => isAhead(at, ends[partition]))) {
    throw new ForeignCursor("it is ahead of the log, which was made anew or cut");
  }
  return ends.map((_, partition) => {
    const at = starts[partition] ?? 0, bound = bounds[partition] ?? 0;
    const isKnown = at !== unknownOffset && bound !== unknownOffset;
    const failure = isKnown ? null : unreadable(topic, partition);
    return { partition, at, bound: isKnown ? bound : Infinity, page: null, index: 0, failure };
  });
}

function unreadable(topic: string, partition: number): KafkaError {
  return new KafkaError(
    "LEADER_NOT_AVAILABLE",
    `Cannot read ${topic}/${partition} as its leader does not answer`,
  );
}

function hasMore(lane: Lane): boolean {
  return lane.at < lane.bound;
}

/** The way through the lanes. */
class Scan {
  readonly gaps: Gap[] = [];
  readonly #until = performance.now() + maxScanMs;
  #bytesLeft = maxScannedBytes;

  constructor(readonly history: History, readonly topic: string, readonly lanes: readonly Lane[]) {}

  get positions(): Positions {
    return this.lanes.map((lane) => lane.at);
  }

  /** Goes through records in the order of their times until the page is full, or its share of the log is through. */
  async run({ limit, pick }: PageWanted): Promise<string[]> {
    const records: string[] = [];
    let looked = 0, isWhole = await this.#fill(), pauseAt = performance.now() + busyMs;
    // What was not read may hold an older record. Over very many partitions that is so from the first record on, and no matter.
    const isOrdered = isWhole;
    while (records.length < limit && (isWhole || !isOrdered)) {
      const lane = earliest(this.lanes);
      if (!lane) break;
      const shared = lane.page!.shared[lane.index++]!;
      lane.at = shared.record.offset + 1;
      const shown = shared.picked(recordFeed, pick);
      if (shown) records.push(shown.json);
      if (isEmpty(lane)) isWhole = await this.#fill();
      if (++looked % 64 !== 0 || performance.now() < pauseAt) continue;
      await new Promise((resume) => setTimeout(resume)); // others have their turn
      pauseAt = performance.now() + busyMs;
      if (pauseAt > this.#until) break;
    }
    const failed = this.lanes.filter((lane) => lane.failure !== null);
    if (looked === 0 && failed.length > 0 && this.lanes.filter(hasMore).length === failed.length) {
      throw failed[0]!.failure!;
    }
    return records;
  }

  /** Gives every lane its next record, as far as the page's share of the log goes.
   * @returns whether each lane that has more has its record */
  async #fill(): Promise<boolean> {
    while (true) {
      const empty = this.lanes.filter(isEmpty);
      if (empty.length === 0) return true;
      if (this.#bytesLeft <= 0 || performance.now() > this.#until) return false;
      await Promise.all(empty.slice(0, readsAtOnce).map((lane) => this.#read(lane)));
    }
  }

  async #read(lane: Lane): Promise<void> {
    try {
      const page = await inTime(this.history.read(this.topic, lane.partition, lane.at, { impatient: true }));
      for (const { key, value } of page.records) {
        this.#bytesLeft -= (key?.length ?? 0) + (value?.length ?? 0) + recordOverheadBytes;
      }
      const index = page.records.findIndex((record) => record.offset >= lane.at);
      lane.page = page;
      lane.index = index < 0 ? page.records.length : index;
      // Nothing where the log was said to go on: it was cut meanwhile.
      if (page.next <= lane.at) lane.failure = unreadable(this.topic, lane.partition);
    } catch (error) {
      if (error instanceof KafkaError) lane.failure = error;
      else if (error instanceof OutsideLog && error.first > lane.at) {
        this.#skip(lane, error.first, "retention");
      } else if (error instanceof OutsideLog) lane.failure = unreadable(this.topic, lane.partition);
      else if (error instanceof Unreadable) this.#skip(lane, error.next, "unreadable");
      else throw error;
    }
  }

  #skip(lane: Lane, next: number, reason: Gap["reason"]): void {
    const { partition, at: from } = lane, to = Math.min(next, lane.bound);
    this.gaps.push({ partition, from, to, skipped: to - from, reason });
    lane.at = to;
  }
}

/** Whether a lane has more, but no record at hand; a page that is used up moves the lane to its end. */
function isEmpty(lane: Lane): boolean {
  const next = lane.page?.records[lane.index];
  if (next && next.offset < lane.bound) return false;
  if (lane.page) lane.at = next ? lane.bound : Math.max(lane.at, Math.min(lane.page.next, lane.bound));
  lane.page = null;
  return lane.failure === null && hasMore(lane);
}

/** The lane whose record at hand is the oldest. */
function earliest(lanes: readonly Lane[]): Lane | undefined {
  let found: Lane | undefined, oldest = Infinity;
  for (const lane of lanes) {
    const timestamp = lane.page?.records[lane.index]?.timestamp;
    if (timestamp === undefined || found && timestamp >= oldest) continue;
    found = lane;
    oldest = timestamp;
  }
  return found;
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return withDeadline(
    work,
    readMs,
    () => new KafkaError("UNREACHABLE", `Kafka did not answer in ${readMs} ms`),
  );
}
