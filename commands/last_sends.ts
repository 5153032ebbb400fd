/** The end of a publisher: what Kafka has not answered yet. @module */
import type { Producer } from "../kafka/producer.ts";
import { systemClock } from "./clock.ts";

/** How long the last sends may wait for Kafka after a signal to end. */
const lastSendsMs = 2000;

/** Waits until `settled` settles; after a signal to end, not for long: then the producer gives up what waits. */
export async function settleSends(
  settled: Promise<void>,
  producer: Pick<Producer, "abandon">,
  signal: AbortSignal,
): Promise<void> {
  settled.catch(() => {});
  const patience = new AbortController();
  const giveUp = async () => {
    await systemClock.sleep(lastSendsMs, patience.signal);
    if (!patience.signal.aborted) await producer.abandon();
  };
  signal.addEventListener("abort", giveUp, { signal: patience.signal });
  if (signal.aborted) giveUp();
  await settled.finally(() => patience.abort());
}
