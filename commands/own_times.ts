/** A replay by the times that its records bear. Left out: several tracks at once (geo_replay.ts). @module */
import { type Clock, systemClock } from "./clock.ts";

/** Later than this, a replay goes on from now instead of making up for it in one rush. */
const maxLateMs = 1000;
/** Longest sleep, ms: what a timer can wait for. */
const maxSleepMs = 2 ** 31 - 1;

/** Times keep their distances, `speed` times as fast; one that goes back counts as the one before. */
export class OwnTimes {
  readonly #speed: number;
  readonly #clock: Clock;
  #newestMs = -Infinity;
  /** When the newest was due. */
  #dueMs = 0;

  constructor(speed: number, clock: Clock = systemClock) {
    this.#speed = speed;
    this.#clock = clock;
  }

  /** Waits until what bears this time is due, or until `signal` aborts.
   * @param timeMs ms since the epoch */
  async due(timeMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.now();
    if (this.#newestMs === -Infinity) this.#dueMs = nowMs;
    else this.#dueMs += Math.max(0, timeMs - this.#newestMs) / this.#speed;
    this.#newestMs = Math.max(this.#newestMs, timeMs);
    if (nowMs - this.#dueMs > maxLateMs) this.#dueMs = nowMs;
    for (let waitMs; (waitMs = this.#dueMs - this.#clock.now()) > 0 && !signal.aborted;) {
      await this.#clock.sleep(Math.min(waitMs, maxSleepMs), signal);
    }
  }
}
