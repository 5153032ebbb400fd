/** Time as the replay and the demo see it, so that tests do not wait. @module */
import { pause } from "../kafka/pause.ts";

/** A clock; times in ms since the epoch. */
export interface Clock {
  now(): number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's clock. */
export const systemClock: Clock = { now: Date.now, sleep: pause };
