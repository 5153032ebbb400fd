/** When records of a replay are due: in the pace of their own timestamps, so many times as fast.
 *
 * A timeline is a straight line from a moment of the log to a moment of the wall clock, set by the first record that is shown; due
 * times are computed from it and not from one another, so delays do not add up. Left out: who waits for a record (behind.ts).
 * @module */
import type { KafkaRecord } from "./fetch_response.ts";

/** Wall clock and timers, in ms; tests bring their own. */
export interface Clock {
  now(): number;
  /** Calls `go` after `ms`, unless the returned function is called before. */
  after(ms: number, go: () => void): () => void;
}

/** The system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, go) {
    const timer = setTimeout(go, ms);
    return () => clearTimeout(timer);
  },
};

const nearMs = 500;

/** A replay's pace. */
export class Timeline {
  readonly #clock: Clock;
  readonly #longestPauseMs: number;
  #speed: number;
  /** The moment of the log that is due at `#setAt`; undefined until a record has set it. */
  #moment: number | undefined;
  #setAt = 0;
  #frozenAt: number | undefined;
  /** A record whose timestamp lies in the future counts as of when it was first looked at, or it would never be due. */
  #early: { readonly record: KafkaRecord; readonly moment: number } | undefined;

  /** When a record was shown last, and the moment of the log that it had. */
  #shownAt = -Infinity;

  /** @param speed times as fast as the records' own time
   * @param longestPauseMs a record that is due so much later than the one before it was shown (the recording has a hole), or was due so
   *   long ago (its times jump back, or the viewer could not take it), sets the timeline anew */
  constructor(speed: number, clock: Clock, longestPauseMs = Infinity) {
    this.#speed = speed;
    this.#clock = clock;
    this.#longestPauseMs = longestPauseMs;
  }

  get speed(): number {
    return this.#speed;
  }

  /** When a record is due, on the wall clock: at once when its time is not known, or has passed already. */
  due(record: KafkaRecord): number {
    if (this.#frozenAt !== undefined) return Infinity;
    if (this.#moment === undefined || record.timestamp < 0) return 0;
    return Math.min(this.#onLine(this.#momentOf(record)), this.#shownAt + this.#longestPauseMs);
  }

  /** A record is shown now: the first one sets the timeline, unless its timestamp says nothing. */
  show(record: KafkaRecord): void {
    const { timestamp } = record, now = this.#clock.now();
    const isOff = this.#moment !== undefined && timestamp >= 0 &&
      Math.abs(this.#onLine(this.#momentOf(record)) - now) > this.#longestPauseMs;
    this.#early = undefined;
    this.#shownAt = now;
    if (this.#moment !== undefined && !isOff || timestamp < 0 || timestamp > now) return;
    this.#moment = timestamp;
    this.#setAt = now;
  }

  /** Everything up to now has been shown: what comes late from here on is due at once. */
  reachNow(): void {
    this.#moment = this.#setAt = this.#shownAt = this.#clock.now();
  }

  /** So far behind the wall clock counts as being with it: a pace that may jump over holes need not keep to its lag. */
  get #nearMs(): number {
    return this.#longestPauseMs === Infinity ? 0 : nearMs;
  }

  /** When it reaches the wall clock and stays with it; Infinity for never. */
  get reachesNowAt(): number {
    if (this.#speed < 1 || this.#frozenAt !== undefined) return Infinity;
    if (this.#moment === undefined || this.#setAt - this.#moment <= this.#nearMs) return 0;
    return this.#speed === 1 ? Infinity : this.#setAt + (this.#setAt - this.#moment) / (this.#speed - 1);
  }

  /** Goes on from the moment it has come to, in another pace. */
  change(speed: number): void {
    if (this.#moment !== undefined) {
      const now = this.#frozenAt ?? this.#clock.now();
      this.#moment += (now - this.#setAt) * this.#speed;
      this.#setAt = now;
    }
    this.#speed = speed;
  }

  /** Forgets the timeline; the next record that is shown sets it anew. */
  reset(): void {
    this.#moment = this.#early = undefined;
    if (this.#frozenAt !== undefined) this.#frozenAt = this.#clock.now();
  }

  /** Time stands still. */
  freeze(): void {
    this.#frozenAt ??= this.#clock.now();
  }

  thaw(): void {
    const pausedMs = this.#frozenAt === undefined ? 0 : this.#clock.now() - this.#frozenAt;
    this.#setAt += pausedMs;
    this.#shownAt += pausedMs;
    this.#frozenAt = undefined;
  }

  #onLine(moment: number): number {
    return this.#setAt + (moment - this.#moment!) / this.#speed;
  }

  #momentOf(record: KafkaRecord): number {
    const now = this.#clock.now();
    const { partition, offset, timestamp } = record;
    const early = this.#early?.record;
    if (early && early.partition === partition && early.offset === offset) return this.#early!.moment;
    if (timestamp <= now) return timestamp;
    this.#early = { record, moment: now };
    return now;
  }
}
