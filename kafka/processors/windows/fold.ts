/** Clicks of one input partition on their way to the partitions of their ids, as counts of panes: a fold, no Kafka, no clock.
 *
 * A million clicks become some thousand counts here, before anything is written. What is lost thereby is the order of events, which decides
 * what is late; so whoever came behind its own partition's newest event by more than a window and its grace is marked (`PaneCount`). What
 * came late with regard to other partitions is told where all of them meet (window_state.ts). Left out: reading, writing, and when
 * (fold_task.ts).
 * @module */
import { Buffer } from "node:buffer";
import { partitionOf } from "../../connection.ts";
import type { KafkaRecord } from "../../fetch_response.ts";
import { maxAheadMs, paneMsOf, type WindowSettings } from "../../windows.ts";
import { ClickIds, isClickTime, type WrongClick } from "./click.ts";
import type { FoldBatch, PaneCount } from "./types.ts";

/** What a fold is of. */
export interface FoldOptions {
  /** Number of the input partition, what its log is called, and the offset at which the fold begins. */
  readonly source: number;
  readonly log: string;
  readonly from: number;
  /** Sizes are ascending, one at least. */
  readonly settings: Pick<WindowSettings, "sizes" | "graceMs">;
  /** How many partitions of ids there are. */
  readonly partitions: number;
  /** Ids that were read before; default: none. */
  readonly ids?: ClickIds;
}

/** `PaneCount` while it is counted. */
type Counting = [pane: number, count: number, behind?: number];

/** What of one id waits. */
interface IdCounts {
  readonly panes: Counting[];
  /** The same, by pane and mark. */
  readonly byKey: Map<number, Counting>;
  /** Where the last event went, as the next one mostly goes there too. */
  lastKey: number;
  last: Counting;
}

/** More marks than there are: 8 sizes have a bit each. */
const marks = 256;
/** Ids whose partition is kept in mind. */
const maxKnown = 50_000;
const noTime = { wrong: "no-time" } as const;

/** Folds records, ascending by offset, until it is taken; then goes on behind them. */
export class Fold {
  readonly #options: FoldOptions;
  readonly #ids: ClickIds;
  readonly #paneMs: number;
  readonly #sizes: readonly number[];
  readonly #graceMs: number;
  #from: number;
  #next: number;
  /** By id, for each partition of ids. */
  #counts: Map<string, IdCounts>[];
  readonly #partitionOf = new Map<string, number>();
  #panes = 0;
  /** Highest event time of this fold's life, and since the last `take`. */
  #high = -Infinity;
  #batchHigh: number | null = null;
  #at: number | null = null;
  #wrong: Partial<Record<WrongClick, number>> = {};
  #ahead = 0;
  #missed = 0;

  constructor(options: FoldOptions) {
    const { settings: { sizes, graceMs }, from, ids = new ClickIds() } = options;
    this.#options = options;
    this.#ids = ids;
    this.#paneMs = paneMsOf(sizes);
    this.#sizes = sizes.map(({ ms }) => ms);
    this.#graceMs = graceMs;
    this.#from = this.#next = from;
    this.#counts = this.#noCounts();
  }

  /** The next offset that is wanted. */
  get next(): number {
    return this.#next;
  }

  /** How many counts wait to be taken. */
  get panes(): number {
    return this.#panes;
  }

  /** Whether nothing came since the last `take`, not even offsets without records. */
  get isEmpty(): boolean {
    return this.#next === this.#from;
  }

  /** Counts a record; one that lies before `next` was counted already and is passed over.
   * @param nowMs by the clock, ms since the epoch */
  add(
    { offset, timestamp, value }: Pick<KafkaRecord, "offset" | "timestamp" | "value">,
    nowMs: number,
  ): void {
    if (offset < this.#next) return;
    this.#next = offset + 1;
    this.#at = nowMs;
    const id = isClickTime(timestamp) ? this.#ids.read(value) : noTime;
    if (typeof id !== "string") return this.#addWrong(id.wrong, 1);
    const pane = Math.floor(timestamp / this.#paneMs);
    const behind = timestamp >= this.#high - this.#graceMs ? 0 : this.#behind(pane * this.#paneMs);
    this.#count(id, pane, behind);
    if (timestamp > nowMs + maxAheadMs) this.#ahead++;
    else {
      if (timestamp > this.#high) this.#high = timestamp;
      if (this.#batchHigh === null || timestamp > this.#batchHigh) this.#batchHigh = timestamp;
    }
  }

  /** Goes on at an offset: up to it there are no more records, only what ends transactions. */
  goOn(next: number): void {
    if (next > this.#next) this.#next = next;
  }

  /** Passes over offsets up to `to`: their records are gone. */
  miss(to: number): void {
    this.#missed += Math.max(0, to - this.#next);
    this.goOn(to);
  }

  /** Passes over offsets up to `to`: their records cannot be read. */
  skipUnreadable(to: number): void {
    if (to > this.#next) this.#addWrong("unreadable", to - this.#next);
    this.goOn(to);
  }

  /** All that came since the last time.
   * @returns one batch for each partition of ids, in their order; batches without counts say how far the source is */
  take(): FoldBatch[] {
    const { source, log, partitions } = this.#options;
    const batch = {
      v: 1,
      source,
      log,
      from: this.#from,
      next: this.#next,
      part: 0,
      parts: 1,
      high: this.#batchHigh,
      at: this.#at,
      paneMs: this.#paneMs,
      sizes: this.#sizes,
    } as const;
    const told = {
      ...(Object.keys(this.#wrong).length > 0 && { wrong: this.#wrong }),
      ...(this.#ahead > 0 && { ahead: this.#ahead }),
      ...(this.#missed > 0 && { missed: this.#missed }),
    };
    const batches = this.#counts.map((ids, q) => ({
      ...batch,
      counts: Array.from(ids, ([id, { panes }]): [string, readonly PaneCount[]] => [id, panes]),
      ...(q === source % partitions && told),
    }));
    this.#from = this.#next;
    this.#counts = this.#noCounts();
    this.#panes = 0;
    this.#batchHigh = this.#at = null;
    this.#wrong = {};
    this.#ahead = this.#missed = 0;
    return batches;
  }

  #noCounts(): Map<string, IdCounts>[] {
    return Array.from({ length: this.#options.partitions }, () => new Map());
  }

  #addWrong(kind: WrongClick, records: number): void {
    this.#wrong[kind] = (this.#wrong[kind] ?? 0) + records;
  }

  /** For which sizes an event of a pane comes after an event by which its window could have been closed. */
  #behind(startMs: number): number {
    let behind = 0;
    for (let i = 0; i < this.#sizes.length; i++) {
      const size = this.#sizes[i]!, end = startMs - startMs % size + size;
      if (end + this.#graceMs <= this.#high) behind |= 1 << i;
    }
    return behind;
  }

  #count(id: string, pane: number, behind: number): void {
    const ids = this.#counts[this.#partition(id)]!, key = pane * marks + behind;
    const known = ids.get(id);
    if (known !== undefined && known.lastKey === key) {
      known.last[1]++;
      return;
    }
    let counting = known?.byKey.get(key);
    if (counting) counting[1]++;
    else {
      counting = behind === 0 ? [pane, 1] : [pane, 1, behind];
      this.#panes++;
    }
    if (!known) {
      ids.set(id, { panes: [counting], byKey: new Map([[key, counting]]), lastKey: key, last: counting });
      return;
    }
    if (counting[1] === 1) {
      known.panes.push(counting);
      known.byKey.set(key, counting);
    }
    known.lastKey = key;
    known.last = counting;
  }

  #partition(id: string): number {
    const { partitions } = this.#options;
    if (partitions === 1) return 0;
    const known = this.#partitionOf.get(id);
    if (known !== undefined) return known;
    const partition = partitionOf(Buffer.from(id), partitions);
    if (this.#partitionOf.size >= maxKnown) this.#partitionOf.clear();
    this.#partitionOf.set(id, partition);
    return partition;
  }
}
