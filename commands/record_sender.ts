/** Small records on their way into their topics: a bounded number of them waits for Kafka, in their order, for as long as Kafka is away.
 *
 * Left out: where they come from (publish_likes.ts, publish_measurements.ts), what is told of it (publish_report.ts).
 * @module */
import { StreamError } from "../errors.ts";
import type { OutRecord, Producer, SendOptions } from "../kafka/producer.ts";
import type { Logger } from "../logger.ts";
import { Absence } from "./absence.ts";
import { CommandError } from "./run.ts";

/** Where records go. */
export interface RecordSenderOptions {
  /** What they are, in plural, for the log. */
  readonly what: string;
  /** Keeps what it is given for as long as Kafka is away. */
  readonly producer: Pick<Producer, "send">;
  readonly log: Logger;
  /** Ends waiting. */
  readonly signal: AbortSignal;
}

/** What may wait for Kafka's answer: two batches, so that one is gathered while the other is on its way. */
const maxWaiting = 10_000;
/** How long Kafka may take before it is said to be away. */
const awayAfterMs = 2000;

/** Sends and counts. */
export class RecordSender {
  /** Acknowledged by Kafka. */
  stored = 0;
  /** Sent, but not known to be stored. */
  unknown = 0;
  readonly #options: RecordSenderOptions;
  readonly #absence: Absence;
  #waiting = 0;
  #changed = Promise.withResolvers<void>();
  #failure: CommandError | undefined;

  constructor(options: RecordSenderOptions) {
    this.#options = options;
    this.#absence = new Absence("publish", options.what, options.log);
    options.signal.addEventListener("abort", () => this.#change(), { once: true });
  }

  /** Whether Kafka keeps records waiting. */
  get isAway(): boolean {
    return this.#absence.isAway;
  }

  /** Whether the next one may be sent without waiting for room. */
  get hasRoom(): boolean {
    return this.#waiting < maxWaiting && !this.#failure;
  }

  /** Resolves when there is room, or it is over.
   * @throws {CommandError} when Kafka refused one for good */
  async room(): Promise<void> {
    const { signal } = this.#options;
    await this.#wait(() => this.#waiting < maxWaiting || signal.aborted);
  }

  /** Sends one; there has to be room. */
  send(topic: string, record: OutRecord, options?: SendOptions): void {
    this.#waiting++;
    this.#options.producer.send(topic, record, options).then(
      () => {
        this.stored++;
        this.#absence.end();
        this.#settle();
      },
      (error) => {
        this.#failed(topic, error);
        this.#settle();
      },
    );
  }

  /** Resolves when nothing waits any more.
   * @throws {CommandError} when Kafka refused one for good */
  async settled(): Promise<void> {
    await this.#wait(() => this.#waiting === 0);
  }

  async #wait(isOver: () => boolean): Promise<void> {
    const timer = setTimeout(() => {
      this.#absence.begin(`${this.#waiting} ${this.#options.what} wait for an answer`);
    }, awayAfterMs);
    while (!isOver() && !this.#failure) await this.#changed.promise;
    clearTimeout(timer);
    if (this.#failure) throw this.#failure;
  }

  #failed(topic: string, error: unknown): void {
    const code = error instanceof StreamError ? error.code : "";
    // The last two come when the producer is closed while Kafka is away.
    if (["outcome-unknown", "kafka-unavailable", "draining"].includes(code)) {
      this.unknown++;
      return;
    }
    const reason = (error as Error).message;
    this.#failure ??= new CommandError(`Cannot publish to ${topic}: ${reason}`, { cause: error });
  }

  /** One has its outcome. */
  #settle(): void {
    this.#waiting--;
    // Whoever waits for room goes on with half of it, rather than one by one.
    if (this.#waiting === 0 || this.#waiting === maxWaiting / 2 || this.#failure) this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
