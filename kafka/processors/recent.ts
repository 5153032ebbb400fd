/** What was measured lately, by partition: tells which measurements are late, and which have just been there.
 *
 * Both are counted like the others, as they are records of the log. Late: older than the newest one of the partition. Repeated: the
 * same time and value as one of the last 256 measurements of the partition, as when a program sends a batch again. After a start the
 * newest times come from what was kept, the pairs from reading the log's last ones again. Left out: repeats that lie further apart,
 * in other partitions, or behind more than 256 offsets when the log holds markers or records that are no measurements.
 * @module */

/** How many measurements of a partition are remembered; how many offsets before its place are to be read again after a start. */
export const rememberedMeasurements = 256;

/** What is said of a measurement beside its being counted. */
export type Note = "late" | "repeated";

/** Newest time of each partition, ms since the epoch. */
export type NewestTimes = Readonly<Record<number, number>>;

/** The last measurements of a partition; a ring. */
class Remembered {
  readonly times = new Float64Array(rememberedMeasurements).fill(NaN);
  readonly values = new Float64Array(rememberedMeasurements);
  next = 0;
  newest = -Infinity;
}

/** The last measurements of each partition of a topic. */
export class Recent {
  readonly #partitions = new Map<number, Remembered>();

  /** @param newest as {@linkcode newest} was */
  constructor(newest: NewestTimes = {}) {
    for (const [partition, ms] of Object.entries(newest)) this.#of(Number(partition)).newest = ms;
  }

  /** Newest time of each partition so far. */
  get newest(): NewestTimes {
    const newest: Record<number, number> = {};
    for (const [partition, remembered] of this.#partitions) newest[partition] = remembered.newest;
    return newest;
  }

  /** @throws {RangeError} for what is no `newest` */
  static check(newest: NewestTimes): void {
    for (const [partition, ms] of Object.entries(newest)) {
      if (Number.isSafeInteger(Number(partition)) && Number.isSafeInteger(ms)) continue;
      throw new RangeError(`Cannot go on with newest times as one of partition ${partition} is ${ms}`);
    }
  }

  /** Remembers a measurement.
   * @returns what is to be said of it; nothing for most */
  note(partition: number, value: number, timeMs: number): Note | null {
    const remembered = this.#of(partition), { times, values, next, newest } = remembered;
    let note: Note | null = null;
    if (timeMs > newest) remembered.newest = timeMs;
    else {
      // A time that is newer than all cannot have been there.
      if (timeMs < newest) note = "late";
      for (let i = 0; i < rememberedMeasurements; i++) {
        if (times[i] === timeMs && values[i] === value) {
          note = "repeated";
          break;
        }
      }
    }
    times[next] = timeMs;
    values[next] = value;
    remembered.next = (next + 1) % rememberedMeasurements;
    return note;
  }

  /** Remembers a measurement that was looked at before. */
  fill(partition: number, value: number, timeMs: number): void {
    this.note(partition, value, timeMs);
  }

  /** Forgets everything: the topic's log is another one. */
  reset(): void {
    this.#partitions.clear();
  }

  #of(partition: number): Remembered {
    let remembered = this.#partitions.get(partition);
    if (!remembered) this.#partitions.set(partition, remembered = new Remembered());
    return remembered;
  }
}
