/** Batches and states of windows by hand, and what they say in one line. @module */
import { assert } from "@std/assert";
import type { FoldBatch, PaneCount } from "../../../../kafka/processors/windows/types.ts";
import { type TakenState, WindowState } from "../../../../kafka/processors/windows/window_state.ts";
import { paneMsOf, readWindowSize } from "../../../../kafka/windows.ts";

export const graceMs = 10_000;
export const minute = 60_000;

export type Options = Partial<ConstructorParameters<typeof WindowState>[1]> & {
  readonly sizes?: readonly string[];
};

function sizesOf(names: readonly string[]) {
  return names.map((name) => readWindowSize(name)!);
}

export function newState({ sizes = ["1m", "5m", "10m"], ...options }: Options = {}): WindowState {
  return new WindowState(sizesOf(sizes), { graceMs, kept: 60, ...options });
}

/** A batch behind `from`, one record long. */
export function batchOf(
  counts: Readonly<Record<string, readonly PaneCount[]>>,
  { sizes = ["1m", "5m", "10m"], ...rest }:
    & Partial<Omit<FoldBatch, "sizes">>
    & { readonly sizes?: readonly string[] } = {},
): FoldBatch {
  const from = rest.from ?? 0;
  return {
    v: 1,
    source: 0,
    log: "log",
    from,
    next: from + 1,
    part: 0,
    parts: 1,
    high: 0,
    at: 1,
    paneMs: paneMsOf(sizesOf(sizes)),
    sizes: sizesOf(sizes).map(({ ms }) => ms),
    counts: Object.entries(counts),
    ...rest,
  };
}

/** Finished windows as `size id start/60000 count late`. */
export function finishedOf({ finished }: TakenState): string[] {
  return finished.map(({ size, window: { video_uid: id, count, window_start: start, late } }) =>
    `${size.name} ${id} ${start / minute} ${count} ${late}`
  );
}

/** What a state has written, by key. */
export class Topic {
  readonly newest = new Map<string, string | null>();

  write({ records }: TakenState): void {
    for (const { key, value } of records) this.newest.set(key, value);
  }

  valueOf(key: string) {
    return JSON.parse(this.newest.get(key) ?? "null");
  }

  restored(options?: Options): WindowState {
    const state = newState(options);
    for (const [key, value] of this.newest) assert(state.load(key, value), key);
    return state;
  }
}
