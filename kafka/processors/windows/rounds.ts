/** Rounds of counting: batches that have come, and what time it is → what is counted, late, closed.
 *
 *     batches at hand ─► does it matter who is idle? ─► (ends are asked) ─► applied one after the other ─► watermark, clock
 *
 * - Where sources end is asked only when something depends on it: the watermark could come to close something, an event is late by its own
 *   source, or the clock could close something. It is asked after the batches at hand were read, so whatever a source held until then is
 *   known or is a backlog. Nothing closes without that answer, as there may be partitions that nobody has heard of.
 * - A source is not idle while a batch of it is applied, however old that is: alone it has a watermark of its own.
 * - When nobody holds and all is read, the clock closes. A clock that is set back while something is open counts as if it had gone on;
 *   one that is set forward may close early, once.
 *
 * Left out: Kafka (window_task.ts), what is late and what a window counts (window_state.ts).
 * @module */
import { Arrivals, lowestHigh, type Moment, type SourceEnds } from "./sources.ts";
import type { FoldBatch } from "./types.ts";
import type { WindowState } from "./window_state.ts";

/** A batch, and the offset of its record. */
export interface ReadBatch {
  readonly offset: number;
  readonly batch: FoldBatch;
}

/** Steps of the clock below this are followed, ms: they are how clocks are kept right. */
const followedMs = 1_000;
/** Pauses before it is asked again where sources end that held up something, ms: the first, the longest. */
const firstPauseMs = 250, maxPauseMs = 1_000;
/** How often it is looked what time it is while something is open, ms. */
const tickMs = 250;

/** Counts on a state. */
export class Rounds {
  readonly state: WindowState;
  readonly #graceMs: number;
  readonly #paneMs: number;
  readonly #arrivals: Arrivals;
  readonly #clock = new ClosingClock();
  /** When it may be asked again, on the steady clock. */
  #askAt = -Infinity;
  #pauseMs = firstPauseMs;

  /** @param state as it was restored */
  constructor(state: WindowState, { graceMs, paneMs }: { graceMs: number; paneMs: number }, now: Moment) {
    this.state = state;
    this.#graceMs = graceMs;
    this.#paneMs = paneMs;
    this.#arrivals = new Arrivals(graceMs);
    this.#arrivals.restore(state.sources, now);
  }

  /** Takes note that batches have come.
   * @param isLive all that was written before had been read
   * @returns `wanted`: it has to be asked where sources end before they are applied; `needed`: nothing can be said without that */
  hear(batches: readonly ReadBatch[], now: Moment, isLive: boolean): "needed" | "wanted" | null {
    const isNews = batches.some(({ batch }) => this.#arrivals.isQuiet(batch.source, now.steadyMs));
    for (const { batch } of batches) this.#arrivals.hear(batch, now, isLive);
    if (batches.some(({ batch }) => hasMarks(batch))) return "needed";
    if (now.steadyMs < this.#askAt && !isNews) return null;
    return this.#wants(batches, now) ? "wanted" : null;
  }

  /** Applies batches, in their order, and lets time pass.
   * @param ends as they were asked since; null: `hear` did not want them, or they cannot be told now
   * @param isAtEnd whether all has come that was written for this partition of ids
   * @returns what changed: `closed` if windows were */
  apply(
    batches: readonly ReadBatch[],
    { ends, now, isAtEnd }: { ends: SourceEnds | null; now: Moment; isAtEnd: boolean },
  ): "closed" | "counted" | null {
    const { state } = this, { frontier } = state, dueMs = state.nextDueMs();
    const isQuiet = (source: number) => this.#arrivals.isQuiet(source, now.steadyMs);
    // Without an answer nothing may close: as if somebody held who has told no time.
    const facts = { known: state.sources, isQuiet, ends };
    const isHeld = !ends && this.#closes(this.#reach(batches, now));
    for (const { batch, offset } of batches) {
      const others = lowestHigh({ ...facts, isAllRead: false }, batch.source);
      state.apply(batch, isHeld ? -Infinity : others === Infinity ? null : others, offset);
    }
    const lowest = ends ? lowestHigh({ ...facts, isAllRead: isAtEnd }) : -Infinity;
    if (Number.isFinite(lowest)) state.advance(lowest);
    else if (lowest === Infinity && isAtEnd) state.closeByClock(this.#clock.read(now));
    if (state.nextDueMs() === null) this.#clock.release();
    else this.#clock.read(now);
    this.#pace(ends !== null, now);
    if (dueMs !== null && (state.nextDueMs() ?? Infinity) > dueMs) return "closed";
    return batches.length > 0 || state.frontier !== frontier ? "counted" : null;
  }

  /** How long nothing happens unless something comes, ms; Infinity while nothing is open. */
  waitMs(now: Moment): number {
    const dueMs = this.state.nextDueMs();
    if (dueMs === null) return Infinity;
    const waits = [this.#arrivals.nextQuiet(now.steadyMs) - now.steadyMs, dueMs - this.#clock.read(now)];
    const wait = Math.min(tickMs, ...waits.filter((ms) => ms > 0));
    return Math.max(1, wait, Math.min(this.#askAt - now.steadyMs, tickMs));
  }

  /** Whether something depends on where sources end. */
  #wants(batches: readonly ReadBatch[], now: Moment): boolean {
    if (this.#closes(this.#reach(batches, now))) return true;
    const dueMs = this.state.nextDueMs();
    const isDue = dueMs !== null && dueMs <= this.#clock.read(now);
    const sources = [...this.state.sources.keys()];
    return isDue && sources.every((source) => this.#arrivals.isQuiet(source, now.steadyMs));
  }

  /** Somebody who is behind, or who cannot be asked, is not asked for all the time. */
  #pace(isAnswered: boolean, now: Moment): void {
    if (!this.#wants([], now)) {
      this.#askAt = -Infinity;
      this.#pauseMs = firstPauseMs;
    } else if (isAnswered || now.steadyMs >= this.#askAt) {
      this.#askAt = now.steadyMs + this.#pauseMs;
      this.#pauseMs = Math.min(2 * this.#pauseMs, maxPauseMs);
    }
  }

  /** Up to where the watermark might come with these batches. */
  #reach(batches: readonly ReadBatch[], { steadyMs }: Moment): number {
    const highs = new Map([...this.state.sources].map(([source, { high }]) => [source, high]));
    let newest = -Infinity;
    for (const { batch: { source, high } } of batches) {
      if (high === null) continue;
      const highest = Math.max(high, highs.get(source) ?? -Infinity);
      highs.set(source, highest);
      newest = Math.max(newest, highest);
    }
    const holding = [...highs].filter(([source]) => !this.#arrivals.isQuiet(source, steadyMs));
    return holding.length === 0 ? newest : Math.min(...holding.map(([, high]) => high ?? -Infinity));
  }

  /** Whether a watermark would end the grace of windows, whether there are any or not. */
  #closes(watermark: number): boolean {
    const { frontier } = this.state;
    const panes = (time: number) => Math.floor((time - this.#graceMs) / this.#paneMs);
    return watermark > -Infinity && (frontier === null || panes(watermark) > panes(frontier));
  }
}

/** The clock by which silent windows are closed. While something is open it does not follow one that is set back: that window's end would
 * come by an hour later. Once nothing is open it is the clock again. */
class ClosingClock {
  /** Between the two clocks, ms. */
  #offsetMs: number | null = null;

  read({ clockMs, steadyMs }: Moment): number {
    const offsetMs = clockMs - steadyMs;
    this.#offsetMs ??= offsetMs;
    if (Math.abs(offsetMs - this.#offsetMs) < followedMs) this.#offsetMs = offsetMs;
    return steadyMs + Math.max(offsetMs, this.#offsetMs);
  }

  release(): void {
    this.#offsetMs = null;
  }
}

function hasMarks({ counts }: FoldBatch): boolean {
  return counts.some(([, panes]) => panes.some(([, , behind]) => behind));
}
