/** What the value of a record says: a measurement, or why it is none.
 *
 * Other programs write to these topics too, so anything may be in there; nothing of it is an error here. What Python's json writes
 * for numbers that are none, `NaN` and `Infinity`, is understood. Left out: which measurements are expected (numbers outside the range
 * are measurements), what is late or repeated (recent.ts).
 * @see MeasurementInput in ../measurements.ts for what a client may post, which is stricter @module */
import { parseMeasurementTime } from "../measurement_time.ts";
import type { WrongKind } from "./histogram_types.ts";

/** A measurement, as it is counted. */
export interface Measured {
  /** Finite, in the unit of the measurement. */
  readonly measurement: number;
  /** When it was measured, ms since the epoch. */
  readonly timeMs: number;
  readonly wrong?: undefined;
}

/** No measurement. */
export interface NotMeasured {
  readonly wrong: WrongKind;
}

/** Longest value that is looked into, bytes. */
export const maxMeasurementBytes = 65_536;

const decoder = new TextDecoder("utf-8", { fatal: true });
const wrong = Object.fromEntries(
  (["json", "missing", "not-a-number", "not-finite", "time", "empty"] as const).map((kind) => [kind, {
    wrong: kind,
  }]),
) as Record<Exclude<WrongKind, "unreadable">, NotMeasured>;

/** Reads the value of a record of a measurement's topic, `{"measurement":20.5,"measurement_time":"2026-05-17T09:30:00Z"}`; other fields
 * may be there too. */
export function readMeasurement(bytes: Uint8Array | null): Measured | NotMeasured {
  if (bytes === null || bytes.length === 0) return wrong.empty;
  if (bytes.length > maxMeasurementBytes) return wrong.json;
  let value: unknown;
  try {
    value = parsed(decoder.decode(bytes));
  } catch {
    return wrong.json;
  }
  if (typeof value !== "object" || value === null || !("measurement" in value)) return wrong.missing;
  const { measurement, measurement_time } = value as { measurement: unknown; measurement_time?: unknown };
  if (typeof measurement !== "number") return wrong["not-a-number"];
  if (!Number.isFinite(measurement)) return wrong["not-finite"];
  const timeMs = typeof measurement_time === "string" ? parseMeasurementTime(measurement_time) : null;
  return timeMs === null ? wrong.time : { measurement, timeMs };
}

/** Reads JSON, and JSON with `NaN`, `Infinity` and `-Infinity` in it, all of which become infinities.
 * @throws {SyntaxError} for other text */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    // 1e999 is JSON, and no finite number
    const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|NaN|Infinity/gs;
    return JSON.parse(text.replace(tokens, (token) => token.startsWith('"') ? token : "1e999"));
  }
}
