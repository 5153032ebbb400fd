/** Records of a measurement's topic on their way into its books: a fold, no Kafka, no file.
 *
 * Two places are kept of each partition: up to `counted` records are in the histogram, up to `stored` they are rows. They differ only after
 * counts of another instance were taken over. Records before both are looked at once more for what is late or repeated, and no more.
 * A record whose offset lies before a place is never counted or stored again, wherever it comes from. Left out: where the places come from
 * (beginning.ts), the file (measurement_store.ts).
 * @module */
import type { FetchedPartition } from "../fetch_response.ts";
import type { Places } from "./beginning.ts";
import { type HistogramMore, RunningHistogram } from "./histogram.ts";
import type { Covered, HistogramSnapshot } from "./histogram_types.ts";
import { readMeasurement } from "./measurement_value.ts";
import { Recent } from "./recent.ts";

/** What is kept beside a snapshot, so that counting goes on exactly. */
export interface CountingMore extends HistogramMore {
  /** Of the log that is counted, where Kafka has ids. */
  readonly topicId?: string;
}

/** A measurement on its way into the file. */
export interface CountedRow {
  /** When it was measured, ms since the epoch. */
  readonly timeMs: number;
  readonly value: number;
  readonly partition: number;
  readonly offset: number;
  /** The counts of the bins after it, with commas between them; null when it is counted already. */
  readonly counts: string | null;
}

/** Where counting begins. */
export interface CountingStart {
  readonly snapshot: HistogramSnapshot | null;
  readonly more: HistogramMore | null;
  /** Of the log that is counted; default: none is known. */
  readonly topicId?: string | null;
  readonly covered: Covered;
  readonly stored: Places;
}

/** Counts records. */
export class Counting {
  readonly #histogram: RunningHistogram;
  readonly #recent: Recent;
  readonly #log: number;
  /** Of the log that is counted; null where Kafka has no ids. */
  readonly topicId: string | null;
  readonly #counted: Record<number, number>;
  readonly #stored: Record<number, number>;
  #rows: CountedRow[] = [];

  /** @param edges of the bins, for when there is no snapshot to go on from */
  constructor({ snapshot, more, topicId = null, covered, stored }: CountingStart, edges: readonly number[]) {
    this.#histogram = snapshot ? RunningHistogram.from(snapshot, more) : RunningHistogram.empty(edges);
    this.#recent = new Recent(more?.newest ?? {});
    this.#log = covered.log;
    this.topicId = topicId;
    this.#counted = { ...covered.positions };
    this.#stored = { ...stored };
  }

  /** Rows since the last `takeRows`. */
  get rows(): number {
    return this.#rows.length;
  }

  get snapshot(): HistogramSnapshot {
    return this.#histogram.snapshot();
  }

  get more(): CountingMore {
    const more = this.#histogram.more(this.#recent.newest);
    return this.topicId === null ? more : { ...more, topicId: this.topicId };
  }

  get covered(): Covered {
    return { log: this.#log, positions: { ...this.#counted } };
  }

  get stored(): Places {
    return { ...this.#stored };
  }

  /** Rows that are to be stored with the state of now. */
  takeRows(): readonly CountedRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }

  /** Up to where a partition is counted. */
  placeOf(partition: number): number {
    return this.#counted[partition] ?? 0;
  }

  /** Takes records, and goes on at `next`. */
  take({ partition, records, next }: Pick<FetchedPartition, "partition" | "records" | "next">): void {
    const counted = this.placeOf(partition), stored = this.#stored[partition] ?? 0;
    for (const { offset, value: bytes } of records) {
      const found = readMeasurement(bytes);
      if (found.wrong !== undefined) {
        if (offset >= counted) this.#histogram.addWrong(found.wrong);
        continue;
      }
      const { measurement: value, timeMs } = found;
      const isNew = offset >= counted;
      if (isNew) this.#histogram.add(value, timeMs, this.#recent.note(partition, value, timeMs));
      else this.#recent.fill(partition, value, timeMs);
      if (offset < stored) continue;
      const counts = isNew ? this.#histogram.countsText : null;
      this.#rows.push({ timeMs, value, partition, offset, counts });
    }
    this.#advance(partition, next);
  }

  /** Passes over records of a batch that cannot be read. */
  skipUnreadable(partition: number, from: number, to: number): void {
    this.#histogram.addWrong("unreadable", to - Math.max(from, this.placeOf(partition)));
    this.#advance(partition, to);
  }

  /** Records are gone that nobody has counted. */
  miss(records: number): void {
    this.#histogram.addMissed(records);
  }

  /** Rows of records that are gone cannot be had any more. */
  passOver(partition: number, to: number): void {
    this.#stored[partition] = Math.max(this.#stored[partition] ?? 0, to);
  }

  #advance(partition: number, next: number): void {
    this.#counted[partition] = Math.max(this.placeOf(partition), next);
    this.#stored[partition] = Math.max(this.#stored[partition] ?? 0, next);
  }
}
