/** What windows are to be: one event after the other, by the rules of README alone, with nothing folded, summed up or restored.
 *
 * An event is late for a window when the watermark had come to its end and the grace before the event, or when the window of its id was
 * closed by the clock. Slow and simple; shares nothing with what is tested but the rules.
 * @module */

/** A click as it was folded. */
export interface TrueEvent {
  readonly source: number;
  readonly id: string;
  readonly timeMs: number;
  /** So far ahead of the clock that it moved no watermark. */
  readonly isAhead: boolean;
}

/** What a partition of ids came to know, in this order. */
export type TrueStep =
  /** A batch, with all clicks of its source, of which those with `isHere` belong to this partition of ids. */
  | {
    readonly do: "batch";
    readonly source: number;
    readonly log: string;
    readonly sizes: readonly number[];
    readonly events: readonly (TrueEvent & { readonly isHere: boolean })[];
  }
  | { readonly do: "active"; readonly sources: readonly number[] }
  | { readonly do: "clock"; readonly nowMs: number }
  | { readonly do: "settings"; readonly sizes: readonly number[]; readonly graceMs: number };

/** A window of an id. */
export interface TrueWindow {
  readonly sizeMs: number;
  readonly id: string;
  readonly start: number;
  count: number;
  late: number;
  isClosed: boolean;
}

export class WindowTruth {
  /** Those that are open and those that were closed, whatever sizes there are now. */
  readonly windows = new Map<string, TrueWindow>();
  readonly lateBySize = new Map<number, number>();
  counted = 0;
  #sizes: readonly number[];
  #graceMs: number;
  #active: Set<number>;
  readonly #highs = new Map<number, number>();
  readonly #logs = new Map<number, string>();
  readonly #born = new Map<number, number>();
  /** Of all sources, also in logs that are gone. */
  #highest = -Infinity;
  #frontier = -Infinity;
  #closedEnd = -Infinity;

  constructor(sizes: readonly number[], graceMs: number, sources: readonly number[]) {
    this.#sizes = sizes;
    this.#graceMs = graceMs;
    this.#active = new Set(sources);
  }

  get frontier(): number {
    return this.#frontier;
  }

  step(step: TrueStep): void {
    switch (step.do) {
      case "batch":
        return this.#batch(step);
      case "active":
        this.#active = new Set(step.sources);
        return this.#pass();
      case "clock":
        for (const window of this.windows.values()) {
          if (window.start + window.sizeMs + this.#graceMs <= step.nowMs) window.isClosed = true;
        }
        return;
      case "settings":
        return this.#change(step.sizes, step.graceMs);
    }
  }

  #batch({ source, log, sizes, events }: TrueStep & { readonly do: "batch" }): void {
    if (this.#logs.get(source) !== log) this.#highs.delete(source);
    this.#logs.set(source, log);
    const moving = events.filter(({ isAhead }) => !isAhead);
    if (moving.length > 0) {
      this.#active.add(source);
      const high = Math.max(...moving.map(({ timeMs }) => timeMs));
      // Folded by somebody who did not know these sizes: none of their windows that lie this far back is whole.
      for (const size of this.#sizes) if (!sizes.includes(size)) this.#bear(size, high);
    }
    this.#pass();
    for (const event of events) {
      if (event.isHere) this.#count(event);
      if (event.isAhead) continue;
      this.#highs.set(source, Math.max(event.timeMs, this.#highs.get(source) ?? -Infinity));
      this.#highest = Math.max(this.#highest, event.timeMs);
      this.#pass();
    }
  }

  #count({ id, timeMs }: TrueEvent): void {
    let isCounted = false;
    for (const sizeMs of this.#sizes) {
      const start = timeMs - timeMs % sizeMs, key = `${sizeMs} ${id} ${start}`;
      if (start < (this.#born.get(sizeMs) ?? -Infinity)) continue;
      const window = this.windows.get(key) ?? { sizeMs, id, start, count: 0, late: 0, isClosed: false };
      this.windows.set(key, window);
      if (start + sizeMs <= this.#closedEnd) window.isClosed = true;
      if (window.isClosed) {
        window.late++;
        this.lateBySize.set(sizeMs, (this.lateBySize.get(sizeMs) ?? 0) + 1);
      } else {
        window.count++;
        isCounted = true;
      }
    }
    if (isCounted) this.counted++;
  }

  #pass(): void {
    const watermark = Math.min(...[...this.#active].map((source) => this.#highs.get(source) ?? -Infinity));
    if (!Number.isFinite(watermark)) return; // nobody is active, or one has shown no time
    this.#frontier = Math.max(this.#frontier, watermark);
    this.#close();
  }

  #close(): void {
    this.#closedEnd = Math.max(this.#closedEnd, this.#frontier - this.#graceMs);
    for (const window of this.windows.values()) {
      if (window.start + window.sizeMs <= this.#closedEnd) window.isClosed = true;
    }
  }

  #change(sizes: readonly number[], graceMs: number): void {
    const gone = this.#sizes.filter((size) => !sizes.includes(size));
    for (const [key, { sizeMs, isClosed }] of this.windows) {
      if (!isClosed && gone.includes(sizeMs)) this.windows.delete(key);
    }
    for (const size of sizes) if (!this.#sizes.includes(size)) this.#bear(size, this.#highest);
    this.#sizes = sizes;
    this.#graceMs = graceMs;
    this.#close(); // with less grace than before more is over
  }

  /** Windows of a size are whole once they begin after a time. */
  #bear(sizeMs: number, highMs: number): void {
    if (highMs === -Infinity) return;
    const born = Math.max(highMs - highMs % sizeMs + sizeMs, this.#born.get(sizeMs) ?? -Infinity);
    this.#born.set(sizeMs, born);
    for (const [key, window] of this.windows) {
      if (window.sizeMs === sizeMs && !window.isClosed && window.start < born) this.windows.delete(key);
    }
  }
}
