/** Where a bounded read ends: `until`, as an offset of each partition.
 *
 * The log itself is asked, once for each partition: at the start, or, for a time that is still to come, when it has come. Left out:
 * what becomes of a stream that has reached its end (behind.ts).
 * @module */
import { KafkaError, latestOffset } from "./connection.ts";
import { type Positions, unknownOffset } from "./cursor.ts";
import type { KafkaRecord } from "./fetch_response.ts";
import type { History } from "./history.ts";
import type { Clock } from "./timeline.ts";
import type { Until } from "./viewer.ts";

/** How long after an answer that lacked a partition it is asked for again, ms. */
const askAgainMs = 1_000;

/** The end of a bounded read. */
export class Bound {
  readonly #until: Until;
  readonly #clock: Clock;
  /** Undefined until it was asked for; `unknownOffset` for partitions that have not answered. */
  #ends: number[] | undefined;
  /** Ends that were met on the way, before the time had come. */
  readonly #met = new Map<number, number>();
  #asking: Promise<void> | undefined;
  /** When Kafka is to be asked next, ms since the epoch. */
  #askAt: number;

  constructor(until: Until, clock: Clock) {
    this.#until = until;
    this.#clock = clock;
    this.#askAt = until.kind === "time" ? until.ms : 0;
  }

  /** Whether it is known for every partition. */
  get isKnown(): boolean {
    return this.#ends !== undefined && !this.#ends.includes(unknownOffset);
  }

  /** When there is something to ask Kafka, ms since the epoch; Infinity when there is not. */
  get askAt(): number {
    return this.isKnown ? Infinity : this.#askAt;
  }

  /** Whether it is a time that has not come: until then the log is followed. */
  get followsLog(): boolean {
    return this.#ends === undefined && this.#until.kind === "time" && this.#clock.now() < this.#until.ms;
  }

  /** Partitions that it knows of. */
  get partitions(): number {
    return this.#ends?.length ?? 0;
  }

  /** How far a partition may be read: to its end, while the time has not come to `soFar`, and not at all while its end is asked for. */
  limit(partition: number, soFar: number): number {
    if (!this.#ends) return this.followsLog ? Math.min(this.#met.get(partition) ?? Infinity, soFar) : 0;
    return this.#ends[partition] ?? 0;
  }

  /** Whether a record lies at or after the bound. */
  excludes({ partition, offset, timestamp }: KafkaRecord): boolean {
    if (this.#ends) return offset >= (this.#ends[partition] ?? 0);
    if (this.#until.kind === "latest" || timestamp < this.#until.ms) return false;
    if (offset < (this.#met.get(partition) ?? Infinity)) this.#met.set(partition, offset);
    return true;
  }

  /** Whether a read that has come to `positions` is through. */
  isReachedBy(positions: Positions): boolean {
    return this.isKnown && this.#ends!.every((end, partition) => (positions[partition] ?? 0) >= end);
  }

  /** Asks Kafka, if it is time to, or joins the question that is under way; partitions that do not answer stay unknown, a topic that is
   * missing has nothing.
   * @throws {KafkaError} */
  async ask(topic: string, history: History): Promise<void> {
    if (this.#clock.now() < this.askAt) return;
    this.#asking ??= this.#ask(topic, history).finally(() => this.#asking = undefined);
    await this.#asking;
  }

  async #ask(topic: string, history: History): Promise<void> {
    const at = this.#until.kind === "latest" ? latestOffset : this.#until.ms;
    const found = await positionsOf(topic, history, at);
    const before = this.#ends ?? [];
    this.#ends = found.map((end, partition) => {
      const known = before[partition] ?? unknownOffset;
      return known === unknownOffset ? Math.min(end, this.#met.get(partition) ?? Infinity) : known;
    });
    this.#askAt = this.#clock.now() + askAgainMs;
  }
}

/** A topic that is not there has nothing. */
async function positionsOf(topic: string, history: History, at: number): Promise<Positions> {
  try {
    return await history.positions(topic, at);
  } catch (error) {
    if (error instanceof KafkaError && error.code === "UNKNOWN_TOPIC_OR_PARTITION") return [];
    throw error;
  }
}
