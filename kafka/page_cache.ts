/** Pages of the past in memory, bounded in bytes: those used last stay. Left out: how they are read (history.ts). @module */
import type { Page } from "./history.ts";

/** A page may be of a log that is gone: the topic was made anew, and nobody follows it who would notice. */
const maxAgeMs = 10_000;
/** What a record of a page costs, about: its objects and those of one feed, and for each of its bytes that byte, what feeds make
 * of it, and their JSON. */
const recordOverheadBytes = 1500, bytesPerRecordByte = 4;
/** So that there are not very many pages. */
const pageOverheadBytes = 16 * 1024;
/** Pages overlap where readers begin anywhere: so many before a place are looked at. */
const maxLooked = 8;

interface CachedPage {
  readonly page: Page;
  readonly place: string;
  readonly bytes: number;
  /** When it was read, on the clock of `performance.now()`. */
  readonly at: number;
}

/** The pages of all topics. */
export class PageCache {
  readonly #maxBytes: number;
  /** By topic and partition; ascending by `from`. */
  readonly #places = new Map<string, CachedPage[]>();
  /** Oldest use first. */
  readonly #used = new Set<CachedPage>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What all pages cost, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The page that holds an offset. */
  find(topic: string, partition: number, offset: number): Page | undefined {
    const pages = this.#places.get(`${topic}/${partition}`);
    if (!pages) return undefined;
    const oldest = performance.now() - maxAgeMs;
    const behind = firstAfter(pages, offset);
    for (let i = behind - 1; i >= 0 && i >= behind - maxLooked; i--) {
      const known = pages[i]!;
      if (offset >= known.page.next || known.at < oldest) continue;
      this.#used.delete(known);
      this.#used.add(known);
      return known.page;
    }
    return undefined;
  }

  /** Keeps a page, unless there is nothing in it; those used longest ago make room. */
  keep(topic: string, partition: number, page: Page): void {
    if (page.next <= page.from) return;
    const bytes = page.records.reduce(
      (sum, { key, value }) =>
        sum + bytesPerRecordByte * ((key?.length ?? 0) + (value?.length ?? 0)) + recordOverheadBytes,
      pageOverheadBytes,
    );
    const place = `${topic}/${partition}`;
    const same = this.#places.get(place)?.find((known) => known.page.from === page.from);
    if (same) this.#drop(same);
    const pages = this.#places.get(place) ?? [];
    this.#places.set(place, pages);
    const kept = { page, place, bytes, at: performance.now() };
    pages.splice(firstAfter(pages, page.from), 0, kept);
    this.#used.add(kept);
    this.#bytes += bytes;
    for (const oldest of this.#used) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(oldest);
    }
  }

  /** Lets go of a topic's pages. */
  forget(topic: string): void {
    for (const [place, pages] of this.#places) {
      if (place.startsWith(`${topic}/`)) { for (const known of [...pages]) this.#drop(known); }
    }
  }

  #drop(known: CachedPage): void {
    const pages = this.#places.get(known.place)!;
    pages.splice(pages.indexOf(known), 1);
    if (pages.length === 0) this.#places.delete(known.place);
    this.#used.delete(known);
    this.#bytes -= known.bytes;
  }
}

/** Index of the first page that begins after an offset. */
function firstAfter(pages: readonly CachedPage[], offset: number): number {
  let low = 0, high = pages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pages[middle]!.page.from <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
