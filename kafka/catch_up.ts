/** One step of a viewer that is behind: a page of each partition it lacks, in the order of the records' times.
 *
 * Nothing is kept between two steps but the viewer's positions and which partitions do not answer. Left out: when to step, and
 * how far (behind.ts).
 * @module */
import { KafkaError } from "./connection.ts";
import { formatCursor, unknownOffset } from "./cursor.ts";
import { eventOf, type SharedRecord, type Written } from "./feed.ts";
import type { KafkaRecord } from "./fetch_response.ts";
import { type History, OutsideLog, type Page, Unreadable } from "./history.ts";
import { type Gap, isFull, writeAll } from "./ring.ts";
import type { Clock } from "./timeline.ts";
import type { Viewer } from "./viewer.ts";

/** What a step came to; `stuck`: nothing could be read now. */
export interface StepOutcome {
  readonly records: number;
  readonly gaps: readonly Gap[];
  readonly stuck: boolean;
  /** When the next record is due, on the wall clock, if it is not now. */
  readonly dueAt?: number;
}

interface Place {
  readonly partition: number;
  readonly page: Page;
  /** Index of the next record of the page. */
  index: number;
}

/** What a viewer that is behind is to be given. */
export interface PastLog {
  readonly topic: string;
  readonly cluster: string;
  readonly clock: Clock;
  /** How far each partition is wanted; a page may go on behind that. */
  readonly goal: readonly number[];
  /** Offset from which on nothing of a partition may be shown. */
  end?(partition: number): number;
  /** A record that may not be shown, nor any behind it in its partition. */
  excludes?(record: KafkaRecord): boolean;
  /** Whether a record is passed over, and counted. */
  passesOver?(record: KafkaRecord): boolean;
  /** Until when a partition is left alone, on the clock of `performance.now()`: its read still runs, or failed just now. Kept between
   * steps. */
  readonly slow: Map<number, number>;
  /** False once the viewer is elsewhere or the log has become another one: nothing read of this one may go any more. */
  isCurrent(): boolean;
}

/** How long the others wait for a partition, ms; and how long one is left alone that cannot be read. */
const patienceMs = 250, failedMs = 200;

/** Writes the next records to a viewer that is behind its goal, as far as its connection takes them. */
export async function catchUpStep(
  viewer: Viewer,
  log: PastLog,
  history: History,
): Promise<StepOutcome> {
  const began = performance.now();
  const lacking = lackingPartitions(viewer, log.goal).filter((partition) =>
    (log.slow.get(partition) ?? 0) <= began
  );
  const before = lacking.map((partition) => viewer.positions[partition] ?? 0);
  const found = await lookAtAll(lacking.map((partition, i) => [partition, before[i]!]), log, history);
  if (!log.isCurrent()) return { records: 0, gaps: [], stuck: false };
  const gaps: Gap[] = [];
  for (const hole of found) if (hole instanceof Hole) gaps.push(...skip(viewer, hole, log));
  const places = found.filter((each): each is Place => each !== null && !(each instanceof Hole));
  const written = new Writes(viewer, log).run(places);
  const moved = lacking.some((partition, i) => (viewer.positions[partition] ?? 0) > before[i]!);
  return {
    records: written.records,
    gaps: [...gaps, ...written.gaps],
    stuck: !moved && written.dueAt === undefined,
    ...(written.dueAt !== undefined && { dueAt: written.dueAt }),
  };
}

/** Partitions in which a viewer has not come to `goal`; one whose start is not known yet lacks nothing so far. */
export function lackingPartitions(viewer: Viewer, goal: readonly number[]): number[] {
  return goal.flatMap((wanted, partition) => {
    const next = viewer.positions[partition] ?? 0;
    return next !== unknownOffset && next < wanted ? [partition] : [];
  });
}

/** Offsets `from` … `to` − 1 of a partition, which the log no longer has or nobody can read. */
class Hole {
  constructor(
    readonly partition: number,
    readonly from: number,
    readonly to: number,
    readonly reason: Gap["reason"],
  ) {}
}

/** What there is at the places; null for a partition that does not say soon enough: its read goes on, and is found later. */
async function lookAtAll(
  places: readonly (readonly [number, number])[],
  { topic, slow }: PastLog,
  history: History,
): Promise<(Place | Hole | null)[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), patienceMs);
  });
  try {
    return await Promise.all(places.map(async ([partition, offset]) => {
      slow.set(partition, Infinity);
      const looked = look(history, topic, partition, offset).then((found) => {
        if (found) slow.delete(partition);
        else slow.set(partition, performance.now() + failedMs);
        return found;
      });
      return await Promise.race([looked, late]);
    }));
  } finally {
    clearTimeout(timer);
  }
}

/** What a partition has at `offset`: records, a hole, or null when Kafka cannot tell now. */
async function look(
  history: History,
  topic: string,
  partition: number,
  offset: number,
): Promise<Place | Hole | null> {
  try {
    const page = await history.read(topic, partition, offset, { impatient: true });
    const index = page.records.findIndex((record) => record.offset >= offset);
    return { partition, page, index: index < 0 ? page.records.length : index };
  } catch (error) {
    if (error instanceof OutsideLog) {
      return offset < error.first ? new Hole(partition, offset, error.first, "retention") : null;
    }
    if (error instanceof Unreadable) return new Hole(partition, offset, error.next, "unreadable");
    if (error instanceof KafkaError) return null;
    throw error;
  }
}

function skip(viewer: Viewer, { partition, from, to: holeEnd, reason }: Hole, log: PastLog): Gap[] {
  const to = Math.min(holeEnd, log.end?.(partition) ?? Infinity);
  if (to <= from) return [];
  viewer.positions[partition] = to;
  const gap = { partition, from, to, skipped: to - from, reason };
  viewer.tell("gap", gap, formatCursor(log.cluster, viewer.positions));
  return [gap];
}

/** What one write passes over in a partition. */
interface LeftOut {
  readonly from: number;
  to: number;
  count: number;
}

/** Merges pages by time, each in its own order, into writes; stops when the connection takes no more, when the next record is not due, or
 * where a page ends before the goal: what comes behind it may be older than what the other pages have next. */
class Writes {
  readonly #viewer: Viewer;
  readonly #log: PastLog;
  readonly #events: Written[] = [];
  #length = 0;
  readonly #leftOut = new Map<number, LeftOut>();
  records = 0;
  readonly gaps: Gap[] = [];
  dueAt: number | undefined;
  #needsPage = false;

  constructor(viewer: Viewer, log: PastLog) {
    this.#viewer = viewer;
    this.#log = log;
  }

  run(places: Place[]): this {
    const viewer = this.#viewer, { sink } = viewer.options;
    while (places.length > 0 && this.dueAt === undefined && sink.ready() && !viewer.isClosed) {
      const before = this.#log.passesOver ? formatCursor(this.#log.cluster, viewer.positions) : "";
      while (!isFull(sink.wire, this.#events.length, this.#length) && this.dueAt === undefined) {
        const place = this.#earliest(places);
        if (!place || this.#needsPage) break;
        this.#take(place);
      }
      this.#flush(before);
      if (this.#needsPage) break;
    }
    return this;
  }

  /** Shows the next record of a place, passes it over, or finds that it is not due. */
  #take(place: Place): void {
    const viewer = this.#viewer, { sink: { wire }, feed, pick } = viewer.options;
    const shared = place.page.shared[place.index]!;
    const { record } = shared;
    const shown = shared.picked(feed, pick);
    const isLeftOut = shown !== null && this.#log.passesOver?.(record) === true;
    if (shown && !isLeftOut && viewer.timeline && !this.#isDue(shared)) return;
    if (this.#log.passesOver) this.#count(place.partition, record.offset + 1, isLeftOut);
    place.index++;
    viewer.positions[place.partition] = record.offset + 1;
    if (!shown || isLeftOut) return;
    const id = formatCursor(this.#log.cluster, viewer.positions);
    const event = eventOf(record, shown, { feed, wire, id });
    if (event === null) return;
    this.#events.push(event);
    this.#length += event.length;
  }

  #isDue({ record }: SharedRecord): boolean {
    const timeline = this.#viewer.timeline!;
    const due = timeline.due(record);
    if (due > this.#log.clock.now()) {
      this.dueAt = due;
      return false;
    }
    timeline.show(record);
    return true;
  }

  #count(partition: number, to: number, isLeftOut: boolean): void {
    let leftOut = this.#leftOut.get(partition);
    if (!leftOut) {
      leftOut = { from: this.#viewer.positions[partition] ?? 0, to, count: 0 };
      this.#leftOut.set(partition, leftOut);
    }
    leftOut.to = to;
    if (isLeftOut) leftOut.count++;
  }

  /** What was passed over is told before the records behind it, under the place before both: a cut between them loses nothing. Without
   * a record the last gap has the place after all. */
  #flush(before: string): void {
    const { options: { sink }, positions } = this.#viewer;
    const hasRecords = this.#events.length > 0;
    const gaps: Gap[] = [];
    for (const [partition, { from, to, count }] of this.#leftOut) {
      if (count > 0) gaps.push({ partition, from, to, skipped: count, reason: "policy" });
    }
    this.#leftOut.clear();
    const idOf = (gap: Gap) =>
      hasRecords || gap !== gaps.at(-1) ? before : formatCursor(this.#log.cluster, positions);
    const told = gaps.map((gap) => sink.wire.event("gap", JSON.stringify(gap), idOf(gap)));
    this.gaps.push(...gaps);
    this.records += this.#events.length;
    writeAll(sink, [...told.filter((text) => text !== null), ...this.#events]);
    this.#events.length = this.#length = 0;
  }

  /** The place whose next record is the oldest; pages that are used up leave `places`, and their end becomes the position. */
  #earliest(places: Place[]): Place | undefined {
    const { positions } = this.#viewer;
    let found: Place | undefined;
    for (let i = places.length - 1; i >= 0; i--) {
      const place = places[i]!;
      const record = place.page.records[place.index];
      if (!record || this.#log.excludes?.(record)) {
        const end = this.#log.end?.(place.partition) ?? Infinity;
        const from = positions[place.partition] ?? 0, next = Math.min(record?.offset ?? place.page.next, end);
        positions[place.partition] = Math.max(from, next);
        places.splice(i, 1);
        const hasMoved = place.index > 0 || next > from;
        if (!record && hasMoved && next < this.#log.goal[place.partition]!) this.#needsPage = true;
      } else if (!found || record.timestamp <= found.page.records[found.index]!.timestamp) found = place;
    }
    return found;
  }
}
