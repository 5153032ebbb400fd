/** What is logged while Kafka is away: one line at the beginning and one at the end. @module */
import type { Logger } from "../logger.ts";

/** Kafka's absence as one producer of records notices it. */
export class Absence {
  readonly #who: string;
  readonly #topic: string;
  readonly #log: Logger;
  #isAway = false;

  /** @param who waits, for the log */
  constructor(who: string, topic: string, log: Logger) {
    this.#who = who;
    this.#topic = topic;
    this.#log = log;
  }

  get isAway(): boolean {
    return this.#isAway;
  }

  /** A record was not stored, or not in time. */
  begin(reason: string): void {
    if (!this.#isAway) this.#log.warn(`${this.#who} waits for Kafka`, { topic: this.#topic, reason });
    this.#isAway = true;
  }

  /** A record was stored. */
  end(): void {
    if (this.#isAway) this.#log.info(`${this.#who} goes on`, { topic: this.#topic });
    this.#isAway = false;
  }
}
