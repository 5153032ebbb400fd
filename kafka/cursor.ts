/** Cursors: a viewer's place in a topic, as the text that goes out as SSE `id` and comes back as `Last-Event-ID`.
 *
 * `v1.<cluster>.<partition>:<offset>,…`: 8 hex digits of a hash of the cluster's id, then for every partition the last offset
 * that was delivered or passed over, −1 for none; `.end` behind it says that a bounded read was through there. Inside the program
 * the same place is `Positions`: the next offset of each partition. Left out: ids that cover several topics.
 * @module */

/** The next offset to read, by partition. */
export type Positions = readonly number[];

/** In the place of a next offset: the partition's leader has not said yet where it is. In an id it is −1, nothing delivered. */
export const unknownOffset = -1;

/** Where a viewer asks to begin; times in ms since the epoch. */
export type StartAt =
  | { readonly kind: "latest" }
  | { readonly kind: "earliest" }
  | { readonly kind: "time"; readonly ms: number }
  | {
    readonly kind: "id";
    readonly text: string;
    readonly cluster: string;
    readonly positions: Positions;
    /** It is the id of an `end`: who comes back with it as `Last-Event-ID` has had everything. */
    readonly ended?: true;
  };

/** Longest cursor that is looked at; above 1,000 partitions with long offsets. */
const maxCursorLength = 24 * 1024;
const maxPartitions = 10_000;

/** 8 hex digits that stand for a cluster in ids (FNV-1a, 32 bits). */
export function clusterHash(clusterId: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(clusterId)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** One partition's part of an id; `next` is the next offset to read. */
export function cursorPart(partition: number, next: number): string {
  return `${partition}:${Math.max(next, 0) - 1}`;
}

/** An id of its parts, one for each partition, ascending. */
export function joinCursor(cluster: string, parts: readonly string[]): string {
  return `v1.${cluster}.${parts.join(",")}`;
}

/** The id of a place. With no partition known yet it says that nothing of partition 0 was delivered. */
export function formatCursor(cluster: string, positions: Positions): string {
  const known = positions.length === 0 ? [0] : positions;
  // A viewer that began before its topic has no place yet in some partitions.
  return joinCursor(cluster, Array.from(known, (next, partition) => cursorPart(partition, next ?? 0)));
}

/** The id of an `end` at a place. */
export function endCursor(id: string): string {
  return `${id}.end`;
}

/** Reads `latest`, `earliest`, `t.<ms>` or an id.
 * @throws {SyntaxError} that says what was found and what is wanted */
export function parseCursor(text: string): StartAt {
  if (text === "latest" || text === "earliest") return { kind: text };
  if (text.length > maxCursorLength) {
    throw new SyntaxError(
      `Cannot read cursor: it has ${text.length} characters, at most ${maxCursorLength} are read`,
    );
  }
  const time = /^t\.(\d{1,15})$/.exec(text);
  if (time) return { kind: "time", ms: Number(time[1]) };
  const id = /^v1\.([0-9a-f]{8})\.((?:\d+:(?:-1|\d+))(?:,\d+:(?:-1|\d+))*)(\.end)?$/.exec(text);
  if (!id) {
    const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
    throw new SyntaxError(
      `Cannot read cursor ${JSON.stringify(shown)}: latest, earliest, t.<ms> or an id is wanted`,
    );
  }
  const place = { kind: "id", text, cluster: id[1]!, positions: readPositions(id[2]!) } as const;
  return id[3] ? { ...place, ended: true } : place;
}

/** Partitions have to ascend; one that is missing below a named one has had nothing delivered. */
function readPositions(list: string): Positions {
  const positions: number[] = [];
  for (const part of list.split(",")) {
    const [partition, offset] = part.split(":").map(Number) as [number, number];
    if (partition < positions.length || partition >= maxPartitions || !Number.isSafeInteger(offset + 1)) {
      throw new SyntaxError(`Cannot read cursor: ${part} is out of order or out of range`);
    }
    while (positions.length < partition) positions.push(0);
    positions.push(offset + 1);
  }
  return positions;
}

/** Whether every partition of `a` is at or after the same one of `b`; those of which either does not know where it is are at 0. */
export function reaches(a: Positions, b: Positions): boolean {
  return b.every((next, partition) => next <= Math.max(0, a[partition] ?? 0));
}
