/** Work under a transactional id: it goes on until it is stopped, or until another instance takes the id.
 *
 * After a stop a transaction that is under way may end, for a moment. Left out: the work (fold_task.ts, window_task.ts), beginning it
 * again after failures.
 * @module */
import type { Kafka } from "../../client.ts";
import { pause } from "../../pause.ts";
import { TransactionalProducer, type TransactionalProducerOptions } from "../../transactions.ts";

/** What is done. */
export interface FencedWork {
  /** Aborted to stop it. */
  readonly signal: AbortSignal;
  /** Told in the log when another instance has the id. */
  readonly lost: string;
  readonly onFenced: () => void;
  /** Ends when `signal` aborts; throws only when it is fenced. */
  readonly work: (producer: TransactionalProducer) => Promise<void>;
}

/** How long a transaction may go on after the stop, ms. */
const endMs = 1_000;

/** Does it with a producer of its own; never rejects. */
export async function untilFenced(
  kafka: Kafka,
  options: TransactionalProducerOptions,
  { signal, lost, onFenced, work }: FencedWork,
): Promise<void> {
  await using producer = new TransactionalProducer(kafka, options);
  const isDone = new AbortController();
  const cut = async () => {
    await pause(endMs, isDone.signal);
    if (!isDone.signal.aborted) await producer[Symbol.asyncDispose]();
  };
  signal.addEventListener("abort", () => void cut(), { once: true });
  try {
    await work(producer);
  } catch (error) {
    if (signal.aborted) return;
    options.log.info(lost, { error });
    onFenced();
  } finally {
    isDone.abort();
  }
}
