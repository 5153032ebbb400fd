/** Work under a transactional id: it begins again after whatever fails, until it is stopped or another instance takes the id.
 *
 * After a stop a transaction that is under way may end, for a moment. Left out: the work (fold_task.ts, window_task.ts).
 * @module */
import type { Kafka } from "../../client.ts";
import { pause } from "../../pause.ts";
import { Fenced, TransactionalProducer, type TransactionalProducerOptions } from "../../transactions.ts";

/** What is done. */
export interface FencedWork {
  /** Aborted to stop it. */
  readonly signal: AbortSignal;
  /** Told in the log when another instance has the id. */
  readonly lost: string;
  readonly onFenced: () => void;
  /** Begins and goes on until it has to begin again, or `signal` aborts.
   * @param onDone to be called when something was committed: the next failure is a first one
   * @returns false when it could not begin */
  readonly work: (producer: TransactionalProducer, onDone: () => void) => Promise<boolean>;
  /** Told of what failed, but not of being fenced. */
  readonly failed: (error: unknown) => void;
}

/** How long a transaction may go on after the stop, ms. */
const endMs = 1_000;
/** Pauses before it begins again, ms: the first after a failure, the longest; and when it could not begin. */
const firstPauseMs = 50, maxPauseMs = 1_000, notBegunPauseMs = 500;

/** Does it with a producer of its own; never rejects. */
export async function untilFenced(
  kafka: Kafka,
  options: TransactionalProducerOptions,
  fenced: FencedWork,
): Promise<void> {
  const { signal, lost, onFenced } = fenced;
  await using producer = new TransactionalProducer(kafka, options);
  const isDone = new AbortController();
  const cut = async () => {
    await pause(endMs, isDone.signal);
    if (!isDone.signal.aborted) await producer[Symbol.asyncDispose]();
  };
  signal.addEventListener("abort", () => void cut(), { once: true });
  try {
    await again(producer, fenced);
  } catch (error) {
    if (signal.aborted) return;
    options.log.info(lost, { error });
    onFenced();
  } finally {
    isDone.abort();
  }
}

/** Begins again and again. @throws {Fenced} */
async function again(producer: TransactionalProducer, { signal, work, failed }: FencedWork): Promise<void> {
  for (let pauseMs = firstPauseMs, waitMs; !signal.aborted; await pause(waitMs, signal)) {
    try {
      const hasBegun = await work(producer, () => pauseMs = firstPauseMs);
      waitMs = hasBegun ? firstPauseMs : notBegunPauseMs;
    } catch (error) {
      if (error instanceof Fenced) throw error;
      if (!signal.aborted) failed(error);
      waitMs = pauseMs;
      pauseMs = Math.min(2 * pauseMs, maxPauseMs);
    }
  }
}
