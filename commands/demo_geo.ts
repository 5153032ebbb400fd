/** The demo's positions: each vehicle of demo_fleet.ts reports where it is once a second. A vehicle whose last report is not
 * acknowledged yet leaves out the next one.
 * @module */
import { newPosition, positionRecord } from "../kafka/topics.ts";
import streets from "../static/geo/streets.json" with { type: "json" };
import { Absence } from "./absence.ts";
import type { DemoOptions } from "./demo.ts";
import { createFleet } from "./demo_fleet.ts";

const reportEveryMs = 1000;
/** A drive begins anew this often, so that whoever starts finds the vehicles where they would be had it never
 * stopped, and tracks go on after a restart. */
const driveMs = 6 * 3600 * 1000;

/** Lets the vehicles drive. */
export async function driveVehicles(
  { producer, config, log, signal, clock }: Required<DemoOptions>,
): Promise<void> {
  const topic = config.geoTopic;
  const drive = Math.floor(clock.now() / driveMs);
  const driveStartMs = drive * driveMs;
  const fleet = createFleet(streets, drive);
  const waiting = new Map<number, Promise<void>>();
  const absence = new Absence("demo", topic, log);
  const report = async (index: number): Promise<void> => {
    const nowMs = clock.now();
    const position = newPosition(fleet.position(index, nowMs - driveStartMs), nowMs);
    try {
      await producer.send(topic, positionRecord(position));
      absence.end();
    } catch (error) {
      absence.begin((error as Error).message);
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
