import { assert, assertEquals } from "@std/assert";
import { maxMeasurementBytes, readMeasurement } from "../../../kafka/processors/measurement_value.ts";
import { measurementRecord } from "../../../kafka/measurements.ts";
import type { WrongKind } from "../../../kafka/processors/histogram_types.ts";
import { Random } from "../../random.ts";

const time = "2026-05-17T09:30:00Z", timeMs = Date.parse(time);

function read(text: string) {
  return readMeasurement(new TextEncoder().encode(text));
}

const measured: readonly (readonly [what: string, text: string, measurement: number])[] = [
  ["a whole number", `{"measurement":-3,"measurement_time":"${time}"}`, -3],
  [
    "a fraction, with spaces as Python writes them",
    `{"measurement": 0.1, "measurement_time": "${time}"}`,
    0.1,
  ],
  ["an exponent", `{"measurement_time":"${time}","measurement":-1.5E-7}`, -1.5e-7],
  ["a subnormal number", `{"measurement":5e-324,"measurement_time":"${time}"}`, 5e-324],
  [
    "the largest number",
    `{"measurement":1.7976931348623157e308,"measurement_time":"${time}"}`,
    Number.MAX_VALUE,
  ],
  [
    "more digits than a number has",
    `{"measurement":12345678901234567890,"measurement_time":"${time}"}`,
    12345678901234567000,
  ],
  ["other fields", `{"unit":"K","measurement":1,"at":{"measurement":"x"},"measurement_time":"${time}"}`, 1],
  [
    "NaN in another field",
    `{"dew":NaN,"note":"a \\"NaN\\" \\\\","measurement":1,"measurement_time":"${time}"}`,
    1,
  ],
  ["the last of two", `{"measurement":"x","measurement":2,"measurement_time":"${time}"}`, 2],
  ["a byte order mark", `\ufeff{"measurement":1,"measurement_time":"${time}"}`, 1],
];

for (const [what, text, measurement] of measured) {
  Deno.test(`readMeasurement() takes ${what}`, () => assertEquals(read(text), { measurement, timeMs }));
}

const wrong = {
  json: [
    "{",
    "warm",
    `{"measurement":1,"measurement_time":"${time}"} x`,
    `{"measurement":01,"measurement_time":"${time}"}`,
    `{'measurement':1}`,
    `{"measurement":nan,"measurement_time":"${time}"}`,
    `{"measurement":NaNa,"measurement_time":"${time}"}`,
    `{"measurement":"NaN`,
    `{"measurement":+Infinity,"measurement_time":"${time}"}`,
  ],
  missing: ["{}", "[]", "12", "null", '"20.5"', `{"measurement_time":"${time}"}`, '{"Measurement":1}', "NaN"],
  "not-a-number": ['"20.5"', "null", "true", "[1]", "{}", '"NaN"'].map((value) =>
    `{"measurement":${value},"measurement_time":"${time}"}`
  ),
  "not-finite": ["NaN", "Infinity", "-Infinity", "1e999", "-1e400", " NaN"].map((value) =>
    `{"measurement":${value},"measurement_time":"${time}"}`
  ),
  time: [
    '{"measurement":1}',
    ...["1700000000", "null", '""', '"yesterday"', '"2026-05-17"', "NaN", '["2026-05-17T09:30:00Z"]'].map((
      value,
    ) => `{"measurement":1,"measurement_time":${value}}`),
  ],
} as const;

for (const [kind, texts] of Object.entries(wrong)) {
  Deno.test(`readMeasurement() tells what is wrong: ${kind}`, () => {
    for (const text of texts) assertEquals(read(text), { wrong: kind as WrongKind }, text);
  });
}

Deno.test("readMeasurement() tells records without a value from others", () => {
  assertEquals(readMeasurement(null), { wrong: "empty" });
  assertEquals(readMeasurement(new Uint8Array()), { wrong: "empty" });
});

Deno.test("readMeasurement() takes no bytes that are not UTF-8", () => {
  assertEquals(readMeasurement(Uint8Array.of(0xff, 0xd8, 0xff)), { wrong: "json" });
  const [before, after] = ['{"note":"', `","measurement":1,"measurement_time":"${time}"}`].map((text) =>
    new TextEncoder().encode(text)
  );
  assertEquals(readMeasurement(Uint8Array.of(...before!, 0xc3, 0x28, ...after!)), { wrong: "json" });
  assertEquals(readMeasurement(Uint8Array.of(...before!, 0xc3, 0xa9, ...after!)), { measurement: 1, timeMs });
});

Deno.test("readMeasurement() looks into values up to a bound", () => {
  const around = `{"note":"","measurement":1,"measurement_time":"${time}"}`.length;
  const long = (bytes: number, sign = "x") =>
    read(`{"note":"${sign.repeat(bytes - around)}","measurement":1,"measurement_time":"${time}"}`);
  assertEquals(long(maxMeasurementBytes), { measurement: 1, timeMs });
  assertEquals(long(maxMeasurementBytes + 1), { wrong: "json" });
  assertEquals(read("[".repeat(maxMeasurementBytes)), { wrong: "json" });
  assertEquals(read("NaN".repeat(20_000)), { wrong: "json" });
  assertEquals(read(`"${"\\x".repeat(30_000)}NaN`), { wrong: "json" });
});

Deno.test("readMeasurement() reads what measurementRecord() writes", () => {
  const random = new Random("measurements as records");
  for (let i = 0; i < 20_000; i++) {
    const measurement = (random.between(0, 2 ** 31) / 7 - 1e8) * 10 ** random.between(-30, 30);
    const timeMs = random.between(-1e12, 4e12);
    const { value } = measurementRecord(measurement, timeMs);
    assertEquals(read(value), { measurement, timeMs });
  }
});

Deno.test("readMeasurement() answers to any bytes", () => {
  const random = new Random("bytes as measurements");
  const valid = new TextEncoder().encode(
    `{"measurement": NaN, "x": [1, "a\\n"], "measurement_time": "${time}"}`,
  );
  for (let i = 0; i < 100_000; i++) {
    const bytes = valid.slice(0, random.between(0, valid.length));
    for (let k = random.between(0, 4); k > 0 && bytes.length > 0; k--) {
      bytes[random.between(0, bytes.length - 1)] = random.between(0, 255);
    }
    const answer = readMeasurement(bytes);
    assert(answer.wrong !== undefined || Number.isFinite(answer.measurement));
  }
});

Deno.test("readMeasurement() is fast enough never to be what is waited for", () => {
  const values = Array.from({ length: 20_000 }, (_, i) => {
    const { value } = measurementRecord((i * 7919 % 5000) / 100 - 25, timeMs + i * 37);
    return new TextEncoder().encode(value);
  });
  const decoder = new TextDecoder();
  const works = [readMeasurement, (bytes: Uint8Array) => JSON.parse(decoder.decode(bytes))];
  /** Of the fastest round. */
  const perSecond = works.map(() => 0);
  for (let round = 0; round < 10; round++) {
    for (const [n, work] of works.entries()) {
      const began = performance.now();
      for (const bytes of values) work(bytes);
      perSecond[n] = Math.max(perSecond[n]!, values.length / (performance.now() - began) * 1000);
    }
  }
  const [best, parsed] = perSecond as [number, number],
    text = perSecond.map((n) => Math.round(n).toLocaleString("en"));
  console.log(`readMeasurement(): ${text[0]}/s, JSON.parse(): ${text[1]}/s`);
  assert(best > parsed / 8, `${best}/s, JSON.parse() ${parsed}/s`);
});
