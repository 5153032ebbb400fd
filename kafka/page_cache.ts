/** Pages of the past in memory, bounded in bytes: those used last stay. Left out: how they are read (history.ts). @module */
import type { KafkaRecord } from "./fetch_response.ts";
import type { Page } from "./history.ts";

/** A page may be of a log that is gone: the topic was made anew, and nobody follows it who would notice. */
const maxAgeMs = 10_000;
/** What a record of a page costs, about: its objects and those of one feed, and for each of its bytes what feeds make of it and
 * their JSON. */
const recordOverheadBytes = 1300, bytesPerRecordByte = 2;
/** What a page costs besides; the bytes of its whole answer stay as long as any of its records. */
const pageOverheadBytes = 8 * 1024;

interface CachedPage {
  readonly page: Page;
  readonly place: string;
  readonly bytes: number;
  /** When it was read, on the clock of `performance.now()`. */
  readonly at: number;
}

/** The pages of one partition. */
interface Place {
  /** Ascending; no two hold the same offset. */
  readonly pages: CachedPage[];
  /** Offsets that a full page had last. */
  span: number;
}

/** The pages of all topics. */
export class PageCache {
  readonly #maxBytes: number;
  /** By topic and partition. */
  readonly #places = new Map<string, Place>();
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
    const pages = this.#places.get(`${topic}/${partition}`)?.pages ?? [];
    const known = pages[firstAfter(pages, offset) - 1];
    if (!known || offset >= known.page.next || isOld(known)) return undefined;
    this.#used.delete(known);
    this.#used.add(known);
    return known.page;
  }

  /** Where to read for an offset that is not here, so that thousands who begin near each other read the same pages: behind a page
   * that ends there, else at a round offset before it. */
  beginning(topic: string, partition: number, offset: number): number {
    const place = this.#places.get(`${topic}/${partition}`);
    if (!place || place.span < 2) return offset;
    const before = place.pages[firstAfter(place.pages, offset) - 1];
    if (before?.page.next === offset) return offset;
    const round = 2 ** Math.floor(Math.log2(place.span));
    return Math.max(offset - offset % round, before && !isOld(before) ? before.page.next : 0);
  }

  /** Keeps a page, as far as no other holds its offsets; those used longest ago make room. */
  keep(topic: string, partition: number, whole: Page): void {
    if (whole.next <= whole.from) return;
    const name = `${topic}/${partition}`;
    for (const known of [...this.#places.get(name)?.pages ?? []]) if (isOld(known)) this.#drop(known);
    const place = this.#places.get(name) ?? { pages: [], span: 0 };
    if (whole.next < whole.end) place.span = whole.next - whole.from;
    const at = firstAfter(place.pages, whole.from);
    const from = Math.max(whole.from, place.pages[at - 1]?.page.next ?? 0);
    const next = Math.min(whole.next, place.pages[at]?.page.from ?? Infinity);
    if (next <= from) return;
    const page = cutTo(whole, from, next);
    const raw = whole.records.reduce((sum, record) => sum + sizeOf(record), pageOverheadBytes);
    const bytes = page.records.reduce(
      (sum, record) => sum + bytesPerRecordByte * sizeOf(record) + recordOverheadBytes,
      raw,
    );
    const kept = { page, place: name, bytes, at: performance.now() };
    this.#places.set(name, place);
    place.pages.splice(at, 0, kept);
    this.#used.add(kept);
    this.#bytes += bytes;
    for (const oldest of this.#used) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(oldest);
    }
  }

  /** Lets go of a topic's pages. */
  forget(topic: string): void {
    for (const [name, { pages }] of this.#places) {
      if (name.startsWith(`${topic}/`)) { for (const known of [...pages]) this.#drop(known); }
    }
  }

  #drop(known: CachedPage): void {
    const { pages } = this.#places.get(known.place)!;
    pages.splice(pages.indexOf(known), 1);
    if (pages.length === 0) this.#places.delete(known.place);
    this.#used.delete(known);
    this.#bytes -= known.bytes;
  }
}

function isOld({ at }: CachedPage): boolean {
  return at < performance.now() - maxAgeMs;
}

function sizeOf({ key, value }: KafkaRecord): number {
  return (key?.length ?? 0) + (value?.length ?? 0);
}

/** The part of a page from `from` to before `next`. */
function cutTo(page: Page, from: number, next: number): Page {
  if (from === page.from && next === page.next) return page;
  const isIn = ({ offset }: KafkaRecord) => offset >= from && offset < next;
  const records = page.records.filter(isIn), shared = page.shared.filter(({ record }) => isIn(record));
  return { ...page, from, next, records, shared };
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
