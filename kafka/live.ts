/** A live viewer: whatever waits for it in the ring leaves in one write, as long as its connection takes it.
 *
 * Viewers at the same place get the same bytes. Left out: viewers that are behind the ring (behind.ts).
 * @module */
import type { Metrics } from "../metrics.ts";
import { formatCursor } from "./cursor.ts";
import { eventOf, type Written } from "./feed.ts";
import { passToHead } from "./passing.ts";
import { type Entry, isFull, isHad, type Ring, writeAll } from "./ring.ts";
import type { Viewer } from "./viewer.ts";

/** Writes to a live viewer; one that can no longer be fed from the ring is handed to `leave`, its positions up to date.
 * @returns what was written on a wire of bytes: texts are small, and to cut their rounds into turns would only make more writes */
export function pump(viewer: Viewer, ring: Ring, metrics: Metrics, leave: (viewer: Viewer) => void): number {
  let bytes = 0;
  const { sink, feed, pick } = viewer.options;
  const { policy } = viewer.asked;
  while (viewer.phase === "live" && viewer.place < ring.head && sink.ready()) {
    if (viewer.place < ring.base) {
      viewer.syncPositions();
      leave(viewer);
      return bytes;
    }
    if (viewer.place < viewer.mergeUntil) {
      merge(viewer, ring, metrics);
      continue;
    }
    const chunk = ring.chunk(feed, sink.wire, viewer.place, pick);
    if (policy !== undefined && chunk.to < ring.head && isLagging(viewer)) {
      viewer.syncPositions();
      if (policy === "latest-per-key") {
        leave(viewer);
        return bytes;
      }
      pass(viewer, ring, metrics);
      continue;
    }
    if (chunk.id === undefined) countAlong(viewer, ring, chunk.to);
    else viewer.lastId = chunk.id;
    viewer.place = chunk.to;
    if (chunk.text === "" && !chunk.binary) continue;
    sink.write(chunk);
    bytes += chunk.binary?.length ?? 0;
    if (chunk.records > 0) metrics.deliveries(sink.transport, chunk.records);
  }
  viewer.hasWaited = viewer.place < ring.head;
  return bytes;
}

/** Whether a viewer for which more waits than one write takes is to be passed over with it. On a wire of single events it has to have
 * refused some, too. */
function isLagging({ asked: { policy }, options: { sink }, hasWaited }: Viewer): boolean {
  return policy !== "lossless" && (hasWaited || sink.wire.separator !== null);
}

function pass(viewer: Viewer, ring: Ring, metrics: Metrics): void {
  const { records, gaps } = passToHead(viewer, ring);
  if (records > 0) metrics.deliveries(viewer.options.sink.transport, records);
  for (const { reason, skipped } of gaps) metrics.gaps(reason, skipped);
}

/** Entries that come twice are left out, and ids are the viewer's own, until it is where all others are. */
function merge(viewer: Viewer, ring: Ring, metrics: Metrics): void {
  const events: Written[] = [];
  let length = 0, records = 0;
  const { sink } = viewer.options;
  const end = Math.min(viewer.mergeUntil, ring.head);
  viewer.syncPositions();
  const { place } = viewer, before = viewer.asked.policy === "latest" ? [...viewer.positions] : undefined;
  while (viewer.place < end && !isFull(sink.wire, events.length, length)) {
    const entry = ring.at(viewer.place++);
    const from = viewer.positions[entry.partition] ?? 0;
    viewer.positions[entry.partition] = Math.max(from, entry.after);
    if (isHad(entry, from)) continue;
    const event = ownEvent(viewer, entry, from);
    if (event === null) continue;
    events.push(event);
    length += event.length;
    if (entry.shared) records++;
  }
  if (before && viewer.place < end && isLagging(viewer)) {
    viewer.setPositions(before);
    viewer.place = place;
    return pass(viewer, ring, metrics);
  }
  if (viewer.mergeUntil === Infinity) Object.assign(viewer, ring.entrance(viewer.positions));
  writeAll(sink, events);
  if (records > 0) metrics.deliveries(sink.transport, records);
}

/** An entry under the id of the viewer's own place; of a gap only what the viewer has not had. */
function ownEvent(viewer: Viewer, { gap, shared }: Entry, position: number): Written | null {
  const { sink: { wire }, feed, pick } = viewer.options;
  const id = formatCursor(viewer.cluster!, viewer.positions);
  if (gap) {
    const from = Math.max(gap.from, position);
    return wire.event("gap", JSON.stringify({ ...gap, from, skipped: gap.to - from }), id);
  }
  const shown = shared!.picked(feed, pick);
  return shown && eventOf(shared!.record, shown, { feed, wire, id });
}

/** For a wire that writes entries without an id one by one: the place is counted instead. */
function countAlong(viewer: Viewer, ring: Ring, to: number): void {
  viewer.syncPositions();
  for (let place = viewer.place; place < to; place++) {
    const { partition, after } = ring.at(place);
    viewer.positions[partition] = after;
  }
}
