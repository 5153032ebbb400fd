/** Ids with nothing open, the least recently changed first: those that are forgotten when they become too many. Left out: forgetting them
 * (counted_ids.ts).
 * @module */
import type { IdWindows } from "./id_windows.ts";

/** These ids. */
export class RestingIds {
  readonly #maxIds: number;
  readonly #maxWindows: number;
  /** With how many finished windows each has. */
  readonly #ids = new Map<IdWindows, number>();
  #windows = 0;

  /** @param maxWindows of all of them together */
  constructor(maxIds: number, maxWindows: number) {
    this.#maxIds = maxIds;
    this.#maxWindows = maxWindows;
  }

  /** Puts an id behind all others. */
  add(owner: IdWindows): void {
    this.delete(owner);
    const { windows } = owner;
    this.#ids.set(owner, windows);
    this.#windows += windows;
  }

  delete(owner: IdWindows): void {
    this.#windows -= this.#ids.get(owner) ?? 0;
    this.#ids.delete(owner);
  }

  /** Takes out those that are too many. */
  takeSurplus(): IdWindows[] {
    const surplus: IdWindows[] = [];
    for (const owner of this.#ids.keys()) {
      if (this.#ids.size <= this.#maxIds && this.#windows <= this.#maxWindows) break;
      this.delete(owner);
      surplus.push(owner);
    }
    return surplus;
  }
}
