/** The policy `latest`: who is behind is shown the newest record of each partition, and told what it was passed over with.
 *
 * Left out: when that is so (live.ts, behind.ts); `latest-per-key`, which is a filter on the way through the past (catch_up.ts).
 * @module */
import { KafkaError } from "./connection.ts";
import { formatCursor, unknownOffset } from "./cursor.ts";
import { eventOf, type SharedRecord, type Written } from "./feed.ts";
import { type History, OutsideLog, type Page, Unreadable } from "./history.ts";
import { type Gap, isHad, type Ring, writeAll } from "./ring.ts";
import type { Viewer } from "./viewer.ts";

/** How far from a partition's end its newest shown record is looked for, in offsets: a filter may leave out many. */
const tails = [1, 64];

/** What a viewer is brought to in one partition: the newest record that it is shown, what it has to be told besides, and its place
 * then. */
interface Passage {
  readonly partition: number;
  readonly to: number;
  newest?: SharedRecord | undefined;
  /** Told behind the newest record: holes that the policy has not made. */
  readonly holes: Gap[];
  /** Whether everything before the newest record may have been for this viewer. */
  isPassedOver: boolean;
}

/** What Kafka's past holds for a viewer before an offset of a partition; from there on it was not looked at. */
export interface Newest {
  readonly before: number;
  readonly shared: SharedRecord | undefined;
}

/** What was written. */
export interface Passed {
  readonly records: number;
  readonly gaps: readonly Gap[];
}

/** Brings a viewer to the head of the ring.
 * @param past the newest shown record of partitions in which the viewer is before the ring, if there is one */
export function passToHead(
  viewer: Viewer,
  ring: Ring,
  past: ReadonlyMap<number, Newest> = new Map(),
): Passed {
  const { feed, pick } = viewer.options;
  const passages: Passage[] = ring.positions.map((to, partition) => ({
    partition,
    to: Math.max(to, viewer.positions[partition] ?? 0),
    holes: [],
    isPassedOver: (viewer.positions[partition] ?? 0) < (ring.basePositions[partition] ?? 0) &&
      (viewer.positions[partition] ?? 0) !== unknownOffset,
  }));
  for (let at = ring.head - 1; at >= ring.base; at--) {
    const entry = ring.at(at), { partition, shared, gap } = entry;
    const passage = passages[partition]!;
    if (passage.newest || isHad(entry, viewer.positions[partition] ?? 0)) continue;
    if (gap) passage.holes.unshift(gap);
    else if (shared!.picked(feed, pick)) passage.newest = shared!;
  }
  for (const [partition, { before, shared }] of past) {
    const passage = passages[partition], to = ring.basePositions[partition] ?? 0;
    if (!shared || !passage || passage.newest) continue;
    passage.newest = shared;
    // The ring has moved on since.
    if (before < to) {
      passage.holes.unshift({ partition, from: before, to, skipped: to - before, reason: "policy" });
    }
  }
  const passed = write(viewer, passages);
  viewer.lastId = formatCursor(viewer.cluster!, viewer.positions);
  viewer.place = ring.head;
  const isAhead = viewer.positions.some((next, partition) =>
    next > Math.max(0, ring.positions[partition] ?? 0)
  );
  viewer.mergeUntil = isAhead ? Infinity : ring.head;
  return passed;
}

/** Brings a viewer to the given places, in the partitions whose past is known. */
export function passTo(
  viewer: Viewer,
  goal: readonly number[],
  past: ReadonlyMap<number, Newest>,
): Passed {
  return write(
    viewer,
    goal.flatMap((to, partition) => {
      const from = viewer.positions[partition] ?? 0;
      if (from === unknownOffset || from >= to) return [];
      const found = past.get(partition);
      if (!found) return [];
      const { shared, before } = found;
      const holes = shared ? [unseen(partition, before, to)] : [];
      return [{ partition, to, newest: shared, holes, isPassedOver: true }];
    }),
  );
}

/** What was not looked at, as the ring has moved on since, or the past cannot be read. */
function unseen(partition: number, from: number, to: number): Gap {
  return { partition, from, to, skipped: to - from, reason: "policy" };
}

function write(viewer: Viewer, passages: Passage[]): Passed {
  const { options: { sink, feed, pick }, positions } = viewer;
  const events: (Written | null)[] = [];
  const gaps: Gap[] = [];
  const idAt = (partition: number, next: number) => {
    positions[partition] = next;
    return formatCursor(viewer.cluster!, positions);
  };
  const tell = (gap: Gap) => {
    if (gap.to <= gap.from) return;
    gaps.push(gap);
    events.push(sink.wire.event("gap", JSON.stringify(gap), idAt(gap.partition, gap.to)));
  };
  const passOver = (partition: number, to: number) => {
    const from = Math.max(0, positions[partition] ?? 0);
    tell({ partition, from, to, skipped: to - from, reason: "policy" });
  };
  let records = 0;
  const timeOf = ({ newest }: Passage) => newest?.record.timestamp ?? -1;
  for (
    const { partition, to, newest, holes, isPassedOver } of passages.toSorted((a, b) => timeOf(a) - timeOf(b))
  ) {
    // Before its start is known nothing of a partition is passed over.
    const begins = positions[partition] === unknownOffset;
    if (newest) {
      if (!begins) passOver(partition, newest.record.offset);
      const shown = newest.picked(feed, pick)!;
      const id = idAt(partition, newest.record.offset + 1);
      events.push(eventOf(newest.record, shown, { feed, wire: sink.wire, id }));
      records++;
    } else if (isPassedOver) passOver(partition, holes[0]?.from ?? to);
    for (const hole of holes) {
      const from = Math.max(hole.from, positions[partition] ?? 0);
      tell({ ...hole, from, skipped: hole.to - from });
    }
    if (to > (positions[partition] ?? 0)) positions[partition] = to;
  }
  writeAll(sink, events.filter((event) => event !== null));
  return { records, gaps };
}

/** The newest record in Kafka's past that a viewer is shown, for each partition in which it is before `goal`; those that cannot
 * be read now are left out. */
export async function newestInPast(
  viewer: Viewer,
  topic: string,
  goal: readonly number[],
  history: History,
): Promise<Map<number, Newest>> {
  const found = new Map<number, Newest>();
  await Promise.all(goal.map(async (end, partition) => {
    const from = viewer.positions[partition] ?? 0;
    if (from === unknownOffset || from >= end) return;
    const newest = await newestBefore(viewer, { topic, partition, from, end }, history);
    if (newest) found.set(partition, newest);
  }));
  return found;
}

async function newestBefore(
  viewer: Viewer,
  { topic, partition, from, end }: { topic: string; partition: number; from: number; end: number },
  history: History,
): Promise<Newest | undefined> {
  const { feed, pick } = viewer.options;
  let at = from;
  try {
    for (const tail of tails) {
      let shared: SharedRecord | undefined;
      for (at = Math.max(from, end - tail); at < end;) {
        const page = await pageAt(history, topic, partition, at);
        if (typeof page === "number" ? page <= at : page.next <= at) break; // the log ends here
        if (typeof page !== "number") {
          shared = page.shared.findLast((one) =>
            one.record.offset >= at && one.record.offset < end && one.picked(feed, pick)
          ) ?? shared;
        }
        at = typeof page === "number" ? page : page.next;
      }
      if (shared) return { before: Math.min(at, end), shared };
    }
    return { before: Math.min(at, end), shared: undefined };
  } catch (error) {
    if (error instanceof KafkaError) return undefined;
    throw error;
  }
}

/** A page, or where the log goes on when it has none there. */
async function pageAt(
  history: History,
  topic: string,
  partition: number,
  offset: number,
): Promise<Page | number> {
  try {
    return await history.read(topic, partition, offset, { impatient: true });
  } catch (error) {
    if (error instanceof OutsideLog) return error.first;
    if (error instanceof Unreadable) return error.next;
    throw error;
  }
}
