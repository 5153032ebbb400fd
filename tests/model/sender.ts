/** Who writes in a case, past the service, and enters into the model what became of it.
 *
 * Left out: transactions (transactions.ts).
 * @module */
import { StreamError } from "../../errors.ts";
import { within } from "../eventually.ts";
import type { LogModel } from "./log_model.ts";
import type { Stage } from "./stage.ts";
import { keys, lastKey, type Sending } from "./steps.ts";
import type { Tally } from "./tally.ts";
import type { DrawnRecord } from "./transactions.ts";

/** Of the first record; later ones go up by some 10 ms each, and back now and then. */
const oldMs = 1_700_000_000_000, youngMs = Date.now() - 6 * 3_600_000, stepMs = 10;

/** A sender. */
export class Sender {
  readonly #stage: Stage;
  readonly #topic: string;
  readonly #model: LogModel;
  readonly #tally: Tally;
  readonly #firstMs: number;
  #newestMs: number;
  readonly #sending = new Set<Promise<unknown>>();
  #failed: unknown;

  constructor(stage: Stage, topic: string, model: LogModel, tally: Tally, isYoung: boolean) {
    this.#stage = stage;
    this.#topic = topic;
    this.#model = model;
    this.#tally = tally;
    this.#newestMs = this.#firstMs = isYoung ? youngMs : oldMs;
  }

  /** A time, in thousandths of the span of what was drawn. */
  timeOf(share: number): { ms: number } {
    const first = this.#firstMs;
    return { ms: first + Math.max(0, Math.round((this.#newestMs - first) * share / 1_000)) };
  }

  /** Makes records for the newest generation. */
  draw(sending: Sending): DrawnRecord[] {
    const { partitions } = this.#model.current;
    return Array.from({ length: sending.count }, () => {
      const number = this.#model.nextNumber();
      const timestamp = this.#firstMs + stepMs * number + (number * 7_919) % 61 - 30;
      this.#newestMs = Math.max(this.#newestMs, timestamp);
      const key = sending.key ?? keys[(number * 2_654_435_761 >>> 8) % keys.length]!;
      const text = this.#model.text(number, sending.bytes);
      return {
        text,
        key,
        timestamp,
        value: this.#stage.valueOf(text),
        ...(sending.partition !== null && { partition: sending.partition % partitions.length }),
      };
    });
  }

  /** Sends records.
   * @returns whether all are in the log: one whose outcome is unknown may be */
  send(sending: Sending): Promise<boolean> {
    const generation = this.#model.current;
    const outcomes = this.draw(sending).map(async (record) => {
      try {
        const { partition, offset } = await this.#stage.producer.send(this.#topic, record);
        generation.partitions[partition]!.acknowledged(offset, record);
        this.#tally.produced++;
        return true;
      } catch (error) {
        if (error instanceof StreamError && error.code === "outcome-unknown") {
          this.#model.mayHave(record);
          this.#tally.doubtful++;
        } else this.#failed ??= error;
        return false;
      }
    });
    const sent = Promise.all(outcomes).then((all) => all.every(Boolean));
    this.#sending.add(sent);
    return sent.finally(() => this.#sending.delete(sent));
  }

  /** Sends a last record to each partition, behind everything else. */
  async sendLast(): Promise<void> {
    const last = (partition: number) => this.send({ partition, count: 1, bytes: 0, key: lastKey });
    await Promise.all(this.#model.current.partitions.map(async (_, partition) => {
      while (!await last(partition) && this.#failed === undefined);
    }));
  }

  /** Everything that was sent has an outcome. */
  async outcomes(): Promise<void> {
    await Promise.all(this.#sending);
  }

  /** The same. @throws {Error} when something was refused, or takes a minute */
  async acknowledgements(): Promise<void> {
    await within("acknowledgements", 60_000, this.outcomes());
    if (this.#failed) throw new Error("A record was not acknowledged", { cause: this.#failed });
  }
}
