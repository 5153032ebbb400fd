/** Long work in small pieces: the loop is given back between them, and their size follows the time they take, so that
 * no client waits for housekeeping. @module */

import { setImmediate } from "node:timers";
import type { Store } from "./store.ts";

/** Longest time that one piece should hold the loop, in milliseconds. Twice this is still unnoticed. */
export const PIECE_MS = 8;
/** Pages in SQLite's write-ahead log that are folded into the database by housekeeping itself. SQLite would do so at
 * 1000, all at once, which holds the loop for some 30 ms. */
const WAL_PAGES = 200;
/** Work between two looks at the clock's time that is let pass, in milliseconds. */
const BREATH_MS = 4;

/** Gives the loop back when work has held it for some milliseconds. */
export class Breath {
  #since = performance.now();

  /** Whether it is time to pause. */
  get due(): boolean {
    return performance.now() - this.#since >= BREATH_MS;
  }

  /** Lets everything else that waits run, if it is time; costs next to nothing otherwise. */
  async pause(): Promise<void> {
    if (this.due) await this.always();
  }

  /** Lets everything else that waits run. */
  async always(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}

/** How much work goes into the next piece: less after one that took long, slowly more after quick ones. */
export class PieceSize {
  readonly #least: number;
  readonly #most: number;
  #now: number;

  /** @param least,most bounds; the first piece has the mean of their logarithms */
  constructor(least: number, most: number) {
    this.#least = least;
    this.#most = most;
    this.#now = Math.round(Math.sqrt(least * most));
  }

  get now(): number {
    return this.#now;
  }

  /** Tells how long a piece has held the loop, in milliseconds. */
  took(ms: number): void {
    const factor = ms > PIECE_MS ? Math.max(PIECE_MS / ms / 1.5, 0.1) : ms < PIECE_MS / 2 ? 1.25 : 1;
    this.#now = Math.min(Math.max(Math.round(this.#now * factor), this.#least), this.#most);
  }
}

/** A write of housekeeping: the loop is given back after it, and the write-ahead log does not grow by many of them.
 * @returns how long it held the loop, its commit included, in milliseconds
 * @throws {StorageError} as {@link Store.write} */
export async function writePiece(store: Store, apply: () => void, undo?: () => unknown): Promise<number> {
  const breath = new Breath();
  let startedMs = 0;
  await store.write(() => {
    startedMs = performance.now();
    apply();
  }, undo);
  const tookMs = performance.now() - startedMs;
  await breath.always();
  if (walPages(store) >= WAL_PAGES) {
    try {
      store.db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    } catch {
      /* as with SQLite's own ones: the log only stays longer, and the next write tells what is wrong */
    }
    await breath.always();
  }
  return tookMs;
}

/** Pages written to the write-ahead log and not yet to the database. */
function walPages({ db }: Store): number {
  const row = db.prepare("PRAGMA wal_checkpoint(NOOP)").get();
  return Number(row?.log ?? 0) - Number(row?.checkpointed ?? 0);
}
