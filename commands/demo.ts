/** The demo producers: each vehicle of demo_fleet.ts reports where it is once a second.
 *
 * Inside the service (`serve --demo`), or on its own against any Kafka (`tailrace demo`). A vehicle whose
 * last report is not acknowledged yet leaves out the next one, so that nothing piles up while Kafka is away.
 * Left out: demo data of other features.
 * @module */
import type { Config } from "../config.ts";
import { createProducer, type Producer } from "../kafka/producer.ts";
import { newPosition, positionRecord } from "../kafka/topics.ts";
import type { Logger } from "../logger.ts";
import streets from "../static/geo/streets.json" with { type: "json" };
import { type Clock, systemClock } from "./clock.ts";
import { createFleet } from "./demo_fleet.ts";
import { type CommandRun, connectKafka } from "./run.ts";

/** Where the vehicles report to. */
export interface DemoOptions {
  readonly producer: Pick<Producer, "send">;
  readonly topic: string;
  readonly log: Logger;
  /** Ends the demo. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

const reportEveryMs = 1000;
/** A drive begins anew this often, so that whoever starts finds the vehicles where they would be had it never
 * stopped, and tracks go on after a restart. */
const driveMs = 6 * 3600 * 1000;

/** Lets the vehicles drive until `signal` aborts; resolves when their last reports have an outcome. Never
 * rejects for Kafka's sake. */
export async function startDemo(
  { producer, topic, log, signal, clock = systemClock }: DemoOptions,
): Promise<void> {
  const drive = Math.floor(clock.now() / driveMs);
  const driveStartMs = drive * driveMs;
  const fleet = createFleet(streets, drive);
  const waiting = new Map<number, Promise<void>>();
  let isAway = false;
  const report = async (index: number): Promise<void> => {
    const nowMs = clock.now();
    const position = newPosition(fleet.position(index, nowMs - driveStartMs), nowMs);
    try {
      await producer.send(topic, positionRecord(position));
      if (isAway) log.info("demo goes on", { topic });
      isAway = false;
    } catch (error) {
      if (!isAway) log.warn("demo waits for Kafka", { topic, reason: (error as Error).message });
      isAway = true;
    }
  };
  log.info("demo vehicles drive", { topic, vehicles: fleet.names.length });
  const gapMs = reportEveryMs / fleet.names.length;
  let dueMs = clock.now();
  for (let index = 0; !signal.aborted; index = (index + 1) % fleet.names.length) {
    if (!waiting.has(index)) waiting.set(index, report(index).finally(() => waiting.delete(index)));
    // After a pause of the whole process the reports of the pause are not made up for.
    dueMs = Math.max(dueMs + gapMs, clock.now() - reportEveryMs);
    await clock.sleep(Math.max(0, dueMs - clock.now()), signal);
  }
  await Promise.all(waiting.values());
}

/** `tailrace demo`: the demo vehicles against any Kafka, until `run.signal` aborts. */
export async function demo(config: Config, run: CommandRun): Promise<void> {
  await using kafka = await connectKafka(config, run);
  await using producer = createProducer(kafka, { log: run.log });
  run.out(`Vehicles drive in topic ${config.geoTopic}; end with Ctrl-C\n`);
  await startDemo({ producer, topic: config.geoTopic, log: run.log, signal: run.signal });
}
