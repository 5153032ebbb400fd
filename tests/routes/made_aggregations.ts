/** Windows that a test makes up: likes go straight into them, and time is what the test says it is.
 *
 * Counted by hand and kept in memory; a window closes when the test says so. Left out: the real counting (kafka/processors/windows/).
 * @module */
import type {
  Aggregations,
  IdWindows,
  WindowCount,
  WindowListener,
  WindowStatus,
} from "../../kafka/processors/windows/types.ts";
import { readWindowSize, type WindowSize, windowStart } from "../../kafka/windows.ts";

interface Counted {
  count: number;
  late: number;
  final: boolean;
}

/** `1m`, `5m` and `10m`, in topics of their usual names. */
export const usualSizes: readonly WindowSize[] = ["1m", "5m", "10m"].map((name) => readWindowSize(name)!);

/** Settings of a service that counts no likes. */
export const noWindows = {
  windows: { clicksTopic: "video_clicks_ingestion", sizes: [], graceMs: 10_000, kept: 60 },
  videos: [],
} as const;

/** Windows of `sizes`. */
export class MadeAggregations implements Aggregations {
  readonly loaded: Promise<void> = Promise.resolve();
  /** What it says of itself besides the numbers. */
  state: WindowStatus["state"] = "ready";
  watermark: number | null = null;
  wrong: Record<string, number> = {};
  missed = 0;
  /** Milliseconds since the epoch. */
  now: () => number = Date.now;
  #counted = 0;
  #late: Record<string, number> = {};
  /** By id, then size in ms, then start. */
  readonly #windows = new Map<string, Map<number, Map<number, Counted>>>();
  readonly #listeners = new Set<WindowListener>();

  constructor(readonly sizes: readonly WindowSize[] = usualSizes, readonly graceMs = 10_000) {}

  /** Counts likes of one moment; too late for a window that is closed. */
  like(id: string, at: number = this.now(), likes = 1): void {
    const open: WindowCount[] = [];
    for (const size of this.sizes) {
      const start = windowStart(at, size.ms), windows = this.#of(id, size.ms);
      const window = windows.get(start) ?? { count: 0, late: 0, final: false };
      windows.set(start, window);
      if (window.final) {
        window.late += likes;
        this.#late[size.ms] = (this.#late[size.ms] ?? 0) + likes;
        for (const listener of this.#wanting(id)) {
          listener.finished(shown(id, size, start, window), size, false);
        }
      } else {
        window.count += likes;
        open.push(shown(id, size, start, window));
      }
    }
    this.#counted += likes;
    this.watermark = Math.max(this.watermark ?? at, at);
    for (const listener of this.#wanting(id)) listener.changed(id, open, this.now());
  }

  /** Closes what is over, its grace too. */
  close(now: number = this.now()): void {
    for (const [id, sizes] of this.#windows) {
      for (const size of this.sizes) {
        for (const [start, window] of sizes.get(size.ms) ?? []) {
          if (window.final || start + size.ms + this.graceMs > now) continue;
          window.final = true;
          for (const listener of this.#wanting(id)) {
            listener.finished(shown(id, size, start, window), size, true);
          }
        }
      }
    }
  }

  of(id: string): readonly IdWindows[] {
    return this.sizes.map((size) => {
      const found = [...this.#windows.get(id)?.get(size.ms) ?? []].sort(([a], [b]) => a - b);
      const late = found.reduce((sum, [, window]) => sum + window.late, 0);
      return { size, windows: found.map(([start, window]) => shown(id, size, start, window)), late };
    });
  }

  ids(limit: number): readonly string[] {
    return [...this.#windows.keys()].reverse().slice(0, limit);
  }

  status(): WindowStatus {
    const { state, watermark, wrong, missed } = this;
    const totals = { counted: this.#counted, late: { ...this.#late }, wrong, ahead: 0, missed };
    return { state, watermark, ids: this.#windows.size, totals };
  }

  listen(listener: WindowListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #wanting(id: string): WindowListener[] {
    return [...this.#listeners].filter(({ wants }) => wants?.(id) ?? true);
  }

  #of(id: string, ms: number): Map<number, Counted> {
    const sizes = this.#windows.get(id) ?? new Map<number, Map<number, Counted>>();
    this.#windows.set(id, sizes);
    const windows = sizes.get(ms) ?? new Map<number, Counted>();
    sizes.set(ms, windows);
    return windows;
  }
}

function shown(id: string, size: WindowSize, start: number, { count, late, final }: Counted): WindowCount {
  const bounds = { window_start: start, window_end: start + size.ms };
  return { type: size.type, video_uid: id, count, ...bounds, late, final };
}
