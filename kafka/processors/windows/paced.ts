/** Tells of names that change often: the first change at once, and what follows once in a while, so that the last one is always told.
 *
 * One timer for all of them. Left out: what is told (view.ts).
 * @module */
import type { Clock } from "../../timeline.ts";

/** A pace for each of many names. */
export class Paced implements Disposable {
  readonly #everyMs: number;
  readonly #clock: Clock;
  readonly #tell: (name: string) => void;
  /** Those that were told not long ago, the first one to be due in front. */
  readonly #resting = new Map<string, { readonly until: number; changed: boolean }>();
  #cancel: (() => void) | undefined;

  /** @param everyMs how often one name is told, at most */
  constructor(everyMs: number, clock: Clock, tell: (name: string) => void) {
    this.#everyMs = everyMs;
    this.#clock = clock;
    this.#tell = tell;
  }

  changed(name: string): void {
    const resting = this.#resting.get(name);
    if (resting) resting.changed = true;
    else this.#tellNow(name);
  }

  [Symbol.dispose](): void {
    this.#cancel?.();
    this.#resting.clear();
  }

  #tellNow(name: string): void {
    this.#resting.set(name, { until: this.#clock.now() + this.#everyMs, changed: false });
    this.#wait();
    this.#tell(name);
  }

  #wait(): void {
    const [first] = this.#resting.values();
    if (!first || this.#cancel) return;
    // The clock may be set back.
    const ms = Math.min(this.#everyMs, Math.max(0, first.until - this.#clock.now()));
    this.#cancel = this.#clock.after(ms, () => {
      this.#cancel = undefined;
      this.#look();
    });
  }

  #look(): void {
    const now = this.#clock.now(), due: string[] = [];
    for (const [name, { until, changed }] of this.#resting) {
      if (until > now && until <= now + this.#everyMs) break;
      this.#resting.delete(name);
      if (changed) due.push(name);
    }
    for (const name of due) this.#tellNow(name);
    this.#wait();
  }
}
