/** What a Fetch answer holds: batches with what a consumer looks at, and the records that a read_committed one is shown.
 * Left out: compressed batches. @module */

/** One record. */
export interface FetchedRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** One batch. */
export interface FetchedBatch {
  readonly base: number;
  /** Offset of its last record. */
  readonly last: number;
  /** −1 for none. */
  readonly producerId: number;
  readonly isTransactional: boolean;
  /** Whether it is a marker of the end of a transaction; `commits` says which end. */
  readonly isControl: boolean;
  readonly commits: boolean;
  readonly records: readonly FetchedRecord[];
}

/** A transaction that was given up, as Fetch names it. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

const text = new TextDecoder();
const headerBytes = 61;

/** Reads batches that follow each other; a last one that was cut off, as Apache Kafka sends it, is left out.
 * @throws {RangeError} if they are broken or compressed */
export function readBatches(bytes: Uint8Array): FetchedBatch[] {
  const batches: FetchedBatch[] = [];
  for (let at = 0; at + headerBytes <= bytes.byteLength;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const size = view.getInt32(8) + 12;
    if (at + size > bytes.byteLength) break;
    const attributes = view.getInt16(21);
    if ((attributes & 7) !== 0) throw new RangeError("Cannot read batch as it is compressed");
    const base = Number(view.getBigInt64(0));
    const isControl = (attributes & 0x20) !== 0;
    const body = bytes.subarray(at + headerBytes, at + size);
    batches.push({
      base,
      last: base + view.getInt32(23),
      producerId: Number(view.getBigInt64(43)),
      isTransactional: (attributes & 0x10) !== 0,
      isControl,
      commits: isControl && controlType(body) === 1,
      records: isControl ? [] : readRecords(body, base, view.getInt32(57)),
    });
    at += size;
  }
  return batches;
}

/** The records a consumer with isolation level read_committed is shown: as in the protocol, it drops the batches of a
 * producer from the first offset of each of its aborted transactions up to the marker that ends it. */
export function committedRecords(
  batches: readonly FetchedBatch[],
  aborted: readonly AbortedTransaction[],
): FetchedRecord[] {
  const coming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const dropping = new Set<number>();
  const shown: FetchedRecord[] = [];
  for (const batch of batches) {
    while (coming[0] !== undefined && coming[0].firstOffset <= batch.last) {
      dropping.add(coming.shift()!.producerId);
    }
    if (batch.isControl) dropping.delete(batch.producerId);
    else if (!batch.isTransactional || !dropping.has(batch.producerId)) shown.push(...batch.records);
  }
  return shown;
}

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

function readRecords(body: Uint8Array, base: number, count: number): FetchedRecord[] {
  const cursor: Cursor = { bytes: body, at: 0 };
  const records: FetchedRecord[] = [];
  for (let left = count; left > 0; left--) {
    const end = varint(cursor) + cursor.at;
    cursor.at++; // attributes
    varint(cursor); // timestamp delta
    const offset = base + varint(cursor);
    records.push({ offset, key: sized(cursor), value: sized(cursor) });
    cursor.at = end;
  }
  if (cursor.at !== body.byteLength) {
    throw new RangeError("Cannot read batch as its records have another size");
  }
  return records;
}

function controlType(body: Uint8Array): number {
  const cursor: Cursor = { bytes: body, at: 0 };
  varint(cursor);
  cursor.at++;
  varint(cursor);
  varint(cursor);
  varint(cursor); // size of the key: version and type, 16 bits each
  return new DataView(body.buffer, body.byteOffset).getInt16(cursor.at + 2);
}

function sized(cursor: Cursor): string | null {
  const length = varint(cursor);
  if (length < 0) return null;
  cursor.at += length;
  return text.decode(cursor.bytes.subarray(cursor.at - length, cursor.at));
}

function varint(cursor: Cursor): number {
  let value = 0;
  for (let scale = 1;; scale *= 128) {
    const byte = cursor.bytes[cursor.at++];
    if (byte === undefined) throw new RangeError("Cannot read batch as it ends too early");
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
