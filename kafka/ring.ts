/** The newest records of a topic in memory, bounded in bytes, in the order in which they were read.
 *
 * A place in the ring is a sequence number of its own; `base` is the oldest that is kept, `head` the next to come. Since all
 * viewers pass the entries in this one order, the id after an entry is the same for all of them. A viewer that needs an entry
 * which is gone reads Kafka instead. Left out: whoever reads and writes it (hub.ts).
 * @module */
import { type Feed, type Picker, SharedRecord, type Wire, type Written } from "./feed.ts";
import { cursorPart, joinCursor, type Positions, reaches, unknownOffset } from "./cursor.ts";
import type { FetchedPartition } from "./fetch_response.ts";
import type { Sink } from "./viewer.ts";

/** Records that nobody gets (retention removed them before they were read, or their batch cannot be read): viewers are told in
 * their place. */
export interface Gap {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly skipped: number;
  readonly reason: "retention" | "policy" | "unreadable";
}

/** One step of the ring: a record or a gap; `after` is the next offset of its partition, `id` the place after it. */
export interface Entry {
  readonly partition: number;
  readonly offset: number;
  readonly after: number;
  readonly id: string | null;
  readonly bytes: number;
  readonly shared: SharedRecord | null;
  readonly gap: Gap | null;
}

/** Whether a viewer at `position` of its partition has had an entry. The newest record of a fetch reaches over what holds no record, such
 * as the end of its transaction; whoever has had it may be at a place between. */
export function isHad({ gap, offset, after }: Entry, position: number): boolean {
  return gap ? after <= position : offset < position;
}

/** Events that leave in one write. */
export interface Chunk {
  /** Empty when nothing is to be written, or bytes are. */
  readonly text: string;
  /** One event of a wire of bytes. */
  readonly binary?: Uint8Array;
  /** That, or UTF-8 of the text, made once. */
  bytes(): Uint8Array;
  /** The place in the ring after the last entry that was looked at. */
  readonly to: number;
  /** The id after that entry; undefined when it has none. */
  readonly id: string | undefined;
  readonly records: number;
}

/** Characters that one write holds, about; a record that is larger leaves alone. */
export const chunkCharacters = 16 * 1024;
/** Above so many partitions an id is long: only some entries carry one. */
const maxPartitionsForEveryId = 16;
const entriesBetweenIds = 64;
/** What an entry costs, about: its objects, and for each byte of its record that byte, its data and its texts; large values are
 * pictures and the like, which few wires write, as they are. */
const entryOverheadBytes = 1500, bytesPerRecordByte = 6, bytesPerLargeByte = 3, largeBytes = 4_096;
const encoder = new TextEncoder();

/** Whether a write that holds `texts` takes no more. */
export function isFull(wire: Wire, texts: number, characters: number): boolean {
  return characters >= chunkCharacters || wire.separator === null && texts > 0;
}

/** Makes a chunk of what leaves together. */
export function chunkOf(written: Written, to = 0, id?: string, records = 0): Chunk {
  if (typeof written !== "string") {
    return { text: "", binary: written, to, id, records, bytes: () => written };
  }
  let bytes: Uint8Array | undefined;
  return { text: written, to, id, records, bytes: () => bytes ??= encoder.encode(written) };
}

/** Writes events in as few writes as the wire allows, whether the sink is ready or not. */
export function writeAll(sink: Sink, events: readonly Written[]): void {
  const { separator } = sink.wire;
  if (events.length === 0) return;
  for (const written of separator === null ? events : [events.join(separator)]) sink.write(chunkOf(written));
}

/** The newest entries of one topic. */
export class Ring {
  readonly #topic: string;
  readonly #cluster: string;
  readonly #maxBytes: number;
  readonly #onPassedOver: () => void;
  /** Entries from `base` on begin at `#first`; what is before it is gone. */
  #entries: (Entry | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  #positions: number[] = [];
  #basePositions: number[] = [];
  #idParts: string[] = [];
  readonly #chunks = new Map<string, Chunk>();
  base = 0;
  head = 0;

  constructor(
    options: { topic: string; cluster: string; maxBytes: number; onPassedOver: () => void },
  ) {
    this.#topic = options.topic;
    this.#cluster = options.cluster;
    this.#maxBytes = options.maxBytes;
    this.#onPassedOver = options.onPassedOver;
  }

  /** The next offset of each partition after the newest entry. */
  get positions(): Positions {
    return this.#positions;
  }

  /** The next offset of each partition before the oldest entry. */
  get basePositions(): Positions {
    return this.#basePositions;
  }

  /** Begins, or takes in partitions that were added, or whose place was unknown. */
  extend(positions: Positions): void {
    positions.forEach((next, partition) => {
      if ((this.#positions[partition] ?? unknownOffset) !== unknownOffset) return;
      this.#positions[partition] = this.#basePositions[partition] = next;
      this.#idParts[partition] = cursorPart(partition, next);
    });
  }

  /** Adds what was read of one partition; the oldest entries make room. */
  append(fetched: FetchedPartition): void {
    const { partition, records, next } = fetched;
    records.forEach((record, i) => {
      const last = i === records.length - 1;
      const after = last ? next : record.offset + 1;
      const id = this.#idAfter(partition, after, last || i % entriesBetweenIds === entriesBetweenIds - 1);
      const shared = new SharedRecord(this.#topic, record, id, this.#onPassedOver);
      const size = (record.key?.length ?? 0) + (record.value?.length ?? 0);
      const bytes = (size < largeBytes ? bytesPerRecordByte : bytesPerLargeByte) * size + entryOverheadBytes;
      this.#push({ partition, offset: record.offset, after, id, bytes, shared, gap: null });
    });
    if (records.length === 0) this.#idAfter(partition, next, false);
    this.#evict();
  }

  /** Adds a hole in the log. */
  appendGap(gap: Gap): void {
    const { partition, from, to } = gap;
    const id = this.#idAfter(partition, to, true);
    this.#push({ partition, offset: from, after: to, id, bytes: entryOverheadBytes, shared: null, gap });
    this.#evict();
  }

  at(place: number): Entry {
    return this.#entries[this.#first + place - this.base]!;
  }

  /** Where a viewer enters that has everything before `positions`, which reach `basePositions`: the first entry that it needs,
   * and the place from which on it needs every entry. A viewer that has what the ring has not met yet (from Kafka's past, or
   * from another instance) has no such place so far: `mergeUntil` is Infinity. */
  entrance(positions: Positions): { place: number; mergeUntil: number } {
    let place = this.head, mergeUntil = this.base;
    for (let i = this.head - 1; i >= this.base; i--) {
      const entry = this.at(i);
      const position = positions[entry.partition] ?? 0, had = isHad(entry, position);
      if (!had) place = i;
      // Of a gap some may have been had.
      if (mergeUntil === this.base && (had || entry.offset < position)) mergeUntil = i + 1;
    }
    if (!reaches(this.#positions, positions)) return { place, mergeUntil: Infinity };
    return { place, mergeUntil: Math.max(place, mergeUntil) };
  }

  /** The events from `place` on that leave in one write, shared by all viewers there.
   * @param pick which records are shown; without it the chunk is kept for the next viewer */
  chunk<T extends object>(
    feed: Feed<T>,
    wire: Wire,
    place: number,
    pick?: Picker<T>,
  ): Chunk {
    const key = pick ? "" : `${feed.slot}/${wire.slot}/${place}`;
    const known = pick ? undefined : this.#chunks.get(key);
    if (known) return known;
    const events: Written[] = [];
    let length = 0, records = 0, to = place, id: string | undefined;
    while (
      to < this.head && (!isFull(wire, events.length, length) || id === undefined && wire.separator !== null)
    ) {
      const entry = this.at(to++);
      id = entry.id ?? undefined;
      const event = entry.gap
        ? wire.event("gap", JSON.stringify(entry.gap), entry.id)
        : pick && !entry.shared!.picked(feed, pick)
        ? null
        : entry.shared!.event(feed, wire);
      if (event === null) continue;
      events.push(event);
      length += event.length;
      if (entry.shared) records++;
    }
    const written = wire.separator === null ? events[0] ?? "" : events.join(wire.separator);
    const chunk = chunkOf(written, to, id, records);
    if (!pick) this.#chunks.set(key, chunk);
    return chunk;
  }

  #idAfter(partition: number, after: number, wanted: boolean): string | null {
    this.#positions[partition] = after;
    this.#idParts[partition] = cursorPart(partition, after);
    if (this.#positions.length > maxPartitionsForEveryId && !wanted) return null;
    return joinCursor(this.#cluster, this.#idParts);
  }

  #push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    this.head++;
    this.#chunks.clear();
  }

  #evict(): void {
    while (this.#bytes > this.#maxBytes && this.base < this.head) {
      const { partition, after, bytes } = this.at(this.base);
      this.#entries[this.#first++] = undefined;
      this.#bytes -= bytes;
      this.#basePositions[partition] = after;
      this.base++;
    }
    if (this.#first < 1024 || this.#first < this.#entries.length / 2) return;
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}
