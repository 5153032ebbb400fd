import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { measure } from "../../commands/demo_measurements.ts";
import { valueAt, valueInCourse } from "../../commands/measurement_values.ts";
import { readConfig } from "../../config.ts";
import { StreamError } from "../../errors.ts";
import { MeasurementInput, type MeasurementSpec, usualMeasurements } from "../../kafka/measurements.ts";
import { createLogger } from "../../logger.ts";
import { Random } from "../random.ts";
import { JumpingClock } from "./jumping_clock.ts";

/** Draws from [0, 1), the same ones for the same seed. */
function seededRandom(seed: number): () => number {
  const random = new Random(null, seed);
  return () => random.between(0, 2 ** 24 - 1) / 2 ** 24;
}

const config = readConfig({}, new Map(), "client");

interface Sent {
  readonly topic: string;
  readonly value: MeasurementInput;
  readonly atMs: number;
}

/** Measures for `seconds` of a jumping clock; gives what was sent and logged. */
async function run(
  seconds: number,
  send: (clock: JumpingClock, second: number) => Promise<void> = () => Promise.resolve(),
): Promise<{ sent: Sent[]; lines: string[] }> {
  const startMs = Date.UTC(2026, 4, 1, 12), clock = new JumpingClock(startMs), stop = new AbortController();
  const sent: Sent[] = [], lines: string[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line).message);
  await measure({
    config,
    clock,
    signal: stop.signal,
    log: createLogger({ level: "info", format: "json", write }),
    producer: {
      send: async (topic, { key, value }) => {
        assertEquals(key, null);
        const second = (clock.now() - startMs) / 1000;
        if (second >= seconds) stop.abort();
        sent.push({ topic, value: MeasurementInput.parse(JSON.parse(value as string)), atMs: clock.now() });
        await send(clock, second);
        return { partition: 0, offset: 0 };
      },
    },
  }, seededRandom(7));
  return { sent, lines };
}

Deno.test("measure() takes one a second, in turn over MEASUREMENTS, at its time", async () => {
  const { sent } = await run(300);
  assertEquals(sent.length, 301);
  for (const [n, { topic, value, atMs }] of sent.entries()) {
    assertEquals([topic, atMs], [usualMeasurements[n % 3]!.name, Date.UTC(2026, 4, 1, 12) + n * 1000]);
    assertEquals(Date.parse(value.measurement_time!), atMs);
  }
});

Deno.test("measure() leaves out what is due while Kafka is away, and goes on with the present", async () => {
  let waiting = 0, most = 0;
  const { sent, lines } = await run(120, async (clock, second) => {
    if (second < 20 || second >= 60) return;
    most = Math.max(most, ++waiting);
    await clock.sleep((60 - second) * 1000, new AbortController().signal);
    waiting--;
    throw new StreamError("kafka-unavailable", 503, "away");
  });
  assertEquals(most, 3, "one of each");
  assertEquals(lines, [
    "demo measurements are taken",
    "demo measurements waits for Kafka",
    "demo measurements goes on",
  ]);
  assertLess(sent.length, 90);
});

Deno.test("measure() does not make up for a long pause of the whole process", async () => {
  let paused = false;
  const { sent } = await run(4000, (clock, second) => {
    if (second > 5 && !paused) clock.pass(3_900_000);
    paused ||= second > 5;
    return Promise.resolve();
  });
  assertLess(sent.length, 120);
});

Deno.test("valueAt() is on the grid of a measurement, without the errors of sums", () => {
  const spec: MeasurementSpec = { name: "x", first: 0.1, last: 0.7, step: 0.1 };
  assertEquals(Array.from({ length: 7 }, (_, n) => valueAt(spec, n)), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
  assertEquals([valueAt(spec, -5), valueAt(spec, 99)], [0.1, 0.7]);
});

Deno.test("valueInCourse() stays in the range, uses most of it, and rarely jumps", () => {
  for (const spec of usualMeasurements.slice(0, 2)) {
    const random = seededRandom(3), span = spec.last - spec.first;
    const course = Array.from(
      { length: 3600 },
      (_, second) => valueInCourse(spec, second * 1000, { random }),
    );
    assert(course.every((value) => value >= spec.first && value <= spec.last && Number.isInteger(value)));
    assertGreater(new Set(course).size, span * 0.7);
    const jumps = course.slice(1).map((value, i) => Math.abs(value - course[i]!));
    assertLess(Math.max(...jumps), span / 2);
    assertLess(jumps.reduce((sum, jump) => sum + jump) / jumps.length, span / 8);
  }
});
