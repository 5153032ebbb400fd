/** `POST /histograms/{measurement}/measurements`: a number, or an array of them, into the measurement's topic.
 *
 * Left out: counting them, which begins when Kafka has them (kafka/processors/).
 * @module */
import type { Context } from "hono";
import { type FieldError, StreamError } from "../errors.ts";
import { maxMeasurementsPerRequest, MeasurementInput, measurementRecord } from "../kafka/measurements.ts";
import { parseMeasurementTime } from "../kafka/measurement_time.ts";
import type { Producer, RecordPlace } from "../kafka/producer.ts";
import type { Metrics } from "../metrics.ts";
import { fieldErrors, readJson, refuseFields } from "./json_body.ts";

/** What a post works with. */
export interface PostDeps {
  readonly producer: Producer;
  readonly metrics: Pick<Metrics, "posts" | "postSeconds">;
}

/** A measurement that Kafka has. */
export interface PostedMeasurement extends RecordPlace {
  readonly measurement: number;
  /** ISO 8601 in UTC, with milliseconds. */
  readonly measurement_time: string;
}

/** A measurement that was posted; ms since the epoch. */
interface Measured {
  readonly measurement: number;
  readonly timeMs: number;
}

/** Takes one measurement or an array of them; answers when Kafka has acknowledged all of them.
 * @throws {StreamError} 422 `invalid-measurement`, 413 `too-many-measurements`, what `readJson` and the producer throw */
export async function postMeasurements(
  c: Context,
  { producer, metrics }: PostDeps,
  topic: string,
): Promise<Response> {
  const body = await readJson(c), isArray = Array.isArray(body);
  const measured = readAll(isArray ? body : [body], isArray, (n) => metrics.posts(topic, "invalid", n));
  const began = performance.now();
  const records = measured.map(({ measurement, timeMs }) => measurementRecord(measurement, timeMs));
  let places: RecordPlace[];
  try {
    places = await producer.sendAll(topic, records);
  } catch (error) {
    metrics.posts(topic, "failed", records.length);
    throw error;
  }
  metrics.posts(topic, "acknowledged", records.length);
  metrics.postSeconds((performance.now() - began) / 1000);
  const answers = measured.map(({ measurement, timeMs }, i): PostedMeasurement => {
    const { partition, offset } = places[i]!;
    return { partition, offset, measurement, measurement_time: new Date(timeMs).toISOString() };
  });
  return c.json(isArray ? answers : answers[0]!, 201);
}

function readAll(items: readonly unknown[], isArray: boolean, onInvalid: (n: number) => void): Measured[] {
  if (items.length > maxMeasurementsPerRequest) {
    const detail =
      `Cannot take ${items.length} measurements at once: at most ${maxMeasurementsPerRequest} are taken`;
    throw new StreamError("too-many-measurements", 413, detail);
  }
  const nowMs = Date.now(), errors: FieldError[] = [];
  const measured = items.map((item, i) => {
    const { success, data, error } = MeasurementInput.safeParse(item);
    if (!success) errors.push(...fieldErrors(error.issues, isArray ? [i] : []));
    const { measurement = NaN, measurement_time: time } = data ?? {};
    return { measurement, timeMs: time === undefined ? nowMs : parseMeasurementTime(time)! };
  });
  if (errors.length > 0) onInvalid(items.length);
  refuseFields("invalid-measurement", "the measurement", errors);
  return measured;
}
