/** One step of a viewer that is behind: a page of each partition it lacks, in the order of the records' times.
 *
 * Nothing is kept between two steps but the viewer's positions. Left out: when to step (topic_hub.ts).
 * @module */
import { KafkaError } from "./connection.ts";
import { formatCursor, type Positions } from "./cursor.ts";
import { type History, OutsideLog, type Page, Unreadable } from "./history.ts";
import { chunkOf, type Gap, isFull } from "./ring.ts";
import type { Viewer } from "./viewer.ts";

/** What a step came to; `stuck`: nothing could be read now. */
export interface StepOutcome {
  readonly records: number;
  readonly gaps: readonly Gap[];
  readonly stuck: boolean;
}

interface Place {
  readonly partition: number;
  readonly page: Page;
  /** Index of the next record of the page. */
  index: number;
}

/** The log that a viewer catches up with; records in memory begin at `basePositions`. */
export interface PastLog {
  readonly topic: string;
  readonly cluster: string;
  readonly basePositions: Positions;
  /** False once the log has become another one, where nothing read of this one may go any more. */
  isCurrent(): boolean;
}

/** Writes the next records to a viewer that is behind `basePositions`, as far as its connection takes them. */
export async function catchUpStep(
  viewer: Viewer,
  log: PastLog,
  history: History,
): Promise<StepOutcome> {
  const lacking = log.basePositions.flatMap((base, partition) =>
    (viewer.positions[partition] ?? 0) < base ? [partition] : []
  );
  const before = lacking.map((partition) => viewer.positions[partition] ?? 0);
  const found = await Promise.all(
    lacking.map((partition, i) => look(history, log.topic, partition, before[i]!)),
  );
  if (!log.isCurrent()) return { records: 0, gaps: [], stuck: false };
  const gaps = found.filter((each) => each instanceof Hole).map((hole) => skip(viewer, hole, log.cluster));
  const places = found.filter((each): each is Place => each !== null && !(each instanceof Hole));
  const records = writeRecords(viewer, places, log);
  const moved = lacking.some((partition, i) => (viewer.positions[partition] ?? 0) > before[i]!);
  return { records, gaps, stuck: !moved };
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

/** What a partition has at `offset`: records, a hole, or null when Kafka cannot tell now. */
async function look(
  history: History,
  topic: string,
  partition: number,
  offset: number,
): Promise<Place | Hole | null> {
  try {
    const page = await history.read(topic, partition, offset);
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

function skip(viewer: Viewer, { partition, from, to, reason }: Hole, cluster: string): Gap {
  viewer.positions[partition] = to;
  const gap = { partition, from, to, skipped: to - from, reason };
  viewer.tell("gap", gap, formatCursor(cluster, viewer.positions));
  return gap;
}

/** Merges the pages by time, each in its own order, into writes; stops when the connection takes no more. */
function writeRecords(viewer: Viewer, places: Place[], log: { cluster: string }): number {
  const { sink, feed, pick } = viewer.options;
  let written = 0;
  while (places.length > 0 && sink.ready() && !viewer.isClosed) {
    const texts: string[] = [];
    let length = 0;
    while (!isFull(sink.wire, texts.length, length)) {
      const place = earliest(viewer, places);
      if (!place) break;
      const shared = place.page.shared[place.index++]!;
      viewer.positions[place.partition] = shared.record.offset + 1;
      const shown = shared.picked(feed, pick);
      if (!shown) continue;
      const text = sink.wire.event(feed.name, shown.json, formatCursor(log.cluster, viewer.positions));
      if (text === null) continue;
      texts.push(text);
      length += text.length;
    }
    written += texts.length;
    if (texts.length > 0) sink.write(chunkOf(texts.join(sink.wire.separator ?? "")));
  }
  return written;
}

/** The place whose next record is the oldest; pages that are used up leave `places`, and their end becomes the position. */
function earliest(viewer: Viewer, places: Place[]): Place | undefined {
  let found: Place | undefined;
  for (let i = places.length - 1; i >= 0; i--) {
    const place = places[i]!;
    const record = place.page.records[place.index];
    if (!record) {
      viewer.positions[place.partition] = Math.max(viewer.positions[place.partition] ?? 0, place.page.next);
      places.splice(i, 1);
    } else if (!found || record.timestamp <= found.page.records[found.index]!.timestamp) found = place;
  }
  return found;
}
