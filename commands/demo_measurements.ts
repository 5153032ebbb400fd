/** The demo's measurements: one a second, in turn over MEASUREMENTS, each a value of its own course (measurement_values.ts). One whose last
 * is not acknowledged yet leaves out the next.
 * @module */
import { measurementRecord, type MeasurementSpec } from "../kafka/measurements.ts";
import { Absence } from "./absence.ts";
import type { DemoOptions } from "./demo.ts";
import { valueInCourse } from "./measurement_values.ts";

const everyMs = 1000;

/** Measures until the signal aborts.
 * @param random in [0, 1), as `Math.random` */
export async function measure(
  { producer, config, log, signal, clock }: Required<DemoOptions>,
  random: () => number = Math.random,
): Promise<void> {
  const { measurements } = config;
  if (measurements.length === 0) return;
  const waiting = new Map<string, Promise<void>>();
  const absence = new Absence("demo measurements", measurements.map(({ name }) => name).join(","), log);
  const send = async (spec: MeasurementSpec, index: number): Promise<void> => {
    const atMs = clock.now(), phase = index / measurements.length;
    try {
      const value = valueInCourse(spec, atMs, { random, phase });
      await producer.send(spec.name, measurementRecord(value, atMs));
      absence.end();
    } catch (error) {
      absence.begin((error as Error).message);
    }
  };
  log.info("demo measurements are taken", { topics: measurements.map(({ name }) => name) });
  let dueMs = clock.now();
  for (let n = 0; !signal.aborted; n++) {
    const index = n % measurements.length, spec = measurements[index]!;
    if (!waiting.has(spec.name)) {
      waiting.set(spec.name, send(spec, index).finally(() => waiting.delete(spec.name)));
    }
    // After a pause of the whole process the measurements of the pause are not made up for.
    dueMs = Math.max(dueMs + everyMs, clock.now());
    await clock.sleep(dueMs - clock.now(), signal);
  }
  await Promise.all(waiting.values());
}
