/** Records of the state topic, written and read.
 *
 *     o<id>  {"panes":[[28435201,4],[28435202,[0,1,1]]]}                                    OpenRecord, null: nothing is open
 *     c<id>  {"windows":{"60000":[[1706112060000,12,0]]},"late":{"60000":3}}                ClosedRecord, null: the id is forgotten
 *     m      {"v":1,"paneMs":60000,…}                                                       StoredMeta
 *
 * Whatever is read is looked at before it is believed: others may write to the topic too, and what they put there is passed over. A
 * record that looks like ours cannot be told from ours. Left out: what the numbers mean together (window_state.ts).
 * @module */
import { isVideoId, maxSizes, maxWindowMs } from "../../windows.ts";
import type { IdWindows } from "./id_windows.ts";
import {
  type ClosedRecord,
  type ClosedWindow,
  isCount,
  type MetaRecord,
  type OpenRecord,
  type SourceRecord,
  stateKeys,
  type Totals,
} from "./types.ts";

/** `MetaRecord`, and what tells which windows may have been let go. */
export interface StoredMeta extends MetaRecord {
  /** Windows that end here or earlier are closed, ms; null: none is. It is the frontier less the grace, and stays when the grace grows. */
  readonly closedEnd: number | null;
  /** Highest event time that any source has shown, also in logs that are gone, ms; null: none. */
  readonly highest: number | null;
  /** Finished windows that were kept of each id and size. */
  readonly kept: number;
}

/** A record of the state topic; null is a tombstone. */
export type StateRecord =
  | { readonly kind: "open"; readonly id: string; readonly value: OpenRecord | null }
  | { readonly kind: "closed"; readonly id: string; readonly value: ClosedRecord | null }
  | { readonly kind: "meta"; readonly value: StoredMeta };

/** A record as it is written. */
export interface StateChange {
  readonly key: string;
  /** JSON; null is a tombstone. Of an id it is made when it is asked for, as text of very many ids is much: ask before more is counted. */
  readonly value: string | null;
}

const decoder = new TextDecoder();

/** Reads a record.
 * @param value JSON, or what it says; null for a tombstone
 * @returns null for what is none of ours */
export function readStateRecord(key: string, value: unknown): StateRecord | null {
  const letter = key.charAt(0), id = key.slice(1);
  const found = typeof value === "string" ? parse(value) : value;
  if (key === stateKeys.meta) return isMeta(found) ? { kind: "meta", value: found } : null;
  if (!isVideoId(id)) return null;
  if (letter === stateKeys.open && (found === null || isOpen(found))) {
    return { kind: "open", id, value: found };
  }
  if (letter === stateKeys.closed && (found === null || isClosed(found))) {
    return { kind: "closed", id, value: found };
  }
  return null;
}

/** Reads how far a partition of ids is; null for what is none. */
export function readMeta(value: Uint8Array): StoredMeta | null {
  const found = readStateRecord(stateKeys.meta, decoder.decode(value));
  return found?.kind === "meta" ? found.value : null;
}

/** What is open of an id. */
export class OpenChange implements StateChange {
  readonly #owner: IdWindows;

  constructor(owner: IdWindows) {
    this.#owner = owner;
  }

  get key(): string {
    return stateKeys.open + this.#owner.id;
  }

  get value(): string | null {
    const { panes } = this.#owner;
    if (panes.length === 0) return null;
    const record: OpenRecord = {
      panes: panes.map(({ pane, count, counts }) => [pane, counts ?? count] as const),
    };
    return JSON.stringify(record);
  }
}

/** Finished windows of an id. */
export class ClosedChange implements StateChange {
  readonly #owner: IdWindows;
  readonly #sizes: readonly number[];

  /** @param sizes ms */
  constructor(owner: IdWindows, sizes: readonly number[]) {
    this.#owner = owner;
    this.#sizes = sizes;
  }

  get key(): string {
    return stateKeys.closed + this.#owner.id;
  }

  get value(): string {
    const { closed, late } = this.#owner;
    const windows: Record<string, readonly ClosedWindow[]> = {}, lates: Record<string, number> = {};
    this.#sizes.forEach((ms, size) => {
      if (closed[size]!.length > 0) windows[ms] = closed[size]!.toJSON();
      if (late[size]! > 0) lates[ms] = late[size]!;
    });
    const record: ClosedRecord = { windows, late: lates };
    return JSON.stringify(record);
  }
}

/** An id that is forgotten. */
export function forgottenChanges({ id, isOpenStored, isClosedStored }: IdWindows): StateChange[] {
  return [
    ...(isOpenStored ? [{ key: stateKeys.open + id, value: null }] : []),
    ...(isClosedStored ? [{ key: stateKeys.closed + id, value: null }] : []),
  ];
}

/** How far a partition of ids is. */
export function metaChange(meta: StoredMeta): StateChange {
  return { key: stateKeys.meta, value: JSON.stringify(meta) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isOpen(value: unknown): value is OpenRecord {
  if (!isObject(value) || !Array.isArray(value.panes)) return false;
  let last = -1;
  return value.panes.every((entry) => {
    if (!Array.isArray(entry) || entry.length !== 2 || !isCount(entry[0]) || entry[0] <= last) return false;
    last = entry[0];
    const [, counts] = entry;
    return isCount(counts) || Array.isArray(counts) && counts.length <= maxSizes && counts.every(isCount);
  });
}

function isClosed(value: unknown): value is ClosedRecord {
  return isObject(value) && isObject(value.windows) && isCounts(value.late) &&
    Object.entries(value.windows).every(([ms, windows]) => areClosed(windows, Number(ms)));
}

function areClosed(windows: unknown, ms: number): windows is ClosedWindow[] {
  if (!isSize(ms) || !Array.isArray(windows)) return false;
  let last = -1;
  return windows.every((window) => {
    if (!Array.isArray(window) || window.length < 3 || window.length > 4 || !window.every(isCount)) {
      return false;
    }
    const [start = -1, , , byClock = 1] = window;
    const isRight = start > last && start % ms === 0 && byClock === 1;
    last = start;
    return isRight;
  });
}

function isMeta(value: unknown): value is StoredMeta {
  if (!isObject(value) || value.v !== 1) return false;
  const { paneMs, sizes, born, position, frontier, closedEnd, highest, kept, sources, totals, forgotten } =
    value;
  return isCount(paneMs) && paneMs > 0 && Array.isArray(sizes) && sizes.length <= maxSizes &&
    sizes.every((ms, i) => isSize(ms) && ms % paneMs === 0 && ms > (sizes[i - 1] ?? 0)) &&
    isCounts(born) && isCount(position) && isCount(kept) &&
    [frontier, closedEnd, highest, forgotten].every((time) => time === null || Number.isSafeInteger(time)) &&
    isObject(sources) && Object.entries(sources).every(([name, source]) => isSource(name, source)) &&
    isTotals(totals);
}

function isSource(name: string, source: unknown): source is SourceRecord {
  return isCount(Number(name)) && isObject(source) && typeof source.log === "string" &&
    isCount(source.next) &&
    (source.high === null || isCount(source.high)) && (source.at === null || isCount(source.at));
}

function isTotals(value: unknown): value is Totals {
  return isObject(value) && isCount(value.counted) && isCounts(value.late) && isCounts(value.wrong) &&
    isCount(value.ahead) && isCount(value.missed);
}

function isCounts(value: unknown): value is Record<string, number> {
  return isObject(value) && Object.values(value).every(isCount);
}

function isSize(ms: unknown): ms is number {
  return isCount(ms) && ms > 0 && ms <= maxWindowMs;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
