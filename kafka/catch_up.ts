/** One step of a viewer that is behind: a page of each partition it lacks, in the order of the records' times.
 *
 * Nothing is kept between two steps but the viewer's positions. Left out: when to step (topic_hub.ts).
 * @module */
import { KafkaError } from "./connection.ts";
import { formatCursor, type Positions } from "./cursor.ts";
import { SharedRecord } from "./feed.ts";
import { type History, OutsideLog, type Page } from "./history.ts";
import { chunkOf, isFull } from "./ring.ts";
import type { Viewer } from "./viewer.ts";

/** Lets a few at a time through, in order. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Runs `work` when it is its turn. */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((go) => this.#waiting.push(go));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/** What a step came to; `stuck`: nothing could be read now. */
export interface StepOutcome {
  readonly records: number;
  readonly skipped: number;
  readonly stuck: boolean;
}

interface Place {
  readonly partition: number;
  readonly page: Page;
  /** Index of the next record of the page. */
  index: number;
}

/** Writes the next records to a viewer that is behind `basePositions`, as far as its connection takes them. */
export async function catchUpStep(
  viewer: Viewer,
  log: { readonly topic: string; readonly cluster: string; readonly basePositions: Positions },
  history: History,
): Promise<StepOutcome> {
  const lacking = log.basePositions.flatMap((base, partition) =>
    (viewer.positions[partition] ?? 0) < base ? [partition] : []
  );
  let skipped = 0;
  const places: Place[] = [];
  await Promise.all(lacking.map(async (partition) => {
    const offset = viewer.positions[partition] ?? 0;
    try {
      const page = await history.read(log.topic, partition, offset);
      const index = page.records.findIndex((record) => record.offset >= offset);
      places.push({ partition, page, index: index < 0 ? page.records.length : index });
    } catch (error) {
      if (error instanceof OutsideLog && offset < error.first) {
        skipped += skipTo(viewer, { partition, from: offset, to: error.first, cluster: log.cluster });
      } else if (!(error instanceof KafkaError || error instanceof OutsideLog)) throw error;
    }
  }));
  const before = lacking.map((partition) => viewer.positions[partition] ?? 0);
  const records = writeRecords(viewer, places, log);
  const moved = lacking.some((partition, i) => (viewer.positions[partition] ?? 0) > before[i]!);
  return { records, skipped, stuck: !moved && skipped === 0 };
}

function skipTo(
  viewer: Viewer,
  hole: { partition: number; from: number; to: number; cluster: string },
): number {
  const { partition, from, to, cluster } = hole;
  viewer.positions[partition] = to;
  const gap = { partition, from, to, skipped: to - from, reason: "retention" };
  viewer.tell("gap", gap, formatCursor(cluster, viewer.positions));
  return to - from;
}

/** Merges the pages by time, each in its own order, into writes; stops when the connection takes no more. */
function writeRecords(viewer: Viewer, places: Place[], log: { topic: string; cluster: string }): number {
  const { sink, feed, pick } = viewer.options;
  let written = 0;
  while (places.length > 0 && sink.ready() && !viewer.isClosed) {
    const texts: string[] = [];
    let length = 0;
    while (!isFull(sink.wire, texts.length, length)) {
      const place = earliest(viewer, places);
      if (!place) break;
      const record = place.page.records[place.index++]!;
      viewer.positions[place.partition] = record.offset + 1;
      const shown = new SharedRecord(log.topic, record, null).shown(feed);
      if (!shown || pick && !pick(shown.data, record)) continue;
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
