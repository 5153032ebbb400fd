/** When frames are due. Left out: what happens with them then. @module */
import { type Clock, systemClock } from "./clock.ts";

/** How frames follow one another. */
export interface ScheduleOptions {
  /** Frames a second; null: each is due when it is there. */
  readonly fps: number | null;
  /** When the first one is due, ms since the epoch; default: now. Those due before now follow without a pause. */
  readonly startMs?: number;
  readonly clock?: Clock;
}

/** Later than this, a schedule begins anew from now instead of making up for it in one rush. */
const maxLateMs = 1000;

/** Frame n is due at the start + n / fps, whenever the one before it went out: nothing adds up over hours. */
export class Schedule {
  readonly #fps: number | null;
  readonly #clock: Clock;
  #startMs: number;
  /** Until the times that lie before now are made up for. */
  #isBehind: boolean;

  constructor({ fps, startMs, clock = systemClock }: ScheduleOptions) {
    this.#fps = fps;
    this.#clock = clock;
    this.#startMs = startMs ?? clock.now();
    this.#isBehind = startMs !== undefined;
  }

  /** Waits until frame `index` is due, or until `signal` aborts.
   * @returns when it is due, ms since the epoch */
  async due(index: number, signal: AbortSignal): Promise<number> {
    const nowMs = this.#clock.now();
    if (this.#fps === null) return nowMs;
    const waitMs = this.#startMs + index * 1000 / this.#fps - nowMs;
    if (waitMs >= 0) {
      this.#isBehind = false;
      await this.#clock.sleep(waitMs, signal);
    } else if (!this.#isBehind && -waitMs > maxLateMs) this.#startMs -= waitMs;
    return Math.round(this.#startMs + index * 1000 / this.#fps);
  }
}
