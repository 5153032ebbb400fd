/** What a processor is doing, put together from what hinders it and how far it is. @module */
import type { ProcessorStatus } from "./histogram_types.ts";

/** What may hinder a processor; the first one that does is told. */
const hindrances = ["file", "topic", "kafka"] as const;
export type Hindrance = typeof hindrances[number];

/** Records that a processor at the end of the log may be behind for a moment and still counts as there. */
const liveBehind = 10_000;

/** The status of one processor. */
export class StatusKeeper {
  readonly #waits = new Map<Hindrance, string>();
  /** Since when, by `performance.now()`. */
  readonly #waitsSince = new Map<Hindrance, number>();
  readonly #now: () => number;
  #failure: string | null = null;
  #hasBegun = false;
  #wasLive = false;
  #behind = 0;
  #told: Pick<ProcessorStatus, "state" | "reason" | "since">;

  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.#told = { state: "starting", reason: null, since: now() };
  }

  /** It waits, for a reason in one line.
   * @returns whether that is news */
  waits(hindrance: Hindrance, reason: string): boolean {
    const isNews = !this.#waits.has(hindrance);
    if (isNews) this.#waitsSince.set(hindrance, performance.now());
    this.#waits.set(hindrance, reason);
    this.#tell();
    return isNews;
  }

  /** It does not wait for this any more.
   * @returns whether that is news */
  goesOn(...hindered: readonly Hindrance[]): boolean {
    let isNews = false;
    for (const one of hindered) isNews = this.#waits.delete(one) || isNews;
    this.#tell();
    return isNews;
  }

  /** For how long it has waited for this, ms; 0 if it does not. */
  waitsMs(hindrance: Hindrance): number {
    return this.#waits.has(hindrance) ? performance.now() - this.#waitsSince.get(hindrance)! : 0;
  }

  /** It does nothing any more. */
  fails(reason: string): void {
    this.#failure = reason;
    this.#tell();
  }

  /** It begins somewhere else. */
  begins(): void {
    this.#wasLive = false;
  }

  /** It reads, and so many records are left. */
  reads(behind: number): void {
    this.#hasBegun = true;
    this.#behind = behind;
    this.#wasLive = behind === 0 || (this.#wasLive && behind < liveBehind);
    this.#tell();
  }

  /** @param owner whether it publishes */
  get(owner: boolean): ProcessorStatus {
    return { ...this.#told, behind: this.#behind, owner };
  }

  #tell(): void {
    const { state, reason } = this.#current();
    if (state === this.#told.state && reason === this.#told.reason) return;
    const isOther = state !== this.#told.state;
    this.#told = { state, reason, since: isOther ? this.#now() : this.#told.since };
  }

  #current(): Pick<ProcessorStatus, "state" | "reason"> {
    if (this.#failure !== null) return { state: "failed", reason: this.#failure };
    const hindrance = hindrances.find((one) => this.#waits.has(one));
    if (hindrance) return { state: "waiting", reason: this.#waits.get(hindrance)! };
    if (!this.#hasBegun) return { state: "starting", reason: null };
    return { state: this.#wasLive ? "live" : "catching-up", reason: null };
  }
}
