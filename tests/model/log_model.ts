/** The log as it must be: what was acknowledged, at its place; what may be there, once; and where it begins, as far as that is known.
 *
 * A topic that is removed and made again is another generation. Left out: what viewers were shown of it (account.ts).
 * @module */

/** A record as it was acknowledged. */
export interface LoggedRecord {
  readonly text: string;
  readonly key: string;
  /** ms since the epoch. */
  readonly timestamp: number;
}

/** One partition of one generation. */
export class PartitionModel {
  /** By offset; offsets that hold no record are missing. */
  readonly #records: (LoggedRecord | undefined)[] = [];
  /** Times of what is in the log and shown to nobody, by offset: ends of transactions, and what was given up. */
  readonly #hidden = new Map<number, number>();
  /** The log begins at `least` or later, and not after `most`. */
  least = 0;
  most = 0;

  /** The offset after the newest acknowledged record. */
  get end(): number {
    return this.#records.length;
  }

  at(offset: number): LoggedRecord | undefined {
    return this.#records[offset];
  }

  /** @throws {Error} when two records were told the same place */
  acknowledged(offset: number, record: LoggedRecord): void {
    const other = this.#records[offset];
    if (other) throw new Error(`Offset ${offset} was told to ${record.text} and to ${other.text}`);
    this.#records[offset] = record;
  }

  /** Something is at an offset that nobody is shown. */
  hides(offset: number, timestamp: number): void {
    this.#hidden.set(offset, timestamp);
  }

  /** Kafka says that the log begins here now. */
  startsAt(offset: number): void {
    this.least = Math.max(this.least, offset);
    this.most = Math.max(this.least, offset);
  }

  /** Records are about to go: up to `before`, or any. */
  mayStartAt(before: number): void {
    this.most = Math.max(this.most, before);
  }

  /** Whether a place is right that should lie between two others: offsets without a record make no difference. */
  isBetween(place: number, low: number, high: number): boolean {
    return place < low ? this.#isEmpty(place, low) : place <= high || this.#isEmpty(high, place);
  }

  #isEmpty(from: number, to: number): boolean {
    for (let offset = from; offset < to; offset++) if (this.#records[offset]) return false;
    return true;
  }

  /** Whether a look-up by time may find nothing though there is something: Apache Kafka 4.3.1 answers so where the log begins behind the
   * end of a transaction that bears a later time. */
  get mayMissTimes(): boolean {
    return this.#hidden.keys().some((offset) => offset < this.most);
  }

  /** Whether a later record has the key of the one at an offset. */
  hasNewer(offset: number): boolean {
    const key = this.#records[offset]?.key;
    return this.#records.findLastIndex((record) => record?.key === key) > offset;
  }

  /** The first offset from `from` to before `end` with a record at or after a time; `end` when there is none.
   * @param shown whether what nobody is shown counts for nothing */
  firstSince(ms: number, from: number, end: number, shown = false): number {
    for (let offset = from; offset < end; offset++) {
      const timestamp = this.#records[offset]?.timestamp ?? (shown ? undefined : this.#hidden.get(offset));
      if (timestamp !== undefined && timestamp >= ms) return offset;
    }
    return end;
  }
}

/** One life of the topic. */
export class Generation {
  readonly partitions: PartitionModel[];

  constructor(readonly number: number, partitions: number) {
    this.partitions = Array.from({ length: partitions }, () => new PartitionModel());
  }

  /** Where each partition ends, as far as it was acknowledged. */
  get ends(): number[] {
    return this.partitions.map(({ end }) => end);
  }
}

/** Everything that was ever acknowledged. */
export class LogModel {
  readonly generations: Generation[];
  /** Records of which nobody knows whether they are in the log, and where, by their text. */
  readonly #doubtful = new Map<string, LoggedRecord>();
  #texts = 0;

  constructor(partitions: number) {
    this.generations = [new Generation(0, partitions)];
  }

  get current(): Generation {
    return this.generations.at(-1)!;
  }

  /** The topic is about to be removed and made again. */
  remade(): void {
    this.generations.push(new Generation(this.generations.length, this.current.partitions.length));
  }

  /** Its sender was told that it may be in the log. */
  mayHave(record: LoggedRecord): void {
    this.#doubtful.set(record.text, record);
  }

  /** How many records there may be of which it is not known yet; of one key or all. */
  doubts(key?: string): number {
    return this.#doubtful.values().filter((record) => key === undefined || record.key === key).toArray()
      .length;
  }

  /** The record at a place where somebody was shown this text; a doubtful one is there from now on, and nowhere else. */
  shown(text: string, partition: number, offset: number): LoggedRecord | undefined {
    const log = this.generations[generationOf(text)]?.partitions[partition];
    const record = this.#doubtful.get(text);
    if (!log || log.at(offset) || !record) return log?.at(offset);
    this.#doubtful.delete(text);
    log.acknowledged(offset, record);
    return record;
  }

  /** The number of the next record, over all generations. */
  nextNumber(): number {
    return this.#texts++;
  }

  /** The text of a record: its generation, its number, and so many more characters. */
  text(number: number, more: number): string {
    return `g${this.current.number}-${number}${more > 0 ? ` ${"x".repeat(more)}` : ""}`;
  }

  get records(): number {
    return this.#texts;
  }
}

/** The generation that a record's text names. */
export function generationOf(text: string): number {
  return Number(/^g(\d+)-/.exec(text)?.[1] ?? NaN);
}
