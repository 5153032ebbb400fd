/** What one client was shown of windows, as far as it takes to tell it nothing twice, and nothing old after something new: finished windows
 * and open ones come by different ways, and either may be ahead.
 *
 * A place is a video and a length. Left out: how it is told (aggregation_stream.ts).
 * @module */
import type { SharedWindow } from "./aggregation_rooms.ts";

/** Finished windows of a place that are remembered: no open window is older than so many that finish before it is heard of. */
const maxFinished = 4;

/** Windows of one client. */
export class ShownWindows {
  /** Open windows that wait for the connection, the newest of each place. */
  readonly #waiting = new Map<string, SharedWindow>();
  /** Starts of the windows of a place that were told last as finished, the newest at the end. */
  readonly #finished = new Map<string, number[]>();
  /** Finished windows that were told without their place in the log, which may come from there once more. */
  readonly #greeted = new Map<string, { readonly start: number; readonly late: number }>();

  get hasWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** An open window is told when there is room; a newer one takes its place. */
  wait(window: SharedWindow): void {
    if (!this.isOver(window)) this.#waiting.set(window.place, window);
  }

  /** Those that wait, which are told now. */
  takeWaiting(): SharedWindow[] {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    return waiting;
  }

  /** A finished window is told as what there is. */
  greet(window: SharedWindow): void {
    const { place, window: { window_start: start, late } } = window;
    this.#greeted.set(place, { start, late });
    this.#remember(place, start);
  }

  /** The client goes elsewhere in the log: whatever comes from there is told. */
  forgetGreeted(): void {
    this.#greeted.clear();
  }

  /** A finished window comes from the log.
   * @returns false when it was told already */
  finish(place: string, start: number, late: number): boolean {
    const greeted = this.#greeted.get(place);
    if (greeted && greeted.start === start && greeted.late === late) return false;
    this.#remember(place, start);
    return true;
  }

  /** Whether an open window was told as finished meanwhile. */
  isOver({ place, window }: SharedWindow): boolean {
    return this.#finished.get(place)?.includes(window.window_start) ?? false;
  }

  #remember(place: string, start: number): void {
    const finished = this.#finished.get(place) ?? [];
    if (!finished.includes(start)) finished.push(start);
    if (finished.length > maxFinished) finished.shift();
    this.#finished.set(place, finished);
    if (this.#waiting.get(place)?.window.window_start === start) this.#waiting.delete(place);
  }
}
