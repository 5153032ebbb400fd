/** Windows as they are shown, made of the records of the state topic.
 *
 *     o<id>, c<id>, m → IdWindows
 *
 * Values are read when somebody asks: most of what is counted nobody looks at. A value that is none of ours counts as not there. Pure:
 * no Kafka, no clock. Left out: who counts (window_state.ts), who reads the topic (view.ts).
 * @module */
import { type WindowSettings, type WindowSize, windowStart } from "../../windows.ts";
import { readStateRecord, type StoredMeta } from "./state_records.ts";
import {
  type ClosedRecord,
  type ClosedWindow,
  type IdWindows,
  type OpenRecord,
  stateKeys,
  type Totals,
  type WindowCount,
} from "./types.ts";

/** The values of an id's records, as they were read; null: it has none. Text, as very many small arrays of bytes take much more memory. */
export interface IdRecords {
  readonly open: string | null;
  readonly closed: string | null;
}

const nothingClosed: ClosedRecord = { windows: {}, late: {} };

/** The windows of an id, one entry for each size.
 * @param meta of the id's partition; without it nobody knows what panes mean, and nothing is open */
export function shownWindows(
  id: string,
  records: IdRecords,
  meta: StoredMeta | undefined,
  { sizes }: Pick<WindowSettings, "sizes">,
): readonly IdWindows[] {
  const closed = readClosed(id, records.closed), panes = readOpen(id, records.open);
  return sizes.map((size) => {
    const past = (closed.windows[size.ms] ?? []).map((window) => closedCount(id, size, window));
    const now = openCounts(panes, meta, size)
      .filter(([start]) => past.every((window) => window.window_start !== start))
      .map(([start, count]) => windowCount(id, size, start, { count, late: 0, final: false }));
    const windows = [...past, ...now].sort((a, b) => a.window_start - b.window_start);
    return { size, windows, late: closed.late[size.ms] ?? 0 };
  });
}

/** The newest open window of each size that has one. */
export function newestOpen(windows: readonly IdWindows[]): WindowCount[] {
  return windows.flatMap(({ windows }) => windows.findLast(({ final }) => !final) ?? []);
}

/** A finished window that a record has and the one before it had not, or had with fewer late events. */
export interface Finished {
  readonly window: WindowCount;
  readonly size: WindowSize;
  readonly isFirst: boolean;
}

/** What was finished between two records of an id, by size and start. */
export function finishedBetween(
  id: string,
  before: string | null,
  after: string,
  sizes: readonly WindowSize[],
): Finished[] {
  const old = readClosed(id, before), now = readClosed(id, after);
  return sizes.flatMap((size) => {
    const known = new Map(old.windows[size.ms]?.map(([start, , late]) => [start, late]));
    return (now.windows[size.ms] ?? [])
      .filter(([start, , late]) => known.get(start) !== late)
      .map((window) => ({
        window: closedCount(id, size, window),
        size,
        isFirst: !known.has(window[0]),
      }));
  });
}

/** Sums over partitions of ids. */
export function sumTotals(all: readonly Totals[]): Totals {
  const sum = (of: (totals: Totals) => number) => all.reduce((n, totals) => n + of(totals), 0);
  const sums = (of: (totals: Totals) => Readonly<Record<string, number>>) => {
    const names = new Set(all.flatMap((totals) => Object.keys(of(totals))));
    return Object.fromEntries([...names].map((name) => [name, sum((totals) => of(totals)[name] ?? 0)]));
  };
  return {
    counted: sum(({ counted }) => counted),
    late: sums(({ late }) => late),
    wrong: sums(({ wrong }) => wrong),
    ahead: sum(({ ahead }) => ahead),
    missed: sum(({ missed }) => missed),
  };
}

/** Events by start of the window, ascending. Panes stay until the longest window over them is closed: what is over in a shorter
 * one is left out there. */
function openCounts(
  panes: OpenRecord["panes"],
  meta: StoredMeta | undefined,
  size: WindowSize,
): [start: number, count: number][] {
  const index = meta?.sizes.indexOf(size.ms) ?? -1;
  if (!meta || index < 0) return [];
  const born = meta.born[size.ms] ?? -Infinity, closedEnd = meta.closedEnd ?? -Infinity;
  const counts = new Map<number, number>();
  for (const [pane, all] of panes) {
    const count = typeof all === "number" ? all : all[index] ?? 0;
    const start = windowStart(pane * meta.paneMs, size.ms);
    if (count === 0 || start < born || start + size.ms <= closedEnd) continue;
    counts.set(start, (counts.get(start) ?? 0) + count);
  }
  return [...counts];
}

function closedCount(id: string, size: WindowSize, [start, count, late]: ClosedWindow): WindowCount {
  return windowCount(id, size, start, { count, late, final: true });
}

function windowCount(
  id: string,
  size: WindowSize,
  start: number,
  { count, late, final }: Pick<WindowCount, "count" | "late" | "final">,
): WindowCount {
  const bounds = { window_start: start, window_end: start + size.ms };
  return { type: size.type, video_uid: id, count, ...bounds, late, final };
}

function readOpen(id: string, value: string | null): OpenRecord["panes"] {
  const found = value === null ? null : readStateRecord(stateKeys.open + id, value);
  return found?.kind === "open" ? found.value?.panes ?? [] : [];
}

function readClosed(id: string, value: string | null): ClosedRecord {
  const found = value === null ? null : readStateRecord(stateKeys.closed + id, value);
  return found?.kind === "closed" ? found.value ?? nothingClosed : nothingClosed;
}
